"""Who sees a plan, and so may ask for it: everybody who sees its API, or some teams. Who has it keeps it."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from apis.models import Plan, PlanTeam
from tenants import events
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event, Team, User


@transaction.atomic
def show(plan: Plan, *, visibility: str | None = None, teams: Sequence[Team] | None = None, by: User | None) -> Event | None:
    """Change what is given and differs. None if nothing changed.

    :param teams: whose members see it, where it is for some teams alone.
    :raises Invalid: a team is none any more, or none is named where one is needed.
    """
    events.lock()
    plan.refresh_from_db(fields=["status", "visibility"])
    if plan.status == Plan.Status.CLOSED:
        raise NotAllowed(_("The plan %(plan)s is closed, so nobody asks for it.") % {"plan": plan})
    was = _standing(plan)
    plan.visibility = visibility or plan.visibility
    _change(plan, teams)
    now = _standing(plan)
    if was == now:
        return None
    plan.save(update_fields=["visibility"])
    return events.record("plan.shown", plan, by=by, api=plan.api.slug, was=was, now=now)


def _standing(plan: Plan) -> dict[str, Any]:
    return {
        "visibility": str(plan.visibility),
        "teams": sorted(PlanTeam.objects.filter(plan=plan).values_list("team__name", flat=True)),
    }


def _change(plan: Plan, teams: Sequence[Team] | None) -> None:
    rows = PlanTeam.objects.filter(plan=plan)
    if plan.visibility != Plan.Visibility.TEAMS:
        rows.delete()
        return
    if teams is not None:
        wanted = {each.pk for each in teams}
        if Team.objects.filter(pk__in=wanted).count() != len(wanted):
            raise Invalid({"teams": [_("One of these teams is not there any more.")]})
        rows.exclude(team__in=wanted).delete()
        there = set(rows.values_list("team", flat=True))
        PlanTeam.objects.bulk_create(PlanTeam(plan=plan, team_id=pk) for pk in sorted(wanted - there))
    if not rows.exists():
        raise Invalid({"teams": [_("Choose at least one team that sees it.")]})
