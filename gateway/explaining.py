"""Why one call was refused: the rule that it broke, the fact behind that, who made it so and when, and how to mend it.

The code is the gateway's, by Envoy's own words; the fact is looked up as it was when the call came.
"""

import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from apis import paths, tools
from apis.models import BrownOut, Operation, QuotaUse
from apis.policies import Policies
from gateway import explaining_ai
from gateway.envoy.refusals import REFUSALS
from gateway.models import Refusal
from gateway.receipts import Receipt, receipt
from gateway.refused_case import CLOCKS, Case, Fact, moment
from keys.models import Application, TokenPolicy
from tenants.event_kinds import GATEWAY_KINDS
from tenants.models import Event, User
from tenants.scope import current_tenant_id

# As Refusal keeps it.
MOST_OF_AN_ID = 64


# What the gateway asks of every call, by the code of those that don't keep to it, in the words of docs/refusals.md.
RULES: Mapping[str, str] = {
    "TENANT_SUSPENDED": gettext_noop("While a tenant is suspended, or closing, none of its APIs answers."),
    "NOT_READY": gettext_noop("A gateway answers for a tenant once it has loaded it."),
    "TOKEN_WRONG_KIND": gettext_noop("Only access tokens and API keys are taken: each says its own kind in its header typ."),
    "TOKEN_WRONG_AUDIENCE": gettext_noop("An access token is for the gateway of one tenant, or for those APIs that it names."),
    "TOKEN_REVOKED": gettext_noop("An access token is refused once it, or the credential that earned it, was revoked."),
    "KEY_UNKNOWN": gettext_noop("An API key has to be in the tenant's table of keys."),
    "KEY_REVOKED": gettext_noop("An API key is refused once it was revoked."),
    "KEY_EXPIRED": gettext_noop("An API key is refused from its end on."),
    "IP_DENIED": gettext_noop("An API may take calls from some addresses only."),
    "APPLICATION_SUSPENDED": gettext_noop("While an application is suspended, none of its calls passes."),
    "SUBSCRIPTION_PENDING": gettext_noop("Calls pass once an approver has approved the subscription."),
    "SUBSCRIPTION_SUSPENDED": gettext_noop("While a subscription is suspended, no call passes by it."),
    "SUBSCRIPTION_REJECTED": gettext_noop("Calls pass once an approver has approved the subscription."),
    "SUBSCRIPTION_CANCELLED": gettext_noop("Once a subscription is cancelled, no call passes by it."),
    "SUBSCRIPTION_EXPIRED": gettext_noop("From its end on, no call passes by a subscription."),
    "SUBSCRIPTION_NOT_STARTED": gettext_noop("Before its start, no call passes by a subscription."),
    "SUBSCRIPTION_REQUIRED": gettext_noop("An application calls the APIs that it is subscribed to."),
    "SCOPE_NOT_IN_PLAN": gettext_noop("A plan may include some of an API's scopes only."),
    "SCOPE_MISSING": gettext_noop("An access token has to bear the scopes that the operation needs."),
    "QUOTA_EXCEEDED": gettext_noop("In each period as many calls pass as the plan's quota says."),
    "BUDGET_EXCEEDED": gettext_noop(
        "In each period as much is spent on models as the plan's budget says, and the tenant's over all its AI APIs."
    ),
    "TOKEN_EXPIRED": gettext_noop("An access token is refused from its end on."),
    "TOKEN_MISSING": gettext_noop("Every call brings an access token or an API key."),
    "TOKEN_INVALID": gettext_noop("Every call brings one access token or API key, signed by a key of the tenant that is called."),
    "REQUEST_TOO_LARGE": gettext_noop("An API may limit how large the body of a call is."),
    "LENGTH_REQUIRED": gettext_noop("Where an API limits the size of calls, each says how long its body is."),
    "TOKENS_LIMITED": gettext_noop(
        "So many tokens a minute as the plan says are there for an application's calls, which take them beforehand."
    ),
    "RATE_LIMITED": gettext_noop("As many calls pass at a time as the subscription's plan says."),
    "ADDRESS_LIMITED": gettext_noop("As many calls pass at a time from one address as a gateway takes, before anything else is asked."),
    "API_LIMITED": gettext_noop("As many calls of an API pass at a time as its publisher set, from whomever they come."),
    "TENANT_LIMITED": gettext_noop("As many calls of a tenant's APIs pass at a time as the platform's operators set."),
    "DRAINING": gettext_noop("A gateway that is drained takes no more calls."),
    "API_RETIRED": gettext_noop("A retired version answers no calls."),
    "API_BLOCKED": gettext_noop("While a version is blocked, it answers no calls."),
    "BROWN_OUT": gettext_noop("A version that is going refuses all calls for a while, on days that were announced."),
    "GATEWAY_TOO_OLD": gettext_noop("APIs of AI models need an Envoy of version 1.40 or later."),
    "MODEL_UNKNOWN": gettext_noop("A call names one of the models that the API offers at the endpoint that is called."),
    "MODEL_NOT_IN_PLAN": gettext_noop("A plan may include some of an API's models only."),
    "BODY_NOT_JSON": gettext_noop("The body of a call of AI models is a JSON object that everybody reads in the same way."),
    "TOO_MANY_TOKENS": gettext_noop("A call asks for no more tokens than the subscription's plan says, and says for how many."),
    "TEXT_BLOCKED": gettext_noop("An API may refuse texts that hold what its publisher listed."),
    "VARIABLE_INVALID": gettext_noop("A prompt's variables are there, each of its kind, and no others."),
    "METHOD_NOT_ALLOWED": gettext_noop("An operation is a method on a path, as the API's document has it."),
    "NO_SUCH_ROUTE": gettext_noop("What is published is the operations of the API's document, and nothing else."),
    "HOST_UNKNOWN": gettext_noop("A gateway answers for its own host names."),
    "HEADERS_TOO_LARGE": gettext_noop("A call has at most 100 headers of 16 KiB together."),
    "REQUEST_TIMEOUT": gettext_noop("A call's headers come within 5 seconds, and its body within 30."),
    "BODY_TOO_LARGE": gettext_noop("A body that the gateway has to hold back is no larger than it can."),
    "UPGRADE_NOT_SUPPORTED": gettext_noop("The gateway speaks HTTP and changes to no other protocol."),
    "REQUEST_INVALID": gettext_noop("A call is well-formed HTTP; what others could read in two ways is refused."),
    "OVERLOADED": gettext_noop("A gateway that is short of memory takes no further calls."),
    "PROVIDER_UNAVAILABLE": gettext_noop("One of the model's providers has to answer."),
    "UPSTREAM_TIMEOUT": gettext_noop("The API behind the gateway answers in the time that its publisher set."),
    "UPSTREAM_UNAVAILABLE": gettext_noop("The API behind the gateway has to be reached."),
    "GATEWAY_ERROR": gettext_noop("Whatever else a gateway can't answer."),
}

# What jwt_authn says of what it can't verify: https://github.com/envoyproxy/envoy, jwt_verify_lib/status.cc.
_UNVERIFIED: Mapping[str, str] = {
    "Jwks_doesn't_have_key_to_match_kid_or_alg_from_Jwt": gettext_noop(
        "It names a signing key that this tenant does not have, or has no more."
    ),
    "Jwt_verification_fails": gettext_noop("Its signature does not belong to what it says: it was changed, or signed with another key."),
    "Jwt_issuer_is_not_configured": gettext_noop("It says that another issuer than this tenant made it."),
    "Jwt_not_yet_valid": gettext_noop("It says that it holds from a later time on."),
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """`since`: what was decided about the same thing after `event`, and where that is enforced; None while it stands."""

    refusal: Refusal
    rule: str
    # "" where the reader may not know that there is such an API.
    operation: str
    # That it asked an AI API for, "" where it got no further than its address.
    model: str
    fact: str
    event: Event | None
    since: Event | None
    receipt: Receipt | None
    meaning: str
    fix: str


def visible_to(user: User, permissions: Set[str]) -> QuerySet[Refusal]:
    """Those of the applications that a person sees. What was nobody's whoever knows its request id may see: it came with the answer."""
    seen = Q(application__in=Application.objects.visible_to(user, permissions)) | Q(application=None)
    return Refusal.objects.filter(seen).select_related("application")


def is_an_id(text: str) -> bool:
    return 0 < len(text) <= MOST_OF_AN_ID and "\x00" not in text


def is_known(request_id: str) -> bool:
    """Whether the tenant in scope was told of the call, whosever it was: that gives nothing away to who does not know its id."""
    return is_an_id(request_id) and Refusal.objects.filter(request_id=request_id).exists()


def find(request_id: str, *, user: User, permissions: Set[str]) -> Refusal | None:
    """The call with this request id, if this person may see it; None while no gateway has told of it."""
    if not is_an_id(request_id):
        return None
    return visible_to(user, permissions).filter(request_id=request_id).order_by("-id").first()


def explain(refusal: Refusal, *, user: User, permissions: Set[str]) -> Explanation:
    """In the reader's language, of a refusal that this person may see."""
    case = Case(refusal, user, permissions)
    fact = _FACTS.get(refusal.code, _nothing)(case)
    since = _since(fact.event)
    meant = next((each for each in REFUSALS if (each.code, each.status) == (refusal.code, refusal.status)), None)
    rule = RULES.get(refusal.code, "")
    return Explanation(
        refusal=refusal,
        rule=_(rule) if rule else "",
        operation=refusal.operation if case.api is not None else "",
        model=refusal.asked if case.api is not None else "",
        fact=fact.says,
        event=fact.event,
        since=since,
        receipt=receipt(since) if since else None,
        meaning=_(meant.sentence) if meant else "",
        fix=_(meant.fix) if meant else "",
    )


def _since(event: Event | None) -> Event | None:
    if event is None or event.kind not in GATEWAY_KINDS:
        return None
    rows = Event.objects.filter(subject_id=event.subject_id, number__gt=event.number, kind__in=list(GATEWAY_KINDS))
    return rows.order_by("-number").first()


# The facts


def _nothing(_case: Case) -> Fact:
    return Fact()


def _of_subscription(*kinds: str) -> Callable[[Case], Fact]:
    def fact(case: Case) -> Fact:
        subscription = case.subscription
        return Fact(event=case.last(kinds, subscription.pk)) if subscription else Fact()

    return fact


def _of_version(*kinds: str) -> Callable[[Case], Fact]:
    def fact(case: Case) -> Fact:
        version = case.version
        if version is None:
            return Fact()
        successor = _("Its successor is %(version)s.") % {"version": version.successor.name} if version.successor else ""
        return Fact(successor, case.last(kinds, version.pk))

    return fact


def _of_credential(case: Case) -> Fact:
    credential = case.credential
    if credential is None:
        return Fact(event=case.last(["token.revoked"], case.refusal.application_id) or _given_back(case))
    kinds = ["credential.revoked", "credential.expired"]
    return Fact(
        _("It was the credential “%(name)s”.") % {"name": credential.label or credential.get_kind_display()},
        case.last(kinds, credential.pk) or _given_back(case),
    )


def _given_back(case: Case) -> Event | None:
    """An access token that its client ended itself (RFC 7009)."""
    rows = Event.objects.filter(kind="token.revoked", data__credential=case.refusal.credential, at__lte=case.then)
    return rows.order_by("-number").first() if case.refusal.credential else None


def _suspended(case: Case) -> Fact:
    return Fact(event=case.last(["application.suspended"], case.refusal.application_id))


def _tenant(case: Case) -> Fact:
    return Fact(event=case.last(["tenant.suspended", "tenant.closing"], current_tenant_id()))


def _tenants_ceiling(case: Case) -> Fact:
    return Fact(event=case.last(["tenant.ceiling_changed"], current_tenant_id()))


def _not_started(case: Case) -> Fact:
    subscription = case.subscription
    if subscription is None:
        return Fact()
    event = case.last(["subscription.approved", "subscription.dates_changed", "subscription.added"], subscription.pk)
    says = _("It starts %(when)s.") % {"when": moment(subscription.starts_at)} if subscription.starts_at else ""
    return Fact(says, event)


def _expired(case: Case) -> Fact:
    subscription = case.subscription
    if subscription is None:
        return Fact()
    says = _("It ended %(when)s.") % {"when": moment(subscription.ends_at)} if subscription.ends_at else ""
    return Fact(says, case.last(["subscription.expired", "subscription.dates_changed"], subscription.pk))


def _not_subscribed(case: Case) -> Fact:
    if case.api is None:
        return Fact()
    if case.subscription is None:
        return Fact(_("It never asked for %(api)s.") % {"api": case.api.name})
    kinds = ["subscription.cancelled", "subscription.rejected", "subscription.expired"]
    return Fact(_("Its subscription to %(api)s ended a while ago.") % {"api": case.api.name}, case.last(kinds, case.subscription.pk))


def _scopes(case: Case) -> Fact:
    needs, has = _needed(case), ", ".join(case.refusal.scopes)
    if not needs:
        return Fact()
    if not has:
        return Fact(_("The operation needs %(needs)s; the token bears no scope.") % {"needs": needs})
    return Fact(_("The operation needs %(needs)s; the token bears %(has)s.") % {"needs": needs, "has": has})


def _plans_scopes(case: Case) -> Fact:
    subscription, needs = case.subscription, _needed(case)
    if subscription is None or not needs:
        return Fact()
    told = {"needs": needs, "plan": subscription.plan.name, "includes": ", ".join(subscription.plan.scopes)}
    kinds = ["subscription.approved", "subscription.added", "subscription.plan_changed"]
    event = case.last(["plan.changed"], subscription.plan_id) or case.last(kinds, subscription.pk)
    return Fact(_("The operation needs %(needs)s; the plan %(plan)s includes %(includes)s.") % told, event)


def _needed(case: Case) -> str:
    return _(" or ").join(" ".join(each) for each in case.operation.scopes if each) if case.operation else ""


def _quota(case: Case) -> Fact:
    subscription = case.subscription
    if subscription is None or subscription.plan.quota is None:
        return Fact()
    uses = QuotaUse.objects.at(case.refusal.at).filter(
        application=case.refusal.application, api=case.api, period=subscription.plan.quota_period
    )
    use = uses.filter(time_zone=subscription.plan.quota_time_zone).first()
    event = case.last(["quota.passed"], subscription.pk)
    if use is None:
        return Fact(event=event)
    told = {
        "limit": number_format(subscription.plan.quota + use.topped_up, force_grouping=True),
        "plan": subscription.plan.name,
        "ends": moment(use.ends),
    }
    return Fact(_("The plan %(plan)s lets %(limit)s calls pass until %(ends)s, and they were used up.") % told, event)


def _rate(case: Case) -> Fact:
    subscription = case.subscription
    if subscription is None:
        return Fact()
    event = case.last(["plan.changed"], subscription.plan_id) or case.last(
        ["subscription.plan_changed", "subscription.approved"], subscription.pk
    )
    return Fact(_("The plan %(plan)s: %(terms)s.") % {"plan": subscription.plan.name, "terms": subscription.plan.terms}, event)


def _policies(says: Callable[[Policies], str]) -> Callable[[Case], Fact]:
    def fact(case: Case) -> Fact:
        if case.api is None:
            return Fact()
        return Fact(says(Policies.of(case.api.policies)), case.last(["api.policies_changed"], case.api.pk))

    return fact


def _addresses(_policies: Policies) -> str:
    # Which they are is for its publishers.
    return _("The address that the call came from is not among those that the API takes calls from.")


def _size(policies: Policies) -> str:
    return _("The API takes bodies of at most %(size)s KiB.") % {"size": policies.max_body_kib} if policies.max_body_kib else ""


def _ceiling(policies: Policies) -> str:
    if not policies.max_calls:
        return ""
    told = {"calls": number_format(policies.max_calls, force_grouping=True), "seconds": policies.max_calls_seconds}
    return _("The API takes %(calls)s calls in %(seconds)s seconds, of all callers together.") % told


def _brown_out(case: Case) -> Fact:
    version = case.version
    if version is None:
        return Fact()
    at = case.refusal.at
    rows = BrownOut.objects.filter(version=version, starts_at__lte=at + CLOCKS, ends_at__gt=at - CLOCKS).order_by("-id")
    found = rows.first()
    if found is None:
        return Fact()
    says = _("It lasted from %(from)s until %(until)s.") % {"from": moment(found.starts_at), "until": moment(found.ends_at)}
    return Fact(says, case.last(["brown_out.began"], found.pk))


def _route(case: Case) -> Fact:
    if case.api is None or case.version is None:
        return Fact(_("No API, or no version of it, has this address."))
    if _below(case) == tools.PATH and (switched := case.last(["mcp.switched_on", "mcp.switched_off"], case.version.pk)):
        return Fact(_("Agents reach tools there by POST, while they are switched on."), switched)
    event = case.last(["revision.live"], *case.version.revisions.values_list("pk", flat=True))
    methods = _methods_at(case)
    says = _("The path is published with %(methods)s.") % {"methods": ", ".join(methods)} if methods else ""
    return Fact(says, event)


def _below(case: Case) -> str:
    """Of its path what stands behind the version."""
    return "/" + "/".join(case.refusal.path.split("/")[4:])


def _methods_at(case: Case) -> list[str]:
    """What is live there now."""
    assert case.version is not None
    below = _below(case)
    rows = Operation.objects.filter(revision=case.version.live_revision_id).values_list("method", "path")
    return sorted({method for method, template in rows if _fits(template, below)})


def _fits(template: str, path: str) -> bool:
    whole = "/".join("".join("[^/]+" if not piece else re.escape(piece) for piece in segment) for segment in paths.pieces(template))
    return re.fullmatch(f"/{whole}", path) is not None


def _audience(case: Case) -> Fact:
    return Fact(_("It is for %(audience)s.") % {"audience": ", ".join(case.refusal.audience)}) if case.refusal.audience else Fact()


def _lifetime(_case: Case) -> Fact:
    minutes = TokenPolicy.objects.values_list("token_lifetime", flat=True).get() / 60
    return Fact(
        _("This tenant's access tokens live %(minutes)s minutes.")
        % {"minutes": number_format(minutes, decimal_pos=0 if minutes.is_integer() else 1)}
    )


def _unverified(case: Case) -> Fact:
    if case.refusal.status == 400:
        return Fact(_("It brought both headers, Authorization and X-API-Key."))
    said = next((sentence for words, sentence in _UNVERIFIED.items() if words in case.refusal.details), "")
    return Fact(_(said) if said else _("It is no whole token or key."))


def _timeout(case: Case) -> Fact:
    upstream = case.version.live_revision.upstream if case.version and case.version.live_revision else None
    return (
        Fact(_("It has %(ms)s ms for an answer.") % {"ms": number_format(upstream.timeout_ms, force_grouping=True)}) if upstream else Fact()
    )


_FACTS: Mapping[str, Callable[[Case], Fact]] = {
    "TENANT_SUSPENDED": _tenant,
    "TENANT_LIMITED": _tenants_ceiling,
    "TOKEN_WRONG_AUDIENCE": _audience,
    "TOKEN_REVOKED": _of_credential,
    "KEY_REVOKED": _of_credential,
    "KEY_EXPIRED": _of_credential,
    "IP_DENIED": _policies(_addresses),
    "APPLICATION_SUSPENDED": _suspended,
    "SUBSCRIPTION_PENDING": _of_subscription("subscription.requested", "subscription.decision_undone"),
    "SUBSCRIPTION_SUSPENDED": _of_subscription("subscription.suspended"),
    "SUBSCRIPTION_REJECTED": _of_subscription("subscription.rejected"),
    "SUBSCRIPTION_CANCELLED": _of_subscription("subscription.cancelled"),
    "SUBSCRIPTION_EXPIRED": _expired,
    "SUBSCRIPTION_NOT_STARTED": _not_started,
    "SUBSCRIPTION_REQUIRED": _not_subscribed,
    "SCOPE_NOT_IN_PLAN": _plans_scopes,
    "SCOPE_MISSING": _scopes,
    "QUOTA_EXCEEDED": _quota,
    "TOKEN_EXPIRED": _lifetime,
    "TOKEN_INVALID": _unverified,
    "REQUEST_TOO_LARGE": _policies(_size),
    "LENGTH_REQUIRED": _policies(_size),
    "RATE_LIMITED": _rate,
    "API_LIMITED": _policies(_ceiling),
    "API_RETIRED": _of_version("version.retired"),
    "API_BLOCKED": _of_version("version.blocked"),
    "BROWN_OUT": _brown_out,
    "METHOD_NOT_ALLOWED": _route,
    "NO_SUCH_ROUTE": _route,
    "UPSTREAM_TIMEOUT": _timeout,
    **explaining_ai.FACTS,
}
