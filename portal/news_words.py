"""Events in words, for inboxes and mails: subject, sentence, facts, and where to look."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext

from apis.actions import budgets
from apis.actions.content_logging import CHANGED as CONTENTS_CHANGED
from apis.actions.content_logging import SWITCHED_ON, WITHDRAWN
from apis.actions.questions import ANSWERED, ASKED
from apis.actions.quotas import PASSED, TOPPED_UP, WARNED
from apis.actions.request_clock import OVERDUE
from apis.actions.two_people import APPROVED_FIRST
from apis.models import Api, ApiVersion, ChangeRequest, Plan, Review, Subscription
from gateway.models import UsageAlert
from keys.models import Application, Credential
from portal import money, words
from portal.news import (
    APPLICATION_REQUESTED,
    CHANGE_REQUESTED,
    DELETED,
    ENDS_SOON,
    EXPIRED,
    GROUP_OF,
    GROUPS,
    REMOVED,
    REQUESTED,
    REVIEW_REQUESTED,
    SUBSCRIPTION_ENDS_SOON,
    TRANSFERRED,
    WEBHOOK_DISABLED,
    About,
    version_of,
)
from tenants.models import Event, Invitation, ServiceAccount, Tenant
from tenants.people import invitations

# Subject and first sentence.
WORDS: dict[str, tuple[Promise, Promise]] = {
    REQUESTED: (
        gettext_lazy("%(application)s asks for %(api)s: %(plan)s"),
        gettext_lazy("%(person)s asks for a subscription of %(application)s to %(api)s, plan %(plan)s."),
    ),
    ASKED: (
        gettext_lazy("%(api)s: %(person)s asks about %(application)s's request"),
        gettext_lazy("%(person)s asks about the request of %(application)s for %(api)s before deciding it."),
    ),
    ANSWERED: (
        gettext_lazy("%(application)s and %(api)s: an answer"),
        gettext_lazy("%(person)s says more about the request of %(application)s for %(api)s, plan %(plan)s."),
    ),
    APPROVED_FIRST: (
        gettext_lazy("%(application)s and %(api)s: a second approval is missing"),
        gettext_lazy("%(person)s approved it, plan %(plan)s. A second person has to approve it, too, before calls pass."),
    ),
    OVERDUE: (
        gettext_lazy("%(application)s still waits for %(api)s: overdue"),
        gettext_lazy("The request of %(application)s for %(api)s, plan %(plan)s, has waited for longer than requests may wait here."),
    ),
    "subscription.added": (
        gettext_lazy("%(api)s: %(application)s has a subscription"),
        gettext_lazy("%(person)s gave %(application)s a subscription to %(api)s, plan %(plan)s. Calls pass from now on."),
    ),
    "subscription.approved": (
        gettext_lazy("%(api)s: %(application)s's subscription is active"),
        gettext_lazy("%(person)s approved it. Calls pass from now on."),
    ),
    "subscription.rejected": (
        gettext_lazy("%(api)s: %(application)s's subscription was rejected"),
        gettext_lazy("%(person)s rejected it. You may ask again."),
    ),
    "subscription.suspended": (
        gettext_lazy("%(api)s: %(application)s's subscription is suspended"),
        gettext_lazy("%(person)s suspended it. Calls are refused until it is resumed."),
    ),
    "subscription.resumed": (
        gettext_lazy("%(api)s: %(application)s's subscription is active again"),
        gettext_lazy("%(person)s resumed it. Calls pass again."),
    ),
    "subscription.cancelled": (
        gettext_lazy("%(api)s: %(application)s's subscription was cancelled"),
        gettext_lazy("%(person)s cancelled it. Calls are refused; you may ask for a new subscription."),
    ),
    "subscription.started": (
        gettext_lazy("%(api)s: %(application)s's subscription has started"),
        gettext_lazy("Its time has come. Calls pass from now on."),
    ),
    "subscription.expired": (
        gettext_lazy("%(api)s: %(application)s's subscription has ended"),
        gettext_lazy("Its time was over. Calls are refused; you may ask for a new subscription."),
    ),
    "subscription.dates_changed": (
        gettext_lazy("%(api)s: %(application)s's subscription has other dates"),
        gettext_lazy("%(person)s changed when it starts and ends."),
    ),
    "subscription.plan_changed": (
        gettext_lazy("%(api)s: %(application)s has the plan %(plan)s now"),
        gettext_lazy("It has another plan, as was asked. Its tokens and keys work on."),
    ),
    "subscription.renewed": (
        gettext_lazy("%(api)s: %(application)s's subscription is renewed"),
        gettext_lazy("It ends later, as was asked. Calls go on."),
    ),
    CHANGE_REQUESTED: (
        gettext_lazy("%(application)s asks for a change at %(api)s"),
        gettext_lazy("%(person)s asks for another plan, or a later end, for %(application)s at %(api)s. Calls go on until it is decided."),
    ),
    "change_request.rejected": (
        gettext_lazy("%(api)s: what %(application)s asked to change was rejected"),
        gettext_lazy("%(person)s rejected it. The subscription stays as it is, and you may ask again."),
    ),
    APPLICATION_REQUESTED: (
        gettext_lazy("A new application waits: %(application)s"),
        gettext_lazy("%(person)s registered %(application)s. It gets nothing before an approver approves it."),
    ),
    "application.approved": (
        gettext_lazy("%(application)s is approved"),
        gettext_lazy("%(person)s approved %(application)s. It may ask for subscriptions and get credentials from now on."),
    ),
    "application.rejected": (
        gettext_lazy("%(application)s was rejected"),
        gettext_lazy("%(person)s rejected %(application)s. It gets nothing; delete it, and register another if you like."),
    ),
    WARNED: (
        gettext_lazy("%(application)s has used %(percent)s %% of its quota for %(api)s"),
        gettext_lazy("Once all of it is used, calls are refused until it begins anew. An approver can let more pass before."),
    ),
    PASSED: (
        gettext_lazy("%(application)s has used up its quota for %(api)s"),
        gettext_lazy("Calls of %(application)s are refused until the quota begins anew. An approver can let more pass before."),
    ),
    TOPPED_UP: (
        gettext_lazy("%(application)s may call %(api)s more often for now"),
        gettext_lazy("%(person)s let %(calls)s calls more pass, until the quota begins anew."),
    ),
    budgets.WARNED: (
        gettext_lazy("%(application)s has spent %(percent)s %% of its budget for %(api)s"),
        gettext_lazy("Once all of it is spent, calls are refused until it begins anew. An approver can let more be spent before."),
    ),
    budgets.PASSED: (
        gettext_lazy("%(application)s has spent its budget for %(api)s"),
        gettext_lazy("Calls of %(application)s are refused until the budget begins anew. An approver can let more be spent before."),
    ),
    budgets.TOPPED_UP: (
        gettext_lazy("%(application)s may spend more on %(api)s for now"),
        gettext_lazy("%(person)s let more be spent, until the budget begins anew."),
    ),
    budgets.ALL_WARNED: (
        gettext_lazy("%(tenant)s has spent %(percent)s %% of its budget for models"),
        gettext_lazy("Once all of it is spent, calls of all AI APIs are refused until it begins anew, or has another end."),
    ),
    budgets.ALL_PASSED: (
        gettext_lazy("%(tenant)s has spent its budget for models"),
        gettext_lazy("Calls of all AI APIs are refused until the budget begins anew, or has another end."),
    ),
    "provider_key.refused": (
        gettext_lazy("%(provider)s refuses the key %(thing)s"),
        gettext_lazy(
            "It gets no calls until somebody tests it or switches it on again. Calls go to other keys and providers, if there are any."
        ),
    ),
    "usage_alert.opened": (
        gettext_lazy("Usage alert: %(alert)s"),
        gettext_lazy("What it watches for is so, in the last %(minutes)s minutes. You hear of it again once it is over."),
    ),
    "usage_alert.closed": (
        gettext_lazy("Usage alert is over: %(alert)s"),
        gettext_lazy("What it watches for has not been so for five minutes."),
    ),
    "application.suspended": (
        gettext_lazy("%(application)s is suspended"),
        gettext_lazy("%(person)s suspended %(application)s. All of its calls are refused until it is resumed; nothing of it is lost."),
    ),
    "application.resumed": (
        gettext_lazy("%(application)s is active again"),
        gettext_lazy("%(person)s resumed %(application)s. Its calls pass again."),
    ),
    DELETED: (
        gettext_lazy("%(application)s was deleted"),
        gettext_lazy("%(person)s deleted %(application)s. Its subscriptions and credentials have ended, and its calls are refused."),
    ),
    EXPIRED: (
        gettext_lazy("%(application)s: %(credential)s has expired"),
        gettext_lazy("Calls of %(application)s with it are refused."),
    ),
    "credential.revoked": (
        gettext_lazy("%(application)s: %(credential)s was revoked"),
        gettext_lazy("%(person)s revoked it. Calls of %(application)s with it are refused."),
    ),
    "member.changed": (
        gettext_lazy("%(tenant)s: your roles changed"),
        gettext_lazy("%(person)s changed what you may do at %(tenant)s."),
    ),
    REMOVED: (
        gettext_lazy("%(tenant)s: you are no member any more"),
        gettext_lazy("%(person)s removed you from %(tenant)s."),
    ),
    TRANSFERRED: (
        gettext_lazy("%(application)s was given to you"),
        gettext_lazy("%(person)s gave %(application)s to you or your team. You answer for it from now on."),
    ),
    "version.deprecated": (
        gettext_lazy("%(version)s is deprecated"),
        gettext_lazy("%(person)s deprecated %(version)s. It answers as before; move your applications, and acknowledge that you know."),
    ),
    "version.sunset_changed": (
        gettext_lazy("%(version)s answers for longer"),
        gettext_lazy("%(person)s promised a later day until which %(version)s answers."),
    ),
    "version.reinstated": (
        gettext_lazy("%(version)s stays"),
        gettext_lazy("%(person)s took the deprecation of %(version)s back."),
    ),
    "version.blocked": (
        gettext_lazy("%(version)s is blocked"),
        gettext_lazy("%(person)s blocked %(version)s. Calls are refused until it is unblocked."),
    ),
    "version.unblocked": (
        gettext_lazy("%(version)s answers again"),
        gettext_lazy("%(person)s unblocked %(version)s. Calls pass again."),
    ),
    "version.retired": (
        gettext_lazy("%(version)s is retired"),
        gettext_lazy("%(person)s retired %(version)s. Every call of it is refused from now on."),
    ),
    "brown_out.planned": (
        gettext_lazy("A brown-out of %(version)s is planned"),
        gettext_lazy(
            "%(person)s planned a brown-out of %(version)s: for a short time every call is refused, so that who still calls notices."
        ),
    ),
    "brown_out.cancelled": (
        gettext_lazy("A brown-out of %(version)s is cancelled"),
        gettext_lazy("The brown-out of %(version)s is cancelled."),
    ),
    "plan.changed": (
        gettext_lazy("%(api)s: the plan %(plan)s allows something else"),
        gettext_lazy("%(person)s changed the limit of the plan. It holds at once, also for your applications that have it."),
    ),
    "plan.deprecated": (
        gettext_lazy("%(api)s: the plan %(plan)s is deprecated"),
        gettext_lazy("%(person)s deprecated the plan. Your applications that have it go on as before; nothing new subscribes under it."),
    ),
    "plan.reinstated": (
        gettext_lazy("%(api)s: the plan %(plan)s stays"),
        gettext_lazy("%(person)s offers the plan again."),
    ),
    "review.requested": (
        gettext_lazy("%(revision)s of %(version)s waits for a review"),
        gettext_lazy("%(person)s asks a second person to approve %(revision)s of %(version)s before callers get it."),
    ),
    "review.approved": (
        gettext_lazy("%(revision)s of %(version)s is approved"),
        gettext_lazy("%(person)s approved %(revision)s of %(version)s. It can be made live."),
    ),
    "review.rejected": (
        gettext_lazy("%(revision)s of %(version)s was rejected"),
        gettext_lazy("%(person)s rejected %(revision)s of %(version)s. It does not go live."),
    ),
    "signing_key.compromised": (
        gettext_lazy("%(tenant)s: a signing key is compromised"),
        gettext_lazy("%(person)s declared the signing key %(thing)s compromised. What it signed is refused."),
    ),
    "tenant.suspended": (
        gettext_lazy("%(tenant)s is suspended"),
        gettext_lazy("%(person)s suspended the tenant. Every call of it is refused until it is resumed."),
    ),
    "tenant.resumed": (
        gettext_lazy("%(tenant)s is active again"),
        gettext_lazy("%(person)s resumed the tenant. Calls pass again."),
    ),
    "tenant.closing": (
        gettext_lazy("%(tenant)s is being closed"),
        gettext_lazy("%(person)s began to close the tenant. Every call of it is refused, and after a while its data is erased."),
    ),
    "tenant.reopened": (
        gettext_lazy("%(tenant)s goes on"),
        gettext_lazy("%(person)s took closing the tenant back. Calls pass again."),
    ),
    "document_source.found": (
        gettext_lazy("%(thing)s: a new revision from its document's address"),
        gettext_lazy("The document of %(thing)s has changed where it stands. Look at what that changes, then make the revision live."),
    ),
    "document_source.failing": (
        gettext_lazy("%(thing)s: its document can't be had"),
        gettext_lazy("Portico looked for the document of %(thing)s several times, and did not get one that it can use."),
    ),
    "document_source.stopped": (
        gettext_lazy("%(thing)s: nobody looks for its document any more"),
        gettext_lazy("Who said where the document of %(thing)s stands may not publish any more. Save the address in your name to go on."),
    ),
    "log_shipping.failing": (
        gettext_lazy("%(thing)s: logs of its calls are not delivered"),
        gettext_lazy("The destination has taken nothing for five minutes. What finds no place meanwhile is dropped. Calls go on."),
    ),
    "log_shipping.recovered": (
        gettext_lazy("%(thing)s: logs of its calls are delivered again"),
        gettext_lazy("The destination takes them again. The page says how many records were dropped."),
    ),
    SWITCHED_ON: (
        gettext_lazy("%(api)s asks whether it may keep prompts and answers"),
        gettext_lazy("%(person)s switched on that %(api)s keeps them, of applications whose people agree. Read its text, then decide."),
    ),
    CONTENTS_CHANGED: (
        gettext_lazy("%(api)s asks anew whether it may keep prompts and answers"),
        gettext_lazy("%(person)s changed what %(api)s keeps of them, or for what. Nothing of yours is kept before you agree anew."),
    ),
    WITHDRAWN: (
        gettext_lazy("%(api)s keeps no prompts and answers of %(application)s any more"),
        gettext_lazy("%(person)s withdrew the consent. What was kept before stays until its days are over, unless you delete it."),
    ),
    "certificate.ends_soon": (
        gettext_lazy("%(thing)s: a certificate of its upstream ends soon"),
        gettext_lazy("Once it has ended, calls of %(thing)s may fail. Put the next one into a new revision, and make that live before."),
    ),
    "domain.ends_soon": (
        gettext_lazy("%(thing)s: its certificate ends soon"),
        gettext_lazy("Once it has ended, callers turn away from %(thing)s. Put the next one before."),
    ),
    "domain.proof_missing": (
        gettext_lazy("%(thing)s: the proof that it is yours is gone"),
        gettext_lazy("DNS says no more that %(thing)s is yours. Put the record back within two weeks, or the domain is removed."),
    ),
    "domain.removed": (
        gettext_lazy("%(thing)s: gateways answer under it no more"),
        gettext_lazy("The domain %(thing)s was removed from %(tenant)s. Whoever proves that it is theirs can have it now."),
    ),
    "gateway.rejected_config": (
        gettext_lazy("%(thing)s refused a configuration of %(tenant)s"),
        gettext_lazy("The gateway %(thing)s works on with what it had before."),
    ),
    "gateway.drift_repaired": (
        gettext_lazy("%(tenant)s was changed past Portico; %(thing)s has what the database holds again"),
        gettext_lazy(
            "Rows of %(tenant)s were changed or deleted by nobody's decision. The gateway %(thing)s has what the database holds by now. "
            "Ask your operator who did it."
        ),
    ),
    "gateway.serves_other": (
        gettext_lazy("%(thing)s serves other routes of %(tenant)s than it acknowledged"),
        gettext_lazy("Decisions that the gateway %(thing)s acknowledged may not be enforced there. Its operators know of it."),
    ),
    WEBHOOK_DISABLED: (
        gettext_lazy("The webhook %(thing)s was switched off"),
        gettext_lazy("Portico sends it nothing more. See what its address answered, then switch it on again."),
    ),
}


# In place of its own, where a subscription ended with its plan.
_PLAN_CLOSED = gettext_lazy("%(person)s closed the plan %(plan)s, and so cancelled it. Calls are refused; you may ask under another plan.")
_UNDECIDED = gettext_lazy("The end that was asked for came before anybody decided, so the request was withdrawn. You may ask again.")
# Those whose dates are told with them.
_DATED = {
    REQUESTED, SUBSCRIPTION_ENDS_SOON, "subscription.approved", "subscription.dates_changed", "subscription.plan_changed",
    "subscription.renewed", "subscription.expired",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Said:
    """One event to its readers, in the language in force. `things` are other people's words that subject and sentence name.

    `rows` are facts with their names, times among them; `quote` is what somebody wrote; `path` is where to look.
    """

    subject: str
    sentence: str
    things: Mapping[str, object]
    path: str
    button: str
    rows: Sequence[tuple[str, object]] = ()
    quote: str = ""
    quoted_as: str = ""
    advice: str = ""
    why: str = ""


def said(event: Event, about: About, tenant: Tenant) -> Said:
    """:param about: see `abouts`; `knows` has said yes."""
    if isinstance(about, Api):
        return _of_contents(event, about, tenant)
    if isinstance(about, Subscription):
        return _OF_SUBSCRIPTIONS.get(GROUP_OF[event.kind], _of_subscription)(event, about, tenant)
    if isinstance(about, Credential | Invitation):
        return _of_credential(event, about, tenant) if isinstance(about, Credential) else _of_invitation(event, about, tenant)
    if isinstance(about, ServiceAccount):
        return _of_service_account(event, about, tenant)
    if isinstance(about, ChangeRequest):
        return _of_change(event, about, tenant)
    if isinstance(about, Review):
        return _of_review(event, about, tenant)
    if isinstance(about, Plan | UsageAlert):
        return _of_plan(event, about, tenant) if isinstance(about, Plan) else _of_alert(event, about, tenant)
    if version := version_of(about):
        return _of_version(event, version, tenant)
    subject, sentence = WORDS[event.kind]
    things: dict[str, object] = {
        "tenant": tenant,
        "person": event.actor_name,
        "thing": event.subject_name,
        "provider": event.data.get("provider", ""),
        "percent": event.data.get("percent", 0),
    }
    reason = words.added(event.data)
    common = {"quote": reason, "quoted_as": _("Reason") if reason else ""}
    if isinstance(about, Application):
        things["application"] = about
        path, button = reverse("app", args=[tenant.slug, about.pk]), _("Look at the application")
        if event.kind == APPLICATION_REQUESTED:
            path, common["quoted_as"] = reverse("console-request-applications", args=[tenant.slug]), _("Purpose")
        rows: list[tuple[str, object]] = [(_("Application"), about), *([(_("When"), event.at)] if event.kind != TRANSFERRED else [])]
    else:
        path, button, rows = _of_tenant(event, tenant)
    if event.kind.startswith("gateway."):
        common["quoted_as"] = _("It said") if reason else ""
    return Said(str(subject), str(sentence), things, path, button, rows, **common, why=str(GROUPS[GROUP_OF[event.kind]].why))


def _of_invitation(event: Event, invitation: Invitation, tenant: Tenant) -> Said:
    roles = words.listed(words.ROLES.get(role, role) for role in event.data.get("roles", []))
    rows: list[tuple[str, object]] = [(_("Tenant"), tenant), (_("Roles"), roles)]
    rows += [(_("Team"), invitation.team)] if invitation.team else []
    return Said(
        _("%(person)s invites you to %(tenant)s"),
        _("%(person)s invites you to %(tenant)s, where APIs are published and subscribed to."),
        {"tenant": tenant, "person": event.actor_name},
        # Made now: the link itself is kept nowhere.
        reverse("invitation", args=[tenant.slug, invitations.token_of(invitation)]),
        _("Look at the invitation"),
        [*rows, (_("The link works until"), invitation.expires_at)],
        advice=_("The link is for you alone and works once. If you don't expect it, do nothing."),
        why=_("You get this because somebody at %(tenant)s wrote your address into an invitation."),
    )


def _of_tenant(event: Event, tenant: Tenant) -> tuple[str, str, list[tuple[str, object]]]:
    when = (_("When"), event.at)
    match event.kind.partition(".")[0]:
        case "member":
            roles = words.listed(words.ROLES.get(role, role) for role in event.data.get("roles", []))
            rows = [(_("Tenant"), tenant), *([(_("Roles"), roles)] if event.kind != REMOVED else []), when]
            return reverse("tenants-page"), _("Look at your tenants"), rows
        case "signing_key":
            return reverse("console-key", args=[tenant.slug, event.subject_id]), _("Look at the key"), [when]
        case "document_source":
            return *_of_source(event, tenant), [(_("Host"), event.data["host"]), when]
        case "log_shipping":
            hosts = [(_("Host"), event.data["host"])] if event.data["host"] else []
            return reverse("console-api-logs", args=[tenant.slug, event.data["api"]]), _("Look at the logging"), [*hosts, when]
        case "certificate":
            place = [tenant.slug, event.data["api"], event.data["version"]]
            named, ends_at = (pgettext("of TLS", "Certificate"), event.data["certificate"]), datetime.fromisoformat(event.data["until"])
            return reverse("console-api-revision-new", args=place), _("Make a new revision"), [named, (_("Ends"), ends_at)]
        case "provider_key":
            provider = (_("Provider"), event.data["provider"])
            return reverse("console-providers", args=[tenant.slug]), _("Look at the providers"), [provider, when]
        case "tenant_budget":
            return reverse("console-provider-budget", args=[tenant.slug]), _("Look at the budget"), [*_spent(event), when]
        case "webhook":
            return (
                reverse("console-webhook", args=[tenant.slug, event.subject_id]),
                _("Look at the webhook"),
                [
                    (_("Host"), event.data["host"]),
                    when,
                ],
            )
        case "domain":
            ends = [(_("Ends"), datetime.fromisoformat(event.data["until"]))] if "until" in event.data else []
            return reverse("console-settings-domains", args=[tenant.slug]), _("Look at the domains"), [*ends, when]
        case "gateway":
            return reverse("console-gateway", args=[tenant.slug, event.subject_name]), _("Look at the gateway"), [when]
        case _:
            ends = [(_("Erased"), tenant.erase_at)] if event.kind == "tenant.closing" and tenant.erase_at else []
            return reverse("catalogue", args=[tenant.slug]), _("Look at the tenant"), [when, *ends]


def _of_source(event: Event, tenant: Tenant) -> tuple[str, str]:
    place = [tenant.slug, event.data["api"], event.data["version"]]
    if event.kind == "document_source.found":
        return reverse("console-api-revision", args=[*place, event.data["number"]]), _("Look at the revision")
    return reverse("console-api-source", args=place), _("Look at where it stands")


def _of_subscription(event: Event, subscription: Subscription, tenant: Tenant) -> Said:
    to_decide = GROUP_OF[event.kind] == "requests"
    things: dict[str, object] = {
        "application": subscription.application,
        "api": subscription.api,
        "plan": subscription.plan,
        "person": event.actor_name,
    }
    if event.kind == SUBSCRIPTION_ENDS_SOON:
        days = things["days"] = event.data["days"]
        subject = ngettext(
            "%(api)s: %(application)s's subscription ends in %(days)s day",
            "%(api)s: %(application)s's subscription ends in %(days)s days",
            days,
        )
        sentence: str | Promise = _("After that, its calls are refused.")
    else:
        subject, sentence = str(WORDS[event.kind][0]), WORDS[event.kind][1]
    if event.data.get("closed_plan"):
        sentence = _PLAN_CLOSED
    if event.kind == "subscription.cancelled" and event.actor_id is None:
        sentence = _UNDECIDED
    written = words.added(event.data)
    return Said(
        subject,
        str(sentence),
        things,
        reverse("console-request", args=[tenant.slug, subscription.pk])
        if to_decide
        else _tab(subscription.application, tenant, "subscriptions"),
        _("Look at the request") if to_decide else _("Look at the subscriptions"),
        [
            (_("Application"), subscription.application),
            (_("API"), subscription.api),
            (_("Plan"), subscription.plan),
            *_dates_of(event, subscription),
            (_("When"), event.at),
        ],
        written,
        _quoted_as(event.kind) if written else "",
        _how_it_goes_on(subscription) if event.kind == SUBSCRIPTION_ENDS_SOON else "",
        why=str(GROUPS[GROUP_OF[event.kind]].why),
    )


def _dates_of(event: Event, subscription: Subscription) -> list[tuple[str, object]]:
    """Of what is told with its dates: those that it has now."""
    if event.kind not in _DATED:
        return []
    dated = ((_("Starts"), subscription.starts_at if subscription.started_at is None else None), (_("Ends"), subscription.ends_at))
    return [(name, at) for name, at in dated if at]


def _how_it_goes_on(subscription: Subscription) -> str:
    if subscription.ends_as_a_trial:
        return _("It is a trial. Ask for another plan, and calls go on under that.")
    return _("Renew it, and calls go on without a pause.")


def _of_change(event: Event, asked: ChangeRequest, tenant: Tenant) -> Said:
    subject, sentence = WORDS[event.kind]
    subscription = asked.subscription
    written, to_decide = words.added(event.data), event.kind == CHANGE_REQUESTED
    wish: list[tuple[str, object]] = [(_("Plan"), subscription.plan)]
    wish += [(_("Asked for"), asked.plan)] if asked.plan else []
    wish += [(_("Asked for, until"), asked.ends_at)] if asked.ends_at else []
    return Said(
        str(subject),
        str(sentence),
        {"application": subscription.application, "api": subscription.api, "person": event.actor_name},
        reverse("console-subscription", args=[tenant.slug, subscription.pk])
        if to_decide
        else _tab(subscription.application, tenant, "subscriptions"),
        _("Look at the subscription") if to_decide else _("Look at the subscriptions"),
        [(_("Application"), subscription.application), (_("API"), subscription.api), *wish, (_("When"), event.at)],
        written,
        (_("Purpose") if to_decide else _("Reason")) if written else "",
        why=str(GROUPS[GROUP_OF[event.kind]].why),
    )


def _of_quota(event: Event, subscription: Subscription, tenant: Tenant) -> Said:
    """Its readers see different pages of it, which the address that it names leads on to."""
    subject, sentence = WORDS[event.kind]
    reason = words.added(event.data)
    many = {name: number_format(event.data.get(name, 0), force_grouping=True) for name in ("used", "quota", "calls")}
    return Said(
        str(subject),
        str(sentence),
        {
            "application": subscription.application,
            "api": subscription.api,
            "person": event.actor_name,
            "percent": event.data.get("percent", 0),
            "calls": many["calls"],
        },
        reverse("quota", args=[tenant.slug, subscription.pk]),
        _("Look at it"),
        [
            (_("Application"), subscription.application),
            (_("API"), subscription.api),
            (_("Plan"), subscription.plan),
            (_("Used"), _("%(used)s of %(quota)s calls") % many),
            (_("It begins anew"), datetime.fromisoformat(event.data["resets_at"])),
            (_("When"), event.at),
        ],
        reason,
        _("Reason") if reason else "",
        why=str(GROUPS[GROUP_OF[event.kind]].why),
    )


def _spent(event: Event) -> list[tuple[str, object]]:
    """What an event tells of a budget."""
    data = event.data
    rows: list[tuple[str, object]] = []
    if data.get("budget_tokens"):
        said = {"used": number_format(data["used_tokens"], force_grouping=True), "limit": money.tokens(data["budget_tokens"])}
        rows.append((_("Tokens"), _("%(used)s of %(limit)s") % said))
    if data.get("budget_amount"):
        limit, used = (money.money_of(data[name], data["budget_currency"]) for name in ("budget_amount", "used_amount"))
        rows.append((_("Money"), _("%(used)s of %(limit)s") % {"used": used, "limit": limit}))
    return [*rows, (_("It begins anew"), datetime.fromisoformat(data["resets_at"]))]


def _of_budget(event: Event, subscription: Subscription, tenant: Tenant) -> Said:
    """Its readers see different pages of it, which the address that it names leads on to."""
    subject, sentence = WORDS[event.kind]
    reason = words.added(event.data)
    return Said(
        str(subject),
        str(sentence),
        {
            "application": subscription.application,
            "api": subscription.api,
            "person": event.actor_name,
            "percent": event.data.get("percent", 0),
        },
        reverse("quota", args=[tenant.slug, subscription.pk]),
        _("Look at it"),
        [
            (_("Application"), subscription.application),
            (_("API"), subscription.api),
            (_("Plan"), subscription.plan),
            *_spent(event),
            (_("When"), event.at),
        ],
        reason,
        _("Reason") if reason else "",
        why=str(GROUPS[GROUP_OF[event.kind]].why),
    )


def _of_contents(event: Event, about: Subscription | Api, tenant: Tenant) -> Said:
    """That an API keeps prompts and answers, for who may agree; that somebody does not any more, for who reads them."""
    subject, sentence = WORDS[event.kind]
    things: dict[str, object] = {"person": event.actor_name}
    rows: list[tuple[str, object]] = []
    if isinstance(about, Subscription):
        api, page, button = about.api, "console-api-contents", _("Look at what is kept")
        things["application"] = about.application
        rows.append((_("Application"), about.application))
    else:
        api, page, button = about, "catalogue-api", _("Look at the API")
    return Said(
        str(subject),
        str(sentence),
        {**things, "api": api},
        reverse(page, args=[tenant.slug, api.slug]),
        button,
        [*rows, (_("API"), api), (_("When"), event.at)],
        why=str(GROUPS[GROUP_OF[event.kind]].why),
    )


def _of_alert(event: Event, alert: UsageAlert, tenant: Tenant) -> Said:
    subject, sentence = WORDS[event.kind]
    data = event.data
    rows: list[tuple[str, object]] = [
        (_("Alert"), alert.name),
        (_("About"), data["about"] or _("the whole tenant")),
        (_("Why"), UsageAlert.Kind(data["alert"]).label),
        (_("Calls"), number_format(data["calls"], force_grouping=True)),
        (_("Failed"), number_format(data["failed"], force_grouping=True)),
    ]
    if data["p95_ms"] is not None:
        rows.append(("p95", _("%(number)s ms") % {"number": number_format(data["p95_ms"], force_grouping=True)}))
    return Said(
        str(subject),
        str(sentence),
        {"alert": alert, "minutes": data["minutes"]},
        reverse("usage-alerts", args=[tenant.slug]),
        _("Look at the alerts"),
        [*rows, (_("When"), event.at)],
        why=str(GROUPS[GROUP_OF[event.kind]].why),
    )


def _quoted_as(kind: str) -> str:
    if kind == REQUESTED:
        return _("Purpose")
    if kind == ASKED:
        return _("Question")
    return _("Answer") if kind == ANSWERED else _("Reason")


def _of_credential(event: Event, credential: Credential, tenant: Tenant) -> Said:
    things: dict[str, object] = {
        "application": credential.application,
        "credential": words.credential(credential),
        "person": event.actor_name,
    }
    when: list[tuple[str, object]] = [(_("When"), event.at)]
    if event.kind == ENDS_SOON:
        days = things["days"] = event.data["days"]
        subject = ngettext(
            "%(application)s: %(credential)s ends in %(days)s day", "%(application)s: %(credential)s ends in %(days)s days", days
        )
        sentence: str = _("After that, calls of %(application)s with it are refused.")
        when = [(_("Ends"), credential.expires_at)] if credential.expires_at else []
    else:
        subject, sentence = map(str, WORDS[event.kind])
    reason = words.added(event.data)
    return Said(
        subject,
        sentence,
        things,
        _tab(credential.application, tenant, "credentials"),
        _("Look at the credentials"),
        [(_("Application"), credential.application), (str(credential.get_kind_display()), words.credential(credential)), *when],
        reason,
        _("Reason") if reason else "",
        _advice(credential) if event.kind == ENDS_SOON else "",
        str(GROUPS[GROUP_OF[event.kind]].why),
    )


def _of_service_account(event: Event, account: ServiceAccount, tenant: Tenant) -> Said:
    days = event.data["days"]
    return Said(
        ngettext("The service account %(account)s ends in %(days)s day", "The service account %(account)s ends in %(days)s days", days),
        _("After that, whatever runs with it is refused."),
        {"account": account, "days": days},
        reverse("console-service", args=[tenant.slug, account.pk]),
        _("Look at the service account"),
        [(_("Service account"), account), (_("Ends"), account.expires_at)],
        advice=_("Put its end off, and its secret works on. If nothing needs it any more, revoke it."),
        why=str(GROUPS[GROUP_OF[event.kind]].why),
    )


def _of_version(event: Event, version: ApiVersion, tenant: Tenant) -> Said:
    subject, sentence = WORDS[event.kind]
    reason = words.added(event.data)
    rows: list[tuple[str, object]] = [(_("API"), version)]
    for name, value in ((_("Begins"), event.data.get("starts")), (_("Ends"), event.data.get("ends"))):
        rows += [(name, datetime.fromisoformat(value))] if value else []
    if version.sunset_at and event.kind in {"version.deprecated", "version.sunset_changed", "brown_out.planned"}:
        rows.append((_("It answers until"), version.sunset_at))
    if version.successor and event.kind in {"version.deprecated", "brown_out.planned"}:
        rows.append((_("Successor"), version.successor.name))
    gone = event.kind == "version.retired"
    page = reverse("catalogue", args=[tenant.slug]) if gone else reverse("catalogue-api", args=[tenant.slug, version.api.slug])
    return Said(
        str(subject),
        str(sentence),
        {"version": version, "person": event.actor_name},
        page if gone else f"{page}?version={version.name}",
        _("Look at the catalogue") if gone else _("Look at the API"),
        [*rows, (_("When"), event.at)],
        reason,
        _("Reason") if reason else "",
        why=str(GROUPS[GROUP_OF[event.kind]].why),
    )


def _of_plan(event: Event, plan: Plan, tenant: Tenant) -> Said:
    subject, sentence = WORDS[event.kind]
    reason = words.added(event.data)
    rows: list[tuple[str, object]] = [(_("API"), plan.api), (_("Plan"), plan)]
    for name, terms in ((_("Limit before"), event.data.get("was")), (_("Limit"), event.data.get("now"))):
        rows += [(name, limit)] if (limit := words.limit(terms)) else []
    return Said(
        str(subject),
        str(sentence),
        {"api": plan.api, "plan": plan, "person": event.actor_name},
        f"{reverse('catalogue-api', args=[tenant.slug, plan.api.slug])}?tab=plans",
        _("Look at the plans"),
        [*rows, (_("When"), event.at)],
        reason,
        _("Reason") if reason else "",
        why=str(GROUPS[GROUP_OF[event.kind]].why),
    )


def _of_review(event: Event, review: Review, tenant: Tenant) -> Said:
    subject, sentence = WORDS[event.kind]
    version, number = review.revision.version, review.revision.number
    written = words.added(event.data)
    return Said(
        str(subject),
        str(sentence),
        {"revision": _("Revision %(number)s") % {"number": number}, "version": version, "person": event.actor_name},
        reverse("console-api-revision", args=[tenant.slug, version.api.slug, version.name, number]),
        _("Look at the revision"),
        [(_("API"), version), (_("When"), event.at)],
        written,
        (_("Note") if event.kind == REVIEW_REQUESTED else _("Reason")) if written else "",
        why=str(GROUPS[GROUP_OF[event.kind]].why),
    )


def _advice(credential: Credential) -> str:
    """What keeps calls going on."""
    if credential.status == Credential.Status.EXPIRING:
        return _("It was rolled, but nothing has used its replacement yet. Put that in place before this one ends.")
    if credential.kind in {Credential.Kind.CLIENT_SECRET, Credential.Kind.API_KEY}:
        return _("Roll it: you get a new one, and this one works on for as long as you choose, up to its end. Put the new one in place.")
    return _("Add another credential to the application and put it in place; both work until this one ends.")


def _tab(application: Application, tenant: Tenant, tab: str) -> str:
    return f"{reverse('app', args=[tenant.slug, application.pk])}?tab={tab}"


# In place of its own way, what is said of a subscription in these groups.
_OF_SUBSCRIPTIONS: Mapping[str, Callable[[Event, Subscription, Tenant], Said]] = {
    "quotas": _of_quota,
    "budgets": _of_budget,
    "contents": _of_contents,
}
