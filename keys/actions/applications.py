"""What happens to applications: who registers them, whose they are, and who answers for them."""

from collections.abc import Set
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator, URLValidator
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from keys.models import Application
from keys.secrets import new_client_id
from tenants import events, limits
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event, Membership, ServiceAccount, Team, TeamMember, TenantSettings, User
from tenants.people.members import held_now
from tenants.roles import who_may


@transaction.atomic
def register_application(
    *, name: str, purpose: str, environment: str, by: User, team: Team | None = None, contact: str = ""
) -> Application:
    """Where the tenant has people approve new ones, it waits for that.

    :param team: one of the person's own, which it then belongs to.
    :param contact: an e-mail address or an https address, where somebody answers for it; "" for none.
    """
    events.lock()
    if team is not None and not Team.objects.of(by).filter(pk=team.pk).exists():
        raise Invalid({"team": [_("You are in no such team.")]})
    contact = contact_of(contact)
    owner = team.lead.user if team else by
    _room_at(owner, team, name=name, by=by)
    waits = TenantSettings.objects.filter(applications_need_approval=True).exists()
    application = Application.objects.create(
        name=name,
        purpose=purpose,
        contact=contact,
        environment=environment,
        owner=owner,
        team=team,
        client_id=new_client_id(),
        status=Application.Status.PENDING if waits else Application.Status.ACTIVE,
    )
    more: dict[str, Any] = {**({"team": team.name} if team else {}), **({"contact": contact} if contact else {})}
    kind = "application.requested" if waits else "application.created"
    events.record(kind, application, by=by, purpose=purpose, environment=environment, **more)
    return application


@transaction.atomic
def transfer(application: Application, *, to: User | Team, by: User) -> Event:
    """Give it to another member or to a team. Its client id, credentials and subscriptions stay, so nothing stops working.

    :param by: its owner, or who manages members.
    """
    events.lock()
    application = Application.objects.select_related("owner", "team").get(pk=application.pk)
    check_standing(application)
    if not may_transfer(application, by, held_now(by)):
        raise NotAllowed(_("%(application)s is not yours to give any more.") % {"application": application})
    team = to if isinstance(to, Team) else None
    # Read again: whoever leads may have changed.
    owner = Team.objects.select_related("lead__user").get(pk=team.pk).lead.user if team else to
    assert isinstance(owner, User)
    if not Membership.objects.filter(who_may("applications.own"), user=owner, user__is_active=True).exists():
        said = (
            _("%(person)s leads this team, and may not have applications here.")
            if team
            else _("%(person)s may not have applications here.")
        )
        raise NotAllowed(said % {"person": owner})
    if (application.owner_id, application.team_id) == (owner.pk, team.pk if team else None):
        raise NotAllowed(_("%(application)s belongs to %(whose)s already.") % {"application": application, "whose": application.whose})
    _room_at(owner, team, name=application.name, by=by)
    was = application.whose
    application.owner, application.team = owner, team
    application.save(update_fields=["owner", "team"])
    return events.record("application.transferred", application, by=by, was=was, now=application.whose)


def in_reach(user: User, permissions: Set[str]) -> QuerySet[Application]:
    """Among which somebody finds one to give away, see `may_transfer`: those they see; all, for who manages members."""
    rows = Application.objects.standing().select_related("owner", "team")
    return rows if "members.manage" in permissions else rows.visible_to(user, permissions)


def may_transfer(application: Application, user: User, permissions: Set[str]) -> bool:
    """The owner, which of a team's is its lead, of a service account's who answers for that; and who manages members."""
    return "members.manage" in permissions or user.pk in (application.owner_id, ServiceAccount.objects.person_behind(application.owner).pk)


def receiver_called(email: str) -> User:
    """The member with this address.

    :raises Invalid: in the same words whether there is nobody, or they may not have applications.
    """
    entitled = Membership.objects.filter(who_may("applications.own"), user__email=email.strip().lower(), user__is_active=True)
    membership = entitled.select_related("user").first()
    if membership is None:
        raise Invalid({"to": [_("Nobody here with this address may have applications.")]})
    return membership.user


def alone_of(person: User) -> QuerySet[Application]:
    """What nobody else answers for: theirs, and that of service accounts which stop when they go."""
    services = ServiceAccount.objects.filter(created_by=person).values("user")
    return Application.objects.standing().filter(Q(owner=person) | Q(owner__in=services), team=None)


@transaction.atomic
def hand_over(person: User, *, to: User | Team, by: User) -> int:
    """Transfer all that is a person's alone, before they leave. What their teams own stays with those. Returns how many."""
    events.lock()
    theirs = list(alone_of(person).order_by("pk"))
    for each in theirs:
        transfer(each, to=to, by=by)
    return len(theirs)


@transaction.atomic
def change_lead(team: Team, *, to: Membership, by: User) -> Event:
    """Another of its members leads the team, and answers for what it owns."""
    events.lock()
    team = Team.objects.select_related("lead__user").get(pk=team.pk)
    if team.lead_id == to.pk:
        raise NotAllowed(_("%(person)s leads this team already.") % {"person": to.user})
    if not TeamMember.objects.filter(team=team, membership=to).exists():
        raise NotAllowed(_("%(person)s is not in this team; add them first.") % {"person": to.user})
    was, team.lead = str(team.lead.user), to
    team.save(update_fields=["lead"])
    Application.objects.filter(team=team).update(owner=to.user)
    return events.record("team.changed", team, by=by, was={"lead": was}, now={"lead": str(to.user)})


def check_standing(application: Application) -> None:
    """
    :raises NotAllowed: it is deleted.
    """
    if application.status == Application.Status.DELETED:
        raise NotAllowed(_("%(application)s is deleted.") % {"application": application})


def check_active(application: Application) -> None:
    """As it is now, under the lock: approved, and neither suspended nor deleted.

    :raises NotAllowed: nothing new is made for it.
    """
    events.require_lock()
    application.refresh_from_db(fields=["status"])
    check_standing(application)
    if application.status == Application.Status.PENDING:
        said = _("%(application)s waits for an approver, so it gets nothing before it is approved.")
        raise NotAllowed(said % {"application": application})
    if application.status == Application.Status.REJECTED:
        raise NotAllowed(_("%(application)s was rejected, so it gets nothing.") % {"application": application})
    if application.status == Application.Status.SUSPENDED:
        said = _("%(application)s is suspended, so it gets nothing new until it is resumed.")
        raise NotAllowed(said % {"application": application})


def contact_of(text: str) -> str:
    """
    :raises Invalid: it is neither an e-mail address nor an https address.
    """
    text = text.strip()
    try:
        if text.lower().startswith("https://"):
            URLValidator(schemes=["https"])(text)
            if urlsplit(text).username is not None:
                raise ValidationError("")
        elif text:
            EmailValidator()(text)
    except (ValidationError, ValueError):
        raise Invalid({"contact": [_("Give an e-mail address, or an address that begins with https://.")]}) from None
    return text


def check_free(name: str, *, owner: User, team: Team | None, by: User) -> None:
    """
    :raises NotAllowed: they have one of this name.
    """
    if _of(owner, team).filter(name=name).exists():
        mine = _("You have an application called “%(name)s” already.")
        others = _("%(whose)s has an application called “%(name)s” already.")
        whose = team or owner
        raise NotAllowed((mine if whose == by else others) % {"name": name, "whose": whose})


def _room_at(owner: User, team: Team | None, *, name: str, by: User) -> None:
    """
    :raises NotAllowed: they have one of this name, or as many as they may.
    """
    check_free(name, owner=owner, team=team, by=by)
    if _of(owner, team).count() >= limits.APPLICATIONS_PER_PERSON:
        mine = _("You have %(most)s applications here, which is as many as one person may have.")
        others = _("%(whose)s has %(most)s applications here, which is as many as a person or a team may have.")
        most, whose = number_format(limits.APPLICATIONS_PER_PERSON, force_grouping=True), team or owner
        raise NotAllowed((mine if whose == by else others) % {"most": most, "whose": whose})


def _of(owner: User, team: Team | None) -> QuerySet[Application]:
    """All that stand in one place, where each name is given once."""
    rows = Application.objects.standing()
    return rows.filter(team=team) if team else rows.filter(owner=owner, team=None)
