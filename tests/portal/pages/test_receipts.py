"""The receipt as people see it: in place while it is under way, and as a page of its own."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client
from django.utils import timezone

from apis.actions import subscriptions
from apis.models import Subscription
from gateway.envoy.refusals import REFUSALS
from gateway.models import Deployment
from keys.actions.credentials import create_credential, revoke
from portal.templatetags.ui import MOST_STEPS, MOST_STEPS_REFUSED
from tenants.models import Event, User
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, queries
from tests.gateway.test_many_receipts import covers, node

WORDS = "no such cluster: orders.internal:8080"


def page(user: User, number: int, query: str = "", tenant: str = "acme") -> tuple[int, str]:
    client = Client()
    client.force_login(user)
    response = client.get(f"/t/{tenant}/receipts/{number}/{query}")
    return response.status_code, response.content.decode()


def fragment(user: User, number: int, step: int = 0) -> str:
    """What stands in place of the receipt on other pages."""
    status, html = page(user, number, f"?part=1&step={step}")
    assert status == 200
    assert "<html" not in html
    return html


def text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).strip()


@pytest.fixture
def carls(cast: Cast) -> Subscription:
    with tenant_scope(cast.acme.pk):
        return make.subscription(of=make.application(cast.carl, name="Checkout"), to=make.plan(make.api("orders")))


@pytest.fixture
def approval(cast: Cast, carls: Subscription) -> Event:
    with tenant_scope(cast.acme.pk):
        return Event.objects.get(kind="subscription.approved", subject_id=carls.pk)


# --- the states ------------------------------------------------------------------------------------------------------


def test_no_gateway_is_connected(cast: Cast, approval: Event) -> None:
    html = fragment(cast.ada, approval.number)
    assert text(html) == "No gateway is connected"
    assert "hx-get" not in html
    assert "each will load this when it connects" in page(cast.ada, approval.number)[1]


def test_under_way_it_asks_again_by_itself(cast: Cast, approval: Event) -> None:
    with tenant_scope(cast.acme.pk):
        covers(node("gateway-1"), 0, approval.number)
        node("gateway-2")
    html = fragment(cast.ada, approval.number)
    assert text(html) == "Enforcing on 1 of 2 waiting for gateway-2"
    assert f'hx-get="/t/acme/receipts/{approval.number}/?part=1&amp;step=1"' in html
    # Without JavaScript it is a link.
    assert f'href="/t/acme/receipts/{approval.number}/"' in html


@pytest.mark.parametrize("step,delay", [(0, 150), (1, 300), (2, 600), (3, 2000), (4, 2000), (MOST_STEPS - 1, 2000)])
def test_it_asks_ever_more_seldom(cast: Cast, approval: Event, step: int, delay: int) -> None:
    with tenant_scope(cast.acme.pk):
        node("gateway-1")
    html = fragment(cast.ada, approval.number, step)
    assert f'hx-trigger="load delay:{delay}ms"' in html
    assert f"step={step + 1}&quot;" in html or f'step={step + 1}"' in html
    assert "Look again" not in html


def test_after_some_minutes_it_is_left_to_the_reader(cast: Cast, approval: Event) -> None:
    with tenant_scope(cast.acme.pk):
        node("gateway-1")
    html = fragment(cast.ada, approval.number, MOST_STEPS)
    assert "hx-trigger" not in html
    assert "Look again" in html


@pytest.mark.parametrize("step", ["-1", "x", "", "9" * 30, "²", "1.5"])
def test_a_step_that_is_none_begins_anew(cast: Cast, approval: Event, step: str) -> None:
    with tenant_scope(cast.acme.pk):
        node("gateway-1")
    status, html = page(cast.ada, approval.number, f"?part=1&step={step}")
    assert status == 200
    assert "step=1" in html


def test_complete_it_stops_asking(cast: Cast, approval: Event) -> None:
    with tenant_scope(cast.acme.pk):
        for name in ("gateway-1", "gateway-2"):
            covers(node(name), 0, approval.number)
    html = fragment(cast.ada, approval.number)
    assert re.fullmatch(r"Enforced on 2/2 gateways in \d+ ms", text(html))
    assert "hx-get" not in html


def test_a_gateway_that_nobody_called_counts_without_a_time(cast: Cast, approval: Event) -> None:
    with tenant_scope(cast.acme.pk):
        node("gateway-1", loaded=False)
    assert text(fragment(cast.ada, approval.number)) == "Enforced on 1/1 gateways"
    assert "Not loaded yet" in page(cast.ada, approval.number)[1]


def test_what_changes_nothing_there_says_so(cast: Cast, approval: Event) -> None:
    with tenant_scope(cast.acme.pk):
        node("gateway-1")
        registered = Event.objects.get(kind="application.created")
    assert text(fragment(cast.ada, registered.number)) == "Nothing changes at the gateways"


@pytest.fixture
def refused(cast: Cast, approval: Event) -> Event:
    with tenant_scope(cast.acme.pk):
        Deployment.objects.create(
            node=node("gateway-1"), state=Deployment.State.CLOSED, refused_at=timezone.now(), refused_text=WORDS
        )  # fmt: skip
    return approval


def test_a_refusal_shows_the_gateways_words(cast: Cast, refused: Event) -> None:
    html = fragment(cast.ada, refused.number)
    assert text(html) == f"gateway-1 refused the configuration What it said {WORDS}"
    # An earlier refusal may be over in a moment; then the words are left in peace.
    assert "hx-trigger" in html
    assert "hx-trigger" not in fragment(cast.ada, refused.number, MOST_STEPS_REFUSED)
    status, html = page(cast.ada, refused.number)
    assert (status, WORDS in html, "Refused" in html) == (200, True, True)


# --- who may see it --------------------------------------------------------------------------------------------------


def test_the_owner_sees_what_was_decided_about_the_application(cast: Cast, refused: Event, rest: Rest) -> None:
    """Carl did not decide it; it is about his application. What the gateway said names hosts inside, and is not for him."""
    assert refused.actor_id == cast.ada.pk
    html = fragment(cast.carl, refused.number)
    assert text(html) == "gateway-1 refused the configuration"
    status, html = page(cast.carl, refused.number)
    assert (status, WORDS in html, "Ada approved" in html) == (200, False, True)
    told = rest(cast.carl).get(f"{base(cast.acme)}/receipts/{refused.number}/")
    assert (told.status_code, told.json()["gateways"][0]["detail"]) == (200, "")
    assert rest(cast.ada).get(f"{base(cast.acme)}/receipts/{refused.number}/").json()["gateways"][0]["detail"] == WORDS


def test_the_owner_sees_it_of_secrets_that_an_admin_revoked(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        credential, _ = create_credential(make.application(cast.carl), by=cast.carl)
        event = revoke(credential, by=cast.ada)
    assert page(cast.carl, event.number)[0] == 200
    assert rest(cast.carl).get(f"{base(cast.acme)}/receipts/{event.number}/").status_code == 200


def test_other_developers_and_eve_see_nothing(cast: Cast, approval: Event, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        dora = make.member(cast.acme, "dora@acme.example")
        about_apis = Event.objects.get(kind="version.published")
    for number in (approval.number, about_apis.number):
        for user in (dora, cast.eve):
            assert page(user, number)[0] == 404
            assert rest(user).get(f"{base(cast.acme)}/receipts/{number}/").status_code == 404
    assert page(cast.carl, about_apis.number)[0] == 404
    # At home Eve sees her own number, never Acme's event.
    assert page(cast.eve, approval.number, tenant="globex")[0] == 404
    assert page(cast.pam, approval.number)[0] == 200
    assert page(cast.ada, 10**30)[0] == 404


# --- the page --------------------------------------------------------------------------------------------------------


def test_the_page_says_what_was_decided_and_where_it_is_enforced(cast: Cast, carls: Subscription) -> None:
    with tenant_scope(cast.acme.pk):
        event = subscriptions.suspend(carls, reason="<b>Too many</b> calls.", by=cast.ada)
        covers(node("gateway-1"), 0, event.number)
        node("gateway-2", connected=False)
    status, html = page(cast.ada, event.number)
    said = text(html)
    assert status == 200
    assert re.search(r"<h1[^>]*>Enforced on 1/1 gateways in \d+ ms\.</h1>", html)
    assert "Ada suspended Checkout to Orders" in said
    assert "&lt;b&gt;Too many&lt;/b&gt; calls." in html
    assert "subscription.suspended" in said
    assert "gateway-2" in said
    assert "Not connected" in said


def test_the_page_looks_again_while_it_is_under_way(cast: Cast, approval: Event) -> None:
    with tenant_scope(cast.acme.pk):
        at = node("gateway-1")
    assert 'hx-select="#receipt"' in page(cast.ada, approval.number)[1]
    html = page(cast.ada, approval.number, f"?step={MOST_STEPS}")[1]
    assert ('hx-select="#receipt"' in html, "Look again" in html) == (False, True)
    with tenant_scope(cast.acme.pk):
        covers(at, 0, approval.number)
    assert 'hx-select="#receipt"' not in page(cast.ada, approval.number)[1]


def test_a_late_acknowledgement_is_told_in_time(cast: Cast, approval: Event) -> None:
    with tenant_scope(cast.acme.pk):
        receipt = covers(node("gateway-1"), 0, approval.number)
        receipt.at = approval.at + timedelta(milliseconds=1234)
        receipt.save()
    assert text(fragment(cast.ada, approval.number)) == "Enforced on 1/1 gateways in 1234 ms"


def test_it_takes_as_many_queries_for_many_gateways(cast: Cast, approval: Event) -> None:
    client = Client()
    client.force_login(cast.ada)
    for first, many in ((0, 1), (1, 20)):
        with tenant_scope(cast.acme.pk):
            for number in range(first, many):
                node(f"gateway-{number}")
        # Which tenant a slug names is asked for once in a while.
        client.get("/t/acme/console/subscriptions/")
        with queries("page:receipt"):
            assert client.get(f"/t/acme/receipts/{approval.number}/").status_code == 200
        with queries("page:receipt part"):
            assert client.get(f"/t/acme/receipts/{approval.number}/?part=1").status_code == 200


def test_callers_read_what_a_refusal_means(db: None) -> None:
    for each in REFUSALS:
        response = Client().get(f"/refusals/{each.code}/")
        assert response.status_code == 200
        said = unescape(text(response.content.decode()))
        for fact in (each.code, str(each.status), each.sentence, each.fix):
            assert fact in said
    assert Client().get("/refusals/NO_SUCH_CODE/").status_code == 404
