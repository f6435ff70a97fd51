"""Whoever goes leaves nothing behind that nobody answers for."""

from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from keys.actions.applications import alone_of, change_lead, hand_over
from keys.models import Application, CalendarFeed, Credential
from tenants import events
from tenants.errors import Invalid
from tenants.models import Event, Membership, Team, TeamMember, User
from tenants.people import members
from tenants.roles import who_may


@dataclass(frozen=True, slots=True)
class Left:
    """What a member answers for: `led` are their teams, each with who leads it from then on, None where nobody else is in it."""

    applications: list[Application]
    # Of those, usable ones: their secrets are known to who goes.
    credentials: int
    teams: list[Team]
    led: list[tuple[Team, Membership | None]]

    @property
    def needs_somebody(self) -> bool:
        """Whether it has to be said to whom this goes."""
        return bool(self.applications) or any(successor is None for _team, successor in self.led)


def left_by(membership: Membership) -> Left:
    applications = list(alone_of(membership.user).order_by("name"))
    credentials = Credential.objects.usable().filter(application__in=applications).count()
    teams = list(Team.objects.filter(people__membership=membership).order_by("name"))
    led = [(team, _successor(team, membership)) for team in teams if team.lead_id == membership.pk]
    return Left(applications, credentials, teams, led)


def _successor(team: Team, leaving: Membership) -> Membership | None:
    """Who has been in the team for longest."""
    others = TeamMember.objects.filter(team=team, membership__user__is_active=True).exclude(membership=leaving)
    others = others.order_by("pk").select_related("membership__user")
    found = others.first()
    return found.membership if found else None


@transaction.atomic
def remove(membership: Membership, *, to: Membership | Team | None = None, by: User) -> Event:
    """End a membership: somebody else's, or one's own. With the next request the person is a stranger here.

    :param to: whose their applications are from now on, and who leads teams in which nobody else is.
    """
    events.lock()
    found = members.about_to_go(membership, by=by)
    left = left_by(found)
    heir = _heir(to, found) if left.needs_somebody else None
    for team, successor in left.led:
        _lead_on(team, successor or heir, by=by)
    if left.applications:
        assert to is not None
        hand_over(found.user, to=to if isinstance(to, Team) else to.user, by=by)
    CalendarFeed.objects.filter(user=found.user).delete()
    went = {"applications": str(to if isinstance(to, Team) else to.user)} if to and left.applications else {}
    return members.end(found, by=by, **went)


def _heir(to: Membership | Team | None, leaving: Membership) -> Membership:
    """The member who answers for it, and can: their account is open, and they may have applications."""
    heir = _named(to, leaving)
    if not Membership.objects.filter(who_may("applications.own"), pk=heir.pk, user__is_active=True).exists():
        raise Invalid({"applications_to": [_("%(person)s may not have applications here.") % {"person": heir.user}]})
    return heir


def _named(to: Membership | Team | None, leaving: Membership) -> Membership:
    if to is None:
        raise Invalid({"applications_to": [_("Say to whom the applications go: a member, or a team.")]})
    if not isinstance(to, Team):
        if to.pk == leaving.pk:
            raise Invalid({"applications_to": [_("%(person)s is who goes. Choose somebody else.") % {"person": leaving.user}]})
        return members.still_there(to)
    lead = to.lead if to.lead_id != leaving.pk else _successor(to, leaving)
    if lead is None:
        raise Invalid({"applications_to": [_("Nobody else is in %(team)s. Choose another team, or a member.") % {"team": to}]})
    return lead


def _lead_on(team: Team, to: Membership | None, *, by: User) -> None:
    assert to is not None
    TeamMember.objects.get_or_create(team=team, membership=to)
    change_lead(team, to=to, by=by)
