"""Pam makes a revision live that breaks callers: she is told whom, and answers for it."""

import copy
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apis.actions import gate, publishing, versions
from apis.differences import Level
from apis.models import ApiVersion, OperationUse, Revision
from keys.models import Application
from tenants.errors import Invalid, NotAllowed
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, queries

ORDERS = "apis/orders/versions/v1/revisions/2"


def broken() -> dict[str, Any]:
    """Without /orders/{id}; GET /orders may be asked for less."""
    found = copy.deepcopy(make.DOCUMENT)
    del found["paths"]["/orders/{id}"]
    found["paths"]["/orders"]["get"]["parameters"] = [{"name": "most", "in": "query", "schema": {"type": "integer"}}]
    return found


@pytest.fixture
def version(in_acme: Cast) -> ApiVersion:
    """Orders v1, published, with a second revision that breaks callers of GET /orders/{id}."""
    found = make.api("orders").versions.select_related("api").get()
    publishing.add_revision(found, document=make.document(broken()), target=make.target(), by=in_acme.pam)
    return found


@pytest.fixture
def shop(in_acme: Cast) -> Application:
    return make.application(in_acme.carl, name="Web shop")


def two(version: ApiVersion) -> Revision:
    return version.revisions.get(number=2)


def called(version: ApiVersion, by: Application, operation: str = "getOrder", *, days_ago: int = 1, calls: int = 40) -> None:
    at = timezone.now() - timedelta(days=days_ago)
    OperationUse.objects.create(version=version, application=by, operation_id=operation, day=at.date(), calls=calls, last_at=at)


def live(version: ApiVersion) -> int:
    version.refresh_from_db()
    assert version.live_revision is not None
    return version.live_revision.number


def test_what_breaks_nothing_goes_live(in_acme: Cast, version: ApiVersion, shop: Application) -> None:
    called(version, shop)
    three = publishing.add_revision(version, document=make.document(), target=make.target(), by=None)
    event = gate.go_live(three, by=in_acme.pam)
    assert live(version) == 3
    assert {"breaking", "breaks", "reason"}.isdisjoint(event.data)


def test_what_breaks_what_nobody_called_is_only_acknowledged(in_acme: Cast, version: ApiVersion) -> None:
    with pytest.raises(NotAllowed) as caught:
        gate.go_live(two(version), by=in_acme.pam)
    assert str(caught.value) == "1 change breaks callers. No application called what breaks in the last 30 days."
    assert live(version) == 1
    event = gate.go_live(two(version), override=True, by=in_acme.pam)
    assert (live(version), event.data["breaking"], event.data["breaks"]) == (2, 1, [])


def test_where_somebody_called_it_pam_says_why(in_acme: Cast, version: ApiVersion, shop: Application) -> None:
    called(version, shop)
    with pytest.raises(NotAllowed, match="1 application called what breaks in the last 30 days: Web shop"):
        gate.go_live(two(version), by=in_acme.pam)
    with pytest.raises(Invalid) as caught:
        gate.go_live(two(version), override=True, by=in_acme.pam)
    assert caught.value.problems == {"reason": ["Say why it goes live all the same."]}
    assert live(version) == 1
    event = gate.go_live(two(version), override=True, reason="They agreed.", by=in_acme.pam)
    assert live(version) == 2
    assert (event.kind, event.data["breaks"], event.data["reason"]) == ("revision.live", ["Web shop"], "They agreed.")


def test_many_are_counted_and_some_named(in_acme: Cast, version: ApiVersion) -> None:
    for number in range(5):
        called(version, make.application(in_acme.carl, name=f"App {number}"), calls=10 - number)
    said = gate.what_stands_against(gate.look(two(version)))
    assert said.endswith("5 applications called what breaks in the last 30 days: App 0, App 1, App 2 ….")


def test_who_is_concerned(in_acme: Cast, version: ApiVersion, shop: Application) -> None:
    """By what they called in thirty days: of this version, and of what changes."""
    old, other, elsewhere = (make.application(in_acme.carl, name=name) for name in ("Old", "Other", "Elsewhere"))
    called(version, shop, calls=40)
    called(version, shop, days_ago=3, calls=2)
    called(version, old, days_ago=31)
    called(version, other, "createOrder")
    called(make.api("stock").versions.get(), elsewhere)
    (found,) = gate.look(two(version)).callers
    assert (found.application, found.level, found.calls) == (shop, Level.BREAKING, 42)
    assert timezone.now() - found.last_at < timedelta(days=2)


def test_the_worst_that_happens_to_an_application_counts(in_acme: Cast, version: ApiVersion, shop: Application) -> None:
    asks = broken() | {"paths": make.DOCUMENT["paths"] | {"/orders": broken()["paths"]["/orders"]}}
    publishing.make_live(publishing.add_revision(version, document=make.document(asks), target=make.target(), by=None), by=None)
    # The parameter of GET /orders is gone again, which is risky, and so is /orders/{id}, which breaks.
    less = {**make.DOCUMENT, "paths": {"/orders": make.DOCUMENT["paths"]["/orders"]}}
    three = publishing.add_revision(version, document=make.document(less), target=make.target(), by=None)
    reader = make.application(in_acme.carl, name="Reader")
    called(version, reader, "listOrders", calls=900)
    called(version, shop, "listOrders", calls=1)
    called(version, shop, calls=1)
    looked = gate.look(three)
    assert [(str(each.application), each.level.value, each.calls) for each in looked.callers] == [
        ("Web shop", "breaking", 2),
        ("Reader", "risky", 900),
    ]
    assert [str(each.application) for each in looked.broken] == ["Web shop"]


def test_an_operation_that_is_both_breaks(in_acme: Cast, version: ApiVersion, shop: Application) -> None:
    asks = copy.deepcopy(make.DOCUMENT)
    asks["paths"]["/orders"]["get"]["parameters"] = [{"name": "most", "in": "query", "schema": {"type": "integer"}}]
    publishing.make_live(publishing.add_revision(version, document=make.document(asks), target=make.target(), by=None), by=None)
    # One parameter is gone, which is risky, and another is needed, which breaks.
    asks["paths"]["/orders"]["get"]["parameters"] = [{"name": "from", "in": "query", "required": True, "schema": {"type": "integer"}}]
    three = publishing.add_revision(version, document=make.document(asks), target=make.target(), by=None)
    called(version, shop, "listOrders")
    looked = gate.look(three)
    assert looked.differences.of(Level.RISKY)
    assert [str(each.application) for each in looked.broken] == ["Web shop"]


def test_a_draft_has_no_callers(in_acme: Cast) -> None:
    version = make.api("orders", published=False).versions.get()
    revision = publishing.add_revision(version, document=make.document(broken()), target=make.target(), by=None)
    assert not gate.look(revision).breaks
    gate.go_live(revision, by=in_acme.pam)
    assert live(version) == 2


@pytest.mark.parametrize("step", ["blocked", "deprecated"])
def test_whatever_was_opened_has_callers(in_acme: Cast, version: ApiVersion, step: str) -> None:
    if step == "blocked":
        versions.block(version, reason="It leaks.", by=in_acme.pam)
    else:
        versions.deprecate(version, reason="Old.", by=in_acme.pam)
    with pytest.raises(NotAllowed, match="1 change breaks callers"):
        gate.go_live(two(version), by=in_acme.pam)


def test_going_back_asks_for_nothing(in_acme: Cast, version: ApiVersion, shop: Application) -> None:
    gate.go_live(two(version), override=True, by=in_acme.pam)
    more = copy.deepcopy(broken())
    more["paths"]["/more"] = {"get": {"operationId": "more", "responses": {"200": {"description": "d"}}}}
    gate.go_live(publishing.add_revision(version, document=make.document(more), target=make.target(), by=None), by=in_acme.pam)
    called(version, shop, "more")
    back = two(version)
    assert gate.look(back).broken, "it does break"
    event = gate.go_live(back, by=in_acme.pam)
    assert (live(version), event.data["breaks"]) == (2, ["Web shop"])


def test_coming_forward_again_asks_anew(in_acme: Cast, version: ApiVersion, shop: Application) -> None:
    """It broke callers, was taken back for that, and would break them once more."""
    gate.go_live(two(version), override=True, by=in_acme.pam)
    gate.go_live(version.revisions.get(number=1), by=in_acme.pam)
    called(version, shop)
    with pytest.raises(NotAllowed, match="Web shop"):
        gate.go_live(two(version), by=in_acme.pam)
    assert live(version) == 1


def test_what_was_live_while_nobody_could_call_is_no_way_back(in_acme: Cast, shop: Application) -> None:
    version = make.api("orders", content=broken(), published=False).versions.select_related("api").get()
    gate.go_live(publishing.add_revision(version, document=make.document(), target=make.target(), by=None), by=in_acme.pam)
    version.refresh_from_db()
    publishing.publish(version, by=in_acme.pam)
    called(version, shop)
    with pytest.raises(NotAllowed, match="Web shop"):
        gate.go_live(version.revisions.get(number=1), by=in_acme.pam)
    assert live(version) == 2


def test_what_somebody_else_made_live_meanwhile_is_looked_at_again(
    in_acme: Cast, version: ApiVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    three = publishing.add_revision(version, document=make.document(), target=make.target(), by=None)
    look = gate.look

    def slowly(revision: Revision) -> gate.Gate:
        found = look(revision)
        publishing.make_live(two(version), by=in_acme.ada)
        return found

    monkeypatch.setattr(gate, "look", slowly)
    with pytest.raises(NotAllowed, match="made live meanwhile"):
        gate.go_live(three, by=in_acme.pam)
    assert live(version) == 2


# --- over REST -------------------------------------------------------------------------------------------------------


@pytest.fixture
def asked(cast: Cast) -> Application:
    with tenant_scope(cast.acme.pk):
        found = make.api("orders").versions.select_related("api").get()
        publishing.add_revision(found, document=make.document(broken()), target=make.target(), by=cast.pam)
        shop = make.application(cast.carl, name="Web shop")
        called(found, shop)
    return shop


def test_pam_is_told_over_rest_and_answers_for_it(cast: Cast, rest: Rest, asked: Application) -> None:
    pam, at = rest(cast.pam), f"{base(cast.acme)}/{ORDERS}/live/"
    refused = pam.post(at, {})
    assert (refused.status_code, "Web shop" in refused.json()["detail"]) == (409, True)
    refused = pam.post(at, {"override": True})
    assert (refused.status_code, refused.json()["errors"]) == (422, {"reason": ["Say why it goes live all the same."]})
    refused = pam.post(at, {"override": True, "reason": "They agreed.", "instead_of": 7})
    assert refused.status_code == 409
    done = pam.post(at, {"override": True, "reason": "They agreed.", "instead_of": 1})
    assert (done.status_code, done.json()["live"]) == (200, True)


def test_what_was_compared_goes_live_without_its_document_being_read(cast: Cast, rest: Rest, asked: Application) -> None:
    """A large one takes seconds to read."""
    pam, at = rest(cast.pam), f"{base(cast.acme)}/{ORDERS}/live/"
    pam.post(at, {})
    with CaptureQueriesContext(connection) as found:
        assert pam.post(at, {"override": True, "reason": "They agreed."}).status_code == 200
    assert [query["sql"] for query in found.captured_queries if '"apis_revision"."document"' in query["sql"]] == []


def test_whom_it_concerns_can_be_asked(cast: Cast, rest: Rest, asked: Application) -> None:
    at = f"{base(cast.acme)}/{ORDERS}/callers/"
    pam = rest(cast.pam)
    pam.get(at)
    with queries("apis/orders/versions/v1/revisions/2/callers/"):
        told = pam.get(at).json()
    assert told["against"].startswith("1 change breaks callers.")
    (row,) = told["results"]
    assert {name: row[name] for name in ("application", "name", "owner", "level", "calls")} == {
        "application": str(asked.pk), "name": "Web shop", "owner": "Carl", "level": "breaking", "calls": 40,
    }  # fmt: skip
    with tenant_scope(cast.acme.pk):
        version = ApiVersion.objects.get()
        for number in range(5):
            called(version, make.application(cast.carl, name=f"App {number}"))
    with queries("apis/orders/versions/v1/revisions/2/callers/"):
        assert len(pam.get(at).json()["results"]) == 6
    assert rest(cast.eve).get(at).status_code == 404
    assert rest(cast.carl).get(at).status_code == 403
