"""Pam says what of an API's calls is told to whom; what of it fails is counted, and told to who publishes."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from google.protobuf import wrappers_pb2

from apis.models import Api
from gateway import desired, log_shipping
from gateway.envoy.names import CALLED
from gateway.envoy.state import Logged
from gateway.models import LogShipping, LogShippingState, ShippingTenant
from gateway.shipping import destinations, process, standing
from gateway.shipping.destinations import Place, Threads, append
from gateway.shipping.outcomes import Outcome, Trouble
from gateway.shipping.process import Lane, Shipper
from gateway.shipping.standing import PATIENCE, Chosen, Went
from gateway.usage.calls import read
from portal import news
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, queries
from tests.gateway.test_logged import rules
from tests.gateway.test_usage import a_call

SECRET = "Bearer 5b1c-never-shown-again"
HOST = "https://logs.example.com/portico?key=word"


def public(_host: str, _port: int) -> list[str]:
    return ["93.184.216.34"]


@pytest.fixture
def orders(in_acme: Cast) -> Api:
    return make.api("orders")


def put(
    api: Api, cast: Cast, *, enabled: bool = True, authorization: str | None = None, seen: str | None = None, **given: Any
) -> Event | None:
    return log_shipping.put(
        api, enabled=enabled, rules={"url": HOST, **given}, authorization=authorization, seen=seen, by=cast.pam, resolver=public
    )


def row() -> LogShipping:
    return LogShipping.objects.select_related("state", "api").get()


# --- what people decide


def test_it_is_off_until_pam_switches_it_on(in_acme: Cast, orders: Api) -> None:
    assert log_shipping.of(orders) is None
    assert standing.changed() == {}
    event = put(orders, in_acme, request_headers=["X-Customer"], authorization=SECRET)
    assert event is not None
    assert (event.kind, event.actor_id, event.subject_id) == ("log_shipping.switched_on", in_acme.pam.pk, orders.pk)
    now = event.data["now"]
    assert (now["host"], now["authorization"], now["request_headers"], now["percent"]) == (
        "logs.example.com",
        True,
        ["x-customer"],
        "100.00",
    )
    assert "word" not in json.dumps(event.data), "an address may hold what opens something"
    assert "5b1c" not in json.dumps(event.data)
    assert list(standing.changed()) == [in_acme.acme.pk]


def test_the_same_twice_changes_nothing(in_acme: Cast, orders: Api) -> None:
    put(orders, in_acme, authorization=SECRET)
    before = ShippingTenant.objects.get().changed_at
    assert put(orders, in_acme) is None
    assert ShippingTenant.objects.get().changed_at == before
    assert row().sealed, "what nobody said stays sealed"


def test_each_change_is_told_for_what_it_is(in_acme: Cast, orders: Api) -> None:
    put(orders, in_acme, authorization=SECRET)
    changed = put(orders, in_acme, percent=5)
    assert changed is not None
    assert (changed.kind, changed.data) == ("log_shipping.changed", {"was": {"percent": "100.00"}, "now": {"percent": "5.00"}})
    path = put(orders, in_acme, percent=5, url=f"{HOST}&more=1")
    assert path is not None
    assert path.data["now"] == {"url": True}
    other = put(orders, in_acme, percent=5, url=f"{HOST}&more=1", authorization="Bearer another")
    assert other is not None
    assert other.data["now"] == {"authorization": "other"}
    off = put(orders, in_acme, percent=5, url=f"{HOST}&more=1", enabled=False)
    assert off is not None
    assert (off.kind, off.data["now"]) == ("log_shipping.switched_off", {"enabled": False})
    removed = log_shipping.remove(orders, by=in_acme.pam)
    assert removed is not None
    assert removed.kind == "log_shipping.removed"
    assert log_shipping.remove(orders, by=in_acme.pam) is None
    assert (standing.changed(), LogShippingState.objects.count()) == ({}, 0)


def test_a_secret_never_goes_to_another_server(in_acme: Cast, orders: Api) -> None:
    put(orders, in_acme, authorization=SECRET)
    for url in ("https://evil.example.com/", "https://logs.example.com:8443/portico", "https://logs.example.com.evil.example/"):
        with pytest.raises(Invalid) as refused:
            put(orders, in_acme, url=url)
        assert list(refused.value.problems) == ["authorization"]
    put(orders, in_acme, url="https://other.example.com/", authorization="")
    assert row().sealed == ""
    put(orders, in_acme, url="https://other.example.com/", authorization=SECRET)
    (chosen,) = standing.read(in_acme.acme.pk).chosen
    assert chosen.authorization == SECRET
    assert "5b1c" not in repr(chosen)


@pytest.mark.parametrize(
    "text", ["Bearer a\r\nX-More: 1", "Bearer ü", "x" * 2_001, " Bearer a"], ids=["lines", "not ascii", "long", "space"]
)
def test_an_authorization_fits_into_a_header(in_acme: Cast, orders: Api, text: str) -> None:
    with pytest.raises(Invalid) as refused:
        put(orders, in_acme, authorization=text)
    assert list(refused.value.problems) == ["authorization"]


@pytest.mark.parametrize("address", ["169.254.169.254", "10.0.0.1", "::1", "0.0.0.0"])
def test_no_destination_is_behind_us(in_acme: Cast, orders: Api, address: str, settings: Any) -> None:
    settings.UPSTREAM_NETWORKS = []
    with pytest.raises(Invalid) as refused:
        log_shipping.put(orders, enabled=True, rules={"url": HOST}, by=in_acme.pam, resolver=lambda _host, _port: [address])
    assert "no public address, and logs are sent" in str(refused.value.problems["url"])
    with pytest.raises(Invalid):
        log_shipping.put(orders, enabled=True, rules={"url": "http://logs.example.com/"}, by=in_acme.pam, resolver=public)


def test_two_people_at_once(in_acme: Cast, orders: Api) -> None:
    seen = log_shipping.stamp(None)
    put(orders, in_acme, seen=seen)
    with pytest.raises(NotAllowed, match="changed this meanwhile"):
        put(orders, in_acme, percent=5, seen=seen)
    put(orders, in_acme, percent=5, seen=log_shipping.stamp(row()))


# --- what gateways hear


def test_gateways_note_what_some_api_names(in_acme: Cast, orders: Api) -> None:
    bills, tenant = make.api("bills"), in_acme.acme.pk

    def logged() -> Logged:
        return desired._logged()

    assert logged() == Logged()
    put(orders, in_acme, request_headers=["x-b", "x-a"], response_headers=["x-c"], masked_headers=["x-a", "x-c"])
    assert logged() == Logged(("x-a", "x-b"), ("x-c",), ("x-a", "x-c"))
    put(bills, in_acme, request_headers=["x-a"])
    assert logged() == Logged(("x-a", "x-b"), ("x-c",), ("x-c",)), "one shows what the other masks"
    put(bills, in_acme, request_headers=["x-a"], fields=["time"])
    assert logged().masked == ("x-a", "x-c"), "a field that nobody chose is not told"
    put(orders, in_acme, enabled=False, request_headers=["x-b"])
    assert logged() == Logged()
    assert tenant


# --- how it goes


def test_what_went_is_added_up_in_its_own_tenant(in_acme: Cast, orders: Api) -> None:
    put(orders, in_acme)
    tenant, pk = in_acme.acme.pk, row().pk
    standing.store(tenant, {pk: Went(sent=3, dropped=1, last=Outcome())})
    standing.store(tenant, {pk: Went(sent=2, last=Outcome(Trouble.STATUS, 503, "away"), trouble=Outcome(Trouble.STATUS, 503, "away"))})
    state = row().state
    assert (state.sent, state.dropped, state.trouble, state.answered, state.answer) == (5, 1, "status", 503, "away")
    assert state.sent_at is not None
    assert state.failing_since is not None
    standing.store(tenant, {pk: Went(sent=1, last=Outcome())})
    assert (row().state.failing_since, row().state.trouble) == (None, "status"), "what was the last trouble stays"
    with tenant_scope(in_acme.globex.pk):
        standing.store(in_acme.globex.pk, {pk: Went(sent=99)})
        assert standing.read(in_acme.globex.pk).chosen == ()
    with tenant_scope(tenant):
        assert row().state.sent == 6


def test_who_publishes_hears_of_what_keeps_failing_once_and_of_its_end(in_acme: Cast, orders: Api) -> None:
    put(orders, in_acme)
    tenant, pk = in_acme.acme.pk, row().pk
    bad = Went(last=Outcome(Trouble.SLOW), trouble=Outcome(Trouble.SLOW))

    def kinds() -> list[str]:
        found = Event.objects.filter(kind__startswith="log_shipping.").order_by("number")
        return list(found.values_list("kind", flat=True))[1:]

    standing.store(tenant, {pk: bad})
    assert kinds() == []
    LogShippingState.objects.update(failing_since=timezone.now() - PATIENCE + timedelta(seconds=30))
    standing.store(tenant, {pk: bad})
    assert kinds() == []
    LogShippingState.objects.update(failing_since=timezone.now() - PATIENCE)
    standing.store(tenant, {pk: bad})
    standing.store(tenant, {pk: bad})
    assert kinds() == ["log_shipping.failing"]
    event = Event.objects.latest("number")
    assert (event.actor_id, event.data["host"], event.data["api"], event.data["trouble"]) == (None, "logs.example.com", "orders", "slow")
    told = news.recipients(event, None, news.crowd([event], {}))
    assert in_acme.pam in told
    assert in_acme.carl not in told
    standing.store(tenant, {pk: Went(sent=1, last=Outcome())})
    standing.store(tenant, {pk: Went(sent=1, last=Outcome())})
    assert kinds() == ["log_shipping.failing", "log_shipping.recovered"]


def test_one_process_sends_a_test(in_acme: Cast, orders: Api) -> None:
    with pytest.raises(NotAllowed):
        log_shipping.ask_test(orders)
    put(orders, in_acme, enabled=False)
    log_shipping.ask_test(orders)
    found = standing.read(in_acme.acme.pk)
    assert ([each.api for each in found.tests], found.chosen, found.names) == (["orders"], (), ("acme",))
    assert standing.read(in_acme.acme.pk).tests == ()
    standing.tested(in_acme.acme.pk, found.tests[0].pk, Outcome(Trouble.STATUS, 403, "no"))
    state = row().state
    assert (state.test_trouble, state.test_answered, state.test_answer, state.sent) == ("status", 403, "no", 0)


# --- while it is taken


def chosen(cast: Cast, slug: str = "acme", **given: Any) -> Chosen:
    tenant = cast.acme if slug == "acme" else cast.globex
    return Chosen(pk=tenant.pk, tenant_id=tenant.pk, slug=slug, api="orders", rules=rules(**given), enabled=True, authorization="")


def following(*each: Chosen) -> Shipper:
    """With nobody who sends."""
    shipper = Shipper()
    for one in each:
        shipper._by_id[one.pk] = shipper._lanes[one.slug, one.api] = Lane(one)
    return shipper


def take(shipper: Shipper, many: int = 1, path: str = "/acme/orders/v1/orders/7") -> None:
    entry = a_call()
    entry.common_properties.filter_state_objects[CALLED].Pack(wrappers_pb2.StringValue(value=path))
    for number in range(many):
        entry.request.request_id = f"request-{number}"
        shipper.take(read(entry), entry, "gateway-1")


def test_of_each_api_so_much_waits_and_what_is_beyond_is_counted(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MOST_WAITING", 5)
    shipper = following(chosen(cast), chosen(cast, "globex"))
    take(shipper, 8)
    take(shipper, 2, "/globex/orders/v1/orders/7")
    take(shipper, 2, "/globex/others/v1/orders/7")
    lanes = {lane.chosen.slug: (len(lane.waiting), lane.went.dropped) for lane in shipper._by_id.values()}
    assert lanes == {"acme": (5, 3), "globex": (2, 0)}
    lane = shipper._lanes["acme", "orders"]
    assert len(shipper._batch(lane)) == 5
    assert (shipper._bytes[lane.chosen.tenant_id], shipper._all_bytes > 0) == (0, True)


@pytest.mark.parametrize("name,value", [("TENANT_BYTES", 1_000), ("TENANT_A_SECOND", 3), ("MOST_A_SECOND", 4)])
def test_one_tenant_takes_no_more_than_its_share(cast: Cast, monkeypatch: pytest.MonkeyPatch, name: str, value: int) -> None:
    monkeypatch.setattr("gateway.shipping.process.time.monotonic", lambda: 7.0)
    monkeypatch.setattr(process, name, value)
    shipper = following(chosen(cast), chosen(cast, "globex"))
    take(shipper, 100)
    lane = shipper._lanes["acme", "orders"]
    assert 0 < len(lane.waiting) < 10
    assert lane.went.dropped == 100 - len(lane.waiting)


def test_who_waits_for_much_leaves_some_room_to_others(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MOST_BYTES", 2_000)
    monkeypatch.setattr(process, "LITTLE_BYTES", 1_500)
    shipper = following(chosen(cast), chosen(cast, "globex"))
    take(shipper, 100)
    take(shipper, 2, "/globex/orders/v1/orders/7")
    assert len(shipper._lanes["globex", "orders"].waiting) == 2


def test_nothing_is_kept_of_what_was_not_chosen(cast: Cast) -> None:
    shipper = following(chosen(cast, percent=0))
    take(shipper, 100)
    assert shipper._all_bytes == 0
    shipper = following(chosen(cast, percent=20))
    take(shipper, 400)
    lane = shipper._lanes["acme", "orders"]
    assert 40 < len(lane.waiting) < 130
    assert lane.went.dropped == 0


# --- while it is sent


def test_what_is_not_taken_is_sent_again_and_then_dropped(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "FIRST_PAUSE", 0.001)
    shipper = following(chosen(cast))
    take(shipper, 2)
    lane = shipper._lanes["acme", "orders"]
    batch, sent = shipper._batch(lane), []
    answers = [Outcome(Trouble.STATUS, 503), Outcome(Trouble.SLOW), Outcome()]

    async def send(body: bytes, _threads: Threads, *, again: str) -> Outcome:
        sent.append((body, again))
        return answers[len(sent) - 1]

    monkeypatch.setattr(lane.place, "send", send)
    asyncio.run(shipper._send(lane, batch))
    assert len(sent) == 3
    assert len({again for _body, again in sent}) == 1
    assert (lane.went.sent, lane.went.dropped, lane.went.last, lane.went.trouble) == (2, 0, Outcome(), Outcome(Trouble.SLOW))
    answers[:] = [Outcome(Trouble.PARTIAL, 200, "old", 99)]
    sent.clear()
    asyncio.run(shipper._send(lane, batch))
    assert (lane.went.sent, lane.went.dropped) == (2, 2), "whatever a collector says, no more than it was sent"
    lane.went.dropped = 0
    answers[:] = [Outcome(Trouble.STATUS, 400)]
    sent.clear()
    asyncio.run(shipper._send(lane, batch))
    assert (len(sent), lane.went.dropped) == (1, 2)
    answers[:] = [Outcome(Trouble.SILENT)] * 50
    sent.clear()
    asyncio.run(shipper._send(lane, batch))
    assert (len(sent), lane.went.dropped) == (process.TRIES, 4)


def test_what_is_decided_while_it_waits_counts_for_it(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "FIRST_PAUSE", 0.001)
    shipper = following(chosen(cast, fields=("path",)))
    take(shipper)
    lane = shipper._lanes["acme", "orders"]
    bodies = []

    async def send(self: Place, body: bytes, _threads: Threads, *, again: str) -> Outcome:
        bodies.append(json.loads(body))
        lane.follow(chosen(cast, fields=("path",), masked_paths=("$.path",)))
        return Outcome() if len(bodies) > 1 else Outcome(Trouble.SLOW)

    monkeypatch.setattr(Place, "send", send)
    asyncio.run(shipper._send(lane, shipper._batch(lane)))
    assert bodies == [{"path": "/acme/orders/v1/orders/7"}, {"path": "(masked)"}]


def test_without_its_authorization_nobody_is_asked(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "TRIES", 1)
    locked = Chosen(
        pk=cast.acme.pk, tenant_id=cast.acme.pk, slug="acme", api="orders", rules=rules(), enabled=True, authorization="", readable=False
    )
    shipper = following(locked)
    take(shipper)
    lane = shipper._lanes["acme", "orders"]
    asyncio.run(shipper._send(lane, shipper._batch(lane)))
    assert lane.went.last == Outcome(Trouble.SEALED)


def ended(shipper: Shipper, monkeypatch: pytest.MonkeyPatch) -> dict[str, Went]:
    """What is written down of each tenant when the process is asked to end while something waits."""
    told: dict[str, Went] = {}
    slugs = {lane.chosen.tenant_id: lane.chosen.slug for lane in shipper._by_id.values()}

    async def ask(work: Any, tenant_id: Any, went: dict[Any, Went]) -> None:
        assert work is standing.store
        (told[slugs[tenant_id]],) = went.values()

    async def end() -> None:
        for lane in shipper._by_id.values():
            lane.task = asyncio.create_task(shipper._serve(lane))
        await asyncio.sleep(0)
        shipper._stopping.set()
        await shipper._end()

    monkeypatch.setattr(shipper, "_ask", ask)
    asyncio.run(end())
    return told


def test_what_waits_is_sent_before_the_process_ends_but_for_what_hangs(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "STOP_SECONDS", 0.3)
    monkeypatch.setattr(process, "MOST_IN_BATCH", 2)
    shipper = following(chosen(cast), chosen(cast, "globex"))
    take(shipper, 5)
    take(shipper, 3, "/globex/orders/v1/orders/7")
    got: list[bytes] = []

    async def send(self: Place, body: bytes, _threads: Threads, *, again: str) -> Outcome:
        await asyncio.sleep(60 if self.tenant == "globex" else 0)
        got.append(body)
        return Outcome()

    monkeypatch.setattr(Place, "send", send)
    told = ended(shipper, monkeypatch)
    assert (told["acme"].sent, told["acme"].dropped) == (5, 0)
    assert (told["globex"].sent, told["globex"].dropped) == (0, 3)
    assert sum(len(body.splitlines()) for body in got) == 5


@pytest.mark.parametrize(
    ("authorization", "answer"),
    [
        ("Bearer 5b1c-secret", "you sent 'Bearer 5b1c-secret' or 5b1c-secret"),
        ("Basic dXNlcjo1YjFjLXNlY3JldA==", "Basic dXNlcjo1YjFjLXNlY3JldA== is 5b1c-secret"),
        ("5b1c-secret", "5b1c-secret\0\x1b[31m"),
    ],
    ids=["bearer", "basic", "bare"],
)
def test_what_a_destination_repeats_is_hidden(cast: Cast, authorization: str, answer: str) -> None:
    shown = Place(rules(), tenant="acme", api="orders", authorization=authorization)._shown(answer.encode())
    assert "5b1c" not in shown
    assert "dXNl" not in shown
    assert "(hidden)" in shown
    assert shown.isprintable()
    assert Place(rules(), tenant="acme", api="orders")._shown(b"plain") == "plain"


# --- files


def test_files_turn_and_the_oldest_goes(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.LOG_SHIPPING_FOLDER = str(tmp_path / "calls")
    monkeypatch.setattr(destinations, "FILE_BYTES", 25)
    for number in range(20):
        assert append("acme", "orders", b'{"n":%02d}\n' % number) == Outcome()
    folder = tmp_path / "calls" / "acme"
    assert sorted(each.name for each in folder.iterdir()) == ["orders.jsonl", *(f"orders.jsonl.{n}" for n in range(1, 5))]
    assert (folder / "orders.jsonl").read_text().splitlines()[-1] == '{"n":19}'
    assert (folder / "orders.jsonl.4").read_text().splitlines() == ['{"n":10}', '{"n":11}']


def test_what_cannot_be_written_says_so(tmp_path: Path, settings: Any) -> None:
    settings.LOG_SHIPPING_FOLDER = ""
    assert append("acme", "orders", b"x") == Outcome(Trouble.FOLDER)
    settings.LOG_SHIPPING_FOLDER = str(tmp_path)
    (tmp_path / "acme").mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    (tmp_path / "acme" / "orders.jsonl").symlink_to(elsewhere)
    assert append("acme", "orders", b"x") == Outcome(Trouble.FOLDER)
    assert elsewhere.read_text() == "mine"


# --- REST


@pytest.fixture
def address(in_acme: Cast, orders: Api) -> str:
    return f"{base(in_acme.acme)}/apis/orders/log-shipping/"


GIVEN: dict[str, Any] = {"enabled": True, "destination": "http", "url": "http://127.0.0.1:9/logs?key=word"}


def test_pam_puts_it_and_the_same_twice_changes_nothing(in_acme: Cast, rest: Rest, address: str) -> None:
    pam = rest(in_acme.pam)
    assert pam.get(address).status_code == 404
    with queries("PUT apis/orders/log-shipping/"):
        made = pam.put(address, {**GIVEN, "authorization": SECRET, "percent": 12.5})
    assert made.status_code == 200, made.content
    assert "5b1c" not in made.content.decode()
    found = made.json()
    assert (found["authorization"], found["percent"], found["form"], found["fields"][0]) == (True, 12.5, "lines", "time")
    assert (found["state"]["sent"], found["test"]["ok"]) == (0, None)
    assert pam.get(found["receipt"]).json()["kind"] == "log_shipping.switched_on"
    again = pam.put(address, {**GIVEN, "percent": 12.5})
    assert "event" not in again.json()
    with queries("GET apis/orders/log-shipping/"):
        assert pam.get(address).json() == again.json() == {name: value for name, value in found.items() if name not in {"event", "receipt"}}
    tested = pam.post(f"{address}test/")
    assert (tested.status_code, tested.json()["waiting"]) == (202, True)
    assert pam.put(address, {**GIVEN, "fields": ["status", "time"]}).json()["fields"] == ["status", "time"], (
        "what is left out has its default"
    )
    assert pam.delete(address).status_code == 204
    assert [pam.delete(address).status_code, pam.post(f"{address}test/").status_code] == [404, 404]


@pytest.mark.parametrize(
    "body,field",
    [
        ({"enabled": None}, "enabled"),
        ({"destination": "kafka"}, "destination"),
        ({"destination": "file"}, "destination"),
        ({"url": "https://"}, "url"),
        ({"url": "a\0b"}, "url"),
        ({"url": "x" * 501}, "url"),
        ({"percent": -1}, "percent"),
        ({"percent": 100.5}, "percent"),
        ({"percent": 1e300}, "percent"),
        ({"percent": "much"}, "percent"),
        ({"percent": 0.001}, "percent"),
        ({"fields": []}, "fields"),
        ({"fields": ["body"]}, "fields"),
        ({"fields": "time"}, "fields"),
        ({"request_headers": ["Cookie"]}, "request_headers"),
        ({"request_headers": [f"x-{n}" for n in range(101)]}, "request_headers"),
        ({"masked_paths": ["$[?@.a]"]}, "masked_paths"),
        ({"masked_paths": ["$." + "x" * 200]}, "masked_paths"),
        ({"authorization": "a\nb"}, "authorization"),
        ({"body": True}, "body"),
    ],
    ids=str,
)
def test_what_cannot_be_is_named(in_acme: Cast, rest: Rest, address: str, body: dict[str, Any], field: str) -> None:
    answer = rest(in_acme.pam).put(address, {**GIVEN, **body})
    assert answer.status_code == 422, answer.content
    assert list(answer.json()["errors"]) == [field], answer.content
    assert LogShipping.objects.count() == 0


def test_who_does_not_publish_does_not_see_where_logs_go(in_acme: Cast, rest: Rest, address: str, orders: Api) -> None:
    make.log_shipping(orders)
    for who in (in_acme.carl, in_acme.ada):
        allowed = who == in_acme.ada
        assert rest(who).get(address).status_code == (200 if allowed else 403)
    assert rest(in_acme.eve).get(address).status_code == 404
    assert rest(in_acme.eve).put(address, GIVEN).status_code == 404
    assert rest(in_acme.eve).post(f"{address}test/").status_code == 404
    assert row().state.test_asked_at is None
