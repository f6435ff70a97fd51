"""What people hear of, and who hears it: chosen from events and rows. Nothing here writes or sends.

portal/news_words.py says it, portal/inbox.py keeps it for its readers, portal/mails.py writes it down, portal/post.py sends it.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from apis.actions import budgets, dates
from apis.actions.content_logging import CHANGED as CONTENTS_CHANGED
from apis.actions.content_logging import SWITCHED_ON, WITHDRAWN
from apis.actions.questions import ANSWERED, ASKED, TALK
from apis.actions.quotas import PASSED, TOPPED_UP, WARNED
from apis.actions.request_clock import OVERDUE
from apis.actions.two_people import APPROVED_FIRST, FIRST_UNDONE
from apis.models import Api, ApiVersion, BrownOut, ChangeRequest, ContentLogging, Plan, ProviderKey, Review, Subscription
from gateway.models import UsageAlert
from keys.actions import expiries
from keys.models import Application, Credential, CredentialUse, Webhook
from tenants.event_kinds import UNDO
from tenants.models import Delegation, Event, Invitation, Membership, ServiceAccount, TeamMember, User
from tenants.roles import permissions_held, who_may

APPLICATION_REQUESTED = "application.requested"
REQUESTED, UNDONE, ENDS_SOON = "subscription.requested", "subscription.decision_undone", "credential.ends_soon"
EXPIRED, REMOVED, TRANSFERRED = "credential.expired", "member.removed", "application.transferred"
DELETED = "application.deleted"
SERVICE_ENDS_SOON = "service_account.ends_soon"
REVIEW_REQUESTED = "review.requested"
CHANGE_REQUESTED, SUBSCRIPTION_ENDS_SOON = "change_request.requested", "subscription.ends_soon"
# After these a request waits as before.
NO_ANSWER = (*TALK, APPROVED_FIRST, FIRST_UNDONE, OVERDUE, "subscription.dates_changed", WITHDRAWN)
PLAN_CHANGED = "plan.changed"
# What of a plan holds at once for those who have it.
HOLDING = frozenset({"calls", "models", "max_tokens", "tokens_per_minute", "budget_tokens", "budget_amount"})
WEBHOOK_DISABLED = "webhook.disabled"
# These go to whom they name, member or not, and nobody chooses to hear of them.
INVITED = frozenset({"invitation.created", "invitation.renewed"})
# The row that an event is about, where its words need more than the event has.
About = (
    Subscription | Credential | Application | Invitation | ServiceAccount | ApiVersion | BrownOut | Plan | Review | Webhook
    | ChangeRequest | UsageAlert | ProviderKey | Api | None
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Group:
    """What a person decides about together: whether it stands in the inbox, and when it comes by mail.

    `permission` is what those hold whom it can concern; `why` is said at the end of each mail.
    """

    name: Promise
    says: Promise
    why: Promise
    permission: str
    kinds: frozenset[str]


_YOURS = gettext_lazy("You get this because the application is yours or your team's, at %(tenant)s.")
_MEMBER = gettext_lazy("You get this because you are a member of %(tenant)s.")
GROUPS: dict[str, Group] = {
    "requests": Group(
        gettext_lazy("Requests to decide"),
        gettext_lazy(
            "Somebody asks for a subscription, its change or an application, or says more; a second approval is missing; or one is overdue."
        ),
        gettext_lazy("You get this because you decide requests at %(tenant)s."),
        "subscriptions.decide",
        frozenset({REQUESTED, ANSWERED, APPROVED_FIRST, OVERDUE, APPLICATION_REQUESTED, CHANGE_REQUESTED}),
    ),
    "decisions": Group(
        gettext_lazy("Decisions about my subscriptions"),
        gettext_lazy(
            "An approver asks about one, added it, decided about it, suspended, resumed, changed or cancelled it, or it starts or ends: "
            "of an application of yours or your teams."
        ),
        _YOURS,
        "applications.own",
        frozenset(
            {
                *(f"subscription.{verb}" for verb in ("asked", "added", "approved", "rejected", "suspended", "resumed", "cancelled")),
                *(f"subscription.{verb}" for verb in ("started", "expired", "dates_changed", "plan_changed", "renewed", "ends_soon")),
                "change_request.rejected",
            }
        ),
    ),
    "applications": Group(
        gettext_lazy("My applications"),
        gettext_lazy("One was approved, rejected, suspended, resumed or deleted by somebody else, of yours or your teams'."),
        _YOURS,
        "applications.own",
        frozenset(f"application.{verb}" for verb in ("approved", "rejected", "suspended", "resumed", "deleted")),
    ),
    "credentials": Group(
        gettext_lazy("My credentials"),
        gettext_lazy("One ends soon, has expired or was revoked by somebody else, of an application of yours or your teams'."),
        _YOURS,
        "applications.own",
        frozenset({ENDS_SOON, EXPIRED, "credential.revoked"}),
    ),
    "quotas": Group(
        gettext_lazy("Quotas"),
        gettext_lazy("An application of yours or your teams' has used most or all of its quota, or got more; or all of that of your API."),
        gettext_lazy("You get this because the application or the API is yours or your team's, at %(tenant)s."),
        "tenant.see",
        frozenset({WARNED, PASSED, TOPPED_UP}),
    ),
    "budgets": Group(
        gettext_lazy("Budgets for models"),
        gettext_lazy(
            "An application of yours or your teams' has spent most or all of its budget, or got more; or all of that of your API."
        ),
        gettext_lazy("You get this because the application or the API is yours or your team's, at %(tenant)s."),
        "tenant.see",
        frozenset({budgets.WARNED, budgets.PASSED, budgets.TOPPED_UP}),
    ),
    "providers": Group(
        gettext_lazy("AI providers"),
        gettext_lazy("A provider refuses a key, or most or all of the tenant's budget for models is spent."),
        gettext_lazy("You get this because you manage the AI providers of %(tenant)s."),
        "providers.manage",
        frozenset({"provider_key.refused", budgets.ALL_WARNED, budgets.ALL_PASSED}),
    ),
    "alerts": Group(
        gettext_lazy("Usage alerts"),
        gettext_lazy("One that you made, or that is about an application or an API of yours or your teams', was opened or closed."),
        gettext_lazy("You get this because you made the alert, or the application or the API is yours or your team's, at %(tenant)s."),
        "tenant.see",
        frozenset({"usage_alert.opened", "usage_alert.closed"}),
    ),
    "versions": Group(
        gettext_lazy("APIs that my applications call"),
        gettext_lazy(
            "A version is deprecated, blocked or retired, a brown-out of it is planned, the plan is changed or deprecated, or the API asks "
            "whether it may keep prompts and answers."
        ),
        gettext_lazy("You get this because an application of yours or your team's subscribes to the API, at %(tenant)s."),
        "applications.own",
        frozenset(
            {
                *(f"version.{verb}" for verb in ("deprecated", "sunset_changed", "reinstated", "blocked", "unblocked", "retired")),
                "brown_out.planned",
                "brown_out.cancelled",
                PLAN_CHANGED,
                "plan.deprecated",
                "plan.reinstated",
                SWITCHED_ON,
                CONTENTS_CHANGED,
            }
        ),
    ),
    "reviews": Group(
        gettext_lazy("Reviews of revisions"),
        gettext_lazy("Somebody asks a second person to approve a revision, or decided about one of yours."),
        gettext_lazy("You get this because you publish APIs at %(tenant)s."),
        "apis.publish",
        frozenset({REVIEW_REQUESTED, "review.approved", "review.rejected"}),
    ),
    "services": Group(
        gettext_lazy("My service accounts"),
        gettext_lazy("One that you answer for ends soon."),
        gettext_lazy("You get this because you answer for the service account, at %(tenant)s."),
        "service_accounts.manage",
        frozenset({SERVICE_ENDS_SOON}),
    ),
    "membership": Group(
        gettext_lazy("My membership"),
        gettext_lazy("Your roles changed, you were removed, or an application was given to you."),
        gettext_lazy("You get this because it is about you, at %(tenant)s."),
        "tenant.see",
        frozenset({"member.changed", REMOVED, TRANSFERRED}),
    ),
    "keys": Group(
        gettext_lazy("Signing keys"),
        gettext_lazy("A signing key was declared compromised."),
        gettext_lazy("You get this because you see the signing keys of %(tenant)s."),
        "keys.see",
        frozenset({"signing_key.compromised"}),
    ),
    "tenant": Group(
        gettext_lazy("The tenant"),
        gettext_lazy("It was suspended, resumed, is being closed or goes on after all."),
        _MEMBER,
        "tenant.see",
        frozenset({"tenant.suspended", "tenant.resumed", "tenant.closing", "tenant.reopened"}),
    ),
    "documents": Group(
        gettext_lazy("Documents that stand elsewhere"),
        gettext_lazy("One has changed where Portico looks for it and became a revision, or can't be had from there any more."),
        gettext_lazy("You get this because you publish APIs at %(tenant)s."),
        "apis.publish",
        frozenset({"document_source.found", "document_source.failing", "document_source.stopped"}),
    ),
    "logs": Group(
        gettext_lazy("Logs of calls"),
        gettext_lazy("Those of an API have not been delivered for five minutes, or are delivered again."),
        gettext_lazy("You get this because you publish APIs at %(tenant)s."),
        "apis.publish",
        frozenset({"log_shipping.failing", "log_shipping.recovered"}),
    ),
    "contents": Group(
        gettext_lazy("Prompts and answers"),
        gettext_lazy("Somebody withdrew the consent that those of an application are kept."),
        gettext_lazy("You get this because you publish APIs at %(tenant)s."),
        "apis.publish",
        frozenset({WITHDRAWN}),
    ),
    "certificates": Group(
        gettext_lazy("Certificates of upstreams"),
        gettext_lazy("One that gateways prove themselves with, or that an upstream proves itself by, ends soon."),
        gettext_lazy("You get this because you publish APIs at %(tenant)s."),
        "apis.publish",
        frozenset({"certificate.ends_soon"}),
    ),
    "domains": Group(
        gettext_lazy("Domains"),
        gettext_lazy("The proof of one is gone, it was removed, or its certificate ends soon."),
        gettext_lazy("You get this because you manage the settings of %(tenant)s."),
        "settings.manage",
        frozenset({"domain.ends_soon", "domain.proof_missing", "domain.removed"}),
    ),
    "webhooks": Group(
        gettext_lazy("Webhooks"),
        gettext_lazy("Portico switched one off, as its address is gone or took nothing for days."),
        gettext_lazy("You get this because you manage the webhooks of %(tenant)s."),
        "webhooks.manage",
        frozenset({WEBHOOK_DISABLED}),
    ),
    "gateways": Group(
        gettext_lazy("Gateways"),
        gettext_lazy("A gateway refused a configuration, serves another than it acknowledged, or had what no decision explains."),
        gettext_lazy("You get this because you see how gateways stand to %(tenant)s."),
        "gateways.see",
        frozenset({"gateway.rejected_config", "gateway.drift_repaired", "gateway.serves_other"}),
    ),
}
# What is said of a subscription by what was counted of it.
COUNTED = GROUPS["quotas"].kinds | GROUPS["budgets"].kinds
GROUP_OF = {kind: name for name, group in GROUPS.items() for kind in group.kinds}
# What tells one event's fate from those after it stands in no inbox itself.
KINDS = frozenset(GROUP_OF) | {UNDONE} | INVITED
# What a plan or a rule may do at once, as somebody just asked.
_AS_ASKED = {"subscription.approved", "subscription.plan_changed", "subscription.renewed"}
# All who hold the group's permission hear of these; of the rest those whom the thing belongs to.
FOR_ALL = {
    "providers", "requests", "documents", "reviews", "keys", "tenant", "logs", "contents", "certificates", "domains", "webhooks",
    "gateways",
}  # fmt: skip


def ready_at(event: Event, later: Sequence[Event], *, now: datetime) -> datetime | None:
    """After what moment an event may be told; None: never, because what it says was taken back or answered.

    :param later: what happened to the same subscription after it, in order.
    """
    if event.kind in COUNTED or event.kind == WITHDRAWN:
        return event.at
    later = [each for each in later if each.kind not in {*NO_ANSWER, *COUNTED}]
    if event.kind == UNDONE or _undone(later):
        return None
    if event.kind != REQUESTED:
        return _final_at(event)
    answers = (each for index, each in enumerate(later) if each.kind != UNDONE and not _undone(later[index + 1 :]))
    answer = next(answers, None)
    if answer is None:
        return event.at
    # Approvers hear of it after all if the answer is undone.
    return _final_at(answer) if _final_at(answer) >= now else None


def _undone(later: Sequence[Event]) -> bool:
    return bool(later) and later[0].kind == UNDONE


def _final_at(event: Event) -> datetime:
    """Until when a decision can be undone; what a plan decides never can."""
    by_a_person = event.kind in {"subscription.approved", "subscription.rejected"} and event.actor_id is not None
    return event.at + UNDO if by_a_person else event.at


# --- what an event is about ------------------------------------------------------------------------------------------


def abouts(events: Iterable[Event]) -> dict[UUID, About]:
    """By the ids of events' subjects. As many queries as kinds of rows."""
    ids = defaultdict(set)
    for event in events:
        ids[event.kind.partition(".")[0]].add(event.subject_id)
    found: dict[UUID, About] = {}
    # Some of these are about a subscription, and some about an API.
    contents = ids["content_logging"]
    if concerned := ids["subscription"] | ids["quota"] | ids["budget"] | contents:
        found |= Subscription.objects.for_list().in_bulk(concerned)
    if apis := contents - found.keys():
        found |= Api.objects.in_bulk(apis)
    for name, rows in _ROWS.items():
        if ids[name]:
            found |= rows().in_bulk(ids[name])
    return found


# The rows that other events are about, with what is said of them.
_ROWS: dict[str, Callable[[], QuerySet[Any]]] = {
    "credential": lambda: Credential.objects.select_related("application"),
    "application": Application.objects.all,
    "invitation": lambda: Invitation.objects.select_related("invited_by", "team"),
    "version": lambda: ApiVersion.objects.select_related("api", "successor"),
    "brown_out": lambda: BrownOut.objects.select_related("version__api", "version__successor"),
    "plan": lambda: Plan.objects.select_related("api"),
    "review": Review.objects.for_list,
    "change_request": ChangeRequest.objects.for_list,
    "service_account": ServiceAccount.objects.all,
    "webhook": Webhook.objects.all,
    "provider_key": lambda: ProviderKey.objects.select_related("provider"),
    "usage_alert": lambda: UsageAlert.objects.select_related("api", "application"),
}


def knows(event: Event, about: About) -> bool:
    """Whether the row is there that an event's words are made of."""
    return about is not None or event.kind.partition(".")[0] not in {
        "subscription", "credential", "application", "invitation", "service_account", "version", "brown_out",
        "plan", "review", "webhook", "change_request", "quota", "usage_alert", "budget", "provider_key", "content_logging",
    }  # fmt: skip


def _waits(_now: datetime) -> QuerySet[Subscription]:
    return Subscription.objects.filter(status=Subscription.Status.PENDING)


def _ended_unreplaced(_now: datetime) -> QuerySet[Credential]:
    return Credential.objects.exclude(Exists(CredentialUse.objects.filter(credential__replaces=OuterRef("pk"))))


def _keeps(_now: datetime) -> QuerySet[Api]:
    return Api.objects.filter(pk__in=ContentLogging.objects.filter(enabled=True).values("api"))


# Of which rows a kind of event still is news. Whose end was put off has not been warned of.
_STILL: dict[str, Callable[[datetime], QuerySet[Any]]] = {
    ENDS_SOON: expiries.worth_a_warning,
    SERVICE_ENDS_SOON: lambda now: expiries.services_worth_a_warning(now).filter(warned_days__isnull=False),
    SUBSCRIPTION_ENDS_SOON: dates.worth_a_warning,
    EXPIRED: _ended_unreplaced,
    OVERDUE: _waits,
    APPROVED_FIRST: lambda now: _waits(now).filter(first_approved_by__isnull=False),
    APPLICATION_REQUESTED: lambda _now: Application.objects.waiting(),
    CHANGE_REQUESTED: lambda _now: ChangeRequest.objects.waiting(),
    REVIEW_REQUESTED: lambda _now: Review.objects.waiting(),
    WEBHOOK_DISABLED: lambda _now: Webhook.objects.filter(enabled=False),
    SWITCHED_ON: _keeps,
    CONTENTS_CHANGED: _keeps,
}


def no_news(events: Sequence[Event], now: datetime) -> set[UUID]:
    """Events that nobody needs to hear of any more: a credential was revoked meanwhile, or replaced on purpose by one that is in use;
    a service account has ended, or ends much later; a webhook was switched on again; a review, a request or an application was
    decided, or a question answered; an invitation is not open any more, or was sent again; what ended, ended with its application.
    """
    ids = defaultdict(set)
    for event in events:
        ids[event.kind].add(event.subject_id)
    worthy = {kind: set(still(now).filter(pk__in=ids[kind]).values_list("pk", flat=True)) for kind, still in _STILL.items() if ids[kind]}
    if talk := ids[ASKED] | ids[ANSWERED]:
        # An answer may come before the question is told.
        open_ones = dict(_waits(now).filter(pk__in=talk).values_list("pk", "asked_at"))
        worthy[ASKED], worthy[ANSWERED] = {pk for pk, asked_at in open_ones.items() if asked_at}, set(open_ones)
    stale = {event.pk for event in events if event.kind in worthy and event.subject_id not in worthy[event.kind]}
    if warned := [event for event in events if event.kind == SUBSCRIPTION_ENDS_SOON]:
        # An end that was put off meanwhile is warned of anew.
        rows = Subscription.objects.filter(pk__in=ids[SUBSCRIPTION_ENDS_SOON], ends_at__isnull=False)
        ends = {pk: at.isoformat() for pk, at in rows.values_list("pk", "ends_at") if at}
        stale |= {event.pk for event in warned if event.data.get("ends_at") != ends.get(event.subject_id)}
    if newest := {event.subject_id: event.pk for event in events if event.kind in INVITED}:
        opened = set(Invitation.objects.filter(pk__in=newest, status=Invitation.Status.PENDING).values_list("pk", flat=True))
        asks = {pk for invitation, pk in newest.items() if invitation in opened}
        stale |= {event.pk for event in events if event.kind in INVITED and event.pk not in asks}
    # Less than was agreed to is nothing that anybody is asked about.
    stale |= {event.pk for event in events if event.kind == CONTENTS_CHANGED and "version" not in event.data["now"]}
    # What ends with its application is told with that, once.
    return stale | {event.pk for event in events if event.data.get("with_application")}


# --- whom it concerns ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Crowd:
    """Whom some events may concern: members with what they may do, and those who were removed, each by which event.

    `subscribed` has the applications that may call each API, `holding` the open subscriptions under each plan.
    """

    members: Mapping[UUID, Membership]
    teams: Mapping[UUID, set[UUID]]
    removed: Mapping[UUID, User]
    ends: Mapping[UUID, int]
    subscribed: Mapping[UUID, list[Application]]
    holding: Mapping[UUID, list[Subscription]]

    def of(self, application: Application) -> set[UUID]:
        """Who answers for an application: its owner, and its team."""
        return {application.owner_id} | (self.teams.get(application.team_id, set()) if application.team_id else set())

    def looking_after(self, api: Api) -> set[UUID]:
        """An API's team; where it has none, who made it."""
        return self.teams.get(api.team_id, set()) if api.team_id else {api.created_by_id} if api.created_by_id else set()

    def person(self, pk: UUID, event: Event) -> User | None:
        """Somebody whom news of this event may reach: nothing of what came after their removal."""
        gone = self.removed.get(pk) if event.number <= self.ends.get(pk, 0) else None
        found = self.members[pk].user if pk in self.members else gone
        return found if found and found.is_active else None


def crowd(events: Sequence[Event], about: Mapping[UUID, About]) -> Crowd:
    """Nobody of another tenant, and of those who have left only who were removed just now."""
    subscribed = _subscribed({api for each in about.values() if (api := _called(each))})
    holding = _holding({each.pk for each in about.values() if isinstance(each, Plan)})
    applications = [application for each in about.values() if (application := application_of(each))]
    applications += [each for found in subscribed.values() for each in found]
    applications += [each.application for found in holding.values() for each in found]
    # Whose quota is used up, that the API's people hear of as well.
    used_up = {event.subject_id for event in events if event.kind in {PASSED, budgets.PASSED}}
    called: list[Api] = [each.api for pk, each in about.items() if isinstance(each, Subscription) and pk in used_up]
    called += [each.api for each in about.values() if isinstance(each, UsageAlert) and each.api is not None]
    teams = defaultdict(set)
    if ids := {pk for pk in (*(each.team_id for each in applications), *(each.team_id for each in called)) if pk}:
        for team, person in TeamMember.objects.filter(team__in=ids).values_list("team_id", "membership__user_id"):
            teams[team].add(person)
    named = {each.owner_id for each in applications}
    named |= {each.requested_by_id for each in about.values() if isinstance(each, Subscription | ChangeRequest)}
    named |= {each.requested_by_id for found in holding.values() for each in found}
    named |= {each.created_by_id for each in about.values() if isinstance(each, ServiceAccount)}
    named |= {each.created_by_id for each in called if each.created_by_id}
    named |= {each.created_by_id for each in about.values() if isinstance(each, UsageAlert)}
    named |= {each.requested_by_id for each in about.values() if isinstance(each, Review)}
    named |= set().union(*teams.values()) | {event.subject_id for event in events if event.kind == "member.changed"}
    groups = {GROUP_OF[event.kind] for event in events if event.kind in GROUP_OF} & FOR_ALL
    members = Membership.objects.with_delegated_permissions().select_related("user").order_by("user_id")
    if "tenant" not in groups:
        wanted = Q(user_id__in=named)
        for group in sorted(groups):
            wanted |= who_may(GROUPS[group].permission)
        if "requests" in groups:
            wanted |= Q(user_id__in=Delegation.objects.standing().values("delegate"))
        members = members.filter(wanted)
    ends = {event.subject_id: event.number for event in events if event.kind == REMOVED}
    return Crowd({each.user_id: each for each in members}, teams, User.objects.in_bulk(ends) if ends else {}, ends, subscribed, holding)


def _subscribed(apis: Collection[UUID]) -> Mapping[UUID, list[Application]]:
    found = defaultdict(list)
    if apis:
        for each in Subscription.objects.open().filter(api__in=apis).select_related("application").order_by("application_id"):
            found[each.api_id].append(each.application)
    return found


def _holding(plans: Collection[UUID]) -> Mapping[UUID, list[Subscription]]:
    found = defaultdict(list)
    if plans:
        for each in Subscription.objects.open().filter(plan__in=plans).select_related("application").order_by("pk"):
            found[each.plan_id].append(each)
    return found


def version_of(about: About) -> ApiVersion | None:
    return about.version if isinstance(about, BrownOut) else about if isinstance(about, ApiVersion) else None


def application_of(about: About) -> Application | None:
    if isinstance(about, ChangeRequest):
        return about.subscription.application
    if isinstance(about, Subscription | Credential | UsageAlert):
        return about.application
    return about if isinstance(about, Application) else None


def recipients(event: Event, about: About, among: Crowd) -> list[User]:
    """Whom an event concerns, each once; nobody hears what they did themselves."""
    found = (among.person(pk, event) for pk in sorted(_concerned(event, about, among) - {event.actor_id}))
    return [person for person in found if person is not None]


def guest(about: Invitation) -> User:
    """Who is invited; if nobody knows them, somebody who reads what the inviter reads."""
    found = User.objects.filter(email=about.email).first()
    by = about.invited_by
    return found or User(pk=about.pk, email=about.email, language=by.language, time_zone=by.time_zone)


def _may_still_hear(alert: UsageAlert, among: Crowd) -> bool:
    """Whether who made it may see by now what it is about: see gateway.usage_alerts.may_watch."""
    if alert.created_by_id not in among.members:
        return False
    held = permissions_held(among.members[alert.created_by_id])
    return (
        "usage.see" in held
        or (alert.application is None and alert.api is not None and "apis.see_all" in held)
        or (alert.application is not None and ("applications.see_all" in held or alert.created_by_id in among.of(alert.application)))
    )


def _told_of_usage(alert: UsageAlert, among: Crowd) -> set[UUID]:
    """Who made it, and those whose application it is about, or else whose API: of an application's calls an API's people hear nothing."""
    found = {alert.created_by_id} if _may_still_hear(alert, among) else set()
    if alert.application is not None:
        return found | among.of(alert.application)
    return found | among.looking_after(alert.api) if alert.api is not None else found


def _called(about: About) -> UUID | None:
    """The API whose callers' people a thing concerns."""
    version = version_of(about)
    return version.api_id if version else about.pk if isinstance(about, Api) else None


def _concerned(event: Event, about: About, among: Crowd) -> set[UUID]:
    if isinstance(about, Invitation):
        return set()
    if isinstance(about, ServiceAccount):
        return {about.created_by_id}
    if isinstance(about, UsageAlert):
        return _told_of_usage(about, among)
    if isinstance(about, Review) and event.kind != REVIEW_REQUESTED:
        return {about.requested_by_id}
    if called := _called(about):
        return set().union(*map(among.of, among.subscribed.get(called, [])))
    if isinstance(about, Plan):
        # Who decides is no matter of those who are in.
        holds = event.kind != PLAN_CHANGED or not event.data["now"].keys().isdisjoint(HOLDING)
        held = among.holding.get(about.pk, []) if holds else []
        return set().union(*(among.of(each.application) | each.asked_by for each in held))
    group = GROUP_OF[event.kind]
    if group in FOR_ALL:
        permission = GROUPS[group].permission
        holders = {pk for pk, each in among.members.items() if permission in permissions_held(each)}
        # Four eyes: applicants can't decide their own.
        if isinstance(about, Application):
            return holders - among.of(about)
        application = application_of(about)
        if application is None or not isinstance(about, Subscription | ChangeRequest):
            return holders
        return holders - {about.requested_by_id} - among.of(application)
    application = application_of(about)
    if application is None:
        return {event.subject_id}
    answering = among.of(application)
    if isinstance(about, Subscription) and event.kind in COUNTED:
        return answering | (among.looking_after(about.api) if event.kind in {PASSED, budgets.PASSED} else set())
    if isinstance(about, Subscription):
        by_its_plan = event.kind in _AS_ASKED and event.actor_id is None
        # Who asked has seen it.
        answering = answering - about.asked_by if by_its_plan else answering | about.asked_by
    return answering
