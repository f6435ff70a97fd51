"""Ugo audits: he finds what happened, narrowed as he likes, and reads of each event all that was written down."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from apis.actions import publishing, subscriptions
from apis.models import Subscription
from portal.pages import audit
from tenants.actions import add_member
from tenants.event_kinds import KINDS
from tenants.models import Event, EventCounter, Role
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, queries
from tests.gateway.test_many_receipts import covers, node
from tests.portal.pages.test_console import signed_in, text

AUDIT = "/t/acme/console/audit/"


@pytest.fixture
def ugo(in_acme: Cast) -> Client:
    return signed_in(make.member(in_acme.acme, "ugo@acme.example", Role.AUDITOR))


@pytest.fixture
def story(in_acme: Cast, ugo: Client) -> Subscription:
    """Carl's Checkout asks for Orders; Ada approves, then suspends."""
    found = make.subscription(of=make.application(in_acme.carl, name="Checkout"), to=make.plan(make.api("orders")))
    subscriptions.suspend(found, reason="Too many calls at night.", by=in_acme.ada)
    return found


def happen(at: datetime, *, name: str = "Somewhen", ip: str = "", many: int = 1) -> list[int]:
    """Events of another day, without what usually comes with them."""
    numbers = []
    for _ in range(many):
        counter = EventCounter.objects.get()
        Event.objects.create(
            number=counter.number + 1, at=at, kind="application.created", actor_name="Portico", subject_type="application",
            subject_id=uuid4(), subject_name=name, ip=ip, previous=counter.digest, digest="0" * 64,
        )  # fmt: skip
        EventCounter.objects.update(number=counter.number + 1)
        numbers.append(counter.number + 1)
    return numbers


def shown(response: Any) -> list[int]:
    return [int(number) for number in re.findall(r'href="/t/acme/console/audit/(\d+)/"', response.content.decode())]


def numbers(**of: Any) -> list[int]:
    return list(Event.objects.filter(**of).order_by("-number").values_list("number", flat=True))


# --- who reads it ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", [AUDIT, f"{AUDIT}1/"])
def test_auditors_and_admins_read_it(in_acme: Cast, ugo: Client, address: str) -> None:
    assert ugo.get(address).status_code == 200
    for user, status in ((in_acme.ada, 200), (in_acme.pam, 403), (in_acme.carl, 403), (in_acme.eve, 404), (in_acme.olga, 404)):
        assert signed_in(user).get(address).status_code == status


def test_at_home_eve_reads_what_happened_at_home(in_acme: Cast, story: Subscription) -> None:
    eve = signed_in(in_acme.eve)
    assert "Checkout" not in text(eve.get("/t/globex/console/audit/", {"q": "Checkout"}))
    assert "No event is like that" in text(eve.get("/t/globex/console/audit/", {"subject": str(story.pk)}))


@pytest.mark.parametrize("number", [0, 987_654, 2**63, 10**30])
def test_there_is_no_such_event(ugo: Client, number: int) -> None:
    assert ugo.get(f"{AUDIT}{number}/").status_code == 404


# --- the list --------------------------------------------------------------------------------------------------------


def test_every_kind_can_be_chosen() -> None:
    assert sorted(kind for kinds in audit.KINDS.values() for kind in kinds) == sorted(KINDS)


def test_it_tells_in_words_what_happened_the_newest_first(ugo: Client, story: Subscription) -> None:
    response = ugo.get(AUDIT)
    said = text(response)
    assert "Ada suspended Checkout to Orders “Too many calls at night.” Ada" in said
    assert shown(response) == numbers()


def test_what_narrows_it(ugo: Client, in_acme: Cast, story: Subscription) -> None:
    ada, carl = str(in_acme.ada.pk), str(in_acme.carl.pk)
    for query, expected in (
        ({"kind": "subscription.approved"}, numbers(kind="subscription.approved")),
        ({"who": ada}, numbers(actor_id=ada)),
        ({"who": "portico"}, numbers(actor_id=None)),
        ({"who": carl, "kind": "application.created"}, numbers(actor_id=carl, kind="application.created")),
        ({"subject": str(story.pk)}, numbers(subject_id=story.pk)),
        ({"subject": "checkout TO"}, numbers(subject_id=story.pk)),
        ({"q": "checkout"}, numbers(subject_name__contains="Checkout")),
        ({"q": "carl"}, sorted({*numbers(actor_name="Carl"), *numbers(subject_name="Carl")}, reverse=True)),
        ({"q": "carl", "kind": "member.added"}, numbers(kind="member.added", subject_name="Carl")),
    ):
        assert expected
        assert shown(ugo.get(AUDIT, query)) == expected, query


def test_an_address_is_found_however_it_is_written(ugo: Client, in_acme: Cast) -> None:
    (number,) = happen(datetime(2026, 5, 4, tzinfo=UTC), ip="2001:db8::1")
    assert shown(ugo.get(AUDIT, {"ip": "2001:0DB8:0:0::1"})) == [number]
    assert shown(ugo.get(AUDIT, {"ip": "10.0.0.1"})) == []


def test_days_begin_and_end_in_the_readers_time_zone(in_acme: Cast) -> None:
    reader = make.member(in_acme.acme, "mei@acme.example", Role.AUDITOR)
    reader.time_zone = "Asia/Shanghai"
    reader.save()
    # In Shanghai these are the last minute of 3 May, the first and the last of 4 May, and the first of 5 May.
    at = [datetime(2030, 5, day, hour, minute, tzinfo=UTC) for day, hour, minute in ((3, 15, 59), (3, 16, 0), (4, 15, 59), (4, 16, 0))]
    (before,), (first,), (last,), (after,) = (happen(each) for each in at)
    client = signed_in(reader)
    assert shown(client.get(AUDIT, {"since": "2030-05-04", "until": "2030-05-04"})) == [last, first]
    assert shown(client.get(AUDIT, {"since": "2030-05-04"})) == [after, last, first]
    assert shown(client.get(AUDIT, {"until": "2030-05-03"}))[:1] == [before]
    assert shown(client.get(AUDIT, {"since": "2031-01-01"})) == []
    assert shown(client.get(AUDIT, {"until": "1999-01-01"})) == []


def test_a_clock_that_was_set_back_hides_nothing(ugo: Client, in_acme: Cast) -> None:
    at = datetime(2030, 5, 4, tzinfo=UTC)
    (early,), (late,) = happen(at + timedelta(minutes=2)), happen(at)
    assert shown(ugo.get(AUDIT, {"since": "2030-05-04"})) == [late, early]


@pytest.mark.parametrize(
    "query,says",
    [
        ({"kind": "tea.made"}, "There is no such kind of event."),
        ({"who": "nobody"}, "Choose somebody of the list."),
        ({"who": str(uuid4())}, "Choose somebody of the list."),
        ({"since": "yesterday"}, "Write a date such as 2027-03-31."),
        ({"until": "2026-02-30"}, "Write a date such as 2027-03-31."),
        ({"until": "9999-12-31"}, "Choose a year from 1970 to 2999."),
        ({"since": "0001-01-01"}, "Choose a year from 1970 to 2999."),
        ({"since": "2026-05-05", "until": "2026-05-04"}, "This day is before the first one."),
        ({"ip": "10.0.0.300"}, "This is no IP address."),
        ({"q": "x" * 101}, "This has 101 characters; 100 are the most."),
        ({"subject": "a\x01b"}, "Control characters can't be used here."),
    ],
)
def test_a_filter_that_is_none_gets_a_sentence_and_nothing_typed_is_lost(ugo: Client, query: dict[str, str], says: str) -> None:
    response = ugo.get(AUDIT, {"q": "kept <b>as it is</b>", **query})
    html = response.content.decode()
    assert response.status_code == 422
    assert says in text(response)
    assert "This filter can't be used as it is" in text(response)
    assert shown(response) == []
    assert "q" in query or 'value="kept &lt;b&gt;as it is&lt;/b&gt;"' in html
    for name in {"since", "until", "ip"} & set(query):
        assert f'value="{query[name]}"' in html
    # The filters are open, so that one sees where.
    assert "q" in query or '<details class="fold" open>' in html


def test_pages_lead_to_their_neighbours_with_the_same_filter(ugo: Client, in_acme: Cast) -> None:
    made = happen(datetime(2030, 5, 4, tzinfo=UTC), name="Old", many=60)[::-1]
    happen(datetime(2030, 5, 5, tzinfo=UTC))
    first = ugo.get(AUDIT, {"q": "old"})
    assert shown(first) == made[:50]
    (older,) = re.findall(r'href="(\?[^"]+)"\s+rel="next"', first.content.decode())
    second = ugo.get(AUDIT + older.replace("&amp;", "&"))
    assert shown(second) == made[50:]
    (newer,) = re.findall(r'href="(\?[^"]+)"\s+rel="prev"', second.content.decode())
    assert shown(ugo.get(AUDIT + newer.replace("&amp;", "&"))) == made[:50]


def test_names_are_looked_for_so_far_back_and_it_says_so(ugo: Client, in_acme: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    old = happen(datetime(2030, 5, 4, tzinfo=UTC), name="Needle")
    newest = happen(datetime(2030, 6, 4, tzinfo=UTC), many=5)[-1]
    assert shown(ugo.get(AUDIT, {"q": "needle"})) == old
    monkeypatch.setattr(audit, "LOOKED_THROUGH", 3)
    response = ugo.get(AUDIT, {"q": "needle"})
    assert shown(response) == []
    assert f"in the newest 3 of these events, those after number {newest - 3}" in text(response)
    assert shown(ugo.get(AUDIT, {"q": "needle", "until": "2030-05-04"})) == old


# --- one event -------------------------------------------------------------------------------------------------------


def page(client: Client, kind: str) -> str:
    return text(client.get(f"{AUDIT}{Event.objects.filter(kind=kind).latest('number').number}/"))


def test_an_event_with_all_that_was_written_down(ugo: Client, in_acme: Cast, story: Subscription) -> None:
    gateway = node("gateway-1")
    event = Event.objects.latest("number")
    covers(gateway, event.number, event.number)
    said = page(ugo, "subscription.suspended")
    for words in (
        "Ada suspended Checkout to Orders",
        "Too many calls at night.",
        "State Active Suspended",
        str(story.pk),
        str(in_acme.ada.pk),
        "Enforced on 1/1 gateways",
        event.digest,
        event.previous,
        "Intact",
        "None: a job or a command of Portico",
    ):
        assert words in said


def test_what_was_and_what_is(ugo: Client, in_acme: Cast, story: Subscription) -> None:
    publishing.change_api(story.api, by=in_acme.pam, name="Orders & more")
    add_member(in_acme.carl, roles=[Role.DEVELOPER, Role.AUDITOR], by=in_acme.ada)
    assert "name Orders Orders & more" in page(ugo, "api.changed")
    assert "Roles developer auditor, developer" in page(ugo, "member.changed")
    assert "State Pending Active" in page(ugo, "subscription.approved")
    assert "Live revision — 1" in page(ugo, "revision.live")


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_event_that_lacks_what_it_has_today_is_no_error(ugo: Client, in_acme: Cast, kind: str) -> None:
    (number,) = happen(datetime(2030, 5, 4, tzinfo=UTC))
    with tenant_scope(in_acme.acme.pk):
        event = Event.objects.get(number=number)
        event.pk, event.kind, event.number = uuid4(), kind, number + 1
        event.data = {"was": {"odd": [{"x": None}]}, "more": {"<b>": 1}}
        event.save(force_insert=True)
    assert ugo.get(f"{AUDIT}{number + 1}/").status_code == 200


def test_neighbours_are_linked(ugo: Client, story: Subscription) -> None:
    newest = Event.objects.latest("number").number

    def neighbours(number: int) -> dict[str, str]:
        found = re.findall(rf'href="{AUDIT}(\d+)/"\s+rel="(\w+)"', ugo.get(f"{AUDIT}{number}/").content.decode())
        return {rel: number for number, rel in found}

    assert neighbours(newest) == {"prev": str(newest - 1)}
    assert neighbours(2) == {"prev": "1", "next": "3"}
    assert neighbours(1) == {"next": "2"}


def test_a_chain_that_was_tampered_with_says_so(ugo: Client, in_acme: Cast) -> None:
    (forged,) = happen(datetime(2030, 5, 4, tzinfo=UTC), name="Forged")
    assert "Broken What stands here is not what was written" in text(ugo.get(f"{AUDIT}{forged}/"))


def test_as_many_queries_for_many(ugo: Client, story: Subscription) -> None:
    happen(datetime(2030, 5, 4, tzinfo=UTC), many=30)
    with queries("page:audit"):
        ugo.get(AUDIT)
    with queries("page:audit of a day by name"):
        ugo.get(AUDIT, {"since": "2030-05-04", "until": "2030-05-05", "q": "some"})
    with queries("page:event"):
        ugo.get(f"{AUDIT}{Event.objects.filter(kind='subscription.suspended').get().number}/")
