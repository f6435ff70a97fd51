"""The person's own settings, and their password."""

import zoneinfo
from functools import cache
from typing import Any

from allauth.account.adapter import get_adapter
from django import forms
from django.conf import settings
from django.contrib.auth import password_validation, update_session_auth_hash
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from portal.accounts import ours
from portal.accounts_fields import NewPassword
from portal.errors import status_of
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages.asking import finished
from tenants import signing_in
from tenants.access import even_by_provider, signed_in
from tenants.actions import change_password, change_profile
from tenants.errors import Busy
from tenants.models import Theme, User
from tenants.throttle import TooMany

REGIONS: dict[str, Promise] = {
    "Africa": gettext_lazy("Africa"),
    "America": gettext_lazy("America"),
    "Antarctica": gettext_lazy("Antarctica"),
    "Asia": gettext_lazy("Asia"),
    "Atlantic": gettext_lazy("Atlantic"),
    "Australia": gettext_lazy("Australia"),
    "Europe": gettext_lazy("Europe"),
    "Indian": gettext_lazy("Indian Ocean"),
    "Pacific": gettext_lazy("Pacific"),
}
Groups = list[tuple[str | Promise, list[tuple[str, str]]]]


@cache
def zones() -> Groups:
    """The IANA time zones that are places, by region."""
    found = sorted(zoneinfo.available_timezones())
    places = [(word, [(name, _city(name)) for name in found if name.startswith(f"{region}/")]) for region, word in REGIONS.items()]
    return [("UTC", [("UTC", "UTC")]), *places]


def _city(name: str) -> str:
    return name.partition("/")[2].replace("_", " ").replace("/", ", ")


class ProfileForm(PageForm):
    name = Text(most=80, empty=True, label=gettext_lazy("Name"), help_text=gettext_lazy("Others see it beside what you did."))
    time_zone = forms.ChoiceField(label=gettext_lazy("Time zone"), help_text=gettext_lazy("Pages and mails tell times in it."))
    language = forms.ChoiceField(label=gettext_lazy("Language"), required=False)
    theme = forms.ChoiceField(choices=Theme.choices, widget=forms.RadioSelect, label=gettext_lazy("Theme"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["time_zone"].choices = zones()  # type: ignore[attr-defined]
        self.fields["language"].choices = [("", _("As the browser asks")), *settings.LANGUAGES]  # type: ignore[attr-defined]
        for field in self.fields.values():
            field.error_messages["invalid_choice"] = _("Choose one of the list.")


class PasswordForm(PageForm):
    old_password = forms.CharField(strip=False, max_length=1000, label=gettext_lazy("Password now"), widget=forms.PasswordInput)
    password = NewPassword(label=gettext_lazy("New password"))
    password_again = NewPassword(label=gettext_lazy("New password again"), help_text="")
    refusal: TooMany | Busy | None = None

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.fields["old_password"].widget.attrs["autocomplete"] = "current-password"

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        password_validation.validate_password(password, self.user)
        return password

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if "password" in cleaned and "password_again" in cleaned and cleaned["password"] != cleaned["password_again"]:
            self.add_error("password_again", _("This is not the same as above."))
        if not self.errors:
            self._confirm(cleaned["old_password"])
        return cleaned

    def _confirm(self, password: str) -> None:
        """Last, as it takes long and is counted."""
        try:
            right = signing_in.confirm(self.user, password)
        except (TooMany, Busy) as refusal:
            self.refusal = refusal
            raise ValidationError(str(refusal)) from None
        if not right:
            self.add_error("old_password", _("This is not your password."))


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    user = _person(request)
    now = {name: getattr(user, name) for name in ("name", "time_zone", "language", "theme")}
    form = ProfileForm(given(request), initial=now)
    if request.method != "POST" or not form.is_valid():
        status = 422 if request.method == "POST" else 200
        return render(request, "profile/profile.html", {"form": form, "at_profile": True}, status=status)
    change_profile(user, **{name: form.cleaned_data[name] for name in now})
    with translation.override(user.language_or(translation.get_language_from_request(request))):
        return finished(request, back=reverse("profile"), said=_("Saved."))


@signed_in
@even_by_provider
@require_http_methods(["GET", "HEAD", "POST"])
def theme(request: HttpRequest) -> HttpResponse:
    """The rail's button."""
    user, back = _person(request), request.POST.get("next", "")
    chosen = request.POST.get("theme")
    if chosen in Theme.values:
        User.objects.filter(pk=user.pk).update(theme=chosen)
    # Not `redirect`, which takes a word for the name of a page.
    return HttpResponseRedirect(back if ours(request, back) else reverse("profile"))


@sensitive_post_parameters("old_password", "password", "password_again")
@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    user = _person(request)
    form = PasswordForm(user, request.POST if request.method == "POST" else None)
    if request.method != "POST" or not form.is_valid():
        status = 200 if request.method != "POST" else status_of(form.refusal) if form.refusal else 422
        return render(request, "account/password_change.html", {"form": form, "at_profile": True}, status=status)
    change_password(user, password=form.cleaned_data["password"])
    get_adapter().send_notification_mail("account/email/password_changed", user)
    update_session_auth_hash(request, user)
    return finished(request, back=reverse("profile"), said=_("The password is changed. You are signed out everywhere else."))


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


urlpatterns = [
    path("profile/", profile, name="profile"),
    path("profile/theme/", theme, name="profile-theme"),
    path("accounts/password/change/", password, name="account_change_password"),
]
