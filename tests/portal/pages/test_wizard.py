"""A new API in four steps: what is typed stays, and nothing is public before the last."""

import json
import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models.functions import Now
from django.test import Client, RequestFactory
from django.utils import timezone

from apis import openapi
from apis.actions import drafts, publishing
from apis.models import Api, ApiVersion, Draft, Plan, Revision, Upstream
from apis.openapi_source import MAX_BYTES
from apis.tasks import expire_drafts
from keys.envelope import unseal
from keys.kek import kek
from portal.uploads import BoundedUpload
from tenants import due
from tenants.models import Event, Membership
from tenants.scope import in_scope, tenant_scope
from tests import make
from tests.conftest import Cast, queries

NEW = "/t/acme/console/new-api/"
CHECK, UPSTREAM, PLAN, DISCARD = f"{NEW}check/", f"{NEW}upstream/", f"{NEW}plan/", f"{NEW}discard/"
YAML = """openapi: 3.1.0
info:
  title: Orders & more
  version: "1"
  description: Takes **orders**.
paths:
  /orders:
    get:
      operationId: listOrders
      summary: All of them
      responses: {"200": {description: Orders}}
    post:
      responses: {"201": {description: Made}}
"""
WRONG = YAML.replace("    get:\n", "    fetch:\n")
TIMEOUTS = {"connect_timeout_ms": "5000", "timeout_ms": "30000"}
AIM = {"upstream": "http://127.0.0.1:9/base", "header": "", "secret": "", **TIMEOUTS}
TERMS = {"name": "free", "calls": "60", "period": "60", "seconds": "", "approval": "manual"}
AS_TYPED = {"HX-Request": "true", "HX-Target": "problems"}


def text(answer: Any) -> str:
    return str(answer.content.decode())


def seen(page: Any) -> str:
    """What the last step's form says of the draft it shows."""
    found = re.search(r'name="seen" value="([^"]+)"', text(page))
    assert found
    return found[1]


def to_the_last_step(client: Client, aim: dict[str, str] = AIM, document: str = YAML) -> str:
    """The address of the last step's form, and all before it done."""
    assert client.post(NEW, {"document": document})["Location"] == CHECK
    told = {"name": "Orders & more", "slug": "orders-more", "description": "Takes **orders**."}
    assert client.post(CHECK, told)["Location"] == UPSTREAM
    assert client.post(UPSTREAM, aim)["Location"] == PLAN
    return seen(client.get(PLAN))


def test_pam_publishes_an_api_in_four_steps(cast: Cast, pam: Client) -> None:
    assert pam.get(NEW).status_code == 200
    assert pam.post(NEW, {"document": YAML})["Location"] == CHECK
    page = text(pam.get(CHECK))
    assert 'value="Orders &amp; more"' in page
    assert 'value="orders-more"' in page
    assert "Takes **orders**." in page
    assert "/orders" in page
    assert "1 of them writes" in page
    told = {"name": "Orders", "slug": "orders", "description": "Takes **orders**."}
    assert pam.post(CHECK, told)["Location"] == UPSTREAM
    assert pam.post(UPSTREAM, AIM)["Location"] == PLAN
    last = pam.get(PLAN)
    assert "127.0.0.1" in text(last)
    assert "/acme/orders/v1/…" in text(last)
    with tenant_scope(cast.acme.pk):
        assert not Api.objects.exists()
    answer = pam.post(PLAN, {**TERMS, "seen": seen(last), "once": "a" * 32})
    assert answer["Location"] == "/t/acme/console/apis/orders/"
    with tenant_scope(cast.acme.pk):
        version = ApiVersion.objects.select_related("api", "live_revision__upstream").get()
        assert (version.api.name, version.api.created_by, version.status) == ("Orders", cast.pam, "published")
        assert version.live_revision is not None
        assert [(each.method, each.path) for each in version.live_revision.operations.order_by("method")] == [
            ("GET", "/orders"),
            ("POST", "/orders"),
        ]
        assert str(version.live_revision.upstream) == "http://127.0.0.1:9/base"
        plan = Plan.objects.get()
        assert (plan.name, plan.calls, plan.seconds, plan.status) == ("free", 60, 60, "published")
        assert not Draft.objects.exists()
        event = Event.objects.latest("number")
        assert (event.kind, event.actor_id) == ("version.published", cast.pam.pk)
    landed = text(pam.get(answer["Location"]))
    assert "Orders is published." in landed
    assert f"/receipts/{event.number}/" in landed


def test_as_pam_types_the_problems_are_told_by_line_and_column_and_her_text_is_kept(cast: Cast, pam: Client) -> None:
    answer = pam.post(NEW, {"document": WRONG}, headers=AS_TYPED)
    assert "<html" not in text(answer)
    assert re.search(r"Line 8, column \d", text(answer))
    assert "fetch" in text(answer)
    with tenant_scope(cast.acme.pk):
        assert Draft.objects.get().document == WRONG
    assert "It can be published" in text(pam.post(NEW, {"document": YAML}, headers=AS_TYPED))
    assert "operationId: listOrders" in text(pam.get(NEW))


def test_a_document_with_problems_shows_its_lines_and_leads_no_further(pam: Client) -> None:
    assert pam.post(NEW, {"document": WRONG})["Location"] == CHECK
    page = text(pam.get(CHECK))
    assert "<mark>    fetch:</mark>" in page
    assert "  /orders:" in page
    assert "1 must be mended" in page
    assert 'name="slug"' not in page
    assert pam.post(CHECK, {"name": "Orders", "slug": "orders"}).status_code == 200
    for later in (UPSTREAM, PLAN):
        assert pam.get(later)["Location"] == CHECK
        assert pam.post(later, {})["Location"] == CHECK


@pytest.mark.parametrize(
    "sent,sentence",
    [
        ({"document": ""}, "Paste a document, choose a file that has one, or write where it stands."),
        ({"document": "  \n"}, "Paste a document, choose a file that has one, or write where it stands."),
        ({"document": "x" * (2 * 1024 * 1024 + 1)}, "The document is larger than 2 MB."),
        ({"document": "a\x00b"}, "Null characters are not allowed."),
        ({"file": SimpleUploadedFile("huge.yaml", b"#" * (20 * 1024 * 1024))}, "The document is larger than 16 MB."),
        ({"file": SimpleUploadedFile("empty.yaml", b"")}, "Paste a document, choose a file that has one, or write where it stands."),
        ({"file": SimpleUploadedFile("a.png", b"ab\n\x89PNG")}, "Line 2, column 1: The document isn&#x27;t UTF-8 text"),
        ({"file": SimpleUploadedFile("a.bin", b"ab\x00")}, "it holds a NUL byte"),
        ({"document": "pasted", "file": SimpleUploadedFile("a.bin", b"ab\x00")}, "it holds a NUL byte"),
    ],
    ids=["empty", "blank", "large", "nul", "20 MB file", "empty file", "no text", "nul in file", "both"],
)
def test_what_is_no_document_comes_back_with_a_sentence(cast: Cast, pam: Client, sent: dict[str, Any], sentence: str) -> None:
    for value in sent.values():
        if isinstance(value, SimpleUploadedFile):
            value.seek(0)
    answer = pam.post(NEW, sent)
    assert answer.status_code == 422
    assert sentence in text(answer)
    if document := sent.get("document", "").strip().replace("\x00", ""):
        assert document[:1000] in text(answer).replace("\x00", "")
    with tenant_scope(cast.acme.pk):
        assert not Draft.objects.exists()


def test_more_than_the_portal_takes_is_answered_with_a_sentence(pam: Client) -> None:
    answer = pam.post(NEW, {"document": "x" * (3 * 1024 * 1024 + 1)})
    assert answer.status_code == 413
    assert "This is more than the 3 MB that a form can carry." in text(answer)


def test_a_file_takes_the_place_of_what_was_pasted(cast: Cast, pam: Client) -> None:
    sent = {"document": "openapi: 2", "file": SimpleUploadedFile("orders.yaml", YAML.replace("\n", "\r\n").encode())}
    assert pam.post(NEW, sent)["Location"] == CHECK
    with tenant_scope(cast.acme.pk):
        draft = Draft.objects.get()
        assert (draft.document, draft.problems) == (YAML, [])


@pytest.mark.parametrize(
    "document",
    [
        "[" * 100_000,
        "a: &a [x]\nb: [*a, *a]",
        "<html><script>alert(1)</script>",
        "openapi: 3.1.0\ninfo: {title: '<script>alert(1)</script>', version: '1'}\npaths: {'/<b>x': {get: {responses: {}}}}",
        '{"openapi": "3.1.0", ' + '"x": "' + "y" * 500_000 + '", "z": }',
    ],
    ids=["deep", "aliases", "a page", "markup", "one endless line"],
)
def test_hostile_documents_are_told_what_is_wrong_and_shown_as_text(pam: Client, document: str) -> None:
    assert pam.post(NEW, {"document": document})["Location"] == CHECK
    page = text(pam.get(CHECK))
    assert "must be mended" in page
    assert "<script>alert" not in page
    assert len(page) < 100_000
    assert document[:200].split("\n", maxsplit=1)[0][:40] in unescape(text(pam.get(NEW)))


def test_when_others_are_read_pam_is_told_kindly_and_loses_nothing(pam: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: Any, **__: Any) -> None:
        raise openapi.TooManyAtOnceError

    monkeypatch.setattr(openapi, "read", busy)
    answer = pam.post(NEW, {"document": YAML})
    assert answer.status_code == 503
    assert "try again in a few seconds" in text(answer)
    assert "operationId: listOrders" in text(answer)
    fragment = pam.post(NEW, {"document": YAML}, headers=AS_TYPED)
    assert "try again in a few seconds" in text(fragment)
    assert "<html" not in text(fragment)


@pytest.mark.parametrize(
    "field,value,sentence",
    [
        ("name", "", "Fill this in."),
        ("name", "n" * 81, "This has 81 characters; 80 are the most."),
        ("slug", "", "Fill this in."),
        ("slug", "Orders", "Use lower-case letters, digits and single hyphens."),
        ("slug", "a--b", "Use lower-case letters, digits and single hyphens."),
        ("slug", "s" * 41, "This has 41 characters; 40 are the most."),
        ("slug", "taken", "There is an API with this slug already; choose another."),
        ("description", "d" * 5001, "This has 5001 characters; 5000 are the most."),
        ("name", "a\x07b", "Control characters can&#x27;t be used here."),
    ],
)
def test_a_name_that_cannot_be_comes_back_with_all_that_was_typed(cast: Cast, pam: Client, field: str, value: str, sentence: str) -> None:
    with tenant_scope(cast.acme.pk):
        make.api("taken")
    pam.post(NEW, {"document": YAML})
    told = {"name": "A fine name", "slug": "fine", "description": "<b>Words</b>", field: value}
    answer = pam.post(CHECK, told)
    assert answer.status_code == 422
    assert sentence in text(answer)
    for typed in told.values():
        assert typed.replace("<", "&lt;").replace(">", "&gt;") in text(answer)


@pytest.mark.parametrize(
    "field,value,sentence",
    [
        ("upstream", "", "Fill this in."),
        ("upstream", "ftp://x.example", "An upstream starts with http:// or https:// and a host name."),
        ("upstream", "https://user:pw@x.example", "Leave user and password out of the address"),
        ("upstream", "http://10.0.0.1", "is not a public address"),
        ("upstream", "http://169.254.169.254/latest", "is not a public address"),
        ("upstream", "http://no-such-host.invalid", "does not resolve to an address"),
        ("upstream", "h" * 801, "This has 801 characters; 800 are the most."),
        ("header", "host", "belongs to HTTP or to the gateway"),
        ("header", "x y", "is not a header name."),
        ("header", "x-key", "The header&#x27;s secret is 1 to 4,000 printable ASCII characters"),
        ("credential", "digest", "Select a valid choice."),
        ("user", "pam", "Only user and password have a user; leave it empty."),
        ("ca", "abc", "Only an address with https:// has a certificate; leave this empty."),
        ("sni", "a b", "Only an address with https://"),
        ("strip_path", "api", "“api” is not the beginning of a path; write for example /api/v3"),
        ("strip_path", "/api", "No path of the document begins with /api, so nothing could be taken off."),
        ("timeout_ms", "1", "Give a number from 100 to 300,000."),
        ("timeout_ms", "soon", "Give a whole number."),
        ("connect_timeout_ms", "9" * 400, "Give a"),
    ],
)
def test_an_upstream_that_cannot_be_comes_back_with_all_that_was_typed(
    cast: Cast, pam: Client, field: str, value: str, sentence: str
) -> None:
    with tenant_scope(cast.acme.pk):
        drafts.describe(drafts.write(document=YAML, read=openapi.parse(YAML), by=cast.pam), name="Orders", slug="orders", description="")
    told = {**AIM, "upstream": "http://127.0.0.1:9/typed", field: value}
    if field == "header" and value != "x-key":
        told["secret"] = "s3cret-of-pam"
    answer = pam.post(UPSTREAM, told)
    assert answer.status_code == 422
    assert sentence in text(answer)
    assert "s3cret-of-pam" not in text(answer)
    assert ("Type the secret again" in text(answer)) == bool(told["secret"])
    for name in ("upstream", "header", "timeout_ms"):
        assert told[name] in text(answer)
    with tenant_scope(cast.acme.pk):
        assert Draft.objects.get().upstream == ""


def test_the_secret_is_sealed_and_never_shown_again(cast: Cast, pam: Client, caplog: pytest.LogCaptureFixture) -> None:
    secret = "s3cret-of-pam"
    to_the_last_step(pam, {**AIM, "header": "X-Key", "secret": secret})
    with tenant_scope(cast.acme.pk):
        draft = Draft.objects.get()
        assert secret not in draft.sealed
        assert drafts.secret_of(draft) == secret
    # Left empty it stays; with another header it is asked for.
    assert pam.post(UPSTREAM, {**AIM, "header": "X-Key"})["Location"] == PLAN
    assert pam.post(UPSTREAM, {**AIM, "header": "X-Other"}).status_code == 422
    pages = [pam.get(at) for at in (NEW, CHECK, UPSTREAM, PLAN)]
    pages.append(pam.post(PLAN, {**TERMS, "seen": seen(pages[-1])}))
    pages += [pam.get(pages[-1]["Location"]), pam.get("/t/acme/console/apis/orders-more/v1/revisions/new/")]
    assert all(secret not in text(page) for page in pages)
    assert secret not in caplog.text
    with tenant_scope(cast.acme.pk):
        upstream = Upstream.objects.get()
        assert upstream.header == "x-key"
        assert unseal(upstream.sealed, upstream.sealed_for, kek()).decode() == secret
        assert secret not in json.dumps(list(Event.objects.values_list("data", flat=True)))


@pytest.mark.parametrize(
    "field,value,sentence",
    [
        ("name", "Gold plan", "Use lower-case letters, digits and single hyphens."),
        ("name", "", "Fill this in."),
        ("calls", "0", "Give a number from 1 to 1,000,000."),
        ("calls", "many", "Give a whole number."),
        ("calls", "-5", "Give a number from 1 to 1,000,000."),
        ("period", "77", "Select a valid choice"),
        ("period", "own", "Give the time in seconds, or choose one from the list."),
        ("seconds", "86401", "Give a number from 1 to 86,400."),
        ("approval", "nobody", "Select a valid choice"),
    ],
)
def test_a_plan_that_cannot_be_comes_back_and_nothing_is_published(cast: Cast, pam: Client, field: str, value: str, sentence: str) -> None:
    with tenant_scope(cast.acme.pk):
        make.draft(cast.pam)
    told = {**TERMS, "seen": seen(pam.get(PLAN)), field: value}
    answer = pam.post(PLAN, told)
    assert answer.status_code == 422
    assert sentence in text(answer)
    assert f'value="{told["calls"]}"' in text(answer)
    with tenant_scope(cast.acme.pk):
        assert not Api.objects.exists()
        assert Draft.objects.exists()


def test_a_time_of_ones_own_counts_where_it_is_chosen(cast: Cast, pam: Client) -> None:
    with tenant_scope(cast.acme.pk):
        make.draft(cast.pam)
    pam.post(PLAN, {**TERMS, "calls": "1000", "period": "own", "seconds": "90", "seen": seen(pam.get(PLAN))})
    with tenant_scope(cast.acme.pk):
        assert Plan.objects.get().terms == "1,000 calls in 90 seconds"


def test_sent_twice_it_is_published_once(cast: Cast, pam: Client) -> None:
    told = {**TERMS, "seen": to_the_last_step(pam), "once": "b" * 32}
    assert pam.post(PLAN, told)["Location"] == "/t/acme/console/apis/orders-more/"
    again = pam.post(PLAN, told)
    assert again["Location"] == "/t/acme/console/apis/"
    assert "There is no draft here" in text(pam.get(again["Location"]))
    with tenant_scope(cast.acme.pk):
        assert Api.objects.count() == 1


def test_a_draft_that_changed_in_another_tab_is_looked_at_once_more(cast: Cast, pam: Client) -> None:
    before = to_the_last_step(pam)
    pam.post(UPSTREAM, {**AIM, "upstream": "http://127.0.0.1:10"})
    answer = pam.post(PLAN, {**TERMS, "seen": before})
    assert answer.status_code == 409
    assert "The draft was changed meanwhile" in text(answer)
    assert "http://127.0.0.1:10" in text(answer)
    assert pam.post(PLAN, {**TERMS, "seen": seen(answer)}).status_code == 302


def test_a_slug_that_was_taken_meanwhile_is_refused_and_all_stays(cast: Cast, pam: Client) -> None:
    before = to_the_last_step(pam)
    with tenant_scope(cast.acme.pk):
        make.api("orders-more")
    answer = pam.post(PLAN, {**TERMS, "calls": "61", "seen": before, "once": "c" * 32})
    assert answer.status_code == 409
    assert "An API with the slug “orders-more” exists already." in text(answer)
    assert 'value="61"' in text(answer)
    with tenant_scope(cast.acme.pk):
        assert (Api.objects.count(), Plan.objects.count()) == (1, 0)
    # Under another slug the same form goes through: what was refused was not done.
    pam.post(CHECK, {"name": "Orders", "slug": "orders-2", "description": ""})
    assert pam.post(PLAN, {**TERMS, "seen": seen(pam.get(PLAN)), "once": "c" * 32}).status_code == 302


def test_pam_whose_session_ends_at_the_third_step_finds_it_again(cast: Cast, pam: Client) -> None:
    to_the_last_step(pam)
    pam.logout()
    answer = pam.post(UPSTREAM, {**AIM, "upstream": "https://typed.example/late", "header": "x-key", "secret": "s3cret-of-pam"})
    assert answer["Location"] == f"/accounts/login/?next={UPSTREAM.replace('/', '%2F')}"
    assert "s3cret" not in json.dumps(dict(pam.session))
    kept = dict(pam.session)
    pam.force_login(cast.pam)
    session = pam.session
    session.update({name: value for name, value in kept.items() if name not in session})
    session.save()
    page = text(pam.get(UPSTREAM))
    assert "https://typed.example/late" in page
    assert 'value="x-key"' in page
    assert "operationId: listOrders" in text(pam.get(NEW))


def test_the_back_button_finds_every_step_as_it_was_left(cast: Cast, pam: Client) -> None:
    to_the_last_step(pam, {**AIM, "upstream": "http://127.0.0.1:9/mine", "timeout_ms": "1234"})
    assert 'value="1234"' in text(pam.get(UPSTREAM))
    assert "http://127.0.0.1:9/mine" in text(pam.get(UPSTREAM))
    assert 'value="orders-more"' in text(pam.get(CHECK))
    # A step back with a broken document closes those behind it, and keeps what they held.
    pam.post(NEW, {"document": WRONG})
    assert pam.get(PLAN)["Location"] == CHECK
    pam.post(NEW, {"document": YAML})
    assert "http://127.0.0.1:9/mine" in text(pam.get(PLAN))


def test_a_draft_is_its_authors_alone(cast: Cast, pam: Client, client: Client) -> None:
    to_the_last_step(pam)
    ada = Client()
    ada.force_login(cast.ada)
    assert ada.get(PLAN)["Location"] == NEW
    assert "listOrders" not in text(ada.get(NEW))
    ada.post(NEW, {"document": YAML.replace("Orders", "Ada's")})
    assert "Orders &amp; more" in text(pam.get(NEW))


def test_pam_throws_it_away(cast: Cast, pam: Client) -> None:
    to_the_last_step(pam)
    assert "Throw the draft away?" in text(pam.get(DISCARD, headers={"HX-Request": "true", "HX-Target": "dialog"}))
    assert "Your draft of Orders &amp; more waits." in text(pam.get("/t/acme/console/apis/"))
    assert pam.post(DISCARD)["Location"] == "/t/acme/console/apis/"
    with tenant_scope(cast.acme.pk):
        assert not Draft.objects.exists()
    assert "Your draft" not in text(pam.get("/t/acme/console/apis/"))


def test_after_a_week_it_is_gone_in_every_tenant(cast: Cast) -> None:
    def age(less: timedelta) -> None:
        """Each tenant's draft is this much short of a week old."""
        for tenant in (cast.acme, cast.globex):
            with tenant_scope(tenant.pk):
                Draft.objects.update(changed_at=Now() - drafts.KEPT + less)
                due.expect(drafts.EXPIRE_JOB, timezone.now() - timedelta(hours=1))

    for tenant, owner in ((cast.acme, cast.pam), (cast.globex, cast.eve)):
        with tenant_scope(tenant.pk):
            make.draft(owner)
    assert expire_drafts() == 0
    age(timedelta(minutes=1))
    assert expire_drafts() == 2
    age(timedelta())
    with tenant_scope(cast.acme.pk):
        assert Draft.objects.exists()
    assert (expire_drafts(), expire_drafts()) == (2, 0)
    for tenant in (cast.acme, cast.globex):
        with tenant_scope(tenant.pk):
            assert not Draft.objects.exists()


@pytest.mark.parametrize("at", [NEW, CHECK, UPSTREAM, PLAN, DISCARD])
def test_carl_may_not_and_eve_sees_nothing(cast: Cast, client: Client, at: str) -> None:
    for who, status in ((cast.carl, 403), (cast.eve, 404), (cast.olga, 404)):
        client.force_login(who)
        for answer in (client.get(at), client.post(at, {"document": YAML}), client.post(at, {}, headers=AS_TYPED)):
            assert answer.status_code == status
    with tenant_scope(cast.acme.pk):
        assert not Draft.objects.exists()


def test_whoever_loses_the_role_while_the_document_is_read_writes_nothing(cast: Cast, pam: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def reads_slowly(text: str, **_: str) -> openapi.Document:
        with tenant_scope(cast.acme.pk):
            Membership.objects.filter(user=cast.pam).update(roles=["developer"])
        return openapi.parse(text)

    monkeypatch.setattr(openapi, "read", reads_slowly)
    assert pam.post(NEW, {"document": YAML}).status_code == 403
    with tenant_scope(cast.acme.pk):
        assert not Draft.objects.exists()


def test_nothing_slow_happens_in_a_transaction(cast: Cast, pam: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    to_the_last_step(pam)
    found: list[bool] = []

    def watched(real: Any) -> Any:
        def call(*args: Any, **more: Any) -> Any:
            found.append(in_scope())
            return real(*args, **more)

        return call

    monkeypatch.setattr(openapi, "read", watched(openapi.read))
    monkeypatch.setattr(publishing, "check_target", watched(publishing.check_target))
    pam.post(NEW, {"document": YAML})
    pam.post(UPSTREAM, AIM)
    assert pam.post(PLAN, {**TERMS, "seen": seen(pam.get(PLAN))}).status_code == 302
    assert found == [False] * 4
    with tenant_scope(cast.acme.pk):
        assert Revision.objects.count() == 1


def test_each_step_makes_the_same_few_queries(cast: Cast, pam: Client) -> None:
    to_the_last_step(pam)
    for name, at in (("document", NEW), ("check", CHECK), ("upstream", UPSTREAM), ("plan", PLAN)):
        pam.get(at)
        with queries(f"page:new-api-{name}"):
            assert pam.get(at).status_code == 200


def test_a_file_is_held_up_to_a_bound_and_its_size_is_told(rf: RequestFactory) -> None:
    handler = BoundedUpload(rf.post("/profile/"))
    handler.new_file("file", "big.yaml", "text/yaml", None)
    for start in range(0, 5 * MAX_BYTES, MAX_BYTES // 2):
        handler.receive_data_chunk(b"#" * (MAX_BYTES // 2), start)
    found = handler.file_complete(5 * MAX_BYTES)
    assert (len(found.read()), found.size) == (MAX_BYTES, 5 * MAX_BYTES)
