"""Which tools a caller has: those switched on of live revisions, of APIs that it has subscribed to, as far as its plan and token go."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Now

from apis import tools
from apis.models import ApiVersion, McpServer, Operation, Revision, Subscription
from apis.policies import Policies
from apis.tools import Shape
from gateway.envoy import state
from gateway.envoy.credentials import is_within, requirement
from keys.models import Application
from tenants.middleware import tenant_id_of
from tenants.scope import tenant_scope

_UNCLEAR = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Place:
    """Whose tools are asked for: of one version, or, where `api` is "", of all that the caller has subscribed to."""

    tenant: str
    api: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    """`base`: what stands before the operation's path at the gateway."""

    name: str
    title: str
    description: str
    base: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class _Chosen:
    """`requirement`: as gateway.envoy.credentials has it."""

    name: str
    description: str
    requirement: str
    shape: Shape


def tools_for(place: Place, client_id: str, scopes: Collection[str] | None) -> list[Tool]:
    """In the order of APIs, versions and people's choice.

    :param scopes: of an access token; None of an API key.
    """
    tenant_id = tenant_id_of(place.tenant)
    if tenant_id is None:
        return []
    with tenant_scope(tenant_id, snapshot=True):
        return list(_tools(place, _subscribed(client_id), scopes))


def _subscribed(client_id: str) -> dict[UUID, Sequence[str]]:
    """The APIs that are open to it, each with the scopes that its plan includes; none for all."""
    rows = Subscription.objects.filter(application__client_id=client_id, status=Subscription.Status.ACTIVE)
    rows = rows.exclude(application__status__in=[Application.Status.SUSPENDED, Application.Status.DELETED])
    rows = rows.filter(Q(starts_at=None) | Q(starts_at__lte=Now()), Q(ends_at=None) | Q(ends_at__gt=Now()))
    return dict(rows.values_list("api_id", "plan__scopes"))


def _tools(place: Place, subscribed: dict[UUID, Sequence[str]], scopes: Collection[str] | None) -> Iterator[Tool]:
    rows = McpServer.objects.filter(enabled=True, version__api__in=subscribed, version__live_revision__isnull=False)
    rows = rows.filter(version__status__in=[each for each in ApiVersion.OFFERED if each != ApiVersion.Status.BLOCKED])
    if place.api:
        rows = rows.filter(version__api__slug=place.api, version__name=place.version)
    told = ("tools", "version__name", "version__live_revision_id", "version__api_id", "version__api__slug", "version__api__policies")
    for chosen, version, revision, api_id, api, policies in rows.order_by("version__api__slug", "version_id").values_list(*told):
        held = Policies.of(policies)
        if held.ip_allow or held.ip_deny:
            continue
        for each in _of_revision(revision, tuple((one["operation"], one["name"], one["description"]) for one in chosen)):
            if _reaches(each.requirement, subscribed[api_id], scopes):
                name = each.name if place.api else _of_all(api, version, each.name)
                title = f"{each.shape.method} {each.shape.path}"
                yield Tool(name, title, each.description, f"/{place.tenant}/{api}/{version}", each.shape)


def _reaches(needed: str, plan: Sequence[str], scopes: Collection[str] | None) -> bool:
    if not needed:
        return True
    return (not plan or is_within(needed, plan)) and (scopes is None or is_within(needed, scopes))


def _of_all(api: str, version: str, name: str) -> str:
    """Unlike that of any other API's tool, and no longer than clients take."""
    whole = f"{api}_{_UNCLEAR.sub('-', version)}_{name}"
    if len(whole) <= tools.MOST_NAME:
        return whole
    return f"{whole[: tools.MOST_NAME - 9]}_{sha256(f'{api} {version} {name}'.encode()).hexdigest()[:8]}"


# A revision never changes, and reading a document takes longer than a caller waits. Whoever has a revision may know what it holds.
@lru_cache(maxsize=256)
def _of_revision(revision_id: UUID, chosen: tuple[tuple[str, str, str], ...]) -> tuple[_Chosen, ...]:
    revision = Revision.objects.defer("document", "outline", "findings", "answers").get(pk=revision_id)
    rows = Operation.objects.filter(revision=revision)
    operations = {each.operation_id: each for each in rows.filter(operation_id__in=[operation for operation, _, _ in chosen])}
    # Where an operation of its own would be called, there are no tools.
    if any(map(tools.stands_in_the_way, rows.values_list("path", flat=True))):
        return ()
    documents: dict[str, dict[str, Any]] = {}
    found = []
    for operation_id, name, description in chosen:
        operation = operations.get(operation_id)
        if operation is None:
            continue
        if operation.path not in documents:
            documents[operation.path] = revision.about(operation.path)
        shape = tools.shape(documents[operation.path], method=operation.method, path=operation.path)
        if shape is not None:
            scopes = state.Operation(operation_id, operation.method, operation.path, tuple(map(tuple, operation.scopes)))
            found.append(_Chosen(name, description or shape.description or str(operation), requirement(scopes), shape))
    return tuple(found)
