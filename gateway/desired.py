"""What gateways should enforce for a tenant, read in one consistent snapshot together with the event it is true for."""

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Case, Exists, OuterRef, Value, When
from django.db.models.functions import Now

from apis import origins, upstreams
from apis.actions import testing
from apis.balancing import Balancing
from apis.budgets import Budget
from apis.models import (
    Api,
    ApiVersion,
    BrownOut,
    BudgetUse,
    McpServer,
    Operation,
    Plan,
    QuotaUse,
    Revision,
    Subscription,
    TenantBudget,
    Upstream,
)
from apis.policies import Policies
from gateway import desired_ai, desired_mcp, rare
from gateway.envoy import state
from gateway.models import Domain, LogShipping, Orphan
from gateway.rare import Rare
from gateway.views import ALL, USUAL, Shown, View, shown
from keys import tokens
from keys.envelope import Unavailable, Unreadable, unseal
from keys.kek import kek
from keys.models import Application, Credential, RevokedToken, SigningKey
from tenants.models import Tenant
from tenants.scope import tenant_scope

log = logging.getLogger(__name__)

ANY = Rare()

# A credential that has ended is denied for as long as a token that it earned may live, with the gateway's allowances; a revoked token
# until nobody's clock takes it any more.
TOKENS_LIVE = timedelta(seconds=tokens.MAX_LIFETIME + 120)
TOKEN_ENDS = timedelta(seconds=65)

# The live revisions as JSON: [{"version": id, "revision": id, "addresses": {upstream id: [address]}, "cors": [origin],
# "policies": {…}}], what Deployment.good_routes keeps; those that are open for tests have "tested": true beside it, and those whose
# upstream has further targets "further_addresses": {upstream id: [[address]]}. Of an AI API "ai" has those of its providers:
# {provider id: [address]}.
RoutesRef = list[dict[str, Any]]
_OF_API = ("api__cors_origins", "api__policies")
# What an application that tries a revision without a subscription calls under.
_TRYING = "test"

_REFUSALS: dict[str, str] = {
    Subscription.Status.PENDING: "SUBSCRIPTION_PENDING",
    Subscription.Status.SUSPENDED: "SUBSCRIPTION_SUSPENDED",
    Subscription.Status.REJECTED: "SUBSCRIPTION_REJECTED",
    Subscription.Status.CANCELLED: "SUBSCRIPTION_CANCELLED",
    Subscription.Status.EXPIRED: "SUBSCRIPTION_EXPIRED",
}
_SUSPENDED = "APPLICATION_SUSPENDED"
_QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
_TOO_OLD = "GATEWAY_TOO_OLD"
_BUDGET_EXCEEDED = "BUDGET_EXCEEDED"
_OVER, _TO_START = "SUBSCRIPTION_EXPIRED", "SUBSCRIPTION_NOT_STARTED"


@dataclass(frozen=True, slots=True)
class Desired:
    """`tenant` is true up to event `number`; `routes_ref` names what its routes were made from."""

    tenant: state.Tenant
    number: int
    routes_ref: RoutesRef


def read(tenant_id: UUID, *, routes: RoutesRef | None = None, view: View = USUAL) -> Desired:
    """The tenant's desired state now.

    :param routes: an earlier `routes_ref` whose routes to serve, instead of the live revisions, with today's access.
    :param view: the gateways' that are asked about: nothing of an API is there that they don't serve.
    :raises Tenant.DoesNotExist: no such tenant.
    """
    with tenant_scope(tenant_id, snapshot=True):
        tenant = Tenant.objects.get(pk=tenant_id)
        number, has = rare.read(tenant_id)
        there = shown(view, placed=has.placed)
        ref = live(there, has=has) if routes is None else routes
        found, many = _routes(ref, there, has=has), gateways_connected(view)
        if not view.serves_ai:
            found = tuple(replace(each, ai=None, refusal=each.refusal or _TOO_OLD) if each.ai else each for each in found)
        # Of an earlier revision nobody knows here whether another is tried.
        trying = routes is not None or any(_is_tested(item) for item in ref)
        access, retired = _access(there, trying=trying, has=has), _retired(there) if has.retired else ()
        own = _own_hosts(there) if has.domains else ()
        whole = _tenant(tenant, access=access, routes=found, retired=retired, hosts=view.hosts, own_hosts=own, gateways=many)
        whole = desired_mcp.with_tools(replace(whole, logged=_logged(there) if has.logs else state.Logged()))
    return Desired(whole, number, ref)


def part(tenant: Tenant, item: dict[str, Any]) -> state.Tenant | None:
    """Of the tenant in scope only what one item of a `RoutesRef` names, without secrets, and without whom calls are granted to.

    None where nobody may call it any more.
    """
    routes = _routes([item], secrets=False)
    access = state.Access(**_jwks(), grants=(), api_keys=(), revoked_credentials=(), revoked_tokens=())
    return _tenant(tenant, access=access, routes=routes, retired=(), own_hosts=_own_hosts()) if routes else None


def _tenant(
    tenant: Tenant,
    *,
    access: state.Access,
    routes: tuple[state.Version, ...],
    retired: tuple[state.Retired, ...],
    hosts: tuple[str, ...] = (),
    own_hosts: tuple[state.OwnHost, ...] = (),
    gateways: int = 1,
) -> state.Tenant:
    return state.Tenant(
        slug=tenant.slug,
        issuer=tokens.issuer(settings.PORTAL_URL, tenant.slug),
        audience=tokens.audience(settings.GATEWAY_URL, tenant.slug),
        hosts=tuple(sorted({*settings.GATEWAY_HOSTS, *hosts})),
        access=access,
        routes=routes,
        suspended=tenant.status != Tenant.Status.ACTIVE,
        retired=retired,
        portal=origins.of_address(settings.PORTAL_URL),
        own_hosts=own_hosts,
        gateways=gateways,
        max_calls=tenant.ceiling,
    )


# Written out, as gateway.rare is: it is asked with each decision. One that has drained takes no calls.
_CONNECTED = """
    SELECT count(*) FILTER (WHERE counted_until > statement_timestamp()), count(*) FILTER (WHERE connected)
    FROM gateway_gatewaynode node
    WHERE revoked_at IS NULL AND drained_at IS NULL AND (
        EXISTS (SELECT FROM gateway_groupednode placed WHERE placed.node_id = node.id AND placed.group_id = ANY(%(groups)s))
        OR %(serves_all)s AND NOT EXISTS (SELECT FROM gateway_groupednode placed WHERE placed.node_id = node.id))"""


def gateways_connected(view: View = USUAL) -> int:
    """Among how many gateways each limit is divided: those of the view's groups that take calls. One that was lost counts for half a minute
    more, for it may come back."""
    with connection.cursor() as cursor:
        cursor.execute(_CONNECTED, {"groups": list(view.groups), "serves_all": view.serves_all})
        counted, there = cursor.fetchone()
    # While nobody could say that they live, those that were there.
    return max(counted or there, 1)


def _own_hosts(there: Shown = ALL) -> tuple[state.OwnHost, ...]:
    if there.nothing:
        # Where the tenant may not be called, its private keys are not either.
        return ()
    return tuple(_if_readable(each) for each in Domain.objects.filter(verified_at__isnull=False).order_by("name"))


def _if_readable(domain: Domain) -> state.OwnHost:
    """A key that can't be read now must not hold up what takes access away: gateways go on with the certificate that they have."""
    try:
        return own_host(domain)
    except (Unreadable, Unavailable) as error:
        log.warning("The key of the domain %s can't be read: %s", domain.name, error)
        return state.OwnHost(domain.name, tokens.own_audience(domain.name, settings.GATEWAY_TLS_PUBLIC_PORT))


def own_host(domain: Domain) -> state.OwnHost:
    key = unseal(domain.sealed_key, domain.sealed_key_for, kek()) if domain.sealed_key else b""
    return state.OwnHost(domain.name, tokens.own_audience(domain.name, settings.GATEWAY_TLS_PUBLIC_PORT), domain.certificate, key)


def _logged(there: Shown = ALL) -> state.Logged:
    """The headers that the logs of some API have. Masked are those that every API which names them masks."""
    named: dict[str, list[bool]] = {}
    request, response = set(), set()
    for row in LogShipping.objects.filter(enabled=True):
        if not there.has(row.api_id):
            continue
        # A field that nobody chose is not told.
        mine = row.request_headers if "request_headers" in row.fields else []
        answers = row.response_headers if "response_headers" in row.fields else []
        request |= set(mine)
        response |= set(answers)
        for name in {*mine, *answers}:
            named.setdefault(name, []).append(name in row.masked_headers)
    masked = (name for name, said in named.items() if all(said))
    return state.Logged(tuple(sorted(request)), tuple(sorted(response)), tuple(sorted(masked)))


def live(there: Shown = ALL, *, has: Rare = ANY) -> RoutesRef:
    """The live revisions, then those that are tried; of the APIs that are there."""
    live = (
        ApiVersion.objects.offered()
        .filter(live_revision__isnull=False)
        .order_by("id")
        .values_list("api", "pk", "live_revision_id", "live_revision__upstream_id", *_addresses("live_revision__"), *_OF_API)
    )
    of_api = (f"version__{name}" for name in _OF_API)
    open_ones = Revision.objects.open_for_tests().order_by("id")
    tested = open_ones.values_list("version__api", "version", "pk", "upstream", *_addresses(), *of_api)
    found = [
        *(_ref(row) for api, *row in live if there.has(api)),
        *({**_ref(row), "tested": True} for api, *row in (tested if has.tested else ()) if there.has(api)),
    ]
    return _with_providers(found)


def _with_providers(found: RoutesRef) -> RoutesRef:
    """Beside the revisions of AI APIs, where their providers lie."""
    plain = [item["revision"] for item in found if not item["addresses"]]
    offered: dict[str, Any] = (
        {str(pk): ai for pk, ai in Revision.objects.filter(pk__in=plain, ai__isnull=False).values_list("pk", "ai")} if plain else {}
    )
    if not offered:
        return found
    used = dict(zip(offered, desired_ai.used(offered.values(), desired_ai.Providers.read()), strict=True))
    return [{**item, "ai": used[item["revision"]]} if item["revision"] in used else item for item in found]


def _addresses(of: str = "") -> tuple[str, str]:
    return f"{of}upstream__addresses", f"{of}upstream__further_addresses"


def _ref(row: Sequence[Any]) -> dict[str, Any]:
    version, revision, upstream, addresses, further, cors, policies = row
    return {
        "version": str(version),
        "revision": str(revision),
        "addresses": {str(upstream): sorted(addresses)} if upstream else {},
        "cors": sorted(cors),
        "policies": policies,
        **({"further_addresses": {str(upstream): [sorted(each) for each in further]}} if further else {}),
    }


def _is_tested(item: Mapping[str, Any]) -> bool:
    return bool(item.get("tested", False))


def _routes(ref: RoutesRef, there: Shown = ALL, *, secrets: bool = True, has: Rare = ANY) -> tuple[state.Version, ...]:
    """Of earlier revisions, too, what became of their versions is as it is today: what was taken from callers is not given back. Nor is
    more told of their calls than today.

    :param secrets: whether to open what upstreams are told.
    """
    found_revisions = Revision.objects.filter(pk__in=[item["revision"] for item in ref])
    found_revisions = found_revisions.select_related("version__api", "version__successor", "upstream")
    tools = McpServer.objects.filter(version=OuterRef("version_id"), enabled=True)
    found_revisions = found_revisions.defer("document", "outline", "findings").annotate(has_tools=Exists(tools))
    # With `has_tools`, which the model does not know.
    revisions: dict[str, Any] = {str(revision.pk): revision for revision in found_revisions}
    open_ones = set(Revision.objects.open_for_tests().values_list("pk", flat=True)) if any(map(_is_tested, ref)) else set()
    running = BrownOut.objects.filter(status=BrownOut.Status.RUNNING)
    browned_out = set(running.values_list("version", flat=True)) if has.brown_outs else set()
    operations: dict[str, list[state.Operation]] = {pk: [] for pk in revisions}
    rows = Operation.objects.filter(revision__in=list(revisions)).values_list("revision_id", "operation_id", "method", "path", "scopes")
    for revision_id, operation_id, method, path, scopes in rows:
        answer = _answer(revisions[str(revision_id)], f"{method} {path}")
        operations[str(revision_id)].append(state.Operation(operation_id, method, path, tuple(map(tuple, scopes)), answer))
    any_ai = any(revision.is_ai for revision in revisions.values())
    providers, contents = (desired_ai.Providers.read(), desired_ai.contents()) if any_ai else (desired_ai.Providers(), {})
    found = []
    for item in ref:
        revision, tested = revisions.get(item["revision"]), _is_tested(item)
        if revision is None or not (revision.pk in open_ones if tested else revision.version.status in ApiVersion.OFFERED):
            continue
        if not there.has(revision.version.api_id):
            continue
        place, policies = revision.upstream, _policies(item.get("policies", {}), revision.version.api)
        percent = policies.retry_percent if policies.retries else 0
        # What is tried is nobody's use of the API, to which they agreed.
        content = None if tested else contents.get(revision.version.api_id)
        found.append(
            state.Version(
                api=revision.version.api.slug,
                name=revision.version.name,
                upstream=_upstream(place, item, retry_percent=percent, secrets=secrets) if place else None,
                operations=tuple(sorted(operations[item["revision"]], key=lambda each: (each.path, each.method))),
                # Kept without them by a gateway of before there were any.
                cors=tuple(item.get("cors", ())),
                refusal="" if tested else _version_refusal(revision.version, browned_out),
                goodbye=_goodbye(revision.version),
                policies=policies,
                tested=revision.number if tested else 0,
                mcp=not tested and revision.has_tools,
                ai=desired_ai.ai(revision, item.get("ai", {}), providers, content=content, secrets=secrets) if revision.is_ai else None,
            )
        )
    return tuple(sorted(found, key=lambda version: (version.api, version.name, version.tested)))


def _answer(revision: Revision, operation: str) -> state.Answer | None:
    if revision.answers is None:
        return None
    found = revision.answers[operation]
    return state.Answer(found["status"], found["media_type"], found["body"])


def _policies(held: dict[str, Any], api: Api) -> Policies:
    """Who may call from where, and how often, is as it is today, for it is access; the rest as it was when these routes were."""
    today = Policies.of(api.policies)
    return replace(
        Policies.of(held),
        ip_allow=today.ip_allow,
        ip_deny=today.ip_deny,
        max_calls=today.max_calls,
        max_calls_seconds=today.max_calls_seconds,
    )


def _version_refusal(version: ApiVersion, browned_out: Set[UUID]) -> str:
    if version.status == ApiVersion.Status.BLOCKED:
        return "API_BLOCKED"
    return "BROWN_OUT" if version.pk in browned_out else ""


def _goodbye(version: ApiVersion) -> state.Goodbye | None:
    if version.deprecated_at is None:
        return None
    sunset = int(version.sunset_at.timestamp()) if version.sunset_at else None
    return state.Goodbye(int(version.deprecated_at.timestamp()), sunset, version.successor.name if version.successor else "")


def _retired(there: Shown = ALL) -> tuple[state.Retired, ...]:
    """Those that callers have known; one that was thrown away before has no revision."""
    rows = ApiVersion.objects.filter(status=ApiVersion.Status.RETIRED, live_revision__isnull=False).select_related("api", "successor")
    found = (
        state.Retired(each.api.slug, each.name, tuple(sorted(each.api.cors_origins)), _goodbye(each))
        for each in rows
        if there.has(each.api_id)
    )
    return tuple(sorted(found, key=lambda each: (each.api, each.name)))


def _upstream(row: Upstream, ref: Mapping[str, Any], *, retry_percent: int, secrets: bool) -> state.Upstream:
    """:param ref: of its revision, with the addresses."""
    # A version of Portico that knew no further targets kept no addresses of them.
    balances = Balancing.of(row.balancing, ref.get("further_addresses", {}).get(str(row.pk), row.further_addresses))
    # The sealed bytes are part of the key: another secret is another cluster, so that none is used with the wrong one.
    connects = row.connects
    trust = [connects.ca, connects.sni] if connects.ca or connects.sni else []
    client = [connects.client_certificate, row.sealed_key] if row.sealed_key else []
    budget = [retry_percent] if retry_percent else []
    spread = [json.dumps(row.balancing, sort_keys=True)] if row.balancing else []
    parts = (row.scheme, row.host, row.port, row.connect_timeout_ms, row.header, row.sealed, *trust, *client, *budget, *spread)
    return state.Upstream(
        key=hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:16],
        scheme=row.scheme,
        host=row.host,
        port=row.port,
        path=row.path,
        connect_timeout_ms=row.connect_timeout_ms,
        timeout_ms=row.timeout_ms,
        # Without an address left, calls are answered 503.
        addresses=_reachable(ref["addresses"][str(row.pk)]),
        header=row.header,
        secret=connects.value(unseal(row.sealed, row.sealed_for, kek()).decode()).encode() if row.sealed and secrets else b"",
        retry_percent=retry_percent,
        strip_path=connects.strip_path,
        ca=connects.ca,
        sni=connects.sni,
        client_certificate=connects.client_certificate,
        client_key=unseal(row.sealed_key, row.sealed_key_for, kek()) if row.sealed_key and secrets else b"",
        weight=balances.weight,
        further=tuple(state.Target(each.host, each.port, each.weight, _reachable(each.addresses)) for each in balances.further),
        check=balances.check,
    )


def _reachable(addresses: Iterable[str]) -> tuple[str, ...]:
    """The operator may have closed a network since."""
    return tuple(sorted(upstreams.reachable(addresses, allowed=settings.UPSTREAM_NETWORKS)))


def _access(there: Shown = ALL, *, trying: bool = True, has: Rare = ANY) -> state.Access:
    """:param trying: whether somebody may try a revision."""
    if there.nothing:
        # Nobody calls the tenant there, so it is not told who could.
        return state.Access(**_jwks(), grants=(), api_keys=(), revoked_credentials=(), revoked_tokens=())
    ended = Credential.objects.filter(status__in=[Credential.Status.REVOKED, Credential.Status.EXPIRED], ended_at__gt=Now() - TOKENS_LIVE)
    ended_ones = ended.exclude(kind=Credential.Kind.API_KEY).values_list("pk", flat=True)
    revoked = RevokedToken.objects.filter(expires_at__gt=Now() - TOKEN_ENDS)
    of_calls = Orphan.objects.filter(until__gt=Now(), kind__in=[Orphan.Kind.CREDENTIAL, Orphan.Kind.TOKEN])
    orphans = list(of_calls.values_list("kind", "name")) if has.orphans else []
    tokens_gone = set(revoked.values_list("jti", flat=True)) if has.revoked_tokens else set()
    # What no row says any more, see gateway.truth.
    gone = {kind: {name for held, name in orphans if held == kind} for kind in (Orphan.Kind.CREDENTIAL, Orphan.Kind.TOKEN)}
    return state.Access(
        **_jwks(),
        grants=_grants(there, trying=trying),
        api_keys=_api_keys(),
        revoked_credentials=tuple(sorted(gone[Orphan.Kind.CREDENTIAL] | set(map(str, ended_ones)))),
        revoked_tokens=tuple(sorted(gone[Orphan.Kind.TOKEN] | tokens_gone)),
    )


def _jwks() -> dict[str, tuple[dict[str, str], ...]]:
    """The public keys of state.Access."""
    found: dict[str, list[dict[str, str]]] = {purpose: [] for purpose in SigningKey.Use.values}
    for key in SigningKey.objects.in_jwks():
        found[key.purpose].append(key.public_jwk)
    return {"jwks": tuple(found[SigningKey.Use.ACCESS_TOKEN]), "api_key_jwks": tuple(found[SigningKey.Use.API_KEY])}


def _api_keys() -> tuple[state.ApiKey, ...]:
    """Each whose signature still holds, the ended ones with what their calls are answered with."""
    rows = Credential.objects.filter(kind=Credential.Kind.API_KEY, signed_until__gt=Now())
    found = rows.values_list("pk", "status", "application__status")
    return tuple(sorted((state.ApiKey(str(pk), _key_refusal(*statuses)) for pk, *statuses in found), key=lambda each: each.id))


def _key_refusal(status: str, application: str) -> str:
    if status == Credential.Status.EXPIRED:
        return "KEY_EXPIRED"
    if status not in {Credential.Status.ACTIVE, Credential.Status.EXPIRING}:
        return "KEY_REVOKED"
    return _SUSPENDED if application == Application.Status.SUSPENDED else ""


def _trying(there: Shown = ALL) -> Iterable[tuple[str, str, str, str]]:
    """Of APIs of which nothing is open, the applications that may try a revision, each with its kind and their state: all they reach."""
    opened = ApiVersion.objects.offered().values("api")
    tested = Revision.objects.open_for_tests().filter(tester__isnull=False).exclude(tester__status=Application.Status.DELETED)
    tested = tested.exclude(version__api__in=opened)
    rows = tested.values_list("version__api", "version__api__slug", "version__api__kind", "tester__client_id", "tester__status")
    return [(slug, kind, client_id, status) for api, slug, kind, client_id, status in rows if there.has(api)]


def _used_up() -> dict[tuple[UUID, UUID, str, str], QuotaUse]:
    """Whose quota of the period that now is was said to be used up, by application, API, period and time zone."""
    rows = QuotaUse.objects.at(Now()).filter(refused_from__gt=0)
    return {(each.application_id, each.api_id, each.period, each.time_zone): each for each in rows}


class _Budgets:
    """Those of the period that now is of which it was said that they are spent, and until when. Read for the first AI API."""

    def until(self, application: UUID, api: UUID, plan: Plan, *, is_ai: bool) -> int:
        """0 where calls may pass."""
        return max(self._until(application, api, plan.budget), self.tenants) if is_ai else 0

    @cached_property
    def tenants(self) -> int:
        """The same of the tenant's own."""
        found = TenantBudget.objects.first() if self._of else None
        return self._until(None, None, found.budget) if found else 0

    @cached_property
    def _of(self) -> dict[tuple[UUID | None, UUID | None, str, str, str], BudgetUse]:
        rows = BudgetUse.objects.at(Now()).refused()
        return {(each.application_id, each.api_id, each.period, each.time_zone, each.currency): each for each in rows}

    def _until(self, application: UUID | None, api: UUID | None, budget: Budget) -> int:
        use = self._of.get((application, api, *budget.key))
        # More may have been added to it since, or it be another budget.
        return int(use.ends.timestamp()) if use and use.is_refused(budget) else 0


def _grants(there: Shown = ALL, *, trying: bool = True) -> tuple[state.Grant, ...]:
    told = (
        "pk", "status", "api__slug", "application__client_id", "application__status", "plan_id", "api_id", "application_id", "api__kind",
    )  # fmt: skip
    now = Now()
    dated = Case(When(ends_at__lte=now, then=Value(_OVER)), When(starts_at__gt=now, then=Value(_TO_START)), default=Value(""))
    rows = Subscription.objects.enforced().values_list(*told, dated)
    plans = {plan.pk: plan for plan in Plan.objects.all()}
    used_up = _used_up() if any(plan.quota for plan in plans.values()) else {}
    budgets = _Budgets()
    found: dict[tuple[str, str], state.Grant] = {}
    for pk, status, api, client_id, application, plan_id, api_id, application_id, kind, dated in rows:
        if not there.has(api_id):
            continue
        # Open ones come last, so one that stands wins over what was closed before it.
        stopped = application == Application.Status.SUSPENDED and status in Subscription.OPEN
        # The job that moves it may come a moment later than its second.
        refusal = _SUSPENDED if stopped else _REFUSALS.get(status, dated)
        plan = plans[plan_id]
        until = 0
        if not refusal and plan.quota and (use := used_up.get((application_id, api_id, plan.quota_period, plan.quota_time_zone))):
            # More may have been added to it since, or the plan have another quota.
            until = int(use.ends.timestamp()) if use.refused_from == plan.quota + use.topped_up else 0
            refusal = _QUOTA_EXCEEDED if until else ""
        if not refusal and (until := budgets.until(application_id, api_id, plan, is_ai=kind == Api.Kind.AI)):
            refusal = _BUDGET_EXCEEDED
        limits = (plan.name, plan.calls, plan.seconds, until, tuple(plan.scopes), plan.burst or 0)
        found[api, client_id] = state.Grant(api, client_id, str(pk), refusal, *limits, **desired_ai.of_plan(plan))
    for api, kind, client_id, application in _trying(there) if trying else ():
        suspended = application == Application.Status.SUSPENDED
        until = budgets.tenants if kind == Api.Kind.AI and not suspended else 0
        refusal = _SUSPENDED if suspended else _BUDGET_EXCEEDED if until else ""
        # Whoever was refused stays so.
        found.setdefault((api, client_id), state.Grant(api, client_id, _TRYING, refusal, _TRYING, testing.CALLS, testing.SECONDS, until))
    return tuple(found[key] for key in sorted(found))
