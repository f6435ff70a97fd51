"""Nobody sees another tenant: not by an address, not by an id, not in raw SQL, not by a reference, not on a shared connection."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import IntegrityError, connection, models, transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from apis.actions import budgets, importing, mcp_servers, provider_models, request_forms, sources, subscriptions
from apis.actions.catalogue import change_categories
from apis.actions.rules import change_rules
from apis.ai.offer import Message, Prompt, Variable
from apis.models import (
    Acknowledgement,
    Api,
    ApiTeam,
    ApprovalRule,
    BrownOut,
    ChangeRequest,
    Comparison,
    FormQuestion,
    LoggedChange,
    OperationUse,
    Plan,
    PlanTeam,
    PublishedDocument,
    QuotaUse,
    RequestPolicy,
    Review,
    Subscription,
    VersionDay,
)
from gateway.models import (
    DEFAULT,
    ApiGroup,
    Deployment,
    GatewayNode,
    Orphan,
    Refusal,
    TokenDay,
    TokenHour,
    TokenMinute,
    UsageAlert,
    UsageDay,
    UsageHour,
    UsageMinute,
    UsageOpenHour,
)
from keys.actions.identity_providers import change_provider
from keys.models import (
    Application,
    CalendarFeed,
    ChainHead,
    CredentialUse,
    Identity,
    ProtectedResource,
    RevokedToken,
    SigningKey,
    UsedAssertion,
    WebhookAttempt,
    WebhookDelivery,
)
from portal.settings import DATABASE_OWNER_URL
from tenants import events
from tenants.checks import every_tenant_table_is_guarded, tenant_models
from tenants.models import CustomRole, Delegation, Notification, NotificationPreference, Role, SentOnce, Tenant, TenantModel, User
from tenants.people.settings import set_logo
from tenants.scope import current_tenant_id, tenant_scope
from tests import make, turns
from tests.conftest import Cast, Rest, as_owner, base, empty_tables, make_cast

OTHER_METHODS = ("HEAD", "PUT", "PATCH", "DELETE", "OPTIONS")
NOWHERE = "nowhere"


@dataclass(frozen=True)
class World:
    """Acme and Globex with at least one row in every tenant table each, committed, so that other connections see them."""

    cast: Cast
    ids: dict[UUID, dict[str, Any]]
    strangers: dict[str, User]


def _fill(owner: User, admin: User) -> dict[str, Any]:
    """One of everything in the tenant in scope, and the names by which addresses call them."""
    api = make.api("orders-of-" + owner.name.lower())
    plan = make.plan(api, name="gold-of-" + owner.name.lower())
    application = make.application(owner)
    credential, _ = make.credential(application)
    at, key = credential.created_at, SigningKey.objects.get(purpose="access_token")
    CredentialUse.objects.create(credential=credential, day=at.date(), first_at=at, last_at=at)
    RevokedToken.objects.create(credential=credential, jti="t", expires_at=at)
    UsedAssertion.objects.create(credential=credential, jti_sha256="0" * 64, expires_at=at)
    CalendarFeed.objects.create(user=owner, secret_hmac="0" * 64)
    ProtectedResource.objects.get_or_create(name=api.slug)
    subscription, event = subscriptions.request(application, api=api, plan=plan, purpose="A test.", by=owner)
    make.draft(owner, slug="draft-of-" + owner.name.lower())
    change_rules({"info-contact": "off"}, by=admin)
    begun = importing.begin(document="document of " + owner.name, by=owner)
    change_categories({}, new=["Of " + owner.name], by=admin)
    node, _ = GatewayNode.objects.get_or_create(name="edge")
    Deployment.objects.create(node=node)
    Orphan.objects.create(kind=Orphan.Kind.CREDENTIAL, name=str(uuid4()), found_at=timezone.now(), until=timezone.now())
    Refusal.objects.create(
        application=application, at=event.at, code="TOKEN_EXPIRED", status=401, request_id=f"r-{application.pk}", method="GET", path="/",
        gateway="edge",
    )  # fmt: skip
    LoggedChange.objects.create(event=event, compared_at=at)
    version = api.versions.get()
    mcp_servers.put(version, enabled=True, chosen=[{"operation": "listOrders"}], by=owner)
    Acknowledgement.objects.create(version=version, application=application, by=owner, at=at)
    OperationUse.objects.create(version=version, application=application, operation_id="listOrders", day=at.date(), last_at=at)
    Comparison.objects.create(old=version.revisions.get(), new=version.revisions.get())
    VersionDay.objects.create(version=version, day=at.date(), answered=1)
    month = {"period": "month", "time_zone": "UTC", "starts": at, "ends": at + timedelta(days=30)}
    QuotaUse.objects.create(application=application, api=api, **month)
    review = Review.objects.create(revision=version.revisions.get(), requested_by=owner, requested_at=at)
    PublishedDocument.objects.create(version=version, form="json", made_from="0" * 64, content=b"of " + owner.name.encode(), made_at=at)
    sources.set_source(version, url="https://docs.example.com/of-" + owner.name, every="daily", enabled=True, by=owner)
    SentOnce.objects.create(user=owner, key="one", request="0" * 64, at=at)
    brown_out = BrownOut.objects.create(version=version, starts_at=at, ends_at=at + timedelta(minutes=1))
    change = ChangeRequest.objects.create(
        subscription=subscription, kind="plan", plan=plan, was_plan=plan, purpose="A test.", requested_by=owner, requested_at=at
    )
    approval_rule = ApprovalRule.objects.create(name="Tests", outcome="people")
    RequestPolicy.objects.create(answer_hours=24)
    deputy = make.member(Tenant.objects.get(pk=current_tenant_id()), f"deputy-of-{owner.name.lower()}@example.com", Role.DEVELOPER)
    delegation = Delegation.objects.create(delegator=admin, delegate=deputy, starts_at=at, ends_at=at + timedelta(days=1))
    set_logo(b"of " + owner.name.encode(), by=owner)
    logo = Tenant.objects.get(pk=current_tenant_id()).logo_digest
    issuer = "https://login.example.com"
    change_provider({"issuer": issuer, "client_id": "portico", "client_secret": "s", "enabled": False}, by=admin)
    identity = Identity.objects.create(issuer=issuer, subject="1", user=owner)
    team = make.team(owner)
    ApiTeam.objects.create(api=api, team=team)
    ApiGroup.objects.create(api=api, group_id=DEFAULT)
    PlanTeam.objects.create(plan=plan, team=team)
    request_forms.set_form(api, [FormQuestion("why-" + owner.name.lower(), "Why?", required=False)], by=admin)
    role = CustomRole.objects.create(name="Readers", permissions=["apis.see_published"])
    invitation = make.invitation(by=owner)
    service, _ = make.service_account(by=admin)
    webhook, _ = make.webhook(by=admin)
    provider = make.provider(f"of-{owner.name.lower()}", by=admin)
    provider_key = make.provider_key(provider, by=admin)
    provider_model = provider.models.order_by("name")[0]
    provider_models.change(provider_model, given={"input": Decimal(9)}, by=admin)
    # Of another one: the first is removed.
    elsewhere = make.provider(f"behind-{owner.name.lower()}", by=admin)
    alias = make.alias(f"fast-{owner.name.lower()}", f"{elsewhere.slug}/gpt-5", by=admin)
    spare = make.alias(f"spare-{owner.name.lower()}", f"{elsewhere.slug}/gpt-5", by=admin)
    told_of = Prompt(f"sum-up-{owner.name.lower()}", "Sum up", alias.name, (Variable("text"),), (Message("user", "{{text}}"),), {})
    ai = make.ai_api(f"ai-of-{owner.name.lower()}", alias.name, by=admin, prompts=(told_of,))
    make.kept(ai, by=admin)
    ai_plan = Plan.objects.get(api=ai)
    asks, _ = subscriptions.request(application, api=ai, plan=ai_plan, purpose="A test.", logging_agreed=1, by=owner)
    content = make.content(asks)
    domain = make.domain(f"api.{owner.name.lower()}.example")
    delivery = WebhookDelivery.objects.create(webhook=webhook, event=event, number=event.number, kind=event.kind, next_at=at, created_at=at)
    WebhookAttempt.objects.create(delivery=delivery, at=at, took_ms=1)
    alert = UsageAlert.objects.create(name="Calls fail", kind="error_rate", threshold=5, minutes=5, api=api, created_by=admin)
    make.log_shipping(api, by=admin)
    notification = Notification.objects.create(user=owner, event=event)
    NotificationPreference.objects.create(user=owner, group="subscriptions")
    for table in (UsageMinute, UsageHour, UsageDay):
        make.usage(api=api.pk, of=table)
    for tokens in (TokenMinute, TokenHour, TokenDay):
        make.answers(api=api.pk, of=tokens)
    budgets.set_tenants(given={"tokens": 5}, by=admin)
    budgets.add([budgets.Spent(subscription.pk, at, "USD", 1, 1, 1, 0)])
    UsageOpenHour.objects.create(at=at)
    ChainHead.objects.create(number=1, digest="0" * 64, signed_at=at, jws="")
    return {
        "team": team.pk,
        "role": role.pk,
        "digest": logo,
        "member": team.lead_id,
        "api": api.slug,
        "question": api.request_form[0]["key"],
        "version": "v1",
        "plan": plan.name,
        "number": 1,
        "pk": {
            "applications": application.pk,
            "subscriptions": subscription.pk,
            "ai-subscriptions": asks.pk,
            "plans": plan.pk,
            "keys": key.pk,
            "services": service.pk,
            "notifications": notification.pk,
            "invitations": invitation.pk,
            "members": team.lead_id,
            "identities": identity.pk,
            "brown-outs": brown_out.pk,
            "imports": begun.pk,
            "reviews": review.pk,
            "approval-rules": approval_rule.pk,
            "webhooks": webhook.pk,
            "domains": domain.pk,
            "change-requests": change.pk,
            "delegations": delegation.pk,
            "alerts": alert.pk,
        },
        "delivery": delivery.pk,
        "provider": provider.slug,
        "provider_key": provider_key.pk,
        "provider_model": provider_model.pk,
        "alias": spare.name,
        "ai": ai.slug,
        "prompt": told_of.name,
        "content": content.pk,
        "purpose": "access_token",
        "credential": credential.pk,
        "gateway": node.name,
        "request_id": f"r-{application.pk}",
    }


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with django_db_blocker.unblock():
        try:
            cast = make_cast()
            ids = {}
            for tenant, owner, admin in ((cast.acme, cast.carl, cast.ada), (cast.globex, cast.eve, cast.eve)):
                with tenant_scope(tenant.pk):
                    ids[tenant.pk] = _fill(owner, admin)
            strangers = {role: make.member(cast.globex, f"{role}@globex.example", role) for role in Role.values}
            strangers |= {"every role": cast.eve, "operator": cast.olga}
            connection.close()
            yield World(cast, ids, strangers)
        finally:
            # Half a world, too, would be in the way of every test that comes after.
            with as_owner():
                empty_tables()
            connection.close()


def tenant_patterns() -> list[tuple[str, str, set[str]]]:
    """(name, template, parameters) of every address inside a tenant."""

    def walk(found: list[Any], prefix: str) -> Iterator[tuple[str, str]]:
        for each in found:
            if isinstance(each, URLResolver):
                yield from walk(each.url_patterns, prefix + str(each.pattern))
            elif isinstance(each, URLPattern):
                yield str(each.name), prefix + str(each.pattern)

    patterns = [(name, re.sub(r"<\w+:(\w+)>", r"{\1}", route)) for name, route in walk(get_resolver().url_patterns, "/")]
    return [(name, path, set(re.findall(r"\{(\w+)\}", path))) for name, path in patterns if "{tenant}" in path]


# What OAuth shows of a tenant is public by design; it has no ids but the tenant's own.
# A calendar's address has a test of its own, tests/portal/pages/test_expiries.py.
# So has the one that stops mails, tests/portal/pages/test_inbox.py, and an invitation's, tests/portal/pages/test_invitations.py.
# And so have the ways in by a provider, tests/portal/pages/test_provider_sign_in.py.
OPEN = {
    "sign-in", "sign-in-start", "sign-in-callback", "calendar-feed", "invitation", "stop-mails", "token", "revoke", "introspect", "jwks",
    "metadata", "resource-metadata", "authorize", "tools-metadata", "all-tools-metadata",
}  # fmt: skip
ADDRESSES = [each for each in tenant_patterns() if each[0] not in OPEN]
# What a key is for is a word, and no id of anybody's.
WITH_IDS = [each for each in ADDRESSES if each[2] - {"tenant", "purpose"}]


def address(path: str, slug: str, ids: dict[str, Any]) -> str:
    kinds = {
        "brown-out": "brown-outs",
        "sign-in/linked/": "identities",
        "service-accounts/": "services",
        "inbox/": "notifications",
        "invitations/": "invitations",
        "members/": "members",
        "logging": "ai-subscriptions",
        "subscriptions/": "subscriptions",
        "change-requests/": "change-requests",
        "quotas/": "subscriptions",
        "requests/": "subscriptions",
        "delegations/": "delegations",
        "request-rules/": "approval-rules",
        "approval-rules/": "approval-rules",
        "console/plans/": "plans",
        "keys/": "keys",
        "imports/": "imports",
        "reviews/": "reviews",
        "webhooks/": "webhooks",
        "domains/": "domains",
        "usage-alerts/": "alerts",
    }
    kind = next((kind for part, kind in kinds.items() if part in path), "applications")
    # Other APIs have none of these.
    if any(
        part in path
        for part in ("{api}/ai/", "{api}/content", "apis/{api}/models/", "apis/{api}/rails/", "apis/{api}/prompts/", "add-prompt/")
    ):
        ids = {**ids, "api": ids["ai"]}
    return path.format(**{**ids, "pk": ids["pk"][kind], "tenant": slug})


def unknown_ids() -> dict[str, Any]:
    return {
        "api": "no-such-api", "question": "no-such", "version": "v1", "plan": "no-such-plan", "number": 987_654, "credential": uuid4(),
        "gateway": "no-such", "request_id": "no-such", "team": uuid4(), "role": uuid4(),
        "digest": "0" * 16, "member": uuid4(), "delivery": uuid4(),
        "provider": "no-such", "provider_key": uuid4(), "provider_model": uuid4(), "alias": "no-such", "ai": "no-such", "prompt": "no-such",
        "content": uuid4(),
        "pk": {kind: uuid4() for kind in (
            "applications", "subscriptions", "ai-subscriptions", "plans", "keys", "services", "notifications", "invitations", "members",
            "identities", "brown-outs", "imports", "reviews", "approval-rules", "webhooks", "domains", "change-requests", "delegations",
            "alerts",
        )},
    }  # fmt: skip


def strangers(world: World, name: str) -> list[tuple[str, User]]:
    """Somebody of one role elsewhere, and somebody with all of them or an operator: by turns."""
    who = [*turns.some(Role.values, name), *turns.some(("every role", "operator"), name)]
    return [(each, world.strangers[each]) for each in who]


def methods(name: str) -> list[str]:
    """Of those that few addresses know one has its turn."""
    return ["GET", "POST", *turns.some(OTHER_METHODS, name)]


def answer(client: Client, method: str, path: str) -> tuple[int, Any, dict[str, str]]:
    response = client.generic(method, path, "{}", "application/json", headers={"accept": "application/json"})
    content = b"".join(response) if response.streaming else response.content
    text = re.sub(r'"request_id": ?"[^"]+"', '"request_id": ""', content.decode())
    left_out = {"X-Request-ID"}
    # A page about what is not found says what was asked for.
    if asked := re.search(r"/refused/([^/]+)/", path):
        text = re.sub(r'nonce="[^"]*"|"X-CSRFToken": "[^"]*"|name="csrfmiddlewaretoken" value="[^"]*"', "", text.replace(asked[1], ""))
        left_out |= {"Content-Length", "Content-Security-Policy"}
    headers = {name: value for name, value in response.headers.items() if name not in left_out}
    return response.status_code, text, headers


def test_the_generated_addresses_are_all_there() -> None:
    assert len(ADDRESSES) >= 25
    assert {"api", "subscription-approve", "credential-revoke", "receipt", "receipt-page"} <= {name for name, *_ in ADDRESSES}


@pytest.mark.parametrize("name,path", [(name, path) for name, path, _ in ADDRESSES])  # fmt: skip
def test_a_tenant_looks_to_strangers_as_if_it_did_not_exist(db: None, world: World, rest: Rest, name: str, path: str) -> None:
    ids = world.ids[world.cast.acme.pk]
    there, nowhere = address(path, world.cast.acme.slug, ids), address(path, NOWHERE, ids)
    everybody: list[tuple[str, User | None]] = [*strangers(world, name), ("nobody", None)]
    for who, user in turns.some(everybody, path, 2):
        client = rest(user)
        if user is not None:
            client.force_login(user)
        for method in methods(name):
            found = answer(client, method, there)
            assert found == answer(client, method, nowhere), f"{who} {method} {there}"
            assert found[0] in ({404} if user else {401}), f"{who} {method} {there}: {found}"


@pytest.mark.parametrize("name,path", [(name, path) for name, path, _ in WITH_IDS])  # fmt: skip
def test_another_tenants_ids_are_as_unknown_as_invented_ones(db: None, world: World, rest: Rest, name: str, path: str) -> None:
    # Numbers count from one in every tenant, so there is no such thing as another tenant's number; and gateways serve all tenants.
    theirs = {**world.ids[world.cast.acme.pk], "number": 987_654, "gateway": "no-such"}
    slug = world.cast.globex.slug
    # To an operator the tenant itself is not there.
    members = [each for each in world.strangers.items() if each[0] != "operator"]
    for who, user in turns.some(members, name, 2):
        client = rest(user)
        client.force_login(user)
        for method in methods(name):
            found = answer(client, method, address(path, slug, theirs))
            assert found == answer(client, method, address(path, slug, unknown_ids())), f"{who} {method} {path}"
            assert found[0] in {403, 404, 405}, f"{who} {method} {path}: {found}"


@pytest.mark.parametrize("name,path", [(name, path) for name, path, _ in ADDRESSES])  # fmt: skip
def test_the_same_addresses_answer_their_own_people(db: None, world: World, rest: Rest, name: str, path: str) -> None:
    """Else the tests above would pass on addresses that lead nowhere."""
    client = rest(world.cast.eve)
    client.force_login(world.cast.eve)
    own = address(path, world.cast.globex.slug, world.ids[world.cast.globex.pk])
    assert {answer(client, method, own)[0] for method in ("GET", "POST", "PUT")} - {404, 405, 500}, own


def test_nothing_of_another_tenant_can_be_named_in_a_body(db: None, world: World, rest: Rest) -> None:
    acme, globex = world.ids[world.cast.acme.pk], world.ids[world.cast.globex.pk]
    mine = {"application": str(globex["pk"]["applications"]), "api": globex["api"], "plan": globex["plan"], "purpose": "x"}
    for field, value in [
        ("application", str(acme["pk"]["applications"])),
        ("api", acme["api"]),
        ("plan", acme["plan"]),
    ]:
        response = rest(world.cast.eve).post(f"{base(world.cast.globex)}/subscriptions/", {**mine, field: value})
        assert response.status_code == 422
        assert set(response.json()["errors"]) == {field}


# --- the database ------------------------------------------------------------------------------------------------


TABLES = [model._meta.db_table for model in tenant_models()]
# Nobody changes these at all: tests/tenants/test_events.py, tests/keys/test_audit_proof.py.
APPEND_ONLY = {"tenants_event", "keys_chainhead"}


def rows_seen(table: str, scope: UUID | None) -> set[UUID]:
    """Whose rows raw SQL without any filter sees in a transaction of the role that serves."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('portico.tenant_id', %s, true)", [str(scope or "")])
        cursor.execute(f"SELECT DISTINCT tenant_id FROM {table}")
        return {tenant_id for (tenant_id,) in cursor.fetchall()}


@pytest.mark.parametrize("table", TABLES)
def test_raw_sql_sees_one_tenant_or_none(db: None, world: World, table: str) -> None:
    assert rows_seen(table, world.cast.acme.pk) == {world.cast.acme.pk}
    assert rows_seen(table, world.cast.globex.pk) == {world.cast.globex.pk}
    assert rows_seen(table, None) == set()


@pytest.mark.parametrize("table", [table for table in TABLES if table not in APPEND_ONLY])
def test_raw_sql_changes_one_tenants_rows_alone(db: None, world: World, table: str) -> None:
    for statement in (f"UPDATE {table} SET tenant_id = tenant_id", f"DELETE FROM {table} WHERE tenant_id = %s"):
        with tenant_scope(world.cast.globex.pk), connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {table}")
            own = cursor.fetchone()[0]
            cursor.execute(statement, [world.cast.acme.pk] if "%s" in statement else None)
            assert cursor.rowcount == (0 if "%s" in statement else own)


@pytest.mark.parametrize("model", tenant_models(), ids=lambda model: model._meta.label)
def test_a_row_of_another_tenant_cannot_be_written(db: None, world: World, model: type[TenantModel]) -> None:
    with tenant_scope(world.cast.acme.pk):
        row = model._base_manager.first()
        assert row is not None
    row.pk, row.tenant_id = uuid4(), world.cast.acme.pk
    with tenant_scope(world.cast.globex.pk), pytest.raises(Exception, match="row-level security"), transaction.atomic():
        row.save(force_insert=True)


# What a check asks for beside a reference.
BESIDE = {
    # Both or none of them is named.
    ("BudgetUse", "application"): ", api_id = (SELECT min(id::text)::uuid FROM apis_api)",
    ("BudgetUse", "api"): ", application_id = (SELECT min(id::text)::uuid FROM keys_application)",
    ("Revision", "tester"): ", open_until = now()",
}


def references() -> list[tuple[type[TenantModel], models.ForeignKey[Any, Any]]]:
    return [
        (model, field)
        for model in tenant_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.ForeignKey) and isinstance(field.related_model, type) and issubclass(field.related_model, TenantModel)
    ]


@pytest.mark.parametrize("model,field", references(), ids=lambda each: getattr(each, "name", None) or each.__name__)  # fmt: skip
def test_a_reference_into_another_tenant_is_refused_by_the_database(
    db: None, world: World, model: type[TenantModel], field: "models.ForeignKey[Any, Any]"
) -> None:
    parent = field.related_model
    assert isinstance(parent, type)
    with tenant_scope(world.cast.acme.pk):
        theirs = parent._base_manager.values_list("pk", flat=True).first()
        assert theirs is not None
        if field.unique:
            # Else that there is one already would be found first.
            model._base_manager.all().delete()
    with tenant_scope(world.cast.globex.pk):
        mine = model._base_manager.first()
        assert mine is not None
        with pytest.raises(IntegrityError, match="same_tenant"), transaction.atomic(), connection.cursor() as cursor:
            beside = BESIDE.get((model.__name__, field.name), "")
            cursor.execute(f"UPDATE {model._meta.db_table} SET {field.column} = %s{beside} WHERE id = %s", [theirs, mine.pk])
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


# --- the guards are needed -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "off,on",
    [
        ("ALTER TABLE {} DISABLE ROW LEVEL SECURITY", "ALTER TABLE {} ENABLE ROW LEVEL SECURITY"),
        ("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY", "ALTER TABLE {} FORCE ROW LEVEL SECURITY"),
        ("CREATE POLICY everyone ON {} USING (true)", "DROP POLICY everyone ON {}"),
    ],
    ids=["disabled", "not forced", "one policy too many"],
)
def test_switching_row_security_off_turns_the_suite_red(world: World, django_db_blocker: Any, table: str, off: str, on: str) -> None:
    """On any one table: the check names it, and (where the serving role is no owner) the raw SQL above sees both tenants."""
    with django_db_blocker.unblock(), psycopg.connect(DATABASE_OWNER_URL, autocommit=True) as owner:
        assert list(every_tenant_table_is_guarded()) == []
        owner.execute(off.format(table))
        try:
            found = list(every_tenant_table_is_guarded())
            seen = rows_seen(table, None)
        finally:
            owner.execute(on.format(table))
            connection.close()
    assert [(each.id, table in each.msg) for each in found] == [("tenants.E002", True)]
    if "NO FORCE" not in off:
        # Other tests may have left committed tenants in this database.
        assert seen >= {world.cast.acme.pk, world.cast.globex.pk}


# --- one connection, two tenants -----------------------------------------------------------------------------------


def test_interleaved_requests_through_one_connection_never_cross(db: None, world: World, rest: Rest) -> None:
    """10,000 queries of two tenants, in scopes, requests, failed transactions and nested scopes, on one server connection."""
    acme, globex = world.cast.acme, world.cast.globex
    people = {acme.pk: rest(world.cast.carl), globex.pk: rest(world.cast.eve)}
    for turn, tenant in zip(range(1_000), itertools.cycle([acme, globex, globex, acme, globex]), strict=False):
        other = globex if tenant == acme else acme
        with tenant_scope(tenant.pk):
            if turn % 3 == 0:
                with tenant_scope(other.pk):
                    assert set(Api._base_manager.values_list("tenant_id", flat=True)) == {other.pk}
            if turn % 5 == 0:
                with pytest.raises(ZeroDivisionError), tenant_scope(other.pk):
                    events.lock()
                    raise ZeroDivisionError
            for model in (Application, Api, Subscription):
                assert set(model._base_manager.values_list("tenant_id", flat=True)) == {tenant.pk}
        assert Api._base_manager.count() == 0
        if turn % 10 == 0:
            slugs = [api["slug"] for api in people[tenant.pk].get(f"{base(tenant)}/apis/").json()["results"]]
            assert {each.rpartition("-of-")[2] for each in slugs} == {world.ids[tenant.pk]["api"].rpartition("-of-")[2]}
            assert people[other.pk].get(f"{base(tenant)}/apis/").status_code == 404
