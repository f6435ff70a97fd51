"""The end of an application, with all that it has: its subscriptions and its credentials."""

from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from apis.actions.subscriptions import ends
from apis.models import Subscription
from keys.actions import application_life
from keys.actions.application_life import WITH_IT, WITH_ITS_APPLICATION
from keys.models import Application, Credential
from keys.revocable import Use, with_use
from tenants import events
from tenants.errors import NotAllowed
from tenants.lifecycle import move
from tenants.models import Event, User
from tenants.people.members import held_now

_Status = Subscription.Status


@dataclass(frozen=True, slots=True)
class Stops:
    """What ends with an application: subscriptions by their API's name, credentials, the oldest first.

    `calls` passed by its credentials in the last seven days, as far as they are counted.
    """

    subscriptions: list[Subscription]
    credentials: list[Credential]
    calls: int

    @property
    def works(self) -> bool:
        """Whether anything of it lets calls pass, or earns tokens."""
        return bool(self.credentials) or any(each.status == _Status.ACTIVE for each in self.subscriptions)


def what_stops(application: Application) -> Stops:
    """What `delete` ends. At most as many as one application may have (tenants/limits.py)."""
    held = Subscription.objects.open().filter(application=application).select_related("api", "plan").order_by("api__name", "id")
    credentials = list(with_use(application.credentials.usable()).order_by("id"))
    return Stops(list(held), credentials, sum(Use.of(each).calls for each in credentials))


@transaction.atomic
def delete(application: Application, *, reason: str = "", by: User) -> Event:
    """End it for good: its open subscriptions are cancelled, its working credentials revoked, each on the record, then itself.

    :param by: one of its own people, or who may end anybody's credentials.
    :returns: the last event, whose receipt covers those before it.
    """
    lock = events.lock()
    application_life.read_again(application)
    if not application_life.may_delete(application, by, held_now(by)):
        raise NotAllowed(_("%(application)s belongs to %(whose)s.") % {"application": application, "whose": application.whose})
    mine = Subscription.objects.filter(application=application)
    for each in mine.open().select_related("application", "api").order_by("id"):
        move(each, _Status.CANCELLED, by=by, why=WITH_ITS_APPLICATION, data=WITH_IT, reason="", **ends(lock.now))
    # What was rejected a moment ago would be a request again.
    mine.filter(undo_until__isnull=False).update(undo_until=None)
    return application_life.end(application, reason=reason, by=by)
