"""How APIs are called: of one's own application, of an API, and of the whole tenant. A table may be taken away as a file."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.db.models import QuerySet
from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from apis.models import Api, ApiVersion, Plan
from gateway import token_reports
from gateway.envoy.refusals import REFUSALS
from gateway.models import Refusal
from gateway.usage_lines import STEPS, Told, apis_seen, as_file, lines_as_rows, names, steps_as_rows, told
from gateway.usage_ranges import Range
from gateway.usage_reports import FEW, Against, Dimension, Figures, Live, Of, Report, Tables, choose, earlier, live, report, tables
from keys.models import Application, owned_by
from portal import charts
from portal import usage_words as words
from portal.charts import Chart
from portal.pages import usage_tokens
from tenants.access import TenantRequest, tenant_view
from tenants.errors import Invalid

DEFAULT = "24h"
# So many APIs and applications can be chosen by name; what a link leads to can be looked at however many there are.
MOST_CHOICES = 500
FORMATS = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"]
# The busiest of each table stand on the page; its file has more.
SHOWN = 10
RANGES: dict[str, Promise] = {
    "1h": gettext_lazy("1 hour"),
    "24h": gettext_lazy("24 hours"),
    "7d": gettext_lazy("7 days"),
    "30d": gettext_lazy("30 days"),
    "90d": gettext_lazy("90 days"),
}
AGAINST: dict[str, Promise] = {
    Against.BEFORE: gettext_lazy("The time just before"),
    Against.WEEK: gettext_lazy("The week before"),
    Against.NOTHING: gettext_lazy("Nothing"),
}
TITLES: dict[Dimension, Promise] = {
    Dimension.APPLICATION: gettext_lazy("Applications"),
    Dimension.API: gettext_lazy("APIs"),
    Dimension.VERSION: gettext_lazy("Versions"),
    Dimension.OPERATION: gettext_lazy("Operations"),
    Dimension.PLAN: gettext_lazy("Plans"),
    Dimension.CODE: gettext_lazy("Errors"),
}
_MEANINGS = {refusal.code: refusal.sentence for refusal in reversed(REFUSALS)}


@dataclass(frozen=True, slots=True)
class Subject:
    """What a page is about: what it shows of the whole, by what, and whose names its reader sees."""

    of: Of
    by: tuple[Dimension, ...]
    apis: QuerySet[Api]
    applications: QuerySet[Application]
    template: str
    file: str
    # Below which addresses calls are whose refusals its reader sees one by one; "" for all, None for who sees none.
    refusals: str | None
    context: Mapping[str, Any]
    # Whether it holds an AI API, of whose answers tokens and cost are told.
    is_ai: bool = False


class Look(forms.Form):
    """What is looked at, as the address says."""

    range = forms.ChoiceField(required=False, choices=list(RANGES.items()), widget=forms.HiddenInput)
    since = forms.DateTimeField(
        required=False,
        label=gettext_lazy("From"),
        input_formats=FORMATS,
        widget=forms.DateTimeInput(format=FORMATS[0], attrs={"type": "datetime-local"}),
        error_messages={"invalid": gettext_lazy("Write a moment such as 2027-03-31T14:30.")},
    )
    until = forms.DateTimeField(
        required=False,
        label=gettext_lazy("To"),
        input_formats=FORMATS,
        widget=forms.DateTimeInput(format=FORMATS[0], attrs={"type": "datetime-local"}),
        error_messages={"invalid": gettext_lazy("Write a moment such as 2027-03-31T14:30.")},
    )
    against = forms.ChoiceField(required=False, label=gettext_lazy("Compare with"), choices=list(AGAINST.items()))

    def __init__(self, data: Any, *, choices: Mapping[str, tuple[Any, Mapping[str, str]]]) -> None:
        """:param choices: by what may be narrowed: the name of the field, its label, and what can be chosen."""
        super().__init__(data)
        for name, (label, among) in choices.items():
            self.fields[name] = forms.ChoiceField(
                required=False,
                label=label,
                choices=[("", _("All")), *among.items()],
                error_messages={"invalid_choice": _("There is no such choice here.")},
            )
        for field in self.fields.values():
            field.error_messages.setdefault("invalid_choice", _("There is no such choice here."))
            if not isinstance(field.widget, forms.HiddenInput):
                field.widget.attrs["class"] = "input"

    def refuse(self, refusal: Invalid) -> None:
        for name, sentences in refusal.problems.items():
            self.add_error(name if name in self.fields else None, sentences)


@dataclass(frozen=True, slots=True)
class Table:
    """`lines` are the first of it; `what` names it for its file."""

    what: str
    title: str | Promise
    lines: Sequence[Told]
    more: int


@dataclass(frozen=True, slots=True)
class Stat:
    """A number that matters: what it is, how much, and how that compares."""

    name: str
    value: str
    says: str


@tenant_view("usage.see")
@require_safe
def console_usage(request: TenantRequest) -> HttpResponseBase:
    """Of the whole tenant."""
    subject = Subject(
        of=Of(),
        by=tuple(Dimension),
        apis=Api.objects.all(),
        applications=Application.objects.all(),
        template="usage/console.html",
        file=request.tenant.slug,
        refusals="" if "applications.see_all" in request.permissions else None,
        context={},
        is_ai=Api.objects.filter(kind=Api.Kind.AI).exists(),
    )
    return _shown(request, subject)


@tenant_view("apis.see_all")
@require_safe
def console_api_usage(request: TenantRequest, api: str) -> HttpResponseBase:
    """Of one API: who calls it, and how that goes."""
    found: Api = get_object_or_404(Api.objects, slug=api)
    subject = Subject(
        of=Of(api=found.pk),
        by=(Dimension.APPLICATION, Dimension.VERSION, Dimension.OPERATION, Dimension.PLAN, Dimension.CODE),
        apis=Api.objects.filter(pk=found.pk),
        applications=Application.objects.all(),
        template="usage/api.html",
        file=f"{request.tenant.slug}-{found.slug}",
        refusals=f"/{request.tenant.slug}/{found.slug}/" if "applications.see_all" in request.permissions else None,
        context={"api": found},
        is_ai=found.is_ai,
    )
    return _shown(request, subject)


@tenant_view("applications.own")
@require_safe
def app_usage(request: TenantRequest, pk: UUID) -> HttpResponseBase:
    """Of one's own application."""
    return _of_application(request, get_object_or_404(Application.objects.filter(owned_by(request.user)), pk=pk), own=True)


@tenant_view("applications.see_all")
@require_safe
def console_application_usage(request: TenantRequest, pk: UUID) -> HttpResponseBase:
    rows = Application.objects.known_to(request.user, request.permissions)
    return _of_application(request, get_object_or_404(rows, pk=pk), own=False)


def _of_application(request: TenantRequest, found: Application, *, own: bool) -> HttpResponseBase:
    page = reverse("app" if own else "console-application", args=[request.tenant.slug, found.pk])
    apis = apis_seen(request.user, request.permissions, found)
    subject = Subject(
        of=Of(application=found.pk),
        by=(Dimension.API, Dimension.VERSION, Dimension.OPERATION, Dimension.PLAN, Dimension.CODE),
        apis=apis,
        applications=Application.objects.filter(pk=found.pk),
        template="usage/application.html",
        file=f"{request.tenant.slug}-{found.client_id}",
        refusals="",
        context={"application": found, "own": own, "back": page, "refusals_url": f"{page}?tab=refusals"},
        is_ai=apis.filter(kind=Api.Kind.AI).exists(),
    )
    return _shown(request, subject)


def _shown(request: TenantRequest, subject: Subject) -> HttpResponseBase:
    """The page; with `?part=live` what moves on it, with `?as=csv&what=…` one of its tables as a file."""
    known = tables()
    if request.GET.get("part") == "live":
        return render(request, "usage/_live.html", _live(subject, known))
    form = Look(request.GET, choices=_choices(request, subject))
    found = _asked(form, subject, known) if form.is_valid() else None
    if request.GET.get("as") == "csv":
        if found is None:
            raise Http404
        if subject.is_ai and usage_tokens.is_asked_for(request.GET.get("what", "")):
            return usage_tokens.file(request.GET["what"], subject, found)
        return _file(request, subject, found)
    context = {
        **subject.context,
        "form": form,
        "ranges": list(RANGES.items()),
        "range": found.span.name if found else "",
        "narrowed": any(form.data.get(name) for name in form.fields if name not in {"range", "against", "since", "until"}),
        "tables_known": known,
        **(_report(subject, found) if found else {}),
        **(usage_tokens.shown(subject, found) if found and subject.is_ai else {}),
        **_live(subject, known),
    }
    return render(request, subject.template, context, status=200 if found else 422)


def _choices(request: TenantRequest, subject: Subject) -> dict[str, tuple[Any, Mapping[str, str]]]:
    """By what the page can be narrowed. Versions and plans are those of an API that was chosen."""
    found: dict[str, tuple[Any, Mapping[str, str]]] = {}
    given = request.GET.get("api", "").replace("\x00", "")[:40]
    if subject.of.api is None:
        rows = subject.apis.order_by("name", "pk").values_list("slug", "name")
        apis = dict(rows[:MOST_CHOICES]) | dict(rows.filter(slug=given) if given else ())
        found["api"] = (gettext_lazy("API"), apis)
    if subject.of.application is None:
        known = Application.objects.order_by("name", "pk").values_list("pk", "name")
        wanted = _uuid(request.GET.get("application", ""))
        many = [*known.exclude(status=Application.Status.DELETED)[:MOST_CHOICES], *(known.filter(pk=wanted) if wanted else ())]
        found["application"] = (gettext_lazy("Application"), {str(pk): name for pk, name in many})
    of_api = {"api": subject.of.api} if subject.of.api else {"api__slug": given}
    if subject.of.api or given:
        versions = ApiVersion.objects.filter(**of_api, api__in=subject.apis.values("pk")).order_by("pk").values_list("name", flat=True)
        plans = Plan.objects.filter(**of_api, api__in=subject.apis.values("pk")).order_by("name").values_list("name", flat=True)
        found["version"] = (gettext_lazy("Version"), {name: name for name in versions})
        found["plan"] = (gettext_lazy("Plan"), {name: name for name in plans})
    return found


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _asked(form: Look, subject: Subject, known: Tables) -> Report | None:
    """The report that the form asks for; None where it can't be told, and the form says why."""
    given, zone = form.cleaned_data, _zone()
    try:
        span = choose(given["range"] or DEFAULT, given["since"], given["until"], known=known, zone=zone)
        against = earlier(span, Against(given["against"] or Against.BEFORE))
    except Invalid as refusal:
        form.refuse(refusal)
        return None
    of = subject.of._replace(**{name: given[name] for name in ("version", "plan") if given.get(name)})
    if slug := given.get("api"):
        of = of._replace(api=subject.apis.values_list("pk", flat=True).get(slug=slug))
    if application := given.get("application"):
        of = of._replace(application=UUID(application))
    return report(span, of, known, by=subject.by, against=against)


def _zone() -> ZoneInfo:
    zone = timezone.get_current_timezone()
    assert isinstance(zone, ZoneInfo)
    return zone


def _file(request: TenantRequest, subject: Subject, found: Report) -> HttpResponseBase:
    what = request.GET.get("what", STEPS)
    name = f"{subject.file}-usage-{what}-{found.span.since:%Y%m%d}"
    if what == STEPS:
        return as_file(steps_as_rows(found), name)
    if what not in subject.by:
        raise Http404
    dimension = Dimension(what)
    by = names(found, apis=subject.apis, applications=subject.applications)
    return as_file(lines_as_rows(told(found.lines[dimension], dimension, by), dimension), name)


# What the page shows


def _report(subject: Subject, found: Report) -> dict[str, Any]:
    by = names(found, apis=subject.apis, applications=subject.applications)
    lines = {each: told(found.lines[each], each, by) for each in subject.by}
    # What was answered well is no error.
    codes = [each for each in lines.pop(Dimension.CODE, []) if each.code or each.status_class in {0, 4, 5}]
    order = [each for each in subject.by if each in lines and (lines[each] or each != Dimension.PLAN)]
    slow = told(found.slow(SHOWN), Dimension.OPERATION, by)
    return {
        "report": found,
        "stats": list(_stats(found, codes)),
        "calls_chart": _calls_chart(found),
        "times_chart": _times_chart(found),
        "heading": words.per_step(found.span),
        "steps": [(words.begin(start, found.span), figures) for start, figures in found.series],
        "unknown": sum(figures is None for _start, figures in found.series),
        "tables": [_table(each, lines[each]) for each in order],
        "codes": [(each, _meaning(each)) for each in codes[:SHOWN]],
        "slow": slow,
        "explained": _MEANINGS,
    }


def _table(dimension: Dimension, lines: Sequence[Told]) -> Table:
    return Table(dimension.value, TITLES[dimension], lines[:SHOWN], max(0, len(lines) - SHOWN))


def _meaning(line: Told) -> str:
    if line.code:
        return _(_MEANINGS[line.code]) if line.code in _MEANINGS else ""
    if line.status_class == 0:
        return _("The caller did not wait for the answer.")
    return _("The API answered so itself.")


def _stats(found: Report, codes: Sequence[Told]) -> Iterable[Stat]:
    total, before = found.total, found.before
    compared = before is not None and before.calls > 0
    none = _("none before") if before is not None and not before.calls else ""
    said = _("%(change)s, %(before)s before")
    yield Stat(
        _("Calls"), words.count(total.calls),
        said % {"change": words.change(total.calls, before.calls), "before": words.count(before.calls)} if before and compared else none,
    )  # fmt: skip
    many = _("%(n)s calls") % {"n": words.count(total.failed)}
    yield Stat(
        _("Failed (5xx)"), words.share(total.failed_share),
        _("%(calls)s; %(before)s before") % {"calls": many, "before": words.share(before.failed_share)} if before and compared else many,
    )  # fmt: skip
    first = next((each for each in codes if each.code and each.status_class != 5), None)
    most = (
        _("%(share)s of them %(code)s") % {"share": words.share(first.figures.calls / total.refused), "code": first.code} if first else ""
    )
    yield Stat(_("Refused"), words.count(total.refused), most)
    took = _("%(times)s before") % {"times": _times(before)} if before and before.p50 is not None else ""
    yield Stat(_("p50 · p95 · p99"), _times(total), took)
    yield Stat(_("Data out"), words.size(total.bytes_out), _("%(size)s in") % {"size": words.size(total.bytes_in)})


def _times(figures: Figures) -> str:
    return words.all_took([figures.p50, figures.p95, figures.p99])


def _calls_chart(found: Report) -> Chart:
    values = [
        None if each is None else [("answered", each.answered + each.unanswered), ("refused", each.refused), ("failed", each.failed)]
        for _start, each in found.series
    ]
    total = found.total
    says = _("%(heading)s: %(calls)s in all, of them %(refused)s refused and %(failed)s failed") % {
        "heading": words.per_step(found.span), "calls": words.count(total.calls),
        "refused": words.count(total.refused), "failed": words.count(total.failed),
    }  # fmt: skip
    titles = [_step_says(start, each, found.span) for start, each in found.series]
    return charts.stacked(values, says=says, titles=titles, labels=_labels(found), tick=words.short)


def _step_says(start: datetime, figures: Figures | None, span: Range) -> str:
    if figures is None:
        return _("%(at)s: not counted yet") % {"at": words.begin(start, span)}
    return _("%(at)s: %(calls)s calls, %(refused)s refused, %(failed)s failed") % {
        "at": words.begin(start, span), "calls": words.count(figures.calls),
        "refused": words.count(figures.refused), "failed": words.count(figures.failed),
    }  # fmt: skip


def _times_chart(found: Report) -> Chart:
    values = [(name, [getattr(each, name) if each else None for _start, each in found.series]) for name in ("p50", "p95", "p99")]
    titles = [
        _("%(at)s: %(times)s") % {"at": words.begin(start, found.span), "times": _times(each) if each else words.NONE}
        for start, each in found.series
    ]
    says = _("How long answers took: %(times)s in all (p50, p95, p99)") % {"times": _times(found.total)}
    return charts.lines(values, says=says, titles=titles, labels=_labels(found), tick=words.took)


def _labels(found: Report) -> list[str]:
    return [words.label(start, found.span) for start, _figures in found.series]


def _live(subject: Subject, known: Tables) -> dict[str, Any]:
    """What happens now, and the last refusals of those that were refused something just now."""
    now: Live = live(subject.of, known)
    rows: list[Refusal] = []
    if now.refused and subject.refusals is not None:
        found = Refusal.objects.filter(application__in=now.refused, path__startswith=subject.refusals)
        rows = list(found.select_related("application").order_by("-id")[:FEW])
    spent = token_reports.live(subject.of, known) if subject.is_ai else None
    return {**subject.context, "live": now, "known": known, "refusals": rows, "explained": _MEANINGS, "live_tokens": spent}


urlpatterns = [
    path("t/<str:tenant>/console/usage/", console_usage, name="console-usage"),
    path("t/<str:tenant>/console/apis/<str:api>/usage/", console_api_usage, name="console-api-usage"),
    path("t/<str:tenant>/console/applications/<uuid:pk>/usage/", console_application_usage, name="console-application-usage"),
    path("t/<str:tenant>/apps/<uuid:pk>/usage/", app_usage, name="app-usage"),
]
