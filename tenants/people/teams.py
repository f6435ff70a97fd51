"""Teams: members who own applications and look after APIs together. Who leads one is keys.actions.applications' business."""

from django.db import transaction
from django.db.models import ProtectedError
from django.utils.translation import gettext as _

from tenants import events
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event, Membership, Team, TeamMember, User
from tenants.people.members import managing

# So many of what a team owns are named where it can't be deleted.
NAMED = 5


@transaction.atomic
def create_team(*, name: str, lead: Membership, by: User, description: str = "") -> Team:
    """The lead is its first member."""
    events.lock()
    managing(by)
    _check_free(name)
    team = Team.objects.create(name=name, description=description, lead=lead)
    TeamMember.objects.create(team=team, membership=lead)
    events.record("team.created", team, by=by, lead=str(lead.user))
    return team


@transaction.atomic
def change_team(team: Team, *, name: str | None = None, description: str | None = None, by: User) -> Event | None:
    """Change what is given and differs. None if nothing changed."""
    events.lock()
    managing(by)
    team.refresh_from_db(fields=["name", "description"])
    if name is not None:
        _check_free(name, but=team)
    now = {each: value for each, value in (("name", name), ("description", description)) if value not in (None, getattr(team, each))}
    if not now:
        return None
    was = {each: getattr(team, each) for each in now}
    for each, value in now.items():
        setattr(team, each, value)
    team.save(update_fields=list(now))
    return events.record("team.changed", team, by=by, was=was, now=now)


@transaction.atomic
def add_to_team(team: Team, membership: Membership, *, by: User) -> Event:
    """From now on all that the team owns is theirs, too."""
    events.lock()
    managing(by)
    was = _names(team)
    _added, new = TeamMember.objects.get_or_create(team=team, membership=membership)
    if not new:
        raise NotAllowed(_("%(person)s is in this team already.") % {"person": membership.user})
    return events.record("team.changed", team, by=by, was={"members": was}, now={"members": _names(team)})


@transaction.atomic
def remove_from_team(team: Team, membership: Membership, *, by: User) -> Event:
    events.lock()
    managing(by)
    team.refresh_from_db(fields=["lead"])
    if team.lead_id == membership.pk:
        raise NotAllowed(_("%(person)s leads this team. Let somebody else lead it first.") % {"person": membership.user})
    was = _names(team)
    gone, _what = TeamMember.objects.filter(team=team, membership=membership).delete()
    if not gone:
        raise NotAllowed(_("%(person)s is not in this team.") % {"person": membership.user})
    return events.record("team.changed", team, by=by, was={"members": was}, now={"members": _names(team)})


@transaction.atomic
def delete_team(team: Team, *, by: User) -> Event:
    """:raises NotAllowed: it owns something."""
    events.lock()
    managing(by)
    event = events.record("team.deleted", team, by=by, members=_names(team))
    try:
        with transaction.atomic():
            team.delete()
    except ProtectedError as error:
        owned = sorted(str(each) for each in error.protected_objects)
        names = ", ".join(owned[:NAMED]) + (" …" if len(owned) > NAMED else "")
        raise NotAllowed(_("Give away first what the team owns: %(names)s.") % {"names": names}) from None
    return event


def _names(team: Team) -> list[str]:
    people = TeamMember.objects.filter(team=team).select_related("membership__user").order_by("pk")
    return [str(each.membership.user) for each in people]


def _check_free(name: str, *, but: Team | None = None) -> None:
    others = Team.objects.filter(name__iexact=name)
    if (others.exclude(pk=but.pk) if but else others).exists():
        raise Invalid({"name": [_("There is a team “%(name)s” already.") % {"name": name}]})
