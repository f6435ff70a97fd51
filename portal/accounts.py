"""Signing in to pages: allauth's views, Portico's count of tries; and what the other pages about accounts share."""

from typing import Any
from urllib.parse import urlencode

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.forms import LoginForm
from allauth.account.views import LoginView
from django import forms
from django.contrib.auth import logout
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from portal.accounts_fields import focus
from portal.errors import status_of
from portal.kept import given
from portal.second_factors import passkeys_work
from tenants import signing_in, throttle
from tenants.access import open_to_all
from tenants.errors import Busy
from tenants.models import AccountMail, PlatformSettings, SignUp, User
from tenants.origin import origin
from tenants.throttle import TooMany

# Sign-ups, and requests for another password, in one window: from an address, and from an address for one e-mail address.
PER_ADDRESS, PER_PAIR = 20, 5
# Mails that strangers can have sent to one e-mail address. Further ones are left out without a word: the earlier ones have links that
# work, so that nobody is locked out by a stranger who asks in their name.
MAILS_PER_ACCOUNT = 10
WINDOW = 3600
# What a session that a tenant's identity provider began remembers of that, see portal/provided.py.
PROVIDED = "provided"


def hashed(password: str) -> str:
    """As it is kept. Not in a transaction: it takes long.

    :raises Busy: too many passwords are being looked at.
    """
    with signing_in.one_of_few():
        return make_password(password)


def ours(request: HttpRequest, address: str) -> bool:
    """Whether an address that came with the request leads to this portal."""
    return url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure())


def onward(request: HttpRequest) -> str:
    """Where the person was on the way to (`next`), if that is here."""
    wanted = request.GET.get("next", "")
    return wanted if ours(request, wanted) else ""


def carried(onward: str) -> str:
    """The query that takes it along to another page."""
    return f"?{urlencode({'next': onward})}" if onward else ""


def count(what: str, email: str) -> None:
    """Count what anybody may send for any e-mail address; alike for those that are known and those that aren't.

    :raises TooMany: too often from where it comes.
    """
    place = origin.get().place
    throttle.attempt(f"{what} address {place}", limit=PER_ADDRESS, seconds=WINDOW)
    throttle.attempt(f"{what} {email} {place}", limit=PER_PAIR, seconds=WINDOW)


def ask_for_mail(kind: str, email: str, *, next: str = "") -> None:  # noqa: A002  (the name of the parameter)
    """A mail to whoever this address is of, if anybody: who that is, and what they get, is looked up when it is sent.

    So an answer takes as long for an address that is known as for one that isn't.
    """
    try:
        throttle.attempt(f"account mails {kind} {email}", limit=MAILS_PER_ACCOUNT, seconds=WINDOW)
    except TooMany:
        return
    AccountMail.objects.create(kind=kind, email=email, language=get_language() or "", data={"next": next}, at=timezone.now())


def refused(request: HttpRequest, template: str, shown: dict[str, Any], refusal: TooMany | Busy) -> HttpResponse:
    """The form once more, saying when it can be sent again."""
    shown["form"].add_error(None, str(refusal))
    focus(shown["form"])
    answer = render(request, template, shown, status=status_of(refusal))
    answer["Retry-After"] = str(refusal.seconds)
    return answer


class Adapter(DefaultAccountAdapter):  # type: ignore[misc]
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": _("This e-mail address and password don't belong together."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002
        # People sign up at portal/accounts_sign_up.py.
        return False

    def get_client_ip(self, request: HttpRequest) -> str:  # noqa: ARG002
        return origin.get().ip or ""

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:  # noqa: ARG002  (links are made when it is sent)
        ask_for_mail(template_prefix.rpartition("/")[2], email)

    def send_notification_mail(
        self,
        template_prefix: str,
        user: User,
        context: dict[str, Any] | None = None,  # noqa: ARG002
        email: str | None = None,  # noqa: ARG002
    ) -> None:
        """What happened to an account, to its person."""
        AccountMail.objects.create(
            kind=template_prefix.rpartition("/")[2], email=user.email, data={"ip": origin.get().ip}, at=timezone.now()
        )

    def is_ajax(self, request: HttpRequest) -> bool:  # noqa: ARG002
        # Programs sign in by REST.
        return False

    def is_safe_url(self, url: str) -> bool:
        return ours(self.request, url)

    def login(self, request: HttpRequest, user: AbstractBaseUser) -> None:
        # Whoever comes in by a way of their own is known everywhere.
        request.session.pop(PROVIDED, None)
        super().login(request, user)

    def authenticate(self, request: HttpRequest, **credentials: Any) -> AbstractBaseUser | None:
        return signing_in.sign_in(request, credentials["email"], credentials["password"])


class SignInForm(LoginForm):  # type: ignore[misc]
    """`refusal` is why nothing was looked at."""

    refusal: TooMany | Busy | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        empty = _("Fill this in.")
        self.fields["login"] = forms.EmailField(
            label=_("E-mail"),
            error_messages={
                "required": empty,
                "invalid": _("This is no e-mail address."),
                "max_length": _("This is longer than any e-mail address."),
            },
            max_length=254,
            widget=forms.EmailInput(attrs={"class": "input", "autocomplete": "username", "autocapitalize": "none"}),
        )
        self.fields["password"] = forms.CharField(
            label=_("Password"),
            error_messages={"required": empty, "max_length": _("This is longer than any password here.")},
            max_length=1000,
            strip=False,
            widget=forms.PasswordInput(attrs={"class": "input", "autocomplete": "current-password"}),
        )
        self.fields["password" if self.is_bound else "login"].widget.attrs["autofocus"] = True
        for field in self.fields.values():
            # Silently cut by the browser, a pasted password would only be wrong.
            field.widget.attrs.pop("maxlength", None)
        self.order_fields(["login", "password"])

    def clean(self) -> dict[str, Any]:
        try:
            cleaned: dict[str, Any] = super().clean()
        except (TooMany, Busy) as refusal:
            self.refusal = refusal
            raise forms.ValidationError(str(refusal)) from None
        return cleaned


@open_to_all("signing in is how one gets in")
class SignIn(LoginView):  # type: ignore[misc]
    form_class = SignInForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Whom a tenant's provider signed in may want more than that tenant: here they are nobody yet."""
        if PROVIDED in request.session:
            if request.method == "POST":
                logout(request)
            request.user = AnonymousUser()
        response: HttpResponse = super().dispatch(request, *args, **kwargs)
        return response

    def get_initial(self) -> dict[str, Any]:
        kept = given(self.request) if self.request.method == "GET" else None
        return {"login": kept.get("login", "")} if kept else {}

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        return {
            **super().get_context_data(**more),
            "carried": carried(onward(self.request)),
            "passkeys_work": passkeys_work(self.request),
            "by_invitation": PlatformSettings.get().sign_up == SignUp.INVITATION,
        }

    def form_invalid(self, form: SignInForm) -> HttpResponse:
        response: HttpResponse = super().form_invalid(form)
        response.status_code = status_of(form.refusal) if form.refusal else 422
        if form.refusal:
            response["Retry-After"] = str(form.refusal.seconds)
        return response


# What a refused sign-in counts must not be rolled back.
sign_in = transaction.non_atomic_requests(SignIn.as_view())
