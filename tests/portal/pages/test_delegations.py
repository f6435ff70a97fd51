"""Alan hands deciding on while he is away, and ends it when he is back."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from apis.models import Subscription
from tenants.models import Delegation, Role, User
from tenants.people import delegations
from tests import make
from tests.conftest import Cast, queries
from tests.portal.pages.test_requests import signed_in, text

HERE = "/t/acme/console/request-delegations/"


@pytest.fixture
def alan(cast: Cast) -> User:
    return make.member(cast.acme, "alan@acme.example", Role.APPROVER)


@pytest.fixture
def dora(cast: Cast) -> User:
    return make.member(cast.acme, "dora@acme.example", Role.DEVELOPER)


def typed(**change: str) -> dict[str, str]:
    today = timezone.localdate()
    return {"delegate": "dora@acme.example", "first_day": str(today), "last_day": str(today + timedelta(days=7)), **change}


def made(by: User, to: User) -> Delegation:
    now = timezone.now()
    return delegations.create(delegate=to.email, starts_at=now, ends_at=now + timedelta(days=7), by=by)[0]


def test_alan_hands_it_on_and_dora_decides(in_acme: Cast, alan: User, dora: User) -> None:
    client = signed_in(alan)
    begin = client.get(HERE)
    assert "Nobody decides for anybody" in text(begin)
    # The search and the way back to the requests stand there, too.
    assert b"data-search" in begin.content
    assert 'href="/t/acme/console/requests/"' in begin.content.decode()
    done = client.post(f"{HERE}new/", typed(), follow=True)
    assert "Dora decides in your place in that time." in text(done)
    assert "Active" in text(done)
    asked = make.subscription(status="pending", of=make.application(in_acme.carl))
    other = signed_in(dora)
    assert other.post(f"/t/acme/console/requests/{asked.pk}/approve/").status_code == 302
    assert Subscription.objects.get().status == "active"
    at = f"{HERE}{Delegation.objects.get().pk}/end/"
    assert "From now on Dora no longer decides in the place of Alan." in text(client.get(at))
    assert "Dora no longer decides in the place of Alan." in text(client.post(at, follow=True))
    assert other.get("/t/acme/console/requests/").status_code == 403
    assert "This has ended already." in text(client.post(at))


def test_the_last_day_is_a_whole_one_where_alan_lives(in_acme: Cast, alan: User, dora: User) -> None:
    User.objects.filter(pk=alan.pk).update(time_zone="Pacific/Auckland")
    signed_in(User.objects.get(pk=alan.pk)).post(f"{HERE}new/", typed(first_day="2999-01-01", last_day="2999-01-02"))
    assert not Delegation.objects.exists()
    with timezone.override("Pacific/Auckland"):
        data, last = typed(), timezone.localdate() + timedelta(days=8)
        signed_in(User.objects.get(pk=alan.pk)).post(f"{HERE}new/", data)
        ends = timezone.localtime(Delegation.objects.get().ends_at)
    assert (ends.date(), ends.hour) == (last, 0)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"delegate": ""}, "Fill this in."),
        ({"delegate": "nobody@acme.example"}, "No member here has this address."),
        ({"delegate": "eve@globex.example"}, "No member here has this address."),
        ({"delegate": "ada@acme.example"}, "Ada decides already."),
        ({"delegate": "x" * 255}, "This has 255 characters; 254 are the most."),
        ({"delegate": "a\x07"}, "Control characters"),
        ({"first_day": "soon"}, "Write a date such as 2027-03-31."),
        ({"first_day": "0001-01-01"}, "Write a date such as 2027-03-31."),
        ({"last_day": "9999-12-31"}, "Write a date such as 2027-03-31."),
        ({"last_day": "2001-01-01"}, "Choose an end that is later"),
        ({"last_day": "2900-01-01"}, "It may begin within a year"),
    ],
    ids=["nobody", "unknown", "foreign", "approver", "long", "control", "no day", "first", "last", "past", "far"],
)
def test_what_cannot_be_used_stays_typed(in_acme: Cast, alan: User, dora: User, change: dict[str, str], sentence: str) -> None:
    answer = signed_in(alan).post(f"{HERE}new/", typed(**change))
    assert (answer.status_code, sentence in text(answer)) == (422, True)
    if change.get("delegate", "").isprintable():
        assert f'value="{typed(**change)["last_day"]}"' in answer.content.decode()
    assert not Delegation.objects.exists()


def test_who_gets_in(in_acme: Cast, alan: User, dora: User) -> None:
    one = made(alan, dora)
    at = f"{HERE}{one.pk}/end/"
    for user, listed, new, end in (
        (in_acme.carl, 200, 403, 404),
        (in_acme.eve, 404, 404, 404),
        (dora, 200, 200, 200),
        (in_acme.ada, 200, 200, 200),
    ):
        client = signed_in(user)
        assert client.get(HERE).status_code == listed
        assert client.get(f"{HERE}new/").status_code == new
        assert client.get(at).status_code == end
    assert "Dora" not in text(signed_in(in_acme.carl).get(HERE)).replace("dora@", "")
    for pk in (one.pk, uuid4()):
        assert signed_in(in_acme.eve).post(f"/t/globex/console/request-delegations/{pk}/end/").status_code == 404
    assert Delegation.objects.standing().exists()


def test_as_many_queries_for_many(in_acme: Cast, alan: User, dora: User) -> None:
    client = Client()
    client.force_login(in_acme.ada)
    client.get(HERE)
    for more in (1, 5):
        for number in range(more):
            made(make.member(in_acme.acme, f"a{more}{number}@acme.example", Role.APPROVER), dora)
        with queries("page:console-request-delegations"):
            assert client.get(HERE).status_code == 200
