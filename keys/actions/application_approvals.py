"""New applications where the tenant has people approve them: `pending -> active | rejected`.

What is pending or rejected has neither credentials nor subscriptions, so gateways never hear of it. Both can be deleted.
"""

from django.db import transaction
from django.utils.translation import gettext as _

from keys.actions.application_life import read_again
from keys.models import Application
from tenants import events
from tenants.errors import NotAllowed
from tenants.lifecycle import in_words, move
from tenants.models import Event, ServiceAccount, User
from tenants.people import delegations

_Status = Application.Status


@transaction.atomic
def approve(application: Application, *, by: User) -> Event:
    """It may ask for subscriptions and get credentials from now on.

    :raises NotAllowed: it is their own: four eyes; or it was decided meanwhile.
    """
    _has_to_wait(application, by)
    return move(application, _Status.ACTIVE, by=by)


@transaction.atomic
def reject(application: Application, *, reason: str, by: User) -> Event:
    """It gets nothing, for good; its people read the reason, and may delete it and register another."""
    _has_to_wait(application, by)
    return move(application, _Status.REJECTED, by=by, why=reason, reason=reason)


def _has_to_wait(application: Application, by: User) -> None:
    events.lock()
    read_again(application)
    if _is_own(application, by):
        raise NotAllowed(_("You can't decide about an application of your own; another approver has to."))
    for person in delegations.behind(by):
        if _is_own(application, person):
            raise NotAllowed(_("You decide in the place of %(person)s, whose own application this is.") % {"person": person})
    if application.status != _Status.PENDING:
        said = _("This application is %(state)s, so there is nothing to decide.")
        raise NotAllowed(said % {"state": in_words(application, application.status)})


def _is_own(application: Application, user: User) -> bool:
    """Whether this person has a part in it, or registered it: who gave it away may get it back."""
    if application.is_own_of(user):
        return True
    person = ServiceAccount.objects.person_behind(user)
    registered = Event.objects.filter(subject_id=application.pk, kind="application.requested").values("actor_id")
    return any(person.pk in ServiceAccount.objects.people_behind(each) for each in User.objects.filter(pk__in=registered))
