"""A revision at an address of its own, at a real Envoy: who may call it, what it reaches, and that it ends."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from apis.actions import publishing, testing, versions
from apis.models import ApiVersion, OperationUse, Revision
from apis.tasks import end_tests
from gateway import desired
from tenants.models import Event, User
from tests import live, make
from tests.live import Client, Gateway, Shop, Upstream, eventually

NEXT = "v1~2"


@pytest.fixture
def shop(gateway: Gateway, upstream: Upstream) -> Shop:
    return live.shop(upstream)


@pytest.fixture
def carl(gateway: Gateway, shop: Shop) -> Client:
    client = shop.client()
    gateway.settles(200, "", shop.path(), client.token())
    return client


@pytest.fixture
def second(shop: Shop, upstream: Upstream) -> Revision:
    """The next revision of the orders, whose calls go to /next."""
    return shop.add_revision(version(shop), url=f"{upstream.url}/next")


def pam(shop: Shop) -> User:
    return shop.person("publisher")


def version(shop: Shop) -> ApiVersion:
    with shop.scope():
        return ApiVersion.objects.select_related("api").get(api__slug="orders", name="v1")


def opened(shop: Shop, revision: Revision) -> Event:
    event = shop.does(testing.open_for_tests, revision, hours=1, by=pam(shop))
    shop.enforced(event)
    return event


def test_it_answers_beside_the_live_one_until_it_is_closed(gateway: Gateway, shop: Shop, carl: Client, second: Revision) -> None:
    token = carl.token()
    assert gateway.call(shop.path(version=NEXT), token).code == "NO_SUCH_ROUTE"
    opened(shop, second)
    tried = gateway.call(shop.path(version=NEXT), token)
    assert (tried.status, tried.json["path"]) == (200, "/next/orders/1")
    assert gateway.call(shop.path(), token).json["path"] == "/orders/1", "callers notice nothing"
    assert gateway.call(shop.path(version="v1~3"), token).code == "NO_SUCH_ROUTE"
    assert gateway.call(shop.path(version=NEXT), token, method="PUT").code == "METHOD_NOT_ALLOWED"
    shop.enforced(shop.does(testing.close_to_tests, second, by=pam(shop)))
    answer = gateway.call(shop.path(version=NEXT), token)
    assert (answer.status, answer.code) == (404, "NO_SUCH_ROUTE")
    assert gateway.call(shop.path(), token).status == 200


def test_it_ends_by_itself(gateway: Gateway, shop: Shop, carl: Client, second: Revision) -> None:
    opened(shop, second)
    assert gateway.call(shop.path(version=NEXT), carl.token()).status == 200
    with shop.scope():
        Revision.objects.filter(pk=second.pk).update(open_until=timezone.now() - timedelta(seconds=1))
        connection.cursor().execute("UPDATE tenants_due SET at = now() WHERE job = %s", [testing.TEST_JOB])
    end_tests()
    shop.enforced_newest()
    assert gateway.call(shop.path(version=NEXT), carl.token()).code == "NO_SUCH_ROUTE"
    [closed] = shop.events("revision.test_closed")
    assert closed.actor_id is None
    end_tests()
    assert len(shop.events("revision.test_closed")) == 1, "safe to run twice"


def test_it_ends_when_callers_get_it(gateway: Gateway, shop: Shop, carl: Client, second: Revision) -> None:
    opened(shop, second)
    shop.enforced(shop.make_live(second))
    assert gateway.call(shop.path(version=NEXT), carl.token()).code == "NO_SUCH_ROUTE"
    assert gateway.call(shop.path(), carl.token()).json["path"] == "/next/orders/1"


def test_only_subscribers_of_the_tenant_may_call_it(
    gateway: Gateway, shop: Shop, carl: Client, second: Revision, upstream: Upstream
) -> None:
    stranger, nobody, suspended = live.shop(upstream).client(), shop.client(status=""), shop.client("suspended")
    opened(shop, second)
    before, path = len(upstream.seen), shop.path(version=NEXT)
    assert gateway.call(path).code == "TOKEN_MISSING"
    assert gateway.call(path, stranger.token()).code == "TOKEN_INVALID", "Eve's token is of another tenant"
    assert gateway.call(path, nobody.token()).code == "SUBSCRIPTION_REQUIRED"
    assert gateway.call(path, suspended.token()).code == "SUBSCRIPTION_SUSPENDED"
    assert len(upstream.seen) == before


def test_the_plans_limit_holds_for_both_together(gateway: Gateway, shop: Shop, second: Revision) -> None:
    client = shop.client(plan=shop.plan(calls=2, seconds=3600))
    opened(shop, second)
    token = client.token()
    statuses = [gateway.call(shop.path(version=each), token).status for each in (NEXT, "v1", NEXT, "v1")]
    assert statuses[-2:] == [429, 429]


def test_its_calls_are_nobodys_use_of_the_api(gateway: Gateway, shop: Shop, carl: Client, second: Revision) -> None:
    opened(shop, second)
    other = shop.client()
    shop.enforced_newest()
    for _ in range(3):
        assert gateway.call(shop.path(version=NEXT), other.token()).status == 200
    gateway.settles(200, "", shop.path(), other.token())

    def counted() -> int:
        with shop.scope():
            return sum(OperationUse.objects.filter(application=other.application).values_list("calls", flat=True))

    assert eventually(counted) == 1


def test_while_nothing_of_the_api_is_open_the_named_application_alone_may_call(
    gateway: Gateway, shop: Shop, carl: Client, upstream: Upstream
) -> None:
    with shop.scope():
        made = publishing.create_api(slug="bills", name="Bills", description="", by=None)
        first = publishing.add_version(made, name="v1", by=None)
    revision = shop.add_revision(first)
    shop.make_live(revision)
    with shop.scope():
        first.refresh_from_db()
        application = make.application(pam(shop))
        tester = Client(shop, application, make.credential(application)[0])
    shop.enforced(shop.does(testing.open_for_tests, revision, hours=8, application=application, by=pam(shop)))
    path, token = shop.path(api="bills", version="v1~1"), tester.token()
    answer = gateway.call(path, token)
    assert (answer.status, answer.json["headers"]["x-portico-plan"]) == (200, "test")
    assert gateway.call(path, carl.token()).code == "SUBSCRIPTION_REQUIRED"
    assert gateway.call(shop.path(api="bills"), token).code == "NO_SUCH_ROUTE"
    assert gateway.call(shop.path(), token).code == "SUBSCRIPTION_REQUIRED", "nothing else is opened to it"
    shop.enforced(shop.does(publishing.publish, first, by=pam(shop)))
    assert gateway.call(path, token).code == "NO_SUCH_ROUTE"
    assert gateway.call(shop.path(api="bills"), token).code == "SUBSCRIPTION_REQUIRED"


def test_earlier_routes_obey_that_it_was_closed(shop: Shop, second: Revision) -> None:
    """A gateway that refuses the newest routes gets the last good ones: a test that is over does not come back with them."""
    shop.does(testing.open_for_tests, second, hours=1, by=pam(shop))
    ref = desired.read(shop.pk).routes_ref
    both = desired.read(shop.pk, routes=ref).tenant.routes or ()
    assert [each.segment for each in both] == ["v1", NEXT]
    shop.does(testing.close_to_tests, second, by=pam(shop))
    assert [each.segment for each in desired.read(shop.pk, routes=ref).tenant.routes or ()] == ["v1"]
    assert [each.segment for each in desired.read(shop.pk).tenant.routes or ()] == ["v1"]


def test_a_test_that_is_over_is_told_to_no_gateway_although_no_job_has_run(shop: Shop, second: Revision) -> None:
    shop.does(testing.open_for_tests, second, hours=1, by=pam(shop))
    with shop.scope():
        Revision.objects.filter(pk=second.pk).update(open_until=timezone.now())
    assert [each.segment for each in desired.read(shop.pk).tenant.routes or ()] == ["v1"]


def test_blocking_ends_it_and_it_may_be_opened_again_for_what_mends(gateway: Gateway, shop: Shop, carl: Client, second: Revision) -> None:
    opened(shop, second)
    shop.enforced(shop.does(versions.block, version(shop), reason="It leaks.", by=pam(shop)))
    assert gateway.call(shop.path(version=NEXT), carl.token()).code == "NO_SUCH_ROUTE"
    opened(shop, second)
    assert gateway.call(shop.path(version=NEXT), carl.token()).status == 200
    assert gateway.call(shop.path(), carl.token()).code == "API_BLOCKED"
