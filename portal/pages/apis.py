"""The APIs as their publishers see them: versions, revisions, what is live, and what may be changed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.db.models import Count, Prefetch, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from apis import origins
from apis.actions import publishing, resources, reviews
from apis.actions.teams import give_api
from apis.lint.standing import Choices
from apis.models import LARGE, LIVE_LARGE, Api, ApiVersion, Draft, LintRule, Operation, Plan, Review
from apis.serializers import VersionIn
from gateway import groups
from gateway.models import GatewayNode, serving
from keys import encryption
from keys.models import ProtectedResource
from portal import markdown
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import ai_apis, asking, lint
from portal.pages.listing import page_of, sought
from portal.pages.plans import open_subscriptions, rows_of
from portal.pages.revision_testing import tests_of
from tenants.access import TenantRequest, tenant_view
from tenants.models import Event, Team

# So many operations of the live revision stand on the page; its document has all.
SHOWN = 50


@dataclass(frozen=True, slots=True)
class Row:
    """An API of the list, its versions with the score of what is live, and how many subscriptions to it are open."""

    api: Api
    versions: list[tuple[ApiVersion, int | None]]
    active: int
    pending: int


def _versions() -> QuerySet[ApiVersion]:
    """Without the documents, which are large."""
    return ApiVersion.objects.select_related("live_revision__upstream", "source").defer(*LIVE_LARGE).order_by("id")


def api_page(request: TenantRequest, api: Api, version: str = "") -> str:
    query = f"?version={version}" if version else ""
    return f"{reverse('console-api', args=[request.tenant.slug, api.slug])}{query}"


def address_of(request: TenantRequest, version: ApiVersion) -> str:
    return f"{groups.base_of(version.api)}/{request.tenant.slug}/{version.api.slug}/{version.name}"


@tenant_view("apis.see_all")
@require_safe
def console_apis(request: TenantRequest) -> HttpResponse:
    q = sought(request)
    rows = Api.objects.select_related("team").prefetch_related(
        Prefetch("versions", _versions()), Prefetch("plans", Plan.objects.exclude(status=Plan.Status.CLOSED).order_by("id"))
    )
    if team := _team(request):
        rows = rows.filter(team=team)
    if q:
        rows = rows.filter(Q(name__icontains=q) | Q(slug__icontains=q))
    page = page_of(request, rows)
    held = open_subscriptions("api", page.rows)
    choices = LintRule.objects.chosen()
    context = {
        "page": page,
        "rows": [Row(each, _scored(each, choices), *held.get(each.pk, (0, 0))) for each in page.rows],
        "q": q,
        "team": team,
        "may_publish": "apis.publish" in request.permissions,
        "draft": Draft.objects.of(request.user).only("name", "changed_at").first(),
    }
    return render(request, "apis/list.html", context)


def _scored(api: Api, choices: Choices) -> list[tuple[ApiVersion, int | None]]:
    return [(each, lint.score(each.live_revision, choices)) for each in api.versions.all()]


def _team(request: TenantRequest) -> Team | None:
    """Whose APIs are shown alone."""
    try:
        return Team.objects.filter(pk=UUID(request.GET.get("team", ""))).first()
    except ValueError:
        return None


@tenant_view("apis.see_all")
@require_safe
def console_api(request: TenantRequest, api: str) -> HttpResponse:
    """One API; `?version=` chooses among its versions, else the first that callers reach."""
    rows = Api.objects.with_encryption_key().select_related("team").prefetch_related(Prefetch("versions", _versions()))
    found: Api = get_object_or_404(rows, slug=api)
    versions = list(found.versions.all())
    context: dict[str, Any] = {
        "api": found,
        "versions": versions,
        "description": markdown.to_html(found.description),
        "plans": rows_of(request, found.plans.order_by("id")),
        "may_publish": "apis.publish" in request.permissions,
        "may_switch_reviews": "settings.manage" in request.permissions,
        "subscriptions_url": _subscriptions_url(request, found),
        "add_url": _add_url(request, found),
    }
    if versions:
        callable_ones = [each for each in versions if each.status in ApiVersion.OFFERED]
        asked = [each for each in versions if each.name == request.GET.get("version")]
        context |= _shown(request, (asked or callable_ones[-1:] or versions)[0])
    return render(request, "apis/api.html", context)


def _subscriptions_url(request: TenantRequest, api: Api) -> str:
    """Where its subscriptions are listed, "" for who may not see them."""
    if "subscriptions.see_all" not in request.permissions:
        return ""
    return f"{reverse('console-subscriptions', args=[request.tenant.slug])}?q={api.slug}"


def _add_url(request: TenantRequest, api: Api) -> str:
    """Where a subscription to it is added, "" for who does not decide."""
    if "subscriptions.decide" not in request.permissions:
        return ""
    return f"{reverse('console-subscription-add', args=[request.tenant.slug])}?api={api.slug}"


def _shown(request: TenantRequest, version: ApiVersion) -> dict[str, Any]:
    """What the page tells of one version."""
    page = page_of(request, version.revisions.select_related("created_by", "tester").defer(*LARGE), size=10)
    many = dict(Operation.objects.filter(revision__in=page.rows).values_list("revision").annotate(Count("pk")))
    live, choices = version.live_revision, LintRule.objects.chosen()
    tests = tests_of(request, version, page.rows)
    return {
        "version": version,
        "address": address_of(request, version),
        "live": live,
        "score": lint.score(live, choices),
        "operations": list(live.operations.order_by("path", "method")[: SHOWN + 1]) if live else [],
        "shown": SHOWN,
        "page": page,
        "waiting": list(Review.objects.waiting().filter(revision__version=version).for_list()),
        "revisions": [(each, many.get(each.pk, 0), lint.score(each, choices), tests.get(each.pk)) for each in page.rows],
    }


class ApiForm(PageForm):
    name = Text(most=80, label=gettext_lazy("Name"), help_text=gettext_lazy("As developers read it in the catalogue."))
    description = Text(
        most=5000,
        lines=8,
        empty=True,
        label=gettext_lazy("Description"),
        help_text=gettext_lazy("What it is good for, in Markdown."),
    )
    cors_origins = Text(
        most=10_000,
        lines=5,
        empty=True,
        label=gettext_lazy("Browser pages that may call it (CORS)"),
        help_text=gettext_lazy("One origin per line, such as https://shop.example; * alone is every page. Without any, browsers refuse."),
    )

    team = forms.ChoiceField(
        required=False,
        label=gettext_lazy("Team"),
        help_text=gettext_lazy("Who looks after it. Whoever may publish may change it all the same."),
        error_messages={"invalid_choice": gettext_lazy("Choose one of these teams.")},
    )
    encryption_jwk = Text(
        most=encryption.MAX_LENGTH,
        empty=True,
        widget=forms.Textarea(attrs={"class": "mono", "rows": 8, "spellcheck": "false", "autocomplete": "off"}),
        label=gettext_lazy("Encryption key"),
        help_text=gettext_lazy(
            "A public JWK (EC or X25519). A token for this API alone then says who calls in a claim that only the holder of the "
            "private key can read. Empty for none."
        ),
    )

    def __init__(self, *args: Any, teams: Mapping[str, Team], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not teams:
            del self.fields["team"]
            return
        self.fields["team"].choices = [("", _("None")), *((pk, team.name) for pk, team in teams.items())]  # type: ignore[attr-defined]

    def clean_encryption_jwk(self) -> dict[str, str] | None:
        given_text: str = self.cleaned_data["encryption_jwk"]
        if not given_text.strip():
            return None
        try:
            return encryption.read_encryption_key(given_text)
        except encryption.KeyRefused as refused:
            if isinstance(refused, encryption.PrivateKeyRefused):
                # It is not sent back, to stand in caches and over shoulders.
                self.put("encryption_jwk", "")
            raise forms.ValidationError(_(refused.sentence) % refused.named) from None

    def clean_cors_origins(self) -> list[str]:
        """Each line is judged by itself, so that all that are wrong are named at once."""
        given_lines = list(enumerate(self.cleaned_data["cors_origins"].split("\n"), 1))
        problems = [said for number, line in given_lines if line.strip() and (said := _wrong_with(line, number))]
        if problems:
            self.add_error("cors_origins", problems)
        return [line for _number, line in given_lines if line.strip()]


def _wrong_with(line: str, number: int) -> str:
    if line.strip() == origins.EVERY:
        return ""
    try:
        origins.origin(line)
    except origins.OriginRefused as refused:
        return _("Line %(line)s: %(sentence)s") % {"line": number, "sentence": _(refused.sentence) % refused.named}
    return ""


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def api_edit(request: TenantRequest, api: str) -> HttpResponse:
    found: Api = get_object_or_404(Api.objects.select_related("team"), slug=api)
    jwk = ProtectedResource.objects.get(name=api).encryption_jwk
    now = {
        "name": found.name,
        "description": found.description,
        "cors_origins": "\n".join(found.cors_origins),
        "team": str(found.team_id or ""),
        "encryption_jwk": json.dumps(jwk, indent=2) if jwk else "",
    }
    teams = _teams(request, found)
    form = ApiForm(given(request), teams=teams, initial=now)

    def change(typed: dict[str, Any]) -> Event | None:
        keyed = resources.change_encryption_key(found, typed["encryption_jwk"], by=request.user)
        moved = give_api(found, team=teams.get(typed["team"]), by=request.user) if teams else None
        told = {name: typed[name] for name in ("name", "description", "cors_origins")}
        return publishing.change_api(found, **told, by=request.user) or keyed or moved

    if done := asking.carried_out(request, form, change):
        said = _("%(api)s is changed.") % {"api": found} if done.result else _("Nothing was changed.")
        return asking.finished(request, back=api_page(request, found), said=said, event=done.result)
    stored = Api.objects.get(pk=found.pk)
    context = {"form": form, "api": stored, "title": _("Edit %(name)s") % {"name": stored.name}, "here": _("Edit")}
    return render(request, "apis/change.html", context, status=form.http_status)


def _teams(request: TenantRequest, api: Api) -> dict[str, Team]:
    """By id those that the person sees, and the one that it has."""
    seen = list(Team.objects.visible_to(request.user, request.permissions).order_by("name"))
    own = [api.team] if api.team and api.team not in seen else []
    return {str(each.pk): each for each in [*seen, *own]}


class VersionForm(PageForm):
    name = Text(most=20, label=gettext_lazy("Name"), help_text=gettext_lazy("v1, v2 or v1.1: part of the address, and never changed."))

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        given_name = VersionIn(data={"name": name})
        if not given_name.is_valid():
            self.add_error("name", _("Name a version v1, v2 or v1.1."))
        return name


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def version_new(request: TenantRequest, api: str) -> HttpResponse:
    found: Api = get_object_or_404(Api.objects, slug=api)
    if found.is_ai:
        return ai_apis.elsewhere(request, found)
    question = asking.Question(
        title=_("Add a version to %(api)s") % {"api": found},
        says=_(
            "For changes that break callers: they stay on the version they use until they move. Nothing is public before you publish it."
        ),
        button=_("Add the version"),
        back=api_page(request, found),
        done=_("The version is there. Import its OpenAPI document next."),
    )
    form = VersionForm(given(request), initial={"name": f"v{found.versions.count() + 1}"})

    def act(data: dict[str, Any]) -> None:
        publishing.add_version(found, name=data["name"], by=request.user)

    return asking.ask(request, question, form, act)


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def version_publish(request: TenantRequest, api: str, version: str) -> HttpResponse:
    rows = ApiVersion.objects.select_related("api", "live_revision").defer(*LIVE_LARGE)
    found: ApiVersion = get_object_or_404(rows, api__slug=api, name=version)
    against = reviews.what_stands_against(found.live_revision, found) if found.live_revision else ""
    question = asking.Question(
        title=_("Publish %(version)s?") % {"version": found},
        says=_what_publishing_does(request, found),
        button=_("Publish it"),
        back=api_page(request, found.api, found.name),
        done=_("%(version)s is published.") % {"version": found},
        note=asking.Note(against, "bad") if against else None,
    )
    return asking.ask(request, question, PageForm(given(request)), lambda _data: publishing.publish(found, by=request.user))


def _what_publishing_does(request: TenantRequest, version: ApiVersion) -> str:
    gateways = GatewayNode.objects.connected().filter(serving()).count()
    answers = ngettext(
        "%(many)s gateway answers at %(address)s within a second.", "%(many)s gateways answer at %(address)s within a second.", gateways
    )
    sentences = (
        _("It stands in the catalogue from now on."),
        answers if gateways else _("No gateway is connected; each answers at %(address)s once it is."),
        _("It can't be taken back to a draft."),
    )
    return " ".join(sentences) % {"many": gateways, "address": address_of(request, version)}


urlpatterns = [
    path("t/<str:tenant>/console/apis/", console_apis, name="console-apis"),
    path("t/<str:tenant>/console/apis/<str:api>/", console_api, name="console-api"),
    path("t/<str:tenant>/console/apis/<str:api>/edit/", api_edit, name="console-api-edit"),
    path("t/<str:tenant>/console/apis/<str:api>/add-version/", version_new, name="console-api-version-new"),
    path("t/<str:tenant>/console/apis/<str:api>/<str:version>/publish/", version_publish, name="console-api-version-publish"),
]
