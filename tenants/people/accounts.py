"""How people become known here, and come back when they forgot their password. Passwords arrive hashed: that takes long, and no
transaction waits for it.
"""

from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction

from tenants import events
from tenants.actions import end_refresh_tokens
from tenants.models import User


@transaction.atomic
def sign_up(*, email: str, name: str, hashed: str, language: str = "", verified: bool = False) -> User | None:
    """A new person; None if the address is known, whether or not it was ever verified. Without `verified` nobody can sign in yet."""
    try:
        with transaction.atomic():
            user = User.objects.create_user(email, verified=verified, name=name, language=language)
    except IntegrityError:
        return None
    _set_password(user, hashed)
    events.record_platform("person.signed_up", user, by=user)
    if verified:
        events.record_platform("email.verified", user, by=user)
    return user


@transaction.atomic
def verify(user: User) -> bool:
    """The address is theirs: they followed the link. Returns whether that is news."""
    changed = EmailAddress.objects.filter(user=user, email=user.email, verified=False).update(verified=True)
    if changed:
        events.record_platform("email.verified", user, by=user)
    return bool(changed)


@transaction.atomic
def reset_password(user: User, *, hashed: str) -> None:
    """As `change_password`, by who can read the person's mails, which verifies the address, too."""
    _set_password(user, hashed)
    end_refresh_tokens(user)
    events.record_platform("login.password_reset", user, by=user)
    verify(user)


def is_verified(user: User) -> bool:
    found: bool = EmailAddress.objects.filter(user=user, email=user.email, verified=True).exists()
    return found


@transaction.atomic
def take_over(user: User, *, name: str, hashed: str) -> None:
    """Who reads an address's mails gets what somebody began to sign up with it, and never showed that they read them."""
    user.name = name
    user.save(update_fields=["name"])
    reset_password(user, hashed=hashed)


def _set_password(user: User, hashed: str) -> None:
    user.password = hashed
    user.save(update_fields=["password"])
