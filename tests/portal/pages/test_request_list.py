"""Ada searches among those who wait, decides several together, and sees how long each has waited."""

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from apis.actions import request_clock, subscriptions
from apis.models import Plan, RequestPolicy, Subscription
from tenants.models import Event, Membership, Role, User
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, queries
from tests.portal.pages.test_requests import signed_in, text

QUEUE = "/t/acme/console/requests/"
LIST, DECIDE, CLOCK = f"{QUEUE}list/", f"{QUEUE}decide/", "/t/acme/console/request-clock/"


@pytest.fixture
def ada(cast: Cast) -> Client:
    return signed_in(cast.ada)


@pytest.fixture
def alan(cast: Cast) -> User:
    """Another approver."""
    return make.member(cast.acme, "alan@acme.example", Role.APPROVER)


@pytest.fixture
def gold(in_acme: Cast) -> Plan:
    return make.plan(make.api("orders"), name="gold")


def asks(cast: Cast, to: Plan, name: str, *, hours_ago: float = 0, **about: Any) -> Subscription:
    found = make.subscription(status="pending", of=make.application(cast.carl, name=name, **about), to=to)
    Subscription.objects.filter(pk=found.pk).update(requested_at=timezone.now() - timedelta(hours=hours_ago))
    return found


def query(*rows: Subscription, what: str = "approve") -> str:
    return f"{DECIDE}?what={what}&" + "&".join(f"id={each.pk}" for each in rows)


def sent(html: str, what: str, **more: str) -> dict[str, Any]:
    """What the confirmation sends."""
    once = re.search(r'name="once" value="(\w+)"', html)
    assert once is not None
    return {"once": once[1], "what": what, "id": re.findall(r'name="id" value="([^"]+)"', html), **more}


def states() -> list[str]:
    return list(Subscription.objects.order_by("pk").values_list("status", flat=True))


# --- who sees it ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [LIST, DECIDE])
def test_only_approvers_get_in(in_acme: Cast, gold: Plan, at: str) -> None:
    one = asks(in_acme, gold, "One")
    for user, status in ((in_acme.carl, 403), (in_acme.pam, 403), (in_acme.eve, 404), (in_acme.olga, 404)):
        assert signed_in(user).get(at).status_code == status
        assert signed_in(user).post(at, {"what": "approve", "id": [str(one.pk)]}).status_code == status
    assert Client().get(at).status_code == 302
    assert states() == ["pending"]


def test_at_home_eve_decides_nothing_of_acmes(in_acme: Cast, gold: Plan) -> None:
    one = asks(in_acme, gold, "Checkout")
    with tenant_scope(in_acme.globex.pk):
        boss = signed_in(make.member(in_acme.globex, "boss@globex.example", Role.ADMIN))
    assert "Checkout" not in text(boss.get("/t/globex/console/requests/list/"))
    home = "/t/globex/console/requests/decide/"
    assert "No request is chosen" in text(boss.get(f"{home}?what=approve&id={one.pk}"))
    told = text(boss.post(home, {"what": "approve", "id": [str(one.pk)]}))
    assert "0 approved, 1 not found" in told
    assert "Checkout" not in told
    assert states() == ["pending"]


# --- the list ---------------------------------------------------------------------------------------------------------


def test_it_is_searched_and_narrowed(in_acme: Cast, ada: Client, alan: User, gold: Plan) -> None:
    asks(in_acme, gold, "Late", hours_ago=30, environment="test")
    two = make.plan(make.api("prices"), approval="two_people")
    begun = asks(in_acme, two, "Begun", hours_ago=1)
    subscriptions.approve(Subscription.objects.get(pk=begun.pk), by=alan)
    asked = asks(in_acme, gold, "Asked")
    Subscription.objects.filter(pk=asked.pk).update(asked_at=timezone.now())
    request_clock.change(answer_hours=24, by=in_acme.ada)

    def named(address: str) -> list[str]:
        return re.findall(r"<strong><bdi>(\w+)</bdi></strong>", ada.get(address).content.decode())

    assert named(LIST) == ["Late", "Begun", "Asked"], "who has waited longest stands first"
    assert named(f"{LIST}?sort=newest") == ["Asked", "Begun", "Late"]
    assert named(f"{LIST}?waits=overdue") == ["Late"]
    assert named(f"{LIST}?waits=second") == ["Begun"]
    assert named(f"{LIST}?waits=answer") == ["Asked"]
    assert named(f"{LIST}?api=prices") == ["Begun"]
    assert named(f"{LIST}?environment=test") == ["Late"]
    assert named(f"{LIST}?q=beg") == ["Begun"]
    assert named(f"{LIST}?q=carl&waits=answer&api=orders&environment=live") == ["Asked"]
    assert named(f"{LIST}?waits=nothing&api=nowhere&environment=x&sort=y&q=%20") == ["Late", "Begun", "Asked"]
    said = text(ada.get(LIST))
    for fact in (
        "All who wait 3", "Overdue 1", "Second approval missing 1", "Waiting for an answer 1", "Overdue by 6 hr", "23 hr left",
        "1 of 2 approved, by Alan", "Waits for an answer to a question", "Orders (2)", "Prices (1)",
    ):  # fmt: skip
        assert fact in said
    assert "No request is like that" in text(ada.get(f"{LIST}?q=nobody"))


def test_nobody_waits(in_acme: Cast, ada: Client) -> None:
    said = text(ada.get(LIST))
    assert "Nobody waits" in said
    assert "those chosen" not in said


def test_without_a_clock_nothing_is_overdue(in_acme: Cast, ada: Client, gold: Plan) -> None:
    asks(in_acme, gold, "Old", hours_ago=9_999)
    for address in (LIST, QUEUE):
        said = text(ada.get(address))
        assert "verdue" not in said
        assert " left" not in said


def test_more_than_a_page(in_acme: Cast, ada: Client) -> None:
    plan = make.plan()
    for number in range(27):
        asks(in_acme, plan, f"App{number:02}")
    first = ada.get(LIST).content.decode()
    assert re.findall(r"<bdi>(App\d+)</bdi></strong>", first) == [f"App{number:02}" for number in range(25)]
    assert "27 in all" in text(ada.get(LIST))
    next_ = re.search(r'href="(\?[^"]+)" rel="next"', first)
    assert next_ is not None
    rest = ada.get(LIST + next_[1].replace("&amp;", "&")).content.decode()
    assert re.findall(r"<bdi>(App\d+)</bdi></strong>", rest) == ["App25", "App26"]
    assert "7 more wait behind these. All who wait" in text(ada.get(QUEUE))


def test_who_only_looks_chooses_nothing(in_acme: Cast, gold: Plan) -> None:
    asks(in_acme, gold, "One")
    role = make.custom_role("Lookers", ["subscriptions.see_all"])
    looker = make.member(in_acme.acme, "lu@acme.example", Role.DEVELOPER)
    Membership.objects.filter(user=looker).update(custom_roles=[role.pk])
    html = signed_in(looker).get(LIST).content.decode()
    assert "One" in html
    assert "checkbox" not in html
    assert signed_in(looker).get(DECIDE).status_code == 403


# --- deciding several -------------------------------------------------------------------------------------------------


def test_ada_approves_several(in_acme: Cast, ada: Client, gold: Plan) -> None:
    rows = [asks(in_acme, gold, name) for name in ("One", "Two", "Three")]
    page = ada.get(query(*rows[:2]))
    said = text(page)
    assert "Approve 2 requests?" in said
    assert "One → Orders , gold" in said
    assert "Two → Orders , gold" in said
    assert "Three" not in said
    assert states() == ["pending"] * 3, "asking changes nothing"
    done = ada.post(DECIDE, sent(page.content.decode(), "approve"))
    assert done.status_code == 200
    assert "2 approved" in text(done)
    assert states() == ["active", "active", "pending"]


def test_what_could_not_be_decided_is_told_with_the_reason(in_acme: Cast, ada: Client, alan: User, gold: Plan) -> None:
    one, two = asks(in_acme, gold, "One"), asks(in_acme, gold, "Two")
    own = make.subscription(status="pending", of=make.application(in_acme.ada, name="Own"), to=gold)
    page = ada.get(query(one, two, own))
    subscriptions.reject(Subscription.objects.get(pk=two.pk), reason="No.", by=alan)
    said = text(ada.post(DECIDE, sent(page.content.decode(), "approve")))
    assert "1 approved, 2 not decided" in said
    assert "Not decided: This subscription is rejected, so there is nothing to approve." in said
    assert "Not decided: You can't decide a request of your own; another approver has to." in said
    assert states() == ["active", "rejected", "pending"]
    assert "1 waits no more, and stays as it is." in text(ada.get(query(two, own)))


def test_ada_rejects_several_with_one_reason(in_acme: Cast, ada: Client, gold: Plan) -> None:
    rows = [asks(in_acme, gold, name) for name in ("One", "Two")]
    page = ada.get(query(*rows, what="reject"))
    assert "Reject 2 requests?" in text(page)
    missing = ada.post(DECIDE, sent(page.content.decode(), "reject", reason=""))
    assert (missing.status_code, "Fill this in." in text(missing)) == (422, True)
    assert "One → Orders" in text(missing)
    long = ada.post(DECIDE, sent(page.content.decode(), "reject", reason="x" * 501))
    assert (long.status_code, "x" * 501 in long.content.decode()) == (422, True)
    assert states() == ["pending"] * 2
    done = ada.post(DECIDE, sent(page.content.decode(), "reject", reason="Not now."))
    assert "2 rejected" in text(done)
    assert set(Subscription.objects.values_list("status", "reason")) == {("rejected", "Not now.")}


def test_sent_twice_it_is_done_once(in_acme: Cast, ada: Client, gold: Plan) -> None:
    one = asks(in_acme, gold, "One")
    data = sent(ada.get(query(one)).content.decode(), "approve")
    assert ada.post(DECIDE, data).status_code == 200
    subscriptions.undo(Subscription.objects.get(pk=one.pk), by=in_acme.ada)
    again = ada.post(DECIDE, data)
    assert (again.status_code, "This was sent twice, and done once." in text(again)) == (409, True)
    assert states() == ["pending"]


def test_of_two_people(in_acme: Cast, ada: Client) -> None:
    one = asks(in_acme, make.plan(approval="two_people"), "One")
    page = ada.get(query(one))
    assert "your approval is the first or the second of them" in text(page)
    said = text(ada.post(DECIDE, sent(page.content.decode(), "approve")))
    assert "1 approved" in said
    assert "Approved as the first of two; a second person has to approve it, too." in said


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({}, "Choose at least one request in the list."),
        ({"what": "approve", "id": []}, "Choose at least one request."),
        ({"what": "approve", "id": ["x"]}, "This is no request."),
        ({"what": "approve", "id": [str(uuid4()) for _ in range(101)]}, "100 requests at once are the most."),
        ({"what": "reject", "id": ["\x00"], "reason": "No."}, "This is no request."),
    ],
    ids=["nothing", "none", "no id", "too many", "NUL"],
)
def test_what_cannot_be_used(in_acme: Cast, ada: Client, gold: Plan, data: dict[str, Any], sentence: str) -> None:
    asks(in_acme, gold, "One")
    answer = ada.post(DECIDE, data)
    assert (answer.status_code, sentence in text(answer)) == (422, True)
    assert "No request is chosen" in text(ada.get(DECIDE))
    assert states() == ["pending"]


def test_a_hostile_name_stays_text(in_acme: Cast, ada: Client, gold: Plan) -> None:
    one = asks(in_acme, gold, "<script>alert(1)</script>")
    asked = ada.get(query(one))
    for page in (ada.get(LIST), asked, ada.post(DECIDE, sent(asked.content.decode(), "approve"))):
        assert "<script>alert" not in page.content.decode()
        assert "&lt;script&gt;alert" in page.content.decode()


# --- the clock --------------------------------------------------------------------------------------------------------


def test_ada_sets_the_clock(in_acme: Cast, ada: Client, gold: Plan) -> None:
    one = asks(in_acme, gold, "One", hours_ago=5)
    assert "No clock runs" in text(ada.get("/t/acme/console/request-rules/"))
    done = ada.post(CLOCK, {"answer_hours": "2"}, follow=True)
    assert "The time to answer is changed." in text(done)
    assert "Requests are to be answered within 2 hours." in text(done)
    assert 'value="2"' in ada.get(CLOCK).content.decode()
    for address in (QUEUE, f"{QUEUE}{one.pk}/", LIST):
        assert "Overdue by 3 hr" in text(ada.get(address))
    assert "Nothing was changed." in text(ada.post(CLOCK, {"answer_hours": "2"}, follow=True))
    ada.post(CLOCK, {"answer_hours": ""})
    assert RequestPolicy.objects.get().answer_hours is None
    assert Event.objects.filter(kind="request_policy.changed").count() == 2


@pytest.mark.parametrize("typed", ["0", "-1", "721", "9" * 30, "x", "1.5", "\x00"])
def test_hours_that_cannot_be_used(in_acme: Cast, ada: Client, typed: str) -> None:
    answer = ada.post(CLOCK, {"answer_hours": typed})
    assert answer.status_code == 422
    assert re.search("Give a (whole )?number|Null characters", text(answer))
    assert not RequestPolicy.objects.exists()


def test_only_who_manages_the_settings_sets_it(in_acme: Cast, alan: User) -> None:
    for user, status in ((alan, 403), (in_acme.carl, 403), (in_acme.eve, 404)):
        assert signed_in(user).get(CLOCK).status_code == status
        assert signed_in(user).post(CLOCK, {"answer_hours": "1"}).status_code == status
    assert "Change…" not in text(signed_in(alan).get("/t/acme/console/request-rules/"))
    assert not RequestPolicy.objects.exists()


# --- two people, and what stands out ----------------------------------------------------------------------------------


def test_the_page_says_what_is_missing(in_acme: Cast, ada: Client, alan: User) -> None:
    one = asks(in_acme, make.plan(make.api("orders"), approval="two_people"), "One")
    at = f"{QUEUE}{one.pk}/"
    assert "0 of 2 approved: two people have to approve it." in text(ada.get(at))
    first = ada.post(f"{at}approve/", follow=True)
    said, html = text(first), first.content.decode()
    assert "1 of 2 approved, by Ada" in said
    assert "A second person has to approve it, too." in said
    assert "Take my approval back" in said
    assert not re.search(r"</svg>Approve</button>", html)
    other = signed_in(alan)
    assert "With your approval its calls pass." in text(other.get(at))
    assert "Take my approval back" not in text(other.get(at))
    refused = ada.post(f"{at}approve/")
    assert (refused.status_code, "You have approved this already" in text(refused)) == (409, True)
    ada.post(f"{at}undo/")
    assert "0 of 2 approved" in text(ada.get(at))
    ada.post(f"{at}approve/")
    assert "Alan approved One to Orders as the second of two, after Ada" in text(other.post(f"{at}approve/", follow=True))
    assert states() == ["active"]


def test_what_stands_out(in_acme: Cast, ada: Client, gold: Plan) -> None:
    one = asks(in_acme, gold, "One")
    said = text(ada.get(f"{QUEUE}{one.pk}/"))
    assert "What stands out" in said
    assert "It is the applicant's first request here." in said
    subscriptions.reject(Subscription.objects.get(pk=one.pk), reason="No.", by=in_acme.ada)
    assert "What stands out" not in text(ada.get(f"{QUEUE}{one.pk}/")), "it is decided"
    again = text(ada.get(f"{QUEUE}{make.subscription(status='pending', of=one.application, to=gold).pk}/"))
    assert "The same was rejected before" in again
    assert "was rejected for this API before" not in again, "once is enough"


def test_as_many_queries_for_many(cast: Cast, ada: Client, alan: User) -> None:
    with tenant_scope(cast.acme.pk):
        request_clock.change(answer_hours=24, by=cast.ada)
    for count in (1, 9):
        with tenant_scope(cast.acme.pk):
            plan = make.plan(approval="two_people")
            rows = [asks(cast, plan, f"App{count}{number}") for number in range(count)]
            for each in rows:
                subscriptions.approve(Subscription.objects.get(pk=each.pk), by=alan)
        ada.get(LIST)
        with queries("page:console-request-list"):
            assert ada.get(f"{LIST}?q=app&waits=second").status_code == 200
        with queries("page:console-request-decide"):
            assert ada.get(query(*rows)).status_code == 200
