"""The life of a version: opening it early, blocking it, and its end, with who still calls it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from apis.actions import publishing, versions
from apis.models import LIVE_LARGE, ApiVersion, BrownOut
from gateway.models import GatewayNode, serving
from portal import words
from portal.forms import PageForm, ReasonForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.apis import address_of
from tenants.access import TenantRequest, tenant_view
from tenants.models import Event

_Status = ApiVersion.Status
# The road that a version takes; it may be blocked on the way.
ROAD = (_Status.CREATED, _Status.PRERELEASE, _Status.PUBLISHED, _Status.DEPRECATED, _Status.RETIRED)
# What leads on from each state: page, button, and whether it takes something from callers.
WAYS: dict[str, list[tuple[str, Any, bool]]] = {
    _Status.CREATED: [
        ("console-api-version-publish", gettext_lazy("Publish…"), False),
        ("console-api-version-prerelease", gettext_lazy("Open as a prerelease…"), False),
        ("console-api-version-retire", gettext_lazy("Throw away…"), True),
    ],
    _Status.PRERELEASE: [
        ("console-api-version-publish", gettext_lazy("Publish…"), False),
        ("console-api-version-retire", gettext_lazy("Retire…"), True),
    ],
    _Status.PUBLISHED: [
        ("console-api-version-deprecate", gettext_lazy("Deprecate…"), False),
        ("console-api-version-block", gettext_lazy("Block…"), True),
    ],
    _Status.BLOCKED: [("console-api-version-unblock", gettext_lazy("Unblock…"), False)],
    _Status.DEPRECATED: [
        ("console-api-version-sunset", gettext_lazy("Change the sunset…"), False),
        ("console-api-version-brown-out", gettext_lazy("Plan a brown-out…"), False),
        ("console-api-version-reinstate", gettext_lazy("Take the deprecation back…"), False),
        ("console-api-version-retire", gettext_lazy("Retire…"), True),
    ],
    _Status.RETIRED: [],
}
MOST_BROWN_OUTS = 10


def _version(api: str, version: str) -> ApiVersion:
    rows = ApiVersion.objects.select_related("api", "live_revision", "successor").defer(*LIVE_LARGE)
    found: ApiVersion = get_object_or_404(rows, api__slug=api, name=version)
    return found


def _life(request: TenantRequest, version: ApiVersion) -> str:
    return reverse("console-api-version-life", args=[request.tenant.slug, version.api.slug, version.name])


@tenant_view("apis.see_all")
@require_safe
def version_life(request: TenantRequest, api: str, version: str) -> HttpResponse:
    """Where a version stands, what may come next, and who still calls it."""
    found = _version(api, version)
    callers = versions.callers(found)
    args = [request.tenant.slug, api, version]
    publishes = "apis.publish" in request.permissions
    context = {
        "version": found,
        "api": found.api,
        "address": address_of(request, found),
        "road": _road(found),
        "ways": [(reverse(name, args=args), word, takes) for name, word, takes in WAYS[found.status]] if publishes else [],
        "callers": callers,
        "calling": sum(1 for each in callers if each.calls),
        "unaware": len(versions.unaware(callers)),
        "is_going": found.status in {_Status.DEPRECATED, _Status.RETIRED} and found.deprecated_at is not None,
        "brown_outs": list(found.brown_outs.order_by("-starts_at")[:MOST_BROWN_OUTS]),
        "may_publish": publishes,
    }
    return render(request, "apis/life.html", context)


def _road(version: ApiVersion) -> list[tuple[str, bool, bool, datetime | None]]:
    """Each state on its way: its word, whether it was reached, whether it stands there, and since or from when on, where that is known."""
    passed = ROAD.index(_Status.PUBLISHED if version.status == _Status.BLOCKED else _Status(version.status))
    times = {_Status.CREATED: version.created_at, _Status.DEPRECATED: version.deprecated_at}
    if version.status != _Status.RETIRED:
        times[_Status.RETIRED] = version.sunset_at
    return [(str(state.label), place <= passed, place == passed, times.get(state)) for place, state in enumerate(ROAD)]


def _asked(
    request: TenantRequest,
    version: ApiVersion,
    form: PageForm,
    act: Callable[[dict[str, Any]], Event | None],
    *,
    title: str,
    says: str,
    button: str,
    done: str,
    danger: bool = False,
    note: asking.Note | None = None,
) -> HttpResponse:
    names = {"version": version}
    question = asking.Question(
        title=title % names, says=says % names, button=button, back=_life(request, version), done=done % names, danger=danger, note=note
    )
    return asking.ask(request, question, form, act)


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def version_prerelease(request: TenantRequest, api: str, version: str) -> HttpResponse:
    found = _version(api, version)
    return _asked(
        request,
        found,
        PageForm(given(request)),
        lambda _data: publishing.prerelease(found, by=request.user),
        title=_("Open %(version)s as a prerelease?"),
        says=_("Subscribers can call it, and the catalogue says that it may still change. It can't be taken back to a draft."),
        button=_("Open it"),
        done=_("%(version)s is open as a prerelease."),
    )


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def version_block(request: TenantRequest, api: str, version: str) -> HttpResponse:
    found = _version(api, version)
    return _asked(
        request,
        found,
        ReasonForm(given(request)),
        lambda data: versions.block(found, reason=data["reason"], by=request.user),
        title=_("Block %(version)s?"),
        says=f"{_('Every call of it is refused with API_BLOCKED until it is unblocked.')} {_within_a_second()}",
        button=_("Block it"),
        done=_("%(version)s is blocked."),
        danger=True,
        note=_who_calls(found),
    )


def _within_a_second() -> str:
    many = GatewayNode.objects.connected().filter(serving()).count()
    if not many:
        return _("No gateway is connected; each learns it when it connects.")
    said = ngettext("%(many)s gateway obeys within a second.", "%(many)s gateways obey within a second.", many)
    return said % {"many": many}


def _who_calls(version: ApiVersion) -> asking.Note | None:
    """A note where somebody called it lately."""
    calling = [each for each in versions.callers(version) if each.calls]
    if not calling:
        return None
    said = ngettext(
        "%(many)s application called it in the last 30 days: %(named)s.",
        "%(many)s applications called it in the last 30 days: %(named)s.",
        len(calling),
    )
    named = words.listed(each.application for each in calling[: versions.NAMED])
    more = len(calling) > versions.NAMED
    return asking.Note(said % {"many": len(calling), "named": f"{named} …" if more else named}, "wait")


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def version_unblock(request: TenantRequest, api: str, version: str) -> HttpResponse:
    found = _version(api, version)
    return _asked(
        request,
        found,
        PageForm(given(request)),
        lambda _data: versions.unblock(found, by=request.user),
        title=_("Unblock %(version)s?"),
        says=_("Calls of its subscribers pass again."),
        button=_("Unblock it"),
        done=_("%(version)s answers again."),
    )


class Moment(forms.DateTimeField):
    """A day and a time of day, in the person's time zone."""

    def __init__(self, **more: Any) -> None:
        super().__init__(
            widget=forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local", "class": "input"}),
            input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"],
            error_messages={"invalid": gettext_lazy("Give a day and a time as 2027-01-31 18:30.")},
            **more,
        )

    def clean(self, value: Any) -> datetime | None:
        found: datetime | None = super().clean(value)
        if found is not None and not 1970 <= found.year < 3000:
            raise forms.ValidationError(_("Choose a year from 1970 to 2999."))
        return found


class DeprecateForm(PageForm):
    reason = Text(most=500, lines=3, label=gettext_lazy("Reason"), help_text=gettext_lazy("Its callers read it, and what to do instead."))
    successor: "forms.ModelChoiceField[ApiVersion]" = forms.ModelChoiceField(
        queryset=None,
        to_field_name="name",
        required=False,
        label=gettext_lazy("Successor"),
        empty_label=gettext_lazy("None"),
        help_text=gettext_lazy("The version that callers should move to. Each answer names it."),
        error_messages={"invalid_choice": gettext_lazy("Choose one of these versions.")},
    )
    sunset_at = Moment(
        required=False,
        label=gettext_lazy("Sunset"),
        help_text=gettext_lazy(
            "Until then it answers, that is a promise: the day can be put off later, and never be brought forward. "
            "Empty where it is not decided."
        ),
    )

    def __init__(self, *args: Any, version: ApiVersion, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = ApiVersion.objects.filter(api=version.api_id, status__in=ApiVersion.BEGINNING).exclude(pk=version.pk).order_by("-id")
        self.fields["successor"].queryset = rows  # type: ignore[attr-defined]
        self.fields["successor"].label_from_instance = lambda each: each.name  # type: ignore[attr-defined]


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def version_deprecate(request: TenantRequest, api: str, version: str) -> HttpResponse:
    found = _version(api, version)

    def act(data: dict[str, Any]) -> Event:
        told = {name: data[name] for name in ("reason", "successor", "sunset_at")}
        return versions.deprecate(found, **told, by=request.user)

    return _asked(
        request,
        found,
        DeprecateForm(given(request), version=found),
        act,
        title=_("Deprecate %(version)s?"),
        says=_(
            "It answers as before. Each answer says that it is deprecated; the people of the applications that subscribe to the API "
            "hear of it, and are asked to acknowledge."
        ),
        button=_("Deprecate it"),
        done=_("%(version)s is deprecated."),
        note=_who_calls(found),
    )


class SunsetForm(PageForm):
    sunset_at = Moment(label=gettext_lazy("Sunset"), help_text=gettext_lazy("No earlier than what was promised."))


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def version_sunset(request: TenantRequest, api: str, version: str) -> HttpResponse:
    found = _version(api, version)
    promised = _("It was promised until %(when)s.") % {"when": words.day_and_time(found.sunset_at)} if found.sunset_at else ""
    return _asked(
        request,
        found,
        SunsetForm(given(request), initial={"sunset_at": found.sunset_at}),
        lambda data: versions.change_sunset(found, sunset_at=data["sunset_at"], by=request.user),
        title=_("Change the sunset of %(version)s?"),
        says=f"{_('Until then it answers; that is a promise to its callers, who hear of the change.')} {promised}".strip(),
        button=_("Change it"),
        done=_("The sunset of %(version)s is changed."),
    )


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def version_reinstate(request: TenantRequest, api: str, version: str) -> HttpResponse:
    found = _version(api, version)
    return _asked(
        request,
        found,
        PageForm(given(request)),
        lambda _data: versions.reinstate(found, by=request.user),
        title=_("Take the deprecation of %(version)s back?"),
        says=_("It is published as before. Planned brown-outs are cancelled, and acknowledgements forgotten."),
        button=_("Take it back"),
        done=_("%(version)s is published again."),
    )


class RetireForm(PageForm):
    reason = Text(
        most=500,
        lines=3,
        empty=True,
        label=gettext_lazy("Reason"),
        help_text=gettext_lazy("Those it concerns read it. Needed where it is retired all the same."),
    )
    override = forms.BooleanField(
        required=False,
        label=gettext_lazy("Retire it all the same"),
        help_text=gettext_lazy("Although what stands above speaks against it."),
    )

    def __init__(self, *args: Any, stands_against: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not stands_against:
            del self.fields["override"]


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def version_retire(request: TenantRequest, api: str, version: str) -> HttpResponse:
    """End it for good; where somebody still calls, only with a reason."""
    found = _version(api, version)
    against = versions.what_stands_against(found, timezone.now())
    draft = found.status == _Status.CREATED

    def act(data: dict[str, Any]) -> Event:
        return versions.retire(found, reason=data["reason"], override=data.get("override", False), by=request.user)

    return _asked(
        request,
        found,
        RetireForm(given(request), stands_against=bool(against)),
        act,
        title=_("Throw %(version)s away?") if draft else _("Retire %(version)s?"),
        says=_("Nobody could ever call it. Its name stays taken.")
        if draft
        else f"{_('Every call of it is answered with 410 API_RETIRED from now on, for good.')} {_within_a_second()}",
        button=_("Throw it away") if draft else _("Retire it"),
        done=_("%(version)s is thrown away.") if draft else _("%(version)s is retired."),
        danger=True,
        note=asking.Note(against, "bad") if against else None,
    )


class BrownOutForm(PageForm):
    starts_at = Moment(
        label=gettext_lazy("Begins"), help_text=gettext_lazy("In an hour at the earliest: who still calls hears of it before.")
    )
    minutes = forms.IntegerField(
        min_value=1,
        max_value=1_440,
        initial=15,
        label=gettext_lazy("Minutes"),
        help_text=gettext_lazy("So long its calls are refused with BROWN_OUT."),
    )


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def brown_out_new(request: TenantRequest, api: str, version: str) -> HttpResponse:
    found = _version(api, version)

    def act(data: dict[str, Any]) -> None:
        versions.plan_brown_out(found, starts_at=data["starts_at"], lasts=timedelta(minutes=data["minutes"]), by=request.user)

    tomorrow = (timezone.localtime() + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
    return _asked(
        request,
        found,
        BrownOutForm(given(request), initial={"starts_at": tomorrow}),
        act,
        title=_("Plan a brown-out of %(version)s?"),
        says=_("For a short time every call is refused, so that who still calls notices before it is gone. They hear of it now."),
        button=_("Plan it"),
        done=_("The brown-out of %(version)s is planned."),
        note=_who_calls(found),
    )


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def brown_out_cancel(request: TenantRequest, api: str, version: str, pk: UUID) -> HttpResponse:
    found = _version(api, version)
    brown_out = get_object_or_404(BrownOut.objects.select_related("version__api"), pk=pk, version=found)
    running = brown_out.status == BrownOut.Status.RUNNING
    return _asked(
        request,
        found,
        PageForm(given(request)),
        lambda _data: versions.cancel_brown_out(brown_out, by=request.user),
        title=_("End the brown-out of %(version)s?") if running else _("Cancel the brown-out of %(version)s?"),
        says=_("Calls pass again.") if running else _("It does not come, and who heard of it hears of that."),
        button=_("End it") if running else _("Cancel it"),
        done=_("The brown-out of %(version)s is cancelled."),
    )


_PLACE = "t/<str:tenant>/console/apis/<str:api>/<str:version>/"
urlpatterns = [
    path(f"{_PLACE}life/", version_life, name="console-api-version-life"),
    path(f"{_PLACE}prerelease/", version_prerelease, name="console-api-version-prerelease"),
    path(f"{_PLACE}block/", version_block, name="console-api-version-block"),
    path(f"{_PLACE}unblock/", version_unblock, name="console-api-version-unblock"),
    path(f"{_PLACE}deprecate/", version_deprecate, name="console-api-version-deprecate"),
    path(f"{_PLACE}sunset/", version_sunset, name="console-api-version-sunset"),
    path(f"{_PLACE}reinstate/", version_reinstate, name="console-api-version-reinstate"),
    path(f"{_PLACE}retire/", version_retire, name="console-api-version-retire"),
    path(f"{_PLACE}brown-out/", brown_out_new, name="console-api-version-brown-out"),
    path(f"{_PLACE}brown-out/<uuid:pk>/cancel/", brown_out_cancel, name="console-api-version-brown-out-cancel"),
]
