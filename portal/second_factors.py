"""Second factors by allauth: its secrets sealed, its forms with Portico's count of tries and Portico's words."""

import ipaddress
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import qrcode
from allauth.account.internal.flows.reauthentication import reauthenticate_by_password
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.base.internal.flows import post_authentication
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from allauth.mfa.webauthn.internal import auth as webauthn
from django import forms
from django.db import DatabaseError
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from keys.authenticators import sealed_for
from keys.envelope import seal, unseal
from keys.kek import kek
from portal.forms import PageForm, Text
from tenants import events, second_factors, signing_in
from tenants.errors import Busy
from tenants.models import User
from tenants.throttle import TooMany

# Of a key: whether its person signs in with it alone.
ALONE = "alone"
# Of an authenticator that is being set up, in the session.
SECRET = "second_factor_secret"  # nosec B105  (a name)
# What a browser sends of a key: far more than any does, and what is read of its answer.
MOST_CREDENTIAL = 20_000
READ = ("clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle")
WRONG_CODE = gettext_lazy("This code is not right, or was used before.")
REFUSED_KEY = gettext_lazy("The key's answer can't be used. Try once more.")


class Adapter(DefaultMFAAdapter):  # type: ignore[misc]
    def get_totp_issuer(self) -> str:
        return "Portico"

    def _get_site_name(self) -> str:
        return "Portico"

    def generate_authenticator_name(self, user: User, type: str) -> str:  # noqa: A002, ARG002  (its signature)
        return _("Passkey")

    def encrypt(self, text: str) -> str:
        return seal(text.encode(), sealed_for(_whose()), kek())

    def decrypt(self, encrypted_text: str) -> str:
        return unseal(encrypted_text, sealed_for(_whose()), kek()).decode()


def _whose() -> UUID:
    """Whose code is being looked at; on their own pages, whoever is signed in."""
    found = second_factors.whose.get(None)
    return found or person(context.request).pk


def person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def passkeys_work(request: HttpRequest) -> bool:
    """Browsers offer them to https alone, and to names, not to bare addresses (WebAuthn §5.1.3); localhost may have both."""
    host = urlsplit(f"//{request.get_host()}").hostname or ""
    if host == "localhost":
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return request.is_secure()
    return False


def qr(text: str) -> SafeString:
    """As a picture in the page, which is what the page's policy allows."""
    code = qrcode.QRCode(border=0)
    code.add_data(text)
    code.make()
    rows = code.get_matrix()
    path = "".join(f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, dark in enumerate(row) if dark)
    label = _("QR code for the authenticator app")
    return format_html(
        '<svg class="qr" viewBox="-4 -4 {0} {0}" role="img" aria-label="{1}"><path d="{2}"/></svg>', len(rows) + 8, label, path
    )


class Proof(PageForm):
    """What one shows to prove who one is."""

    refusal: TooMany | Busy | None = None

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def counted(self, look: Callable[[], Any]) -> Any:
        """What a try finds, or that there were too many of them."""
        try:
            return look()
        except (TooMany, Busy) as refusal:
            self.refusal = refusal
            raise forms.ValidationError(str(refusal)) from None


class CodeForm(Proof):
    code = Text(
        most=20,
        label=gettext_lazy("Code"),
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True}),
    )


class SetUpForm(CodeForm):
    """The first code of an app, which shows that it has the secret. That waits in the session, sealed like the one that is kept."""

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, user=user, **kwargs)
        self.fields["code"].help_text = _("Six digits, as the app shows them.")
        session, purpose = context.request.session, sealed_for(user.pk)
        if not self.is_bound or SECRET not in session:
            session[SECRET] = seal(totp.generate_totp_secret().encode(), purpose, kek())
        # allauth reads it from here.
        self.secret = unseal(session[SECRET], purpose, kek()).decode()

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        if not totp.validate_totp_code(self.secret, code):
            raise forms.ValidationError(_("This code is not right. The app shows another one every 30 seconds."))
        return code


class ShownCode(CodeForm):
    """What allauth asks of a form that checks a code: `save` remembers in the session that it was shown."""

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        self.authenticator = self.counted(lambda: self.look(code))
        if self.authenticator is None:
            raise forms.ValidationError(WRONG_CODE)
        self.authenticator.user = self.user
        return code

    def look(self, code: str) -> Authenticator | None:
        raise NotImplementedError

    def save(self) -> None:
        raise NotImplementedError


class SignInCode(ShownCode):
    def look(self, code: str) -> Authenticator | None:
        return signing_in.show(self.user, code)

    def save(self) -> None:
        post_authentication(context.request, self.authenticator)


class ConfirmingCode(ShownCode):
    def look(self, code: str) -> Authenticator | None:
        return second_factors.confirm(self.user, code)

    def save(self) -> None:
        post_authentication(context.request, self.authenticator, reauthenticated=True)


class ConfirmingPassword(Proof):
    password = forms.CharField(
        strip=False,
        max_length=1000,
        label=gettext_lazy("Password"),
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        if not self.counted(lambda: signing_in.confirm(self.user, password)):
            raise forms.ValidationError(_("This is not your password."))
        return password

    def save(self) -> None:
        reauthenticate_by_password(context.request)


class Credential(forms.JSONField):
    """What a browser says of a key, with those members alone that are read."""

    def __init__(self) -> None:
        refused: dict[str, str | Promise] = {"required": REFUSED_KEY, "invalid": REFUSED_KEY}
        super().__init__(widget=forms.HiddenInput, error_messages=refused)

    def bound_data(self, data: Any, initial: Any) -> str:  # noqa: ARG002
        # A challenge is answered once: the form comes back without.
        return ""

    def prepare_value(self, value: Any) -> str:  # noqa: ARG002
        return ""

    def to_python(self, value: Any) -> Any:
        if len(value or "") > MOST_CREDENTIAL:
            raise forms.ValidationError(REFUSED_KEY)
        try:
            given = super().to_python(value)
        except (RecursionError, ValueError):
            # As deep, or as many digits, as Python reads no further.
            given = None
        if given in self.empty_values:
            return given
        response, extensions = _object(given).get("response"), _object(given).get("clientExtensionResults")
        resident = _object(_object(extensions).get("credProps")).get("rk")
        found = {
            **{name: _object(given).get(name) for name in ("id", "rawId", "type")},
            "response": {name: text for name in READ if isinstance(text := _object(response).get(name), str)},
            "clientExtensionResults": {"credProps": {"rk": resident}} if isinstance(resident, bool) else {},
        }
        if not all(isinstance(found[name], str) for name in ("id", "rawId", "type")) or "\\u0000" in json.dumps(found):
            raise forms.ValidationError(REFUSED_KEY)
        return found


def _object(given: Any) -> dict[str, Any]:
    return given if isinstance(given, dict) else {}


class KeyForm(PageForm):
    """A security key or passkey answers a challenge that waits in the session."""

    credential = Credential()

    def clean_credential(self) -> Any:
        credential = self.cleaned_data["credential"]
        try:
            return self.check(credential)
        except DatabaseError:
            raise
        except Exception:  # noqa: BLE001  (libraries read what anybody may have sent, and raise whatever comes)
            raise forms.ValidationError(REFUSED_KEY) from None

    def check(self, credential: dict[str, Any]) -> Any:
        raise NotImplementedError


class AddKey(KeyForm):
    name = Text(
        most=60, empty=True, label=gettext_lazy("Name"), help_text=gettext_lazy("To tell it from others: “Laptop”, “Key on the ring”.")
    )
    passwordless = forms.BooleanField(
        required=False,
        initial=True,
        label=gettext_lazy("Sign in with it alone, without the password"),
        help_text=gettext_lazy("It asks for your finger, face or PIN then. Without this it is asked for after the password."),
    )

    def check(self, credential: dict[str, Any]) -> Any:
        webauthn.parse_registration_response(credential)
        verified = webauthn.complete_registration(credential).is_user_verified()
        if self.data.get("passwordless") and not verified:
            raise ValueError("A key that doesn't know its person can't stand alone.")
        return credential


class RenameKey(PageForm):
    name = Text(most=60, label=gettext_lazy("Name"))


class ShownKey(KeyForm):
    """`passwordless`: nobody has said who they are; the key does."""

    passwordless = False
    reauthenticated = False

    def __init__(self, *args: Any, user: User | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def check(self, credential: dict[str, Any]) -> Any:
        webauthn.parse_authentication_response(credential)
        user = self.user or webauthn.extract_user_from_response(credential)
        return webauthn.complete_authentication(user, credential)

    def save(self) -> None:
        found = self.cleaned_data["credential"]
        post_authentication(context.request, found, reauthenticated=self.reauthenticated, passwordless=self.passwordless)


class SignInKey(ShownKey):
    """After the password."""

    def save(self) -> None:
        super().save()
        tell_sign_in(self.cleaned_data["credential"])


class SignInPasskey(ShownKey):
    """In place of the password; see allauth's `perform_passwordless_login`, which remembers it."""

    passwordless = True

    def check(self, credential: dict[str, Any]) -> Any:
        # The challenge in the session may be another page's, which is content with less.
        if not webauthn.parse_authentication_response(credential).response.authenticator_data.is_user_verified():
            raise ValueError("A key that doesn't know its person can't stand alone.")
        found = super().check(credential)
        if not (found.user.is_active and found.data.get(ALONE)):
            raise ValueError("Whose it is may not sign in, or not with it alone.")
        return found


class ConfirmingKey(ShownKey):
    reauthenticated = True


def tell_sign_in(authenticator: Authenticator) -> None:
    events.record_platform("login.succeeded", authenticator.user, by=authenticator.user, second_factor=authenticator.type)
