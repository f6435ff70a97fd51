"""What gateways should have, held against the tables whatever the events say: rows that went or changed behind the app's back.

Every action records an event, and control follows events. What somebody did to the tables by hand has none, so it is looked for:
cheaply by marks of the rows, and, where those are others, by reading the tenant anew.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models.functions import Now

from gateway.desired import TOKEN_ENDS, TOKENS_LIVE
from gateway.envoy import state
from gateway.models import Drift, GatewayNode, Loaded, Orphan
from gateway.register import ClockTimestamp, NodeId
from tenants import events
from tenants.event_kinds import GATEWAY_KINDS
from tenants.models import AccountMail, Event, Tenant, User
from tenants.scope import current_tenant_id, tenant_scope

ALARM = "gateway_alarm"
# Operators get one mail for whatever is found within so long.
QUIET = timedelta(minutes=10)

# A row's version: PostgreSQL writes a new one with another `xmin` for each change, and a row that is gone is missing in the sum. Nothing
# of the rows themselves is read, so documents and routes cost nothing.
_VERSIONS = "SELECT count(*) || ' ' || coalesce(bit_xor(uuid_hash_extended(id, xmin::text::bigint)), 0) FROM {table} WHERE {mine}"
# Calls are added to it all the time; this is what gateways hear of.
_PERIODS = """SELECT count(*) || ' ' || coalesce(bit_xor(hash_record_extended(
    ROW(id, application_id, api_id, period, time_zone, starts, ends, refused_from, topped_up), 0)), 0) FROM {table} WHERE {mine}"""
_SPENT = """SELECT count(*) || ' ' || coalesce(bit_xor(hash_record_extended(
    ROW(id, application_id, api_id, period, time_zone, currency, starts, ends, refused_tokens, refused_amount, more_tokens, more_amount),
    0)), 0) FROM {table} WHERE {mine}"""
_MINE = "tenant_id = %(tenant)s"
TABLES: dict[str, str] = {
    "apis_api": _VERSIONS,
    "apis_apiversion": _VERSIONS,
    "apis_brownout": _VERSIONS,
    "apis_budgetuse": _SPENT,
    "apis_contentlogging": _VERSIONS,
    "apis_mcpserver": _VERSIONS,
    "apis_modelalias": _VERSIONS,
    "apis_operation": _VERSIONS,
    "apis_plan": _VERSIONS,
    "apis_provider": _VERSIONS,
    "apis_providerkey": _VERSIONS,
    "apis_quotause": _PERIODS,
    "apis_revision": _VERSIONS,
    "apis_subscription": _VERSIONS,
    "apis_tenantbudget": _VERSIONS,
    "apis_upstream": _VERSIONS,
    "gateway_apigroup": _VERSIONS,
    "gateway_domain": _VERSIONS,
    "gateway_logshipping": _VERSIONS,
    "gateway_orphan": _VERSIONS,
    "keys_application": _VERSIONS,
    "keys_credential": _VERSIONS,
    "keys_revokedtoken": _VERSIONS,
    "keys_signingkey": _VERSIONS,
    "tenants_tenant": _VERSIONS,
}
_MARKS = ", ".join(
    f"({text.format(table=table, mine='id = %(tenant)s' if table == 'tenants_tenant' else _MINE)}) AS {table}"
    for table, text in TABLES.items()
)
_ROUTES = (
    "apis_api", "apis_apiversion", "apis_brownout", "apis_contentlogging", "apis_mcpserver", "apis_modelalias", "apis_operation",
    "apis_provider", "apis_providerkey", "apis_revision", "apis_upstream", "gateway_apigroup", "keys_application",
)  # fmt: skip
# Which tables each part of a tenant's state is made of. What differs without them is the time: something ended by itself.
PARTS: dict[str, tuple[str, ...]] = {
    "subscriptions": ("apis_subscription", "apis_plan", "apis_quotause", "apis_budgetuse", "apis_tenantbudget", *_ROUTES),
    "api_keys": ("keys_credential", "keys_application"),
    "revoked": ("keys_credential", "keys_revokedtoken", "gateway_orphan"),
    "signing_keys": ("keys_signingkey",),
    "routes": _ROUTES,
    "tenant": ("tenants_tenant", "gateway_domain", "gateway_logshipping"),
}
# Of what is never deleted by the app: the events that make one, and where it stands.
_MADE = {
    Orphan.Kind.APPLICATION: (("application.created", "application.requested"), "keys_application"),
    Orphan.Kind.CREDENTIAL: (("credential.created",), "keys_credential"),
    Orphan.Kind.SUBSCRIPTION: (("subscription.requested", "subscription.added"), "apis_subscription"),
}
SWEPT = {"keys_revokedtoken", *(table for _kinds, table in _MADE.values())}
_GONE = """
    SELECT DISTINCT event.subject_id::text FROM tenants_event event
    WHERE event.tenant_id = %(tenant)s AND event.kind = ANY(%(kinds)s)
        AND NOT EXISTS (SELECT FROM {table} made WHERE made.tenant_id = %(tenant)s AND made.id = event.subject_id)
        AND NOT EXISTS (SELECT FROM gateway_orphan known
            WHERE known.tenant_id = %(tenant)s AND known.kind = %(kind)s AND known.name = event.subject_id::text)
    ORDER BY 1
"""
# A token's row goes by itself once the token has ended.
_GONE_TOKENS = """
    SELECT DISTINCT event.subject_name, (event.data->>'until')::timestamptz FROM tenants_event event
    WHERE event.tenant_id = %(tenant)s AND event.kind = 'token.revoked' AND event.at > now() - make_interval(secs => %(live)s)
        AND (event.data->>'until')::timestamptz > now()
        AND NOT EXISTS (SELECT FROM keys_revokedtoken made WHERE made.tenant_id = %(tenant)s AND made.jti = event.subject_name)
        AND NOT EXISTS (SELECT FROM gateway_orphan known
            WHERE known.tenant_id = %(tenant)s AND known.kind = 'token' AND known.name = event.subject_name)
    ORDER BY 1
"""

Marks = Mapping[str, str]
Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Marked:
    """A tenant's rows at one moment, by table, and the number of its last event."""

    number: int
    tables: Marks

    def changed(self, since: "Marked | None") -> set[str]:
        return {table for table, mark in self.tables.items() if since is None or since.tables.get(table) != mark}


@dataclass(frozen=True, slots=True)
class Found:
    """Drift: what no event explains, by part. `takes`: callers could do something that the database no longer holds."""

    parts: Mapping[str, Counts]
    takes: bool
    at: datetime | None = field(default=None, compare=False)


def marks(tenant_id: UUID) -> Marked:
    """One query, which reads no row's content."""
    with tenant_scope(tenant_id), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT (SELECT number FROM tenants_eventcounter WHERE {_MINE}), {_MARKS}",  # nosec B608  (names of ours)
            {"tenant": tenant_id},
        )
        number, *found = cursor.fetchone()
    return Marked(number, dict(zip(TABLES, found, strict=True)))


def sweep(tenant_id: UUID) -> Counts:
    """Find what events made and no row holds any more, and write down what gateways have to refuse for it. Counts what is new, by kind."""
    with tenant_scope(tenant_id):
        if not _gone():
            return {}
    with tenant_scope(tenant_id):
        events.lock()
        gone = _gone()
        Orphan.objects.bulk_create(
            Orphan(kind=kind, name=name, found_at=events.now(), until=until or events.now() + TOKENS_LIVE) for kind, name, until in gone
        )
    found: dict[str, int] = {}
    for kind, _name, _until in gone:
        found[str(kind)] = found.get(str(kind), 0) + 1
    return found


def _gone() -> list[tuple[Orphan.Kind, str, datetime | None]]:
    found: list[tuple[Orphan.Kind, str, datetime | None]] = []
    tenant_id = current_tenant_id()
    with connection.cursor() as cursor:
        for kind, (kinds, table) in _MADE.items():
            cursor.execute(_GONE.format(table=table), {"tenant": tenant_id, "kinds": list(kinds), "kind": str(kind)})
            found += [(kind, name, None) for (name,) in cursor.fetchall()]
        cursor.execute(_GONE_TOKENS, {"tenant": tenant_id, "live": TOKENS_LIVE.total_seconds()})
        found += [(Orphan.Kind.TOKEN, name, until + TOKEN_ENDS) for name, until in cursor.fetchall()]
    return found


def decided_between(tenant_id: UUID, after: int, up_to: int) -> bool:
    """Whether events say that gateways should have something else."""
    with tenant_scope(tenant_id):
        return Event.objects.filter(number__gt=after, number__lte=up_to, kind__in=list(GATEWAY_KINDS)).exists()


def difference(before: state.Tenant, after: state.Tenant, changed: set[str]) -> Found | None:
    """What a tenant's state has otherwise now, in the parts that the changed tables make; None where that is nothing."""
    parts, takes = {}, False
    for part, (was, now) in _sides(before, after).items():
        if was == now or not changed & set(PARTS[part]):
            continue
        gone, new = was.keys() - now.keys(), now.keys() - was.keys()
        others = {key for key in was.keys() & now.keys() if was[key] != now[key]}
        parts[part] = {name: len(keys) for name, keys in (("gone", gone), ("new", new), ("changed", others)) if keys}
        # Whatever passed may have been more than now; what was refused before could not be less.
        takes |= bool(new) if part == "revoked" else any(not getattr(was[key], "refusal", "") for key in gone | others)
    return Found(parts, takes) if parts else None


Side = Mapping[Hashable, Any]


def _sides(before: state.Tenant, after: state.Tenant) -> dict[str, tuple[Side, Side]]:
    sides = [_parts_of(each) for each in (before, after)]
    return {part: (sides[0][part], sides[1][part]) for part in PARTS}


def _parts_of(tenant: state.Tenant) -> dict[str, Side]:
    access = tenant.access
    versions: Sequence[state.Version | state.Retired] = (*(tenant.routes or ()), *tenant.retired)
    return {
        "subscriptions": {(each.api, each.client_id): each for each in access.grants},
        "api_keys": {each.id: each for each in access.api_keys},
        "revoked": dict.fromkeys((*access.revoked_credentials, *access.revoked_tokens)),
        "signing_keys": {key["kid"]: dict(key) for key in (*access.jwks, *access.api_key_jwks)},
        "routes": {(each.api, each.segment): each for each in versions},
        "tenant": {
            "state": (tenant.slug, tenant.suspended),
            "ceiling": tenant.max_calls,
            "logged": tenant.logged,
            **{("host", each.name): each for each in tenant.own_hosts},
        },
    }


# What is written down of it


def save_drift(node: NodeId, tenant_id: UUID, found: Found) -> None:
    """A gateway had what no event explains, and has acknowledged what is right: for the tenant, the platform, and who looks after both."""
    parts = {part: dict(counts) for part, counts in found.parts.items()}
    with tenant_scope(tenant_id):
        held = events.lock()
        subject, tenant = GatewayNode(pk=node.pk, name=node.name), Tenant.objects.get(pk=tenant_id)
        if not GatewayNode.objects.filter(pk=node.pk).exists():
            return
        said: dict[str, Any] = {"parts": parts, "takes": found.takes}
        events.record("gateway.drift_repaired", subject, by=None, **said)
        quiet = Drift.objects.filter(at__gt=held.now - QUIET).exists()
        Drift.objects.create(
            node_id=node.pk, tenant_id=tenant_id, parts=parts, takes=found.takes, found_at=found.at or held.now, at=ClockTimestamp()
        )
        if not quiet:
            _alarm(tenant, node)
        events.record_platform("gateway.drift_repaired", subject, by=None, tenant=tenant.slug, **said)


def _alarm(tenant: Tenant, node: NodeId) -> None:
    """A mail to every operator, whose page has the rest."""
    operators = User.objects.filter(is_staff=True, is_active=True, is_service=False).order_by("email").values_list("email", flat=True)
    AccountMail.objects.bulk_create(
        AccountMail(kind=ALARM, email=email, data={"tenant": tenant.name, "gateway": node.name}, at=Now()) for email in operators
    )


def save_open(node: NodeId, tenant_id: UUID) -> None:
    """The canary was let through. The tenant hears of it by what its gateway is refused; this is for operators."""
    with tenant_scope(tenant_id):
        events.lock()
        subject, tenant = GatewayNode(pk=node.pk, name=node.name), Tenant.objects.get(pk=tenant_id)
        _alarm(tenant, node)
        events.record_platform("gateway.stood_open", subject, by=None, tenant=tenant.slug)


def save_sight(node: NodeId, tenant_id: UUID, *, unreached: bool, stale: bool) -> None:
    """How a gateway answers its canary of the tenant, when that is other than before."""
    row = Loaded.objects.filter(node_id=node.pk, tenant_id=tenant_id).first()
    if row is None:
        return
    before = (row.unreached_since, row.stale_since)
    now = ClockTimestamp()
    row.unreached_since = (row.unreached_since or now) if unreached else None
    row.stale_since = (row.stale_since or now) if stale else None
    if stale and not before[1]:
        with tenant_scope(tenant_id):
            events.lock()
            subject, tenant = GatewayNode(pk=node.pk, name=node.name), Tenant.objects.get(pk=tenant_id)
            events.record("gateway.serves_other", subject, by=None)
            events.record_platform("gateway.serves_other", subject, by=None, tenant=tenant.slug)
            _alarm(tenant, node)
    row.save(update_fields=["unreached_since", "stale_since"])
