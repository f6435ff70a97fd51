"""Carl asks on pages for dates, another plan and a later end; Ada says when it ends, and decides."""

import re
from datetime import timedelta
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from apis.actions import changes, dates, plans
from apis.models import ChangeRequest, Plan, Subscription
from tenants import events
from tenants.models import Event, Role, User
from tests import make
from tests.conftest import Cast, queries

APPS, CONSOLE = "/t/acme/apps", "/t/acme/console"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text(response: Any) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))).strip()


def typed(zone: str, **away: float) -> str:
    """As a browser sends it, in the person's time zone."""
    return (timezone.now() + timedelta(**away)).astimezone(ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M")


def shown(client: Client, path: str, name: str) -> str:
    """What stands in a field."""
    html = client.get(path).content.decode()
    found = re.search(rf'name="{name}"[^>]*? value="([^"]*)"', html) or re.search(rf'value="([^"]*)"[^>]*? name="{name}"', html)
    assert found, html[-2000:]
    return found[1]


@pytest.fixture
def held(in_acme: Cast) -> Subscription:
    """Carl's Checkout has gold at Orders, where there is silver as well."""
    gold = make.plan(make.api("orders"), name="gold")
    make.plan(gold.api, name="silver", calls=10, seconds=60)
    return make.subscription(of=make.application(in_acme.carl, name="Checkout"), to=gold)


def read(held: Subscription) -> Subscription:
    return Subscription.objects.select_related("plan").get(pk=held.pk)


def tab(held: Subscription) -> str:
    return f"{APPS}/{held.application_id}/?tab=subscriptions"


def asked(cast: Cast, held: Subscription) -> ChangeRequest:
    return changes.ask_for_plan(held, plan=Plan.objects.get(name="silver"), purpose="Less is enough.", by=cast.carl)[0]


# --- dates -----------------------------------------------------------------------------------------------------------


def test_what_ended_by_its_time_was_not_decided_by_its_plan(in_acme: Cast, held: Subscription) -> None:
    Subscription.objects.filter(pk=held.pk).update(ends_at=timezone.now() - timedelta(seconds=1))
    events.lock()
    dates.turn_subscriptions()
    page = text(signed_in(in_acme.carl).get(tab(held)))
    assert "Expired" in page
    assert "by its plan" not in page


def test_carl_subscribes_for_a_certain_time(in_acme: Cast) -> None:
    plan = make.plan(make.api("orders"), name="gold")
    application = make.application(in_acme.carl, name="Checkout")
    carl, path = signed_in(in_acme.carl), "/t/acme/apis/orders/subscribe/"
    given = {"application": application.pk, "plan": plan.pk, "purpose": "A fair."}
    zone = in_acme.carl.time_zone
    wrong = carl.post(path, {**given, "starts_at": typed(zone, days=5), "ends_at": typed(zone, days=2)})
    assert wrong.status_code == 422
    assert "It has to end after it starts." in text(wrong)
    assert "A fair." in wrong.content.decode(), "what was typed stays"
    wrong_ends = (("2020-01-01T10:00", "time has passed."), ("soon", "Give a day and a time as"), ("2990-01-01T10:00", "next ten years"))
    for bad, said in wrong_ends:
        refused = carl.post(path, {**given, "ends_at": bad})
        assert (refused.status_code, said in text(refused)) == (422, True), bad
    done = carl.post(path, {**given, "starts_at": typed(zone, days=1), "ends_at": typed(zone, days=2)})
    assert done.status_code == 302
    found = Subscription.objects.get()
    assert found.starts_at is not None
    assert found.ends_at == found.starts_at + timedelta(days=1)
    page = text(signed_in(in_acme.ada).get(f"{CONSOLE}/requests/{found.pk}/"))
    assert "Starts" in page
    assert "Say when it starts and ends…" in page


def test_a_time_that_the_clock_skips_is_refused(in_acme: Cast, held: Subscription) -> None:
    """In Paris there was no half past two on that night."""
    User.objects.filter(pk=in_acme.ada.pk).update(time_zone="Europe/Paris")
    year = timezone.now().year + 1
    march = timezone.datetime(year, 3, 31)  # type: ignore[attr-defined]
    last_sunday = march - timedelta(days=(march.weekday() + 1) % 7)
    path = f"{CONSOLE}/subscriptions/{held.pk}/dates/"
    refused = signed_in(in_acme.ada).post(path, {"ends_at": f"{last_sunday:%Y-%m-%d}T02:30"})
    assert refused.status_code == 422
    assert read(held).ends_at is None
    assert signed_in(in_acme.ada).post(path, {"ends_at": f"{last_sunday:%Y-%m-%d}T03:30"}).status_code == 302
    assert read(held).ends_at is not None


def test_ada_says_when_it_ends_in_her_time_zone(in_acme: Cast, held: Subscription) -> None:
    User.objects.filter(pk=in_acme.ada.pk).update(time_zone="Asia/Tokyo")
    ada, path = signed_in(in_acme.ada), f"{CONSOLE}/subscriptions/{held.pk}/dates/"
    form = ada.get(path)
    assert "Asia/Tokyo" in text(form)
    assert 'name="starts_at"' not in form.content.decode(), "it has started"
    done = ada.post(path, {"ends_at": typed("Asia/Tokyo", days=9)}, follow=True)
    assert "The dates of Checkout at Orders are changed." in text(done)
    after = read(held).ends_at
    assert after is not None
    assert abs(after - timezone.now() - timedelta(days=9)) < timedelta(minutes=2)
    assert "Ends" in text(ada.get(f"{CONSOLE}/subscriptions/{held.pk}/"))
    assert "Ends" in text(signed_in(in_acme.carl).get(tab(held)))
    event = Event.objects.get(kind="subscription.dates_changed")
    assert "Ada said that Checkout to Orders ends" in text(ada.get(f"{CONSOLE}/subscriptions/{held.pk}/"))
    assert event.actor_id == in_acme.ada.pk


def test_what_nobody_touched_stays_to_the_second(in_acme: Cast, held: Subscription) -> None:
    ends = timezone.now() + timedelta(days=9, seconds=17)
    dates.change_dates(held, ends_at=ends, by=in_acme.ada)
    ada, path = signed_in(in_acme.ada), f"{CONSOLE}/subscriptions/{held.pk}/dates/"
    same = ada.post(path, {"ends_at": shown(ada, path, "ends_at")}, follow=True)
    assert "stay as they were" in text(same)
    assert read(held).ends_at == ends


def test_before_its_start_it_says_so_on_both_sides(in_acme: Cast) -> None:
    waits = make.subscription(status="pending", of=make.application(in_acme.carl, name="Checkout"))
    ada = signed_in(in_acme.ada)
    done = ada.post(f"{CONSOLE}/subscriptions/{waits.pk}/dates/", {"starts_at": typed(in_acme.ada.time_zone, days=3)})
    assert done["Location"] == f"{CONSOLE}/requests/{waits.pk}/"
    ada.post(f"{CONSOLE}/requests/{waits.pk}/approve/")
    for page in (ada.get(f"{CONSOLE}/subscriptions/{waits.pk}/"), signed_in(in_acme.carl).get(tab(waits))):
        assert "Not started" in text(page)
        assert "Starts" in text(page)


def test_ada_does_not_say_it_of_her_own(in_acme: Cast) -> None:
    own = make.subscription(status="pending", of=make.application(in_acme.ada, name="Hers"))
    ada = signed_in(in_acme.ada)
    assert "/dates/" not in ada.get(f"{CONSOLE}/subscriptions/{own.pk}/").content.decode()
    refused = ada.post(f"{CONSOLE}/subscriptions/{own.pk}/dates/", {"ends_at": typed(in_acme.ada.time_zone, days=3)})
    assert refused.status_code == 409


# --- another plan ----------------------------------------------------------------------------------------------------


def test_carl_asks_for_another_plan_and_ada_gives_it(in_acme: Cast, held: Subscription) -> None:
    carl, ada = signed_in(in_acme.carl), signed_in(in_acme.ada)
    path = f"{APPS}/subscriptions/{held.pk}/plan/"
    assert path in carl.get(tab(held)).content.decode()
    form = carl.get(path)
    assert "silver" in text(form)
    silver = Plan.objects.get(name="silver")
    empty = carl.post(path, {"plan": silver.pk, "purpose": ""})
    assert (empty.status_code, "Fill this in." in text(empty)) == (422, True)
    done = carl.post(path, {"plan": silver.pk, "purpose": "Less is enough."}, follow=True)
    assert "Checkout asks for a change at Orders. Calls go on as before until an approver decides." in text(done)
    assert "Waits for an approver: The plan silver (10 calls a minute) in place of gold" in text(done)
    waits = ChangeRequest.objects.get()
    queue = ada.get(f"{CONSOLE}/requests/")
    assert "Changes of subscriptions" in text(queue)
    assert "Less is enough." in text(queue)
    assert re.search(r'class="count">1', queue.content.decode()), "the rail counts it"
    approve = f"{CONSOLE}/change-requests/{waits.pk}/approve/"
    assert approve in queue.content.decode()
    assert "Carl asks, because: Less is enough." in text(ada.get(approve))
    assert "The subscription of Checkout to Orders is changed." in text(ada.post(approve, follow=True))
    assert read(held).plan == silver
    assert ada.post(approve).status_code == 409, "once"
    assert "Ada changed the plan of Checkout to Orders from gold to silver" in text(ada.get(f"{CONSOLE}/subscriptions/{held.pk}/"))


def test_a_plan_that_approves_by_itself_is_there_at_once(in_acme: Cast, held: Subscription) -> None:
    free = make.plan(held.api, name="free", approval="automatic")
    done = signed_in(in_acme.carl).post(f"{APPS}/subscriptions/{held.pk}/plan/", {"plan": free.pk, "purpose": "x"}, follow=True)
    assert "Checkout has the plan free at Orders now." in text(done)


def test_only_plans_that_are_offered_are_shown(in_acme: Cast, held: Subscription) -> None:
    other = make.plan(make.api("bills"), name="foreign")
    Plan.objects.create(api=held.api, name="planned", calls=1, seconds=1)
    carl, path = signed_in(in_acme.carl), f"{APPS}/subscriptions/{held.pk}/plan/"
    page = text(carl.get(path))
    assert "foreign" not in page
    assert "planned" not in page
    for pk in (other.pk, held.plan_id, "x", ""):
        assert carl.post(path, {"plan": pk, "purpose": "x"}).status_code == 422
    plans.close(Plan.objects.get(name="silver"), by=in_acme.pam)
    assert "Orders offers no other plan now." in text(carl.get(path))


def test_a_button_pressed_twice_asks_once(in_acme: Cast, held: Subscription) -> None:
    carl, path = signed_in(in_acme.carl), f"{APPS}/subscriptions/{held.pk}/plan/"
    given = {"plan": Plan.objects.get(name="silver").pk, "purpose": "x", "once": shown(carl, path, "once")}
    assert carl.post(path, given).status_code == 302
    again = carl.post(path, given)
    assert (again.status_code, "This was sent twice, and done once." in text(again)) == (409, True)
    assert ChangeRequest.objects.count() == 1


def test_carl_withdraws_it(in_acme: Cast, held: Subscription) -> None:
    waits, carl = asked(in_acme, held), signed_in(in_acme.carl)
    path = f"{APPS}/change-requests/{waits.pk}/withdraw/"
    page = carl.get(tab(held)).content.decode()
    assert path in page
    assert f"/subscriptions/{held.pk}/plan/" not in page, "one at a time"
    assert "does not ask for a change" in text(carl.post(path, follow=True))
    assert ChangeRequest.objects.get().status == "withdrawn"
    assert "Changes of subscriptions" not in text(signed_in(in_acme.ada).get(f"{CONSOLE}/requests/"))


def test_ada_rejects_it_with_a_reason(in_acme: Cast, held: Subscription) -> None:
    waits, ada = asked(in_acme, held), signed_in(in_acme.ada)
    path = f"{CONSOLE}/change-requests/{waits.pk}/reject/"
    assert ada.post(path, {"reason": ""}).status_code == 422
    assert "is rejected; its subscription stays as it is" in text(ada.post(path, {"reason": "Gold is enough."}, follow=True))
    assert read(held).plan.name == "gold"


def test_a_page_that_grew_old_is_told_so(in_acme: Cast, held: Subscription) -> None:
    waits = asked(in_acme, held)
    plans.close(Plan.objects.get(name="silver"), by=in_acme.pam)
    ada, path = signed_in(in_acme.ada), f"{CONSOLE}/change-requests/{waits.pk}/approve/"
    assert "The plan silver is closed." in text(ada.get(path))
    stale = ada.post(path)
    assert (stale.status_code, "was closed meanwhile" in text(stale)) == (409, True)


# --- a later end -----------------------------------------------------------------------------------------------------


def test_carl_renews_with_one_click_and_a_purpose(in_acme: Cast, held: Subscription) -> None:
    carl, path = signed_in(in_acme.carl), f"{APPS}/subscriptions/{held.pk}/renew/"
    assert path not in carl.get(tab(held)).content.decode(), "it has no end"
    assert carl.post(path, {"purpose": "x", "ends_at": typed(in_acme.carl.time_zone, days=9)}).status_code == 409
    dates.change_dates(held, ends_at=timezone.now() + timedelta(days=20), by=in_acme.ada)
    assert path in carl.get(tab(held)).content.decode()
    proposed = changes.next_end(read(held))
    done = carl.post(path, {"purpose": "We go on.", "ends_at": shown(carl, path, "ends_at")})
    assert done.status_code == 302
    waits = ChangeRequest.objects.get()
    assert waits.ends_at == proposed, "to the second"
    signed_in(in_acme.ada).post(f"{CONSOLE}/change-requests/{waits.pk}/approve/")
    assert read(held).ends_at == proposed


def test_what_ends_stands_among_the_expiries(in_acme: Cast, held: Subscription) -> None:
    assert "Subscriptions that end next" not in text(signed_in(in_acme.carl).get("/t/acme/expiries/"))
    dates.change_dates(held, ends_at=timezone.now() + timedelta(days=20), by=in_acme.ada)
    for user, path in ((in_acme.carl, "/t/acme/expiries/"), (in_acme.ada, f"{CONSOLE}/expiries/")):
        assert "Subscriptions that end next" in text(signed_in(user).get(path))
    cora = make.member(in_acme.acme, "cora@acme.example", Role.DEVELOPER)
    assert "Subscriptions that end next" not in text(signed_in(cora).get("/t/acme/expiries/"))


# --- who -------------------------------------------------------------------------------------------------------------


def test_strangers_find_nothing(in_acme: Cast, held: Subscription) -> None:
    waits = asked(in_acme, held)
    own = [f"{APPS}/subscriptions/{held.pk}/{verb}/" for verb in ("plan", "renew")] + [f"{APPS}/change-requests/{waits.pk}/withdraw/"]
    deciding = [
        f"{CONSOLE}/subscriptions/{held.pk}/dates/",
        f"{CONSOLE}/change-requests/{waits.pk}/approve/",
        f"{CONSOLE}/change-requests/{waits.pk}/reject/",
    ]
    cora = make.member(in_acme.acme, "cora@acme.example", Role.DEVELOPER)
    cases = [(in_acme.eve, own + deciding), (in_acme.olga, own + deciding), (cora, own), (in_acme.ada, own)]
    for user, paths in cases:
        client = signed_in(user)
        for path in paths:
            assert client.get(path).status_code == client.post(path).status_code in {403, 404}, (user, path)
    carl = signed_in(in_acme.carl)
    for path in deciding:
        assert carl.get(path).status_code == carl.post(path).status_code in {403, 404}, path
    assert ChangeRequest.objects.get().status == "pending"
    eve = signed_in(in_acme.eve)
    for path in own + deciding:
        assert eve.get(path.replace("/acme/", "/globex/")).status_code == 404


def test_the_queue_takes_as_many_queries_for_many_changes(in_acme: Cast, held: Subscription) -> None:
    asked(in_acme, held)
    ada = signed_in(in_acme.ada)
    ada.get(f"{CONSOLE}/requests/")
    with queries("page:console-requests:changes"):
        ada.get(f"{CONSOLE}/requests/")
    for number in range(5):
        other = make.subscription(of=make.application(in_acme.carl, name=f"a{number}"), to=held.plan)
        asked(in_acme, other)
    with queries("page:console-requests:changes"):
        assert "a4" in text(ada.get(f"{CONSOLE}/requests/"))
