"""Keeping upstreams' addresses true: looked up outside the lock, changed only by what is new and good."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from apis import upstreams
from apis.actions import providers, publishing, resolving
from apis.models import Api, Provider, Upstream
from portal.settings import DATABASE_URL
from tenants import due
from tenants.models import Due, Event, Tenant
from tenants.scope import in_scope, tenant_scope
from tests import make

Lookup = Callable[[str, int], Sequence[str]]


@pytest.fixture
def acme(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Tenant:
    """Acme with one live API at orders.example.com."""
    tenant = make.tenant("acme")
    # make.api looks the name up as a publisher's import does.
    monkeypatch.setattr(upstreams.resolve, "__kwdefaults__", {"resolver": lambda host, port: ["93.184.216.34"]})
    with tenant_scope(tenant.pk):
        make.api("orders", upstream="https://orders.example.com/base")
    make_due()
    return tenant


def make_due() -> None:
    Due.objects.filter(job=resolving.RESOLVE_JOB).update(at=timezone.now() - timedelta(seconds=1))


def stored(tenant: Tenant) -> list[str]:
    with tenant_scope(tenant.pk):
        return Upstream.objects.latest("id").addresses


def told(tenant: Tenant) -> list[dict[str, list[str]]]:
    with tenant_scope(tenant.pk):
        return list(Event.objects.filter(kind="upstream.resolved").order_by("number").values_list("data", flat=True))


def answers(*addresses: str) -> Lookup:
    return lambda host, port: list(addresses)


def test_a_new_address_is_stored_and_told(acme: Tenant) -> None:
    assert resolving.resolve_upstreams(resolver=answers("93.184.216.35", "93.184.216.34")) == 1
    assert stored(acme) == ["93.184.216.34", "93.184.216.35"]
    assert told(acme) == [{"was": ["93.184.216.34"], "now": ["93.184.216.34", "93.184.216.35"]}]


def test_the_same_addresses_in_another_order_are_no_event(acme: Tenant) -> None:
    for order in (("93.184.216.35", "93.184.216.34"), ("93.184.216.34", "93.184.216.35")):
        resolving.resolve_upstreams(resolver=answers(*order))
        make_due()
    assert len(told(acme)) == 1


@pytest.mark.parametrize("bad", [(), ("127.0.0.53", "10.0.0.1"), ("169.254.169.254",), ("93.184.216.34", "10.0.0.1")])
def test_the_last_good_addresses_stay_where_the_answer_is_bad(acme: Tenant, bad: tuple[str, ...]) -> None:
    resolving.resolve_upstreams(resolver=answers(*bad))
    assert stored(acme) == ["93.184.216.34"]
    assert told(acme) == []


def test_the_last_good_addresses_stay_where_the_resolver_is_away(acme: Tenant) -> None:
    def away(host: str, port: int) -> list[str]:
        raise OSError("timed out")

    assert resolving.resolve_upstreams(resolver=away) == 1
    assert stored(acme) == ["93.184.216.34"]
    assert Due.objects.get(job=resolving.RESOLVE_JOB).at > timezone.now(), "and it is tried again in a minute"


def test_nothing_is_locked_during_a_look_up(acme: Tenant) -> None:
    seen = []

    def look(host: str, port: int) -> list[str]:
        assert not connection.in_atomic_block
        assert not in_scope()
        with psycopg.connect(DATABASE_URL) as other:
            other.execute("SELECT set_config('portico.tenant_id', %s, true)", [str(acme.pk)])
            other.execute("SELECT 1 FROM tenants_eventcounter FOR UPDATE NOWAIT")
        seen.append((host, port))
        return ["93.184.216.34"]

    resolving.resolve_upstreams(resolver=look)
    assert seen == [("orders.example.com", 443)]


def test_it_comes_round_every_minute_while_something_is_live(acme: Tenant) -> None:
    resolving.resolve_upstreams(resolver=answers("93.184.216.34"))
    at = Due.objects.get(job=resolving.RESOLVE_JOB).at
    assert timedelta(seconds=50) < at - timezone.now() <= resolving.EVERY
    assert resolving.resolve_upstreams(resolver=answers("93.184.216.34")) == 0


def test_what_goes_live_during_the_look_ups_is_not_forgotten(acme: Tenant) -> None:
    """It was not looked up this time, and the job must not write its own later date over the new one's."""
    asked: list[str] = []

    def look(host: str, port: int) -> list[str]:
        if not asked:
            with tenant_scope(acme.pk):
                make.api("later", upstream="https://later.example.com")
        asked.append(host)
        return ["93.184.216.34"]

    for _ in range(2):
        resolving.resolve_upstreams(resolver=look)
    resolving.resolve_upstreams(resolver=look)
    assert "later.example.com" in asked, "with the next run"


def test_what_is_imported_is_resolved_once_it_is_live_however_late(acme: Tenant) -> None:
    with tenant_scope(acme.pk):
        version = Api.objects.get(slug="orders").versions.get()
        second = publishing.add_revision(version, document=make.document(), target=make.target("https://second.example.com"), by=None)
        assert second.upstream is not None
        Upstream.objects.exclude(pk=second.upstream.pk).update(host="192.0.2.1")
    make_due()
    asked: list[str] = []

    def look(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["93.184.216.34"]

    resolving.resolve_upstreams(resolver=look)
    assert asked == []
    with tenant_scope(acme.pk):
        publishing.make_live(second, by=None)
    resolving.resolve_upstreams(resolver=look)
    assert asked == ["second.example.com"]


def test_further_targets_are_kept_true_too(acme: Tenant) -> None:
    with tenant_scope(acme.pk):
        version = Api.objects.get(slug="orders").versions.get()
        targets = [{"host": "b.example"}, {"host": "192.0.2.9", "weight": 0}, {"host": "gone.example", "weight": 0}, {"host": "c.example"}]
        target = make.target("https://orders.example.com", further_targets=targets)
        publishing.make_live(publishing.add_revision(version, document=make.document(), target=target, by=None), by=None)
    make_due()
    known = {"orders.example.com": ["93.184.216.34"], "b.example": ["93.184.216.36", "93.184.216.35"]}
    asked: list[str] = []

    def look(host: str, port: int) -> list[str]:
        asked.append(host)
        return known.get(host, ["10.0.0.1"])

    resolving.resolve_upstreams(resolver=look)
    assert sorted(asked) == ["b.example", "c.example", "orders.example.com"]
    with tenant_scope(acme.pk):
        found = Upstream.objects.latest("id")
        assert found.addresses == ["93.184.216.34"]
        # What is found to lead into the inner network keeps its last good addresses.
        assert found.further_addresses == [["93.184.216.35", "93.184.216.36"], [], [], ["93.184.216.34"]]
    was, now = ["93.184.216.34"] * 3, ["93.184.216.34", "93.184.216.35", "93.184.216.36", "93.184.216.34"]
    assert told(acme) == [{"was": was, "now": now}]


def test_applying_needs_no_lock_taken_before(acme: Tenant) -> None:
    with tenant_scope(acme.pk):
        upstream = Upstream.objects.latest("id")
        resolving.apply_addresses([upstream.pk], {("orders.example.com", 443): ("93.184.216.99",)})
    assert stored(acme) == ["93.184.216.99"]
    assert due.claim(resolving.RESOLVE_JOB, 1) == [acme.pk]


# --- providers of models ---------------------------------------------------------------------------------------------


@pytest.fixture
def model_provider(transactional_db: None) -> Tenant:
    """Globex with a provider at api.example.com."""
    tenant = make.tenant("globex")
    with tenant_scope(tenant.pk):
        pam = make.member(tenant, None, "publisher")
        providers.connect(kind="custom", slug="ours", url="https://api.example.com/v1", by=pam, resolver=answers("93.184.216.34"))
    make_due()
    return tenant


def of_provider(tenant: Tenant) -> tuple[list[str], list[dict[str, list[str]]]]:
    """Where it lies, and what was told of that."""
    with tenant_scope(tenant.pk):
        rows = Event.objects.filter(kind="provider.resolved").order_by("number").values_list("data", flat=True)
        return Provider.objects.get().addresses, list(rows)


def test_a_provider_s_new_address_is_stored_and_told(model_provider: Tenant) -> None:
    assert of_provider(model_provider) == (["93.184.216.34"], [])
    resolving.resolve_upstreams(resolver=answers("93.184.216.34"))
    assert of_provider(model_provider)[1] == [], "nothing is new"
    make_due()
    assert resolving.resolve_upstreams(resolver=answers("93.184.216.35")) == 1
    assert of_provider(model_provider) == (["93.184.216.35"], [{"was": ["93.184.216.34"], "now": ["93.184.216.35"]}])
    assert Due.objects.get(job=resolving.RESOLVE_JOB).at > timezone.now(), "and it is looked up again in a minute"


@pytest.mark.parametrize("bad", [(), ("10.0.0.1",), ("169.254.169.254",), ("93.184.216.35", "10.0.0.1")])
def test_a_provider_s_last_good_addresses_stay_where_the_answer_is_bad(model_provider: Tenant, bad: tuple[str, ...]) -> None:
    resolving.resolve_upstreams(resolver=answers(*bad))
    assert of_provider(model_provider) == (["93.184.216.34"], [])


def test_without_tls_a_provider_goes_where_the_operator_allows_it_alone(model_provider: Tenant) -> None:
    with tenant_scope(model_provider.pk):
        Provider.objects.update(scheme="http", addresses=["127.0.0.1"])
    resolving.resolve_upstreams(resolver=answers("93.184.216.35"))
    assert of_provider(model_provider) == (["127.0.0.1"], [])
    make_due()
    resolving.resolve_upstreams(resolver=answers("127.0.0.2"))
    assert of_provider(model_provider)[0] == ["127.0.0.2"]


def test_a_provider_that_moved_during_the_look_up_is_looked_up_anew(model_provider: Tenant) -> None:
    def moves(host: str, port: int) -> list[str]:
        with tenant_scope(model_provider.pk):
            Provider.objects.update(host="other.example.com", addresses=[])
        return ["93.184.216.35"]

    resolving.resolve_upstreams(resolver=moves)
    assert of_provider(model_provider) == ([], []), "the address is another host's"
