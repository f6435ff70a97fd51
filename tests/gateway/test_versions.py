"""The life of a version at a real Envoy: what its answers say while it is going, and how calls are refused."""

from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from apis.actions import publishing, versions
from apis.models import ApiVersion, BrownOut, OperationUse
from apis.tasks import turn_brown_outs
from gateway import desired
from tenants.errors import NotAllowed
from tenants.models import User
from tests import live, make
from tests.live import Client, Gateway, Shop, Upstream, eventually


@pytest.fixture
def shop(gateway: Gateway, upstream: Upstream) -> Shop:
    return live.shop(upstream)


@pytest.fixture
def carl(gateway: Gateway, shop: Shop) -> Client:
    client = shop.client()
    gateway.settles(200, "", shop.path(), client.token())
    return client


def version(shop: Shop, name: str = "v1") -> ApiVersion:
    with shop.scope():
        return ApiVersion.objects.select_related("api", "successor").get(api__slug="orders", name=name)


def pam(shop: Shop) -> User:
    return shop.person("publisher")


def second(shop: Shop) -> ApiVersion:
    """v2 of the same API, published."""
    with shop.scope():
        return make.version(shop.apis["orders"], upstream=shop.upstream, content=live.DOCUMENT)


def deprecated(shop: Shop, **told: Any) -> ApiVersion:
    found = version(shop)
    shop.enforced(shop.does(versions.deprecate, found, reason="v2 is better.", by=pam(shop), **told))
    return found


def since(version: ApiVersion) -> int:
    assert version.deprecated_at is not None
    return int(version.deprecated_at.timestamp())


def called(shop: Shop, client: Client, *, times: int = 1) -> None:
    """Usage has counted so many calls of the application."""

    def check() -> bool:
        with shop.scope():
            found = OperationUse.objects.filter(application=client.application).values_list("calls", flat=True)
            return sum(found) >= times

    eventually(check)


def test_a_deprecated_version_answers_and_says_until_when(gateway: Gateway, shop: Shop, carl: Client) -> None:
    successor = second(shop)
    sunset = (timezone.now() + timedelta(days=90)).replace(microsecond=0)
    found = deprecated(shop, sunset_at=sunset, successor=successor)
    answer = gateway.call(shop.path(), carl.token())
    assert answer.status == 200
    assert answer.headers["deprecation"] == f"@{since(found)}"
    assert parsedate_to_datetime(answer.headers["sunset"]) == sunset
    page = f"<{settings.PORTAL_URL}/t/{shop.slug}/apis/orders/?version=v1>"
    links = answer.headers["link"]
    assert f'{page}; rel="deprecation"; type="text/html"' in links
    assert f'{page}; rel="sunset"; type="text/html"' in links
    assert f'<{settings.GATEWAY_URL}/{shop.slug}/orders/v2/>; rel="successor-version"' in links
    other = gateway.call(shop.path(version="v2"), carl.token())
    assert other.status == 200
    assert not {"deprecation", "sunset", "link"} & set(other.headers), "the successor says nothing of the kind"


def test_the_gateway_speaks_and_not_the_upstream(
    gateway: Gateway, shop: Shop, carl: Client, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"Deprecation": "@1", "Sunset": "Thu, 01 Jan 1970 00:00:00 GMT", "Link": "</next>; rel=next"}
    monkeypatch.setattr(upstream, "headers", told)
    found = deprecated(shop)
    answer = gateway.call(shop.path(), carl.token())
    assert answer.headers["deprecation"] == f"@{since(found)}"
    assert "</next>; rel=next" in answer.headers["link"], "other links stay"
    assert 'rel="deprecation"' in answer.headers["link"]


def test_a_later_sunset_is_told_and_a_deprecation_can_be_taken_back(gateway: Gateway, shop: Shop, carl: Client) -> None:
    sunset = (timezone.now() + timedelta(days=1)).replace(microsecond=0)
    found = deprecated(shop, sunset_at=sunset)
    later = sunset + timedelta(days=30)
    shop.enforced(shop.does(versions.change_sunset, found, sunset_at=later, by=pam(shop)))
    assert parsedate_to_datetime(gateway.call(shop.path(), carl.token()).headers["sunset"]) == later
    shop.enforced(shop.does(versions.reinstate, version(shop), by=pam(shop)))
    answer = gateway.call(shop.path(), carl.token())
    assert answer.status == 200
    assert not {"deprecation", "sunset", "link"} & set(answer.headers)


def test_a_blocked_version_refuses_and_answers_again(gateway: Gateway, shop: Shop, carl: Client, upstream: Upstream) -> None:
    token = carl.token()
    shop.enforced(shop.does(versions.block, version(shop), reason="It leaks.", by=pam(shop)))
    before = len(upstream.seen)
    answer = gateway.call(shop.path(), token)
    assert (answer.status, answer.code) == (503, "API_BLOCKED")
    assert gateway.call(shop.path()).code == "TOKEN_MISSING", "who may not call it hears nothing of it"
    assert gateway.call(shop.path(), shop.client(status="").token()).code == "SUBSCRIPTION_REQUIRED"
    assert gateway.call(shop.path("/no/such/path"), token).code == "NO_SUCH_ROUTE"
    assert len(upstream.seen) == before
    shop.enforced(shop.does(versions.unblock, version(shop), by=pam(shop)))
    assert gateway.call(shop.path(), token).status == 200


def test_a_retired_version_answers_410_to_whoever_calls(gateway: Gateway, shop: Shop, carl: Client, upstream: Upstream) -> None:
    token = carl.token()
    found = deprecated(shop, successor=second(shop))
    shop.enforced(shop.does(versions.retire, found, reason="Enough.", override=True, by=pam(shop)))
    before = len(upstream.seen)
    for brought, method in ((token, "GET"), ("", "GET"), ("forged", "GET"), ("", "DELETE")):
        answer = gateway.call(shop.path(), brought, method=method)
        assert (answer.status, answer.code) == (410, "API_RETIRED"), method
        assert 'rel="successor-version"' in answer.headers["link"]
    assert gateway.call(shop.path("/no/such/path"), token).code == "API_RETIRED"
    assert len(upstream.seen) == before
    assert gateway.call(shop.path(version="v2"), token).status == 200


def test_a_page_of_another_origin_can_read_that_it_is_gone(gateway: Gateway, shop: Shop, carl: Client) -> None:
    origin = ("origin", "https://shop.example")
    shop.does(publishing.change_api, shop.apis["orders"], name=None, description=None, cors_origins=[origin[1]], by=None)
    found = deprecated(shop)
    answer = gateway.call(shop.path(), carl.token(), headers=[origin])
    assert {"deprecation", "link", "sunset"} <= set(answer.headers["access-control-expose-headers"].split(", "))
    shop.enforced(shop.does(versions.retire, found, reason="Enough.", override=True, by=pam(shop)))
    answer = gateway.call(shop.path(), headers=[origin])
    assert (answer.status, answer.code) == (410, "API_RETIRED")
    assert answer.headers["access-control-allow-origin"] == origin[1]


def test_a_brown_out_begins_and_ends_by_itself(gateway: Gateway, shop: Shop, carl: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "NOTICE", timedelta(0))
    found, token = deprecated(shop), carl.token()
    begins = timezone.now() + timedelta(seconds=3)
    with shop.scope():
        planned = versions.plan_brown_out(found, starts_at=begins, lasts=timedelta(minutes=1), by=pam(shop))
    assert gateway.call(shop.path(), token).status == 200, "not yet"
    eventually(lambda: _turned(shop, planned) == BrownOut.Status.RUNNING)
    shop.enforced_newest()
    answer = gateway.call(shop.path(), token)
    assert (answer.status, answer.code) == (503, "BROWN_OUT")
    assert answer.headers["deprecation"]
    assert gateway.call(shop.path()).code == "TOKEN_MISSING"
    called(shop, carl, times=3)
    with shop.scope():
        BrownOut.objects.filter(pk=planned.pk).update(ends_at=timezone.now(), starts_at=begins - timedelta(minutes=1))
        connection.cursor().execute("UPDATE tenants_due SET at = now() WHERE job = %s", [versions.BROWN_OUT_JOB])
    assert _turned(shop, planned) == BrownOut.Status.OVER
    shop.enforced_newest()
    assert gateway.call(shop.path(), token).status == 200
    assert turn_brown_outs() == 0, "safe to run twice"


def _turned(shop: Shop, planned: BrownOut) -> str:
    """Its state after the job."""
    turn_brown_outs()
    with shop.scope():
        return BrownOut.objects.get(pk=planned.pk).status


def test_retiring_is_refused_while_somebody_calls_who_does_not_know(gateway: Gateway, shop: Shop, carl: Client) -> None:
    found = deprecated(shop)
    called(shop, carl)
    with shop.scope():
        against = versions.what_stands_against(found, timezone.now())
        assert str(carl.application) in against
        [caller] = versions.callers(found)
        assert (caller.application, caller.acknowledged) == (carl.application, None)
        assert caller.calls >= 1
        assert versions.acknowledge(found, carl.application, by=carl.application.owner) is not None
        assert versions.what_stands_against(found, timezone.now()) == ""
    shop.enforced(shop.does(versions.retire, found, by=pam(shop)))
    assert gateway.call(shop.path(), carl.token()).code == "API_RETIRED"


def test_earlier_routes_obey_what_became_of_the_version_since(shop: Shop) -> None:
    """A gateway that refuses the newest routes gets the last good ones: what was taken from callers is not given back by it."""
    ref = desired.read(shop.pk).routes_ref
    shop.does(versions.block, version(shop), reason="It leaks.", by=pam(shop))
    [route] = desired.read(shop.pk, routes=ref).tenant.routes or ()
    assert route.refusal == "API_BLOCKED"
    shop.does(versions.unblock, version(shop), by=pam(shop))
    shop.does(versions.deprecate, version(shop), reason="v2", by=pam(shop))
    shop.does(versions.retire, version(shop), by=pam(shop))
    read = desired.read(shop.pk, routes=ref).tenant
    assert read.routes == ()
    assert [each.name for each in read.retired] == ["v1"]


def test_a_draft_that_was_thrown_away_is_nothing_to_gateways(shop: Shop) -> None:
    with shop.scope():
        versions.retire(make.version(shop.apis["orders"], name="v9", status="created"), by=pam(shop))
        with pytest.raises(NotAllowed, match="has a version “v9” already"):
            publishing.add_version(shop.apis["orders"], name="v9", by=None)
    assert desired.read(shop.pk).tenant.retired == ()
