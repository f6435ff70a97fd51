"""What happened, in sentences: for an application's activity and for the audit."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from babel.dates import format_datetime, format_timedelta
from django.utils import timezone, translation
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext

from apis.actions.dates import NOBODY_DECIDED
from apis.models.api import limits_in_words, with_trial
from keys.actions.application_life import WITH_ITS_APPLICATION
from keys.models import Credential, Webhook
from tenants.models import Event, Role

Data = Mapping[str, Any]
Say = Callable[[Data], str | Promise]

ROLES: dict[str, Promise] = {
    Role.ADMIN: gettext_lazy("admin"),
    Role.PUBLISHER: gettext_lazy("publisher"),
    Role.APPROVER: gettext_lazy("approver"),
    Role.DEVELOPER: gettext_lazy("developer"),
    Role.AUDITOR: gettext_lazy("auditor"),
}


# What Portico itself writes down is English, whoever caused it: an event is the same for all its readers.
_FIXED: dict[str, Promise] = {
    "Rolled without grace.": gettext_lazy("Rolled without grace."),
    WITH_ITS_APPLICATION: gettext_lazy("Its application was deleted."),
    NOBODY_DECIDED: gettext_lazy("Its end came before anybody decided."),
}
_BY_ITSELF = re.compile(r"The (?P<what>plan|rule) (?P<name>.+) approves by itself\.")


def happened(kind: str, data: Data, *, actor: str, subject: str, by_a_person: bool = True) -> str:
    """One event as a sentence without its full stop: “Ada approved Checkout to Orders”.

    :param subject: what it is about, in the words that fit where the sentence stands; the event's own name else.
    :param by_a_person: False for what a job or a plan did by itself.
    """
    say = ALONE.get(kind) if not by_a_person else None
    say = say or SENTENCES[kind]
    sentence = say(data) if callable(say) else say
    return str(sentence) % {**_named(data), "actor": actor, "subject": subject}


def added(data: Data) -> str:
    """What a person, or a gateway, said about it in their own words; "" where nothing was said."""
    said = next((str(data[name]) for name in ("reason", "purpose", "note", "text") if data.get(name)), "")
    if said in _FIXED:
        return str(_FIXED[said])
    if found := _BY_ITSELF.fullmatch(said):
        if found["what"] == "rule":
            return _("The rule “%(rule)s” approves by itself.") % {"rule": found["name"]}
        return _("The plan %(plan)s approves by itself.") % {"plan": found["name"]}
    return said


def subject_of(event: Event) -> str:
    """What an event is about, by the name that it had then."""
    name = event.subject_name
    if event.subject_type == "revision" and name.startswith("Revision "):
        return _("Revision %(number)s") % {"number": name.removeprefix("Revision ")}
    if event.subject_type in {"subscription", "changerequest"} and name.count(" to ") == 1:
        application, api = name.split(" to ")
        return _("%(application)s to %(api)s") % {"application": application, "api": api}
    return name


def credential(named: Credential) -> str:
    """“Shop servers …a1b2”, “API key …a1b2”: one that replaced another has the same label, so its last characters are there too."""
    return f"{named.label or named.get_kind_display()} …{named.last_four}"


def day_and_time(at: datetime) -> str:
    """“tomorrow 11:20”, “Fri 3 Oct 11:20”: in the reader's time zone, near enough to plan by."""
    local, today = timezone.localtime(at), timezone.localdate()
    clock = _format(local, "HH:mm")
    if local.date() == today:
        return _("today %(time)s") % {"time": clock}
    if local.date() == today + timedelta(days=1):
        return _("tomorrow %(time)s") % {"time": clock}
    return _format(
        local,
        pgettext("date pattern", "EEE d MMM HH:mm") if local.year == today.year else pgettext("date pattern", "d MMM y HH:mm"),
    )


def duration(time: timedelta) -> str:
    """“23 hr”, rounded."""
    return str(format_timedelta(time, format="short", threshold=1.2, locale=_locale()))


def day(at: datetime) -> str:
    """“Fri 3 Oct”: in the reader's time zone, where the year is known."""
    return _format(timezone.localtime(at), pgettext("date pattern", "EEE d MMM"))


def month(at: datetime) -> str:
    """“October 2026”, likewise."""
    return _format(timezone.localtime(at), pgettext("date pattern", "LLLL y"))


def away(at: datetime) -> str:
    """“in 5 days”."""
    return str(format_timedelta(at - timezone.now(), add_direction=True, threshold=1.2, locale=_locale()))


def listed(things: Iterable[object]) -> str:
    """“developer, approver”, with the comma of the reader's language."""
    return pgettext("between names", ", ").join(map(str, things))


_DRIFTED: dict[str, Promise] = {
    "subscriptions": gettext_lazy("Subscriptions"),
    "api_keys": gettext_lazy("API keys"),
    "revoked": gettext_lazy("What is revoked"),
    "signing_keys": gettext_lazy("Signing keys"),
    "routes": gettext_lazy("Routes"),
    "tenant": gettext_lazy("The tenant"),
    "orphans": gettext_lazy("Rows that were deleted"),
}
_HOW_MANY: dict[str, Promise] = {
    "gone": gettext_lazy("%(n)s gone"),
    "new": gettext_lazy("%(n)s new"),
    "changed": gettext_lazy("%(n)s changed"),
}


def drift_parts(parts: Mapping[str, Mapping[str, int]]) -> str:
    """What a gateway had otherwise: “Subscriptions: 1 gone; API keys: 2 changed”."""
    told = []
    # The database keeps them in an order of its own.
    for part, counts in ((part, parts[part]) for part in _DRIFTED if part in parts):
        counted = [says % {"n": counts[how]} for how, says in _HOW_MANY.items() if how in counts]
        told.append(f"{_DRIFTED[part]}: {sum(counts.values()) if part == 'orphans' else listed(counted)}")
    return pgettext("between parts of a list", "; ").join(told)


def _format(at: datetime, pattern: str) -> str:
    return str(format_datetime(at, pattern, locale=_locale()))


def _locale() -> str:
    return translation.to_locale(translation.get_language() or "en")


def _named(data: Data) -> dict[str, Any]:
    """What the sentences may name of an event's data; an old event may lack some of it."""
    now, was = data.get("now"), data.get("was")
    return {
        "api": data.get("api", ""),
        "application": data.get("application", ""),
        "version": data.get("version", ""),
        "operation": data.get("operation", ""),
        "number": data.get("number", ""),
        "days": data.get("days", 0),
        "many": data.get("operations", 0),
        "terms": limit(now) or limit(data),
        "terms_before": limit(was),
        "scopes": _scopes(now),
        "ended": data.get("ended", 0),
        "plan": data.get("closed_plan") or data.get("plan", ""),
        "until": _until(data),
        "delegate": data.get("delegate", ""),
        "hours": now if isinstance(now, int) else data.get("hours", 0),
        "ceiling": number_format(now, force_grouping=True) if isinstance(now, int) else "",
        "first": data.get("first_approved_by", ""),
        "was": was.get("name", "") if isinstance(was, Mapping) else was,
        "now": listed(now) if isinstance(now, list) else now if isinstance(now, str) else "",
        "roles": listed(ROLES.get(role, role) for role in data.get("roles", [])),
        "origins": listed(now.get("cors_origins", [])) if isinstance(now, Mapping) else "",
        "name": now.get("name", "") if isinstance(now, Mapping) else "",
        "provider": data.get("provider", ""),
        "tenant": data.get("tenant", ""),
        "host": data.get("host", ""),
        "certificate": data.get("certificate", ""),
        "times": data.get("times", 0),
        "percent": data.get("percent", 0),
        "calls": number_format(data.get("calls", 0), force_grouping=True),
    }


def _until(data: Data) -> str:
    """The end that an event tells of, as its reader's clock has it; "" where it tells none."""
    now = data.get("now")
    told = now.get("ends_at") if isinstance(now, Mapping) else now
    try:
        return day_and_time(datetime.fromisoformat(told)) if isinstance(told, str) else ""
    except ValueError:
        return ""


def _scopes(terms: Any) -> str:
    """What a plan includes of an API's scopes; "" where an event does not tell it."""
    if not isinstance(terms, Mapping) or "scopes" not in terms:
        return ""
    return listed(terms["scopes"]) or _("every scope")


def limit(terms: Any) -> str:
    """“60 calls a minute; 5,000 calls a day (UTC)”, of what an event tells about a plan; "" where it tells no limit."""
    if not isinstance(terms, Mapping) or not terms.get("calls") or not terms.get("seconds"):
        return ""
    period, zone = terms.get("quota_period", ""), terms.get("quota_time_zone", "")
    limits = limits_in_words(terms["calls"], terms["seconds"], terms.get("quota"), period, zone, burst=terms.get("burst"))
    return with_trial(limits, terms.get("trial_days"))


def _api_changed(data: Data) -> str:
    now = data.get("now", {})
    if "name" in now and "description" in now:
        return _("%(actor)s renamed the API %(was)s to %(name)s and changed its description")
    if "name" in now:
        return _("%(actor)s renamed the API %(was)s to %(name)s")
    return _("%(actor)s changed the description of the API %(subject)s")


def _cors_changed(data: Data) -> str:
    if data.get("now", {}).get("cors_origins"):
        return _("%(actor)s lets browser pages of %(origins)s call %(subject)s")
    return _("%(actor)s lets no browser page call %(subject)s any more")


def _application_changed(data: Data) -> str:
    if "name" in data.get("now", {}):
        return _("%(actor)s renamed the application %(was)s to %(name)s")
    return _("%(actor)s changed what the application %(subject)s is for, or whom to ask about it")


def _revision_created(data: Data) -> str:
    return ngettext(
        "%(actor)s imported %(subject)s of %(version)s, with %(many)s operation",
        "%(actor)s imported %(subject)s of %(version)s, with %(many)s operations",
        data.get("operations", 0),
    )


def _revision_live(data: Data) -> str:
    was, number = data.get("was"), data.get("number")
    if was is not None and number is not None and number < was:
        return _("%(actor)s went back to revision %(number)s of %(version)s, from revision %(was)s")
    if was is not None:
        return _("%(actor)s made revision %(number)s of %(version)s live, after revision %(was)s")
    return _("%(actor)s made revision %(number)s of %(version)s live")


def _review_changed(data: Data) -> str:
    if data.get("now"):
        return _("%(actor)s has revisions of %(subject)s reviewed by a second person")
    return _("%(actor)s lets revisions of %(subject)s go live without a review")


def _webhook_changed(data: Data) -> str:
    enabled = data.get("now", {}).get("enabled")
    if enabled is None:
        return _("%(actor)s changed the webhook %(subject)s")
    return _("%(actor)s switched the webhook %(subject)s on") if enabled else _("%(actor)s switched the webhook %(subject)s off")


def _provider_key_changed(data: Data) -> str:
    match data.get("now", {}).get("state"):
        case "on":
            return _("%(actor)s switched the key %(subject)s of %(provider)s on")
        case "off":
            return _("%(actor)s switched the key %(subject)s of %(provider)s off")
    return _("%(actor)s changed the key %(subject)s of %(provider)s")


def _of_key(tested: Promise, seen: Promise) -> Say:
    """What a test said of a key, and what calls with it did."""
    return lambda data: str(seen if data.get("seen") else tested)


def _provider_model_changed(data: Data) -> str:
    if {"input", "output", "cached", "currency"} & data.get("now", {}).keys():
        return _("%(actor)s changed what the model %(subject)s of %(provider)s costs")
    return _("%(actor)s changed the model %(subject)s of %(provider)s")


def _alert_changed(data: Data) -> str:
    match data.get("now", {}).get("muted"):
        case True:
            return _("%(actor)s muted the usage alert %(subject)s")
        case False:
            return _("%(actor)s let the usage alert %(subject)s tell again")
    return _("%(actor)s changed the usage alert %(subject)s")


def _webhook_disabled(data: Data) -> str:
    if data.get("why") == Webhook.Disabled.GONE:
        return _("The webhook %(subject)s was switched off: %(host)s answered that it is gone")
    return _("The webhook %(subject)s was switched off: %(host)s took nothing for five days")


def _rule_changed(data: Data) -> str:
    now = data.get("now", {})
    if list(now) == ["enabled"]:
        return (
            _("%(actor)s switched the approval rule %(subject)s on")
            if now["enabled"]
            else _("%(actor)s switched the approval rule %(subject)s off")
        )
    return _("%(actor)s changed the approval rule %(subject)s")


def _plan_changed(data: Data) -> str:
    now = data.get("now", {})
    if "calls" in now and "approval" in now:
        return _("%(actor)s changed the plan %(subject)s of %(api)s from %(terms_before)s to %(terms)s, and who decides")
    if "calls" in now:
        return _("%(actor)s changed the plan %(subject)s of %(api)s from %(terms_before)s to %(terms)s")
    if {"models", "max_tokens", "tokens_per_minute"} & now.keys():
        return _("%(actor)s changed which models and how many tokens the plan %(subject)s of %(api)s includes")
    if "budget_tokens" in now:
        return _("%(actor)s changed what each subscription under the plan %(subject)s of %(api)s may spend on models")
    if "scopes" in now and "calls" not in now:
        return _("%(actor)s changed what the plan %(subject)s of %(api)s includes: %(scopes)s")
    if "trial_days" in now and "approval" in now:
        return _("%(actor)s changed who decides under the plan %(subject)s of %(api)s, and for how long it is tried")
    if "trial_days" in now:
        return _("%(actor)s changed for how long the plan %(subject)s of %(api)s is tried")
    return _("%(actor)s changed who decides under the plan %(subject)s of %(api)s")


def _ceiling_changed(data: Data) -> str:
    now = data.get("now")
    if now is None:
        return _("%(actor)s lets as many calls of the tenant pass as the platform does where nothing is said")
    if not now:
        return _("%(actor)s took the ceiling of the tenant's calls away")
    return ngettext(
        "%(actor)s lets %(ceiling)s call a second pass of all of the tenant's APIs together",
        "%(actor)s lets %(ceiling)s calls a second pass of all of the tenant's APIs together",
        now,
    )


def _plan_closed(data: Data) -> str:
    if not data.get("ended"):
        return _("%(actor)s closed the plan %(subject)s of %(api)s")
    return ngettext(
        "%(actor)s closed the plan %(subject)s of %(api)s; %(ended)s subscription ended with it",
        "%(actor)s closed the plan %(subject)s of %(api)s; %(ended)s subscriptions ended with it",
        data["ended"],
    )


def _clock_changed(data: Data) -> str:
    if data.get("now") is None:
        return _("%(actor)s stopped the clock of requests")
    return ngettext(
        "%(actor)s wants requests answered within %(hours)s hour", "%(actor)s wants requests answered within %(hours)s hours", data["now"]
    )


def _approved(data: Data) -> str:
    if data.get("first_approved_by"):
        return _("%(actor)s approved %(subject)s as the second of two, after %(first)s")
    return _("%(actor)s approved %(subject)s")


def _dates_changed(data: Data) -> str:
    was, now = data.get("was", {}), data.get("now", {})
    if was.get("starts_at") != now.get("starts_at"):
        return _("%(actor)s changed when %(subject)s starts and ends")
    if now.get("ends_at") is None:
        return _("%(actor)s took the end of %(subject)s away")
    return _("%(actor)s said that %(subject)s ends %(until)s")


def _expired(data: Data) -> str:
    return _("The trial of %(subject)s ended") if data.get("trial") else _("The time of %(subject)s ended")


def _subscription_ends_soon(data: Data) -> str:
    return ngettext("%(subject)s ends in %(days)s day", "%(subject)s ends in %(days)s days", data.get("days", 0))


def _change_requested(data: Data) -> str:
    if data.get("plan"):
        return _("%(actor)s asked for the plan %(plan)s: %(subject)s")
    return _("%(actor)s asked to renew %(subject)s")


def _cancelled(data: Data) -> str:
    if data.get("closed_plan"):
        return _("%(actor)s cancelled %(subject)s by closing the plan %(plan)s")
    return _("%(actor)s cancelled %(subject)s")


def _topped_up(data: Data) -> str:
    return ngettext(
        "%(actor)s let %(calls)s call more of %(subject)s pass until its quota begins anew",
        "%(actor)s let %(calls)s calls more of %(subject)s pass until its quota begins anew",
        data.get("calls", 0),
    )


def _erased(data: Data) -> str:
    return ngettext(
        "%(actor)s deleted what was kept of prompts and answers of %(subject)s: of %(calls)s call",
        "%(actor)s deleted what was kept of prompts and answers of %(subject)s: of %(calls)s calls",
        data.get("calls", 0),
    )


_GOT: dict[str, Promise] = {
    "client_secret": gettext_lazy("%(actor)s got a new secret for %(application)s: %(subject)s"),
    "api_key": gettext_lazy("%(actor)s got a new API key for %(application)s: %(subject)s"),
    "key_pair": gettext_lazy("%(actor)s registered a key pair for %(application)s: %(subject)s"),
    "issuer": gettext_lazy("%(actor)s lets %(application)s prove itself by its identity provider: %(subject)s"),
}


def _credential_created(data: Data) -> str:
    kind = data.get("kind", "client_secret")
    if data.get("replaces") and kind == "api_key":
        return _("%(actor)s got a new API key for %(application)s, %(subject)s, in place of an older one")
    if data.get("replaces") and kind == "client_secret":
        return _("%(actor)s got a new secret for %(application)s, %(subject)s, in place of an older one")
    return str(_GOT[kind])


def _ends_soon(data: Data) -> str:
    return ngettext(
        "The credential %(subject)s of %(application)s ends in %(days)s day",
        "The credential %(subject)s of %(application)s ends in %(days)s days",
        data.get("days", 0),
    )


def _service_ends_soon(data: Data) -> str:
    return ngettext(
        "The service account %(subject)s ends in %(days)s day", "The service account %(subject)s ends in %(days)s days", data.get("days", 0)
    )


def _certificate_ends_soon(data: Data) -> str:
    return ngettext(
        "The certificate %(certificate)s of the upstream of %(subject)s ends in %(days)s day",
        "The certificate %(certificate)s of the upstream of %(subject)s ends in %(days)s days",
        data.get("days", 0),
    )


def _domain_ends_soon(data: Data) -> str:
    return ngettext(
        "The certificate of %(subject)s ends in %(days)s day",
        "The certificate of %(subject)s ends in %(days)s days",
        data.get("days", 0),
    )


def _signed_in(data: Data) -> str:
    if "provider" in data:
        return _("%(subject)s signed in to %(tenant)s, by %(provider)s")
    return _("%(subject)s signed in")


SENTENCES: dict[str, Promise | Say] = {
    "tenant.created": gettext_lazy("%(actor)s created the tenant %(subject)s"),
    "member.added": gettext_lazy("%(actor)s made %(subject)s a member: %(roles)s"),
    "member.changed": gettext_lazy("%(actor)s changed the roles of %(subject)s to %(roles)s"),
    "tenant.suspended": gettext_lazy("%(actor)s suspended the tenant; its calls are refused"),
    "tenant.resumed": gettext_lazy("%(actor)s resumed the tenant; its calls pass again"),
    "tenant.closing": gettext_lazy("%(actor)s began to close the tenant; its calls are refused"),
    "tenant.reopened": gettext_lazy("%(actor)s took closing back; calls pass again"),
    "tenant.ceiling_changed": _ceiling_changed,
    "tenant.changed": gettext_lazy("%(actor)s changed the settings of the tenant"),
    "tenant.exported": gettext_lazy("%(actor)s exported all data of the tenant"),
    "member.removed": gettext_lazy("%(actor)s removed %(subject)s from the tenant"),
    "member.left": gettext_lazy("%(actor)s left the tenant"),
    "member.joined": gettext_lazy("%(actor)s joined as %(roles)s"),
    "invitation.created": gettext_lazy("%(actor)s invited %(subject)s"),
    "invitation.renewed": gettext_lazy("%(actor)s invited %(subject)s again; the earlier link ended"),
    "invitation.accepted": gettext_lazy("%(actor)s accepted the invitation"),
    "invitation.revoked": gettext_lazy("%(actor)s took the invitation of %(subject)s back"),
    "invitation.expired": gettext_lazy("The invitation of %(subject)s expired"),
    "role.created": gettext_lazy("%(actor)s made the role %(subject)s"),
    "role.changed": gettext_lazy("%(actor)s changed the role %(subject)s"),
    "role.deleted": gettext_lazy("%(actor)s deleted the role %(subject)s"),
    "delegation.created": gettext_lazy("%(actor)s handed deciding requests on to %(delegate)s for a while"),
    "delegation.ended": gettext_lazy("%(subject)s: deciding in their place ended"),
    "team.created": gettext_lazy("%(actor)s made the team %(subject)s"),
    "team.changed": gettext_lazy("%(actor)s changed the team %(subject)s"),
    "team.deleted": gettext_lazy("%(actor)s deleted the team %(subject)s"),
    "application.transferred": gettext_lazy("%(actor)s gave %(subject)s from %(was)s to %(now)s"),
    "api.transferred": gettext_lazy("%(actor)s changed the team that looks after %(subject)s"),
    "service_account.created": gettext_lazy("%(actor)s made the service account %(subject)s"),
    "service_account.changed": gettext_lazy("%(actor)s changed the service account %(subject)s"),
    "service_account.rolled": gettext_lazy("%(actor)s gave the service account %(subject)s a new secret"),
    "service_account.ends_soon": _service_ends_soon,
    "service_account.revoked": gettext_lazy("%(actor)s revoked the service account %(subject)s"),
    "service_account.expired": gettext_lazy("The time of the service account %(subject)s ended"),
    "webhook.created": gettext_lazy("%(actor)s made the webhook %(subject)s to %(host)s"),
    "webhook.changed": _webhook_changed,
    "webhook.rolled": gettext_lazy("%(actor)s gave the webhook %(subject)s a new secret"),
    "webhook.disabled": _webhook_disabled,
    "webhook.deleted": gettext_lazy("%(actor)s deleted the webhook %(subject)s"),
    "provider.connected": gettext_lazy("%(actor)s connected the AI provider %(subject)s at %(host)s"),
    "provider.changed": gettext_lazy("%(actor)s changed the AI provider %(subject)s"),
    "provider.removed": gettext_lazy("%(actor)s removed the AI provider %(subject)s with its keys and models"),
    "provider.resolved": gettext_lazy("%(subject)s has other addresses now: %(now)s"),
    "provider_key.added": gettext_lazy("%(actor)s added the key %(subject)s to %(provider)s"),
    "provider_key.changed": _provider_key_changed,
    "provider_key.works": _of_key(
        gettext_lazy("%(actor)s tested the key %(subject)s of %(provider)s: it works"),
        gettext_lazy("The key %(subject)s of %(provider)s gets calls again"),
    ),
    "provider_key.refused": _of_key(
        gettext_lazy("%(actor)s tested the key %(subject)s of %(provider)s: it is refused"),
        gettext_lazy("%(provider)s refused calls with the key %(subject)s, which gets none any more"),
    ),
    "provider_key.exhausted": _of_key(
        gettext_lazy("%(actor)s tested the key %(subject)s of %(provider)s: it is used up"),
        gettext_lazy("%(provider)s took no more calls with the key %(subject)s, which gets none for a while"),
    ),
    "provider_key.failing": _of_key(
        gettext_lazy("%(actor)s tested the key %(subject)s of %(provider)s: it got no answer of use"),
        gettext_lazy("%(provider)s gave no answers of use to the key %(subject)s, which gets no calls for half a minute"),
    ),
    "provider_key.removed": gettext_lazy("%(actor)s removed the key %(subject)s of %(provider)s"),
    "provider_model.added": gettext_lazy("%(actor)s added the model %(subject)s to %(provider)s"),
    "provider_model.changed": _provider_model_changed,
    "provider_model.removed": gettext_lazy("%(actor)s removed the model %(subject)s of %(provider)s"),
    "model_alias.created": gettext_lazy("%(actor)s made the alias %(subject)s for models"),
    "model_alias.changed": gettext_lazy("%(actor)s changed which models the alias %(subject)s stands for"),
    "model_alias.deleted": gettext_lazy("%(actor)s deleted the alias %(subject)s for models"),
    "audit.exported": gettext_lazy("%(actor)s exported the audit"),
    "identity_provider.changed": gettext_lazy("%(actor)s changed by which identity provider people sign in: %(subject)s"),
    "identity_provider.removed": gettext_lazy("%(actor)s removed the identity provider %(subject)s; nobody signs in by it any more"),
    "identity.linked": gettext_lazy("%(provider)s signs %(subject)s in from now on"),
    "identity.unlinked": gettext_lazy("%(actor)s undid the link of %(subject)s with %(provider)s"),
    "signing_key.published": gettext_lazy("The signing key %(subject)s was announced; it will sign when verifiers know it"),
    "signing_key.activated": gettext_lazy("The signing key %(subject)s began to sign"),
    "signing_key.retired": gettext_lazy("The signing key %(subject)s signs no more; its private half was destroyed"),
    "signing_key.removed": gettext_lazy("The signing key %(subject)s left the JWKS: nothing that it signed is alive"),
    "signing_key.compromised": gettext_lazy("%(actor)s declared the signing key %(subject)s compromised; what it signed is refused"),
    "signing_key.brought_forward": gettext_lazy("%(actor)s wants the signing key %(subject)s to sign as soon as it may"),
    "signing_key.rehearsed": gettext_lazy("%(actor)s rehearsed the rotation to the signing key %(subject)s"),
    "token_policy.changed": gettext_lazy("%(actor)s changed the token policy"),
    "token.revoked": gettext_lazy("%(actor)s gave the access token %(subject)s back"),
    "api.created": gettext_lazy("%(actor)s created the API %(subject)s"),
    "api.changed": _api_changed,
    "api.cors_changed": _cors_changed,
    "api.gateways_changed": gettext_lazy("%(actor)s changed which gateways serve %(subject)s"),
    "api.policies_changed": gettext_lazy("%(actor)s changed the policies of %(subject)s"),
    "mcp.switched_on": gettext_lazy("%(actor)s switched the tools of %(subject)s for agents on"),
    "mcp.changed": gettext_lazy("%(actor)s changed the tools of %(subject)s for agents"),
    "mcp.switched_off": gettext_lazy("%(actor)s switched the tools of %(subject)s for agents off"),
    "log_shipping.switched_on": gettext_lazy("%(actor)s switched the logging of calls of %(subject)s on"),
    "log_shipping.changed": gettext_lazy("%(actor)s changed where calls of %(subject)s are logged, or what of them"),
    "log_shipping.switched_off": gettext_lazy("%(actor)s switched the logging of calls of %(subject)s off"),
    "log_shipping.removed": gettext_lazy("%(actor)s removed where calls of %(subject)s are logged"),
    "log_shipping.failing": gettext_lazy("Logs of calls of %(subject)s could not be delivered for five minutes"),
    "log_shipping.recovered": gettext_lazy("Logs of calls of %(subject)s are delivered again"),
    "content_logging.switched_on": gettext_lazy("%(actor)s switched on that prompts and answers of %(subject)s are kept"),
    "content_logging.changed": gettext_lazy("%(actor)s changed what is kept of prompts and answers of %(subject)s, or for how long"),
    "content_logging.switched_off": gettext_lazy("%(actor)s switched off that prompts and answers of %(subject)s are kept"),
    "content_logging.agreed": gettext_lazy("%(actor)s agreed that prompts and answers are kept: %(subject)s"),
    "content_logging.withdrawn": gettext_lazy("%(actor)s withdrew the consent that prompts and answers are kept: %(subject)s"),
    "content_logging.read": gettext_lazy("%(actor)s read what %(application)s asked %(subject)s and was answered"),
    "content_logging.erased": _erased,
    "api.encryption_key_changed": gettext_lazy("%(actor)s changed the key that confidential claims for %(subject)s are encrypted with"),
    "version.created": gettext_lazy("%(actor)s began the version %(subject)s"),
    "version.published": gettext_lazy("%(actor)s published %(subject)s"),
    "version.prereleased": gettext_lazy("%(actor)s opened %(subject)s as a prerelease"),
    "version.discarded": gettext_lazy("%(actor)s threw %(subject)s away before it was opened"),
    "version.blocked": gettext_lazy("%(actor)s blocked %(subject)s; its calls are refused"),
    "version.unblocked": gettext_lazy("%(actor)s unblocked %(subject)s; its calls pass again"),
    "version.deprecated": gettext_lazy("%(actor)s deprecated %(subject)s"),
    "version.sunset_changed": gettext_lazy("%(actor)s promised %(subject)s for longer"),
    "version.reinstated": gettext_lazy("%(actor)s took the deprecation of %(subject)s back"),
    "version.retired": gettext_lazy("%(actor)s retired %(subject)s; it answers no more"),
    "version.acknowledged": gettext_lazy("%(actor)s acknowledged for %(application)s that %(subject)s goes"),
    "brown_out.planned": gettext_lazy("%(actor)s planned a brown-out of %(subject)s"),
    "brown_out.began": gettext_lazy("A brown-out of %(subject)s began; its calls are refused"),
    "brown_out.ended": gettext_lazy("A brown-out of %(subject)s ended; its calls pass again"),
    "brown_out.cancelled": gettext_lazy("%(actor)s cancelled a brown-out of %(subject)s"),
    "document_source.set": gettext_lazy("%(actor)s said that the document of %(subject)s stands at %(host)s"),
    "document_source.removed": gettext_lazy("%(actor)s said that the document of %(subject)s is not looked for at %(host)s any more"),
    "document_source.found": gettext_lazy("The document of %(subject)s had changed at %(host)s; it became revision %(number)s"),
    "document_source.failing": gettext_lazy("The document of %(subject)s could not be had from %(host)s, %(times)s times in a row"),
    "document_source.stopped": gettext_lazy(
        "The document of %(subject)s is not looked for at %(host)s any more, as who set it up may not publish"
    ),
    "certificate.ends_soon": _certificate_ends_soon,
    "domain.added": gettext_lazy("%(actor)s added the domain %(subject)s"),
    "domain.verified": gettext_lazy("The domain %(subject)s is proven to be the tenant's"),
    "domain.certificate_changed": gettext_lazy("%(actor)s put a certificate for %(subject)s"),
    "domain.ends_soon": _domain_ends_soon,
    "domain.proof_missing": gettext_lazy("DNS says no more that %(subject)s is the tenant's"),
    "domain.removed": gettext_lazy("%(actor)s removed the domain %(subject)s"),
    "revision.created": _revision_created,
    "revision.live": _revision_live,
    "api.request_form_changed": gettext_lazy("%(actor)s changed what %(subject)s asks of those who request it"),
    "api.review_changed": _review_changed,
    "review.requested": gettext_lazy("%(actor)s asked for a review of revision %(number)s of %(version)s"),
    "review.approved": gettext_lazy("%(actor)s approved revision %(number)s of %(version)s"),
    "review.rejected": gettext_lazy("%(actor)s rejected revision %(number)s of %(version)s"),
    "review.withdrawn": gettext_lazy("%(actor)s withdrew the review of revision %(number)s of %(version)s"),
    "revision.test_opened": gettext_lazy("%(actor)s opened revision %(number)s of %(version)s for tests"),
    "revision.test_closed": gettext_lazy("%(actor)s closed revision %(number)s of %(version)s to tests"),
    "api.placed": gettext_lazy("%(actor)s changed where %(subject)s stands in the catalogue"),
    "categories.changed": gettext_lazy("%(actor)s changed the categories of the catalogue"),
    "lint.changed": gettext_lazy("%(actor)s changed the rules on documents"),
    "upstream.resolved": gettext_lazy("%(subject)s has other addresses now: %(now)s"),
    "plan.created": gettext_lazy("%(actor)s made the plan %(subject)s of %(api)s: %(terms)s"),
    "plan.published": gettext_lazy("%(actor)s opened the plan %(subject)s to subscribers"),
    "plan.changed": _plan_changed,
    "plan.shown": gettext_lazy("%(actor)s changed who sees the plan %(subject)s of %(api)s"),
    "plan.deprecated": gettext_lazy("%(actor)s deprecated the plan %(subject)s of %(api)s; nothing new subscribes under it"),
    "plan.reinstated": gettext_lazy("%(actor)s offers the plan %(subject)s of %(api)s again"),
    "plan.closed": _plan_closed,
    "application.created": gettext_lazy("%(actor)s registered the application %(subject)s"),
    "application.requested": gettext_lazy("%(actor)s registered the application %(subject)s, which waits for an approver"),
    "application.approved": gettext_lazy("%(actor)s approved the application %(subject)s"),
    "application.rejected": gettext_lazy("%(actor)s rejected the application %(subject)s"),
    "application.changed": _application_changed,
    "application.suspended": gettext_lazy("%(actor)s suspended the application %(subject)s; its calls are refused"),
    "application.resumed": gettext_lazy("%(actor)s resumed the application %(subject)s; its calls pass again"),
    "application.deleted": gettext_lazy("%(actor)s deleted the application %(subject)s"),
    "application.tried": gettext_lazy("%(actor)s tried %(operation)s of %(api)s in the browser as %(subject)s"),
    "credential.created": _credential_created,
    "credential.rolled": gettext_lazy("%(actor)s rolled the credential %(subject)s; it works on until its grace ends"),
    "credential.expired": gettext_lazy("The time of the credential %(subject)s ended"),
    "credential.revoked": gettext_lazy("%(actor)s revoked the credential %(subject)s"),
    "credential.first_used": gettext_lazy("The credential %(subject)s was used for the first time"),
    "credential.ends_soon": _ends_soon,
    "calendar_feed.created": gettext_lazy("%(actor)s made an address for the calendar of expiries"),
    "calendar_feed.revoked": gettext_lazy("%(actor)s ended the address of the calendar of expiries"),
    "subscription.requested": gettext_lazy("%(actor)s asked for a subscription: %(subject)s"),
    "subscription.added": gettext_lazy("%(actor)s added a subscription that nobody had asked for: %(subject)s"),
    "approval_rule.created": gettext_lazy("%(actor)s made the approval rule %(subject)s"),
    "approval_rule.changed": _rule_changed,
    "approval_rule.deleted": gettext_lazy("%(actor)s deleted the approval rule %(subject)s"),
    "subscription.asked": gettext_lazy("%(actor)s asked about %(subject)s"),
    "subscription.answered": gettext_lazy("%(actor)s answered about %(subject)s"),
    "subscription.overdue": lambda data: ngettext(
        "%(subject)s has waited for an answer for more than %(hours)s hour",
        "%(subject)s has waited for an answer for more than %(hours)s hours",
        data.get("hours", 0),
    ),
    "request_policy.changed": _clock_changed,
    "subscription.approved_first": gettext_lazy("%(actor)s approved %(subject)s as the first of two"),
    "subscription.first_approval_undone": gettext_lazy("%(actor)s took the first of two approvals of %(subject)s back"),
    "subscription.approved": _approved,
    "subscription.rejected": gettext_lazy("%(actor)s rejected %(subject)s"),
    "subscription.decision_undone": gettext_lazy("%(actor)s took the decision about %(subject)s back; it is a request again"),
    "subscription.suspended": gettext_lazy("%(actor)s suspended %(subject)s"),
    "subscription.resumed": gettext_lazy("%(actor)s resumed %(subject)s"),
    "subscription.cancelled": _cancelled,
    "subscription.started": gettext_lazy("%(subject)s started; its calls pass"),
    "subscription.expired": _expired,
    "subscription.dates_changed": _dates_changed,
    "subscription.plan_changed": gettext_lazy("%(actor)s changed the plan of %(subject)s from %(was)s to %(now)s"),
    "subscription.renewed": gettext_lazy("%(actor)s renewed %(subject)s: it ends %(until)s"),
    "subscription.ends_soon": _subscription_ends_soon,
    "change_request.requested": _change_requested,
    "change_request.approved": gettext_lazy("%(actor)s approved what was asked to change of %(subject)s"),
    "change_request.approved_first": gettext_lazy("%(actor)s approved what was asked to change of %(subject)s, as the first of two"),
    "change_request.rejected": gettext_lazy("%(actor)s rejected what was asked to change of %(subject)s"),
    "change_request.withdrawn": gettext_lazy("%(actor)s withdrew what was asked to change of %(subject)s"),
    "usage_alert.created": gettext_lazy("%(actor)s made the usage alert %(subject)s"),
    "usage_alert.changed": _alert_changed,
    "usage_alert.deleted": gettext_lazy("%(actor)s deleted the usage alert %(subject)s"),
    "usage_alert.opened": gettext_lazy("The usage alert %(subject)s was opened"),
    "usage_alert.closed": gettext_lazy("The usage alert %(subject)s was closed"),
    "quota.warned": gettext_lazy("%(subject)s has used %(percent)s %% of its quota"),
    "quota.passed": gettext_lazy("%(subject)s has used up its quota; its calls are refused"),
    "quota.reset": gettext_lazy("The quota of %(subject)s began anew; its calls pass again"),
    "quota.topped_up": _topped_up,
    "budget.warned": gettext_lazy("%(subject)s has spent %(percent)s %% of its budget"),
    "budget.passed": gettext_lazy("%(subject)s has spent its budget; its calls are refused"),
    "budget.reset": gettext_lazy("The budget of %(subject)s began anew; its calls pass again"),
    "budget.topped_up": gettext_lazy("%(actor)s let more be spent of the budget of %(subject)s until it begins anew"),
    "tenant_budget.changed": gettext_lazy("%(actor)s changed what %(subject)s may spend on all AI APIs"),
    "tenant_budget.warned": gettext_lazy("%(subject)s has spent %(percent)s %% of its budget for all AI APIs"),
    "tenant_budget.passed": gettext_lazy("%(subject)s has spent its budget for all AI APIs; calls of them are refused"),
    "tenant_budget.reset": gettext_lazy("The budget of %(subject)s for all AI APIs began anew; calls of them pass again"),
    "gateway.rejected_config": gettext_lazy("The gateway %(subject)s refused a configuration"),
    "gateway.drift_repaired": gettext_lazy("Rows were changed by no decision; the gateway %(subject)s has what the database holds again"),
    "gateway.serves_other": gettext_lazy("The gateway %(subject)s serves other routes than it acknowledged"),
    "gateway.stood_open": gettext_lazy("The gateway %(subject)s let a call through without a token, and was closed for the tenant"),
    "gateway.registered": gettext_lazy("%(actor)s made the gateway %(subject)s known"),
    "gateway.token_issued": gettext_lazy("%(actor)s gave the gateway %(subject)s a new credential; those before ended"),
    "gateway.join_token_issued": gettext_lazy("%(actor)s issued a join token for the gateway %(subject)s"),
    "gateway.join_token_revoked": gettext_lazy("%(actor)s revoked the join token for the gateway %(subject)s"),
    "gateway.joined": gettext_lazy("A machine joined as the gateway %(subject)s"),
    "gateway.join_refused": gettext_lazy("A join token for the gateway %(subject)s was shown that lets nobody in any more"),
    "gateway.credential_rolled": gettext_lazy("The gateway %(subject)s got another credential"),
    "gateway.roll_refused": gettext_lazy("A credential of the gateway %(subject)s was shown that another has replaced"),
    "gateway.revoked": gettext_lazy("%(actor)s revoked the gateway %(subject)s"),
    "gateway.forgotten": gettext_lazy("%(actor)s took the gateway %(subject)s off the list"),
    "gateway.version_refused": gettext_lazy("The gateway %(subject)s was turned away: its Envoy is of a version that is not supported"),
    "gateway.drain_began": gettext_lazy("%(actor)s told the gateway %(subject)s to take no more calls"),
    "gateway.drained": gettext_lazy("The gateway %(subject)s has no connection left"),
    "gateway.drain_ended": gettext_lazy("%(actor)s let the gateway %(subject)s take calls again"),
    "gateway.node_joined": gettext_lazy("The gateway %(subject)s connected"),
    "gateway.groups_changed": gettext_lazy("%(actor)s changed the groups of the gateway %(subject)s"),
    "gateway_group.created": gettext_lazy("%(actor)s created the group of gateways %(subject)s"),
    "gateway_group.changed": gettext_lazy("%(actor)s changed the group of gateways %(subject)s"),
    "gateway_group.deleted": gettext_lazy("%(actor)s deleted the group of gateways %(subject)s"),
    "gateway.node_lost": gettext_lazy("The gateway %(subject)s is not connected any more"),
    "gateway.served_from_snapshot": gettext_lazy("The gateway %(subject)s served from its snapshot while control was away"),
    "gateway.snapshot_failed": gettext_lazy("The gateway %(subject)s has a problem with its snapshot"),
    "login.succeeded": _signed_in,
    "login.refused": gettext_lazy("Somebody tried to sign in as %(subject)s, and was refused"),
    "login.refresh_reused": gettext_lazy("A refresh token of %(subject)s was used twice; the sign-in that it came from ended"),
    "login.password_changed": gettext_lazy("%(actor)s chose another password"),
    "person.renamed": gettext_lazy("%(actor)s goes by the name %(now)s"),
    "tenant.erased": gettext_lazy("The tenant %(subject)s was erased"),
    "platform.changed": gettext_lazy("%(actor)s changed the settings of the portal"),
    "person.signed_up": gettext_lazy("%(subject)s opened an account"),
    "person.deactivated": gettext_lazy("%(actor)s closed the account of %(subject)s"),
    "person.reactivated": gettext_lazy("%(actor)s opened the account of %(subject)s again"),
    "email.verified": gettext_lazy("%(subject)s proved that their e-mail address is theirs"),
    "login.password_reset": gettext_lazy("%(subject)s chose another password by a mailed link"),
    "login.signed_out": gettext_lazy("%(subject)s ended other sessions"),
    "mfa.authenticator_added": gettext_lazy("%(subject)s added an authenticator"),
    "mfa.authenticator_removed": gettext_lazy("%(subject)s removed an authenticator"),
    "mfa.recovery_codes_made": gettext_lazy("%(subject)s made new recovery codes"),
    "mfa.recovery_code_used": gettext_lazy("%(subject)s signed in with a recovery code"),
}
# Where nobody in particular did it, and the sentence must not say that somebody did.
ALONE: dict[str, Promise | Say] = {
    "revision.test_closed": gettext_lazy("%(subject)s of %(version)s answers no tests any more: its time was over"),
    "subscription.cancelled": gettext_lazy("The request %(subject)s was withdrawn by itself: its end had come"),
    "subscription.plan_changed": gettext_lazy("The plan of %(subject)s was changed from %(was)s to %(now)s at once, as asked"),
    "subscription.renewed": gettext_lazy("%(subject)s was renewed at once, as asked: it ends %(until)s"),
    "change_request.approved": gettext_lazy("What was asked to change of %(subject)s was approved at once"),
    "subscription.approved": lambda data: (
        _("%(subject)s was approved at once, by a rule") if data.get("rule") else _("%(subject)s was approved at once, by its plan")
    ),
}
