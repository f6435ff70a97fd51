"""What an application's page shows on its tabs, for its owner and, read only, for who may see everyone's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apis.actions import budgets, content_logging, questions, quotas, versions
from apis.models import ChangeRequest, Subscription
from gateway.envoy.refusals import REFUSALS
from gateway.models import Refusal
from gateway.receipts import Receipt, as_told_to, newest_decisions, receipts_of
from keys.actions.application_life import what_bars_resuming
from keys.actions.applications import may_transfer
from keys.actions.credentials import ROLLABLE
from keys.models import Application, Credential
from keys.revocable import Use, Verdict, verdict, with_use
from portal import words
from portal.pages import consent
from portal.pages.answers import Said, said
from portal.pages.credential_kinds import WORDS, Words, named
from portal.pages.listing import Page, chosen, page_of
from tenants.access import TenantRequest
from tenants.models import Event, teams_of

NAMES: dict[str, Promise] = {
    "credentials": gettext_lazy("Credentials"),
    "subscriptions": gettext_lazy("Subscriptions"),
    "refusals": gettext_lazy("Refusals"),
    "activity": gettext_lazy("Activity"),
}
_Status = Application.Status
_MEANINGS = {refusal.code: refusal.sentence for refusal in reversed(REFUSALS)}


@dataclass(frozen=True, slots=True)
class CredentialRow:
    """`verdict` is told of one in grace; `roll` and `revoke` lead there, "" for who may not."""

    credential: Credential
    words: Words
    named: str
    state: str
    word: str
    replaced_by: Credential | None
    use: Use
    calls: str
    verdict: Verdict | None
    roll: str
    revoke: str


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """`decision` is the last that happened, with its receipt; `cancel`, `answer` and `ask_again` lead there, "" for who may not.

    `question`: what waits for an answer. `answers`: to what the API asked. `change`: what is asked to change of it, `wish` in words.
    `ways`: plan, renew and withdraw. `quota`, `budget`: how it stands to its plan's, where calls may pass. `kept`: to what its API keeps.
    """

    subscription: Subscription
    decision: Event | None
    receipt: Receipt | None
    cancel: str
    ask_again: str
    question: Event | None
    answer: str
    answers: list[Said]
    change: ChangeRequest | None
    wish: str
    ways: Mapping[str, str]
    quota: quotas.Standing | None
    budget: budgets.Standing | None
    kept: consent.Kept | None


@dataclass(frozen=True, slots=True)
class RefusalRow:
    refusal: Refusal
    meaning: str


@dataclass(frozen=True, slots=True)
class Happening:
    """A line of the activity: a sentence, and what was said with it."""

    event: Event
    sentence: str
    added: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """That an application is not active: by what event, where that is enforced, why, and what bars this person from resuming.

    Of one that was never approved gateways know nothing: there is no receipt.
    """

    event: Event
    receipt: Receipt | None
    reason: str
    bars: str


def owns(request: TenantRequest, application: Application) -> bool:
    """Whether it is this person's to handle: what is deleted is nobody's to."""
    return application.status != Application.Status.DELETED and is_theirs(request, application)


def is_theirs(request: TenantRequest, application: Application) -> bool:
    """Whether it is, or was, this person's; their teams are read once, where an application of a team is shown."""
    if "applications.own" not in request.permissions:
        return False
    return application.belongs_to(request.user) if application.team_id is None else application.belongs_to(request.user, _teams(request))


def _teams(request: TenantRequest) -> frozenset[UUID]:
    found: frozenset[UUID] | None = getattr(request, "teams", None)
    if found is None:
        found = request.teams = teams_of(request.user)  # type: ignore[attr-defined]
    return found


def page_address(request: TenantRequest, application: Application, tab: str = "") -> str:
    """An application's page as this person opens it: their own, or one of the tenant's."""
    name = "app" if is_theirs(request, application) else "console-application"
    return reverse(name, args=[request.tenant.slug, application.pk]) + (f"?tab={tab}" if tab else "")


def chosen_tab(request: TenantRequest, application: Application) -> dict[str, Any]:
    """The context of applications/_tabs.html: the tabs with their counts, and what the chosen one shows."""
    tab = chosen(request, "tab", list(NAMES)) or "credentials"
    counts = {
        "credentials": application.credentials.count(),
        "subscriptions": application.subscriptions.count(),
        "refusals": Refusal.objects.filter(application=application).count(),
    }
    read = {"credentials": _credentials, "subscriptions": _subscriptions, "refusals": _refusals, "activity": _activity}
    bars = _bars(request, application)
    return {
        "application": application,
        "tab": tab,
        "tabs": [(name, word, counts.get(name)) for name, word in NAMES.items()],
        "usage_url": reverse(
            "app-usage" if is_theirs(request, application) else "console-application-usage", args=[request.tenant.slug, application.pk]
        ),
        "fragment": f"applications/_{tab}.html",
        "going": versions.going(application) if owns(request, application) else [],
        "may_transfer": application.status != _Status.DELETED and may_transfer(application, request.user, request.permissions),
        "life": _life(request, application, bars),
        "stopped": _stopped(request, application, bars),
        **read[tab](request, application),
    }


def _life(request: TenantRequest, application: Application, bars: str) -> dict[str, str]:
    """The addresses of what this person may do with all of it, by name."""
    own, status, may_suspend = owns(request, application), application.status, _may_suspend(request, application)
    offered = {
        "edit": own,
        "suspend": status == _Status.ACTIVE and may_suspend,
        "resume": status == _Status.SUSPENDED and may_suspend and not bars,
        "delete": status != _Status.DELETED and (own or "applications.revoke_any" in request.permissions),
    }
    args = [request.tenant.slug, application.pk]
    return {name: reverse(f"app-{name}", args=args) for name, may in offered.items() if may}


def _may_suspend(request: TenantRequest, application: Application) -> bool:
    return owns(request, application) or "applications.suspend" in request.permissions


def _bars(request: TenantRequest, application: Application) -> str:
    """Why this person can't resume what is suspended, where they might; else ""."""
    asks = application.status == _Status.SUSPENDED and _may_suspend(request, application)
    return what_bars_resuming(application, request.user, request.permissions) if asks else ""


def _stopped(request: TenantRequest, application: Application, bars: str) -> Stopped | None:
    if application.status == _Status.ACTIVE:
        return None
    if application.status in {_Status.PENDING, _Status.REJECTED}:
        rows = Event.objects.filter(subject_id=application.pk, kind__in=["application.requested", "application.rejected"])
        last = rows.order_by("-number")[0]
        return Stopped(last, None, application.reason, "")
    event = newest_decisions([application.pk])[application.pk]
    receipt = as_told_to(request.permissions, receipts_of([event])[event.number])
    return Stopped(event, receipt, words.added(event.data), bars)


def _credentials(request: TenantRequest, application: Application) -> dict[str, Any]:
    page = page_of(request, with_use(application.credentials.all()))
    owner, now, replaced = owns(request, application), timezone.now(), _replacements(application)
    # Nothing new is made of what is suspended.
    active = owner and application.status == _Status.ACTIVE
    may_revoke = owner or "applications.revoke_any" in request.permissions
    slug = request.tenant.slug
    rows = []
    for each in page.rows:
        state, word = _state(each, now)
        use = Use.of(each)
        ids = [slug, application.pk, each.pk]
        rows.append(
            CredentialRow(
                each,
                WORDS[each.kind],
                named(each),
                state,
                word,
                replaced.get(each.pk),
                use,
                number_format(use.calls, force_grouping=True),
                verdict(each, use, now=now) if state == Credential.Status.EXPIRING else None,
                reverse("app-credential-roll", args=ids) if active and state == "active" and each.kind in ROLLABLE else "",
                reverse("app-credential-revoke", args=ids) if may_revoke and state in {"active", "expiring"} else "",
            )
        )
    add = reverse("app-credential-new", args=[slug, application.pk]) if active else ""
    return {"page": page, "rows": rows, "add": add}


def _state(credential: Credential, now: datetime) -> tuple[str, str]:
    """Its state as it is now, and what the badge says where that is more than the state's own word.

    Tokens end at the minute; the job that writes it down comes a little later.
    """
    if credential.expires_at is None or credential.status not in {Credential.Status.ACTIVE, Credential.Status.EXPIRING}:
        return credential.status, ""
    if credential.expires_at <= now:
        return Credential.Status.EXPIRED, ""
    if credential.status == Credential.Status.ACTIVE:
        return credential.status, ""
    return credential.status, _("In grace, %(time)s left") % {"time": words.duration(credential.expires_at - now)}


def _replacements(application: Application) -> dict[UUID, Credential]:
    """Of each rolled credential the one that came in its place."""
    return {each.replaces_id: each for each in application.credentials.filter(replaces__isnull=False) if each.replaces_id}


def _subscriptions(request: TenantRequest, application: Application) -> dict[str, Any]:
    page = page_of(request, application.subscriptions.select_related("api", "plan").with_quota_use())
    decisions = newest_decisions([each.pk for each in page.rows])
    receipts = receipts_of(list(decisions.values()))
    talks = questions.said_about([each.pk for each in page.rows if each.asked_at])
    owner = owns(request, application)
    active = owner and application.status == _Status.ACTIVE
    standing = set(application.subscriptions.open().values_list("api_id", flat=True))
    asked = {each.subscription_id: each for each in ChangeRequest.objects.waiting().filter(subscription__in=page.rows).for_list()}
    keeps = content_logging.standings([each for each in page.rows if each.status in Subscription.OPEN])
    rows = []
    for each in page.rows:
        change = asked.get(each.pk)
        decision = decisions.get(each.pk)
        again = active and each.status in {"rejected", "cancelled", "expired"} and each.api_id not in standing
        rows.append(
            SubscriptionRow(
                each,
                decision,
                as_told_to(request.permissions, receipts[decision.number]) if decision else None,
                reverse("app-subscription-cancel", args=[request.tenant.slug, each.pk]) if owner and each.status in each.OPEN else "",
                _ask_again(request, each) if again else "",
                # An answer would have ended the waiting.
                talks[each.pk][-1] if each.asked_at else None,
                reverse("app-subscription-answer", args=[request.tenant.slug, each.pk]) if owner and each.asked_at else "",
                said(each.answers),
                change,
                what_is_asked(change) if change else "",
                _ways(request, each, change) if active else {},
                quotas.standing(each) if each.status == Subscription.Status.ACTIVE else None,
                budgets.standing(each) if each.status == Subscription.Status.ACTIVE else None,
                _kept(request, each, keeps.get(each.pk), may=owner),
            )
        )
    return {"page": page, "rows": rows, "subscribe": reverse("app-subscribe", args=[request.tenant.slug, application.pk]) if active else ""}


def _ways(request: TenantRequest, subscription: Subscription, change: ChangeRequest | None) -> dict[str, str]:
    """What its people may ask to change, or take back."""
    slug = request.tenant.slug
    if change is not None:
        return {"withdraw": reverse("app-subscription-withdraw", args=[slug, change.pk])}
    if subscription.standing not in {"active", "scheduled"}:
        return {}
    renews = subscription.ends_at is not None and not subscription.ends_as_a_trial
    names = ["plan", *(["renew"] if renews else [])]
    return {name: reverse(f"app-subscription-{name}", args=[slug, subscription.pk]) for name in names}


def _kept(
    request: TenantRequest, subscription: Subscription, standing: content_logging.Standing | None, *, may: bool
) -> consent.Kept | None:
    """None where its API keeps nothing."""
    if standing is None or standing.logging is None:
        return None
    ways = {
        name: reverse(f"app-subscription-logging-{name}", args=[request.tenant.slug, subscription.pk]) for name in ("agree", "withdraw")
    }
    return consent.Kept(
        standing,
        consent.sentence(standing.logging),
        ways["agree"] if may and standing.asked else "",
        ways["withdraw"] if may and standing.agreed else "",
    )


def what_is_asked(asked: ChangeRequest) -> str:
    """A change that is asked for, in a sentence."""
    if asked.plan is not None and asked.was_plan is not None:
        said = _("The plan %(plan)s (%(terms)s) in place of %(was)s (%(terms_before)s).")
        told = {"plan": asked.plan, "terms": asked.plan.terms, "was": asked.was_plan, "terms_before": asked.was_plan.terms}
        return said % told
    assert asked.ends_at is not None
    assert asked.was_ends_at is not None
    said = _("It ends %(until)s in place of %(was)s.")
    return said % {"until": words.day_and_time(asked.ends_at), "was": words.day_and_time(asked.was_ends_at)}


def _ask_again(request: TenantRequest, subscription: Subscription) -> str:
    address = reverse("catalogue-subscribe", args=[request.tenant.slug, subscription.api.slug])
    return f"{address}?application={subscription.application_id}"


def _refusals(request: TenantRequest, application: Application) -> dict[str, Any]:
    wanted = request.GET.get("request_id", "").replace("\x00", "").strip()[:64]
    found: QuerySet[Refusal] = Refusal.objects.filter(application=application)
    page: Page[Refusal] = page_of(request, found.filter(request_id=wanted) if wanted else found, size=50)
    dated = _dated(application, page.rows)
    rows = [RefusalRow(each, f"{meaning(each)} {_when(each, dated)}".strip()) for each in page.rows]
    return {"page": page, "rows": rows, "request_id": wanted}


def _api_of(refusal: Refusal) -> str:
    """The slug of the API that was called: /<tenant>/<api>/…"""
    return refusal.path.split("/", 3)[2] if refusal.path.count("/") > 1 else ""


def _dated(application: Application, refusals: Sequence[Refusal]) -> Mapping[str, Subscription]:
    """Where calls were refused for its dates, the newest subscription, by the API's slug."""
    slugs = {_api_of(each) for each in refusals if each.code in {"SUBSCRIPTION_NOT_STARTED", "SUBSCRIPTION_EXPIRED"}}
    held = application.subscriptions.filter(api__slug__in=slugs).select_related("api").order_by("pk") if slugs else ()
    return {each.api.slug: each for each in held}


def _when(refusal: Refusal, dated: Mapping[str, Subscription]) -> str:
    """When that subscription starts, or ended; "" where another came after it."""
    subscription = dated.get(_api_of(refusal))
    if subscription is None:
        return ""
    if refusal.code == "SUBSCRIPTION_NOT_STARTED" and subscription.starts_at:
        return _("It starts: %(when)s.") % {"when": words.day_and_time(subscription.starts_at)}
    if refusal.code == "SUBSCRIPTION_EXPIRED" and subscription.ends_at and subscription.standing == "expired":
        return _("It ended: %(when)s.") % {"when": words.day_and_time(subscription.ends_at)}
    return ""


def meaning(refusal: Refusal) -> str:
    """What one sentence says of its code; "" for a code that is no more."""
    sentence = _MEANINGS.get(refusal.code)
    return _(sentence) if sentence else ""


def _activity(request: TenantRequest, application: Application) -> dict[str, Any]:
    subscriptions = {each.pk: each for each in application.subscriptions.select_related("api", "plan")}
    credentials = application.credentials.values_list("pk", flat=True)
    about = Event.objects.filter(subject_id__in=[application.pk, *subscriptions, *credentials])
    page = page_of(request, about)
    return {"page": page, "rows": [_happening(each, subscriptions) for each in page.rows]}


def _happening(event: Event, subscriptions: Mapping[UUID, Subscription]) -> Happening:
    """Told on its application's page, a subscription is known by its API and plan."""
    found = subscriptions.get(event.subject_id)
    subject = f"{found.api} ({found.plan})" if found else words.subject_of(event)
    person = event.actor_id is not None
    sentence = words.happened(event.kind, event.data, actor=event.actor_name, subject=subject, by_a_person=person)
    return Happening(event, sentence, words.added(event.data))


def by_state(rows: QuerySet[Any], states: Mapping[str, Promise]) -> dict[UUID, list[tuple[str, str]]]:
    """Of each application the things in these states, as badges: [("active", "2 active"), …]. One query for all of `rows`."""
    counts = rows.filter(status__in=list(states)).order_by().values_list("application_id", "status").annotate(many=Count("pk"))
    counted = {(application, status): many for application, status, many in counts}
    return {
        application: [
            (status, str(word) % {"many": counted[application, status]})
            for status, word in states.items()
            if (application, status) in counted
        ]
        for application, _status in counted
    }
