"""Signing in with a password: one road for the pages and for REST, on which tries are counted and recorded."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from allauth.mfa.models import Authenticator
from django.contrib.auth import authenticate
from django.http import HttpRequest
from django.utils.translation import gettext as _

from tenants import events, second_factors, throttle
from tenants.errors import Busy
from tenants.models import User
from tenants.origin import origin
from tenants.people import accounts

# Refused sign-ins in one window: few from one address, so that guessing is slow; many for an account from everywhere, so that
# a stranger's guesses don't lock its person out.
SIGN_INS_PER_ACCOUNT_AND_ADDRESS = 10
SIGN_INS_PER_ACCOUNT = 100
SIGN_INS_PER_ADDRESS = 50
SIGN_IN_WINDOW = 300
# Of somebody who is signed in, before a new password.
CONFIRMATIONS = 10
# Each takes 100 MB and a core for a tenth of a second.
_checks = threading.BoundedSemaphore(2)
CHECK_WAIT = 5.0


def sign_in(request: HttpRequest, email: str, password: str, *, confirms: bool = False) -> User | None:
    """Whose e-mail address and password these are; None for everybody else, whatever the reason. Who has a second factor is not in
    yet, see `show`. Not in a transaction that may be rolled back: the counts would be, too.

    :param confirms: they followed the link that was mailed to the address, which is theirs with the right password.
    :raises TooMany: tried too often. :raises Busy: too many passwords are being looked at.
    """
    email = email.strip().lower()
    address = origin.get().place
    pair, account, place = f"sign-in {email} {address}", f"sign-in account {email}", f"sign-in address {address}"
    # Counted before the password is looked at, or many guesses at once would not be.
    throttle.attempt(place, limit=SIGN_INS_PER_ADDRESS, seconds=SIGN_IN_WINDOW)
    throttle.attempt(pair, limit=SIGN_INS_PER_ACCOUNT_AND_ADDRESS, seconds=SIGN_IN_WINDOW)
    throttle.attempt(account, limit=SIGN_INS_PER_ACCOUNT, seconds=SIGN_IN_WINDOW)
    with one_of_few():
        user = authenticate(request, username=email, password=password)
    if not isinstance(user, User):
        known = User.objects.filter(email=email).first()
        if known is not None:
            events.record_platform("login.refused", known, by=None)
        return None
    throttle.forget(pair)
    throttle.forgive(account)
    throttle.forgive(place)
    if confirms:
        accounts.verify(user)
    # Who has to confirm the address first is not in.
    if not second_factors.has_second_factor(user) and accounts.is_verified(user):
        events.record_platform("login.succeeded", user, by=user)
    return user


def show(user: User, code: str) -> Authenticator | None:
    """The second step, after the password: what the code is of; None if it is wrong.

    :raises TooMany: tried too often.
    """
    found = second_factors.confirm(user, code)
    if found is None:
        events.record_platform("login.refused", user, by=None, second_factor=True)
    else:
        events.record_platform("login.succeeded", user, by=user, second_factor=found.type)
    return found


def confirm(user: User, password: str) -> bool:
    """Whether who is signed in knows the password; counted, so that an open session gives it to nobody.

    :raises TooMany: tried too often. :raises Busy: too many passwords are being looked at.
    """
    tries = f"confirm {user.pk}"
    throttle.attempt(tries, limit=CONFIRMATIONS, seconds=SIGN_IN_WINDOW)
    with one_of_few():
        right = user.check_password(password)
    if right:
        throttle.forget(tries)
    return right


@contextmanager
def one_of_few() -> Iterator[None]:
    """Round whatever hashes a password.

    :raises Busy: too many are.
    """
    if not _checks.acquire(timeout=CHECK_WAIT):
        raise Busy(_("Many people sign in just now. Try again in a few seconds."))
    try:
        yield
    finally:
        _checks.release()
