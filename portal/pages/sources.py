"""Where a version's document stands: how often Portico looks there, and what came of it."""

from typing import Any

from django import forms
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from apis import document_at
from apis.actions import sources
from apis.models import LIVE_LARGE, ApiVersion, DocumentSource
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking
from tenants.access import TenantRequest, tenant_view


class SourceForm(PageForm):
    url = Text(
        most=document_at.MAX_URL,
        label=gettext_lazy("Address of the document"),
        help_text=gettext_lazy(
            "Such as https://orders.example.com/openapi.yaml. Everyone has to be able to read it: Portico does not sign in."
        ),
        widget=forms.TextInput(attrs={"inputmode": "url", "autocomplete": "off", "spellcheck": "false"}),
    )
    every = forms.ChoiceField(
        choices=DocumentSource.Every.choices,
        label=gettext_lazy("How often to look"),
        error_messages={"invalid_choice": gettext_lazy("Choose one of these.")},
    )
    enabled = forms.BooleanField(
        required=False,
        label=gettext_lazy("Look there"),
        help_text=gettext_lazy("In your name, as long as you may publish."),
    )


def _version(api: str, version: str) -> ApiVersion:
    rows = ApiVersion.objects.select_related("api", "live_revision", "source__set_by").defer(*LIVE_LARGE)
    found: ApiVersion = get_object_or_404(rows, api__slug=api, name=version)
    return found


def _source(api: str, version: str) -> DocumentSource:
    rows = DocumentSource.objects.select_related("version__api", "set_by")
    found: DocumentSource = get_object_or_404(rows, version__api__slug=api, version__name=version)
    return found


def _page(request: TenantRequest, version: ApiVersion) -> str:
    return reverse("console-api-source", args=[request.tenant.slug, version.api.slug, version.name])


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def source(request: TenantRequest, api: str, version: str) -> HttpResponse:
    found = _version(api, version)
    now: DocumentSource | None = getattr(found, "source", None)
    told = {"every": DocumentSource.Every.DAILY, "enabled": True}
    if now is not None:
        # Saved, one that was stopped goes on in the name of who saves it.
        told = {"url": now.url, "every": now.every, "enabled": now.enabled or now.result == DocumentSource.Result.STOPPED}
    form = SourceForm(given(request), initial=told)

    def act(data: dict[str, Any]) -> None:
        names = ("url", "every", "enabled")
        sources.set_source(found, **{name: data[name] for name in names}, by=request.user)

    if asking.carried_out(request, form, act):
        looks = form.cleaned_data["enabled"]
        return asking.finished(request, back=_page(request, found), said=_("Portico looks there now.") if looks else _("Saved. It is off."))
    context = {"form": form, "source": now, "version": found, "api": found.api}
    return render(request, "apis/source.html", context, status=form.http_status)


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def source_look(request: TenantRequest, api: str, version: str) -> HttpResponse:
    found = _source(api, version)
    question = asking.Question(
        title=_("Look at %(host)s now?") % {"host": found.host},
        says=_("If the document has changed, it becomes a revision. It is never made live by itself."),
        button=_("Look now"),
        back=_page(request, found.version),
        done=_("Portico looks there within seconds."),
    )
    return asking.ask(request, question, PageForm(given(request)), lambda _data: sources.look_now(found))


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def source_remove(request: TenantRequest, api: str, version: str) -> HttpResponse:
    found = _source(api, version)
    question = asking.Question(
        title=_("Look at %(host)s no more?") % {"host": found.host},
        says=_("The address is forgotten. Revisions that came from there stay."),
        button=_("Look no more"),
        back=_page(request, found.version),
        done=_("Portico looks there no more."),
        danger=True,
    )
    return asking.ask(request, question, PageForm(given(request)), lambda _data: sources.remove_source(found, by=request.user))


_PLACE = "t/<str:tenant>/console/apis/<str:api>/<str:version>/source/"
urlpatterns = [
    path(_PLACE, source, name="console-api-source"),
    path(f"{_PLACE}look/", source_look, name="console-api-source-look"),
    path(f"{_PLACE}remove/", source_remove, name="console-api-source-remove"),
]
