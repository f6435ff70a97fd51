"""Pam imports a document that is too large to wait for. A job reads it and goes on where she was."""

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import translation
from django.utils.translation import gettext

from apis import document_at, lint, openapi
from apis.actions import drafts, importing, publishing
from apis.balancing import HealthCheck
from apis.models import ApiVersion, DocumentImport, Draft, Revision, Upstream
from apis.tasks import expire_drafts
from apis.tasks import read_documents as job
from keys.envelope import unseal
from keys.kek import kek
from tenants import due
from tenants.errors import NotAllowed
from tenants.models import Due, Event, Membership, Role, User
from tenants.scope import tenant_scope
from tests import make
from tests.apis.document_server import SMALL, Site, site
from tests.conftest import Cast, Rest, base

__all__ = ["site"]
UPSTREAM = "http://127.0.0.1:9"
READING = DocumentImport.State.READING


def large(operations: int = 2, *, problem: str = "") -> str:
    """More than 2 MB."""
    paths = {f"/a{number}": {"get": {"responses": {"200": {"description": "d"}}}} for number in range(operations)}
    content: dict[str, Any] = {"openapi": "3.1.0", "info": {"title": "Large", "version": "1"}, "paths": paths, "x-more": "m" * 2_100_000}
    if problem:
        content[problem] = 1
    return json.dumps(content, indent=1)


@pytest.fixture
def version(cast: Cast) -> ApiVersion:
    with tenant_scope(cast.acme.pk):
        make.api("orders")
        return ApiVersion.objects.select_related("api").get()


def begin(cast: Cast, document: str, **more: Any) -> DocumentImport:
    with tenant_scope(cast.acme.pk):
        return importing.begin(document=document, by=cast.pam, **more)


def read_documents() -> int:
    """The job, as if the moment had come: a test's transaction has the time of its start."""
    Due.objects.filter(job=importing.READ_JOB).update(at=Now() - timedelta(hours=1))
    return job()


def found(cast: Cast, begun: DocumentImport) -> DocumentImport:
    with tenant_scope(cast.acme.pk):
        return DocumentImport.objects.select_related("revision").get(pk=begun.pk)


def test_a_document_of_a_new_api_becomes_a_draft(cast: Cast, db: None) -> None:
    begun = begin(cast, large(3))
    assert read_documents() == 1
    over = found(cast, begun)
    assert (over.state, over.progress, over.document) == ("ready", 100, "")
    with tenant_scope(cast.acme.pk):
        draft = Draft.objects.get()
        assert (draft.owner, draft.document, len(draft.operations)) == (cast.pam, "", 3)
        read = drafts.document_of(draft)
        assert read is not None
        assert read == lint.parse(large(3), most_bytes=openapi.BY_A_JOB.most_bytes)
    assert read_documents() == 0


def test_a_document_of_an_api_becomes_a_revision(cast: Cast, version: ApiVersion) -> None:
    begun = begin(cast, large(3), version=version, aim=importing.Aim(UPSTREAM, note="Larger", header="x-key"), secret="hush")
    assert "hush" not in begun.sealed
    read_documents()
    over = found(cast, begun)
    assert over.revision is not None
    assert over.sealed == ""
    with tenant_scope(cast.acme.pk):
        revision = Revision.objects.select_related("upstream").get(pk=over.revision.pk)
        assert (revision.number, revision.note, revision.created_by, revision.operations.count()) == (2, "Larger", cast.pam, 3)
        assert revision.upstream is not None
        assert unseal(revision.upstream.sealed, revision.upstream.sealed_for, kek()) == b"hush"
        event = Event.objects.latest("number")
        assert (event.kind, event.actor_id) == ("revision.created", cast.pam.pk)
        assert not Draft.objects.exists()


def test_a_large_document_can_be_a_mock(cast: Cast, rest: Rest, version: ApiVersion) -> None:
    at = f"{base(cast.acme)}/apis/orders/versions/v1/"
    sent = rest(cast.pam).post(f"{at}imports/", {"document": large(3), "mock": True, "note": "Larger"})
    assert sent.status_code == 202, sent.content
    read_documents()
    made = rest(cast.pam).get(f"{at}revisions/2/").json()
    assert (made["mock"], made["upstream"], made["note"]) == (True, None, "Larger")
    assert [each["operation"] for each in made["answers"]] == ["GET /a0", "GET /a1", "GET /a2"]


def test_what_is_wrong_is_kept_with_its_line(cast: Cast, db: None) -> None:
    begun = begin(cast, large(problem="pahts"))
    read_documents()
    over = found(cast, begun)
    assert over.state == "refused"
    assert [problem["message"] for problem in over.problems] == ["“pahts” doesn't belong in The document."]
    assert over.problems[0]["line"] == large(problem="pahts").count("\n")
    with tenant_scope(cast.acme.pk):
        assert not Draft.objects.exists()


def test_who_may_publish_no_more_by_then_gets_nothing(cast: Cast, version: ApiVersion) -> None:
    begun = begin(cast, large(), version=version, aim=importing.Aim(UPSTREAM))
    with tenant_scope(cast.acme.pk):
        Membership.objects.filter(user=cast.pam).update(roles=[Role.DEVELOPER])
    read_documents()
    over = found(cast, begun)
    assert (over.state, over.refusal, over.revision) == ("refused", "You may not publish here any more.", None)


def test_an_upstream_that_is_allowed_no_more_is_told(cast: Cast, version: ApiVersion, settings: Any) -> None:
    begun = begin(cast, large(), version=version, aim=importing.Aim(UPSTREAM))
    settings.UPSTREAM_NETWORKS = []
    read_documents()
    assert found(cast, begun).state == "refused"
    assert found(cast, begun).refusal


def test_how_gateways_connect_is_kept_for_the_job(cast: Cast, version: ApiVersion) -> None:
    def told(strip_path: str) -> DocumentImport:
        shared: dict[str, Any] = {"further_targets": [{"host": "127.0.0.2", "port": None, "weight": 20}], "health_path": "/healthz"}
        aim = importing.Aim(UPSTREAM, credential="basic", user="pam", strip_path=strip_path, **shared)
        begun = begin(cast, large(), version=version, aim=aim, secret="hush")
        read_documents()
        return found(cast, begun)

    assert told("/api/v3").refusal == "No path of the document begins with /api/v3, so nothing could be taken off."
    assert told("/a0").state == "ready"
    with tenant_scope(cast.acme.pk):
        upstream = Upstream.objects.latest("id")
        assert upstream.connection == {"credential": "basic", "user": "pam", "strip_path": "/a0"}
        assert [(str(each), each.weight) for each in upstream.balances.further] == [("127.0.0.2:9", 20)]
        assert upstream.balances.check == HealthCheck(path="/healthz")
        assert unseal(upstream.sealed, upstream.sealed_for, kek()) == b"hush"


def test_one_at_a_time_per_person(cast: Cast, db: None) -> None:
    begin(cast, large())
    with pytest.raises(NotAllowed, match="Another document of yours is being read"):
        begin(cast, large())
    with tenant_scope(cast.acme.pk):
        importing.begin(document=large(), by=cast.ada)
        first = DocumentImport.objects.of(cast.pam).get()
        with pytest.raises(IntegrityError), transaction.atomic():
            DocumentImport.objects.create(owner=cast.pam, created_at=first.created_at, changed_at=first.changed_at, document="")


def test_once_it_is_over_the_next_takes_its_place(cast: Cast, db: None) -> None:
    begun = begin(cast, large(problem="pahts"))
    read_documents()
    again = begin(cast, large())
    with tenant_scope(cast.acme.pk):
        assert list(DocumentImport.objects.values_list("pk", flat=True)) == [again.pk]
    assert begun.pk != again.pk


def test_two_tenants_have_theirs_read(cast: Cast, db: None) -> None:
    one = begin(cast, large())
    with tenant_scope(cast.globex.pk):
        other = importing.begin(document=large(), by=cast.eve)
    assert read_documents() == 2
    assert found(cast, one).state == "ready"
    with tenant_scope(cast.globex.pk):
        assert DocumentImport.objects.get().pk == other.pk


def test_how_far_it_is_can_be_seen_meanwhile(cast: Cast, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "EVERY_SECONDS", 0)
    begun, seen = begin(cast, large()), []

    def reading(text: str, *, tell: Any, **_more: Any) -> openapi.Document:
        for done in (0.2, 0.7):
            tell(done)
            seen.append((found(cast, begun).state, found(cast, begun).progress))
        return make.document()

    monkeypatch.setattr(openapi, "read", reading)
    read_documents()
    assert seen == [("reading", 20), ("reading", 70)]


def test_nothing_is_locked_while_it_is_read(cast: Cast, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(cast, large())

    def reading(*_args: Any, **_more: Any) -> openapi.Document:
        with tenant_scope(cast.acme.pk):
            make.api()
        return make.document()

    monkeypatch.setattr(openapi, "read", reading)
    assert read_documents() == 1


@pytest.fixture
def lost(cast: Cast, db: None) -> DocumentImport:
    """One whose reader is gone."""
    begun = begin(cast, large())
    with tenant_scope(cast.acme.pk):
        DocumentImport.objects.update(state=READING, changed_at=Now() - importing.LOST)
        due.expect(importing.READ_JOB, begun.created_at)
    return begun


def test_one_whose_reader_died_is_read_by_another(cast: Cast, lost: DocumentImport) -> None:
    assert read_documents() == 1
    assert found(cast, lost).state == "ready"


def test_one_that_is_being_read_is_left_alone(cast: Cast, lost: DocumentImport) -> None:
    with tenant_scope(cast.acme.pk):
        DocumentImport.objects.update(changed_at=Now())
    assert read_documents() == 0
    assert found(cast, lost).state == "reading"


def test_one_that_was_taken_away_meanwhile_makes_nothing(cast: Cast, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(cast, large())

    def reading(*_args: Any, **_more: Any) -> openapi.Document:
        with tenant_scope(cast.acme.pk):
            DocumentImport.objects.all().delete()
        return make.document()

    monkeypatch.setattr(openapi, "read", reading)
    read_documents()
    with tenant_scope(cast.acme.pk):
        assert not Draft.objects.exists()


def test_while_others_are_read_it_waits(cast: Cast, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = begin(cast, large())

    def busy(*_args: Any, **_more: Any) -> openapi.Document:
        raise openapi.TooManyAtOnceError

    monkeypatch.setattr(openapi, "read", busy)
    importing.read_documents(seconds=0.01)
    assert found(cast, begun).state == "waiting"
    with tenant_scope(cast.acme.pk):
        assert due.is_expected(importing.READ_JOB)


def test_it_is_gone_after_a_day(cast: Cast, db: None) -> None:
    begun = begin(cast, large())
    read_documents()
    with tenant_scope(cast.acme.pk):
        DocumentImport.objects.update(changed_at=Now() - timedelta(days=1))
        Draft.objects.update(changed_at=Now() - timedelta(days=1))
        due.expect(drafts.EXPIRE_JOB, begun.created_at - timedelta(days=1))
    assert expire_drafts() == 1
    with tenant_scope(cast.acme.pk):
        assert not DocumentImport.objects.exists()
        assert Draft.objects.exists()


# --- by its address


def test_a_document_is_fetched_from_its_address(cast: Cast, site: Site) -> None:
    begun = begin(cast, "", url=site.url)
    assert not site.asked, "not while its sender waits"
    assert read_documents() == 1
    assert found(cast, begun).state == "ready"
    with tenant_scope(cast.acme.pk):
        draft = Draft.objects.get()
        assert (draft.document, [each["path"] for each in draft.operations]) == (SMALL, ["/orders"])
        assert not Event.objects.filter(kind="revision.created").exists()


def test_a_large_one_is_fetched_too(cast: Cast, site: Site) -> None:
    site.body = large(3).encode()
    begin(cast, "", url=site.url)
    read_documents()
    with tenant_scope(cast.acme.pk):
        assert Draft.objects.get().is_large


def test_a_revision_comes_from_an_address(cast: Cast, version: ApiVersion, site: Site) -> None:
    begun = begin(cast, "", url=site.url, version=version, aim=importing.Aim(UPSTREAM, note="Fetched"))
    read_documents()
    made = found(cast, begun).revision
    assert made is not None
    assert (made.number, made.note, made.document["info"]["title"]) == (2, "Fetched", "Orders")


def test_what_does_not_come_is_said_in_the_senders_language(cast: Cast, site: Site) -> None:
    site.status = 404
    begun = begin(cast, "", url=site.url)
    read_documents()
    over = found(cast, begun)
    assert (over.state, over.refusal) == ("refused", "127.0.0.1 has nothing at this address: it answered 404.")
    User.objects.filter(pk=cast.pam.pk).update(language="de")
    with translation.override("de"):
        german = gettext("You may not publish here any more.")
    assert german != "You may not publish here any more."
    site.status = 200
    begun = begin(cast, "", url=site.url)
    with tenant_scope(cast.acme.pk):
        Membership.objects.filter(user=cast.pam).update(roles=[Role.DEVELOPER])
    read_documents()
    assert found(cast, begun).refusal == german


def test_what_came_and_is_no_document_is_shown_with_its_lines(cast: Cast, site: Site) -> None:
    site.body = b"openapi: 3.1.0\npahts: {}\n"
    begun = begin(cast, "", url=site.url)
    read_documents()
    over = found(cast, begun)
    assert (over.state, over.document) == ("refused", site.body.decode())
    assert over.problems[-1]["line"] == 2


def test_nothing_is_locked_while_it_is_fetched(cast: Cast, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = begin(cast, "", url="https://docs.example.com/")

    def fetch(url: str) -> document_at.Fetched:
        with tenant_scope(cast.acme.pk):
            make.api()
        return document_at.Fetched(SMALL)

    monkeypatch.setattr(document_at, "fetch", fetch)
    read_documents()
    assert found(cast, begun).state == "ready"


def test_one_whose_reader_died_is_not_fetched_twice(cast: Cast, site: Site) -> None:
    begun = begin(cast, "", url=site.url)
    read_documents()
    with tenant_scope(cast.acme.pk):
        DocumentImport.objects.update(state=READING, document=SMALL, changed_at=Now() - importing.LOST)
        due.expect(importing.READ_JOB, begun.created_at)
    read_documents()
    assert len(site.asked) == 1


@pytest.mark.usefixtures("version")
class TestRest:
    def test_pam_gives_an_address(self, cast: Cast, rest: Rest, site: Site) -> None:
        address = f"{base(cast.acme)}/apis/orders/versions/v1/imports/"
        begun = rest(cast.pam).post(address, {"document_url": site.url, "upstream": {"url": UPSTREAM}})
        assert begun.status_code == 202, begun.content
        read_documents()
        assert rest(cast.pam).get(begun["Location"]).json()["revision"] == 2

    @pytest.mark.parametrize(
        ("given", "field", "said"),
        [
            ({}, "document", "Send either document or document_url."),
            ({"document": "a", "document_url": "https://a.example"}, "document", "Send either document or document_url."),
            ({"document_url": "http://a.example"}, "document_url", "The address of a document begins with https:// and a host name."),
            ({"document_url": ""}, "document_url", "This field may not be blank."),
            ({"document_url": 3.5}, "document_url", ""),
        ],
    )
    def test_an_address_that_is_none_is_told_at_once(self, cast: Cast, rest: Rest, given: dict[str, Any], field: str, said: str) -> None:
        address = f"{base(cast.acme)}/apis/orders/versions/v1/imports/"
        answer = rest(cast.pam).post(address, {**given, "mock": True})
        assert answer.status_code == 422
        assert said in answer.json()["errors"][field][0]
        with tenant_scope(cast.acme.pk):
            assert not DocumentImport.objects.exists()

    def test_pam_is_told_where_to_ask(self, cast: Cast, rest: Rest) -> None:
        address = f"{base(cast.acme)}/apis/orders/versions/v1/imports/"
        begun = rest(cast.pam).post(address, {"document": large(), "upstream": {"url": UPSTREAM}, "note": "Larger"})
        assert begun.status_code == 202
        assert begun.json()["state"] == "waiting"
        told = rest(cast.pam).get(begun["Location"])
        assert (told.status_code, told.json()["progress"], told.json()["revision"]) == (200, 0, None)
        read_documents()
        told = rest(cast.pam).get(begun["Location"]).json()
        assert (told["state"], told["progress"], told["revision"], told["problems"]) == ("ready", 100, 2, [])

    def test_a_large_one_arrives(self, cast: Cast, rest: Rest) -> None:
        """Larger than Django takes elsewhere."""
        address = f"{base(cast.acme)}/apis/orders/versions/v1/imports/"
        document = large() + " " * settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        begun = rest(cast.pam).post(address, {"document": document, "upstream": {"url": UPSTREAM}})
        assert begun.status_code == 202
        assert rest(cast.pam).post(address.replace("imports", "revisions"), {"document": document}).status_code == 413
        read_documents()
        told = rest(cast.pam).get(begun["Location"]).json()
        assert told["revision"] == 2, told

    def test_a_large_one_is_json_or_nothing(self, cast: Cast, rest: Rest) -> None:
        address = f"{base(cast.acme)}/apis/orders/versions/v1/imports/"
        body = json.dumps({"document": large() + " " * settings.DATA_UPLOAD_MAX_MEMORY_SIZE, "upstream": {"url": UPSTREAM}})
        assert rest(cast.pam).post(address, body, content_type="text/plain").status_code == 415
        with tenant_scope(cast.acme.pk):
            assert not DocumentImport.objects.exists()

    def test_as_json_too(self, cast: Cast, rest: Rest) -> None:
        address = f"{base(cast.acme)}/apis/orders/versions/v1/imports/"
        begun = rest(cast.pam).post(address, {"document": json.loads(large(problem="pahts")), "upstream": {"url": UPSTREAM}})
        read_documents()
        told = rest(cast.pam).get(begun["Location"]).json()
        assert told["state"] == "refused"
        assert told["problems"][0]["message"] == "“pahts” doesn't belong in The document."

    @pytest.mark.parametrize(
        ("document", "upstream", "field"), [("a" * (16 * 1024 * 1024 + 1), UPSTREAM, "document"), ("a", "ftp://a", "upstream")]
    )
    def test_what_can_be_told_at_once_is(self, cast: Cast, rest: Rest, document: str, upstream: str, field: str) -> None:
        address = f"{base(cast.acme)}/apis/orders/versions/v1/imports/"
        answer = rest(cast.pam).post(address, {"document": document, "upstream": {"url": upstream}})
        assert answer.status_code == 422
        assert field in answer.json()["errors"]
        with tenant_scope(cast.acme.pk):
            assert not DocumentImport.objects.exists()

    def test_others_see_nothing_of_it(self, cast: Cast, rest: Rest, version: ApiVersion) -> None:
        begun = begin(cast, large(), version=version, aim=importing.Aim(UPSTREAM))
        address = f"{base(cast.acme)}/imports/{begun.pk}/"
        assert rest(cast.pam).get(address).status_code == 200
        assert rest(cast.ada).get(address).status_code == 404
        assert rest(cast.eve).get(address).status_code == 404
        assert rest(cast.eve).post(f"{base(cast.acme)}/apis/orders/versions/v1/imports/", {}).status_code == 404
        assert rest(cast.pam).get(f"{base(cast.acme)}/imports/{uuid4()}/").status_code == 404


def test_a_revision_that_keeps_its_document_has_all_of_it(cast: Cast, version: ApiVersion) -> None:
    """The live one's document was read when it came, and may be too large to be read again."""
    with tenant_scope(cast.acme.pk):
        first = Revision.objects.get()
        again = publishing.add_revision(version, document=publishing.document_of(first), target=make.target(), by=cast.pam)
        names = ("operation_id", "method", "path", "summary", "deprecated", "scopes")
        assert list(again.operations.order_by("path", "method").values_list(*names)) == list(
            first.operations.order_by("path", "method").values_list(*names)
        )
        assert (again.document, again.scopes, again.notes) == (first.document, first.scopes, first.notes)
