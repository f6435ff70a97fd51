"""Carl sends calls from the reference of an API, in a browser on the real stack: they go through Envoy and back."""

import base64
import re
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from portal.demo.call import expect as answered
from tests.e2e.hands import Keyboard
from tests.e2e.pages import ADA, CARL, PAM
from tests.e2e.test_main_job import get_token, settles
from tests.e2e.world import TENANT, World, complaints

EVIL = "<h1>Hello</h1><script>document.title = 'stolen'</script><img src=x onerror=\"document.title = 'stolen'\">"
# What httpbin, the demo's upstream, answers in other ways than JSON.
WAYS = {
    "evil": f"/base64/{base64.urlsafe_b64encode(EVIL.encode()).decode()}",
    "picture": "/image/png",
    "away": "/redirect/1",
    "nothing": "/status/204",
}


READS = "odd/v1/anything/a"


def operation(method: str, **more: Any) -> dict[str, Any]:
    return {method: {"responses": {"200": {"description": "What comes"}}, **more}}


DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Odd", "version": "1"},
    "paths": {path: operation("get", operationId=name) for name, path in WAYS.items()}
    | {
        "/anything/{thing}": {
            "parameters": [
                {"name": "thing", "in": "path", "required": True, "schema": {"type": "string"}, "example": "a"},
                {"name": "X-Shop", "in": "header", "schema": {"type": "string"}},
                {"name": "theme", "in": "cookie", "schema": {"type": "string"}},
            ],
            **operation("get", operationId="readThing"),
            **operation("post", operationId="writeThing", requestBody={"content": {"application/json": {"example": {"number": 1}}}}),
        }
    },
}


@dataclass(frozen=True, slots=True)
class Odd:
    """The API's page, and by what Carl's application calls it."""

    page: str
    subscription: str
    token: str


@pytest.fixture(scope="module")
def odd(world: World) -> Odd:
    """Once it may be called at the gateway."""
    with world.rest(PAM) as pam, world.rest(CARL) as carl:
        answered(pam.post("apis/", json={"slug": "odd", "name": "Odd", "description": ""}), 201)
        answered(pam.post("apis/odd/versions/", json={"name": "v1"}), 201)
        revision = {"document": DOCUMENT, "upstream": {"url": world.stack.upstream_url}}
        answered(pam.post("apis/odd/versions/v1/revisions/", json=revision), 201)
        answered(pam.post("apis/odd/versions/v1/revisions/1/live/"), 200)
        plan = {"name": "open", "calls": 600, "seconds": 60, "approval": "automatic"}
        answered(pam.post("apis/odd/plans/", json=plan), 201)
        answered(pam.post("apis/odd/plans/open/publish/"), 200)
        answered(pam.post("apis/odd/versions/v1/publish/"), 200)
        mine = answered(carl.post("applications/", json={"name": "Curious", "purpose": "To see what comes."}), 201)
        secret = answered(carl.post(f"applications/{mine['id']}/credentials/", json={}), 201)
        asked = {"application": mine["id"], "api": "odd", "plan": "open", "purpose": "To see."}
        subscription = answered(carl.post("subscriptions/", json=asked), 201)["id"]
    token = get_token(world, (secret["client_id"], secret["client_secret"]))
    settles(world, token, 200, path=READS)
    return Odd(f"/t/{TENANT}/apis/odd/?tab=reference&operation=", subscription, token)


def block(page: Page) -> Locator:
    return page.get_by_role("region", name="Try it")


def sent(page: Page) -> Locator:
    """The block, once what was sent is answered."""
    block(page).get_by_role("button", name="Send").click()
    expect(block(page).get_by_text("On its way")).to_have_count(0)
    return block(page)


def told(page: Page, name: str) -> Locator:
    return block(page).locator(f"[data-told={name}]")


def test_carl_tries_an_operation_and_reads_the_answer(world: World) -> None:
    with world.person(CARL) as page:
        tokens: list[str] = []
        page.on("request", lambda request: tokens.append(request.headers.get("authorization", "")))
        page.goto(f"/t/{TENANT}/apis/orders/?tab=reference&operation=getOrder")
        block(page).get_by_label("id").fill("a b")
        with page.expect_response(lambda answer: answer.url.startswith(world.stack.gateway_url)) as called:
            sent(page)
        assert (called.value.status, called.value.url) == (200, f"{world.stack.gateway_url}/{TENANT}/orders/v1/orders/a%20b")
        expect(told(page, "status")).to_have_text("200 OK")
        expect(told(page, "measured")).to_contain_text(re.compile(r"^\d+ ms · .* · application/json"))
        expect(told(page, "body")).to_contain_text('\n  "method": "GET"')
        block(page).get_by_text("The same with curl").click()
        expect(told(page, "curl")).to_contain_text(f"curl '{called.value.url}' \\\n  -H \"Authorization: Bearer $TOKEN\"")
        block(page).get_by_text("Headers that a page may read").click()
        expect(told(page, "headers")).to_contain_text("x-request-id: ")
        # The token is nowhere that stays.
        (bearer,) = {each.removeprefix("Bearer ") for each in tokens if each.startswith("Bearer ")}
        kept = page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie, document.documentElement.outerHTML])")
        assert bearer.count(".") == 2
        assert bearer not in kept
        assert bearer not in page.content()
        assert complaints(page) == []


def test_by_keyboard_on_a_small_screen_what_may_change_something_is_asked_about(world: World, odd: Odd) -> None:
    with world.person(CARL, width=390) as page:
        page.goto(f"{odd.page}writeThing")
        hands = Keyboard(page)
        hands.press("button", "Send")
        expect(told(page, "line")).to_be_hidden()
        hands.write("X-Shop header (optional)", "Köln")
        page.get_by_label("Really send this POST: it may change or delete data.").press("Space")
        hands.press("button", "Send")
        expect(told(page, "status")).to_have_text("200 OK")
        expect(told(page, "body")).to_contain_text('"X-Shop": "K%C3%B6ln"')
        expect(told(page, "body")).to_contain_text('"number": 1')
        expect(page.get_by_label("Really send this POST: it may change or delete data.")).not_to_be_checked()
        expect(block(page).get_by_role("button", name="Send")).to_be_focused()
        expect(block(page).get_by_label("theme cookie")).to_be_disabled()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert complaints(page) == []


def test_whatever_an_upstream_answers_is_only_text(world: World, odd: Odd) -> None:
    with world.person(CARL) as page:
        page.goto(f"{odd.page}evil")
        sent(page)
        expect(told(page, "body")).to_have_text(EVIL)
        assert "stolen" not in page.title()
        page.goto(f"{odd.page}picture")
        expect(sent(page)).to_contain_text("The body is no text, so it is not shown here.")
        expect(told(page, "measured")).to_contain_text("image/png")
        page.goto(f"{odd.page}nothing")
        expect(sent(page)).to_contain_text("The answer has no body.")
        page.goto(f"{odd.page}away")
        expect(sent(page)).to_contain_text("leads to another address, which this page does not follow")
        assert complaints(page) == []


def test_a_long_answer_is_cut(world: World, odd: Odd) -> None:
    with world.person(CARL) as page:
        page.goto(f"{odd.page}writeThing")
        block(page).get_by_label("Body").fill('"' + "ä" * 150_000 + '"')
        block(page).get_by_role("checkbox").check()
        expect(sent(page)).to_contain_text("This is the beginning: the body is longer than 256 KB.")
        assert len(told(page, "body").inner_text()) <= 256 * 1024


def test_what_no_path_can_hold_is_not_sent(world: World, odd: Odd) -> None:
    with world.person(CARL) as page:
        page.goto(f"{odd.page}readThing")
        for wrong in ("..", ".", "a/b", "a\\b", ""):
            block(page).get_by_label("thing").fill(wrong)
            block(page).get_by_role("button", name="Send").click()
            expect(told(page, "line")).to_be_hidden()
        block(page).get_by_label("thing").fill("...")
        sent(page)
        expect(told(page, "status")).to_have_text("200 OK")


def test_a_refusal_leads_to_its_explanation_and_to_the_call(world: World, odd: Odd) -> None:
    with world.person(CARL) as page, world.rest(PAM) as pam:
        page.goto(f"{odd.page}readThing")
        answered(pam.post("apis/odd/versions/v1/block/", json={"reason": "A test."}), 200)
        settles(world, odd.token, 503, "API_BLOCKED", path=READS)
        sent(page)
        expect(told(page, "status")).to_have_text("503 Service Unavailable")
        expect(block(page).get_by_role("link", name="API_BLOCKED")).to_have_attribute("href", "/refusals/API_BLOCKED/")
        address = block(page).get_by_role("link", name="This call among the refused ones").get_attribute("href") or ""
        answered(pam.post("apis/odd/versions/v1/unblock/"), 200)
        settles(world, odd.token, 200, path=READS)
        # It is told about a second after the call; on a busy machine later.
        for _ in range(10):
            page.goto(address)
            if page.get_by_role("link", name="API_BLOCKED").count():
                break
            page.wait_for_timeout(1000)
        expect(page.get_by_role("link", name="API_BLOCKED")).to_have_count(1)


def test_without_a_token_or_a_gateway_it_is_said(world: World, odd: Odd) -> None:
    with world.person(CARL) as page, world.rest(ADA) as ada:
        page.goto(f"{odd.page}readThing")
        answered(ada.post(f"subscriptions/{odd.subscription}/suspend/", json={"reason": "A test."}), 200)
        expect(sent(page)).to_contain_text("with a subscription that is active")
        expect(told(page, "status")).to_be_hidden()
        answered(ada.post(f"subscriptions/{odd.subscription}/resume/"), 200)
        page.route(f"{world.stack.gateway_url}/**", lambda route: route.abort())
        expect(sent(page)).to_contain_text("No answer that a page may read")


def test_who_has_no_subscription_is_led_to_one_and_without_scripts_there_is_none(world: World, odd: Odd) -> None:
    with world.person(CARL) as page:
        page.goto(f"/t/{TENANT}/apis/payments/?tab=reference")
        expect(block(page).get_by_role("button", name="Send")).to_have_count(0)
        block(page).get_by_role("link", name="Subscribe one").click()
        expect(page).to_have_url(re.compile("/apis/payments/subscribe/$"))
    with world.person(CARL, scripts=False) as page:
        page.goto(f"{odd.page}readThing")
        expect(page.locator("#try")).to_be_hidden()


def test_no_other_page_reaches_the_gateway(world: World, odd: Odd) -> None:
    assert httpx.get(f"{world.stack.gateway_url}/{TENANT}/{READS}").status_code == 401
    with world.person(CARL) as page:
        page.goto(f"/t/{TENANT}/")
        assert page.evaluate(f"fetch('{world.stack.gateway_url}/').then(() => 'reached', () => 'kept away')") == "kept away"
        assert any("Content Security Policy" in each for each in complaints(page))
