"""Signing in to pages: allauth's views, Portico's count of tries."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.forms import LoginForm
from allauth.account.views import LoginView
from django import forms
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _

from portal.errors import status_of
from portal.kept import given
from tenants import signing_in
from tenants.access import open_to_all
from tenants.errors import Busy
from tenants.throttle import TooMany


def ours(request: HttpRequest, address: str) -> bool:
    """Whether an address that came with the request leads to this portal."""
    return url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure())


class Adapter(DefaultAccountAdapter):  # type: ignore[misc]
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": _("This e-mail address and password don't belong together."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def is_ajax(self, request: HttpRequest) -> bool:  # noqa: ARG002
        # Programs sign in by REST.
        return False

    def is_safe_url(self, url: str) -> bool:
        return ours(self.request, url)

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

    def get_initial(self) -> dict[str, Any]:
        kept = given(self.request) if self.request.method == "GET" else None
        return {"login": kept.get("login", "")} if kept else {}

    def form_invalid(self, form: SignInForm) -> HttpResponse:
        response: HttpResponse = super().form_invalid(form)
        response.status_code = status_of(form.refusal) if form.refusal else 422
        if form.refusal:
            response["Retry-After"] = str(form.refusal.seconds)
        return response


# What a refused sign-in counts must not be rolled back.
sign_in = transaction.non_atomic_requests(SignIn.as_view())
