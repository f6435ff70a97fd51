"""What a real Envoy answered stands on the page, to the call, within five seconds."""

import re
import time

import pytest
from django.test import Client as Browser

from gateway.usage_ranges import named
from gateway.usage_reports import Dimension, Figures, Of, report, tables
from tenants.models import Role
from tests import live
from tests.gateway.test_usage_reports import ZERO
from tests.live import Client, Gateway, Shop, Upstream
from tests.portal.pages.test_console import signed_in, text

SECONDS = 5
PASSED, REFUSED = 40, 7


@pytest.fixture
def shop(gateway: Gateway, upstream: Upstream) -> Shop:
    return live.shop(upstream)


@pytest.fixture
def carl(shop: Shop) -> Client:
    client = shop.client()
    shop.enforced_newest()
    return client


def total(shop: Shop, of: Of) -> Figures:
    with shop.scope():
        known = tables()
        return report(named("1h", now=known.now, zone=ZERO), of, known, by=tuple(Dimension)).total


def shown(browser: Browser, address: str) -> str:
    return re.sub(r"[,\s]+", " ", text(browser.get(address)))


def test_what_was_counted_by_the_caller_stands_on_the_page_within_five_seconds(gateway: Gateway, shop: Shop, carl: Client) -> None:
    token = carl.token()
    gateway.settles(200, "", shop.path(), token)
    api, mine = Of(api=shop.apis["orders"].pk), Of(application=carl.application.pk)
    live.eventually(lambda: _some(total(shop, mine).calls))
    # What came before is told by then.
    time.sleep(2)
    before = {of: total(shop, of).calls for of in (api, mine)}
    answers = [gateway.call(shop.path(), token) for _ in range(PASSED)]
    answers += [gateway.call(shop.path("/none"), token) for _ in range(REFUSED)]
    assert [each.status for each in answers] == [200] * PASSED + [404] * REFUSED
    told = time.monotonic()

    pam, owner = signed_in(shop.person(Role.PUBLISHER)), signed_in(carl.application.owner)
    pages = {
        f"/t/{shop.slug}/console/apis/orders/usage/?range=1h": (pam, api),
        f"/t/{shop.slug}/apps/{carl.application.pk}/usage/?range=1h": (owner, mine),
    }
    # Whose a call of no operation is, nobody has looked at.
    refused = {api: REFUSED, mine: 0}
    wanted = {of: many + PASSED + refused[of] for of, many in before.items()}

    def counted() -> bool:
        assert {of: total(shop, of).calls for of in wanted} == wanted
        return True

    live.eventually(counted, within=SECONDS)
    assert time.monotonic() - told < SECONDS
    for address, (browser, of) in pages.items():
        said = shown(browser, address)
        assert f"Calls {wanted[of]} " in said
        assert f"Refused {refused[of]} " in said
        assert ("NO_SUCH_ROUTE" in said) == bool(refused[of])
    # Nothing is counted twice later on.
    live.stays(lambda: all(total(shop, of).calls == many for of, many in wanted.items()), seconds=2)


def _some(many: int) -> int:
    assert many
    return many
