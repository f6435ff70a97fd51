"""A tenant in words that a file can hold: everything that `apis.description` compares, in normal form, and never a secret."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TypeAlias

from apis import balancing, connections
from apis.actions import ai_models, budgets
from apis.balancing import Balancing
from apis.budgets import plain
from apis.connections import Connection
from apis.description import Description, Entry
from apis.models import Api, ApiTeam, ApiVersion, Category, McpServer, ModelAlias, Plan, Subscription, Upstream
from apis.policies import SETTING, Policies
from apis.upstreams import Address
from apis.writing import ordered
from apis.yaml_text import as_yaml
from keys.models import Application
from tenants.models import CustomRole, EventCounter, Invitation, Membership, ServiceAccount, Team, TeamMember, TenantSettings, User
from tenants.people.settings import FIELDS, SHOWN

# A subscription by its application's name, whose that is, and the API.
Named: TypeAlias = tuple[str, str, str]
# What nobody has to write.
_BY_ITSELF: Entry = {
    "connect_timeout_ms": 5_000,
    "timeout_ms": 30_000,
    "header": "",
    **asdict(connections.NONE),
    **balancing.NONE.given,
}


def describe(*, by: User) -> Description:
    """All of the tenant in scope. Beside the parts of a description: the tenant's own `roles`, who is `invited`, the `own_requests`
    that `by` can't decide, whose applications are `mine`, the requests that need two people of whom the first is missing, and the
    `models` that AI APIs can offer.

    A constant number of queries, whatever there is.
    """
    members = list(Membership.objects.select_related("user").order_by("user__email"))
    custom = dict(CustomRole.objects.values_list("pk", "name"))
    teams_of: dict[Any, list[str]] = {}
    rows = TeamMember.objects.order_by("team__name").values_list("membership_id", "team__name", "team_id")
    people: dict[Any, set[Any]] = {}
    user_of = {each.pk: each.user_id for each in members}
    for membership, team, team_id in rows:
        teams_of.setdefault(membership, []).append(team)
        people.setdefault(team_id, set()).add(user_of.get(membership))
    subscriptions, own, first_missing = _subscriptions(by, people)
    me = ServiceAccount.objects.person_behind(by)
    services = ServiceAccount.objects.filter(people__contains=[me.pk]).values_list("user__email", flat=True)
    return {
        "tenant": _tenant(),
        "members": [
            {
                "email": each.user.email,
                "roles": sorted(each.roles),
                "custom_roles": sorted(custom[pk] for pk in each.custom_roles if pk in custom),
                "teams": sorted(teams_of.get(each.pk, [])),
            }
            for each in members
        ],
        "teams": [
            {"name": each.name, "description": each.description, "lead": each.lead.user.email}
            for each in Team.objects.select_related("lead__user").order_by("name")
        ],
        "aliases": [
            {"name": name, "targets": [f"{each['provider']}/{each['model']}" for each in targets]}
            for name, targets in ModelAlias.objects.order_by("name").values_list("name", "targets")
        ],
        "apis": _apis(),
        "applications": _applications(),
        "subscriptions": subscriptions,
        "roles": sorted(custom.values()),
        "invited": sorted(Invitation.objects.filter(status=Invitation.Status.PENDING).values_list("email", flat=True)),
        "own_requests": own,
        "mine": sorted({by.email, me.email, *services, *(f"team {name}" for name in Team.objects.of(me).values_list("name", flat=True))}),
        "first_missing": first_missing,
        "models": sorted(each.name for each in ai_models.askable()),
    }


def number() -> int:
    """Of the tenant's last event."""
    return EventCounter.objects.values_list("number", flat=True).get()


def digest(description: Description, *, at: int) -> str:
    """What a description is told from another by, and the event up to which nothing had changed."""
    told = {name: value for name, value in description.items() if name not in {"own_requests", "mine"}}
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return f"{at}.{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def _tenant() -> Entry:
    found = TenantSettings.objects.select_related("tenant").defer("logo").get()
    shown = {name: getattr(found.tenant, name) for name in SHOWN}
    categories = list(Category.objects.order_by("name").values_list("name", flat=True))
    spent = budget(asdict(budgets.of_tenant().budget))
    return {**shown, **{name: getattr(found, name) for name in FIELDS}, "categories": sorted(categories), "ai_budget": spent}


def _apis() -> list[Entry]:
    audience: dict[Any, list[str]] = {}
    for api, name in ApiTeam.objects.values_list("api_id", "team__name"):
        audience.setdefault(api, []).append(name)
    plans: dict[Any, list[Entry]] = {}
    for each in Plan.objects.exclude(status=Plan.Status.CLOSED).select_related("api").order_by("name"):
        plans.setdefault(each.api_id, []).append(_plan(each))
    versions: dict[Any, list[Entry]] = {}
    tools = dict(McpServer.objects.filter(enabled=True).values_list("version_id", "tools"))
    offers: dict[Any, Entry] = {}
    rows = ApiVersion.objects.exclude(status=ApiVersion.Status.RETIRED).select_related("api", "live_revision__upstream", "successor")
    for version in rows.defer("live_revision__outline", "live_revision__findings", "live_revision__answers").order_by("name"):
        versions.setdefault(version.api_id, []).append(_version(version) | ({"tools": tools[version.pk]} if version.pk in tools else {}))
        if version.live_revision is not None and version.live_revision.ai is not None:
            offers[version.api_id] = version.live_revision.ai
    return [
        {
            "slug": each.slug,
            **({"kind": str(each.kind)} if each.is_ai else {}),
            "name": each.name,
            "description": each.description,
            "category": each.category.name if each.category else "",
            "tags": list(each.tags),
            "visibility": str(each.visibility),
            "teams": sorted(audience.get(each.pk, [])),
            "team": each.team.name if each.team else "",
            "cors_origins": list(each.cors_origins),
            "needs_review": each.needs_review,
            "policies": policies(Policies.of(each.policies)),
            **({"offer": offers[each.pk]} if each.pk in offers else {}),
            "plans": plans.get(each.pk, []),
            "versions": versions.get(each.pk, []),
        }
        for each in Api.objects.select_related("category", "team").order_by("slug")
    ]


def policies(of: Policies) -> Entry:
    """As somebody writes them: what is set, and nothing else."""
    found = of.as_json()
    return {name: dict(value) if name in SETTING else list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def _plan(of: Plan) -> Entry:
    return {
        "name": of.name,
        "calls": of.calls,
        "seconds": of.seconds,
        "burst": of.burst or 0,
        "approval": str(of.approval),
        "quota": of.quota or 0,
        "scopes": list(of.scopes),
        **({"quota_period": str(of.quota_period), "quota_time_zone": of.quota_time_zone} if of.quota else {}),
        **(_of_models(of) if of.api.is_ai else {}),
        "status": str(of.status),
        "reason": of.reason if of.status == Plan.Status.DEPRECATED else "",
    }


def _of_models(of: Plan) -> Entry:
    given = {"models": list(of.models), "max_tokens": of.max_tokens or 0, "tokens_per_minute": of.tokens_per_minute or 0}
    return {**given, "budget": budget(asdict(of.budget))}


def budget(of: Mapping[str, Any]) -> Entry:
    """In its normal form: nothing where it has no end."""
    if of["tokens"] is None and of["amount"] is None:
        return {}
    return {name: plain(value) if name == "amount" else str(value) if name == "period" else value for name, value in of.items()}


def _version(of: ApiVersion) -> Entry:
    """`live` is the number of the revision that is described; without one there is no document."""
    going = of.status in {ApiVersion.Status.BLOCKED, ApiVersion.Status.DEPRECATED}
    found: Entry = {
        "name": of.name,
        "status": str(of.status),
        "reason": of.reason if going else "",
        "sunset": of.sunset_at.isoformat() if of.sunset_at else None,
        "successor": of.successor.name if of.successor else "",
    }
    revision = of.live_revision
    if revision is None:
        return found
    if revision.ai is not None:
        # Its document is written from what it offers.
        return {**found, "live": revision.number}
    found |= {"live": revision.number, "document": text_of(revision.document), "mock": revision.is_mock}
    return found if revision.upstream is None else {**found, "upstream": upstream(revision.upstream, of.api.slug, of.name)}


def text_of(document: Mapping[str, Any]) -> str:
    """One text for what says the same: the database keeps no order of members."""
    return as_yaml(ordered(_sorted(document)))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(each) for each in value] if isinstance(value, list) else value


def reference(slug: str, version: str, name: str) -> str:
    """What stands in place of a secret: the variable that has it where descriptions are sent from."""
    variable = f"{slug}_{version}_{name}".upper().replace("-", "_").replace(".", "_")
    return f"${{{variable}}}"


def upstream(of: Upstream, slug: str, version: str) -> Entry:
    address = Address(of.scheme, of.host, of.port, of.path)
    found = as_written(address, of.connects, of.balances, header=of.header, timeouts=(of.connect_timeout_ms, of.timeout_ms))
    if of.sealed:
        found["secret"] = reference(slug, version, "secret")
    if of.sealed_key:
        found["client_key"] = reference(slug, version, "client_key")
    return found


def as_written(address: Address, connects: Connection, balances: Balancing, *, header: str, timeouts: tuple[int, int]) -> Entry:
    """An upstream in its normal form: its address, and what is not as it is by itself."""
    told: Mapping[str, Any] = {
        "connect_timeout_ms": timeouts[0],
        "timeout_ms": timeouts[1],
        "header": header.lower() if connects.credential == connections.HEADER else "",
        **asdict(connects),
        **balances.given,
    }
    host = f"[{address.host}]" if ":" in address.host else address.host
    usual = address.port == (443 if address.scheme == "https" else 80)
    url = f"{address.scheme}://{host}{'' if usual else f':{address.port}'}{address.path}"
    return {"url": url, **{name: value for name, value in told.items() if value != _BY_ITSELF[name]}}


def _applications() -> list[Entry]:
    rows = Application.objects.standing().select_related("owner", "team")
    found = [
        {
            "name": each.name,
            **_whose(each),
            "environment": str(each.environment),
            "purpose": each.purpose,
            "contact": each.contact,
            "status": str(each.status),
            "reason": each.reason,
        }
        for each in rows
    ]
    return sorted(found, key=lambda each: (each["name"], each.get("team", ""), each.get("owner", "")))


def _whose(of: Application) -> Entry:
    return {"team": of.team.name} if of.team else {"owner": of.owner.email}


def _subscriptions(by: User, people: Mapping[Any, set[Any]]) -> tuple[list[Entry], list[Named], list[Named]]:
    """:param people: by the id of a team, who is in it."""
    rows = Subscription.objects.open().select_related("application__owner", "application__team", "api", "plan")
    services = dict(ServiceAccount.objects.values_list("user_id", "people"))
    me = ServiceAccount.objects.person_behind(by).pk
    found, own, first_missing = [], [], []
    for each in rows:
        application = each.application
        found.append(
            {
                "application": application.name,
                **_whose(application),
                "api": each.api.slug,
                "plan": each.plan.name,
                "status": str(each.status),
                "reason": each.reason if each.status == Subscription.Status.SUSPENDED else "",
                "purpose": each.purpose,
            }
        )
        # As Subscription.is_own_of has it, for all of them at once.
        theirs = {application.owner_id, *services.get(application.owner_id, ()), *people.get(application.team_id, ())}
        asked = {pk for person in each.asked_by for pk in services.get(person, [person])}
        # Who was the first of two is not the second.
        first = services.get(each.first_approved_by_id, [each.first_approved_by_id]) if each.first_approved_by_id else []
        whose = f"team {application.team.name}" if application.team else application.owner.email
        named = (application.name, whose, each.api.slug)
        if me in theirs or me in asked or me in first:
            own.append(named)
        if each.approvals_needed > 1 and each.first_approved_by_id is None and each.status == Subscription.Status.PENDING:
            first_missing.append(named)
    key = ("application", "team", "owner", "api")
    return sorted(found, key=lambda each: tuple(each.get(name, "") for name in key)), sorted(own), sorted(first_missing)


def given_of(row: Upstream) -> Entry:
    """As publishing.check_target takes it, but for its header and its secrets."""
    host = f"[{row.host}]" if ":" in row.host else row.host
    timeouts = {"connect_timeout_ms": row.connect_timeout_ms, "timeout_ms": row.timeout_ms}
    return {"url": f"{row.scheme}://{host}:{row.port}{row.path}", **timeouts, **asdict(row.connects), **row.balances.given}
