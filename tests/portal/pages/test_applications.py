"""Carl registers applications and looks at them; nobody else sees them there."""

import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone

from apis.actions import subscriptions
from apis.models import Subscription
from gateway.models import GatewayNode, Refusal
from keys.actions.credentials import roll
from keys.models import Application, Credential
from tenants.models import Event, Role, User
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, queries

APPS = "/t/acme/apps/"
HOSTILE = '"><script>alert(1)</script> 50%(x)s \u202egnp.exe'


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def carl(cast: Cast) -> Client:
    return signed_in(cast.carl)


@pytest.fixture
def checkout(cast: Cast) -> Application:
    with tenant_scope(cast.acme.pk):
        return make.application(cast.carl, name="Checkout", purpose="Takes orders in the shop.")


def text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).strip()


def page(client: Client, path: str, status: int = 200) -> str:
    response = client.get(path)
    assert response.status_code == status, response.content[:300]
    return response.content.decode()


def fields(**changed: str) -> dict[str, str]:
    return {"name": "Checkout", "purpose": "Takes orders.", "environment": "live", **changed}


# --- who


def strangers(cast: Cast) -> list[tuple[str, User]]:
    with tenant_scope(cast.acme.pk):
        cora = make.member(cast.acme, "cora@acme.example", Role.DEVELOPER)
    return [("Eve", cast.eve), ("Olga", cast.olga), ("another developer", cora), ("the approver and admin", cast.ada)]


def test_an_application_is_its_owners_alone(cast: Cast, checkout: Application) -> None:
    assert "Checkout" in page(signed_in(cast.carl), f"{APPS}{checkout.pk}/")
    with tenant_scope(cast.acme.pk):
        theirs = make.subscription(of=checkout)
    for who, user in strangers(cast):
        for path in (f"{APPS}{checkout.pk}/", f"{APPS}{checkout.pk}/?tab=activity", f"{APPS}subscriptions/{theirs.pk}/cancel/"):
            for method in ("get", "post"):
                if (method, "?" in path) != ("post", True):
                    assert getattr(signed_in(user), method)(path).status_code in {404, 405}, f"{who} {method} {path}"
        assert "Checkout" not in signed_in(user).get(APPS).content.decode(), who
    with tenant_scope(cast.acme.pk):
        assert Subscription.objects.get(pk=theirs.pk).status == "active"


@pytest.mark.parametrize("role", [Role.PUBLISHER, Role.APPROVER, Role.AUDITOR])
def test_who_can_have_no_application_may_not_look_for_one(cast: Cast, checkout: Application, role: str) -> None:
    with tenant_scope(cast.acme.pk):
        person = make.member(cast.acme, f"{role}@acme.example", role)
    for path in (APPS, f"{APPS}new/", f"{APPS}{checkout.pk}/"):
        assert signed_in(person).get(path).status_code == 403, path
    assert signed_in(person).post(f"{APPS}new/", fields()).status_code == 403


def test_signed_out_one_is_asked_to_sign_in(cast: Cast) -> None:
    assert Client().get(APPS).headers["Location"].startswith("/accounts/login/")


# --- the list


def test_the_list_says_what_each_has(cast: Cast, carl: Client, checkout: Application) -> None:
    with tenant_scope(cast.acme.pk):
        old, _ = make.credential(checkout)
        roll(old, grace="24h", by=cast.carl)
        for status in ("active", "active", "pending", "cancelled"):
            make.subscription(status=status, of=checkout)
        make.application(cast.ada, name="Adas")
    html = page(carl, APPS)
    told = text(html)
    assert f"Checkout Live {checkout.client_id}" in told
    assert "1 active 1 in grace 2 active 1 pending" in told
    assert "1 in all" in told
    assert "Adas" not in told
    assert f'data-copy="client-{checkout.pk}"' in html


def test_a_list_of_many_is_searched_and_paged(cast: Cast, carl: Client, checkout: Application) -> None:
    assert "No application has this" in page(carl, f"{APPS}?q=nothing")
    with tenant_scope(cast.acme.pk):
        for _ in range(25):
            make.credential(make.application(cast.carl))
    carl.get(APPS)
    with queries("page:apps"):
        first = page(carl, APPS)
    assert "Checkout" not in first
    assert "26 in all" in text(first)
    older = re.search(r'href="(\?before=[^"]+)" rel="next"', first)
    assert older
    assert "Checkout" in page(carl, APPS + older[1])
    for q in ("heckou", "in the SHOP", checkout.client_id[5:15]):
        assert "1 in all" in text(page(carl, f"{APPS}?{urlencode({'q': q})}")), q


def test_an_empty_list_says_what_to_do(carl: Client) -> None:
    html = page(carl, APPS)
    assert "No application yet" in html
    assert f'href="{APPS}new/">Register an application</a>' in re.sub(r">\s+", ">", html)


# --- registering


def test_carl_registers_an_application_and_is_offered_a_secret(cast: Cast, carl: Client) -> None:
    page(carl, f"{APPS}new/")
    answer = carl.post(f"{APPS}new/", fields(environment="test"), follow=True)
    with tenant_scope(cast.acme.pk):
        made = Application.objects.get()
        assert list(Event.objects.filter(subject_id=made.pk).values_list("kind", "actor_id")) == [("application.created", cast.carl.pk)]
    assert (made.name, made.purpose, made.environment, made.owner_id) == ("Checkout", "Takes orders.", "test", cast.carl.pk)
    assert answer.redirect_chain == [(f"{APPS}{made.pk}/", 302)]
    told = text(answer.content.decode())
    assert "Checkout is registered." in told
    assert "Add the first credential" in told
    assert "Subscribe to APIs" in told


@pytest.mark.parametrize(
    "changed,says",
    [
        ({"name": ""}, "Fill this in."),
        ({"purpose": "   "}, "Fill this in."),
        ({"environment": "production"}, "Choose Live or Test."),
        ({"name": "n" * 81}, "This has 81 characters; 80 are the most."),
        ({"purpose": "p" * 100_000}, "This has 100000 characters; 500 are the most."),
        ({"name": "a\x00b"}, "Control characters"),
    ],
)
def test_what_cannot_be_used_comes_back_with_a_sentence(cast: Cast, carl: Client, changed: dict[str, str], says: str) -> None:
    typed = fields(name=HOSTILE, purpose="Sells <b>things</b>.") | changed
    answer = carl.post(f"{APPS}new/", typed)
    html = answer.content.decode()
    assert answer.status_code == 422
    assert says in html
    assert "<script>alert" not in html
    if "purpose" not in changed:
        assert "Sells &lt;b&gt;things&lt;/b&gt;." in html
    with tenant_scope(cast.acme.pk):
        assert not Application.objects.exists()


def test_a_name_is_taken_once_and_a_form_is_sent_once(cast: Cast, carl: Client, checkout: Application) -> None:
    answer = carl.post(f"{APPS}new/", fields(once="1"))
    assert (answer.status_code, "already" in answer.content.decode()) == (409, True)
    assert carl.post(f"{APPS}new/", fields(name="Other", once="1")).status_code == 302, "what was refused may be sent again"
    again = carl.post(f"{APPS}new/", fields(name="Third", once="1"))
    assert (again.status_code, "This was sent twice, and done once." in again.content.decode()) == (409, True)
    with tenant_scope(cast.acme.pk):
        assert set(Application.objects.values_list("name", flat=True)) == {"Checkout", "Other"}


@pytest.mark.parametrize("there", ["/t/acme/", "/t/acme/apis/orders/", "/t/acme/apis/orders/?plan=gold"])
def test_registering_leads_on_to_where_one_came_from(cast: Cast, carl: Client, there: str) -> None:
    form = page(carl, f"{APPS}new/?{urlencode({'next': there})}")
    assert f'name="next" value="{there}"' in form
    onward = carl.post(f"{APPS}new/", fields(next=there)).headers["Location"]
    with tenant_scope(cast.acme.pk):
        made = Application.objects.get()
    assert onward == f"{there}{'&' if '?' in there else '?'}application={made.pk}"


@pytest.mark.parametrize(
    "there",
    [
        "https://evil.example/t/acme/", "//evil.example/t/acme/", "/t/globex/", "/t/acme/../globex/", "/t/acme/%2e%2e/globex/",
        "/t/acme/apis/..\\..\\globex/", "javascript:alert(1)", "/profile/", "/t/acme/nowhere/", "t/acme/", "/\\evil.example/t/acme/",
        "/t/acme/apis/%2E%2e/", "/t/acme/\n/", "x" * 10_000, "http://[", "/t/acme/apps/new/",
    ],
)  # fmt: skip
def test_registering_leads_nowhere_else(cast: Cast, carl: Client, there: str) -> None:
    onward = carl.post(f"{APPS}new/", fields(next=there)).headers["Location"]
    with tenant_scope(cast.acme.pk):
        assert onward == f"{APPS}{Application.objects.get().pk}/"


# --- the page and its tabs


@pytest.mark.parametrize("times", [1, 4])
def test_each_tab_shows_its_own_in_as_many_queries_for_many_as_for_one(cast: Cast, carl: Client, checkout: Application, times: int) -> None:
    with tenant_scope(cast.acme.pk):
        for number in range(times):
            roll(make.credential(checkout)[0], grace="0", by=cast.carl)
            make.subscription(status="rejected", of=checkout)
            refusal(checkout, f"id-{number}")
    carl.get(APPS)
    for tab in ("credentials", "subscriptions", "refusals", "activity"):
        with queries(f"page:app {tab}"):
            html = page(carl, f"{APPS}{checkout.pk}/?tab={tab}")
        assert f"Credentials {2 * times} Subscriptions {times} Refusals {times} Activity" in text(html)
        assert re.search(rf'href="\?tab={tab}" aria-current="page"', html)
    assert 'href="?tab=credentials" aria-current="page"' in page(carl, f"{APPS}{checkout.pk}/?tab=nonsense")


def test_a_subscription_says_how_it_stands_and_why(cast: Cast, carl: Client, checkout: Application) -> None:
    GatewayNode.objects.create(name="edge", connected=True, seen_at=timezone.now())
    with tenant_scope(cast.acme.pk):
        plan = make.plan(make.api("orders"), name="gold", calls=60, seconds=60)
        held = make.subscription(of=checkout, to=plan)
        subscriptions.suspend(held, reason=f"Too many calls. {HOSTILE}", by=cast.ada)
    html = page(carl, f"{APPS}{checkout.pk}/?tab=subscriptions")
    told = text(html)
    assert "Orders gold 60 calls a minute A test. Suspended Ada, just now “Too many calls." in told
    assert "Enforced on 1/1 gateways" in told
    assert "<script>alert" not in html
    assert f'href="{APPS}subscriptions/{held.pk}/cancel/"' in html


def test_a_closed_subscription_can_be_asked_for_again_unless_it_was(cast: Cast, carl: Client, checkout: Application) -> None:
    with tenant_scope(cast.acme.pk):
        plan = make.plan(make.api("orders"))
        make.subscription(status="rejected", of=checkout, to=plan)
    again = f'href="/t/acme/apis/orders/subscribe/?application={checkout.pk}"'
    assert again in page(carl, f"{APPS}{checkout.pk}/?tab=subscriptions")
    with tenant_scope(cast.acme.pk):
        make.subscription(status="pending", of=checkout, to=plan)
    assert again not in page(carl, f"{APPS}{checkout.pk}/?tab=subscriptions")


@pytest.mark.parametrize(
    "status,says",
    [
        ("active", "Checkout's calls to Orders are refused on 1 gateway within a second."),
        ("pending", "The request is withdrawn"),
        ("suspended", "Its calls stay refused."),
    ],
)
def test_carl_cancels_after_he_was_told_what_happens(cast: Cast, carl: Client, checkout: Application, status: str, says: str) -> None:
    GatewayNode.objects.create(name="edge", connected=True, seen_at=timezone.now())
    with tenant_scope(cast.acme.pk):
        held = make.subscription(status=status, of=checkout, to=make.plan(make.api("orders")))
    path = f"{APPS}subscriptions/{held.pk}/cancel/"
    assert says in page(carl, path).replace("&#x27;", "'")
    dialog = carl.get(path, headers={"HX-Request": "true", "HX-Target": "dialog"}).content.decode()
    assert "<html" not in dialog
    assert says in dialog.replace("&#x27;", "'")
    answer = carl.post(path, {"reason": "Not needed."}, follow=True)
    assert answer.redirect_chain == [(f"{APPS}{checkout.pk}/?tab=subscriptions", 302)]
    assert "subscription to Orders is cancelled." in text(answer.content.decode())
    with tenant_scope(cast.acme.pk):
        event = Event.objects.get(kind="subscription.cancelled")
        assert (event.actor_id, event.data) == (cast.carl.pk, {"was": status, "reason": "Not needed."})
    assert f"receipts/{event.number}/?part=1" in answer.content.decode(), "the toast brings the receipt"
    stale = carl.post(path, {"reason": "Once more."})
    assert (stale.status_code, "Once more." in stale.content.decode()) == (409, True)


def refusal(of: Application, request_id: str, **changed: object) -> Refusal:
    usual = {"code": "SUBSCRIPTION_PENDING", "status": 403, "method": "GET", "path": "/acme/orders/v1/orders", "gateway": "edge"}
    return Refusal.objects.create(application=of, at=timezone.now(), request_id=request_id, **{**usual, **changed})


def test_refused_calls_stand_with_their_meaning_and_are_found_by_their_id(cast: Cast, carl: Client, checkout: Application) -> None:
    here = f"{APPS}{checkout.pk}/?tab=refusals"
    assert "No call was refused" in page(carl, here)
    with tenant_scope(cast.acme.pk):
        refusal(checkout, "id-1")
        refusal(checkout, "id-2", code="NO_LONGER_KNOWN", path=f"/{HOSTILE}")
        refusal(make.application(cast.ada), "id-3")
    html = page(carl, here)
    assert 'href="/t/acme/refused/id-1/"' in html
    assert "SUBSCRIPTION_PENDING 403 Your application&#x27;s subscription waits for an approver." in text(html)
    assert "GET /acme/orders/v1/orders request id-1" in text(html)
    assert "<script>alert" not in html
    assert "id-3" not in html
    found = text(page(carl, f"{here}&request_id=id-1"))
    assert "request id-1" in found
    assert "id-2" not in found
    for wrong in ("id-3", "x" * 500):
        assert "No refused call has this request id" in page(carl, f"{here}&request_id={wrong}")


def test_the_activity_tells_all_of_one_application_newest_first(cast: Cast, carl: Client, checkout: Application) -> None:
    with tenant_scope(cast.acme.pk):
        credential, _ = make.credential(checkout, label="CI")
        plan = make.plan(make.api("orders"), name="gold")
        held = make.subscription(of=checkout, to=plan)
        subscriptions.suspend(held, reason=HOSTILE, by=cast.ada)
        make.subscription(of=make.application(cast.pam, name="Pams"))
    html = page(carl, f"{APPS}{checkout.pk}/?tab=activity")
    lines = [text(line) for line in re.findall(r"<li[^>]*>\s*<div>(.*?)</div>\s*</li>", html, re.DOTALL)]
    assert [line.partition(" · ")[0] for line in lines] == [
        "Ada suspended Orders (gold)", "Ada approved Orders (gold)", "Carl asked for a subscription: Orders (gold)",
        "Portico got a new secret for Checkout: CI", "Carl registered the application Checkout",
    ]  # fmt: skip
    assert "<script>alert" not in html
    assert credential.last_four not in html


def test_a_hostile_name_is_text_on_every_tab(cast: Cast, carl: Client) -> None:
    with tenant_scope(cast.acme.pk):
        made = make.application(cast.carl, name=HOSTILE, purpose=HOSTILE)
        make.credential(made, label=HOSTILE)
    for path in (APPS, *(f"{APPS}{made.pk}/?tab={tab}" for tab in ("credentials", "subscriptions", "refusals", "activity"))):
        html = page(carl, path)
        assert "&lt;script&gt;alert(1)&lt;/script&gt; 50%(x)s" in html
        assert "<script>alert" not in html


def test_a_secret_whose_time_has_come_is_not_shown_as_working(cast: Cast, carl: Client, checkout: Application) -> None:
    with tenant_scope(cast.acme.pk):
        soon, _ = make.credential(checkout, expires_at=timezone.now() + timedelta(days=1))
        Credential.objects.filter(pk=soon.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    told = text(page(carl, f"{APPS}{checkout.pk}/"))
    assert "Expired" in told
    assert "Revoke now" not in told


def test_who_asked_sees_that_one_of_two_has_approved_it(cast: Cast, carl: Client, checkout: Application) -> None:
    with tenant_scope(cast.acme.pk):
        plan = make.plan(make.api("orders"), approval="two_people")
        asked = make.subscription(status="pending", of=checkout, to=plan)
        subscriptions.approve(asked, by=cast.ada)
    assert "1 of 2 approved, by Ada" in text(page(carl, f"{APPS}{checkout.pk}/?tab=subscriptions"))
