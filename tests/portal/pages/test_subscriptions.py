"""Ada looks after what was granted: she finds it, reads what happened, suspends, resumes and cancels, and is told before what that does."""

import re
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client

from apis.actions import subscriptions
from apis.models import Subscription
from apis.models import subscription as subscription_models
from keys.actions.applications import transfer
from tenants.models import Event, Role, User
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, queries
from tests.gateway.test_many_receipts import covers, node

LIST = "/t/acme/console/subscriptions/"
STEPS = ["suspend", "resume", "cancel"]


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text(response: Any) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))).strip()


def status_of(subscription: Subscription) -> str:
    return str(Subscription.objects.values_list("status", flat=True).get(pk=subscription.pk))


def at(subscription: Subscription | UUID, step: str = "", tenant: str = "acme") -> str:
    pk = getattr(subscription, "pk", subscription)
    return f"/t/{tenant}/console/subscriptions/{pk}/{step and step + '/'}"


def offered(response: Any) -> list[str]:
    return [step for step in STEPS if f"/{step}/" in response.content.decode()]


def listed(client: Client, query: str = "") -> list[str]:
    """The names of the applications, as the list shows them."""
    return re.findall(r'<a href="[^"]+"><bdi>([^<]+)</bdi> →', client.get(f"{LIST}{query}").content.decode())


@pytest.fixture
def ada(cast: Cast) -> Client:
    return signed_in(cast.ada)


@pytest.fixture
def active(in_acme: Cast) -> Subscription:
    """Carl's Checkout may call Orders."""
    plan = make.plan(make.api("orders"), name="gold")
    return make.subscription(of=make.application(in_acme.carl, name="Checkout"), to=plan)


# --- who sees it -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["", *STEPS])
def test_only_those_who_decide_get_in(in_acme: Cast, active: Subscription, step: str) -> None:
    for user, status in ((in_acme.carl, 403), (in_acme.pam, 403), (in_acme.eve, 404), (in_acme.olga, 404)):
        client = signed_in(user)
        assert client.get(LIST).status_code == status
        assert client.get(at(active, step)).status_code == status
        if step:
            assert client.post(at(active, step), {"reason": "No."}).status_code == status
    assert status_of(active) == "active"


@pytest.mark.parametrize("step", ["", *STEPS])
def test_at_home_eve_finds_nothing_of_acmes(in_acme: Cast, active: Subscription, step: str) -> None:
    eve = signed_in(in_acme.eve)
    for pk in (active.pk, uuid4()):
        assert eve.get(at(pk, step, "globex")).status_code == 404
        if step:
            assert eve.post(at(pk, step, "globex"), {"reason": "No."}).status_code == 404
    assert "No subscription yet" in text(eve.get("/t/globex/console/subscriptions/"))
    assert status_of(active) == "active"


# --- the list --------------------------------------------------------------------------------------------------------


def test_the_list_says_where_each_is_enforced(in_acme: Cast, ada: Client, active: Subscription) -> None:
    gateway = node("gateway-1")
    covers(gateway, 0, Event.objects.latest("number").number)
    make.subscription(status="suspended", of=make.application(in_acme.carl, name="Crawler"))
    said = text(ada.get(LIST))
    assert re.search(r"Checkout → Orders Carl · gold Active \S.*Enforced on 1/1 gateways in \d+ ms", said)
    assert re.search(r"Crawler → \S+ Carl · plan-\d+ Suspended .*Enforcing on 0 of 1 waiting for gateway-1", said)


def test_it_is_searched_by_application_api_and_owner(in_acme: Cast, ada: Client, active: Subscription) -> None:
    dora = make.member(in_acme.acme, "dora@acme.example")
    make.subscription(of=make.application(dora, name="Crawler"), to=make.plan(make.api("stock")))
    for q, found in (
        ("check", ["Checkout"]), ("ORDERS", ["Checkout"]), ("dora@", ["Crawler"]), ("Carl", ["Checkout"]), ("stock", ["Crawler"]),
        ("", ["Crawler", "Checkout"]), ("nothing", []), ("%", []), ("_", []), ("\\", []), ("x" * 5000, []), ("'; DROP", []),
    ):  # fmt: skip
        response = ada.get(LIST, {"q": q})
        assert response.status_code == 200
        assert [name for name in ("Crawler", "Checkout") if f"<bdi>{name}</bdi>" in response.content.decode()] == found, q
    assert "No subscription is like that" in text(ada.get(LIST, {"q": "nothing"}))


@pytest.mark.parametrize("most", [0, 500])
def test_much_that_fits_is_found_as_well_as_little(in_acme: Cast, ada: Client, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """By an index each where few applications and APIs fit, else by reading on; with the same answer."""
    monkeypatch.setattr(subscription_models, "MOST_FITTING", most)
    orders, crane = make.api("orders"), make.application(in_acme.carl, name="Crane")
    crew = make.team(in_acme.carl, name="Harbour crew")
    transfer(crane, to=crew, by=in_acme.carl)
    one = make.subscription(of=crane, to=make.plan(orders))
    other = make.subscription()
    for words in ("crane", "harbour", "ORDERS"):
        assert list(Subscription.objects.sought(words)) == [one], words
    assert set(Subscription.objects.sought(in_acme.carl.email)) >= {one}
    assert list(Subscription.objects.sought("nothing of the kind")) == []
    assert list(Subscription.objects.sought(other.api.slug)) == [other]
    assert list(Subscription.objects.filter(status="suspended").sought("crane")) == []
    with tenant_scope(in_acme.globex.pk):
        assert list(Subscription.objects.sought("crane")) == []


def test_a_search_takes_as_many_queries_whatever_it_finds(cast: Cast, ada: Client) -> None:
    with queries("console/subscriptions/ search"):
        ada.get("/t/acme/console/subscriptions/?q=nothing")


def test_it_is_narrowed_by_state_and_what_is_no_state_narrows_nothing(in_acme: Cast, ada: Client, active: Subscription) -> None:
    make.subscription(status="suspended", of=make.application(in_acme.carl, name="Crawler"))
    assert listed(ada, "?status=active") == ["Checkout"]
    assert listed(ada, "?status=suspended") == ["Crawler"]
    assert listed(ada, "?status=suspended&q=checkout") == []
    assert listed(ada, "?status=nonsense") == listed(ada, "?status=") == ["Crawler", "Checkout"]


def test_by_pages_newest_first(in_acme: Cast, ada: Client) -> None:
    names = [f"Program {number}" for number in range(27)]
    plan = make.plan()
    for name in names:
        make.subscription(status="pending", of=make.application(in_acme.carl, name=name), to=plan)
    response = ada.get(f"{LIST}?status=pending")
    assert listed(ada, "?status=pending") == names[:1:-1]
    assert "27 in all" in text(response)
    older = re.search(r'href="(\?[^"]+)"\s+rel="next"', response.content.decode())
    assert older is not None
    assert listed(ada, unescape(older[1])) == ["Program 1", "Program 0"]
    assert "status=pending" in older[1]


def test_as_many_queries_for_thirty_as_for_one(cast: Cast, ada: Client) -> None:
    with tenant_scope(cast.acme.pk):
        plan = make.plan()
    for count in (1, 29):
        with tenant_scope(cast.acme.pk):
            for _ in range(count):
                found = make.subscription(status="suspended", of=make.application(cast.carl), to=plan)
            node(f"gateway-{count}")
        # Which tenant a slug names is asked for once in a while.
        ada.get(LIST)
        with queries("page:console-subscriptions"):
            assert ada.get(LIST).status_code == 200
        with queries("page:console-subscription"):
            assert ada.get(at(found)).status_code == 200
        with queries("page:console-subscription-resume"):
            assert ada.get(at(found, "resume")).status_code == 200


# --- one of them -----------------------------------------------------------------------------------------------------


def test_what_was_asked_for_and_what_happened(in_acme: Cast, ada: Client, active: Subscription) -> None:
    subscriptions.suspend(active, reason="<i>Too many</i> calls.", by=in_acme.ada)
    response = ada.get(at(active))
    said = text(response)
    for fact in ("Checkout → Orders", "Suspended", "carl@acme.example", "gold: 1,000 calls a second", active.application.client_id):
        assert fact in said
    assert re.search(r"Ada suspended Checkout to Orders.*Ada approved Checkout to Orders.*Carl asked for a subscription", said)
    assert "&lt;i&gt;Too many&lt;/i&gt; calls." in response.content.decode()


@pytest.mark.parametrize(
    "status,steps",
    [("pending", ["cancel"]), ("active", ["suspend", "cancel"]), ("suspended", ["resume", "cancel"]), ("rejected", []), ("cancelled", [])],
)
def test_each_state_offers_its_steps(in_acme: Cast, ada: Client, status: str, steps: list[str]) -> None:
    found = make.subscription(status=status, of=make.application(in_acme.carl))
    response = ada.get(at(found))
    assert offered(response) == steps
    assert (f"/console/requests/{found.pk}/" in response.content.decode()) == (status == "pending")


def test_nobody_is_offered_to_resume_their_own(in_acme: Cast, ada: Client) -> None:
    own = make.application(in_acme.ada, name="Ada's tool")
    alan = make.member(in_acme.acme, "alan@acme.example", Role.APPROVER)
    found, _ = subscriptions.request(own, api=(plan := make.plan()).api, plan=plan, purpose="Mine.", by=in_acme.ada)
    subscriptions.approve(found, by=alan)
    subscriptions.suspend(found, reason="Too many calls.", by=alan)
    response = ada.get(at(found))
    assert offered(response) == ["cancel"]
    assert "You can't resume a subscription of your own" in text(response)
    refused = ada.post(at(found, "resume"))
    assert (refused.status_code, "another approver has to" in text(refused)) == (409, True)
    assert offered(signed_in(alan).get(at(found))) == ["resume", "cancel"]


# --- asked before it happens -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "gateways,sentence",
    [
        (0, "Checkout will lose access to Orders; no gateway is connected now, and each learns it when it connects."),
        (1, "Checkout will lose access to Orders on 1 gateway within a second."),
        (2, "Checkout will lose access to Orders on 2 gateways within a second."),
    ],
)
def test_the_question_names_what_will_happen(in_acme: Cast, ada: Client, active: Subscription, gateways: int, sentence: str) -> None:
    for number in range(gateways):
        node(f"gateway-{number}")
    node("gone", connected=False)
    said = text(ada.get(at(active, "suspend")))
    assert f"{sentence} Its calls get 403 SUBSCRIPTION_SUSPENDED until somebody resumes it." in said
    assert status_of(active) == "active"


def test_cancelling_says_what_it_means_in_each_state(in_acme: Cast, ada: Client, active: Subscription) -> None:
    node("gateway-1")
    for_good = "Checkout will lose access to Orders for good, on 1 gateway within a second. Its calls get 403 SUBSCRIPTION_CANCELLED."
    assert for_good in text(ada.get(at(active, "cancel")))
    subscriptions.suspend(active, reason="Too many calls.", by=in_acme.ada)
    assert "Checkout is suspended at Orders, and stays without access." in text(ada.get(at(active, "cancel")))
    assert "It was suspended because: Too many calls." in text(ada.get(at(active, "resume")))
    waiting = make.subscription(status="pending", of=active.application)
    assert "Checkout no longer waits for" in text(ada.get(at(waiting, "cancel")))


def test_a_click_opens_it_in_a_dialog(in_acme: Cast, ada: Client, active: Subscription) -> None:
    page = ada.get(at(active)).content.decode()
    assert re.search(rf'href="{at(active, "suspend")}"\s+hx-get="{at(active, "suspend")}"\s+hx-target="#dialog"', page)
    dialog = {"HX-Request": "true", "HX-Target": "dialog"}
    html = ada.get(at(active, "suspend"), headers=dialog).content.decode()
    assert ("<html" in html, 'id="dialog-title"' in html) == (False, True)
    refused = ada.post(at(active, "suspend"), {"reason": ""}, headers=dialog)
    assert (refused.status_code, "<html" in refused.content.decode()) == (422, False)
    done = ada.post(at(active, "suspend"), {"reason": "Too many calls."}, headers=dialog)
    assert at(active) in done.headers["HX-Location"]
    assert status_of(active) == "suspended"


def test_suspend_resume_cancel_and_each_shows_its_receipt(in_acme: Cast, ada: Client, active: Subscription) -> None:
    for step, reason, status, kind, said in (
        ("suspend", "Too many calls.", "suspended", "subscription.suspended", "Checkout is suspended at Orders."),
        ("resume", None, "active", "subscription.resumed", "Checkout may call Orders again."),
        ("cancel", "", "cancelled", "subscription.cancelled", "The subscription of Checkout to Orders is cancelled."),
    ):
        response = ada.post(at(active, step), {} if reason is None else {"reason": reason}, follow=True)
        assert response.redirect_chain == [(at(active), 302)]
        event = Event.objects.latest("number")
        assert (status_of(active), event.kind, event.actor_id) == (status, kind, in_acme.ada.pk)
        assert said in text(response)
        assert f"/t/acme/receipts/{event.number}/" in response.content.decode()


@pytest.mark.parametrize(
    "step,reason,sentence",
    [
        ("suspend", "", "Fill this in."),
        ("suspend", " \n ", "Fill this in."),
        ("suspend", "x" * 501, "This has 501 characters; 500 are the most."),
        ("cancel", "x" * 501, "This has 501 characters; 500 are the most."),
        ("suspend", "a\x07b", "Control characters can't be used here."),
        ("cancel", "a\x07b", "Control characters can't be used here."),
    ],
)
def test_a_bad_reason_is_kept_and_changes_nothing(
    in_acme: Cast, ada: Client, active: Subscription, step: str, reason: str, sentence: str
) -> None:
    count = Event.objects.count()
    response = ada.post(at(active, step), {"reason": reason})
    assert response.status_code == 422
    assert sentence in text(response)
    assert reason.strip() in response.content.decode()
    assert (status_of(active), Event.objects.count()) == ("active", count)


@pytest.mark.parametrize("step", STEPS)
def test_a_stale_page_is_refused_with_a_sentence(in_acme: Cast, ada: Client, active: Subscription, step: str) -> None:
    """Carl cancelled it while Ada was looking."""
    subscriptions.cancel(active, by=in_acme.carl)
    count = Event.objects.count()
    response = ada.post(at(active, step), {"reason": "Too many calls."})
    assert response.status_code == 409
    assert "This subscription is cancelled" in text(response)
    assert Event.objects.count() == count


def test_a_form_sent_twice_suspends_once(in_acme: Cast, ada: Client, active: Subscription) -> None:
    found = re.search(r'name="once" value="(\w+)"', ada.get(at(active, "suspend")).content.decode())
    assert found is not None
    form = {"once": found[1], "reason": "Too many calls."}
    assert ada.post(at(active, "suspend"), form).status_code == 302
    assert ada.post(at(active, "resume")).status_code == 302
    again = ada.post(at(active, "suspend"), form)
    assert (again.status_code, "This was sent twice, and done once." in text(again)) == (409, True)
    assert status_of(active) == "active"
