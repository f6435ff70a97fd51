"""A version that answers from its examples for now: chosen in place of an upstream, marked where it is shown, ended by a revision."""

import copy
import re
from typing import Any

import pytest
from django.test import Client

from apis.actions import publishing
from apis.mock import MOST
from apis.models import Api, Draft, Revision, Upstream
from keys.envelope import unseal
from keys.kek import kek
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base
from tests.portal.pages.test_revisions import AIM
from tests.portal.pages.test_wizard import PLAN, TERMS, UPSTREAM, text, to_the_last_step

ORDERS = "/t/acme/console/apis/orders/"
REVISIONS = f"{ORDERS}v1/revisions/"
CHECKED = re.compile(r'<input type="checkbox" name="mock"[^>]* checked')
BADGE = '<span class="badge info">Mock</span>'
MOCK = {"mock": "on", "upstream": "", "header": "", "secret": "", "connect_timeout_ms": "", "timeout_ms": ""}


def mocked(cast: Cast, content: dict[str, Any] | None = None) -> Revision:
    """The next revision of the orders, without an upstream, made live."""
    document = make.document(content)
    with tenant_scope(cast.acme.pk):
        version = Api.objects.get(slug="orders").versions.get()
        goes_to = publishing.answer_from_examples(document)
        made = publishing.add_revision(version, document=document, target=goes_to, by=cast.pam)
        publishing.make_live(made, by=cast.pam)
    return made


def test_pam_publishes_an_api_that_has_no_upstream_yet(cast: Cast, pam: Client) -> None:
    last = to_the_last_step(pam, MOCK)
    page = text(pam.get(PLAN))
    assert BADGE in page
    assert "No upstream: gateways answer from its examples." in page
    assert BADGE in text(pam.get(UPSTREAM))
    assert pam.post(PLAN, {**TERMS, "seen": last})["Location"] == "/t/acme/console/apis/orders-more/"
    with tenant_scope(cast.acme.pk):
        revision = Revision.objects.select_related("version__api").get()
        assert revision.answers == {
            "GET /orders": {"status": 200, "media_type": "", "body": "", "origin": "none"},
            "POST /orders": {"status": 201, "media_type": "", "body": "", "origin": "none"},
        }
        assert not Upstream.objects.exists()
        assert Event.objects.get(kind="revision.created").data["mock"] is True
        assert Event.objects.get(kind="revision.live").data["mock"] is True
    for address in ("/t/acme/console/apis/", "/t/acme/console/apis/orders-more/", "/t/acme/", "/t/acme/apis/orders-more/"):
        assert BADGE in text(pam.get(address)), address
    assert "This version is a mock" in text(pam.get("/t/acme/apis/orders-more/"))


def test_without_either_the_step_asks_for_an_upstream(pam: Client) -> None:
    to_the_last_step(pam, MOCK)
    answer = pam.post(UPSTREAM, {**MOCK, "mock": ""})
    assert answer.status_code == 422
    assert text(answer).count("Fill this in.") == 3


def test_what_was_told_of_an_upstream_waits_in_the_draft(cast: Cast, pam: Client) -> None:
    to_the_last_step(
        pam,
        {"upstream": "http://127.0.0.1:9/base", "header": "x-key", "secret": "hunter2", "connect_timeout_ms": "700", "timeout_ms": "900"},
    )
    assert pam.post(UPSTREAM, {**MOCK, "upstream": "nonsense", "timeout_ms": "-1"})["Location"] == PLAN
    page = text(pam.get(UPSTREAM))
    assert CHECKED.search(page)
    assert "http://127.0.0.1:9/base" in page
    with tenant_scope(cast.acme.pk):
        draft = Draft.objects.get()
        assert (draft.mock, draft.header, draft.timeout_ms) == (True, "x-key", 900)
        assert unseal(draft.sealed, draft.sealed_for, kek()) == b"hunter2"
    assert pam.post(UPSTREAM, {**AIM, "upstream": "http://127.0.0.1:9/other"})["Location"] == PLAN
    with tenant_scope(cast.acme.pk):
        assert Draft.objects.get().mock is False
    assert BADGE not in text(pam.get(PLAN))


def test_pam_switches_to_examples_and_back_by_revisions(cast: Cast, pam: Client, orders: Api) -> None:
    added = pam.post(f"{REVISIONS}new/", {**AIM, "mock": "on", "document": ""}, follow=True)
    assert "Gateways answer from its examples; calls went to http://127.0.0.1:9." in text(added)
    assert "3 answers have no body." in text(added)
    assert not CHECKED.search(text(pam.get(f"{REVISIONS}new/")))
    asked = text(pam.get(f"{REVISIONS}2/live/"))
    assert "Gateways answer from its examples; calls went to http://127.0.0.1:9." in asked
    pam.post(f"{REVISIONS}2/live/", {"instead_of": "1"})
    assert BADGE in text(pam.get(ORDERS))
    assert BADGE in text(pam.get(f"{ORDERS}v1/life/"))
    form = text(pam.get(f"{REVISIONS}new/"))
    assert CHECKED.search(form), "as it is"
    added = pam.post(f"{REVISIONS}new/", {**AIM, "document": ""}, follow=True)
    assert "Calls go to http://127.0.0.1:9; gateways answered from its examples." in text(added)
    assert "Calls go to http://127.0.0.1:9; gateways answered from its examples." in text(pam.get(f"{REVISIONS}3/live/"))
    pam.post(f"{REVISIONS}3/live/", {"instead_of": "2"})
    assert BADGE not in text(pam.get("/t/acme/apis/orders/"))
    back = text(pam.get(f"{REVISIONS}2/live/"))
    assert "Gateways answer from its examples" in back, "going back to the mock is told as well"


def test_a_mock_against_another_goes_nowhere_else(cast: Cast, pam: Client, orders: Api) -> None:
    mocked(cast)
    mocked(cast)
    page = text(pam.get(f"{REVISIONS}3/?against=2"))
    assert "Nothing changes for callers" in page
    assert "Calls go elsewhere" not in page


def test_what_is_left_out_is_named(cast: Cast, pam: Client, orders: Api) -> None:
    content = copy.deepcopy(make.DOCUMENT)
    answers = {"GET /orders": "x" * MOST, "POST /orders": "short"}
    for method, status in (("get", "200"), ("post", "201")):
        told = {"application/json": {"example": answers[f"{method.upper()} /orders"]}}
        content["paths"]["/orders"][method]["responses"] = {status: {"description": "It", "content": told}}
    mocked(cast, content)
    page = text(pam.get(f"{REVISIONS}2/"))
    assert "1 operation answers without a body: its example is larger than 64 KB, or all together than 1 MB." in page
    assert "<code>GET /orders</code>" in page
    assert "1 answer is an example of the document." in page
    assert "1 answer has no body." in page


def test_over_rest_a_mock_is_made_and_marked(cast: Cast, rest: Rest, orders: Api) -> None:
    pam, carl, at = rest(cast.pam), rest(cast.carl), f"{base(cast.acme)}/apis/orders/"
    made = pam.post(f"{at}versions/v1/revisions/", {"document": make.DOCUMENT, "mock": True})
    assert made.status_code == 201, made.content
    assert (made.json()["mock"], made.json()["upstream"]) == (True, None)
    detail = pam.get(f"{at}versions/v1/revisions/2/").json()
    assert detail["answers"][1] == {"operation": "POST /orders", "status": 201, "media_type": "", "origin": "none"}
    assert pam.get(f"{at}versions/v1/revisions/1/").json()["answers"] is None
    assert carl.get(at).json()["versions"][0]["mock"] is False
    live = pam.post(f"{at}versions/v1/revisions/2/live/")
    assert live.status_code == 200
    assert live.json()["mock"] is True
    assert live.json()["receipt"]
    assert carl.get(at).json()["versions"][0]["mock"] is True


@pytest.mark.parametrize(
    ("told", "field", "sentence"),
    [
        ({}, "upstream", "This field is required, unless mock is true."),
        ({"mock": False}, "upstream", "This field is required, unless mock is true."),
        ({"mock": True, "upstream": {"url": "http://127.0.0.1:9"}}, "mock", "A mock has no upstream: leave one of the two out."),
        ({"mock": "perhaps"}, "mock", "Must be a valid boolean."),
    ],
)
def test_over_rest_it_is_one_or_the_other(cast: Cast, rest: Rest, orders: Api, told: dict[str, Any], field: str, sentence: str) -> None:
    answer = rest(cast.pam).post(f"{base(cast.acme)}/apis/orders/versions/v1/revisions/", {"document": make.DOCUMENT, **told})
    assert answer.status_code == 422
    assert answer.json()["errors"] == {field: [sentence]}
