"""What somebody did to the tables behind the app's back: gateways have what the rows say within one cycle, and people hear of it."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from apis.actions import subscriptions
from apis.models import BudgetUse
from gateway import desired, truth, views
from gateway.models import Drift, GatewayNode, Orphan, Receipt
from gateway.register import NodeId
from keys.actions import credentials, records
from keys.models import Credential, RevokedToken
from tenants import events
from tenants.models import AccountMail, Event, PlatformEvent, Tenant
from tenants.scope import tenant_scope
from tests import live, make
from tests.conftest import Cast
from tests.gateway.test_ended_access import Caller, caller
from tests.live import Gateway, Shop, Upstream

# A cycle of the gateway in tests lasts a second; the rest is a busy machine.
WITHIN = 20.0
DAY = timedelta(days=1)
Parts = dict[str, dict[str, int]]


def by_hand(shop: Shop, *statements: str) -> None:
    """As somebody at a prompt of PostgreSQL's, who records nothing."""
    with shop.scope(), connection.cursor() as cursor:
        for each in statements:
            cursor.execute(each)


def drop_credential(pk: object) -> tuple[str, ...]:
    of = (
        f"DELETE FROM {table} WHERE credential_id = '{pk}'" for table in ("keys_credentialuse", "keys_usedassertion", "keys_revokedtoken")
    )
    return (*of, f"DELETE FROM keys_credential WHERE id = '{pk}'")


def subscription_gone(carl: Caller) -> None:
    by_hand(carl.shop, f"DELETE FROM apis_subscription WHERE id = '{carl.held.pk}'")


def application_gone(carl: Caller) -> None:
    pk = carl.held.application.pk
    by_hand(
        carl.shop,
        *(
            f"DELETE FROM {table} WHERE application_id = '{pk}'"
            for table in ("apis_operationuse", "apis_quotause", "gateway_refusal", "apis_subscription")
        ),
        *(each for credential in (carl.secret, carl.key) for each in drop_credential(credential.pk)),
        f"DELETE FROM keys_application WHERE id = '{pk}'",
    )


def credential_gone(carl: Caller) -> None:
    by_hand(carl.shop, *drop_credential(carl.secret.pk))


def key_gone(carl: Caller) -> None:
    by_hand(carl.shop, *drop_credential(carl.key.pk))


def signing_key_gone(carl: Caller) -> None:
    by_hand(carl.shop, "UPDATE keys_signingkey SET status = 'compromised', sealed = NULL WHERE purpose = 'access_token'")


def suspended_by_hand(carl: Caller) -> None:
    by_hand(carl.shop, f"UPDATE apis_subscription SET status = 'suspended', undo_until = NULL WHERE id = '{carl.held.pk}'")


def application_halted(carl: Caller) -> None:
    by_hand(
        carl.shop, f"UPDATE keys_application SET status = 'suspended', suspended_by_id = owner_id WHERE id = '{carl.held.application_id}'"
    )


REQUIRED, REVOKED, UNKNOWN = "SUBSCRIPTION_REQUIRED", "TOKEN_REVOKED", "KEY_UNKNOWN"
# What was done, what a token and an API key are answered then, and what was found.
DONE: list[tuple[Callable[[Caller], None], str, str, Parts]] = [
    (subscription_gone, REQUIRED, REQUIRED, {"subscriptions": {"gone": 1}, "orphans": {"subscription": 1}}),
    (
        application_gone, REVOKED, UNKNOWN,
        {
            "subscriptions": {"gone": 1}, "api_keys": {"gone": 1}, "revoked": {"new": 2},
            "orphans": {"application": 1, "credential": 2, "subscription": 1},
        },
    ),
    (credential_gone, REVOKED, "", {"revoked": {"new": 1}, "orphans": {"credential": 1}}),
    (key_gone, "", UNKNOWN, {"api_keys": {"gone": 1}, "revoked": {"new": 1}, "orphans": {"credential": 1}}),
    (signing_key_gone, "TOKEN_MISSING", "", {"signing_keys": {"gone": 1}}),
    (suspended_by_hand, "SUBSCRIPTION_SUSPENDED", "SUBSCRIPTION_SUSPENDED", {"subscriptions": {"changed": 1}}),
    (
        application_halted, "APPLICATION_SUSPENDED", "APPLICATION_SUSPENDED",
        {"subscriptions": {"changed": 1}, "api_keys": {"changed": 1}},
    ),
]  # fmt: skip


@pytest.fixture
def carl(gateway: Gateway, upstream: Upstream) -> Caller:
    shop = live.shop(upstream)
    found = caller(shop)
    assert gateway.call(shop.path(), found.token()).status == 200
    assert gateway.call(shop.path(), found.api_key).status == 200
    shop.enforced_newest()
    # What is read for an event has what was done by hand as well, and then nothing is left to be found.
    shop.used(found.secret, found.key)
    settled(shop)
    return found


def settled(shop: Shop) -> None:
    """Control has looked at the tenant, so whatever differs from now on was done since: what is no decision a look alone finds."""
    with shop.scope():
        events.lock()
        number = events.record("tenant.changed", Tenant.objects.get(pk=shop.pk), by=None).number
    live.eventually(lambda: Receipt.objects.filter(tenant_id=shop.pk, access__gte=number).exists(), within=60)


def told(shop: Shop) -> list[Event]:
    return shop.events("gateway.drift_repaired")


def answered(gateway: Gateway, shop: Shop, credential: str, code: str) -> None:
    def check() -> bool:
        answer = gateway.call(shop.path(), credential)
        assert answer.code == code, str(answer)
        return True

    live.eventually(check, within=WITHIN)


@pytest.mark.parametrize(("done", "token_code", "key_code", "parts"), DONE, ids=[each[0].__name__ for each in DONE])
def test_what_is_done_by_hand_is_enforced_and_told(
    gateway: Gateway, carl: Caller, done: Callable[[Caller], None], token_code: str, key_code: str, parts: Parts
) -> None:
    shop, token = carl.shop, carl.earned[0]
    done(carl)
    for credential, code in ((token, token_code), (carl.api_key, key_code)):
        answered(gateway, shop, credential, code)
    live.eventually(lambda: told(shop), within=WITHIN)
    (event,) = told(shop)
    assert (event.data["parts"], event.data["takes"], event.subject_name) == (parts, True, gateway.node)
    assert [each.parts for each in Drift.objects.filter(tenant_id=shop.pk)] == [parts]
    assert PlatformEvent.objects.get(kind="gateway.drift_repaired", data__tenant=shop.slug).data["parts"] == parts
    # Once, and it stays so when the next decision is enforced.
    shop.client()
    shop.enforced_newest()
    settled(shop)
    assert len(told(shop)) == 1
    assert gateway.call(shop.path(), token).code == token_code
    assert gateway.call(shop.path(), carl.api_key).code == key_code


def test_what_was_revoked_stays_so_when_its_row_goes(gateway: Gateway, carl: Caller) -> None:
    """Of these gateways look up what is refused, so a row that goes would open what it closed."""
    shop, first, second = carl.shop, carl.earned[0], carl.token()
    carl.give_back(first)
    shop.enforced_newest()
    settled(shop)
    assert [gateway.call(shop.path(), each).code for each in (first, second)] == [REVOKED, ""]
    by_hand(shop, "DELETE FROM keys_revokedtoken")
    live.eventually(lambda: told(shop), within=WITHIN)
    assert told(shop)[0].data["parts"] == {"orphans": {"token": 1}}
    shop.does(credentials.revoke, carl.secret, by=None)
    shop.enforced_newest()
    settled(shop)
    by_hand(shop, *drop_credential(carl.secret.pk))
    live.eventually(lambda: len(told(shop)) == 2, within=WITHIN)
    shop.client()
    shop.enforced_newest()
    assert [gateway.call(shop.path(), each).code for each in (first, second)] == [REVOKED, REVOKED]
    assert gateway.call(shop.path(), carl.api_key).status == 200


def test_what_went_while_control_was_away(gateway: Gateway, carl: Caller) -> None:
    shop = carl.shop
    gateway.end("control")
    credential_gone(carl)
    assert gateway.call(shop.path(), carl.earned[0]).status == 200
    gateway.begin_and_wait("control")
    gateway.wait_joined()
    gateway.settles(401, REVOKED, shop.path(), carl.earned[0])
    live.eventually(lambda: told(shop), within=WITHIN)
    assert told(shop)[0].data["parts"] == {"orphans": {"credential": 1}}


def test_what_a_row_gives_reaches_gateways_too(gateway: Gateway, carl: Caller) -> None:
    shop = carl.shop
    shop.does(subscriptions.suspend, carl.held, reason="A test.", by=shop.person("approver"))
    shop.enforced_newest()
    settled(shop)
    by_hand(shop, f"UPDATE apis_subscription SET status = 'active' WHERE id = '{carl.held.pk}'")
    gateway.settles(200, "", shop.path(), carl.earned[0])
    live.eventually(lambda: told(shop), within=WITHIN)
    assert told(shop)[0].data == {"parts": {"subscriptions": {"changed": 1}}, "takes": False}


def test_decisions_are_no_drift(gateway: Gateway, carl: Caller) -> None:
    shop = carl.shop
    ada = shop.person("approver")
    for _ in range(3):
        shop.enforced(shop.does(subscriptions.suspend, carl.held, reason="A test.", by=ada))
        shop.enforced(shop.does(subscriptions.resume, carl.held, by=ada))
    # Nor is what gateways don't hear of.
    by_hand(shop, "UPDATE keys_application SET name = name")
    settled(shop)
    assert told(shop) == []


def test_every_row_that_gateways_are_told_from_is_marked(in_acme: Cast) -> None:
    """What a tenant's state is read from, PostgreSQL itself says."""
    make.subscription(to=make.plan(quota=5))
    make.provider()
    make.subscription(to=make.ai_api(terms=({"name": "free"},)).plans.get())
    # What was spent is looked at for AI APIs alone, and the tenant's own budget where some budget is.
    BudgetUse.objects.create(period="day", time_zone="UTC", currency="USD", refused_tokens=1, starts=Now() - DAY, ends=Now() + DAY)
    with CaptureQueriesContext(connection) as asked:
        there = views.shown(views.USUAL)
        desired._access(there)
        desired._routes(desired.live(there), there)
        desired._retired(there)
        desired._own_hosts()
        desired._logged(there)
    tables = {table for query in asked.captured_queries for table in named(query["sql"])}
    # A person's row is looked at by no reader of gateways.
    assert tables - set(truth.TABLES) == set()
    assert set(truth.TABLES) - tables == {"tenants_tenant"}
    assert {table for part in truth.PARTS.values() for table in part} == set(truth.TABLES)


def named(sql: str) -> set[str]:
    return {word.strip('"(),') for word in sql.replace('"."', " ").split() if word.strip('"(),').startswith(("apis_", "keys_", "gateway_"))}


def test_marks_see_each_change_of_each_table(in_acme: Cast) -> None:
    make.subscription()
    before = truth.marks(in_acme.acme.pk)
    assert truth.marks(in_acme.acme.pk).changed(before) == set()
    make.credential(make.application(in_acme.carl))
    assert truth.marks(in_acme.acme.pk).changed(before) == {"keys_application", "keys_credential"}
    assert before.changed(None) == set(truth.TABLES)


def test_a_token_that_ended_is_no_orphan(in_acme: Cast) -> None:
    """Its row goes by itself, and so does a mark of what nobody can use any more."""
    credential, _ = make.credential(make.application(in_acme.carl))
    events.lock()
    for jti, ends in (("ended", -timedelta(seconds=1)), ("lives", timedelta(minutes=5))):
        records.revoke_token(credential, jti=jti, expires_at=events.now() + ends)
    RevokedToken.objects.all().delete()
    assert truth.sweep(in_acme.acme.pk) == {"token": 1}
    assert truth.sweep(in_acme.acme.pk) == {}
    assert list(Orphan.objects.values_list("kind", "name")) == [("token", "lives")]
    assert desired._access().revoked_tokens == ("lives",)


def test_eves_rows_are_nobody_elses(in_acme: Cast) -> None:
    credential, _ = make.credential(make.application(in_acme.carl))
    with tenant_scope(in_acme.globex.pk):
        assert truth.sweep(in_acme.globex.pk) == {}
        before = truth.marks(in_acme.globex.pk)
    Credential.objects.filter(pk=credential.pk).delete()
    with tenant_scope(in_acme.globex.pk):
        assert truth.marks(in_acme.globex.pk).changed(before) == set()
    assert truth.sweep(in_acme.acme.pk) == {"credential": 1}


def test_operators_get_one_mail_for_many(in_acme: Cast) -> None:
    olga = in_acme.olga
    node = GatewayNode.objects.create(name=f"gateway-{uuid4()}")
    found = truth.Found({"subscriptions": {"gone": 1}}, takes=True)
    for _ in range(3):
        truth.save_drift(NodeId(node.pk, node.name), in_acme.acme.pk, found)
    assert list(AccountMail.objects.filter(kind=truth.ALARM).values_list("email", flat=True)) == [olga.email]
    assert Drift.objects.count() == Event.objects.filter(kind="gateway.drift_repaired").count() == 3
