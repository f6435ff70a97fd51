"""The life of an application as its callers feel it, at a real Envoy: with a token that lives on, and with an API key."""

import time

import pytest

from apis.actions import applications as endings
from gateway.models import Refusal
from keys import tokens
from keys.actions import application_life
from tenants.models import Event, User
from tests import live, make
from tests.live import Client, Gateway, Shop, Upstream


@pytest.fixture
def shop(gateway: Gateway, upstream: Upstream) -> Shop:
    return live.shop(upstream)


@pytest.fixture
def carl(gateway: Gateway, shop: Shop) -> Client:
    client = shop.client()
    gateway.settles(200, "", shop.path(), client.token())
    return client


def owner(carl: Client) -> User:
    return carl.application.owner


def told_within_a_second(shop: Shop, event: Event) -> None:
    receipt = shop.enforced(event)
    assert receipt.ms is not None
    assert receipt.ms < 1000, receipt.sentence


def test_deleting_ends_every_credential_and_subscription_within_a_second(gateway: Gateway, shop: Shop, carl: Client) -> None:
    """By the clock of who calls: with what each of its credentials earned, at each of its APIs; and of nobody else's."""
    dora = shop.client()
    shop.add_api("ledger")
    ledger = shop.plan("ledger")
    with shop.scope():
        make.subscription(of=carl.application, to=ledger)
        make.subscription(of=dora.application, to=ledger)
        pair, issuer = make.key_pair(carl.application), make.issuer(carl.application)
        keys = [make.api_key(carl.application)[1] for _ in range(2)]
    earned = [tokens.sign(carl.claims(cid=str(each.pk)), shop.key) for each in (carl.credential, pair, issuer)]
    paths = [shop.path(), shop.path(api="ledger")]
    theirs, hers = [(path, text) for path in paths for text in (*earned, *keys)], [(path, dora.token()) for path in paths]
    for path, text in (*theirs, *hers):
        gateway.settles(200, "", path, text)

    def refused() -> bool:
        return {gateway.call(path, text).code for path, text in theirs} == {"TOKEN_REVOKED", "KEY_REVOKED"}

    event = shop.does(endings.delete, carl.application, by=owner(carl))
    decided = time.monotonic()
    live.eventually(refused)
    assert time.monotonic() - decided < 1
    live.stays(refused)
    told_within_a_second(shop, event)
    assert [gateway.call(path, text).status for path, text in hers] == [200, 200]


def test_suspended_resumed_and_deleted_each_within_a_second(gateway: Gateway, shop: Shop, carl: Client, upstream: Upstream) -> None:
    with shop.scope():
        _, key = make.api_key(carl.application)
    shop.enforced_newest()
    token, path = carl.token(), shop.path()
    gateway.settles(200, "", path, key)

    def answers(by_token: tuple[int, str], by_key: tuple[int, str]) -> None:
        before = len(upstream.seen)
        for text, wanted in ((token, by_token), (key, by_key)):
            answer = gateway.call(path, text)
            assert (answer.status, answer.code) == wanted, str(answer)
            assert wanted[0] == 200 or answer.json["code"] == wanted[1]
        passed = [by_token[0], by_key[0]].count(200)
        assert len(upstream.seen) - before == passed, "what is refused never reaches the upstream"

    answers((200, ""), (200, ""))
    suspended = (403, "APPLICATION_SUSPENDED")
    told_within_a_second(shop, shop.does(application_life.suspend, carl.application, reason="Leaked.", by=owner(carl)))
    answers(suspended, suspended)
    told_within_a_second(shop, shop.does(application_life.resume, carl.application, by=owner(carl)))
    answers((200, ""), (200, ""))
    told_within_a_second(shop, shop.does(endings.delete, carl.application, by=owner(carl)))
    answers((401, "TOKEN_REVOKED"), (401, "KEY_REVOKED"))


def test_deleting_what_is_suspended_ends_it_all_the_same(gateway: Gateway, shop: Shop, carl: Client) -> None:
    token = carl.token()
    shop.enforced(shop.does(application_life.suspend, carl.application, reason="x", by=owner(carl)))
    shop.enforced(shop.does(endings.delete, carl.application, by=owner(carl)))
    assert gateway.call(shop.path(), token).code == "TOKEN_REVOKED"


def test_a_token_that_no_credential_earned_ends_with_it_too(gateway: Gateway, shop: Shop, carl: Client) -> None:
    """As one has that tries an operation in the browser: it bears its own id in the place of a credential's."""
    claims = carl.claims(cid="0198c0de-0000-7000-8000-000000000000")
    token = tokens.sign(claims, shop.key)
    gateway.settles(200, "", shop.path(), token)
    shop.enforced(shop.does(endings.delete, carl.application, by=owner(carl)))
    assert gateway.call(shop.path(), token).code == "SUBSCRIPTION_CANCELLED"


def test_what_was_refused_stands_at_the_application(gateway: Gateway, shop: Shop, carl: Client) -> None:
    shop.enforced(shop.does(application_life.suspend, carl.application, reason="x", by=owner(carl)))
    answer = gateway.call(shop.path(), carl.token())

    def found() -> bool:
        with shop.scope():
            rows = Refusal.objects.filter(application=carl.application, request_id=answer.headers["x-request-id"])
            return list(rows.values_list("code", flat=True)) == ["APPLICATION_SUSPENDED"]

    live.eventually(found)


@pytest.mark.parametrize("again", [1, 5])
def test_back_and_forth_the_last_word_counts(gateway: Gateway, shop: Shop, carl: Client, again: int) -> None:
    token = carl.token()
    for _ in range(again):
        shop.does(application_life.suspend, carl.application, reason="x", by=owner(carl))
        event = shop.does(application_life.resume, carl.application, by=owner(carl))
    shop.enforced(event)
    time.sleep(0.1)
    assert gateway.call(shop.path(), token).status == 200
