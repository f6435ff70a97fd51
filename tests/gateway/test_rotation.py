"""Keys change under a real Envoy: no call fails in a rotation, and nothing that a compromised key signed passes."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection
from django.db.models.functions import Now

from gateway import rehearsal, rotation
from gateway.models import GatewayNode
from keys import keyring, tokens
from keys.actions import policies, signing
from keys.actions.credentials import create_api_key
from keys.models import Credential, SigningKey
from tenants import events
from tenants.errors import NotAllowed
from tenants.models import Event
from tests import live
from tests.live import Client, Gateway, Shop, Upstream

USE = SigningKey.Use.ACCESS_TOKEN


@pytest.fixture
def running(gateway: Gateway, upstream: Upstream) -> tuple[Gateway, Shop, Client]:
    """A tenant whose verifiers may keep its JWKS for five seconds; its gateway has loaded it."""
    shop = live.shop(upstream)
    shop.does(policies.change_policy, {"jwks_max_age": 5}, by=None)
    forget_older_jwks(shop)
    carl = shop.client()
    assert gateway.call(shop.path(), carl.token()).status == 200
    shop.enforced_newest()
    return gateway, shop, carl


def forget_older_jwks(shop: Shop) -> None:
    """As if the policy had always been so."""
    with shop.scope(), connection.cursor() as cursor:
        cursor.execute("UPDATE keys_tokenpolicy SET jwks_kept_until = NULL")


def older(shop: Shop, by: timedelta) -> None:
    with shop.scope():
        SigningKey.objects.filter(status="published").update(known_at=Now() - by, planned_for=Now() - by, published_at=Now() - by)


def active(shop: Shop) -> SigningKey:
    with shop.scope():
        found = signing.active(USE)
        assert found is not None
        return found


def advanced(shop: Shop) -> SigningKey:
    """What signs after the job has run once more."""
    rotation.advance(shop.pk)
    return active(shop)


def rotated(shop: Shop) -> SigningKey:
    """The rotation done, its waiting left out."""
    before = active(shop)
    rotation.rotate_now(shop.pk, USE, by=None)
    older(shop, timedelta(minutes=10))
    live.eventually(lambda: advanced(shop).pk != before.pk)
    return active(shop)


@contextmanager
def calling(gateway: Gateway, shop: Shop, carl: Client) -> Iterator[list[int]]:
    """Calls all the time, each with a token signed just before; yields the statuses so far."""
    found: list[int] = []
    stop = threading.Event()

    def call() -> None:
        while not stop.is_set():
            found.append(gateway.call(shop.path(), carl.token()).status)
        connection.close()

    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


def test_a_rotation_fails_no_call(running: tuple[Gateway, Shop, Client]) -> None:
    gateway, shop, carl = running
    first, token = active(shop), carl.token()
    with calling(gateway, shop, carl) as found:
        live.eventually(lambda: len(found) > 20)
        second = rotated(shop)
        many = len(found)
        live.eventually(lambda: len(found) > many + 20)
    assert set(found) == {200}
    assert second.kid != first.kid
    assert gateway.call(shop.path(), token).status == 200, "what the old key signed lives on"
    with shop.scope():
        first.refresh_from_db()
    assert (first.status, first.sealed) == ("retired", None)


def test_a_key_read_before_the_commit_that_retires_it_signs_across_it(running: tuple[Gateway, Shop, Client]) -> None:
    """A worker that has the key in its memory signs a moment after the key has retired: what it signs passes until its end."""
    gateway, shop, carl = running
    key, claims = shop.key, carl.claims()
    rotated(shop)
    with shop.scope():
        retired = SigningKey.objects.get(kid=key.kid)
        assert retired.last_exp is not None
        assert retired.last_exp.timestamp() >= claims["exp"]
    assert gateway.call(shop.path(), tokens.sign(claims, key)).status == 200
    assert keyring.signing_key(shop.pk, active(shop).pk).kid == active(shop).kid


def test_no_key_signs_before_every_live_gateway_knows_it(running: tuple[Gateway, Shop, Client]) -> None:
    gateway, shop, _ = running
    before = active(shop)
    with gateway.paused("envoy"):
        rotation.rotate_now(shop.pk, USE, by=None)
        older(shop, timedelta(minutes=10))
        rotation.advance(shop.pk)
        assert active(shop).pk == before.pk
        with shop.scope():
            key = signing.published(USE)
            assert key is not None
            assert rotation.waiting_for(key) == [gateway.node]
            # One that is gone for a day does not hold it up any more.
            GatewayNode.objects.filter(name=gateway.node).update(seen_at=Now() - timedelta(hours=25))
            assert rotation.waiting_for(key) == []
            GatewayNode.objects.filter(name=gateway.node).update(seen_at=Now() - timedelta(hours=23), connected=False)
            assert rotation.waiting_for(key) == [gateway.node]
            GatewayNode.objects.filter(name=gateway.node).update(seen_at=Now(), connected=True)
    live.eventually(lambda: advanced(shop).pk == key.pk)


def test_a_gateway_that_never_asked_for_the_tenant_holds_up_nothing(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    with gateway.paused("envoy"):
        rotation.rotate_now(shop.pk, USE, by=None)
        with shop.scope():
            key = signing.published(USE)
            assert key is not None
            assert rotation.waiting_for(key) == []


@pytest.mark.parametrize("algorithm", tokens.ALGORITHMS)
def test_every_algorithm_that_a_policy_may_name_passes(running: tuple[Gateway, Shop, Client], algorithm: str) -> None:
    gateway, shop, carl = running
    old = carl.token()
    shop.does(policies.change_policy, {"algorithm": algorithm}, by=None)
    rotation.advance(shop.pk)
    older(shop, timedelta(minutes=10))
    live.eventually(lambda: tokens.algorithm_of(advanced(shop).public_jwk) == algorithm)
    answer = gateway.call(shop.path(), carl.token())
    assert answer.status == 200, str(answer)
    assert gateway.call(shop.path(), old).status == 200


def test_a_compromised_key_is_refused_everywhere_within_two_seconds(running: tuple[Gateway, Shop, Client]) -> None:
    gateway, shop, carl = running
    key, old = active(shop), carl.token()
    started = time.monotonic()
    event = rotation.compromise(shop.pk, key.pk, by=None, reason="Found in a log.")
    live.eventually(lambda: gateway.call(shop.path(), old).code == "TOKEN_INVALID")
    assert time.monotonic() - started < 2
    assert shop.enforced(event).complete
    answer = gateway.call(shop.path(), carl.token())
    assert answer.status == 200, "its successor signs, and every gateway knew it before"
    with shop.scope():
        key.refresh_from_db()
        assert (key.status, key.sealed, key.public_jwk) == ("compromised", None, {})
        assert event.kind == "signing_key.compromised"
        assert event.data["reason"] == "Found in a log."


def test_while_a_key_is_compromised_tokens_are_issued_all_the_time(running: tuple[Gateway, Shop, Client]) -> None:
    gateway, shop, carl = running
    with calling(gateway, shop, carl) as found:
        live.eventually(lambda: len(found) > 20)
        rotation.compromise(shop.pk, active(shop).pk, by=None, reason="Lost.")
        many = len(found)
        live.eventually(lambda: len(found) > many + 20)
    # A call that was under way with the old key's token may be refused; none with the new one's.
    assert found.count(200) >= len(found) - 2


def test_a_gateway_that_stands_still_keeps_no_key_alive_elsewhere(running: tuple[Gateway, Shop, Client]) -> None:
    gateway, shop, carl = running
    key, old = active(shop), carl.token()
    with gateway.paused("envoy"):
        started = time.monotonic()
        event = rotation.compromise(shop.pk, key.pk, by=None, reason="Lost.")
        assert 1 <= time.monotonic() - started < 2.5, "it waits for the gateway, and not for long"
        receipt = shop.receipt(event)
        assert (receipt.complete, receipt.waiting_for) == (False, gateway.node)
        assert active(shop).pk != key.pk
    live.eventually(lambda: gateway.call(shop.path(), old).code == "TOKEN_INVALID")


@pytest.mark.parametrize("state", ["published", "retired"])
def test_a_key_that_does_not_sign_can_be_given_up_too(running: tuple[Gateway, Shop, Client], state: str) -> None:
    gateway, shop, carl = running
    key, old = active(shop), carl.token()
    if state == "retired":
        rotated(shop)
    else:
        rotation.rotate_now(shop.pk, USE, by=None)
        with shop.scope():
            found = signing.published(USE)
            assert found is not None
            key = found
    event = rotation.compromise(shop.pk, key.pk, by=None, reason="Lost.")
    shop.enforced(event)
    assert gateway.call(shop.path(), old).status == (401 if state == "retired" else 200)
    with shop.scope(), pytest.raises(NotAllowed):
        rotation.compromise(shop.pk, key.pk, by=None, reason="Again.")


def test_the_key_of_api_keys_takes_them_with_it(running: tuple[Gateway, Shop, Client]) -> None:
    gateway, shop, carl = running
    with shop.scope():
        credential, text = create_api_key(carl.application, by=None, label="", expires_at=None)
    gateway.settles(200, "", shop.path(), text)
    with shop.scope():
        key = signing.active(SigningKey.Use.API_KEY)
        assert key is not None
        assert rotation.blast_radius(key).api_keys == 1
    rotation.compromise(shop.pk, key.pk, by=None, reason="Lost.")
    gateway.settles(401, "TOKEN_INVALID", shop.path(), text)
    with shop.scope():
        assert Credential.objects.get(pk=credential.pk).status == "revoked"
        _, text = create_api_key(carl.application, by=None, label="", expires_at=None)
    gateway.settles(200, "", shop.path(), text)
    assert gateway.call(shop.path(), carl.token()).status == 200, "access tokens have keys of their own"


@pytest.mark.parametrize("purpose", SigningKey.Use.values)
def test_a_rehearsal_tries_the_next_key_at_every_gateway(
    running: tuple[Gateway, Shop, Client], purpose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a busy machine takes."""
    monkeypatch.setattr(rotation, "wait_for", partial(rotation.wait_for, patience=timedelta(seconds=20)))
    monkeypatch.setattr(rehearsal, "SECONDS", live.DEADLINE)
    gateway, shop, carl = running
    before = active(shop)
    found = rehearsal.rehearse(shop.pk, purpose, by=None)
    assert (found.go, list(found.reasons)) == (True, [])
    assert [(each.gateway, each.ok) for each in found.gateways] == [(gateway.node, True)]
    assert active(shop).pk == before.pk, "nothing signs with it yet"
    again = rehearsal.rehearse(shop.pk, purpose, by=None)
    assert again.key.pk == found.key.pk, "one candidate at a time"
    assert gateway.call(shop.path(), carl.token()).status == 200
    with shop.scope():
        told = Event.objects.filter(kind="signing_key.rehearsed").latest("number")
        assert told.data["go"] is True


def test_a_rehearsal_says_what_stands_against_it(running: tuple[Gateway, Shop, Client]) -> None:
    gateway, shop, _ = running
    with gateway.paused("envoy"):
        found = rehearsal.rehearse(shop.pk, USE, by=None)
    assert not found.go
    assert found.reasons == [f"{gateway.node} has not acknowledged the key.", f"{gateway.node} could not be called."]


def test_a_tombstone_stays_when_nothing_of_a_key_is_alive(running: tuple[Gateway, Shop, Client]) -> None:
    gateway, shop, carl = running
    first = active(shop)
    rotated(shop)
    old = tokens.sign(carl.claims(), keyring.signing_key(shop.pk, active(shop).pk))
    with shop.scope():
        SigningKey.objects.filter(pk=first.pk).update(remove_at=Now())
    rotation.advance(shop.pk)
    shop.enforced_newest()
    with shop.scope():
        first.refresh_from_db()
        assert (first.status, first.public_jwk, first.sealed) == ("removed", {}, None)
    assert gateway.call(shop.path(), old).status == 200
    with shop.scope():
        events.lock()
        again = signing.spare(shop.pk, USE, "ES256")
        again.row.kid = first.kid
        with pytest.raises(Exception, match="a_kid_is_never_used_again"):
            signing.announce(again, planned_for=events.now(), by=None)
