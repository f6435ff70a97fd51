"""Pam publishes; callers get it once Ada has seen it, too."""

import copy
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import F

from apis.actions import gate, publishing, reviews, versions
from apis.models import ApiVersion, Review, Revision
from tenants.errors import NotAllowed
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, queries

REVISION = "apis/orders/versions/v1/revisions/2"


def more() -> dict[str, Any]:
    found = copy.deepcopy(make.DOCUMENT)
    found["paths"]["/more"] = {"get": {"operationId": "more", "responses": {"200": {"description": "d"}}}}
    return found


def add(version: ApiVersion, content: dict[str, Any] | None = None) -> Revision:
    return publishing.add_revision(version, document=make.document(content), target=make.target(), by=None)


@pytest.fixture
def version(in_acme: Cast) -> ApiVersion:
    """Orders v1, whose revisions are reviewed, with a second one."""
    api = make.api("orders")
    reviews.ask_for_reviews(api, by=in_acme.ada)
    found = api.versions.select_related("api").get()
    add(found, more())
    return found


def two(version: ApiVersion) -> Revision:
    return version.revisions.get(number=2)


def live(version: ApiVersion) -> int:
    version.refresh_from_db()
    assert version.live_revision is not None
    return version.live_revision.number


def approved(revision: Revision, cast: Cast) -> Review:
    found = reviews.request(revision, by=cast.pam)
    reviews.approve(found, by=cast.ada)
    return found


def test_pam_alone_brings_callers_nothing(in_acme: Cast, version: ApiVersion) -> None:
    for way in (gate.go_live, publishing.make_live):
        with pytest.raises(NotAllowed) as caught:
            way(two(version), by=in_acme.pam)
        assert str(caught.value) == "A second person has to approve revision 2 of Orders v1 before callers get it. Ask for a review."
    with pytest.raises(NotAllowed):
        publishing.make_live(two(version), by=None)
    assert live(version) == 1


def test_what_ada_has_approved_goes_live(in_acme: Cast, version: ApiVersion) -> None:
    asked = reviews.request(two(version), note="The new operation.", by=in_acme.pam)
    with pytest.raises(NotAllowed):
        gate.go_live(two(version), by=in_acme.pam)
    told = Event.objects.latest("number")
    assert (told.kind, told.data) == (
        "review.requested", {"version": "Orders v1", "number": 2, "against": 1, "note": "The new operation."},
    )  # fmt: skip
    assert reviews.approve(asked, by=in_acme.ada).kind == "review.approved"
    event = gate.go_live(two(version), by=in_acme.pam)
    assert (live(version), event.data["approved_by"]) == (2, "Ada")


def test_nobody_decides_what_they_asked_for(in_acme: Cast, version: ApiVersion) -> None:
    asked = reviews.request(two(version), by=in_acme.ada)
    service, _ = make.service_account("apis.publish", by=in_acme.ada)
    for person in (in_acme.ada, service.user):
        with pytest.raises(NotAllowed, match="a second person has to decide"):
            reviews.approve(asked, by=person)
        with pytest.raises(NotAllowed, match="a second person has to decide"):
            reviews.reject(asked, reason="No.", by=person)
    assert reviews.approve(asked, by=in_acme.pam)


def test_what_a_service_account_asks_for_its_person_does_not_approve(in_acme: Cast, version: ApiVersion) -> None:
    service, _ = make.service_account("apis.publish", by=in_acme.ada)
    asked = reviews.request(two(version), by=service.user)
    with pytest.raises(NotAllowed, match="a second person has to decide"):
        reviews.approve(asked, by=in_acme.ada)
    assert reviews.approve(asked, by=in_acme.pam)


def test_what_was_rejected_or_withdrawn_stays_where_it_is(in_acme: Cast, version: ApiVersion) -> None:
    asked = reviews.request(two(version), by=in_acme.pam)
    event = reviews.reject(asked, reason="Name it otherwise.", by=in_acme.ada)
    assert event.data["reason"] == "Name it otherwise."
    with pytest.raises(NotAllowed):
        reviews.approve(asked, by=in_acme.ada)
    again = reviews.request(two(version), by=in_acme.pam)
    with pytest.raises(NotAllowed, match="Only who asked"):
        reviews.withdraw(again, by=in_acme.ada)
    reviews.withdraw(again, by=in_acme.pam)
    with pytest.raises(NotAllowed, match="A second person has to approve"):
        gate.go_live(two(version), by=in_acme.pam)
    assert [each.status for each in Review.objects.order_by("pk")] == ["rejected", "withdrawn"]


def test_one_review_at_a_time(in_acme: Cast, version: ApiVersion) -> None:
    reviews.request(two(version), by=in_acme.pam)
    with pytest.raises(NotAllowed, match="is asked for already"):
        reviews.request(two(version), by=in_acme.ada)


def test_an_approval_is_for_what_was_live_then(in_acme: Cast, version: ApiVersion) -> None:
    three = add(version)
    approved(two(version), in_acme)
    waits = reviews.request(three, by=in_acme.pam)
    approved(add(version), in_acme)
    gate.go_live(version.revisions.get(number=4), by=in_acme.pam)
    with pytest.raises(NotAllowed, match="approved against another live revision"):
        publishing.make_live(two(version), by=in_acme.pam)
    with pytest.raises(NotAllowed, match="Another revision went live since"):
        reviews.approve(waits, by=in_acme.ada)
    reviews.approve(reviews.request(three, by=in_acme.pam), by=in_acme.ada)
    waits.refresh_from_db()
    assert waits.status == "withdrawn"
    assert Event.objects.get(kind="review.withdrawn").data["number"] == 3


def test_what_waits_is_over_once_nobody_has_to_look(in_acme: Cast, version: ApiVersion) -> None:
    asked = reviews.request(two(version), by=in_acme.pam)
    reviews.ask_for_no_reviews(version.api, by=in_acme.ada)
    asked.refresh_from_db()
    assert asked.status == "withdrawn"
    reviews.ask_for_reviews(version.api, by=in_acme.ada)
    again = reviews.request(two(version), by=in_acme.pam)
    versions.deprecate(version, reason="Old.", by=in_acme.pam)
    versions.retire(version, by=in_acme.pam)
    again.refresh_from_db()
    assert again.status == "withdrawn"
    assert not Review.objects.waiting().exists()
    with pytest.raises(NotAllowed, match="needs no review now"):
        reviews.request(two(version), by=in_acme.pam)


@pytest.mark.parametrize(
    ("told", "constraint"),
    [
        ({"status": "approved"}, "somebody_decided_a_review"),
        ({"status": "rejected"}, "somebody_decided_a_review"),
        ({"status": "approved", "decided_by": F("requested_by")}, "nobody_approves_their_own"),
    ],
)
def test_the_database_holds_to_four_eyes(in_acme: Cast, version: ApiVersion, told: dict[str, Any], constraint: str) -> None:
    asked = reviews.request(two(version), by=in_acme.pam)
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Review.objects.filter(pk=asked.pk).update(**told)
    with pytest.raises(IntegrityError, match="one_review_at_a_time"), transaction.atomic():
        Review.objects.create(revision=two(version), requested_by=in_acme.ada, requested_at=asked.requested_at)


def test_who_opens_a_version_by_an_old_page_opens_what_is_live_now(in_acme: Cast) -> None:
    api = make.api("orders", published=False)
    reviews.ask_for_reviews(api, by=in_acme.ada)
    old_page = api.versions.select_related("api", "live_revision").get()
    approved(api.versions.get().revisions.get(number=1), in_acme)
    gate.go_live(add(api.versions.get(), more()), by=in_acme.pam)
    with pytest.raises(NotAllowed, match="A second person has to approve revision 2"):
        publishing.publish(old_page, by=in_acme.pam)


def test_an_approval_is_for_one_revision_and_counts_once(in_acme: Cast, version: ApiVersion) -> None:
    three = add(version)
    approved(two(version), in_acme)
    with pytest.raises(NotAllowed):
        gate.go_live(three, by=in_acme.pam)
    gate.go_live(two(version), by=in_acme.pam)
    gate.go_live(version.revisions.get(number=1), by=in_acme.pam)
    assert live(version) == 1, "going back needs nobody"
    with pytest.raises(NotAllowed, match="A second person"):
        gate.go_live(two(version), by=in_acme.pam)
    with pytest.raises(NotAllowed, match="needs no review now"):
        reviews.request(version.revisions.get(number=1), by=in_acme.pam)


def test_a_draft_is_reviewed_before_it_is_opened(in_acme: Cast) -> None:
    api = make.api("orders", published=False)
    reviews.ask_for_reviews(api, by=in_acme.ada)
    version = api.versions.select_related("api").get()
    gate.go_live(add(version, more()), by=in_acme.pam)
    version.refresh_from_db()
    for opens in (publishing.publish, publishing.prerelease):
        with pytest.raises(NotAllowed, match="A second person has to approve revision 2"):
            opens(version, by=in_acme.pam)
    approved(two(version), in_acme)
    gate.go_live(version.revisions.get(number=1), by=in_acme.pam)
    version.refresh_from_db()
    with pytest.raises(NotAllowed, match="A second person has to approve revision 1"):
        publishing.publish(version, by=in_acme.pam)
    gate.go_live(two(version), by=in_acme.pam)
    version.refresh_from_db()
    assert publishing.prerelease(version, by=in_acme.pam).data["approved_by"] == "Ada"
    assert "approved_by" not in publishing.publish(version, by=in_acme.pam).data


def test_who_opens_a_version_by_an_old_page_is_held_to_what_holds_now(in_acme: Cast) -> None:
    api = make.api("orders", published=False)
    stale = api.versions.select_related("api", "live_revision").get()
    reviews.ask_for_reviews(type(api).objects.get(pk=api.pk), by=in_acme.ada)
    with pytest.raises(NotAllowed, match="A second person"):
        publishing.publish(stale, by=in_acme.pam)


def test_where_nobody_asks_for_reviews_there_are_none(in_acme: Cast, version: ApiVersion) -> None:
    assert reviews.ask_for_reviews(version.api, by=in_acme.ada) is None
    event = reviews.ask_for_no_reviews(version.api, by=in_acme.ada)
    assert event is not None
    assert (event.kind, event.data) == ("api.review_changed", {"was": True, "now": False})
    with pytest.raises(NotAllowed, match="needs no review now"):
        reviews.request(two(version), by=in_acme.pam)
    gate.go_live(two(version), by=in_acme.pam)
    assert live(version) == 2


# --- over REST -------------------------------------------------------------------------------------------------------


@pytest.fixture
def asked(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        api = make.api("orders")
        add(api.versions.get(), more())


def test_pam_asks_and_ada_approves_over_rest(cast: Cast, rest: Rest, asked: None) -> None:
    pam, ada, at = rest(cast.pam), rest(cast.ada), f"{base(cast.acme)}/{REVISION}"
    switch = f"{base(cast.acme)}/apis/orders/review/"
    assert pam.put(switch, {"needed": True}, format="json").status_code == 403
    assert ada.put(switch, {"needed": True}, format="json").json() == {"needed": True}
    assert pam.get(switch).json() == {"needed": True}
    refused = pam.post(f"{at}/live/", {}, format="json")
    assert (refused.status_code, "A second person" in refused.json()["detail"]) == (409, True)
    made = pam.post(f"{at}/reviews/", {"note": "Look."}, format="json")
    assert (made.status_code, made.json()["status"], made.json()["against"]) == (201, "pending", 1)
    review = f"{at}/reviews/{made.json()['id']}"
    assert pam.post(f"{review}/approve/").status_code == 409
    waiting = f"{base(cast.acme)}/reviews/"
    ada.get(waiting)
    with queries("reviews/"):
        (row,) = ada.get(waiting).json()["results"]
    assert (row["api"], row["version"], row["revision"], row["note"]) == ("orders", "v1", 2, "Look.")
    for client, status in ((rest(cast.carl), 403), (rest(cast.eve), 404)):
        assert client.post(f"{review}/approve/").status_code == status
        assert client.get(waiting).status_code == status
        assert client.put(switch, {"needed": False}, format="json").status_code == status
    done = ada.post(f"{review}/approve/")
    assert (done.status_code, done.json()["status"], done.json()["decided_by_name"]) == (200, "approved", "Ada")
    assert pam.post(f"{at}/live/", {}, format="json").json()["live"] is True
    assert ada.get(waiting).json()["results"] == []
    assert pam.get(f"{at}/reviews/").json()["results"][0]["used_at"]


def test_a_review_is_rejected_with_a_reason_or_withdrawn_over_rest(cast: Cast, rest: Rest, asked: None) -> None:
    pam, ada, at = rest(cast.pam), rest(cast.ada), f"{base(cast.acme)}/{REVISION}/reviews/"
    ada.put(f"{base(cast.acme)}/apis/orders/review/", {"needed": True}, format="json")
    first = f"{at}{pam.post(at, {}, format='json').json()['id']}"
    assert ada.post(f"{first}/reject/", {}, format="json").status_code == 422
    assert ada.post(f"{first}/reject/", {"reason": "No."}, format="json").json()["reason"] == "No."
    second = f"{at}{pam.post(at, {}, format='json').json()['id']}"
    assert ada.post(f"{second}/withdraw/").status_code == 409
    assert pam.post(f"{second}/withdraw/").json()["status"] == "withdrawn"
