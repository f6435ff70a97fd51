"""Choosing another password by a link in a mail, when the old one is forgotten.

What is answered never tells whether an address is known.
"""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import default_token_generator
from django.contrib import messages
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from portal.accounts import ask_for_mail, carried, count, hashed, onward, refused
from portal.accounts_fields import EmailAddressField, NewPassword, focus
from portal.forms import PageForm
from portal.kept import given
from tenants.access import open_to_all
from tenants.errors import Busy
from tenants.models import User
from tenants.people import accounts
from tenants.throttle import TooMany


class AskForm(PageForm):
    email = EmailAddressField(help_text=gettext_lazy("The one that you sign in with."))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].widget.attrs["autocomplete"] = "username"


class ResetForm(PageForm):
    password = NewPassword(label=gettext_lazy("New password"))
    password_again = NewPassword(label=gettext_lazy("New password again"), help_text="")

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        validate_password(password, self.user)
        return password

    def clean_password_again(self) -> str:
        again: str = self.cleaned_data["password_again"]
        if "password" in self.cleaned_data and again != self.cleaned_data["password"]:
            raise ValidationError(_("This is not the same as above."))
        return again


@open_to_all("whoever forgot their password can't sign in")
@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest) -> HttpResponse:
    wanted = onward(request)
    kept = given(request) if request.method != "POST" else None
    form = AskForm(request.POST if request.method == "POST" else None, initial=kept.dict() if kept else None)
    shown = {"form": form, "carried": carried(wanted)}
    if request.method != "POST" or not form.is_valid():
        focus(form)
        return render(request, "account/password_reset.html", shown, status=422 if request.method == "POST" else 200)
    email = form.cleaned_data["email"]
    try:
        count("password reset", email)
    except TooMany as refusal:
        return refused(request, "account/password_reset.html", shown, refusal)
    ask_for_mail("password_reset_key", email, next=wanted)
    return redirect("account_reset_password_done")


@open_to_all("it tells what to do next")
@require_safe
def asked(request: HttpRequest) -> HttpResponse:
    return render(request, "account/password_reset_done.html")


@open_to_all("the link's key is the proof")
@sensitive_post_parameters("password", "password_again")
@transaction.non_atomic_requests
@require_http_methods(["GET", "HEAD", "POST"])
def reset(request: HttpRequest, key: str) -> HttpResponse:
    user, wanted = _person(key), onward(request)
    if user is None:
        return render(request, "account/password_reset_invalid.html", {"carried": carried(wanted)}, status=404)
    form = ResetForm(user, request.POST if request.method == "POST" else None)
    shown = {"form": form, "email": user.email}
    if request.method != "POST" or not form.is_valid():
        focus(form)
        return render(request, "account/password_reset_from_key.html", shown, status=422 if request.method == "POST" else 200)
    try:
        word = hashed(form.cleaned_data["password"])
    except Busy as refusal:
        return refused(request, "account/password_reset_from_key.html", shown, refusal)
    with transaction.atomic():
        # Once more, under its lock: the link works once.
        user = _person(key, lock=True)
        if user is None:
            return render(request, "account/password_reset_invalid.html", {"carried": carried(wanted)}, status=404)
        accounts.reset_password(user, hashed=word)
        get_adapter().send_notification_mail("account/email/password_reset", user)
    messages.success(request, _("The password is changed. Sign in with it."))
    return HttpResponseRedirect(reverse("account_login") + carried(wanted))


def _person(key: str, *, lock: bool = False) -> User | None:
    """Whose link this is, as long as it works."""
    identity, _dash, token = key.partition("-")
    people = User.objects.select_for_update() if lock else User.objects.all()
    try:
        user = people.filter(pk=identity, is_active=True, is_service=False).first()
    except (ValueError, ValidationError):
        return None
    return user if user is not None and default_token_generator.check_token(user, token) else None


urlpatterns = [
    path("accounts/password/reset/", ask, name="account_reset_password"),
    path("accounts/password/reset/done/", asked, name="account_reset_password_done"),
    path("accounts/password/reset/key/<str:key>/", reset, name="account_reset_password_from_key"),
]
