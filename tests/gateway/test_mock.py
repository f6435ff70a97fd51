"""A version without an upstream at a real Envoy: it answers from its document's examples, to whoever may call it and to nobody else."""

from typing import Any

import pytest

from apis.actions import publishing, subscriptions, versions
from apis.mock import MOST
from apis.models import ApiVersion, OperationUse, Revision, Subscription
from keys import tokens
from tenants import limits
from tenants.errors import NotAllowed
from tenants.models import User
from tests import live, make
from tests.live import Client, Gateway, Shop, Upstream, eventually

PAGE = "https://shop.example"
ORDER = {"id": "7", "state": "100% paid", "note": "Größe"}
LARGE = "x" * (MOST - 2)


def says(content: dict[str, Any]) -> dict[str, Any]:
    return {"responses": {"200": {"description": "It", "content": content}}}


DOCUMENT: dict[str, Any] = {
    **make.SCOPED,
    "security": [],
    "paths": {
        "/orders": {
            "get": says({"application/json": {"schema": {"type": "array", "items": {"type": "integer", "minimum": 3}}}}),
            "post": {"responses": {"201": {"description": "Made"}}, "security": [{"login": ["orders:write"]}]},
        },
        "/orders/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": says({"application/vnd.acme+json": {"example": ORDER}}),
            "head": says({"application/vnd.acme+json": {"example": ORDER}}),
            "delete": {"responses": {"204": {"description": "Gone"}}},
            "options": says({"text/plain": {"example": "as you like"}}),
        },
        "/large": {"get": says({"application/json": {"example": LARGE}})},
        "/moved": {"get": {"responses": {"302": {"description": "Elsewhere"}}}},
    },
}


@pytest.fixture
def shop(gateway: Gateway, upstream: Upstream) -> Shop:
    """The orders are a mock."""
    made = live.shop(upstream, api=False)
    made.add_api("orders", content=DOCUMENT, mock=True)
    return made


@pytest.fixture
def carl(gateway: Gateway, shop: Shop) -> Client:
    client = shop.client()
    gateway.settles(200, "", shop.path(), client.token())
    return client


def pam(shop: Shop) -> User:
    return shop.person("publisher")


def version(shop: Shop) -> ApiVersion:
    with shop.scope():
        return ApiVersion.objects.select_related("api").get(api__slug="orders", name="v1")


def test_operations_answer_with_their_examples_and_say_that_it_is_a_mock(
    gateway: Gateway, shop: Shop, carl: Client, upstream: Upstream
) -> None:
    before, token = len(upstream.seen), carl.token()
    answer = gateway.call(shop.path(), token)
    assert (answer.status, answer.json) == (200, ORDER)
    assert (answer.headers["content-type"], answer.headers["x-portico-mock"]) == ("application/vnd.acme+json", "true")
    answer = gateway.call(shop.path("/orders"), token)
    assert (answer.json, answer.headers["content-type"]) == ([3], "application/json")
    assert gateway.call(shop.path("/orders?limit=1"), token, headers=[("accept", "text/html")]).json == [3]
    answer = gateway.call(shop.path("/moved"), token)
    assert (answer.status, answer.body, answer.headers["x-portico-mock"]) == (302, b"", "true")
    assert len(upstream.seen) == before


def test_an_answer_without_content_has_none(gateway: Gateway, shop: Shop, carl: Client) -> None:
    deleted = gateway.call(shop.path(), carl.token(), method="DELETE")
    assert (deleted.status, deleted.body) == (204, b"")
    assert "content-type" not in deleted.headers
    head, get = gateway.call(shop.path(), carl.token(), method="HEAD"), gateway.call(shop.path(), carl.token())
    assert (head.status, head.body) == (200, b"")
    for name in ("content-type", "content-length", "x-portico-mock"):
        assert head.headers[name] == get.headers[name]


def test_the_largest_answer_comes_whole(gateway: Gateway, shop: Shop, carl: Client) -> None:
    answer = gateway.call(shop.path("/large"), carl.token())
    assert (len(answer.body), answer.json) == (MOST, LARGE)


def test_a_body_that_nobody_reads_does_no_harm(gateway: Gateway, shop: Shop) -> None:
    writer = shop.client()
    token = tokens.sign(writer.claims(scope="orders:write"), shop.key)
    gateway.settles(201, "", shop.path("/orders"), token, method="POST", body=b"{}")
    answer = gateway.call(shop.path("/orders"), token, method="POST", body=b"x" * 1_000_000)
    assert (answer.status, answer.headers["x-portico-mock"]) == (201, "true")


def test_refusals_are_those_of_every_version(gateway: Gateway, shop: Shop, carl: Client) -> None:
    def refused(path: str, token: str = "", **more: Any) -> tuple[int, str]:
        answer = gateway.call(shop.path(path), token, **more)
        assert "x-portico-mock" not in answer.headers, "a refusal is no mock"
        return answer.status, answer.code

    token = carl.token()
    assert refused("/orders/1") == (401, "TOKEN_MISSING")
    assert refused("/orders/1", "forged") == (401, "TOKEN_INVALID")
    assert refused("/orders/1", shop.client(status="").token()) == (403, "SUBSCRIPTION_REQUIRED")
    assert refused("/orders", token, method="POST") == (403, "SCOPE_MISSING")
    assert refused("/orders/1", token, method="PUT") == (405, "METHOD_NOT_ALLOWED")
    assert refused("/nowhere", token) == (404, "NO_SUCH_ROUTE")
    assert carl.subscription is not None
    found = shop.does(Subscription.objects.get, pk=carl.subscription.pk)
    shop.enforced(shop.does(subscriptions.suspend, found, reason="Too much.", by=shop.person("approver")))
    assert refused("/orders/1", token) == (403, "SUBSCRIPTION_SUSPENDED")


def test_the_plans_limit_holds(gateway: Gateway, shop: Shop) -> None:
    client = shop.client(plan=shop.plan(calls=2, seconds=3600))
    token = client.token()
    shop.enforced_newest()
    answers = [gateway.call(shop.path(), token) for _ in range(6)]
    assert {each.status for each in answers} == {200, 429}
    assert (answers[-1].status, answers[-1].code) == (429, "RATE_LIMITED")


def test_its_calls_are_counted(gateway: Gateway, shop: Shop, carl: Client) -> None:
    def counted() -> bool:
        with shop.scope():
            return OperationUse.objects.filter(application=carl.application).exists()

    eventually(counted)


def test_pages_of_named_origins_can_read_a_mock(gateway: Gateway, shop: Shop, carl: Client) -> None:
    token, change = carl.token(), publishing.change_api
    for origins, told in (([PAGE, "http://localhost:5173"], [PAGE]), (["*"], [PAGE, "https://other.example"])):
        event = shop.does(change, shop.apis["orders"], cors_origins=origins, by=None)
        assert event is not None
        shop.enforced(event)
        for origin in told:
            answer = gateway.call(shop.path(), token, headers=[("origin", origin)])
            assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, origin)
            assert "x-portico-mock" in answer.headers["access-control-expose-headers"]
            assert "Origin" in answer.headers["vary"]
            # The document has an operation OPTIONS here, which a page's preflight would run into.
            asks = [("origin", origin), ("access-control-request-method", "GET")]
            preflight = gateway.call(shop.path(), method="OPTIONS", headers=asks)
            assert (preflight.status, preflight.headers["access-control-allow-origin"]) == (200, origin)
        for headers in ([], [("origin", "https://evil.example")]) if "*" not in origins else ([],):
            answer = gateway.call(shop.path(), token, headers=headers)
            assert answer.status == 200
            assert not {"access-control-allow-origin", "access-control-expose-headers"} & set(answer.headers)


def test_the_options_of_a_document_answer_where_no_page_may_call(gateway: Gateway, shop: Shop, carl: Client) -> None:
    assert gateway.call(shop.path(), carl.token(), method="OPTIONS").body == b"as you like"


def test_an_upstream_takes_over_with_the_next_revision_and_gives_back(
    gateway: Gateway, shop: Shop, carl: Client, upstream: Upstream
) -> None:
    token, found = carl.token(), version(shop)
    shop.enforced(shop.make_live(shop.add_revision(found, content=DOCUMENT)))
    answer = gateway.call(shop.path(), token)
    assert (answer.status, answer.json["path"]) == (200, "/orders/1")
    assert "x-portico-mock" not in answer.headers
    with shop.scope():
        first = Revision.objects.get(number=1, version=found)
    event = shop.make_live(first)
    assert event.data["mock"] is True
    shop.enforced(event)
    before = len(upstream.seen)
    assert gateway.call(shop.path(), token).json == ORDER
    assert len(upstream.seen) == before


def test_no_upstream_can_pass_for_a_mock(
    gateway: Gateway, shop: Shop, carl: Client, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "headers", {"x-portico-mock": "true"})
    shop.enforced(shop.make_live(shop.add_revision(version(shop), content=DOCUMENT)))
    answer = gateway.call(shop.path(), carl.token())
    assert answer.status == 200
    assert "x-portico-mock" not in answer.headers


def test_a_mock_is_blocked_and_deprecated_like_others(gateway: Gateway, shop: Shop, carl: Client) -> None:
    found, token = version(shop), carl.token()
    shop.enforced(shop.does(versions.block, found, reason="It misleads.", by=pam(shop)))
    answer = gateway.call(shop.path(), token)
    assert (answer.status, answer.code) == (503, "API_BLOCKED")
    shop.does(versions.unblock, version(shop), by=pam(shop))
    shop.enforced(shop.does(versions.deprecate, version(shop), reason="v2", by=pam(shop)))
    answer = gateway.call(shop.path(), token)
    assert (answer.status, answer.json) == (200, ORDER)
    assert answer.headers["deprecation"]


def test_a_tenant_has_so_many_examples_at_its_gateways(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOCK_CHARACTERS", 100_000)
    with pytest.raises(NotAllowed, match="more than 100,000 characters of examples together"):
        shop.add_api("bills", content=DOCUMENT, mock=True)
    # In place of another it is none more.
    shop.make_live(shop.add_revision(version(shop), content=DOCUMENT, mock=True))
    # Without examples of its own, nothing is asked of it.
    shop.add_api("plain", content=DOCUMENT)
