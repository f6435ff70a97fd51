"""What happened to Orders, for those who call it: compared once, by a job."""

import copy
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from apis import change_log
from apis.actions import change_log as comparing
from apis.actions import publishing, versions
from apis.change_log import Entry
from apis.models import Api, ApiVersion, LoggedChange, Revision
from apis.tasks import compare_what_went_live as job
from tenants import due
from tenants.models import Due, Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, queries


def less() -> dict[str, Any]:
    """Without /orders/{id}, which breaks, and with another answer of GET /orders, which is safe."""
    found = copy.deepcopy(make.DOCUMENT)
    del found["paths"]["/orders/{id}"]
    found["paths"]["/orders"]["get"]["responses"]["404"] = {"description": "None"}
    return found


def compare(**more: Any) -> int:
    """The job, as if the moment had come: a test's transaction has the time of its start."""
    Due.objects.filter(job=comparing.COMPARE_JOB).update(at=Now() - timedelta(hours=1))
    return job() if not more else comparing.compare_what_went_live(**more)


def goes_live(version: ApiVersion, content: dict[str, Any] | None = None, *, note: str = "", url: str = "http://127.0.0.1:9") -> Revision:
    made = publishing.add_revision(version, document=make.document(content), target=make.target(url), note=note, by=None)
    publishing.make_live(made, by=None)
    return made


def log(api: Api, language: str = "en") -> list[Entry]:
    return change_log.entries(list(change_log.happened(api).order_by("-number")), language=language)


@pytest.fixture
def orders(cast: Cast) -> Api:
    with tenant_scope(cast.acme.pk):
        return make.api("orders")


@pytest.fixture
def changed(cast: Cast, orders: Api) -> Api:
    """Its second revision breaks callers."""
    with tenant_scope(cast.acme.pk):
        goes_live(orders.versions.get(), less(), note="Orders are listed only.")
    return orders


def test_what_went_live_is_compared_with_what_callers_had(cast: Cast, changed: Api) -> None:
    with tenant_scope(cast.acme.pk):
        waiting = log(changed)[0]
        assert (waiting.number, waiting.note, waiting.waits, waiting.changes) == (2, "Orders are listed only.", True, None)
    assert compare() == 1
    with tenant_scope(cast.acme.pk):
        live, opened = log(changed)
    assert (live.waits, live.counts) == (False, {"breaking": 1, "risky": 0, "safe": 1})
    assert live.changes is not None
    assert [(each.level.value, str(each.operation and each.operation.path), each.text) for each in live.changes] == [
        ("breaking", "/orders/{id}", "The operation is gone, and had not been deprecated."),
        ("safe", "/orders", "The response 404 is new."),
    ]
    assert (opened.kind, opened.number, opened.changes, opened.waits) == ("version.published", 1, None, False)
    assert compare() == 0, "safe to run twice"


def test_each_reads_it_in_their_language(cast: Cast, changed: Api) -> None:
    compare()
    with tenant_scope(cast.acme.pk):
        english, german, other = ((log(changed, each)[0].changes or ())[1].text for each in ("en", "de", "fr"))
    assert english == other == "The response 404 is new."
    assert german != english


def test_going_back_is_told_as_such_and_compared_with_what_it_replaces(cast: Cast, changed: Api) -> None:
    with tenant_scope(cast.acme.pk):
        publishing.make_live(Revision.objects.get(number=1), by=None)
    compare()
    with tenant_scope(cast.acme.pk):
        back, forth = log(changed)[:2]
    assert (back.number, back.back, back.counts) == (1, True, {"breaking": 0, "risky": 0, "safe": 2})
    assert (forth.number, forth.back) == (2, False)


def test_what_callers_never_had_is_not_told(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        api = make.api("orders", published=False)
        version = api.versions.get()
        goes_live(version, less(), note="Tried out.")
        publishing.add_revision(version, document=make.document(), target=make.target(), note="Not yet.", by=None)
        assert log(api) == []
        version.refresh_from_db()
        publishing.publish(version, by=None)
        assert [(each.kind, each.number, each.note) for each in log(api)] == [("version.published", 2, "Tried out.")]
    assert compare() == 0


def test_where_calls_go_and_why_it_was_overridden_are_nobodys_business(cast: Cast, orders: Api) -> None:
    with tenant_scope(cast.acme.pk):
        version = orders.versions.get()
        made = publishing.add_revision(
            version, document=make.document(), target=make.target("http://127.0.0.1:10", header="x-inside", secret="hush"), by=None
        )
        publishing.make_live(made, by=cast.pam, told={"reason": "The big customer agreed.", "breaks": ["Web shop"]})
    compare()
    with tenant_scope(cast.acme.pk):
        found = log(orders)[0]
        assert (found.reason, found.counts, found.changes) == ("", {"breaking": 0, "risky": 0, "safe": 0}, ())
        kept = str(LoggedChange.objects.values().get())
    assert "127.0.0.1" not in kept
    assert "x-inside" not in kept


def test_the_life_of_a_version_is_told(cast: Cast, orders: Api) -> None:
    with tenant_scope(cast.acme.pk):
        version = orders.versions.select_related("api").get()
        two = publishing.add_version(orders, name="v2", by=None)
        goes_live(two)
        two.refresh_from_db()
        publishing.prerelease(two, by=None)
        versions.block(version, reason="It leaks.", by=cast.pam)
        versions.unblock(version, by=cast.pam)
        now = two.created_at
        versions.deprecate(version, sunset_at=now + timedelta(days=9), successor=two, reason="Old.", by=cast.pam)
        brown = versions.plan_brown_out(version, starts_at=now + timedelta(days=1), lasts=timedelta(minutes=5), by=cast.pam)
        versions.retire(version, reason="Gone.", override=True, by=cast.pam)
        found = log(orders)
        elsewhere = make.api("stock")
        assert [each.kind for each in log(elsewhere)] == ["version.published"]
    assert [(each.version, each.kind, each.reason) for each in found] == [
        ("v1", "version.retired", "Gone."),
        ("v1", "brown_out.cancelled", ""),
        ("v1", "brown_out.planned", ""),
        ("v1", "version.deprecated", "Old."),
        ("v1", "version.unblocked", ""),
        ("v1", "version.blocked", "It leaks."),
        ("v2", "version.prereleased", ""),
        ("v1", "version.published", ""),
    ]
    assert (found[2].starts_at, found[2].ends_at) == (brown.starts_at, brown.ends_at)
    assert (found[3].sunset_at, found[3].successor) == (now + timedelta(days=9), "v2")


def test_of_many_changes_the_first_are_kept_and_all_are_counted(cast: Cast, orders: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    many = {f"/a{number}": {"get": {"responses": {"200": {"description": "d"}}}} for number in range(100)}
    with tenant_scope(cast.acme.pk):
        goes_live(orders.versions.get(), {**make.DOCUMENT, "paths": many})
    compare()
    with tenant_scope(cast.acme.pk):
        found = log(orders)[0]
        assert found.counts == {"breaking": 3, "risky": 0, "safe": 100}
        assert found.changes is not None
        assert [each.level.value for each in found.changes] == ["breaking"] * 3 + ["safe"] * 57
        LoggedChange.objects.all().delete()
        Due.objects.create(tenant_id=cast.acme.pk, job=comparing.COMPARE_JOB, at=found.at)
    monkeypatch.setattr(comparing, "CHARACTERS", 60)
    compare()
    with tenant_scope(cast.acme.pk):
        kept = log(orders)[0].changes
    assert kept is not None
    assert len(kept) == 1


class Clock:
    """Of a process in which comparing alone takes time."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


def test_a_run_that_takes_too_long_leaves_the_rest_to_the_next(cast: Cast, changed: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, compared = Clock(), comparing._compare

    def slowly(*args: Any) -> None:
        compared(*args)
        clock.seconds += 1

    monkeypatch.setattr(comparing, "_compare", slowly)
    monkeypatch.setattr(comparing, "time", clock)
    monkeypatch.setattr(due, "time", clock)
    with tenant_scope(cast.acme.pk):
        goes_live(changed.versions.get())
    with tenant_scope(cast.globex.pk):
        goes_live(make.api("orders").versions.get(), less())
    assert compare(seconds=1) == 1
    waiting = Due.objects.filter(job=comparing.COMPARE_JOB)
    assert waiting.count() == 2
    assert not waiting.filter(at__gt=Now()).exists(), "at once, not when the lease is over"
    assert compare() == 2, "of two tenants"
    assert not Due.objects.filter(job=comparing.COMPARE_JOB).exists()


def test_one_that_fails_holds_up_nothing_before_it(cast: Cast, changed: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    with tenant_scope(cast.acme.pk):
        goes_live(changed.versions.get())
        newest = Event.objects.filter(kind="revision.live").latest("number").number
    compared = comparing._compare

    def fails(tenant_id: Any, event: Any) -> None:
        if event.number == newest:
            raise ValueError("Too large.")
        compared(tenant_id, event)

    monkeypatch.setattr(comparing, "_compare", fails)
    assert compare(seconds=3_600.0) == 1
    assert Due.objects.filter(job=comparing.COMPARE_JOB, at__gt=Now()).exists(), "it is tried again later"
    monkeypatch.setattr(comparing, "_compare", compared)
    assert compare() == 1


def test_a_tenant_that_fails_holds_nobody_up(cast: Cast, changed: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    with tenant_scope(cast.globex.pk):
        goes_live(make.api("orders").versions.get(), less())
    compared = comparing._compare

    def fails(tenant_id: Any, event: Any) -> None:
        if tenant_id == cast.acme.pk:
            raise ValueError("Too large.")
        compared(tenant_id, event)

    monkeypatch.setattr(comparing, "_compare", fails)
    assert compare(seconds=3_600.0) == 1
    assert Due.objects.filter(tenant_id=cast.acme.pk, job=comparing.COMPARE_JOB).exists()


# --- over REST -------------------------------------------------------------------------------------------------------


def test_carl_reads_it_over_rest(cast: Cast, rest: Rest, changed: Api) -> None:
    at = f"{base(cast.acme)}/apis/orders/changes/"
    carl = rest(cast.carl)
    compare()
    carl.get(at)
    with queries("apis/orders/changes/"):
        live, opened = carl.get(at).json()["results"]
    assert {name: live[name] for name in ("kind", "version", "revision", "note", "breaking", "risky", "safe", "waits")} == {
        "kind": "revision.live", "version": "v1", "revision": 2, "note": "Orders are listed only.", "breaking": 1, "risky": 0, "safe": 1,
        "waits": False,
    }  # fmt: skip
    assert live["changes"][0]["operation"]["path"] == "/orders/{id}"
    assert (opened["breaking"], opened["changes"]) == (None, None)
    with tenant_scope(cast.acme.pk):
        for _ in range(3):
            goes_live(changed.versions.get())
    compare()
    with queries("apis/orders/changes/"):
        first = carl.get(at, {"limit": 4}).json()
    assert len(carl.get(first["next"]).json()["results"]) == 1
    assert rest(cast.eve).get(at).status_code == 404
    assert rest(None).get(at).status_code == 401
