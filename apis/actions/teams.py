"""Which team looks after an API. Publishing goes by permission, whoever that is."""

from django.db import transaction
from django.utils.translation import gettext as _

from apis.models import Api
from tenants import events
from tenants.errors import NotAllowed
from tenants.models import Event, Team, User


@transaction.atomic
def give_api(api: Api, *, team: Team | None, by: User) -> Event | None:
    """:param team: None for nobody in particular. :returns: None if nothing changed."""
    events.lock()
    api.refresh_from_db(fields=["team"])
    if api.team == team:
        return None
    if team is not None and not Team.objects.filter(pk=team.pk).exists():
        raise NotAllowed(_("%(team)s is not there any more.") % {"team": team})
    was = str(api.team) if api.team else None
    api.team = team
    api.save(update_fields=["team"])
    return events.record("api.transferred", api, by=by, was=was, now=str(team) if team else None)
