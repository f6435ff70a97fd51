"""Tools for agents: which operations of a version they may use, under what names; and how developers tell an agent of them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from django import forms
from django.forms import BoundField
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from apis import tools
from apis.actions import mcp_servers
from apis.models import LIVE_LARGE, ApiVersion, McpServer, Operation
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.apis import address_of, api_page
from tenants.access import TenantRequest, tenant_view
from tenants.models import Event

# Of a version with more, the page shows these and the ones that were chosen; REST takes any.
SHOWN = 200


@dataclass(frozen=True, slots=True)
class Row:
    """An operation of the form; `operation`: None where the live revision has it no more."""

    operation_id: str
    operation: Operation | None
    chosen: BoundField
    name: BoundField
    description: BoundField

    @property
    def is_gone(self) -> bool:
        return self.operation is None

    @property
    def is_open(self) -> bool:
        """Whether its name and description have something to show."""
        return bool(self.name.errors or self.description.errors or self.name.value() or self.description.value())


class ToolsForm(PageForm):
    """`seen`: what was there when the page was made."""

    seen = forms.CharField(widget=forms.HiddenInput, required=False, max_length=16)
    enabled = forms.BooleanField(required=False, label=gettext_lazy("Agents may use these tools"))

    def __init__(self, *args: Any, operations: Sequence[Operation], server: McpServer | None, **kwargs: Any) -> None:
        chosen = mcp_servers.tools_of(server, operations)
        self.known: dict[str, Operation | None] = {each.operation_id: each.operation for each in chosen}
        kept = {each.operation_id: each for each in chosen}
        for each in operations:
            if len(self.known) < SHOWN:
                self.known[each.operation_id] = each
        more: dict[str, forms.Field] = {}
        initial: dict[str, Any] = {"seen": mcp_servers.stamp(server), "enabled": server.enabled if server else False}
        for operation_id, operation in self.known.items():
            key, tool = _key(operation_id), kept.get(operation_id)
            label = str(operation) if operation else operation_id
            more[f"on_{key}"] = forms.BooleanField(required=False, label=label, help_text=operation.summary if operation else "")
            more[f"name_{key}"] = Text(
                most=200, empty=True, label=_("Name"), help_text=_("Empty for %(name)s.") % {"name": tools.name_of(operation_id)}
            )
            more[f"says_{key}"] = Text(
                most=2 * tools.MOST_DESCRIPTION,
                lines=3,
                empty=True,
                label=_("Description"),
                help_text=_("Agents choose by it. Empty for the one of the document."),
            )
            if tool:
                shown = "" if tool.name == tools.name_of(operation_id) else tool.name
                initial |= {f"on_{key}": True, f"name_{key}": shown, f"says_{key}": tool.description}
        super().__init__(*args, more=more, initial=initial, **kwargs)

    def clean(self) -> dict[str, Any]:
        """What is wrong with a tool stands at it: there may be two hundred. Whatever is not chosen may be called as it will."""
        typed: dict[str, Any] = self.cleaned_data
        super().clean()
        taken: list[str] = []
        for operation_id in self.known:
            key = _key(operation_id)
            if not typed.get(f"on_{key}") or f"name_{key}" in self.errors:
                continue
            name = typed[f"name_{key}"].strip() or tools.name_of(operation_id)
            if wrong := mcp_servers.wrong_name(name, taken):
                self.add_error(f"name_{key}", wrong)
            taken.append(name)
            if len(typed.get(f"says_{key}", "").strip()) > tools.MOST_DESCRIPTION:
                said = _("A description has at most %(most)s characters.")
                self.add_error(f"says_{key}", said % {"most": tools.MOST_DESCRIPTION})
        return typed

    def rows(self) -> Iterator[Row]:
        for operation_id, operation in self.known.items():
            key = _key(operation_id)
            yield Row(operation_id, operation, self[f"on_{key}"], self[f"name_{key}"], self[f"says_{key}"])

    def chosen(self, typed: dict[str, Any]) -> list[dict[str, str]]:
        """As the action takes them."""
        found = ((operation_id, _key(operation_id)) for operation_id in self.known)
        return [
            {"operation": operation_id, "name": typed[f"name_{key}"], "description": typed[f"says_{key}"]}
            for operation_id, key in found
            if typed[f"on_{key}"]
        ]


def _key(operation_id: str) -> str:
    """In the name of a field: an operation may be called like what a form never gives back."""
    return sha256(operation_id.encode()).hexdigest()[:12]


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def version_tools(request: TenantRequest, api: str, version: str) -> HttpResponse:
    rows = ApiVersion.objects.select_related("api", "live_revision").defer(*LIVE_LARGE)
    found: ApiVersion = get_object_or_404(rows, api__slug=api, name=version)
    server, operations = mcp_servers.of(found), mcp_servers.operations_of(found)
    form = ToolsForm(given(request), operations=operations, server=server)

    def change(typed: dict[str, Any]) -> Event | None:
        return mcp_servers.put(found, enabled=typed["enabled"], chosen=form.chosen(typed), by=request.user, seen=typed["seen"] or None)

    if done := asking.carried_out(request, form, change):
        on = _("Agents may use the tools of %(version)s.") if form.cleaned_data["enabled"] else _("Agents have no tools of %(version)s.")
        said = on % {"version": found} if done.result else _("Nothing was changed.")
        return asking.finished(request, back=api_page(request, found.api, found.name), said=said, event=done.result)
    context = {
        "form": form,
        "api": found.api,
        "version": found,
        "operations": operations,
        "left_out": len(operations) - sum(1 for each in form.known.values() if each is not None),
        "most": tools.MOST,
        "in_the_way": mcp_servers.in_the_way(found, operations),
        "url": address_of(request, found) + tools.PATH,
        "enabled": server is not None and server.enabled,
    }
    return render(request, "apis/tools.html", context, status=form.http_status)


def for_agents(version: ApiVersion, at: str) -> dict[str, Any]:
    """How an agent is told of a version's tools, where it has some, and of those of all APIs.

    :param at: the version's address at the gateway.
    """
    server = mcp_servers.of(version)
    if server is None or not server.enabled:
        return {}
    operations = mcp_servers.operations_of(version)
    names = [each.name for each in mcp_servers.tools_of(server, operations) if each.operation]
    if not names or mcp_servers.in_the_way(version, operations):
        return {}
    base = at.removesuffix(f"/{version.api.slug}/{quote(version.name)}")
    return {"url": at + tools.PATH, "all_url": base + tools.PATH, "names": names, "snippet": snippet(version.api.slug, at + tools.PATH)}


def snippet(name: str, url: str) -> str:
    """As many agents take it. The key comes from their environment, and stands in no address."""
    server = {"type": "http", "url": url, "headers": {"Authorization": "Bearer ${PORTICO_API_KEY}"}}
    return json.dumps({"mcpServers": {name: server}}, indent=2)


urlpatterns = [
    path("t/<str:tenant>/console/apis/<str:api>/versions/<str:version>/tools/", version_tools, name="console-api-version-tools"),
]
