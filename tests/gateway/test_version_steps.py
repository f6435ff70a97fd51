"""Every step in the life of a version as its callers feel it, at a real Envoy."""

import pytest

from tenants.event_kinds import GATEWAY_KINDS
from tests import live, make
from tests.life import AT_THE_GATEWAY, STEPS, WAYS, Answer, Step
from tests.live import Client, Gateway, Shop, Upstream
from tests.steps import named


@pytest.fixture
def shop(gateway: Gateway, upstream: Upstream) -> Shop:
    return live.shop(upstream)


@pytest.fixture
def carl(gateway: Gateway, shop: Shop) -> Client:
    """Subscribed, and v1 answers him; the tests are about v2."""
    client = shop.client()
    gateway.settles(200, "", shop.path(), client.token())
    return client


@pytest.mark.parametrize("step", STEPS, ids=named)
def test_callers_feel_each_step(gateway: Gateway, shop: Shop, carl: Client, upstream: Upstream, step: Step) -> None:
    with shop.scope():
        version = make.version(shop.apis["orders"], status=step.was, upstream=shop.upstream, content=live.DOCUMENT)
    shop.enforced_newest()
    answers(gateway, shop, carl, upstream, AT_THE_GATEWAY[step.was])
    event = shop.does(WAYS[step.way].act, version, shop.person("publisher"))
    if event.kind in GATEWAY_KINDS:
        shop.enforced(event)
    answers(gateway, shop, carl, upstream, step.answer)


def answers(gateway: Gateway, shop: Shop, carl: Client, upstream: Upstream, wanted: Answer) -> None:
    before = len(upstream.seen)
    answer = gateway.call(shop.path(version="v2"), carl.token())
    assert (answer.status, answer.code) == (wanted.status, wanted.code), str(answer)
    assert (answer.headers.get("deprecation", "").startswith("@"), 'rel="deprecation"' in answer.headers.get("link", "")) == (
        wanted.going,
    ) * 2
    assert wanted.status == 200 or answer.json["code"] == wanted.code
    assert gateway.call(shop.path(version="v2")).code == wanted.nobody
    assert len(upstream.seen) - before == (wanted.status == 200), "what is refused never reaches the upstream"
