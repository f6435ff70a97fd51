"""Invitations: a one-time link, bound to an e-mail address, makes a member of who has it.

The link is signed and kept nowhere: it is made anew when its mail is sent. Its nonce ends with the next sending.
"""

import re
import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.signing import BadSignature, Signer
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from tenants import due, events
from tenants.actions import checked_roles
from tenants.errors import Invalid, NotAllowed
from tenants.lifecycle import step
from tenants.models import CustomRole, Event, Invitation, Membership, Team, User
from tenants.people import accounts
from tenants.people.members import enrol, held_now, managing, taking_in
from tenants.people.roles import may_give

EXPIRE_JOB = "expire_invitations"
LIFE = timedelta(days=7)
BETWEEN = timedelta(minutes=1)
# So many at once.
MOST = 50
# Of the job, in one transaction.
BATCH = 500
Status = Invitation.Status


def addresses_in(text: str) -> list[str]:
    """The addresses of a text, between which there are line breaks, spaces, commas or semicolons; each once."""
    return list(dict.fromkeys(address_of(each) for each in re.split(r"[\s,;]+", text) if each))


def address_of(text: str) -> str:
    """As User keeps it: lower case. A domain with letters beyond ASCII is kept, and shown, as punycode: none passes for another."""
    local, at, domain = text.strip().lower().rpartition("@")
    try:
        return f"{local}{at}{domain if domain.isascii() else domain.encode('idna').decode()}"
    except UnicodeError:
        return text.strip().lower()


@transaction.atomic
def invite(
    emails: Sequence[str], *, roles: Collection[str], custom_roles: Collection[UUID] = (), team: Team | None = None, by: User
) -> list[Invitation]:
    """One invitation for each address; all of them or none. The job mails them."""
    lock = events.lock()
    held = managing(by)
    taking_in()
    wanted, own = checked_roles(roles, custom_roles)
    may_give(held, wanted, own)
    given = list(dict.fromkeys(map(address_of, emails)))
    _check(given)
    _expire(_over(lock.now).filter(email__in=given))
    _check_free(given)
    names = _names(wanted, own)
    more: dict[str, Any] = {"team": str(team)} if team else {}
    made = []
    for email in given:
        invitation = Invitation.objects.create(
            email=email, roles=wanted, custom_roles=own, team=team, invited_by=by, nonce=_new_nonce(), expires_at=lock.now + LIFE
        )
        events.record("invitation.created", invitation, by=by, roles=names, **more)
        made.append(invitation)
    due.expect(EXPIRE_JOB, lock.now + LIFE)
    due.expect(due.MAIL_JOB, lock.now)
    return made


def _names(roles: Collection[str], custom_roles: Collection[UUID]) -> list[str]:
    """As events write them down."""
    return [*roles, *CustomRole.objects.filter(pk__in=custom_roles).order_by("name").values_list("name", flat=True)]


def _check(emails: Sequence[str]) -> None:
    if not emails:
        raise Invalid({"emails": [_("Give at least one address.")]})
    if len(emails) > MOST:
        raise Invalid({"emails": [_("These are %(many)s addresses; invite up to %(most)s at once.") % {"many": len(emails), "most": MOST}]})
    if wrong := [each for each in emails if not _is_address(each)]:
        raise Invalid({"emails": [_("“%(text)s” is no e-mail address.") % {"text": each[:80]} for each in wrong]})


def _is_address(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return len(text) <= 254


def _check_free(emails: Sequence[str]) -> None:
    members = set(Membership.objects.filter(user__email__in=emails).values_list("user__email", flat=True))
    invited = invited_already(emails)
    said = [_("%(email)s is a member already.") % {"email": each} for each in emails if each in members]
    said += [_("%(email)s is invited already.") % {"email": each} for each in emails if each in invited and each not in members]
    if said:
        raise Invalid({"emails": said})


def invited_already(emails: Collection[str]) -> dict[str, Invitation]:
    """The open invitations of these, by address."""
    return {each.email: each for each in Invitation.objects.filter(email__in=emails, status=Status.PENDING)}


def _new_nonce() -> str:
    return secrets.token_hex(16)


@transaction.atomic
def renew(invitation: Invitation, *, by: User) -> Event:
    """Send it again, for seven days from now; the link before ends."""
    lock = events.lock()
    held = managing(by)
    taking_in()
    found = Invitation.objects.get(pk=invitation.pk)
    may_give(held, found.roles, found.custom_roles)
    if found.status != Status.PENDING:
        raise NotAllowed(_("%(email)s has no open invitation any more. Invite them anew.") % {"email": found})
    if lock.now < found.expires_at - LIFE + BETWEEN:
        raise NotAllowed(_("It was sent less than a minute ago. Give the mail its time."))
    found.nonce, found.expires_at, found.invited_by = _new_nonce(), lock.now + LIFE, by
    found.save(update_fields=["nonce", "expires_at", "invited_by"])
    due.expect(EXPIRE_JOB, found.expires_at)
    due.expect(due.MAIL_JOB, lock.now)
    return events.record("invitation.renewed", found, by=by, roles=_names(found.roles, found.custom_roles))


@transaction.atomic
def revoke(invitation: Invitation, *, by: User) -> Event:
    """Take it back: its link opens nothing from now on."""
    events.lock()
    managing(by)
    return step(Invitation.objects.get(pk=invitation.pk), Status.REVOKED, by=by)


def expire_invitations() -> datetime | None:
    """A job's work: end those whose time is over; returns when the next one's is."""
    now = events.now()
    _expire(_over(now).order_by("expires_at")[:BATCH])
    pending = Invitation.objects.filter(status=Status.PENDING).order_by("expires_at")
    return pending.values_list("expires_at", flat=True).first()


def _over(now: datetime) -> QuerySet[Invitation]:
    return Invitation.objects.filter(status=Status.PENDING, expires_at__lte=now)


def _expire(over: QuerySet[Invitation]) -> None:
    for invitation in over:
        step(invitation, Status.EXPIRED, by=None)


def token_of(invitation: Invitation) -> str:
    """What its link ends with."""
    return _signer().sign(f"{invitation.pk.hex}-{invitation.nonce}")


def _signer() -> Signer:
    return Signer(salt="portico.invitation", sep=".")


def behind(token: str) -> tuple[Invitation, str] | None:
    """The tenant's invitation that this link was made for, whatever became of it, and the link's nonce.

    None if the link is forged, or another tenant's.
    """
    try:
        pk, _dash, nonce = _signer().unsign(token).partition("-")
        return Invitation.objects.select_related("invited_by", "team").get(pk=UUID(pk)), nonce
    except (BadSignature, ValueError, Invitation.DoesNotExist):
        return None


def refusal(invitation: Invitation, nonce: str, *, now: datetime) -> str | None:
    """Why this link opens nothing any more; None if it does."""
    match invitation.status:
        case Status.ACCEPTED:
            return _("This invitation was accepted. A link works once.")
        case Status.REVOKED:
            return _("This invitation was taken back.")
        case Status.EXPIRED:
            return _("This invitation has expired: a link works for seven days.")
    if nonce != invitation.nonce:
        return _("This invitation was sent again, and this link ended with that. Use the one in the latest mail.")
    if invitation.expires_at <= now:
        return _("This invitation has expired: a link works for seven days.")
    return None


@transaction.atomic
def accept_as_new(invitation: Invitation, nonce: str, *, name: str, hashed: str, language: str = "") -> User:
    """The same for who has no account: it begins with the invitation, whose link proves the address.

    :param hashed: the password, see tenants.people.accounts.
    """
    # First: what people have in common is locked after what a tenant has.
    events.lock()
    email = invitation.email
    user = accounts.sign_up(email=email, name=name, hashed=hashed, language=language, verified=True)
    if user is None:
        user = User.objects.get(email=email)
        if has_account(user):
            raise NotAllowed(_("There is an account with this address already. Sign in with it."))
        accounts.take_over(user, name=name, hashed=hashed)
    accept(invitation, nonce, by=user)
    return user


def has_account(user: User) -> bool:
    """Whether this is somebody's: one that was begun and never proven goes to who reads the address's mails."""
    return accounts.is_verified(user) or not user.is_active


@transaction.atomic
def accept(invitation: Invitation, nonce: str, *, by: User) -> Membership:
    """Become a member, once; under the lock, so that of two at the same moment one does."""
    lock = events.lock()
    taking_in()
    found = Invitation.objects.select_related("invited_by", "team").get(pk=invitation.pk)
    if why := refusal(found, nonce, now=lock.now):
        raise NotAllowed(why)
    if by.email != found.email:
        raise NotAllowed(_("This invitation is for %(email)s.") % {"email": found.email})
    try:
        may_give(held_now(found.invited_by), found.roles, found.custom_roles)
    except NotAllowed:
        # Else whoever loses their roles could have asked in somebody who keeps them.
        said = _("%(person)s, who invited you, may not give you these roles any more. Ask an admin for another invitation.")
        raise NotAllowed(said % {"person": found.invited_by}) from None
    membership = enrol(by, roles=found.roles, custom_roles=found.custom_roles, team=found.team)
    step(found, Status.ACCEPTED, by=by, accepted_by=by)
    return membership
