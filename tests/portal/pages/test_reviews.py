"""Pam asks for a review on the revision's page; Ada finds it, looks, and decides."""

from typing import Any

import pytest
from django.test import Client

from apis.actions import publishing, reviews
from apis.models import Api, ApiVersion, Review
from portal import news
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.apis.test_reviews import more
from tests.conftest import Cast

API = "/t/acme/console/apis/orders/"
TWO = f"{API}v1/revisions/2/"


@pytest.fixture
def reviewed(cast: Cast, orders: Api) -> Api:
    with tenant_scope(cast.acme.pk):
        reviews.ask_for_reviews(orders, by=cast.ada)
        publishing.add_revision(orders.versions.get(), document=make.document(more()), target=make.target(), by=cast.pam)
    return orders


@pytest.fixture
def ada(cast: Cast) -> Client:
    found = Client()
    found.force_login(cast.ada)
    return found


def text(answer: Any) -> str:
    return str(answer.content.decode())


def live(cast: Cast) -> int:
    with tenant_scope(cast.acme.pk):
        version = ApiVersion.objects.select_related("live_revision").get()
        assert version.live_revision is not None
        return version.live_revision.number


def decide(client: Client, way: str, **typed: str) -> Any:
    """As the question's form sends it: with the review that it shows."""
    asked = client.get(f"{TWO}review/{way}/").context["form"]
    return client.post(f"{TWO}review/{way}/", {"review": asked["review"].value(), **typed})


def test_ada_switches_reviews_on_and_off_and_pam_does_not(cast: Cast, pam: Client, ada: Client, orders: Api) -> None:
    assert "none: whoever publishes decides alone" in text(pam.get(API))
    assert "review/" not in text(pam.get(API))
    assert pam.post(f"{API}review/").status_code == 403
    assert "Have revisions of Orders reviewed?" in text(ada.get(f"{API}review/"))
    assert ada.post(f"{API}review/").status_code == 422, "what she was asked is part of her answer"
    assert ada.post(f"{API}review/", {"to": "on"})["Location"] == API
    page = text(ada.get(API))
    assert "Revisions of Orders are reviewed." in page
    assert "A second person approves each revision" in page
    assert "Let revisions of Orders go live without a review?" in text(ada.get(f"{API}review/"))
    # One who saw that question before still gets what it said.
    assert ada.post(f"{API}review/", {"to": "on"}).status_code == 302
    with tenant_scope(cast.acme.pk):
        assert Api.objects.get().needs_review
    ada.post(f"{API}review/", {"to": "off"})
    with tenant_scope(cast.acme.pk):
        assert not Api.objects.get().needs_review


def test_pam_asks_ada_approves_and_pam_makes_it_live(cast: Cast, pam: Client, ada: Client, reviewed: Api) -> None:
    against = "A second person has to approve revision 2 of Orders v1 before callers get it."
    page = text(pam.get(TWO))
    assert against in page
    assert "Ask for a review…" in page
    assert against in text(pam.get(f"{TWO}live/"))
    refused = pam.post(f"{TWO}live/", {"instead_of": "1"})
    assert (refused.status_code, against in text(refused), live(cast)) == (409, True, 1)
    assert pam.post(f"{TWO}review/", {"note": "The new operation."})["Location"] == TWO
    page = text(pam.get(TWO))
    assert "Withdraw…" in page
    assert "Approve…" not in page
    page = text(ada.get(API))
    assert "The new operation." in page, "it stands on the version's page"
    assert "Waiting for a review" in page
    page = text(ada.get(TWO))
    assert "Approve…" in page
    assert "Withdraw…" not in page
    assert "1 operation is new." in text(ada.get(f"{TWO}review/approve/"))
    assert decide(ada, "approve")["Location"] == TWO
    assert "Decided by Ada" in text(pam.get(TWO))
    assert "Waiting for a review" not in text(ada.get(API))
    assert pam.post(f"{TWO}live/", {"instead_of": "1"}).status_code == 302
    assert live(cast) == 2


def test_pam_does_not_decide_what_she_asked_for(cast: Cast, pam: Client, reviewed: Api) -> None:
    pam.post(f"{TWO}review/")
    for answer in (decide(pam, "approve"), decide(pam, "reject", reason="Mine.")):
        assert answer.status_code == 409
        assert "You asked for this review yourself; a second person has to decide." in text(answer)
    decide(pam, "withdraw")
    with tenant_scope(cast.acme.pk):
        assert Review.objects.get().status == "withdrawn"


def test_ada_says_why_she_rejects_it(cast: Cast, pam: Client, ada: Client, reviewed: Api) -> None:
    pam.post(f"{TWO}review/")
    assert decide(ada, "reject", reason="").status_code == 422
    assert decide(ada, "reject", reason="Name it otherwise.").status_code == 302
    page = text(pam.get(TWO))
    assert "Name it otherwise." in page
    assert "Ask for a review…" in page


def test_once_another_is_live_pam_asks_again(cast: Cast, pam: Client, ada: Client, reviewed: Api) -> None:
    pam.post(f"{TWO}review/")
    with tenant_scope(cast.acme.pk):
        version = reviewed.versions.get()
        three = publishing.add_revision(version, document=make.document(), target=make.target(), by=None)
        reviews.approve(reviews.request(three, by=cast.pam), by=cast.ada)
        publishing.make_live(three, by=cast.pam)
    answer = decide(ada, "approve")
    assert (answer.status_code, "Another revision went live since" in text(answer)) == (409, True)
    page = text(ada.get(TWO))
    assert "Another revision went live since the review was asked for." in page
    assert "Approve…" not in page
    assert "Ask for a review…" in page


def test_what_is_decided_is_the_review_that_was_shown(cast: Cast, pam: Client, ada: Client, reviewed: Api) -> None:
    pam.post(f"{TWO}review/")
    shown = {"review": ada.get(f"{TWO}review/approve/").context["form"]["review"].value()}
    decide(pam, "withdraw")
    pam.post(f"{TWO}review/", {"note": "Once more."})
    for way in ("approve", "reject"):
        answer = ada.post(f"{TWO}review/{way}/", {**shown, "reason": "x"})
        assert (answer.status_code, "Another review was asked for meanwhile." in text(answer)) == (409, True)
        assert ada.post(f"{TWO}review/{way}/", {"reason": "x"}).status_code == 422, "which one is part of the answer"
    with tenant_scope(cast.acme.pk):
        assert sorted(Review.objects.values_list("status", flat=True)) == ["pending", "withdrawn"]


def test_a_draft_says_that_it_waits_for_a_review(cast: Cast, pam: Client) -> None:
    with tenant_scope(cast.acme.pk):
        reviews.ask_for_reviews(make.api("orders", published=False), by=cast.ada)
    for answer in (pam.get(f"{API}v1/publish/"), pam.post(f"{API}v1/publish/"), pam.post(f"{API}v1/prerelease/")):
        assert "A second person has to approve revision 1 of Orders v1" in text(answer)


def test_who_may_publish_hears_of_it_and_who_asked_of_the_decision(cast: Cast, reviewed: Api) -> None:
    with tenant_scope(cast.acme.pk):
        asked = reviews.request(two_of(reviewed), by=cast.pam)
        assert told() == [cast.ada]
        reviews.approve(asked, by=cast.ada)
        assert told() == [cast.pam]


def two_of(api: Api) -> Any:
    return api.versions.get().revisions.get(number=2)


def told() -> list[Any]:
    event = Event.objects.latest("number")
    about = news.abouts([event])
    return news.recipients(event, about[event.subject_id], news.crowd([event], about))


def test_eve_finds_nothing(cast: Cast, client: Client, reviewed: Api) -> None:
    client.force_login(cast.eve)
    for address in (f"{API}review/", f"{TWO}review/", f"{TWO}review/approve/", f"{TWO}review/reject/", f"{TWO}review/withdraw/"):
        assert client.get(address).status_code == 404
        assert client.post(address).status_code == 404
