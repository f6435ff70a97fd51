"""Groups of gateways: operators make them and place gateways, publishers say which of them serve an API."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from apis.models import Api
from gateway import groups, placing
from gateway.groups import MAX_DESCRIPTION, MAX_NAME, MAX_URL
from gateway.models import DEFAULT_NAME, GatewayGroup, GatewayNode
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.apis import api_page
from portal.pages.asking import Question, ask, carried_out, finished
from tenants.access import TenantRequest, operator_view, tenant_view
from tenants.models import Event, User

ALL, SOME = "all", "some"


class GroupForm(PageForm):
    name = Text(most=MAX_NAME, label=gettext_lazy("Name"), help_text=gettext_lazy("Lower-case letters, digits and hyphens, such as eu."))
    description = Text(most=MAX_DESCRIPTION, empty=True, label=gettext_lazy("Description"), help_text=gettext_lazy("Publishers read it."))
    url = Text(
        most=MAX_URL,
        empty=True,
        label=gettext_lazy("Address"),
        help_text=gettext_lazy("Where callers reach these gateways, such as https://eu.gw.example. Empty for the one that all share."),
    )


class GroupChangeForm(GroupForm):
    used_by = forms.ChoiceField(
        choices=[(ALL, gettext_lazy("Every tenant")), (SOME, gettext_lazy("These tenants alone"))],
        widget=forms.RadioSelect,
        label=gettext_lazy("Who may use it"),
    )
    tenants = Text(most=20_000, lines=4, empty=True, label=gettext_lazy("Tenants"), help_text=gettext_lazy("One in a line, such as acme."))

    def clean_tenants(self) -> list[str]:
        typed: str = self.cleaned_data["tenants"]
        return typed.replace(",", "\n").split()


@dataclass(frozen=True, slots=True)
class Row:
    group: GatewayGroup
    gateways: list[str]
    tenants: list[str]


@operator_view
@require_safe
def listed(request: HttpRequest) -> HttpResponse:
    """The groups, and which gateways are in which."""
    found = GatewayGroup.objects.prefetch_related("tenants__tenant")
    nodes = list(GatewayNode.objects.filter(revoked_at=None).order_by("name").prefetch_related("groups__group"))
    placed = [(node, sorted(each.group.name for each in node.groups.all()) or [DEFAULT_NAME]) for node in nodes]
    rows = [
        Row(each, [node.name for node, names in placed if each.name in names], sorted(one.tenant.slug for one in each.tenants.all()))
        for each in found
    ]
    return render(request, "platform/gateway_groups.html", {"rows": rows, "placed": placed})


@operator_view
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    form = GroupForm(given(request))
    if done := carried_out(request, form, lambda typed: groups.create(**_fields(typed), by=_operator(request))):
        return finished(request, back=reverse("platform-gateway-groups"), said=_("The group %(name)s is made.") % {"name": done.result})
    return _changing(request, form, _("New group"), button=_("Make it"))


@operator_view
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, pk: UUID) -> HttpResponse:
    found = get_object_or_404(GatewayGroup, pk=pk)
    slugs = sorted(each.tenant.slug for each in found.tenants.select_related("tenant"))
    now = {"name": found.name, "description": found.description, "url": found.url, "used_by": ALL if found.for_all else SOME}
    form = GroupChangeForm(given(request), initial={**now, "tenants": "\n".join(slugs)})

    def change(typed: dict[str, Any]) -> object:
        told = {**_fields(typed), "for_all": typed["used_by"] == ALL, "tenants": typed["tenants"]}
        return groups.change(found, told, by=_operator(request))

    if done := carried_out(request, form, change):
        said = _("The group %(name)s is changed.") % {"name": found} if done.result else _("Nothing was changed.")
        return finished(request, back=reverse("platform-gateway-groups"), said=said)
    return _changing(request, form, _("Group %(name)s") % {"name": found}, button=_("Save"))


@operator_view
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    found = get_object_or_404(GatewayGroup, pk=pk)
    question = Question(
        title=_("Delete the group %(name)s?") % {"name": found},
        says=_("Only a group in which there is no gateway and no API can be deleted."),
        button=_("Delete"),
        back=reverse("platform-gateway-groups"),
        done=_("The group %(name)s is deleted.") % {"name": found},
        danger=True,
    )

    def act(_data: dict[str, Any]) -> None:
        groups.delete(found, by=_operator(request))

    return ask(request, question, PageForm(given(request)), act)


class PlaceForm(PageForm):
    groups = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label=gettext_lazy("Groups"),
        error_messages={"invalid_choice": gettext_lazy("Choose from these groups.")},
    )

    def __init__(self, *args: Any, known: Iterable[GatewayGroup], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(each.name, each.told) for each in known]
        self.fields["groups"].choices = choices  # type: ignore[attr-defined]


@operator_view
@require_http_methods(["GET", "HEAD", "POST"])
def place_gateway(request: HttpRequest, pk: UUID) -> HttpResponse:
    found = get_object_or_404(GatewayNode, pk=pk, revoked_at=None)
    known = {each.name: each for each in GatewayGroup.objects.all()}
    form = PlaceForm(given(request), known=known.values(), initial={"groups": placing.groups_of_gateway(found)})

    def change(typed: dict[str, Any]) -> object:
        return groups.place_gateway(found, [known[name] for name in typed["groups"]], by=_operator(request))

    if done := carried_out(request, form, change):
        said = _("%(gateway)s is in other groups now.") % {"gateway": found} if done.result else _("Nothing was changed.")
        return finished(request, back=reverse("platform-gateway-groups"), said=said)
    return _changing(request, form, _("Groups of %(gateway)s") % {"gateway": found}, button=_("Save"))


def _changing(request: HttpRequest, form: PageForm, title: str, *, button: str) -> HttpResponse:
    return render(request, "platform/gateway_group.html", {"form": form, "title": title, "button": button}, status=form.http_status)


def _fields(typed: dict[str, Any]) -> dict[str, Any]:
    return {name: typed[name] for name in ("name", "description", "url")}


def _operator(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def console_api_gateways(request: TenantRequest, api: str) -> HttpResponse:
    """Which groups of gateways serve an API."""
    found: Api = get_object_or_404(Api.objects, slug=api)
    now = groups.groups_of_api(found)
    # What it is in, it may stay in.
    known = groups.usable() | GatewayGroup.objects.filter(name__in=now)
    form = PlaceForm(given(request), known=known.order_by("name"), initial={"groups": now})
    form.fields["groups"].help_text = _("Other gateways answer its calls as if there were no such API. It needs one group at least.")

    def change(typed: dict[str, Any]) -> Event | None:
        return groups.place_api(found, typed["groups"], by=request.user)

    if done := asking.carried_out(request, form, change):
        said = _("Other gateways serve %(api)s now.") % {"api": found} if done.result else _("Nothing was changed.")
        return asking.finished(request, back=api_page(request, found), said=said, event=done.result)
    context = {"form": form, "api": found, "title": _("Gateways of %(name)s") % {"name": found.name}, "here": _("Gateways")}
    return render(request, "apis/change.html", context, status=form.http_status)


urlpatterns = [
    path("platform/gateway-groups/", listed, name="platform-gateway-groups"),
    path("platform/gateway-groups/new/", new, name="platform-gateway-group-new"),
    path("platform/gateway-groups/<uuid:pk>/", edit, name="platform-gateway-group-edit"),
    path("platform/gateway-groups/<uuid:pk>/delete/", delete, name="platform-gateway-group-delete"),
    path("platform/gateways/<uuid:pk>/groups/", place_gateway, name="platform-gateway-place"),
    path("t/<str:tenant>/console/apis/<str:api>/gateways/", console_api_gateways, name="console-api-gateways"),
]
