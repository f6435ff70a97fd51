"""What Portico is for, done in a browser on the real stack: register, subscribe, approve, call, suspend, be refused."""

import re
import time

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.hands import Keyboard, Mouse
from tests.e2e.pages import ADA, CARL
from tests.e2e.world import PATIENCE, TENANT, World, complaints

WAYS: dict[str, tuple[type[Mouse], bool]] = {"mouse": (Mouse, True), "keyboard": (Keyboard, True), "no scripts": (Mouse, False)}


@pytest.mark.parametrize("way", WAYS)
def test_the_main_job(world: World, way: str) -> None:
    hands, scripts = WAYS[way]
    name = f"Walk by {way}"
    with world.person(scripts=scripts) as carls, world.person(scripts=scripts) as adas:
        carl, ada = hands(carls), hands(adas)
        sign_in(world, carl, CARL)
        client = register(carl, name)
        subscribe(carl, name)
        expect(carls.get_by_text("Pending").first).to_be_visible()
        token = get_token(world, client)
        settles(world, token, 403, "SUBSCRIPTION_PENDING")

        sign_in(world, ada, ADA)
        ada.press("link", re.compile("^Requests"))
        ada.press("link", re.compile(f"^{name} → Orders"))
        expect(adas.locator("#request-title")).to_contain_text(name)
        ada.press("button", "Approve")
        expect(adas.locator("#request > header .badge")).to_have_text("Active")
        enforced(adas)
        settles(world, token, 200)

        ada.press("link", "The subscription")
        ada.press("link", "Suspend…")
        ada.write("Reason", "It calls too often at night.")
        ada.press("button", "Suspend")
        expect(adas.get_by_text("Suspended").first).to_be_visible()
        enforced(adas)
        settles(world, token, 403, "SUBSCRIPTION_SUSPENDED")
        assert complaints(carls) == []
        assert complaints(adas) == []


def sign_in(world: World, hands: Mouse, email: str) -> None:
    hands.page.goto("/")
    hands.write("E-mail", email)
    hands.write("Password", world.password(email))
    hands.press("button", "Sign in")
    expect(hands.page).to_have_url(re.compile(r"/t/|/tenants/"))
    if "/tenants/" in hands.page.url:
        hands.press("link", re.compile("^Acme"))


def register(carl: Mouse, name: str) -> tuple[str, str]:
    """A new application with a secret: (client id, secret)."""
    carl.press("link", "My applications")
    carl.press("link", "Register an application")
    carl.write("Name", name)
    carl.write("Purpose", "It shows that the main job can be done.")
    carl.press("button", "Register")
    expect(carl.page.get_by_role("heading", level=1)).to_contain_text(name)
    carl.press("link", "Add the first credential")
    carl.press("link", re.compile("^Client secret"))
    carl.press("button", "Make the secret")
    secret = carl.page.locator("#the-secret").inner_text()
    client_id = carl.page.get_by_text(re.compile(r"^ptc_app_\w+$")).first.inner_text()
    carl.press("link", "I have stored it")
    expect(carl.page.locator("body")).not_to_contain_text(secret)
    return client_id, secret


def subscribe(carl: Mouse, name: str) -> None:
    carl.press("link", "Catalogue")
    carl.press("link", re.compile("^Orders"))
    carl.press("link", "Subscribe")
    carl.choose("Application", name)
    carl.pick(re.compile("^silver"))
    carl.write("Purpose", "Show people their orders.")
    carl.press("button", "Subscribe")
    expect(carl.page.get_by_role("heading", level=1)).to_contain_text(name)


def get_token(world: World, client: tuple[str, str]) -> str:
    address = f"{world.stack.portal_url}/t/{TENANT}/oauth/token"
    answer = httpx.post(address, auth=client, data={"grant_type": "client_credentials"}, timeout=PATIENCE).raise_for_status()
    return str(answer.json()["access_token"])


def settles(world: World, token: str, status: int, code: str = "", *, path: str = "orders/v1/orders") -> None:
    """The call, once the gateway answers it so; at once where the receipt was already on the screen."""
    until = time.monotonic() + PATIENCE
    while True:
        address = f"{world.stack.gateway_url}/{TENANT}/{path}"
        answer = httpx.get(address, headers={"authorization": f"Bearer {token}"}, timeout=PATIENCE)
        told = answer.status_code, answer.headers.get("x-portico-refusal", "")
        if told == (status, code) or time.monotonic() > until:
            assert told == (status, code), answer.text
            return
        time.sleep(0.05)


def enforced(page: Page) -> None:
    """The receipt stands beside the decision; without scripts it is asked for by hand."""
    receipt = page.locator("#request, .head").get_by_text("Enforced on 1/1 gateways")
    if page.evaluate("document.documentElement.classList.contains('js')"):
        expect(receipt.first).to_be_visible()
        return
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if receipt.count():
            return
        page.wait_for_timeout(250)
        page.reload()
    raise AssertionError("The receipt never came.")
