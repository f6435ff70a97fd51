"""An application's client secrets: add one, roll it, end it. The secret stands in the answer to the POST, and nowhere after that."""

import shlex
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.db.models import BooleanField, ExpressionWrapper, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from apis.models import ApiVersion, Operation, Subscription
from gateway.models import GatewayNode
from keys import actions, tokens
from keys.models import Application, Credential
from portal import samples, words
from portal.forms import OptionalReasonForm, PageForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.application_tabs import page_address
from portal.pages.applications import own
from tenants.access import TenantRequest, tenant_view
from tenants.errors import Invalid, NotAllowed

Made = tuple[Credential, str]


class CredentialForm(PageForm):
    label = Text(
        most=80,
        empty=True,
        label=gettext_lazy("Label"),
        help_text=gettext_lazy("Where the secret is used, such as “CI” or “production”. It tells secrets apart."),
    )
    last_day = forms.DateField(
        required=False,
        label=gettext_lazy("Last day"),
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        error_messages={"invalid": gettext_lazy("Write a date such as 2027-03-31.")},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zone = timezone.get_current_timezone_name()
        self.fields["last_day"].help_text = _("The secret ends with this day (%(zone)s). Left empty, it works until it is revoked.") % {
            "zone": zone
        }

    def clean_last_day(self) -> date | None:
        day: date | None = self.cleaned_data["last_day"]
        if day is not None and day < timezone.localdate():
            raise forms.ValidationError(_("This day has passed; choose a later one."))
        if day is not None and day.year > 2999:
            raise forms.ValidationError(_("Choose a year before 3000, or leave this empty."))
        return day

    @property
    def expires_at(self) -> datetime | None:
        """The end of the last day, in the person's time zone."""
        day: date | None = self.cleaned_data["last_day"]
        return datetime.combine(day + timedelta(days=1), time(), tzinfo=timezone.get_current_timezone()) if day else None


class RollForm(PageForm):
    grace = forms.ChoiceField(
        widget=forms.RadioSelect,
        initial="24h",
        label=gettext_lazy("How long does the old secret work on?"),
        error_messages={"invalid_choice": gettext_lazy("Choose one of these.")},
    )

    def __init__(self, credential: Credential, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["grace"].choices = [(name, _what_grace_does(credential, name)) for name in actions.GRACES]  # type: ignore[attr-defined]


def _what_grace_does(credential: Credential, grace: str) -> str:
    """What will happen to the old secret, said before it does."""
    if grace == "0":
        return _("Not at all: it and its tokens end at once")
    until = timezone.now() + actions.GRACES[grace]
    if credential.expires_at is not None and credential.expires_at < until:
        until = credential.expires_at
    name = {"1h": _("An hour"), "24h": _("A day"), "7d": _("Seven days")}[grace]
    return _("%(grace)s: until %(time)s, then it and its tokens end") % {"grace": name, "time": words.day_and_time(until)}


@tenant_view("applications.own")
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: TenantRequest, pk: UUID) -> HttpResponse:
    """One more secret for one's own application."""
    application = get_object_or_404(own(request), pk=pk)
    form = CredentialForm(given(request))

    def make() -> Made:
        return actions.create_credential(application, by=request.user, label=form.cleaned_data["label"], expires_at=form.expires_at)

    return _secret_once(request, application, form, make, template="applications/credential_new.html", more={})


@tenant_view("applications.own")
@require_http_methods(["GET", "HEAD", "POST"])
def roll(request: TenantRequest, pk: UUID, credential: UUID) -> HttpResponse:
    """A new secret in place of one; the old one works on for a grace."""
    application = get_object_or_404(own(request), pk=pk)
    rolled = get_object_or_404(application.credentials.select_related("application"), pk=credential)
    if request.method != "POST" and rolled.status != Credential.Status.ACTIVE:
        messages.info(request, _("Only an active secret can be rolled; this one is not active any more."))
        return redirect(page_address(request, application))
    form = RollForm(rolled, given(request))

    def make() -> Made:
        return actions.roll(rolled, grace=form.cleaned_data["grace"], by=request.user)

    return _secret_once(request, application, form, make, template="applications/credential_roll.html", more={"secret": named(rolled)})


def _secret_once(
    request: TenantRequest,
    application: Application,
    form: PageForm,
    make: Callable[[], Made],
    *,
    template: str,
    more: dict[str, Any],
) -> HttpResponse:
    """The form; its POST is answered with the secret itself, once. Sent again, or reloaded, it makes none and says so."""
    back = page_address(request, application)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                with transaction.atomic():
                    if not _first_time(form):
                        return render(request, "applications/shown_before.html", {"application": application, "back": back}, status=409)
                    credential, secret = make()
            except NotAllowed as refusal:
                status = 409
                form.refuse(refusal)
            except Invalid as refusal:
                form.refuse(refusal)
            else:
                return _shown(request, application, credential, secret, back)
    return render(request, template, {"application": application, "form": form, "back": back, **more}, status=status)


def named(credential: Credential) -> str:
    """Known by its label and its last characters: one that replaced another has the same label."""
    return f"{credential.label} …{credential.last_four}".strip()


def _first_time(form: PageForm) -> bool:
    try:
        form.claim()
    except NotAllowed:
        return False
    return True


def _shown(request: TenantRequest, application: Application, credential: Credential, secret: str, back: str) -> HttpResponse:
    sample, called = _sample(request, application, secret)
    context = {"application": application, "credential": credential, "secret": secret, "sample": sample, "called": called, "back": back}
    answer = render(request, "applications/secret.html", context)
    answer["Cache-Control"] = "no-store"
    return answer


def _sample(request: TenantRequest, application: Application, secret: str) -> tuple[str, str]:
    """A token, and a first call with it, to be pasted into a shell as it stands; and what is called, "" where nothing can be yet."""
    token_url = f"{tokens.issuer(settings.PORTAL_URL, request.tenant.slug)}/oauth/token"
    known = f"SECRET={shlex.quote(secret)}\n"
    operation = _first_call(application)
    if operation is None:
        return f'{known}curl -sS {shlex.quote(token_url)} \\\n  -u {application.client_id}:"$SECRET" -d grant_type=client_credentials', ""
    version = operation.revision.version
    base = f"{tokens.audience(settings.GATEWAY_URL, request.tenant.slug)}/{version.api.slug}/{version.name}"
    call = samples.Call(
        token_url=token_url,
        client_id=application.client_id,
        method=operation.method,
        url=samples.address(base, operation.path, path_values={}),
    )
    return known + samples.curl(call), str(version)


def _first_call(application: Application) -> Operation | None:
    """The plainest operation that the application may call: a GET, if there is one whose path needs nothing filled in."""
    held = Subscription.objects.filter(application=application, status=Subscription.Status.ACTIVE)
    live = ApiVersion.objects.filter(api__in=held.values("api"), status=ApiVersion.Status.PUBLISHED)
    found = Operation.objects.filter(revision__in=live.values("live_revision"), method="GET")
    found = found.select_related("revision__version__api").defer("revision__document")
    needs_more = ExpressionWrapper(Q(path__contains="{"), BooleanField())
    return found.order_by(needs_more.asc(), "deprecated", "revision_id", "path").first()


@tenant_view("applications.own")
@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: TenantRequest, pk: UUID, credential: UUID) -> HttpResponse:
    """Ask, then end a secret now: of one's own application, or anybody's for who may."""
    mine = own(request)
    anybodys = Application.objects.visible_to(request.user, request.permissions)
    application = get_object_or_404(anybodys if "applications.revoke_any" in request.permissions else mine, pk=pk)
    ended = get_object_or_404(application.credentials.select_related("application"), pk=credential)
    names = {"application": application, "secret": named(ended)}
    question = asking.Question(
        title=_("Revoke the secret %(secret)s now?") % names,
        says=_what_revoking_does(ended, application),
        button=_("Revoke it now"),
        back=page_address(request, application),
        done=_("The secret %(secret)s of %(application)s is revoked.") % names,
        danger=True,
    )
    form = OptionalReasonForm(given(request))
    return asking.ask(request, question, form, lambda data: actions.revoke(ended, by=request.user, reason=data["reason"]))


def _what_revoking_does(credential: Credential, application: Application) -> str:
    if credential.status not in {Credential.Status.ACTIVE, Credential.Status.EXPIRING}:
        return _("This secret has ended already.")
    many = GatewayNode.objects.connected().count()
    said = ngettext(
        "%(application)s's calls with this secret are refused on %(many)s gateway within a second.",
        "%(application)s's calls with this secret are refused on %(many)s gateways within a second.",
        many,
    )
    if not many:
        said = _("%(application)s's calls with this secret are refused; no gateway is connected now, and each learns it when it connects.")
    others = application.credentials.usable().exclude(pk=credential.pk).exists()
    after = _("Its other secrets work on.") if others else _("It has no other secret, so it can't call anything after that.")
    return f"{said % {'application': application, 'many': many}} {after}"


urlpatterns = [
    path("t/<str:tenant>/apps/<uuid:pk>/credentials/new/", new, name="app-credential-new"),
    path("t/<str:tenant>/apps/<uuid:pk>/credentials/<uuid:credential>/roll/", roll, name="app-credential-roll"),
    path("t/<str:tenant>/apps/<uuid:pk>/credentials/<uuid:credential>/revoke/", revoke, name="app-credential-revoke"),
]
