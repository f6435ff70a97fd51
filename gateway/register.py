"""What control writes down: nodes, what they loaded, acknowledged and refused. Plain functions on the database, called from threads."""

import hashlib
import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import DateTimeField, F, Func, Q, QuerySet
from django.db.models.functions import Extract, Now

from gateway import desired, nodes
from gateway.delivery import Kind, Newest, Outcome
from gateway.desired import RoutesRef
from gateway.envoy.paths import UnsupportedTemplate
from gateway.envoy.resources import Resource, compile_door, compile_tenant
from gateway.models import COUNTED, ControlProcess, Deployment, Domain, GatewayNode, Loaded, Receipt
from gateway.views import USUAL, View
from tenants import events
from tenants.models import Event, EventCounter, HostName, Tenant
from tenants.scope import current_tenant_id, tenant_scope


class ClockTimestamp(Func):
    """PostgreSQL's clock at this moment; now() is the transaction's beginning."""

    function = "clock_timestamp"
    output_field = DateTimeField()


log = logging.getLogger(__name__)

# A gateway of before control was away for longer begins as a new one.
AWAY_AT_MOST = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class NodeId:
    """`credential`: what it showed; its stream ends with it."""

    pk: UUID
    name: str
    credential: UUID | None = field(default=None, compare=False)


def authenticate(authorization: str, name: str) -> NodeId | None:
    """The node whose credential this is, if it bears that name."""
    scheme, _, token = authorization.partition(" ")
    found = nodes.authenticate(token, name)
    return NodeId(found[0], name, found[1]) if found is not None and scheme.lower() == "bearer" else None


@transaction.atomic
def version_refused(node: NodeId, version: str) -> None:
    """The node's Envoy is of a version that is not supported; told once for each."""
    nodes.lock()
    row = GatewayNode.objects.select_for_update().get(pk=node.pk)
    if row.refused_version != version:
        events.record_platform("gateway.version_refused", row, by=None, version=version)
    row.refused_version, row.refused_at = version, Now()
    row.save(update_fields=["refused_version", "refused_at"])


@transaction.atomic
def node_joined(node: NodeId, *, stream: UUID, address: str, version: str, control: UUID | None = None) -> None:
    """The gateway has a new stream, which is the one that counts from now on.

    :param control: the process that it has it with.
    """
    nodes.lock()
    row = GatewayNode.objects.select_for_update().get(pk=node.pk)
    row.connected, row.stream, row.address, row.version, row.seen_at = True, stream, address, version, Now()
    row.connected_at, row.control, row.credential_id = Now(), control, node.credential
    row.refused_version, row.refused_at, row.counted_until = "", None, Now() + COUNTED
    row.save(
        update_fields=[
            "connected", "stream", "address", "version", "seen_at", "connected_at", "control", "credential",
            "refused_version", "refused_at", "counted_until",
        ]
    )  # fmt: skip
    events.record_platform("gateway.node_joined", row, by=None, version=version)


@transaction.atomic
def node_lost(node: NodeId, *, stream: UUID) -> None:
    """The stream has ended; if it was still the gateway's, the gateway is gone."""
    nodes.lock()
    if GatewayNode.objects.filter(pk=node.pk, stream=stream).update(connected=False, stream=None):
        Loaded.objects.filter(node_id=node.pk).exclude(behind_since=None).update(behind_since=None)
        events.record_platform("gateway.node_lost", GatewayNode.objects.get(pk=node.pk), by=None)


def draining(streams: Collection[UUID]) -> dict[UUID, float | None]:
    """By stream, in how many seconds its gateway stops listening, less than none if that is past; None if it takes calls."""
    since = Extract(ClockTimestamp() - F("draining_at"), "epoch")
    rows = GatewayNode.objects.filter(stream__in=streams).annotate(since=since).values_list("stream", "since")
    return {stream: None if gone is None else settings.GATEWAY_DRAIN_GRACE - float(gone) for stream, gone in rows if stream is not None}


@transaction.atomic
def drained(node: NodeId, *, stream: UUID) -> None:
    """It has no connection left; receipts wait for it no more."""
    nodes.lock()
    due = GatewayNode.objects.filter(pk=node.pk, stream=stream, drained_at=None).exclude(draining_at=None)
    if due.update(drained_at=Now()):
        events.record_platform("gateway.drained", GatewayNode.objects.get(pk=node.pk), by=None)


def note_behind(node: NodeId, tenant_ids: Collection[UUID]) -> None:
    """These are the tenants of which the node has not acknowledged the newest, and no others."""
    rows = Loaded.objects.filter(node_id=node.pk)
    rows.filter(tenant_id__in=tenant_ids, behind_since=None).update(behind_since=Now())
    rows.exclude(tenant_id__in=tenant_ids).exclude(behind_since=None).update(behind_since=None)


def note_clock(node: UUID, ahead_ms: int) -> None:
    GatewayNode.objects.filter(pk=node).update(clock_ms=ahead_ms, clock_at=Now())


def forget_loaded(node: NodeId, *, but: list[str]) -> None:
    """The gateway holds no tenant but these, by slug; it will load the newest of the others."""
    # What it has asked for since it connected stays: this may be said late, after an outage.
    before = Loaded.objects.filter(node_id=node.pk, at__lt=F("node__connected_at"))
    before.exclude(tenant__slug__in=but).delete()


@transaction.atomic
def heartbeat(process: UUID, streams: dict[UUID, UUID]) -> set[UUID]:
    """Streams by id, each with its gateway: returns those that are still their gateway's, and whose credential still works."""
    ControlProcess.objects.update_or_create(pk=process, defaults={"seen_at": Now()})
    working = Q(credential__ends_at=None) | Q(credential__ends_at__gt=Now())
    mine = GatewayNode.objects.filter(working, stream__in=streams, revoked_at=None)
    mine.update(seen_at=Now(), connected=True, counted_until=Now() + COUNTED)
    return {stream for stream in mine.values_list("stream", flat=True) if stream is not None}


@transaction.atomic
def control_began() -> None:
    """Nobody looked while no control lived, so gateways that were there before have as long to come back as any that is lost."""
    if not ControlProcess.any_alive():
        lately = GatewayNode.objects.filter(revoked_at=None, counted_until__gt=Now() - AWAY_AT_MOST)
        lately.update(counted_until=Now() + COUNTED)


@transaction.atomic
def control_stopped(process: UUID) -> None:
    ControlProcess.objects.filter(pk=process).delete()


def tenants() -> dict[str, UUID]:
    """Every tenant's slug and id."""
    return dict(Tenant.objects.values_list("slug", "pk"))


def tenant_slug(tenant_id: UUID) -> str | None:
    return Tenant.objects.filter(pk=tenant_id).values_list("slug", flat=True).first()


def hosts(tenant_id: UUID | None = None) -> dict[str, UUID]:
    """The host names that are tenants' own, each with its tenant; of one tenant alone if it is given."""
    rows = HostName.objects.all() if tenant_id is None else HostName.objects.filter(tenant_id=tenant_id)
    return dict(rows.values_list("name", "tenant_id"))


def door(host: str, tenant_id: UUID) -> Resource | None:
    """The certificate that is served under a tenant's own host; None where there is none."""
    with tenant_scope(tenant_id):
        domain = Domain.objects.filter(name=host, verified_at__isnull=False).exclude(certificate="").first()
        return None if domain is None else compile_door(desired.own_host(domain))


def newest_number(tenant_id: UUID) -> int:
    with tenant_scope(tenant_id):
        return EventCounter.objects.values_list("number", flat=True).get()


def newest(tenant_id: UUID, routes: RoutesRef | None = None, view: View = USUAL) -> Newest:
    """Read and compile a tenant. Routes that can't be read or compiled are an answer like any other: access goes on without them.

    :raises DatabaseError: PostgreSQL does not answer. :raises Tenant.DoesNotExist: no such tenant.
    """
    try:
        wanted = desired.read(tenant_id, routes=routes, view=view)
        return Newest(wanted, compile_tenant(wanted.tenant))
    except (DatabaseError, Tenant.DoesNotExist):
        raise
    except UnsupportedTemplate as error:
        problem = str(error)
    except Exception as error:
        # An unreadable secret, say. What it says may name things that are not the tenant's to read.
        log.exception("The routes of tenant %s can't be compiled.", tenant_id)
        problem = f"Portico can't compile these routes ({type(error).__name__}); its operator finds more in control's log."
    return Newest(desired.read(tenant_id, routes=[], view=view), None, problem)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a tenant on a node from before."""

    good_routes: RoutesRef | None
    # Digests it refused, with its words.
    refused: dict[str, str]
    routes: int
    access: int


def tenant_loaded(node: NodeId, tenant_id: UUID) -> Standing:
    """The node asks for the tenant: from now on its acknowledgement is needed. Commits before anything is read for it."""
    with tenant_scope(tenant_id):
        Loaded.objects.update_or_create(node_id=node.pk, tenant_id=tenant_id, defaults={"at": Now()})
        row = Deployment.objects.filter(node_id=node.pk).first()
        last = Receipt.objects.filter(node_id=node.pk, tenant_id=tenant_id).order_by("-id").first()
        refused = {event.data["digest"]: event.data["text"] for event in _rejections(node)}
    return Standing(
        row.good_routes if row else None,
        refused,
        last.routes if last else 0,
        last.access if last else 0,
    )


def tenant_unloaded(node: NodeId, tenant_id: UUID) -> None:
    Loaded.objects.filter(node_id=node.pk, tenant_id=tenant_id).delete()


def save_outcome(node: NodeId, tenant_id: UUID, outcome: Outcome, *, routes: int, access: int) -> None:
    """The receipt, and how the node now stands to the tenant. Refusals are told once each."""
    with tenant_scope(tenant_id):
        if outcome.refusals:
            events.lock()
        Receipt.objects.create(
            node_id=node.pk,
            tenant_id=tenant_id,
            routes=routes,
            access=access,
            closed=outcome.offer.kind is Kind.CLOSED,
            at=ClockTimestamp(),
        )
        row = Deployment.objects.filter(node_id=node.pk).first() or Deployment(node_id=node.pk)
        before = (row.state, row.good_routes, row.parts, row.refused_digest)
        row.state, row.parts = Deployment.State(outcome.offer.kind), dict(outcome.offer.compiled.parts)
        if outcome.offer.routes_ref is not None:
            row.good_routes = outcome.offer.routes_ref
        if outcome.offer.kind is Kind.IN_STEP:
            row.refused_digest = row.refused_text = ""
            row.refused_at = None
        for digest, text in outcome.refusals:
            _refused(node, row, digest, text)
        if before != (row.state, row.good_routes, row.parts, row.refused_digest) or row._state.adding:  # noqa: SLF001
            row.save()


def save_refusal(node: NodeId, tenant_id: UUID, digest: str, text: str) -> None:
    """The gateway refused even the closed configuration, so it still has what it had."""
    with tenant_scope(tenant_id):
        events.lock()
        row = Deployment.objects.filter(node_id=node.pk).first() or Deployment(node_id=node.pk)
        _refused(node, row, digest, text)
        row.save()


def _refused(node: NodeId, row: Deployment, digest: str, text: str) -> None:
    """One event per gateway and digest, however often it is refused."""
    short = hashlib.sha256(digest.encode()).hexdigest() if len(digest) > 64 else digest
    row.refused_digest, row.refused_text, row.refused_at = short, text[:4000], events.now()
    _count_nack(node)
    if Event.objects.filter(kind="gateway.rejected_config", subject_id=node.pk, data__digest=short).exists():
        return
    subject = GatewayNode(pk=node.pk, name=node.name)
    events.record("gateway.rejected_config", subject, by=None, digest=short, text=text[:1000])


def _count_nack(node: NodeId) -> None:
    """For operators, who read no words of a tenant's."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO gateway_nack (node_id, tenant_id, many, at) VALUES (%s, %s, 1, %s)
               ON CONFLICT (tenant_id, node_id) DO UPDATE SET many = gateway_nack.many + 1, at = EXCLUDED.at""",
            [node.pk, current_tenant_id(), events.now()],
        )


def _rejections(node: NodeId) -> QuerySet[Event]:
    """What the node refused of the tenant in scope, newest first; older ones may be tried again."""
    return Event.objects.filter(kind="gateway.rejected_config", subject_id=node.pk).order_by("-number")[:50]
