"""The life of an application: what can be changed of it, suspending and resuming it, and its end.

`active <-> suspended`, and `active | suspended -> deleted`, from where nothing leads back. What comes before `active`, where people approve
new ones, stands in keys.actions.application_approvals. What ends with it at the APIs is told by
apis.actions.applications.
"""

from collections.abc import Set
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from keys.actions import credentials
from keys.actions.applications import check_free, check_standing, contact_of
from keys.models import Application
from tenants import events
from tenants.errors import NotAllowed
from tenants.lifecycle import Data, in_words, move
from tenants.models import Event, ServiceAccount, User
from tenants.people.members import held_now

# Written down in English whoever does it, see portal/words.py.
WITH_ITS_APPLICATION = "Its application was deleted."
# Told by the events of what ended so: a reason is what anybody may type.
WITH_IT: Data = {"with_application": True}

_Status = Application.Status


def handles(application: Application, user: User, permissions: Set[str]) -> bool:
    """Whether it is theirs or their team's, to do with it what its people do."""
    return "applications.own" in permissions and application.belongs_to(user)


def may_suspend(application: Application, user: User, permissions: Set[str]) -> bool:
    """Its own people, and who may suspend anybody's."""
    return "applications.suspend" in permissions or handles(application, user, permissions)


def may_delete(application: Application, user: User, permissions: Set[str]) -> bool:
    """Its own people, and who may end anybody's credentials."""
    return "applications.revoke_any" in permissions or handles(application, user, permissions)


def what_bars_resuming(application: Application, user: User, permissions: Set[str]) -> str:
    """Why this person can't resume it, in a sentence; "" where they can."""
    own = application.is_own_of(user)
    if not (permissions & {"applications.suspend", *(["applications.own"] if own else [])}):
        return _not_theirs(application)
    # Nor does who gave it away meanwhile.
    if application.suspended_by_others and (own or ServiceAccount.objects.person_behind(user).pk in application.suspended_from):
        said = _("%(person)s suspended it, so its own people can't resume it; somebody else who may suspend applications has to.")
        return said % {"person": application.suspended_by}
    return ""


@transaction.atomic
def change_application(
    application: Application, *, by: User, name: str | None = None, purpose: str | None = None, contact: str | None = None
) -> Event | None:
    """Change what is given and differs: its own people alone. None if nothing changed.

    :param contact: an e-mail address or an https address; "" for none.
    :raises Invalid: it is neither.
    """
    events.lock()
    found = read_again(application)
    if not handles(found, by, held_now(by)):
        raise NotAllowed(_not_theirs(found))
    given = {"name": name, "purpose": purpose, "contact": None if contact is None else contact_of(contact)}
    now = {each: value for each, value in given.items() if value is not None and value != getattr(found, each)}
    if not now:
        return None
    if "name" in now:
        check_free(now["name"], owner=found.owner, team=found.team, by=by)
    was = {each: getattr(found, each) for each in now}
    for each, value in now.items():
        setattr(found, each, value)
        setattr(application, each, value)
    found.save(update_fields=list(now))
    return events.record("application.changed", found, by=by, was=was, now=now)


@transaction.atomic
def suspend(application: Application, *, reason: str, by: User) -> Event:
    """Refuse all of its calls, and give it no tokens, until it is resumed. Its credentials and subscriptions stay.

    :param by: one of its own people, or who may suspend anybody's.
    """
    events.lock()
    read_again(application)
    if not may_suspend(application, by, held_now(by)):
        raise NotAllowed(_not_theirs(application))
    whose = [] if application.is_own_of(by) else sorted(application.people())
    return move(application, _Status.SUSPENDED, by=by, why=reason, reason=reason, suspended_by=by, suspended_from=whose)


@transaction.atomic
def resume(application: Application, *, by: User) -> Event:
    """Its calls pass again, as far as its subscriptions and credentials go.

    :raises NotAllowed: it is their own, and somebody else suspended it: four eyes.
    """
    events.lock()
    read_again(application)
    if application.status != _Status.SUSPENDED:
        said = _("This application is %(state)s, so there is nothing to resume.")
        raise NotAllowed(said % {"state": in_words(application, application.status)})
    if bars := what_bars_resuming(application, by, held_now(by)):
        raise NotAllowed(bars)
    return move(application, _Status.ACTIVE, by=by, reason="", suspended_by=None, suspended_from=[])


def end(application: Application, *, reason: str = "", by: User) -> Event:
    """Its working credentials end, then itself, for good: its name is free again, and nobody sees it but to read what it was.

    Under the lock, once what it has at the APIs has ended.
    """
    lock = events.require_lock()
    for each in application.credentials.usable().select_related("application").order_by("id"):
        credentials.revoke(each, by=by, reason=WITH_ITS_APPLICATION, data=WITH_IT)
    return move(application, _Status.DELETED, by=by, why=reason, deleted_at=lock.now)


def read_again(application: Application) -> Application:
    """As it stands now, under the lock: whose it is, its names, and its state may have changed since it was read.

    :raises NotAllowed: it is deleted.
    """
    events.require_lock()
    application.refresh_from_db(from_queryset=Application.objects.select_related("owner", "team", "suspended_by"))
    check_standing(application)
    return application


def _not_theirs(application: Application) -> str:
    names: dict[str, Any] = {"application": application, "whose": application.whose}
    return _("%(application)s belongs to %(whose)s.") % names
