"""What people hear of, who hears it, and in which words: chosen from events and rows. Nothing here writes or sends.

portal/inbox.py keeps it for its readers, portal/mails.py writes it down, portal/post.py sends it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apis.models import UNDO, Subscription
from keys.actions import expiries
from keys.models import Application, Credential, CredentialUse
from portal import words
from tenants.models import Event, Invitation, Membership, ServiceAccount, TeamMember, Tenant, User
from tenants.people import invitations
from tenants.roles import permissions_held, who_may

REQUESTED, UNDONE, ENDS_SOON = "subscription.requested", "subscription.decision_undone", "credential.ends_soon"
EXPIRED, REMOVED, TRANSFERRED = "credential.expired", "member.removed", "application.transferred"
SERVICE_ENDS_SOON = "service_account.ends_soon"
# These go to whom they name, member or not, and nobody chooses to hear of them.
INVITED = frozenset({"invitation.created", "invitation.renewed"})
# The row that an event is about, where its words need more than the event has.
About = Subscription | Credential | Application | Invitation | ServiceAccount | None


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
        gettext_lazy("Somebody asks for a subscription, and it waits for an approver."),
        gettext_lazy("You get this because you decide requests at %(tenant)s."),
        "subscriptions.decide",
        frozenset({REQUESTED}),
    ),
    "decisions": Group(
        gettext_lazy("Decisions about my subscriptions"),
        gettext_lazy("One was approved, rejected, suspended, resumed or cancelled, of an application of yours or your teams'."),
        _YOURS,
        "applications.own",
        frozenset(f"subscription.{verb}" for verb in ("approved", "rejected", "suspended", "resumed", "cancelled")),
    ),
    "credentials": Group(
        gettext_lazy("My credentials"),
        gettext_lazy("One ends soon, has expired or was revoked by somebody else, of an application of yours or your teams'."),
        _YOURS,
        "applications.own",
        frozenset({ENDS_SOON, EXPIRED, "credential.revoked"}),
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
    "gateways": Group(
        gettext_lazy("Gateways"),
        gettext_lazy("A gateway refused a configuration."),
        gettext_lazy("You get this because you see how gateways stand to %(tenant)s."),
        "gateways.see",
        frozenset({"gateway.rejected_config"}),
    ),
}
GROUP_OF = {kind: name for name, group in GROUPS.items() for kind in group.kinds}
# What tells one event's fate from those after it stands in no inbox itself.
KINDS = frozenset(GROUP_OF) | {UNDONE} | INVITED
# All who hold the group's permission hear of these; of the rest those whom the thing belongs to.
FOR_ALL = {"requests", "keys", "tenant", "gateways"}

# Subject and first sentence.
WORDS: dict[str, tuple[Promise, Promise]] = {
    REQUESTED: (
        gettext_lazy("%(application)s asks for %(api)s: %(plan)s"),
        gettext_lazy("%(person)s asks for a subscription of %(application)s to %(api)s, plan %(plan)s."),
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
    "gateway.rejected_config": (
        gettext_lazy("%(thing)s refused a configuration of %(tenant)s"),
        gettext_lazy("The gateway %(thing)s works on with what it had before."),
    ),
}


def ready_at(event: Event, later: Sequence[Event], *, now: datetime) -> datetime | None:
    """After what moment an event may be told; None: never, because what it says was taken back or answered.

    :param later: what happened to the same subscription after it, in order.
    """
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
    if ids["subscription"]:
        found |= Subscription.objects.for_list().in_bulk(ids["subscription"])
    if ids["credential"]:
        found |= Credential.objects.select_related("application").in_bulk(ids["credential"])
    if ids["application"]:
        found |= Application.objects.in_bulk(ids["application"])
    if ids["invitation"]:
        found |= Invitation.objects.select_related("invited_by", "team").in_bulk(ids["invitation"])
    if ids["service_account"]:
        found |= ServiceAccount.objects.in_bulk(ids["service_account"])
    return found


def knows(event: Event, about: About) -> bool:
    """Whether the row is there that an event's words are made of."""
    return about is not None or event.kind.partition(".")[0] not in {
        "subscription", "credential", "application", "invitation", "service_account",
    }  # fmt: skip


def no_news(events: Sequence[Event], now: datetime) -> set[UUID]:
    """Events that nobody needs to hear of any more: a credential was revoked meanwhile, or replaced on purpose by one that is in use;
    a service account has ended, or ends much later; an invitation is not open any more, or was sent again.
    """
    ids = defaultdict(set)
    for event in events:
        ids[event.kind].add(event.subject_id)
    worthy: dict[str, set[UUID]] = {}
    if warned := ids[ENDS_SOON]:
        worthy[ENDS_SOON] = set(expiries.worth_a_warning(now).filter(pk__in=warned).values_list("pk", flat=True))
    if warned := ids[SERVICE_ENDS_SOON]:
        # Whose end was put off has not been warned of.
        soon = expiries.services_worth_a_warning(now).filter(pk__in=warned, warned_days__isnull=False)
        worthy[SERVICE_ENDS_SOON] = set(soon.values_list("pk", flat=True))
    if ended := ids[EXPIRED]:
        replaced = Exists(CredentialUse.objects.filter(credential__replaces=OuterRef("pk")))
        worthy[EXPIRED] = set(Credential.objects.filter(pk__in=ended).exclude(replaced).values_list("pk", flat=True))
    stale = {event.pk for event in events if event.kind in worthy and event.subject_id not in worthy[event.kind]}
    if newest := {event.subject_id: event.pk for event in events if event.kind in INVITED}:
        opened = set(Invitation.objects.filter(pk__in=newest, status=Invitation.Status.PENDING).values_list("pk", flat=True))
        asks = {pk for invitation, pk in newest.items() if invitation in opened}
        stale |= {event.pk for event in events if event.kind in INVITED and event.pk not in asks}
    return stale


# --- whom it concerns ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Crowd:
    """Whom some events may concern: members with what they may do, and those who were removed, each by which event."""

    members: Mapping[UUID, Membership]
    teams: Mapping[UUID, set[UUID]]
    removed: Mapping[UUID, User]
    ends: Mapping[UUID, int]

    def of(self, application: Application) -> set[UUID]:
        """Who answers for an application: its owner, and its team."""
        return {application.owner_id} | (self.teams.get(application.team_id, set()) if application.team_id else set())

    def person(self, pk: UUID, event: Event) -> User | None:
        """Somebody whom news of this event may reach: nothing of what came after their removal."""
        gone = self.removed.get(pk) if event.number <= self.ends.get(pk, 0) else None
        found = self.members[pk].user if pk in self.members else gone
        return found if found and found.is_active else None


def crowd(events: Sequence[Event], about: Mapping[UUID, About]) -> Crowd:
    """Nobody of another tenant, and of those who have left only who were removed just now."""
    applications = [application for each in about.values() if (application := application_of(each))]
    teams = defaultdict(set)
    if ids := {each.team_id for each in applications if each.team_id}:
        for team, person in TeamMember.objects.filter(team__in=ids).values_list("team_id", "membership__user_id"):
            teams[team].add(person)
    named = {each.owner_id for each in applications} | {each.requested_by_id for each in about.values() if isinstance(each, Subscription)}
    named |= {each.created_by_id for each in about.values() if isinstance(each, ServiceAccount)}
    named |= set().union(*teams.values()) | {event.subject_id for event in events if event.kind == "member.changed"}
    groups = {GROUP_OF[event.kind] for event in events if event.kind in GROUP_OF} & FOR_ALL
    members = Membership.objects.with_custom_permissions().select_related("user").order_by("user_id")
    if "tenant" not in groups:
        wanted = Q(user_id__in=named)
        for group in sorted(groups):
            wanted |= who_may(GROUPS[group].permission)
        members = members.filter(wanted)
    ends = {event.subject_id: event.number for event in events if event.kind == REMOVED}
    return Crowd({each.user_id: each for each in members}, teams, User.objects.in_bulk(ends) if ends else {}, ends)


def application_of(about: About) -> Application | None:
    return about.application if isinstance(about, Subscription | Credential) else about if isinstance(about, Application) else None


def recipients(event: Event, about: About, among: Crowd) -> list[User]:
    """Whom an event concerns, each once; nobody hears what they did themselves."""
    found = (among.person(pk, event) for pk in sorted(_concerned(event, about, among) - {event.actor_id}))
    return [person for person in found if person is not None]


def guest(about: Invitation) -> User:
    """Who is invited; if nobody knows them, somebody who reads what the inviter reads."""
    found = User.objects.filter(email=about.email).first()
    by = about.invited_by
    return found or User(pk=about.pk, email=about.email, language=by.language, time_zone=by.time_zone)


def _concerned(event: Event, about: About, among: Crowd) -> set[UUID]:
    if isinstance(about, Invitation):
        return set()
    if isinstance(about, ServiceAccount):
        return {about.created_by_id}
    group = GROUP_OF[event.kind]
    if group in FOR_ALL:
        permission = GROUPS[group].permission
        holders = {pk for pk, each in among.members.items() if permission in permissions_held(each)}
        # Four eyes: applicants can't decide their own.
        return holders - {about.requested_by_id} - among.of(about.application) if isinstance(about, Subscription) else holders
    application = application_of(about)
    if application is None:
        return {event.subject_id}
    answering = among.of(application)
    if isinstance(about, Subscription):
        by_its_plan = event.kind == "subscription.approved" and event.actor_id is None
        # Who asked has seen it.
        answering = answering - {about.requested_by_id} if by_its_plan else answering | {about.requested_by_id}
    return answering


# --- in words --------------------------------------------------------------------------------------------------------


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
    if isinstance(about, Subscription):
        return _of_subscription(event, about, tenant)
    if isinstance(about, Credential):
        return _of_credential(event, about, tenant)
    if isinstance(about, Invitation):
        return _of_invitation(event, about, tenant)
    if isinstance(about, ServiceAccount):
        return _of_service_account(event, about, tenant)
    subject, sentence = WORDS[event.kind]
    things: dict[str, object] = {"tenant": tenant, "person": event.actor_name, "thing": event.subject_name}
    reason = words.added(event.data)
    common = {"quote": reason, "quoted_as": _("Reason") if reason else ""}
    if isinstance(about, Application):
        things["application"] = about
        path, button = reverse("app", args=[tenant.slug, about.pk]), _("Look at the application")
        rows: list[tuple[str, object]] = [(_("Application"), about)]
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
        case "gateway":
            return reverse("console-gateway", args=[tenant.slug, event.subject_name]), _("Look at the gateway"), [when]
        case _:
            ends = [(_("Erased"), tenant.erase_at)] if event.kind == "tenant.closing" and tenant.erase_at else []
            return reverse("catalogue", args=[tenant.slug]), _("Look at the tenant"), [when, *ends]


def _of_subscription(event: Event, subscription: Subscription, tenant: Tenant) -> Said:
    asked = event.kind == REQUESTED
    subject, sentence = WORDS[event.kind]
    written = str(event.data.get("purpose" if asked else "reason", ""))
    return Said(
        str(subject),
        str(sentence),
        {"application": subscription.application, "api": subscription.api, "plan": subscription.plan, "person": event.actor_name},
        reverse("console-request", args=[tenant.slug, subscription.pk])
        if asked
        else _tab(subscription.application, tenant, "subscriptions"),
        _("Look at the request") if asked else _("Look at the subscriptions"),
        [
            (_("Application"), subscription.application),
            (_("API"), subscription.api),
            (_("Plan"), subscription.plan),
            (_("When"), event.at),
        ],
        written,
        (_("Purpose") if asked else _("Reason")) if written else "",
        why=str(GROUPS[GROUP_OF[event.kind]].why),
    )


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


def _advice(credential: Credential) -> str:
    """What keeps calls going on."""
    if credential.status == Credential.Status.EXPIRING:
        return _("It was rolled, but nothing has used its replacement yet. Put that in place before this one ends.")
    if credential.kind in {Credential.Kind.CLIENT_SECRET, Credential.Kind.API_KEY}:
        return _("Roll it: you get a new one, and this one works on for as long as you choose, up to its end. Put the new one in place.")
    return _("Add another credential to the application and put it in place; both work until this one ends.")


def _tab(application: Application, tenant: Tenant, tab: str) -> str:
    return f"{reverse('app', args=[tenant.slug, application.pk])}?tab={tab}"
