"""A changed document as a new revision: what it changes, making it live, going back."""

import copy
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apis import openapi
from apis.actions import publishing
from apis.models import Api, ApiVersion, OperationUse, Revision, Upstream
from gateway.models import GatewayNode
from keys.envelope import unseal
from keys.kek import kek
from portal.pages import revision_changes
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, queries

ORDERS = "/t/acme/console/apis/orders/"
REVISIONS = f"{ORDERS}v1/revisions/"
NEW = f"{REVISIONS}new/"
DIALOG = {"HX-Request": "true", "HX-Target": "dialog"}
AIM = {"upstream": "http://127.0.0.1:9", "header": "", "secret": "", "connect_timeout_ms": "5000", "timeout_ms": "30000", "note": "Less"}


def changed() -> dict[str, Any]:
    """Without POST /orders and /orders/{id}, with /invoices and another answer of GET /orders."""
    found = copy.deepcopy(make.DOCUMENT)
    del found["paths"]["/orders"]["post"]
    del found["paths"]["/orders/{id}"]
    found["paths"]["/orders"]["get"]["responses"]["404"] = {"description": "None"}
    found["paths"]["/invoices"] = {"get": {"responses": {"200": {"description": "Invoices"}}}}
    return found


CHANGED = json.dumps(changed(), indent=1)


def text(answer: Any) -> str:
    return str(answer.content.decode())


def live_number(cast: Cast) -> int:
    with tenant_scope(cast.acme.pk):
        version = ApiVersion.objects.select_related("live_revision").get()
        assert version.live_revision is not None
        return version.live_revision.number


def add(cast: Cast, content: dict[str, Any] | None = None, **target: Any) -> Revision:
    with tenant_scope(cast.acme.pk):
        version = ApiVersion.objects.get()
        return publishing.add_revision(
            version, document=make.document(content), target=make.target(target.pop("url", AIM["upstream"]), **target), by=cast.pam
        )


def test_pam_adds_a_revision_sees_what_it_changes_makes_it_live_and_goes_back(cast: Cast, pam: Client, orders: Api) -> None:
    assert 'value="http://127.0.0.1:9"' in text(pam.get(NEW))
    assert pam.post(NEW, {**AIM, "document": CHANGED, "once": "a" * 32})["Location"] == f"{REVISIONS}2/"
    assert live_number(cast) == 1
    page = text(pam.get(f"{REVISIONS}2/"))
    for said in (
        "Revision 2 is there. Nothing changes for callers before it is made live.", "What changes against revision 1, which is live",
        "2 changes break callers", "2 changes are safe", "The operation is gone, and had not been deprecated.", "The response 404 is new.",
        "/invoices", "The operation is new.", "Make live…",
    ):  # fmt: skip
        assert said in page, said
    question = text(pam.get(f"{REVISIONS}2/live/", headers=DIALOG))
    assert "2 operations disappear; callers of POST /orders, GET /orders/{id} get 404 or 405 once a gateway is connected." in question
    assert "1 operation is new. 1 operation changes." in question
    for name in ("edge-1", "edge-2"):
        GatewayNode.objects.create(name=name, connected=True, seen_at=timezone.now())
    assert "get 404 or 405 on 2 gateways within a second." in text(pam.get(f"{REVISIONS}2/live/"))
    assert pam.post(f"{REVISIONS}2/live/", {"instead_of": "1", "override": "on", "once": "b" * 32})["Location"] == f"{REVISIONS}2/"
    assert live_number(cast) == 2
    with tenant_scope(cast.acme.pk):
        event = Event.objects.latest("number")
        assert (event.kind, event.data["was"], event.data["number"]) == ("revision.live", 1, 2)
    landed = text(pam.get(f"{REVISIONS}2/"))
    assert "Revision 2 of Orders v1 is live." in landed
    assert f"/receipts/{event.number}/" in landed
    assert "Go back to revision 1…" in text(pam.get(f"{REVISIONS}1/"))
    back = pam.get(f"{REVISIONS}1/live/")
    assert "Go back to revision 1 of Orders v1?" in text(back)
    assert "1 operation disappears; callers of GET /invoices get 404" in text(back)
    assert pam.post(f"{REVISIONS}1/live/", {"instead_of": "2", "once": "c" * 32}).status_code == 302
    assert live_number(cast) == 1


def test_what_asks_for_more_than_before_is_said_to_break_callers(cast: Cast, pam: Client, orders: Api) -> None:
    add(cast, make.SCOPED)
    page = text(pam.get(f"{REVISIONS}2/"))
    assert "6 changes break callers" in page
    assert "Callers need more scopes than before: orders:write." in page
    question = text(pam.get(f"{REVISIONS}2/live/", headers=DIALOG))
    assert "6 changes break callers of GET /orders, POST /orders, GET /orders/{id}." in question
    with tenant_scope(cast.acme.pk):
        publishing.make_live(Revision.objects.get(number=2), by=cast.pam)
    back = text(pam.get(f"{REVISIONS}1/"))
    assert "Callers need fewer scopes than before." in back
    assert "break callers" not in back
    assert "break" not in text(pam.get(f"{REVISIONS}1/live/"))


def test_when_another_was_made_live_meanwhile_pam_has_to_look_again(cast: Cast, pam: Client, orders: Api) -> None:
    add(cast, changed())
    three = add(cast)
    asked = text(pam.get(f"{REVISIONS}2/live/"))
    assert 'name="instead_of" value="1"' in asked
    with tenant_scope(cast.acme.pk):
        publishing.make_live(three, by=cast.ada)
    answer = pam.post(f"{REVISIONS}2/live/", {"instead_of": "1"})
    assert answer.status_code == 409
    assert "Revision 3 was made live meanwhile." in text(answer)
    assert live_number(cast) == 3
    # And what is live already isn't made so twice.
    assert pam.post(f"{REVISIONS}3/live/", {"instead_of": "3"}).status_code == 409


def test_what_is_risky_and_where_calls_go_are_told_before_they_happen(cast: Cast, pam: Client, orders: Api) -> None:
    less = copy.deepcopy(make.DOCUMENT)
    less["paths"]["/orders"]["get"]["deprecated"] = True
    add(cast, less, url="http://127.0.0.1:10", timeout_ms=1_000)
    page = text(pam.get(f"{REVISIONS}2/"))
    for said in ("2 changes may break callers", "1 change is safe", "The whole API", "The operation is deprecated now."):
        assert said in page, said
    assert page.index("2 changes may break callers") < page.index("1 change is safe")
    assert "break callers" not in page.replace("may break callers", "")
    question = text(pam.get(f"{REVISIONS}2/live/", headers=DIALOG))
    went = "Calls go to http://127.0.0.1:10; they went to http://127.0.0.1:9. The upstream has 1000 ms to answer; it had 30000."
    assert f"2 changes are risky. {went} 1 operation changes." in question


def test_of_many_operations_a_part_is_listed(cast: Cast, pam: Client, orders: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revision_changes, "LINES", 1)
    add(cast, make.SCOPED)
    page = text(pam.get(f"{REVISIONS}2/"))
    assert "6 changes break callers" in page
    assert "And 1 more operation; REST lists all of them." in page
    assert 'class="method get"' in page
    assert 'class="method post"' not in page


def test_operations_with_the_same_changes_stand_together(cast: Cast, pam: Client, orders: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revision_changes, "SEEN", 2)
    monkeypatch.setattr(revision_changes, "LISTED", 3)
    many = copy.deepcopy(make.DOCUMENT)
    many["paths"] |= {f"/new{at}": {"get": {"responses": {"200": {"description": "New"}}}} for at in range(4)}
    add(cast, many)
    page = text(pam.get(f"{REVISIONS}2/"))
    for said in ("4 changes are safe", "4 operations", "2 more operations", "And 1 more operation; REST lists all of them."):
        assert said in page, said
    assert page.count("The operation is new.") == 1
    at = [page.find(f"<code>/new{each}</code>") for each in range(4)]
    assert at[0] < at[1] < page.index("2 more operations") < at[2]
    assert at[3] == -1


def test_versions_of_one_api_can_be_compared(cast: Cast, pam: Client, orders: Api) -> None:
    with tenant_scope(cast.acme.pk):
        make.api("invoices")
        v2 = publishing.add_version(orders, name="v2", by=None)
        publishing.add_revision(v2, document=make.document(changed()), target=make.target(), by=None)
    here = REVISIONS.replace("/v1/", "/v2/")
    alone = text(pam.get(f"{here}1/"))
    assert "The first revision: all of it is new" in alone
    assert '<option value="">Nothing: all of it is new</option>' in alone
    assert (alone.count("<optgroup"), alone.count("<option")) == (1, 2)
    page = text(pam.get(f"{here}1/?against=v1/1"))
    assert "What changes against revision 1 of Orders v1" in page
    assert "2 changes break callers" in page
    assert '<option value="v1/1" selected>' in page
    assert "The first revision" in text(pam.get(f"{here}1/?against=v3/1"))


def test_any_two_revisions_can_be_compared(cast: Cast, pam: Client, orders: Api) -> None:
    add(cast, changed(), url="http://127.0.0.1:10/other", timeout_ms=1_000, header="x-key", secret="s")
    add(cast, changed())
    page = text(pam.get(f"{REVISIONS}3/?against=2"))
    assert "What changes against revision 2" in page
    assert "Calls go to http://127.0.0.1:9; they went to http://127.0.0.1:10/other." in page
    assert "The upstream has 30000 ms to answer; it had 1000." in page
    assert "The upstream has 1000 ms to answer; it had 30000." in text(pam.get(f"{REVISIONS}2/?against=3"))
    assert "The gateway no longer puts the header x-key on each call." in page
    assert "It is gone" not in page
    assert "The gateway puts the header x-key on each call." in text(pam.get(f"{REVISIONS}2/?against=3"))
    for nonsense in ("99", "-1", "x", "²", "9" * 400, "3"):
        assert "against revision 1, which is live" in text(pam.get(f"{REVISIONS}3/", {"against": nonsense}))
    assert "The first revision: all of it is new" in text(pam.get(f"{REVISIONS}1/?against=nonsense")) or "against revision" in page
    same = add(cast)
    assert "Nothing changes for callers" in text(pam.get(f"{REVISIONS}{same.number}/?against=1"))


def test_left_empty_the_document_of_the_live_revision_is_kept(cast: Cast, pam: Client, orders: Api) -> None:
    assert "Leave this, the file and the address empty to keep the document of revision 1." in text(pam.get(NEW))
    assert pam.post(NEW, {**AIM, "document": "", "timeout_ms": "900"}).status_code == 302
    with tenant_scope(cast.acme.pk):
        one, two = Revision.objects.order_by("number")
        assert one.document == two.document
        assert two.upstream is not None
        assert two.upstream.timeout_ms == 900


def test_the_secret_stays_for_its_own_host_and_goes_nowhere_else(cast: Cast, pam: Client, orders: Api) -> None:
    secret = "s3cret-of-acme"
    with tenant_scope(cast.acme.pk):
        publishing.make_live(add(cast, header="x-key", secret=secret), by=cast.pam)
    page = text(pam.get(NEW))
    assert "Leave it empty to keep the secret as it is." in page
    assert secret not in page
    kept = {**AIM, "document": CHANGED, "header": "X-Key", "upstream": "http://127.0.0.1:9/elsewhere"}
    assert pam.post(NEW, kept).status_code == 302
    with tenant_scope(cast.acme.pk):
        upstream = Upstream.objects.latest("id")
        assert (upstream.header, upstream.path) == ("x-key", "/elsewhere")
        assert unseal(upstream.sealed, upstream.sealed_for, kek()).decode() == secret
    for elsewhere in ("http://127.0.0.2:9", "http://127.0.0.1:10", "https://127.0.0.1:9"):
        answer = pam.post(NEW, {**kept, "upstream": elsewhere})
        assert answer.status_code == 422
        assert "The secret was given for 127.0.0.1; type it again to send it elsewhere." in text(answer)
    assert pam.post(NEW, {**kept, "header": "x-other"}).status_code == 422
    assert pam.post(NEW, {**kept, "upstream": "http://127.0.0.2:9", "secret": "new"}).status_code == 302
    assert pam.post(NEW, {**kept, "header": ""}).status_code == 302
    with tenant_scope(cast.acme.pk):
        assert Upstream.objects.latest("id").sealed == ""
        assert Revision.objects.count() == 5


def test_the_password_of_a_user_stays_with_them(cast: Cast, pam: Client, orders: Api) -> None:
    secret = "s3cret-of-acme"
    as_pam = {**AIM, "document": CHANGED, "credential": "basic", "user": "pam"}
    assert "Type the password" in text(pam.post(NEW, as_pam))
    made = pam.post(NEW, {**as_pam, "secret": secret})["Location"]
    assert "as user pam with a password" in text(pam.get(made))
    with tenant_scope(cast.acme.pk):
        publishing.make_live(Revision.objects.get(number=2), by=cast.pam)
    page = text(pam.get(NEW))
    assert secret not in page
    assert 'value="pam"' in page
    assert pam.post(NEW, {**as_pam, "user": "ada"}).status_code == 422
    assert pam.post(NEW, as_pam).status_code == 302
    with tenant_scope(cast.acme.pk):
        upstream = Upstream.objects.latest("id")
        assert (upstream.header, upstream.connects.user) == ("authorization", "pam")
        assert unseal(upstream.sealed, upstream.sealed_for, kek()).decode() == secret


def test_problems_come_back_with_their_lines_and_all_that_was_typed(cast: Cast, pam: Client, orders: Api) -> None:
    wrong = CHANGED.replace('"get"', '"fetch"')
    answer = pam.post(NEW, {**AIM, "document": wrong, "note": "My note", "secret": "s3cret-of-pam"})
    assert answer.status_code == 422
    assert re.search(r"Line \d+, column \d+", text(answer))
    assert "&quot;fetch&quot;" in text(answer)
    assert "My note" in text(answer)
    assert "s3cret-of-pam" not in text(answer)
    typed = pam.post(NEW, {"document": wrong}, headers={"HX-Request": "true", "HX-Target": "problems"})
    assert "must be mended" in text(typed)
    assert "<html" not in text(typed)
    for field, value, sentence in (
        ("upstream", "http://10.0.0.1", "is not a public address"),
        ("upstream", "", "Fill this in."),
        ("note", "n" * 501, "This has 501 characters; 500 are the most."),
        ("timeout_ms", "x", "Give a whole number."),
    ):
        answer = pam.post(NEW, {**AIM, "document": CHANGED, field: value})
        assert answer.status_code == 422
        assert sentence in text(answer)
        assert "/invoices" in text(answer)
    with tenant_scope(cast.acme.pk):
        assert Revision.objects.count() == 1


def test_a_version_without_a_revision_needs_a_document(cast: Cast, pam: Client, orders: Api) -> None:
    with tenant_scope(cast.acme.pk):
        publishing.add_version(orders, name="v2", by=cast.pam)
    at = f"{ORDERS}v2/revisions/new/"
    answer = pam.post(at, {**AIM, "document": ""})
    assert answer.status_code == 422
    assert "Paste a document, choose a file that has one, or write where it stands." in text(answer)
    assert pam.post(at, {**AIM, "document": CHANGED})["Location"] == f"{ORDERS}v2/revisions/1/"
    page = text(pam.get(f"{ORDERS}v2/revisions/1/"))
    assert "The first revision: all of it is new" in page
    asked = text(pam.get(f"{ORDERS}v2/revisions/1/live/"))
    assert "Orders v2 is a draft, so nothing changes for callers before it is published." in asked
    assert pam.post(f"{ORDERS}v2/revisions/1/live/", {"instead_of": ""}).status_code == 302


def test_sent_twice_it_is_added_once(cast: Cast, pam: Client, orders: Api) -> None:
    sent = {**AIM, "document": CHANGED, "once": "d" * 32}
    assert pam.post(NEW, sent).status_code == 302
    again = pam.post(NEW, sent)
    assert again.status_code == 409
    assert "This was sent twice, and done once." in text(again)
    with tenant_scope(cast.acme.pk):
        assert Revision.objects.count() == 2


def test_when_others_are_read_pam_is_told_kindly(pam: Client, orders: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: Any, **__: Any) -> None:
        raise openapi.TooManyAtOnceError

    monkeypatch.setattr(openapi, "read", busy)
    answer = pam.post(NEW, {**AIM, "document": CHANGED})
    assert answer.status_code == 503
    assert "try again in a few seconds" in text(answer)
    assert "/invoices" in text(answer)


def test_the_pages_make_the_same_queries_whatever_there_is(cast: Cast, pam: Client, orders: Api) -> None:
    add(cast, changed())
    # What was compared once is known from then on.
    pam.get(f"{REVISIONS}2/")
    with queries("page:revision"):
        pam.get(f"{REVISIONS}2/")
    with queries("page:revision-live"):
        pam.get(f"{REVISIONS}2/live/")
    with queries("page:revision-new"):
        pam.get(NEW)
    for _ in range(5):
        add(cast, changed())
    pam.get(NEW)
    with queries("page:revision"):
        pam.get(f"{REVISIONS}2/")


@pytest.mark.parametrize("at", [NEW, f"{REVISIONS}1/", f"{REVISIONS}1/live/"])
def test_carl_may_not_and_eve_sees_nothing(cast: Cast, client: Client, orders: Api, at: str) -> None:
    for who, status in ((cast.carl, 403), (cast.eve, 404), (cast.olga, 404)):
        client.force_login(who)
        assert client.get(at).status_code == status
        assert client.post(at, {**AIM, "document": CHANGED}).status_code in {status, 405}
    client.force_login(cast.eve)
    assert client.get(at.replace("acme", "globex")).status_code == 404
    client.force_login(cast.pam)
    for unknown in (at.replace("v1", "v7"), at.replace("orders", "none"), at.replace("/1/", "/7/")):
        assert client.get(unknown).status_code == (200 if unknown == at else 404)
    with tenant_scope(cast.acme.pk):
        assert Revision.objects.count() == 1


# --- the gate --------------------------------------------------------------------------------------------------------


def called(cast: Cast, operation: str = "createOrder") -> None:
    """Carl's web shop called it yesterday."""
    with tenant_scope(cast.acme.pk):
        version, shop = ApiVersion.objects.get(), make.application(cast.carl, name="Web <b>shop</b>")
        at = timezone.now() - timedelta(days=1)
        OperationUse.objects.create(version=version, application=shop, operation_id=operation, day=at.date(), calls=40, last_at=at)


def test_whom_it_breaks_stands_on_its_page(cast: Cast, pam: Client, orders: Api) -> None:
    add(cast, changed())
    assert "Who called what changes" not in text(pam.get(f"{REVISIONS}2/"))
    called(cast)
    page = text(pam.get(f"{REVISIONS}2/"))
    assert "Who called what changes" in page
    assert "Web &lt;b&gt;shop&lt;/b&gt;" in page
    assert "Who called what changes" not in text(pam.get(f"{REVISIONS}1/?against=2"))


def test_pam_answers_for_what_breaks(cast: Cast, pam: Client, orders: Api) -> None:
    add(cast, changed())
    called(cast)
    question = text(pam.get(f"{REVISIONS}2/live/"))
    assert "1 application called what breaks in the last 30 days: Web &lt;b&gt;shop&lt;/b&gt;." in question
    refused = pam.post(f"{REVISIONS}2/live/", {"instead_of": "1", "reason": "They agreed."})
    assert (refused.status_code, live_number(cast)) == (409, 1)
    assert "They agreed." in text(refused)
    refused = pam.post(f"{REVISIONS}2/live/", {"instead_of": "1", "override": "on"})
    assert (refused.status_code, live_number(cast)) == (422, 1)
    assert "Say why it goes live all the same." in text(refused)
    assert pam.post(f"{REVISIONS}2/live/", {"instead_of": "1", "override": "on", "reason": "They agreed."}).status_code == 302
    assert live_number(cast) == 2


def test_what_nobody_called_needs_no_reason(cast: Cast, pam: Client, orders: Api) -> None:
    add(cast, changed())
    question = text(pam.get(f"{REVISIONS}2/live/"))
    assert "No application called what breaks in the last 30 days." in question
    assert 'name="reason"' not in question
    assert pam.post(f"{REVISIONS}2/live/", {"instead_of": "1"}).status_code == 409
    assert pam.post(f"{REVISIONS}2/live/", {"instead_of": "1", "override": "on"}).status_code == 302
    assert live_number(cast) == 2
