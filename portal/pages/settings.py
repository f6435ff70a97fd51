"""The tenant's settings, and its logo."""

from typing import Any

from django import forms
from django.conf import settings as platform
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.cache import patch_cache_control
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from portal import logos
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.plans import number
from portal.words import ROLES
from tenants.access import TenantRequest, tenant_view
from tenants.errors import Invalid
from tenants.models import Accent, Role, SignUp, TenantSettings
from tenants.people.settings import FIELDS, LEAST_DAYS, SHOWN, change_settings, set_logo
from tenants.roles import permissions_of

SIGN_UPS = {
    SignUp.INVITATION: gettext_lazy("By invitation only"),
    SignUp.DOMAINS: gettext_lazy("Whoever has proved an e-mail address of certain domains"),
    SignUp.OPEN: gettext_lazy("Everybody with an account here"),
}
CATALOGUES = {
    TenantSettings.Catalogue.MEMBERS: gettext_lazy("Members only"),
    TenantSettings.Catalogue.PUBLIC: gettext_lazy("Everybody, also without an account"),
}
APPROVALS = {"True": gettext_lazy("People approve subscriptions"), "False": gettext_lazy("Subscriptions are approved at once")}


class SettingsForm(PageForm):
    """`cleaned_data` holds what `change_settings` takes."""

    name = Text(most=80, label=gettext_lazy("Name"), help_text=gettext_lazy("The address of the tenant stays as it is."))
    accent = forms.ChoiceField(choices=Accent.choices, widget=forms.RadioSelect, label=gettext_lazy("Accent"))
    support_address = forms.EmailField(
        required=False,
        max_length=254,
        label=gettext_lazy("Support address"),
        help_text=gettext_lazy("Shown to whoever reads the catalogue."),
        error_messages={"invalid": gettext_lazy("This is no e-mail address.")},
    )
    catalogue = forms.ChoiceField(choices=list(CATALOGUES.items()), widget=forms.RadioSelect, label=gettext_lazy("Who reads the catalogue"))
    sign_up = forms.ChoiceField(choices=list(SIGN_UPS.items()), widget=forms.RadioSelect, label=gettext_lazy("Who becomes a member"))
    sign_up_domains = Text(
        most=2000, lines=3, empty=True, label=gettext_lazy("Domains"), help_text=gettext_lazy("One in a line, such as example.com.")
    )
    sign_up_role = forms.ChoiceField(label=gettext_lazy("Who joins so is"))
    mfa_required = forms.BooleanField(
        required=False,
        label=gettext_lazy("Members need a second factor"),
        help_text=gettext_lazy("Who has none is led to set one up before anything here opens."),
    )
    approval_by_people = forms.ChoiceField(
        choices=list(APPROVALS.items()), widget=forms.RadioSelect, label=gettext_lazy("What a new plan proposes")
    )
    applications_need_approval = forms.BooleanField(
        required=False,
        label=gettext_lazy("New applications need approval"),
        help_text=gettext_lazy("An approver decides about each before it may subscribe or get credentials. Those there are stay."),
    )

    usage_minutes_days = number(
        LEAST_DAYS,
        platform.USAGE_MINUTES_MOST_DAYS,
        label=gettext_lazy("Counts of minutes are kept for"),
        help_text=gettext_lazy("Days. After that, how often APIs were called is known by hours and days only."),
    )
    usage_days = number(
        LEAST_DAYS, platform.USAGE_MOST_DAYS, label=gettext_lazy("Counts of hours and days are kept for"), help_text=gettext_lazy("Days.")
    )

    def __init__(self, *args: Any, held: frozenset[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # What is so already stays, whoever looks; nobody gives what they don't hold.
        own = {name: word for name, word in ROLES.items() if name == self.initial["sign_up_role"] or permissions_of([name]) <= held}
        self.fields["sign_up_role"].choices = [each for each in own.items() if each[0] != Role.ADMIN]  # type: ignore[attr-defined]

    def clean_sign_up_domains(self) -> list[str]:
        return [line for line in self.cleaned_data["sign_up_domains"].replace(",", "\n").split("\n") if line.strip()]

    def clean_approval_by_people(self) -> bool:
        return bool(self.cleaned_data["approval_by_people"] == "True")


def _as_it_is(request: TenantRequest) -> dict[str, Any]:
    settings = TenantSettings.objects.defer("logo").get()
    found = {name: getattr(request.tenant, name) for name in SHOWN} | {name: getattr(settings, name) for name in FIELDS}
    return found | {"sign_up_domains": "\n".join(settings.sign_up_domains), "approval_by_people": str(settings.approval_by_people)}


@tenant_view("settings.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def console_settings(request: TenantRequest) -> HttpResponse:
    form = SettingsForm(given(request), held=request.permissions, initial=_as_it_is(request))
    if done := asking.carried_out(
        request, form, lambda typed: change_settings({name: typed[name] for name in (*SHOWN, *FIELDS)}, by=request.user)
    ):
        said = _("The settings are changed.") if done.result else _("Nothing was changed: all of it was so already.")
        return asking.finished(request, back=reverse("console-settings", args=[request.tenant.slug]), said=said)
    return _page(request, form, LogoForm(), form.http_status)


def _page(request: TenantRequest, form: SettingsForm, logo: "LogoForm", status: int) -> HttpResponse:
    return render(request, "settings/settings.html", {"form": form, "logo": logo}, status=status)


class LogoForm(PageForm):
    logo = forms.FileField(
        label=gettext_lazy("Picture"),
        help_text=gettext_lazy("PNG, JPEG, WebP or GIF, up to 1 MB. It is drawn small, square ones look best."),
        widget=forms.ClearableFileInput(attrs={"accept": "image/png,image/jpeg,image/webp,image/gif"}),
    )


@tenant_view("settings.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def console_settings_logo(request: TenantRequest) -> HttpResponse:
    """Set the logo; with `remove`, take it away."""
    back = reverse("console-settings", args=[request.tenant.slug])
    if request.method != "POST":
        # Who signs in again in between, or reloads, comes here.
        return redirect(back)
    if "remove" in request.POST:
        set_logo(b"", by=request.user)
        messages.success(request, _("The logo is gone."))
        return redirect(back)
    form = LogoForm(request.POST, request.FILES)
    if form.is_valid():
        sent = form.cleaned_data["logo"]
        try:
            set_logo(logos.logo(sent.read(), size=sent.size), by=request.user)
        except Invalid as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("The logo is changed."))
            return redirect(back)
    return _page(request, SettingsForm(held=request.permissions, initial=_as_it_is(request)), form, 422)


@tenant_view("apis.see_published", public=True)
@require_safe
def tenant_logo(request: TenantRequest, digest: str) -> HttpResponse:
    """The picture; its address changes with it, so that browsers keep it."""
    if not digest or digest != request.tenant.logo_digest:
        raise Http404
    answer = HttpResponse(bytes(TenantSettings.objects.values_list("logo", flat=True).get()), content_type="image/png")
    patch_cache_control(answer, private=True, max_age=31_536_000, immutable=True)
    return answer


urlpatterns = [
    path("t/<str:tenant>/console/settings/", console_settings, name="console-settings"),
    path("t/<str:tenant>/console/settings/logo/", console_settings_logo, name="console-settings-logo"),
    path("t/<str:tenant>/logo/<str:digest>.png", tenant_logo, name="tenant-logo"),
]
