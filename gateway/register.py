"""What control writes down: nodes, what they loaded, acknowledged and refused. Plain functions on the database, called from threads."""

import hashlib
import hmac
import logging
import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import DatabaseError, transaction
from django.db.models import DateTimeField, Func, QuerySet
from django.db.models.functions import Now

from gateway import desired
from gateway.delivery import Kind, Newest, Outcome
from gateway.desired import RoutesRef
from gateway.envoy.paths import UnsupportedTemplate
from gateway.envoy.resources import compile_tenant
from gateway.models import COUNTED, ControlProcess, Deployment, GatewayNode, Loaded, Receipt
from tenants import events
from tenants.models import Event, EventCounter, Tenant
from tenants.scope import tenant_scope


class ClockTimestamp(Func):
    """PostgreSQL's clock at this moment; now() is the transaction's beginning."""

    function = "clock_timestamp"
    output_field = DateTimeField()


log = logging.getLogger(__name__)

# A gateway of before control was away for longer begins as a new one.
AWAY_AT_MOST = timedelta(hours=1)


def issue_node_token(name: str, *, address: str) -> str:
    """A new token for the gateway `name`, registering it if need be. Shown once; only its digest is kept, and the one before ends."""
    token = f"ptc_node_{secrets.token_urlsafe(32)}"
    with transaction.atomic():
        node, created = GatewayNode.objects.update_or_create(
            name=name, defaults={"token_sha256": _digest(token), "address": address, "revoked_at": None}
        )
        if created:
            events.record_platform("gateway.registered", node, by=None)
        events.record_platform("gateway.token_issued", node, by=None)
    return token


@dataclass(frozen=True, slots=True)
class NodeId:
    pk: UUID
    name: str


def authenticate(authorization: str, name: str) -> NodeId | None:
    """The node whose token this is, if it bears that name."""
    scheme, _, token = authorization.partition(" ")
    node = GatewayNode.objects.filter(name=name, revoked_at=None).first()
    if scheme.lower() != "bearer" or node is None or not hmac.compare_digest(node.token_sha256, _digest(token)):
        return None
    return NodeId(node.pk, node.name)


@transaction.atomic
def node_joined(node: NodeId, *, stream: UUID, address: str, version: str) -> None:
    """The gateway has a new stream, which is the one that counts from now on."""
    row = GatewayNode.objects.select_for_update().get(pk=node.pk)
    row.connected, row.stream, row.address, row.version, row.seen_at = True, stream, address, version, Now()
    row.counted_until = Now() + COUNTED
    row.save(update_fields=["connected", "stream", "address", "version", "seen_at", "counted_until"])
    events.record_platform("gateway.node_joined", row, by=None, version=version)


@transaction.atomic
def node_lost(node: NodeId, *, stream: UUID) -> None:
    """The stream has ended; if it was still the gateway's, the gateway is gone."""
    if GatewayNode.objects.filter(pk=node.pk, stream=stream).update(connected=False, stream=None):
        events.record_platform("gateway.node_lost", GatewayNode.objects.get(pk=node.pk), by=None)


def forget_loaded(node: NodeId, *, but: list[str]) -> None:
    """The gateway holds no tenant but these, by slug; it will load the newest of the others."""
    Loaded.objects.filter(node_id=node.pk).exclude(tenant__slug__in=but).delete()


@transaction.atomic
def heartbeat(process: UUID, streams: dict[UUID, UUID]) -> set[UUID]:
    """Streams by id, each with its gateway: returns those that are still their gateway's."""
    ControlProcess.objects.update_or_create(pk=process, defaults={"seen_at": Now()})
    mine = GatewayNode.objects.filter(stream__in=streams, revoked_at=None)
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


def newest_number(tenant_id: UUID) -> int:
    with tenant_scope(tenant_id):
        return EventCounter.objects.values_list("number", flat=True).get()


def newest(tenant_id: UUID, routes: RoutesRef | None = None) -> Newest:
    """Read and compile a tenant. Routes that can't be read or compiled are an answer like any other: access goes on without them.

    :raises DatabaseError: PostgreSQL does not answer. :raises Tenant.DoesNotExist: no such tenant.
    """
    try:
        wanted = desired.read(tenant_id, routes=routes)
        return Newest(wanted, compile_tenant(wanted.tenant))
    except (DatabaseError, Tenant.DoesNotExist):
        raise
    except UnsupportedTemplate as error:
        problem = str(error)
    except Exception as error:
        # An unreadable secret, say. What it says may name things that are not the tenant's to read.
        log.exception("The routes of tenant %s can't be compiled.", tenant_id)
        problem = f"Portico can't compile these routes ({type(error).__name__}); its operator finds more in control's log."
    return Newest(desired.read(tenant_id, routes=[]), None, problem)


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
    if Event.objects.filter(kind="gateway.rejected_config", subject_id=node.pk, data__digest=short).exists():
        return
    subject = GatewayNode(pk=node.pk, name=node.name)
    events.record("gateway.rejected_config", subject, by=None, digest=short, text=text[:1000])


def _rejections(node: NodeId) -> QuerySet[Event]:
    """What the node refused of the tenant in scope, newest first; older ones may be tried again."""
    return Event.objects.filter(kind="gateway.rejected_config", subject_id=node.pk).order_by("-number")[:50]


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
