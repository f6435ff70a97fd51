"""Names are looked up, and documents read, in bounded time and with nothing held meanwhile."""

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from apis import openapi, upstreams
from apis.actions import publishing, resolving
from apis.models import Upstream
from tenants import addresses
from tenants.errors import NotAllowed
from tenants.models import Due, Event, Membership, Tenant
from tenants.scope import in_scope, tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base

GOOD = "93.184.216.34"


@pytest.fixture
def slow_resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The system's resolver answers once this is set, and not before."""
    answer = threading.Event()

    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        answer.wait(20)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (GOOD, port))]

    monkeypatch.setattr(addresses, "LOOK_UP_SECONDS", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield answer
    answer.set()
    until = time.monotonic() + 5
    while any(thread.name == "look-up" for thread in threading.enumerate()) and time.monotonic() < until:
        time.sleep(0.01)


def test_a_resolver_that_does_not_answer_is_left_alone(slow_resolver: threading.Event) -> None:
    started = time.monotonic()
    with pytest.raises(upstreams.UpstreamRefused, match="“slow.example.com” could not be looked up in time"):
        upstreams.resolve(upstreams.parse("https://slow.example.com"), allowed=[])
    assert time.monotonic() - started < 2


def test_no_more_threads_wait_than_allowed_and_they_come_back(slow_resolver: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(addresses.LOOK_UPS + 2):
        with pytest.raises(TimeoutError):
            addresses.look_up(f"slow{number}.example.com", 443)
    assert sum(thread.name == "look-up" for thread in threading.enumerate()) == addresses.LOOK_UPS
    assert addresses.look_up("127.0.0.1", 443) == ["127.0.0.1"], "an address needs no look-up"
    slow_resolver.set()
    # Those that waited have to give their places back first.
    monkeypatch.setattr(addresses, "LOOK_UP_SECONDS", 20.0)
    assert addresses.look_up("quick.example.com", 443) == [GOOD]


def test_what_the_resolver_says_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    for _ in range(addresses.LOOK_UPS * 3):
        with pytest.raises(upstreams.UpstreamRefused, match="does not resolve"):
            upstreams.resolve(upstreams.parse("https://none.example.com"), allowed=[])


# --- documents


def test_two_documents_are_read_at_once_and_a_third_waits_for_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openapi, "WAIT_SECONDS", 0.1)
    readers = [openapi._readers.acquire(timeout=1) for _ in range(openapi.READERS)]
    assert readers == [True] * 2
    try:
        started = time.monotonic()
        with pytest.raises(openapi.TooManyAtOnceError):
            openapi.read("openapi: 3.1.0")
        assert time.monotonic() - started < 3
    finally:
        for _ in readers:
            openapi._readers.release()
    with pytest.raises(openapi.DocumentError):
        openapi.read("openapi: 4")
    assert [openapi._readers.acquire(blocking=False) for _ in range(openapi.READERS)] == [True] * 2, "given back after an error"
    for _ in readers:
        openapi._readers.release()


@pytest.fixture
def path(transactional_db: None, cast: Cast) -> str:
    with tenant_scope(cast.acme.pk):
        make.api("orders")
    return f"{base(cast.acme)}/apis/orders/versions/v1/revisions/"


BODY = {"document": json.dumps(make.DOCUMENT), "upstream": {"url": "https://orders.example.com"}}


def test_busy_readers_are_told_as_such(path: str, cast: Cast, rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: Any, **__: Any) -> Any:
        raise openapi.TooManyAtOnceError

    monkeypatch.setattr(openapi, "read", busy)
    response = rest(cast.pam).post(path, BODY)
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert response.json()["detail"] == "Portico reads other documents just now. Try again in a few seconds."


def quick(monkeypatch: pytest.MonkeyPatch, also: Callable[[], None] = lambda: None) -> list[str]:
    """Reading and looking up take no process and no network, and see that nothing is held."""
    seen = []

    def free(what: str) -> None:
        assert not connection.in_atomic_block
        assert not in_scope()
        seen.append(what)

    def read(_: Any, **__: Any) -> openapi.Document:
        free("document")
        also()
        return make.document()

    def look_up(host: str, port: int) -> list[str]:
        free("name")
        return [GOOD]

    monkeypatch.setattr(openapi, "read", read)
    monkeypatch.setattr(upstreams.resolve, "__kwdefaults__", {"resolver": look_up})
    return seen


def test_no_transaction_waits_for_a_document_or_a_name(path: str, cast: Cast, rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = quick(monkeypatch)
    response = rest(cast.pam).post(path, BODY)
    assert response.status_code == 201, response.content
    assert response.json()["number"] == 2
    assert seen == ["document", "name"]
    with tenant_scope(cast.acme.pk):
        assert Event.objects.latest("number").kind == "revision.created"
    assert [each["number"] for each in rest(cast.pam).get(path).json()["results"]] == [2, 1]


def test_who_was_shut_out_meanwhile_imports_nothing(path: str, cast: Cast, rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    def shut_out() -> None:
        with tenant_scope(cast.acme.pk):
            Membership.objects.filter(user=cast.pam).delete()

    quick(monkeypatch, also=shut_out)
    assert rest(cast.pam).post(path, BODY).status_code == 404
    with tenant_scope(cast.acme.pk):
        assert not Event.objects.filter(kind="revision.created", actor_id=cast.pam.pk).exists()


def test_a_write_that_fails_leaves_nothing(path: str, cast: Cast, rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)
    whole = publishing.add_revision

    def fails(*args: Any, **kwargs: Any) -> None:
        whole(*args, **kwargs)
        raise NotAllowed("No.")

    monkeypatch.setattr(publishing, "add_revision", fails)
    assert rest(cast.pam).post(path, BODY).status_code == 409
    with tenant_scope(cast.acme.pk):
        assert Upstream.objects.count() == 1


def test_strangers_find_nothing_there(path: str, cast: Cast, rest: Rest) -> None:
    assert rest(None).post(path, BODY).status_code == 401
    assert rest(None).get(path).status_code == 401
    for method in ("get", "post", "put", "delete"):
        answers = [getattr(rest(cast.eve), method)(each) for each in (path, path.replace("acme", "nowhere"))]
        assert [answer.status_code for answer in answers] == [404, 404]
    assert rest(cast.pam).put(path).status_code == 405
    assert rest(cast.carl).post(path, BODY).status_code == 403


# --- the job


@pytest.fixture
def tenants(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> list[Tenant]:
    """Three with an upstream that has a name, all of them due."""
    monkeypatch.setattr(upstreams.resolve, "__kwdefaults__", {"resolver": lambda host, port: [GOOD]})
    found = [make.tenant(name) for name in ("acme", "globex", "umbrella")]
    for tenant in found:
        with tenant_scope(tenant.pk):
            make.api("orders", upstream=f"https://{tenant.slug}.example.com")
    all_due()
    return found


def all_due() -> None:
    Due.objects.filter(job=resolving.RESOLVE_JOB).update(at=timezone.now() - timedelta(seconds=1))


def noting(asked: list[str], answer: str) -> Callable[[str, int], list[str]]:
    def look(host: str, port: int) -> list[str]:
        asked.append(host)
        return [answer]

    return look


def test_one_tenants_trouble_holds_up_no_other(tenants: list[Tenant], caplog: pytest.LogCaptureFixture) -> None:
    asked = []

    def look(host: str, port: int) -> list[str]:
        asked.append(host)
        if host.startswith("globex"):
            raise ZeroDivisionError
        return [GOOD]

    with caplog.at_level(logging.ERROR):
        assert resolving.resolve_upstreams(resolver=look) == 2
    assert sorted(asked) == ["acme.example.com", "globex.example.com", "umbrella.example.com"]
    assert f"resolve_upstreams failed for tenant {tenants[1].pk}." in caplog.text
    due = Due.objects.get(job=resolving.RESOLVE_JOB, tenant=tenants[1])
    assert due.at > timezone.now() + timedelta(minutes=4), "it comes back with its lease"


def test_a_run_ends_in_time_and_gives_back_the_rest(tenants: list[Tenant]) -> None:
    asked = []

    def look(host: str, port: int) -> list[str]:
        asked.append(host)
        time.sleep(0.3)
        return [GOOD]

    assert resolving.resolve_upstreams(resolver=look, seconds=0.2) == 1
    assert len(asked) == 1
    assert Due.objects.filter(job=resolving.RESOLVE_JOB, at__lte=timezone.now()).count() == 2, "due at once, not with the lease"
    resolving.resolve_upstreams(resolver=noting(asked, GOOD))
    assert len(set(asked)) == 3


def test_a_tenant_that_is_always_due_is_served_once_a_run(tenants: list[Tenant]) -> None:
    rounds = []

    def look(host: str, port: int) -> list[str]:
        rounds.append(host)
        assert len(rounds) < 20
        with tenant_scope(tenants[0].pk):
            make.api(upstream=f"https://new-{len(rounds)}.example.com")
        return [GOOD]

    assert resolving.resolve_upstreams(resolver=look) == 3


def test_one_tenant_has_only_so_many_names_looked_up(tenants: list[Tenant], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolving, "MOST_LOOK_UPS", 3)
    with tenant_scope(tenants[0].pk):
        for number in range(8):
            make.api(upstream=f"https://host{number}.example.com/one")
            make.api(upstream=f"https://host{number}.example.com/two")
    all_due()
    asked: list[str] = []
    for _ in range(60):
        before = len(asked)
        resolving.resolve_upstreams(resolver=noting(asked, "93.184.216.35"))
        assert len([host for host in asked[before:] if not host.startswith(("globex", "umbrella"))]) <= 3
        all_due()
        if len(set(asked)) == 11:
            break
    assert len(set(asked)) == 11, "chance comes to each"
    with tenant_scope(tenants[0].pk):
        # All upstreams at a name get its addresses.
        assert {tuple(each.addresses) for each in Upstream.objects.all()} == {("93.184.216.35",)}
