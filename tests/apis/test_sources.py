"""Pam says where the document of Orders v1 stands. Portico looks there every so often, and what has changed becomes a revision."""

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from apis import document_at, openapi
from apis.actions import publishing, sources
from apis.document_at import Fetched, FetchRefused, Trouble
from apis.models import ApiVersion, DocumentSource, Revision
from apis.tasks import look_at_sources as job
from keys.envelope import unseal
from keys.kek import kek
from tenants.errors import Invalid, NotAllowed
from tenants.event_kinds import KINDS, NEWS
from tenants.models import Due, Event, Membership, Role
from tenants.scope import tenant_scope
from tests import make
from tests.apis.document_server import SMALL, Site, site
from tests.apis.test_connections import certificate
from tests.conftest import Cast, Rest, base

__all__ = ["site"]
URL = "https://docs.example.com/openapi.yaml?key=word"
CHANGED = SMALL.replace("/orders:", "/all-orders:")


class There:
    """What stands at any address."""

    def __init__(self) -> None:
        self.text, self.etag, self.asked, self.trouble = SMALL, "", list[tuple[str, str]](), None

    def fetch(self, url: str, *, etag: str = "") -> Fetched | None:
        self.asked.append((url, etag))
        if self.trouble:
            raise self.trouble
        return None if etag and etag == self.etag else Fetched(self.text, self.etag)

    trouble: FetchRefused | None


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> There:
    found = There()
    monkeypatch.setattr(document_at, "fetch", found.fetch)
    return found


@pytest.fixture
def version(cast: Cast) -> ApiVersion:
    with tenant_scope(cast.acme.pk):
        make.api("orders")
        return ApiVersion.objects.select_related("api").get()


@pytest.fixture
def source(cast: Cast, version: ApiVersion) -> DocumentSource:
    with tenant_scope(cast.acme.pk):
        return set_source(cast, version)


def set_source(cast: Cast, version: ApiVersion, **more: Any) -> DocumentSource:
    sources.set_source(version, **{"url": URL, "every": "daily", "enabled": True, "by": cast.pam, **more})
    return DocumentSource.objects.select_related("version__api").get(version=version)


def look() -> int:
    """The job, as if the moment had come: a test's transaction has the time of its start."""
    Due.objects.filter(job=sources.LOOK_JOB).update(at=Now() - timedelta(hours=1))
    return job()


def look_again(cast: Cast) -> DocumentSource:
    """When the next time has come."""
    with tenant_scope(cast.acme.pk):
        DocumentSource.objects.filter(enabled=True).update(next_at=Now() - timedelta(seconds=1))
        # As the action that sets a time does.
        Due.objects.get_or_create(tenant=cast.acme, job=sources.LOOK_JOB, defaults={"at": Now()})
    look()
    return found(cast)


def found(cast: Cast) -> DocumentSource:
    with tenant_scope(cast.acme.pk):
        return DocumentSource.objects.select_related("set_by").get()


def revisions(cast: Cast) -> list[int]:
    with tenant_scope(cast.acme.pk):
        return list(Revision.objects.order_by("number").values_list("number", flat=True))


def kinds(cast: Cast) -> list[str]:
    with tenant_scope(cast.acme.pk):
        rows = Event.objects.filter(kind__startswith="document_source.").order_by("number")
        return [each.kind.partition(".")[2] for each in rows]


# --- looking


def test_what_has_changed_becomes_a_revision_that_is_not_live(cast: Cast, source: DocumentSource, there: There) -> None:
    there.etag = '"1"'
    assert look() == 1
    now = found(cast)
    assert (now.result, now.told, now.failures, now.etag) == ("found", {"number": 2}, 0, '"1"')
    assert now.digest == hashlib.sha256(SMALL.encode()).hexdigest()
    assert now.sentence == "The document had changed. It became revision 2, which is not live by itself."
    with tenant_scope(cast.acme.pk):
        made = Revision.objects.select_related("version__live_revision", "upstream", "version__live_revision__upstream").get(number=2)
        assert made.version.live_revision is not None
        assert (made.version.live_revision.number, made.went_live_at, made.created_by) == (1, None, None)
        assert (str(made.upstream), made.note) == (str(made.version.live_revision.upstream), ""), "callers read notes"
        event = Event.objects.latest("number")
        assert (event.kind, event.actor_id, event.data) == (
            "document_source.found", None, {"api": "orders", "version": "v1", "host": "docs.example.com", "number": 2},
        )  # fmt: skip


@pytest.mark.parametrize("again", ["etag", "text", "spelling"])
def test_what_is_the_same_leaves_nothing_behind(cast: Cast, source: DocumentSource, there: There, again: str) -> None:
    there.etag = '"1"' if again == "etag" else ""
    look()
    if again == "spelling":
        there.text = SMALL + "# A remark.\n"
    now = look_again(cast)
    assert (now.result, now.told, now.sentence) == ("same", {}, "The document is still the same.")
    assert there.asked[1] == (URL, '"1"' if again == "etag" else "")
    assert revisions(cast) == [1, 2]
    assert kinds(cast) == ["set", "found"]
    there.text, there.etag = CHANGED, ""
    assert look_again(cast).told == {"number": 3}


def test_the_same_text_is_not_read_again(cast: Cast, source: DocumentSource, there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    look()
    monkeypatch.setattr(openapi, "read", lambda *_args, **_more: pytest.fail("read"))
    assert look_again(cast).result == "same"


def test_it_is_looked_as_often_as_pam_says(cast: Cast, version: ApiVersion, there: There) -> None:
    for every, wait in (("hourly", timedelta(hours=1)), ("daily", timedelta(days=1)), ("weekly", timedelta(weeks=1))):
        with tenant_scope(cast.acme.pk):
            set_source(cast, version, every=every)
        look()
        now = found(cast)
        assert now.looked_at is not None
        assert now.next_at == now.looked_at + wait
        with tenant_scope(cast.acme.pk):
            assert Due.objects.get(job=sources.LOOK_JOB).at == now.next_at
    assert look() == 0, "not before the next time"


def test_two_runs_at_once_look_once(cast: Cast, source: DocumentSource, there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(url: str, *, etag: str = "") -> Fetched | None:
        if not there.asked:
            there.fetch(url)
            assert look() == 0, "another run finds nothing to do"
        return Fetched(SMALL)

    monkeypatch.setattr(document_at, "fetch", fetch)
    assert look() == 1
    assert revisions(cast) == [1, 2]


@pytest.mark.parametrize("what", ["set", "removed", "off", "asked"])
def test_what_was_changed_meanwhile_counts(
    cast: Cast, version: ApiVersion, source: DocumentSource, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def fetch(url: str, *, etag: str = "") -> Fetched:
        if url == URL and revisions(cast) == [1]:
            with tenant_scope(cast.acme.pk):
                if what == "removed":
                    sources.remove_source(source, by=cast.pam)
                elif what == "asked":
                    # A moment later, as the clock goes on outside of tests.
                    DocumentSource.objects.update(next_at=F("next_at") + timedelta(days=1))
                else:
                    set_source(cast, version, url="https://other.example.com/", enabled=what == "set")
                    DocumentSource.objects.filter(enabled=True).update(next_at=F("next_at") + timedelta(days=1))
        return Fetched(SMALL)

    monkeypatch.setattr(document_at, "fetch", fetch)
    look()
    assert revisions(cast) == [1]


def test_nothing_is_locked_while_it_looks(cast: Cast, source: DocumentSource, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(url: str, *, etag: str = "") -> Fetched:
        with tenant_scope(cast.acme.pk):
            make.api("invoices")
        return Fetched(SMALL)

    monkeypatch.setattr(document_at, "fetch", fetch)
    look()
    assert revisions(cast) == [1, 1, 2]


def test_one_whose_look_never_ended_is_looked_at_by_another(cast: Cast, source: DocumentSource, there: There) -> None:
    there.trouble = None

    class Died(BaseException):
        pass

    def fetch(url: str, *, etag: str = "") -> Fetched:
        raise Died

    kept, document_at.fetch = document_at.fetch, fetch  # type: ignore[assignment]
    with pytest.raises(Died):
        look()
    document_at.fetch = kept
    next_at = found(cast).next_at
    assert next_at is not None
    assert timedelta(0) < next_at - timezone.now() <= sources.LOST, "nobody else looks meanwhile"
    assert look_again(cast).result == "found"


def test_while_others_are_read_it_waits(cast: Cast, source: DocumentSource, there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_args: Any, **_more: Any) -> Any:
        raise openapi.TooManyAtOnceError

    monkeypatch.setattr(openapi, "read", busy)
    assert look() == 0
    now = found(cast)
    assert (now.result, now.looked_at, now.failures) == ("", None, 0)
    assert Due.objects.filter(job=sources.LOOK_JOB).exists()


def test_each_tenant_has_its_turn(cast: Cast, source: DocumentSource, there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MOST_LOOKS", 1)
    with tenant_scope(cast.acme.pk):
        make.api("invoices")
        set_source(cast, ApiVersion.objects.get(api__slug="invoices"), url="https://acme.example/")
    with tenant_scope(cast.globex.pk):
        make.api("orders")
        sources.set_source(ApiVersion.objects.get(), url="https://globex.example/", every="daily", enabled=True, by=cast.eve)
    assert look() == 3
    asked = [url for url, _etag in there.asked]
    assert asked.index("https://globex.example/") < 2, "Acme has two, and does not take both turns first"
    assert sorted(asked) == sorted([URL, "https://acme.example/", "https://globex.example/"])
    for tenant, many in ((cast.acme, 2), (cast.globex, 1)):
        with tenant_scope(tenant.pk):
            assert list(DocumentSource.objects.values_list("result", flat=True)) == ["found"] * many


def test_a_run_that_takes_too_long_leaves_the_rest_to_the_next(cast: Cast, source: DocumentSource, there: There) -> None:
    assert sources.look_at_sources(seconds=0) == 0
    assert there.asked == []
    assert look() == 1


def test_a_secret_stays_with_its_upstream(cast: Cast, version: ApiVersion, there: There) -> None:
    with tenant_scope(cast.acme.pk):
        target = publishing.check_target("http://127.0.0.1:9/base", header="x-key", secret="hush")
        publishing.make_live(publishing.add_revision(version, document=make.document(), target=target, by=cast.pam), by=cast.pam)
        set_source(cast, version)
    look()
    with tenant_scope(cast.acme.pk):
        made = Revision.objects.select_related("upstream").get(number=3)
        assert made.upstream is not None
        assert (str(made.upstream), made.upstream.header) == ("http://127.0.0.1:9/base", "x-key")
        assert unseal(made.upstream.sealed, made.upstream.sealed_for, kek()) == b"hush"


def test_it_is_the_live_ones_upstream_with_all_that_is_told_of_it(cast: Cast, version: ApiVersion, there: There) -> None:
    told: dict[str, Any] = {"credential": "basic", "user": "pam", "strip_path": "/orders"}
    shared: dict[str, Any] = {"weight": 80, "further_targets": [{"host": "127.0.0.2", "weight": 20}], "health_path": "/healthz"}
    with tenant_scope(cast.acme.pk):
        timeouts: dict[str, Any] = {"connect_timeout_ms": 1_234, "timeout_ms": 4_321}
        live = publishing.check_target("http://127.0.0.1:9/base", **timeouts, secret="hush", **told, **shared)
        publishing.make_live(publishing.add_revision(version, document=make.document(), target=live, by=cast.pam), by=cast.pam)
        # Newer, and served to nobody.
        publishing.add_revision(version, document=make.document(), target=make.target("http://127.0.0.1:8"), by=cast.pam)
        set_source(cast, version)
    look()
    with tenant_scope(cast.acme.pk):
        made = Revision.objects.select_related("upstream").get(number=4).upstream
        assert made is not None
        assert (str(made), made.connect_timeout_ms, made.timeout_ms) == ("http://127.0.0.1:9/base", 1_234, 4_321)
        assert made.connection == told
        assert made.balances == live.balances
        assert unseal(made.sealed, made.sealed_for, kek()) == b"hush"


def test_what_the_upstream_is_trusted_by_stays(cast: Cast, version: ApiVersion, there: There) -> None:
    trust: dict[str, Any] = {"ca": certificate("Acme"), "sni": "orders.internal"}
    with tenant_scope(cast.acme.pk):
        live = publishing.check_target("https://127.0.0.1:9", **trust)
        publishing.make_live(publishing.add_revision(version, document=make.document(), target=live, by=cast.pam), by=cast.pam)
        set_source(cast, version)
    look()
    with tenant_scope(cast.acme.pk):
        made = Revision.objects.select_related("upstream").get(number=3).upstream
        assert made is not None
        assert made.connection == trust


def test_a_document_that_the_upstream_has_no_paths_for_is_told(cast: Cast, version: ApiVersion, there: There) -> None:
    with tenant_scope(cast.acme.pk):
        live = publishing.check_target("http://127.0.0.1:9", strip_path="/orders")
        publishing.make_live(publishing.add_revision(version, document=make.document(), target=live, by=cast.pam), by=cast.pam)
        set_source(cast, version)
    there.text = CHANGED
    look()
    now = found(cast)
    assert now.result == "no_upstream"
    assert "No path of the document begins with /orders" in now.sentence
    assert revisions(cast) == [1, 2]


def test_a_mock_stays_one(cast: Cast, version: ApiVersion, there: There) -> None:
    with tenant_scope(cast.acme.pk):
        document = make.document()
        mock = publishing.answer_from_examples(document)
        publishing.make_live(publishing.add_revision(version, document=document, target=mock, by=cast.pam), by=cast.pam)
        set_source(cast, version)
    look()
    with tenant_scope(cast.acme.pk):
        assert Revision.objects.get(number=3).is_mock


def test_from_a_server_with_its_etag(cast: Cast, version: ApiVersion, site: Site) -> None:
    site.headers = {"ETag": '"1"'}
    with tenant_scope(cast.acme.pk):
        set_source(cast, version, url=site.url)
    look()
    assert look_again(cast).result == "same"
    assert site.asked == ["", '"1"']


# --- what fails


def test_what_fails_is_tried_again_and_told_once(cast: Cast, source: DocumentSource, there: There) -> None:
    there.trouble = FetchRefused(Trouble.MISSING, host="docs.example.com", status=404)
    look()
    now = found(cast)
    assert now.sentence == "docs.example.com has nothing at this address: it answered 404."
    assert now.looked_at is not None
    assert (now.failures, now.next_at) == (1, now.looked_at + timedelta(hours=1)), "sooner than after a day"
    for many in (2, 3, 4, 5):
        now = look_again(cast)
        assert now.failures == many
    assert now.looked_at is not None
    assert now.next_at == now.looked_at + timedelta(days=1)
    assert kinds(cast) == ["set", "failing"]
    there.trouble = None
    assert look_again(cast).failures == 0
    there.trouble = FetchRefused(Trouble.SLOW, host="docs.example.com", seconds=20)
    for _many in range(3):
        look_again(cast)
    assert kinds(cast) == ["set", "failing", "found", "failing"], "a second time after it went well"


def test_what_is_no_document_is_told_with_its_lines(cast: Cast, source: DocumentSource, there: There) -> None:
    there.text = "openapi: 3.1.0\npahts: {}\n"
    look()
    now = found(cast)
    assert (now.result, now.sentence) == ("unreadable", "What stands there is no document that could be published.")
    assert now.problems[-1]["line"] == 2
    assert (now.etag, now.digest) == ("", ""), "it is read again, as rules may change"


def test_an_upstream_that_is_allowed_no_more_is_told(cast: Cast, source: DocumentSource, there: There, settings: Any) -> None:
    settings.UPSTREAM_NETWORKS = []
    look()
    now = found(cast)
    assert now.result == "no_upstream"
    assert "not a public address" in now.sentence
    assert revisions(cast) == [1]


def test_every_trouble_has_its_sentence() -> None:
    named: dict[str, str | int] = {"host": "docs.example.com", "seconds": 20, "most": 3, "status": 404}
    for trouble in Trouble:
        assert document_at.sentence(trouble.value, named).endswith("."), trouble


@pytest.mark.parametrize("meanwhile", [False, True])
def test_who_may_publish_no_more_is_looked_for_no_more(
    cast: Cast, source: DocumentSource, there: There, monkeypatch: pytest.MonkeyPatch, meanwhile: bool
) -> None:
    def leave() -> None:
        with tenant_scope(cast.acme.pk):
            Membership.objects.filter(user=cast.pam).update(roles=[Role.DEVELOPER])

    def fetch(url: str, *, etag: str = "") -> Fetched:
        leave()
        return Fetched(SMALL)

    if meanwhile:
        monkeypatch.setattr(document_at, "fetch", fetch)
    else:
        leave()
    look()
    now = found(cast)
    assert (now.result, now.enabled, now.next_at) == ("stopped", False, None)
    assert now.sentence == f"{cast.pam}, who set it up, may not publish here any more. Save it, and it goes on in your name."
    assert revisions(cast) == [1]
    assert kinds(cast) == ["set", "stopped"]
    assert there.asked == []
    with tenant_scope(cast.acme.pk):
        assert not Due.objects.filter(job=sources.LOOK_JOB, tenant=cast.acme).exists()


def test_a_retired_version_is_left_alone(cast: Cast, source: DocumentSource, there: There) -> None:
    with tenant_scope(cast.acme.pk):
        ApiVersion.objects.update(status="retired")
        with pytest.raises(NotAllowed, match="Orders v1 is retired, so no document of it is looked for"):
            set_source(cast, source.version)
        with pytest.raises(NotAllowed, match="Switch it on first"):
            sources.look_now(source)
    assert look() == 0


# --- saying where


def test_without_a_first_document_there_is_none_to_look_for(cast: Cast, version: ApiVersion) -> None:
    with tenant_scope(cast.acme.pk):
        empty = publishing.add_version(version.api, name="v2", by=cast.pam)
        with pytest.raises(NotAllowed, match="Import the first document of Orders v2 yourself"):
            set_source(cast, empty)


@pytest.mark.parametrize("url", ["http://docs.example.com/", "https://pam:word@docs.example.com/", "file:///etc/passwd"])
def test_an_address_that_is_none_is_refused(cast: Cast, version: ApiVersion, url: str) -> None:
    with tenant_scope(cast.acme.pk):
        with pytest.raises(Invalid):
            set_source(cast, version, url=url)
        assert not DocumentSource.objects.exists()


def test_another_address_begins_anew(cast: Cast, version: ApiVersion, there: There) -> None:
    there.etag = '"1"'
    with tenant_scope(cast.acme.pk):
        set_source(cast, version)
    look()
    with tenant_scope(cast.acme.pk):
        set_source(cast, version, every="weekly")
        assert DocumentSource.objects.get().etag == '"1"', "the same address goes on"
        set_source(cast, version, url="https://other.example.com/")
        now = DocumentSource.objects.get()
    assert (now.etag, now.digest, now.result, now.looked_at, now.told) == ("", "", "", None, {})
    assert now.sentence == "Nobody has looked there yet."


def test_events_name_the_host_alone(cast: Cast, source: DocumentSource, there: There) -> None:
    look()
    with tenant_scope(cast.acme.pk):
        sources.remove_source(found(cast), by=cast.pam)
        assert not [event for event in Event.objects.all() if "word" in str(event.data)]
        assert Event.objects.latest("number").kind == "document_source.removed"


def test_the_database_holds_that_what_is_on_has_a_next_time(cast: Cast, source: DocumentSource) -> None:
    with tenant_scope(cast.acme.pk), pytest.raises(IntegrityError), transaction.atomic():
        DocumentSource.objects.update(next_at=None)


def test_what_people_hear_of() -> None:
    assert {kind for kind in KINDS & NEWS if kind.startswith("document_source.")} == {
        "document_source.found", "document_source.failing", "document_source.stopped",
    }  # fmt: skip


@pytest.fixture
def address(cast: Cast, version: ApiVersion) -> str:
    return f"{base(cast.acme)}/apis/orders/versions/v1/source/"


@pytest.mark.usefixtures("there")
class TestRest:
    def test_pam_says_where_it_stands(self, cast: Cast, rest: Rest, address: str) -> None:
        assert rest(cast.pam).get(address).status_code == 404
        answer = rest(cast.pam).put(address, {"url": URL, "every": "hourly"})
        assert answer.status_code == 200, answer.content
        assert (answer.json()["every"], answer.json()["enabled"], answer.json()["result"]) == ("hourly", True, "")
        look()
        told = rest(cast.pam).get(address).json()
        assert (told["url"], told["result"], told["problems"], told["failures"]) == (URL, "found", [], 0)
        assert told["said"] == "The document had changed. It became revision 2, which is not live by itself."
        assert rest(cast.pam).delete(address).status_code == 204
        assert rest(cast.pam).get(address).status_code == 404

    @pytest.mark.usefixtures("source")
    def test_pam_has_it_looked_at_now(self, cast: Cast, rest: Rest, address: str) -> None:
        look()
        assert look() == 0
        assert rest(cast.pam).post(f"{address}look/").status_code == 202
        assert look() == 1
        rest(cast.pam).put(address, {"url": URL, "enabled": False})
        assert rest(cast.pam).post(f"{address}look/").status_code == 409
        assert look() == 0

    @pytest.mark.parametrize(
        ("given", "field"),
        [({}, "url"), ({"url": "http://a.example"}, "url"), ({"url": URL, "every": "minute"}, "every"), ({"url": URL, "on": True}, "on"),
         ({"url": "https://a.example/" + "a" * 500}, "url"), ({"url": "https://a.example/\x00"}, "url"), ({"url": None}, "url")],
    )  # fmt: skip
    def test_what_can_not_be(self, cast: Cast, rest: Rest, address: str, given: dict[str, Any], field: str) -> None:
        answer = rest(cast.pam).put(address, given)
        assert answer.status_code == 422
        assert field in answer.json()["errors"]

    @pytest.mark.usefixtures("source")
    def test_others_may_not(self, cast: Cast, rest: Rest, address: str) -> None:
        for person, status in ((cast.eve, 404), (cast.carl, 403)):
            for answer in (
                rest(person).get(address),
                rest(person).put(address, {"url": URL}),
                rest(person).delete(address),
                rest(person).post(f"{address}look/"),
            ):
                assert answer.status_code == status
        with tenant_scope(cast.acme.pk):
            assert DocumentSource.objects.get().set_by == cast.pam
