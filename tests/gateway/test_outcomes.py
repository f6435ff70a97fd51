"""How the calls of a version went, as a real gateway tells it."""

from apis.models import VersionDay
from tests import live
from tests.live import DOCUMENT, Client, Gateway, Shop, Upstream, eventually


def counted(shop: Shop) -> dict[str, tuple[int, int, int]]:
    with shop.scope():
        rows = VersionDay.objects.values_list("version__api__slug", "answered", "failed_upstream", "failed_gateway")
        return {slug: (answered, upstream, gateway) for slug, answered, upstream, gateway in rows}


def test_what_was_answered_and_what_failed(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    shop.add_api("away", url="http://127.0.0.1:9", content=DOCUMENT)
    carl, other, limited = shop.client(), shop.client(api="away"), shop.client(plan=shop.plan(calls=1, seconds=3600))
    shop.enforced_newest()
    assert gateway.settles(200, "", shop.path(), carl.token())
    before = _answered(shop)
    for status in (200, 404, 500, 503):
        upstream.status = status
        assert gateway.call(shop.path(), carl.token()).status == status
    upstream.status = 200
    assert gateway.call(shop.path(), limited.token()).status == 200
    assert gateway.call(shop.path(), limited.token()).code == "RATE_LIMITED"
    assert gateway.call(shop.path(), "nonsense").status == 401
    assert gateway.call(shop.path(api="away"), other.token()).code == "UPSTREAM_UNAVAILABLE"
    eventually(lambda: counted(shop) == {"orders": (before + 3, 2, 0), "away": (0, 1, 0)})


def _answered(shop: Shop) -> int:
    """Until the gateway had loaded the tenant it may have been called more than once."""
    eventually(lambda: counted(shop).get("orders"))
    return counted(shop)["orders"][0]


def test_what_answers_from_examples_is_not_counted(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    carl: Client = shop.client()
    gateway.settles(200, "", shop.path(), carl.token())
    eventually(lambda: counted(shop))
    with shop.scope():
        version = shop.apis["orders"].versions.get()
        first = version.revisions.get()
    shop.enforced(shop.make_live(shop.add_revision(version, mock=True)))
    before = counted(shop)
    assert gateway.call(shop.path(), carl.token()).headers["x-portico-mock"] == "true"
    shop.enforced(shop.make_live(first))
    gateway.settles(200, "", shop.path(), carl.token())
    (answered, *_) = before["orders"]
    eventually(lambda: counted(shop)["orders"][0] == answered + 1)
