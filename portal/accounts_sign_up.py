"""Becoming known here: signing up, and showing by a link in a mail that the e-mail address is one's own.

What is answered never tells whether an address is known. The link alone signs nobody in: it asks for the password that was chosen, so
whoever signs up with somebody else's address gets nothing when that person follows the link.
"""

from typing import Any

from allauth.account.internal.flows.login import perform_password_login
from allauth.account.models import EmailConfirmationHMAC, Login
from django import forms
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from portal.accounts import ask_for_mail, carried, count, hashed, onward, refused
from portal.accounts_fields import EmailAddressField, NewPassword, focus
from portal.forms import PageForm, Text
from portal.kept import given
from tenants import signing_in
from tenants.access import open_to_all
from tenants.errors import Busy
from tenants.models import PlatformSettings, SignUp, User
from tenants.people import accounts
from tenants.throttle import TooMany


class SignUpForm(PageForm):
    name = Text(most=80, label=gettext_lazy("Name"), help_text=gettext_lazy("Others see it beside what you did."))
    email = EmailAddressField()
    password = NewPassword(label=gettext_lazy("Password"))

    def __init__(self, platform: PlatformSettings, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.domains = platform.sign_up_domains if platform.sign_up == SignUp.DOMAINS else None
        self.fields["name"].widget.attrs["autocomplete"] = "name"
        self.fields["email"].widget.attrs["autocomplete"] = "username"
        if self.domains is not None:
            self.fields["email"].help_text = _("One of %(domains)s.") % {"domains": ", ".join(self.domains)}

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        if self.domains is not None and email.rpartition("@")[2] not in self.domains:
            raise ValidationError(
                _("Only addresses of these domains can sign up here: %(domains)s.") % {"domains": ", ".join(self.domains)}
            )
        return email

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if "password" in cleaned:
            try:
                validate_password(cleaned["password"], User(email=cleaned.get("email", ""), name=cleaned.get("name", "")))
            except ValidationError as error:
                self.add_error("password", error)
        return cleaned


class ConfirmForm(PageForm):
    password = forms.CharField(
        strip=False,
        max_length=1000,
        label=gettext_lazy("Password"),
        help_text=gettext_lazy("The one that you chose when you signed up."),
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


@open_to_all("it is how one becomes known, where that is open")
@sensitive_post_parameters("password")
@transaction.non_atomic_requests
@require_http_methods(["GET", "HEAD", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    wanted, platform = onward(request), PlatformSettings.get()
    if request.user.is_authenticated:
        return HttpResponseRedirect(wanted or reverse("home"))
    shown: dict[str, Any] = {"carried": carried(wanted)}
    if platform.sign_up == SignUp.INVITATION:
        return render(request, "account/signup_closed.html", shown, status=403 if request.method == "POST" else 200)
    kept = given(request) if request.method != "POST" else None
    form = SignUpForm(platform, request.POST if request.method == "POST" else None, initial=kept.dict() if kept else None)
    if request.method != "POST" or not form.is_valid():
        focus(form)
        return render(request, "account/signup.html", {**shown, "form": form}, status=422 if request.method == "POST" else 200)
    try:
        _sign_up(onward=wanted, **{name: form.cleaned_data[name] for name in ("name", "email", "password")})
    except (TooMany, Busy) as refusal:
        return refused(request, "account/signup.html", {**shown, "form": form}, refusal)
    return redirect("account_email_verification_sent")


def _sign_up(*, name: str, email: str, password: str, onward: str) -> None:
    """The same work for an address that is known, which takes the same time."""
    count("sign-up", email)
    word = hashed(password)
    with transaction.atomic():
        accounts.sign_up(email=email, name=name, hashed=word, language=get_language() or "")
        ask_for_mail("email_confirmation", email, next=onward)


@open_to_all("it tells what to do next")
@require_safe
def sent(request: HttpRequest) -> HttpResponse:
    return render(request, "account/verification_sent.html", {"days": settings.ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS})


@open_to_all("the link's key and the password are the proof")
@sensitive_post_parameters("password")
@transaction.non_atomic_requests
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest, key: str) -> HttpResponse:
    found, wanted = EmailConfirmationHMAC.from_key(key), onward(request)
    shown: dict[str, Any] = {"carried": carried(wanted)}
    if found is None:
        return render(request, "account/email_confirm_invalid.html", shown, status=404)
    address = found.email_address
    form = ConfirmForm(request.POST if request.method == "POST" else None)
    shown |= {"form": form, "email": address.email}
    if request.method == "POST" and form.is_valid():
        try:
            user = signing_in.sign_in(request, address.email, form.cleaned_data["password"], confirms=True)
        except (TooMany, Busy) as refusal:
            return refused(request, "account/email_confirm.html", shown, refusal)
        if user is not None:
            login = Login(user=user, email=user.email, redirect_url=wanted or reverse("home"))
            request.session.set_expiry(settings.SESSION_COOKIE_AGE)
            answer: HttpResponse = perform_password_login(request, {"email": user.email}, login)
            return answer
        form.add_error("password", _("This is not the password that was chosen for this address."))
    focus(form)
    return render(request, "account/email_confirm.html", shown, status=422 if request.method == "POST" else 200)


@open_to_all("it tells why signing in ended")
@require_safe
def inactive(request: HttpRequest) -> HttpResponse:
    return render(request, "account/account_inactive.html")


urlpatterns = [
    path("accounts/signup/", sign_up, name="account_signup"),
    path("accounts/confirm-email/", sent, name="account_email_verification_sent"),
    path("accounts/confirm-email/<str:key>/", confirm, name="account_confirm_email"),
    path("accounts/inactive/", inactive, name="account_inactive"),
]
