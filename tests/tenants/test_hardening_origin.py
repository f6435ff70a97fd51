"""Whose address it is that asks: the peer's, unless a proxy we trust says for whom it asks."""

import ipaddress
import time
from typing import Any

import pytest

from keys import throttle as token_throttle
from tenants import middleware
from tenants.models import Event, PlatformEvent, Tenant
from tenants.origin import Origin, client_address
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base

PROXIES = [ipaddress.ip_network(text) for text in ("10.0.0.0/8", "fd00::/8", "192.0.2.1")]


@pytest.mark.parametrize(
    "peer,forwarded,client",
    [
        ("198.51.100.7", "", "198.51.100.7"),
        # Who is no proxy of ours may send what they like.
        ("198.51.100.7", "203.0.113.9", "198.51.100.7"),
        ("198.51.100.7", "203.0.113.9, 10.0.0.1", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("192.0.2.1", "203.0.113.9", "203.0.113.9"),
        ("192.0.2.2", "203.0.113.9", "192.0.2.2"),
        # Further left stands what the caller sent.
        ("10.0.0.1", "1.1.1.1, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "10.0.0.9, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.9, 10.2.3.4", "203.0.113.9"),
        ("10.0.0.1", "10.9.9.9, 10.2.3.4", "10.9.9.9"),
        ("fd00::1", "2001:db8::5", "2001:db8::5"),
        ("::ffff:10.0.0.1", "::ffff:203.0.113.9", "203.0.113.9"),
        # What is no address ends the search at the last one that was sure.
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9, nonsense", "10.0.0.1"),
        ("10.0.0.1", "1.1.1.1, nonsense, 10.2.3.4", "10.2.3.4"),
        ("10.0.0.1", "203.0.113.9:4711", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9,", "10.0.0.1"),
        ("10.0.0.1", " 203.0.113.9 ", "203.0.113.9"),
        ("", "203.0.113.9", ""),
    ],
)
def test_the_right_most_untrusted_address_is_the_clients(peer: str, forwarded: str, client: str) -> None:
    assert client_address(peer, forwarded, PROXIES) == client


@pytest.mark.parametrize(
    "ip,place",
    [
        ("198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2::5", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::6", "2001:db8:1:2::"),
        ("2001:db8:1:3::5", "2001:db8:1:3::"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("", ""),
        ("a socket", "a socket"),
    ],
)
def test_who_has_a_network_of_addresses_is_in_one_place(ip: str, place: str) -> None:
    assert Origin(ip).place == place


def test_without_trusted_proxies_nobody_is_believed() -> None:
    assert client_address("10.0.0.1", "203.0.113.9", []) == "10.0.0.1"


@pytest.mark.parametrize("trusted,ip", [([], "10.0.0.1"), (PROXIES, "203.0.113.9")])
def test_events_name_the_clients_address(cast: Cast, rest: Rest, settings: Any, trusted: Any, ip: str) -> None:
    settings.TRUSTED_PROXIES = trusted
    client = rest(cast.carl)
    headers = {"X-Forwarded-For": "1.1.1.1, 203.0.113.9"}
    body = {"name": "Shop", "purpose": "Sells."}
    assert client.post(f"{base(cast.acme)}/applications/", body, headers=headers, REMOTE_ADDR="10.0.0.1").status_code == 201
    with tenant_scope(cast.acme.pk):
        assert Event.objects.latest("number").ip == ip


@pytest.mark.django_db
def test_a_long_address_of_a_person_fits_into_events() -> None:
    by = make.user(f"{'x' * 64}@{'.'.join(['y' * 55] * 3)}.example", name=" ")
    assert len(by.email) > 200
    by.name = ""
    tenant = make.tenant("acme")
    with tenant_scope(tenant.pk):
        make.application(by)
        assert Event.objects.latest("number").actor_name == by.email[:200]
    assert PlatformEvent.objects.exists()


def test_changing_ones_client_id_does_not_help() -> None:
    waits = [token_throttle.seconds_to_wait(f"made-up-{number}", "198.51.100.7", 3) for number in range(31)]
    assert waits[:30] == [0] * 30
    assert 1 <= waits[30] <= 60
    assert token_throttle.seconds_to_wait("another", "198.51.100.8", 3) == 0


def test_a_flood_forgets_the_oldest_and_not_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_throttle, "_MOST", 10)
    for number in range(8):
        token_throttle.seconds_to_wait("flood", f"early {number}", 1)
    assert token_throttle.seconds_to_wait("honest", "1", 1) == 0
    for number in range(8):
        token_throttle.seconds_to_wait("flood", f"late {number}", 1)
    assert token_throttle.seconds_to_wait("honest", "1", 1) > 0, "its count is still there"
    assert len(token_throttle._clients) == len(token_throttle._addresses) == 10


@pytest.mark.django_db
def test_a_name_that_is_no_tenant_is_asked_for_once_a_second(django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with django_assert_num_queries(1):
        assert [middleware.tenant_id_of("nowhere") for _ in range(5)] == [None] * 5
    with django_assert_num_queries(0):
        assert middleware.tenant_id_of("x" * 41) is None
    made = make.tenant("nowhere")
    moment = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: moment + 1.01)
    assert middleware.tenant_id_of("nowhere") == made.pk


@pytest.mark.django_db
def test_names_that_are_no_tenants_are_bounded_and_push_no_tenant_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "_MOST", 10)
    made = make.tenant("acme")
    assert middleware.tenant_id_of("acme") == made.pk
    for number in range(30):
        middleware.tenant_id_of(f"nowhere-{number}")
    assert len(middleware._absent) == 10
    Tenant.objects.filter(pk=made.pk).update(slug="other")
    assert middleware.tenant_id_of("acme") == made.pk, "still remembered"
