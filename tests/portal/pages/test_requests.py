"""Ada works through the queue: she sees who asks for what, decides, sees it enforced, and takes back what was a mistake."""

import re
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client

from apis.actions import subscriptions
from apis.models import Subscription
from tenants.models import Event, Role, User
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, queries
from tests.gateway.test_many_receipts import covers, node

QUEUE = "/t/acme/console/requests/"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text(response: Any) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))).strip()


def kinds() -> list[str]:
    return list(Event.objects.filter(kind__startswith="subscription.").order_by("number").values_list("kind", flat=True))


def status_of(pk: UUID) -> str:
    return str(Subscription.objects.values_list("status", flat=True).get(pk=pk))


@pytest.fixture
def ada(cast: Cast) -> Client:
    return signed_in(cast.ada)


@pytest.fixture
def alan(cast: Cast) -> User:
    """Another approver."""
    return make.member(cast.acme, "alan@acme.example", Role.APPROVER)


@pytest.fixture
def asked(in_acme: Cast) -> Subscription:
    """Carl's Checkout asks for Orders."""
    plan = make.plan(make.api("orders"), name="gold", calls=60, seconds=60)
    return make.subscription(status="pending", of=make.application(in_acme.carl, name="Checkout", environment="test"), to=plan)


def at(subscription: Subscription, step: str = "") -> str:
    return f"{QUEUE}{subscription.pk}/{step and step + '/'}"


# --- who sees it -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["", "approve", "reject", "ask", "undo"])
def test_only_those_who_decide_get_in(in_acme: Cast, asked: Subscription, step: str) -> None:
    for user, status in ((in_acme.carl, 403), (in_acme.pam, 403), (in_acme.eve, 404), (in_acme.olga, 404)):
        client = signed_in(user)
        assert client.get(at(asked, step)).status_code == status
        assert client.get(QUEUE).status_code == status
        if step:
            assert client.post(at(asked, step), {"reason": "No."}).status_code == status
    assert status_of(asked.pk) == "pending"
    assert kinds() == ["subscription.requested"]


@pytest.mark.parametrize("step", ["", "approve", "reject", "ask", "undo"])
def test_at_home_eve_finds_nothing_of_acmes(in_acme: Cast, asked: Subscription, step: str) -> None:
    eve = signed_in(in_acme.eve)
    for pk in (asked.pk, uuid4()):
        address = f"/t/globex/console/requests/{pk}/{step and step + '/'}"
        assert eve.get(address).status_code == 404
        assert eve.post(address, {"reason": "No."}).status_code == (404 if step else 405)
    assert "Checkout" not in text(eve.get("/t/globex/console/requests/?show=all"))
    assert status_of(asked.pk) == "pending"


def test_the_request_with_all_that_is_known(in_acme: Cast, ada: Client, asked: Subscription) -> None:
    said = text(ada.get(at(asked)))
    for fact in (
        "Checkout → Orders",
        "A test.",
        "Carl",
        "carl@acme.example",
        "gold: 60 calls a minute",
        "Test",
        "This is its first request.",
    ):
        assert fact in said


def test_what_happened_to_this_application_before(in_acme: Cast, ada: Client, asked: Subscription) -> None:
    subscriptions.reject(asked, reason="Tell us more.", by=in_acme.ada)
    application = asked.application
    make.subscription(status="suspended", of=application)
    make.subscription(of=application)
    again = make.subscription(status="pending", of=application, to=asked.plan)
    said = text(ada.get(at(again)))
    assert "Its other subscriptions: 1 active, 1 suspended, 1 rejected; 1 was suspended at some time." in said
    assert "The same was rejected before, by Ada: Tell us more." in said
    assert "It was suspended here before" not in said
    subscriptions.approve(again, by=in_acme.ada)
    subscriptions.suspend(again, reason="Too many calls.", by=in_acme.ada)
    subscriptions.cancel(again, by=in_acme.carl)
    third = make.subscription(status="pending", of=application, to=asked.plan)
    assert "It was suspended here before, by Ada: Too many calls." in text(ada.get(at(third)))


def test_the_longest_wait_stands_first_and_is_open(in_acme: Cast, ada: Client, asked: Subscription) -> None:
    later = make.subscription(status="pending", of=make.application(in_acme.carl, name="Later"))
    html = ada.get(QUEUE).content.decode()
    assert html.index(f"request-{asked.pk}") < html.index(f"request-{later.pk}")
    assert re.search(rf'id="request-{asked.pk}"[^>]*aria-current', html)
    assert f'action="{at(asked, "approve")}"' in html
    assert "2 waiting" in text(ada.get(QUEUE))
    assert re.search(rf'id="request-{later.pk}"[^>]*aria-current', ada.get(at(later)).content.decode())


def test_an_empty_queue_says_what_will_come(in_acme: Cast, ada: Client) -> None:
    for show, sentence in (("", "Nobody waits"), ("?show=decided", "Nothing is decided yet"), ("?show=all", "No request yet")):
        response = ada.get(QUEUE + show)
        assert response.status_code == 200
        assert sentence in text(response)


def test_a_hostile_name_stays_text(in_acme: Cast, ada: Client) -> None:
    application = make.application(in_acme.carl, name="<script>alert(1)</script>")
    found = make.subscription(status="pending", of=application)
    for address in (QUEUE, at(found), f"{QUEUE}?show=all"):
        html = ada.get(address).content.decode()
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert" in html


# --- deciding --------------------------------------------------------------------------------------------------------


def test_ada_approves_with_one_click_and_sees_it_enforced(in_acme: Cast, ada: Client, asked: Subscription) -> None:
    gateway = node("gateway-1")
    response = ada.post(at(asked, "approve"), {"reason": ""}, follow=True)
    assert response.redirect_chain == [(at(asked), 302)]
    said = text(response)
    assert "Ada approved Checkout to Orders" in said
    assert "Enforcing on 0 of 1 waiting for gateway-1" in said
    assert "Undo" in said
    assert status_of(asked.pk) == "active"
    covers(gateway, 0, Event.objects.latest("number").number)
    assert "Enforced on 1/1 gateways in" in text(ada.get(at(asked)))


def test_ada_rejects_and_says_why(in_acme: Cast, ada: Client, asked: Subscription) -> None:
    response = ada.post(at(asked, "reject"), {"reason": "  Tell us\r\nmore. "}, follow=True)
    assert "Ada rejected Checkout to Orders" in text(response)
    assert "Tell us more." in text(response)
    asked.refresh_from_db()
    assert (asked.status, asked.reason, asked.decided_by) == ("rejected", "Tell us\nmore.", in_acme.ada)


@pytest.mark.parametrize(
    "reason,sentence",
    [
        ("", "Fill this in."),
        ("   ", "Fill this in."),
        ("x" * 501, "This has 501 characters; 500 are the most."),
        ("a\x07b", "Control characters can't be used here."),
        ("a\x00b", ""),
    ],
)
def test_a_rejection_without_a_good_reason_keeps_what_was_typed(
    in_acme: Cast, ada: Client, asked: Subscription, reason: str, sentence: str
) -> None:
    response = ada.post(at(asked, "reject"), {"reason": reason})
    assert response.status_code == 422
    assert sentence in text(response)
    assert reason.strip() in unescape(response.content.decode())
    assert f'action="{at(asked, "approve")}"' in response.content.decode()
    assert kinds() == ["subscription.requested"]


def test_with_htmx_it_is_the_same_page(in_acme: Cast, ada: Client, asked: Subscription) -> None:
    """The form is boosted: htmx follows the redirect, takes #app from the page, and shows refusals in place."""
    html = ada.get(at(asked)).content.decode()
    assert re.search(r'<form[^>]*method="post"[^>]*hx-boost="true"[^>]*hx-target="#app"[^>]*hx-select="#app"', html)
    htmx = {"HX-Request": "true", "HX-Boosted": "true", "HX-Target": "app"}
    refused = ada.post(at(asked, "reject"), {"reason": ""}, headers=htmx)
    assert (refused.status_code, 'id="app"' in refused.content.decode()) == (422, True)
    assert ada.post(at(asked, "approve"), headers=htmx).headers["Location"] == at(asked)
    late = ada.post(at(asked, "approve"), headers=htmx)
    assert (late.status_code, "there is nothing to approve" in text(late)) == (409, True)


def test_nobody_decides_a_request_of_their_own(in_acme: Cast, ada: Client) -> None:
    own = make.application(in_acme.ada, name="Ada's tool")
    make.member(in_acme.acme, "alan@acme.example", Role.APPROVER)
    found, _ = subscriptions.request(own, api=(plan := make.plan()).api, plan=plan, purpose="Mine.", by=in_acme.ada)
    response = ada.get(at(found))
    assert "You can't decide a request of your own; another approver has to." in text(response)
    assert at(found, "approve") not in response.content.decode()
    for step in ("approve", "reject"):
        refused = ada.post(at(found, step), {"reason": "No."})
        assert (refused.status_code, "another approver has to" in text(refused)) == (409, True)
    assert status_of(found.pk) == "pending"


@pytest.mark.parametrize("step", ["approve", "reject"])
def test_a_stale_page_shows_what_became_of_it(in_acme: Cast, ada: Client, alan: User, asked: Subscription, step: str) -> None:
    ada.get(at(asked))
    subscriptions.approve(Subscription.objects.for_list().get(pk=asked.pk), by=alan)
    response = ada.post(at(asked, step), {"reason": "I think not."})
    assert response.status_code == 409
    assert "This subscription is active" in text(response)
    assert "Alan approved Checkout to Orders" in text(response)
    assert "Undo" not in text(response)
    assert status_of(asked.pk) == "active"


def test_a_form_sent_twice_decides_once(in_acme: Cast, ada: Client, asked: Subscription) -> None:
    """Ada approves and undoes; the first form, sent once more by a restless browser, does not approve again."""
    found = re.search(r'name="once" value="(\w+)"', ada.get(at(asked)).content.decode())
    assert found is not None
    assert ada.post(at(asked, "approve"), {"once": found[1]}).status_code == 302
    assert ada.post(at(asked, "undo")).status_code == 302
    again = ada.post(at(asked, "approve"), {"once": found[1]})
    assert (again.status_code, "This was sent twice, and done once." in text(again)) == (409, True)
    assert status_of(asked.pk) == "pending"


def test_a_refused_form_may_be_sent_again(in_acme: Cast, ada: Client, asked: Subscription) -> None:
    found = re.search(r'name="once" value="(\w+)"', ada.get(at(asked)).content.decode())
    assert found is not None
    assert ada.post(at(asked, "reject"), {"once": found[1], "reason": ""}).status_code == 422
    assert ada.post(at(asked, "reject"), {"once": found[1], "reason": "No."}).status_code == 302


@pytest.mark.parametrize("step", ["approve", "reject", "undo"])
def test_the_address_of_a_decision_leads_to_the_request(in_acme: Cast, ada: Client, asked: Subscription, step: str) -> None:
    response = ada.get(at(asked, step))
    assert (response.status_code, response.headers["Location"]) == (302, at(asked))
    assert ada.delete(at(asked, step)).status_code == 405
    assert status_of(asked.pk) == "pending"


def test_a_lost_session_keeps_the_reason(in_acme: Cast, asked: Subscription) -> None:
    nobody = Client()
    response = nobody.post(at(asked, "reject"), {"reason": "Half a thought"})
    assert response.status_code == 302
    assert "/accounts/login/" in response.headers["Location"]
    kept = dict(nobody.session)
    nobody.force_login(in_acme.ada)
    session = nobody.session
    session.update({name: value for name, value in kept.items() if name == "kept_form"})
    session.save()
    back = nobody.get(at(asked, "reject"))
    assert back.status_code == 200
    assert "Half a thought</textarea>" in back.content.decode()
    assert status_of(asked.pk) == "pending"


# --- taking it back --------------------------------------------------------------------------------------------------


def later(subscription: Subscription, seconds: float) -> None:
    """Let so many seconds pass: the decision is as much older."""
    subscription.refresh_from_db()
    assert subscription.undo_until is not None
    Subscription.objects.filter(pk=subscription.pk).update(undo_until=subscription.undo_until - timedelta(seconds=seconds))


@pytest.mark.parametrize("step", ["approve", "reject"])
def test_undo_in_time(in_acme: Cast, ada: Client, asked: Subscription, step: str) -> None:
    ada.post(at(asked, step), {"reason": "No."})
    html = ada.get(at(asked)).content.decode()
    found = re.search(r'undo/"\s+data-ends="(\d+)"', html)
    assert found is not None
    assert 0 < int(found[1]) <= 10_000
    response = ada.post(at(asked, "undo"), follow=True)
    assert response.redirect_chain == [(at(asked), 302)]
    assert f'action="{at(asked, "approve")}"' in response.content.decode()
    assert status_of(asked.pk) == "pending"
    assert kinds()[-1] == "subscription.decision_undone"


def test_undo_too_late_gets_the_sentence(in_acme: Cast, ada: Client, asked: Subscription) -> None:
    ada.post(at(asked, "approve"))
    later(asked, 10.5)
    assert "undo/" not in ada.get(at(asked)).content.decode()
    response = ada.post(at(asked, "undo"))
    assert response.status_code == 409
    assert "Ten seconds have passed, so this decision stands" in text(response)
    assert status_of(asked.pk) == "active"


def test_another_approver_cannot_undo(in_acme: Cast, ada: Client, alan: User, asked: Subscription) -> None:
    ada.post(at(asked, "approve"))
    other = signed_in(alan)
    assert "undo/" not in other.get(at(asked)).content.decode()
    assert "undo/" not in other.get(f"{QUEUE}?show=decided").content.decode()
    response = other.post(at(asked, "undo"))
    assert (response.status_code, "only they can undo it" in text(response)) == (409, True)
    assert status_of(asked.pk) == "active"


# --- the lists -------------------------------------------------------------------------------------------------------


def test_decided_ones_newest_decision_first(in_acme: Cast, ada: Client, alan: User, asked: Subscription) -> None:
    second = make.subscription(status="pending", of=make.application(in_acme.carl, name="Second"))
    third = make.subscription(status="pending", of=make.application(in_acme.carl, name="Third"))
    subscriptions.approve(second, by=alan)
    subscriptions.reject(asked, reason="No.", by=in_acme.ada)
    html = ada.get(f"{QUEUE}?show=decided").content.decode()
    assert html.index(str(asked.pk)) < html.index(str(second.pk))
    assert f"/t/acme/console/subscriptions/{third.pk}/" not in html
    assert re.findall(r"requests/([0-9a-f-]{36})/undo/", html) == [str(asked.pk)]
    assert f"/t/acme/console/requests/{third.pk}/" in ada.get(f"{QUEUE}?show=all").content.decode()


def test_decided_ones_by_pages(in_acme: Cast, ada: Client) -> None:
    application, plans = make.application(in_acme.carl), [make.plan() for _ in range(28)]
    rows = [make.subscription(status="pending", of=application, to=plan) for plan in plans]
    # The order of the decisions is another one than that of the requests.
    for each in reversed(rows):
        subscriptions.approve(each, by=in_acme.ada)
    order = [str(each.pk) for each in rows]

    def shown(query: str) -> tuple[list[str], str, str]:
        html = ada.get(f"{QUEUE}{query}").content.decode()
        found = re.findall(r'<td class="full">\s*<a href="/t/acme/console/subscriptions/([0-9a-f-]{36})/"', html)
        links = [unescape(link) for link in re.findall(r'href="(\?[^"]+)"\s+rel="(?:next|prev)"', html)]
        return found, *([next((link for link in links if name in link), "") for name in ("before", "after")])  # type: ignore[return-value]

    first, older, newer = shown("?show=decided")
    assert (first, newer) == (order[:25], "")
    rest, older, newer = shown(older)
    assert (rest, older) == (order[25:], "")
    assert shown(newer)[0] == order[:25]
    assert shown(f"?show=decided&before={uuid4()}")[0] == order[:25]
    assert shown("?show=decided&before=x&after=y")[0] == order[:25]


def test_the_rail_counts_those_who_wait(in_acme: Cast, ada: Client, asked: Subscription) -> None:
    badge = re.compile(r'class="count">1<span')
    assert badge.search(ada.get("/t/acme/console/subscriptions/").content.decode())
    assert not badge.search(signed_in(in_acme.carl).get("/t/acme/").content.decode())


def test_as_many_queries_for_thirty_as_for_one(cast: Cast, ada: Client) -> None:
    with tenant_scope(cast.acme.pk):
        plan, other = make.plan(), make.plan()
    for count in (1, 29):
        with tenant_scope(cast.acme.pk):
            for _ in range(count):
                application = make.application(cast.carl)
                asked = make.subscription(status="pending", of=application, to=plan)
                make.subscription(of=application, to=other)
                make.subscription(status="rejected", of=make.application(cast.carl), to=plan)
            node(f"gateway-{count}")
        # Which tenant a slug names is asked for once in a while.
        ada.get(QUEUE)
        with queries("page:console-requests"):
            assert ada.get(QUEUE).status_code == 200
        with queries("page:console-request"):
            assert ada.get(at(asked)).status_code == 200
        with queries("page:console-requests decided"):
            assert ada.get(f"{QUEUE}?show=decided").status_code == 200
    with queries("page:console-request-approve"):
        assert ada.post(at(asked, "approve")).status_code == 302
