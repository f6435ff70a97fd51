"""The job that sends mails about accounts: at least once, with links that are made when they are sent, and kept nowhere.

What was asked for in somebody's name says only whose address was typed. Whether that is a person's, and what they get, is looked up here.
"""

import logging
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from smtplib import SMTPException
from typing import Any
from urllib.parse import urlencode, urlsplit

from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from django.conf import settings
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from gateway.erasing import ERASED
from gateway.truth import ALARM
from keys.actions import identities
from portal.mails import tame, unlinked
from portal.post import FIRST_RETRY, LAST_RETRY, RUN_SECONDS, Away, hand_over
from tenants.models import AccountMail, ErasedTenant, User

log = logging.getLogger(__name__)

# A worker that died with a mail in its hands leaves it to another after so long.
LEASE = timedelta(minutes=5)
GIVEN_UP = timedelta(days=3)
CONFIRMATION, KNOWN_ALREADY, RESET = "email_confirmation", "account_already_exists", "password_reset_key"


@dataclass(frozen=True, slots=True)
class Words:
    """What one kind of mail says. `otherwise` is for who didn't ask for it, or didn't do it."""

    subject: str | Promise
    sentence: str | Promise
    more: str | Promise
    button: str | Promise
    otherwise: str | Promise


_AGAIN = gettext_lazy("Choose a new password")
_NOT_YOU = gettext_lazy("If it was not you, choose a new password at once: that signs out everybody else. Then tell your operator.")


def _notice(subject: str | Promise, sentence: str | Promise) -> Words:
    return Words(subject, sentence, "", _AGAIN, _NOT_YOU)


WORDS: dict[str, Words] = {
    CONFIRMATION: Words(
        gettext_lazy("Confirm your e-mail address"),
        gettext_lazy("Somebody, most likely you, signed up at %(host)s with this address."),
        gettext_lazy("The link works once, within three days. It asks for the password that you chose."),
        gettext_lazy("Confirm the address"),
        gettext_lazy("If it was not you, do nothing: nobody can sign in with this address until it is confirmed."),
    ),
    KNOWN_ALREADY: Words(
        gettext_lazy("You have an account already"),
        gettext_lazy("Somebody, most likely you, wanted to sign up at %(host)s with this address. It has an account already."),
        gettext_lazy("Sign in with it. If you forgot the password, the sign-in page leads to another."),
        gettext_lazy("Sign in"),
        gettext_lazy("If it was not you, do nothing: nothing was changed."),
    ),
    RESET: Words(
        _AGAIN,
        gettext_lazy("Somebody, most likely you, forgot the password of your account at %(host)s."),
        gettext_lazy("The link works once, within an hour."),
        _AGAIN,
        gettext_lazy("If it was not you, do nothing: the password stays as it is."),
    ),
    "password_changed": _notice(
        gettext_lazy("Your password was changed"), gettext_lazy("The password of your account at %(host)s was changed.")
    ),
    "password_reset": _notice(
        gettext_lazy("Your password was changed"),
        gettext_lazy("The password of your account at %(host)s was changed, by a link in a mail to this address."),
    ),
    "totp_activated": _notice(
        gettext_lazy("An authenticator app was added"),
        gettext_lazy("Signing in to your account at %(host)s takes a code of an authenticator app from now on."),
    ),
    "totp_deactivated": _notice(
        gettext_lazy("The authenticator app was removed"),
        gettext_lazy("Signing in to your account at %(host)s takes no code of an authenticator app any more."),
    ),
    "recovery_codes_generated": _notice(
        gettext_lazy("New recovery codes were made"),
        gettext_lazy("Your account at %(host)s has new recovery codes. The earlier ones have ended."),
    ),
    "webauthn_added": _notice(
        gettext_lazy("A passkey was added"), gettext_lazy("One more passkey or security key opens your account at %(host)s.")
    ),
    "webauthn_removed": _notice(
        gettext_lazy("A passkey was removed"), gettext_lazy("A passkey or security key opens your account at %(host)s no more.")
    ),
    identities.LINKED: Words(
        gettext_lazy("An identity provider signs you in"),
        gettext_lazy("The identity provider of %(tenant)s signs you in at %(host)s from now on: in %(tenant)s, and nowhere else."),
        gettext_lazy("Your password stays as it is."),
        gettext_lazy("Open %(tenant)s"),
        gettext_lazy("If you don't expect this, ask an admin of %(tenant)s: they name the provider."),
    ),
    identities.UNLINKED: Words(
        gettext_lazy("A link with an identity provider was undone"),
        gettext_lazy("An admin of %(tenant)s undid your link with its identity provider at %(host)s."),
        gettext_lazy("At your next sign-in there you are recognised by your address again."),
        gettext_lazy("Open %(tenant)s"),
        gettext_lazy("If you don't expect this, ask an admin of %(tenant)s."),
    ),
    ALARM: Words(
        gettext_lazy("A gateway was not as it should be"),
        gettext_lazy("The gateway %(gateway)s had something of %(tenant)s that no decision explains, or answered a canary wrongly."),
        gettext_lazy("The platform's events say what was found. Of more drift within ten minutes no mail is sent."),
        gettext_lazy("Look at the gateways"),
        gettext_lazy("You get this because you are an operator of the platform."),
    ),
    ERASED: Words(
        gettext_lazy("A tenant was erased"),
        gettext_lazy("%(tenant)s at %(host)s was closed, nobody reopened it, and now it is erased."),
        gettext_lazy("The certificate that is attached says what was erased, and is signed by the platform."),
        gettext_lazy("The platform's public keys"),
        gettext_lazy("Your account stays. The tenant can't be brought back, and its address is never given again."),
    ),
}


def send_account_mails(*, seconds: float = RUN_SECONDS) -> int:
    """Send what is due, over one connection. Returns how many were sent."""
    until = time.monotonic() + seconds
    sent = 0
    old, _each = AccountMail.objects.filter(created_at__lt=timezone.now() - GIVEN_UP).delete()
    if old:
        log.warning("%s mails about accounts were given up after three days.", old)
    with closing(mail.get_connection()) as post:
        while time.monotonic() < until and (row := _claim()):
            try:
                sent += _send(post, row)
            except Away as away:
                log.warning("No mail can be sent (%s); one about an account waits.", away)
                AccountMail.objects.filter(pk=row.pk).update(at=timezone.now() + _patience(row.tries))
                # All have the same server: one try finds out for all.
                break
            row.delete()
    return sent


def _claim() -> AccountMail | None:
    return next(
        iter(
            AccountMail.objects.raw(
                """UPDATE tenants_accountmail SET at = clock_timestamp() + %s, tries = tries + 1 WHERE id = (
                       SELECT id FROM tenants_accountmail WHERE at <= clock_timestamp() ORDER BY at LIMIT 1 FOR UPDATE SKIP LOCKED
                   ) RETURNING *""",
                [LEASE],
            )
        ),
        None,
    )


def _patience(tries: int) -> timedelta:
    doubled: timedelta = FIRST_RETRY * 2 ** min(tries - 1, 10)
    return min(doubled, LAST_RETRY)


def _send(post: Any, row: AccountMail) -> bool:
    """Whether there was anything to send, and a server that takes it.

    :raises Away: no mail can be handed over.
    """
    try:
        message = _compose(row)
    except Exception:
        # One that can't be written must not hold up the others.
        log.exception("The mail %s about an account can't be written.", row.kind)
        return False
    if message is None:
        return False
    try:
        hand_over(post, message)
    except (SMTPException, OSError) as error:
        log.warning("The mail %s about an account was refused: %s", row.kind, error)
        return False
    return True


def _compose(row: AccountMail) -> EmailMultiAlternatives | None:
    """None: the address is nobody's here, or its person may not come in."""
    user = User.objects.filter(email=row.email, is_active=True, is_service=False).first()
    if user is None:
        return None
    kind, page = _leads(row, user)
    said, language = WORDS[kind], user.language_or(row.language or "en")
    ip = row.data.get("ip")
    with translation.override(language), timezone.override(user.time_zone):
        # Of an account's mails these alone name what others wrote.
        others = {name: unlinked(tame(row.data.get(name, ""))) for name in ("tenant", "gateway")}
        named = {"host": urlsplit(settings.PORTAL_URL).netloc, **others}
        context = {
            "language": language,
            "subject": str(said.subject),
            "sentence": str(said.sentence) % named,
            "more": said.more,
            "button": str(said.button) % named,
            "otherwise": str(said.otherwise) % named,
            "link": settings.PORTAL_URL + page,
            # When and from where is told of what has happened, not of what may be done.
            "at": row.created_at if "ip" in row.data else None,
            "ip": ip,
            "host": named["host"],
        }
        message = EmailMultiAlternatives(
            subject=str(said.subject),
            body=render_to_string("mails/account_mail.txt", context),
            to=[user.email],
            headers={
                # The same at each try, so that a mail program can show once what was sent twice.
                "Message-ID": f"<account.{row.pk}.{int(row.created_at.timestamp())}@{urlsplit(settings.PORTAL_URL).hostname}>",
                "Auto-Submitted": "auto-generated",
            },
        )
        message.attach_alternative(render_to_string("mails/account_mail.html", context), "text/html")
        if row.kind == ERASED:
            slug = row.data["slug"]
            message.attach(f"{slug}-erasure.jwt", ErasedTenant.objects.get(slug=slug).certificate.encode(), "application/jwt")
    return message


def _leads(row: AccountMail, user: User) -> tuple[str, str]:
    """What is sent, and the page that its link opens."""
    onward = f"?{urlencode({'next': row.data['next']})}" if row.data.get("next") else ""
    if row.kind == CONFIRMATION:
        address = EmailAddress.objects.filter(user=user, email=user.email, verified=False).first()
        if address is None:
            return KNOWN_ALREADY, reverse("account_login") + onward
        if not user.has_usable_password():
            # A tenant's provider made the account. Whoever reads its mails gets it by a password of their own.
            return _leads_to_another_password(user, onward)
        return CONFIRMATION, reverse("account_confirm_email", args=[EmailConfirmationHMAC(address).key]) + onward
    if row.kind == RESET:
        return _leads_to_another_password(user, onward)
    if row.kind in {identities.LINKED, identities.UNLINKED}:
        return row.kind, reverse("catalogue", args=[row.data["slug"]])
    if row.kind == ERASED:
        return row.kind, reverse("audit-keys")
    if row.kind == ALARM:
        return row.kind, reverse("platform-gateways")
    return row.kind, reverse("account_reset_password")


def _leads_to_another_password(user: User, onward: str) -> tuple[str, str]:
    key = f"{user.pk.hex}-{default_token_generator.make_token(user)}"
    return RESET, reverse("account_reset_password_from_key", args=[key]) + onward
