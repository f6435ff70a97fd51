"""A developer's and an approver's day, in a browser on the real stack, with scripts and without: what is asked, answered, decided, undone,
called, refused, rolled and ended.
"""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.hands import Mouse
from tests.e2e.pages import ADA, CARL
from tests.e2e.test_main_job import enforced, get_token, register, settles, sign_in, subscribe
from tests.e2e.world import World, complaints

WAYS = {"mouse": True, "no scripts": False}


@pytest.mark.parametrize("way", WAYS)
def test_a_day(world: World, way: str) -> None:
    name = f"Day by {way}"
    with world.person(scripts=WAYS[way]) as carls, world.person(scripts=WAYS[way]) as adas:
        carl, ada = Mouse(carls), Mouse(adas)
        sign_in(world, carl, CARL)
        sign_in(world, ada, ADA)
        client = register(carl, name)
        subscribe(carl, name)
        asked_and_answered(carl, ada, name)
        undone_and_rejected(ada)
        asks_again(carl, name)
        approved(ada, name)
        token = get_token(world, client)
        settles(world, token, 200)
        suspended_and_resumed(world, carl, ada, name, token)
        new = rolled(carl, name, client[0])
        token = get_token(world, new)
        settles(world, token, 200)
        cancelled(carl, name)
        settles(world, token, 403, "SUBSCRIPTION_CANCELLED")
        by_rule(carl, ada, name)
        assert complaints(carls) == []
        assert complaints(adas) == []


def own(carl: Mouse, name: str, tab: str = "") -> None:
    carl.press("link", "My applications")
    carl.press("link", name)
    if tab:
        carl.press("link", re.compile(f"^{tab}"))


def to_the_request(ada: Mouse, name: str) -> None:
    ada.press("link", re.compile("^Requests"))
    ada.press("link", re.compile(f"^{name} → Orders"))
    expect(ada.page.locator("#request-title")).to_contain_text(name)


def asked_and_answered(carl: Mouse, ada: Mouse, name: str) -> None:
    """Before the decision; what was said stands at both."""
    to_the_request(ada, name)
    ada.press("button", "Ask")
    expect(ada.page.locator("#request [aria-invalid=true]")).to_have_count(1)
    ada.write("Reason or question", "How many calls a night?")
    ada.press("button", "Ask")
    expect(ada.page.locator("#request").get_by_text("How many calls a night?")).to_be_visible()
    own(carl, name, "Subscriptions")
    expect(carl.page.get_by_text("How many calls a night?").first).to_be_visible()
    carl.press("link", re.compile("^Answer…"))
    carl.write("Answer", "A hundred at most.")
    carl.press("button", "Send the answer")
    expect(carl.page.get_by_text("Pending").first).to_be_visible()
    to_the_request(ada, name)
    expect(ada.page.locator("#request").get_by_text("A hundred at most.")).to_be_visible()


def undone_and_rejected(ada: Mouse) -> None:
    badge = ada.page.locator("#request > header .badge")
    ada.press("button", "Approve")
    expect(badge).to_have_text("Active")
    ada.press("button", re.compile("^Undo"))
    expect(badge).to_have_text("Pending")
    ada.press("button", "Reject")
    expect(ada.page.locator("#request [aria-invalid=true]")).to_have_count(1)
    ada.write("Reason or question", "Say whose orders they are.")
    ada.press("button", "Reject")
    expect(badge).to_have_text("Rejected")
    enforced(ada.page)


def asks_again(carl: Mouse, name: str) -> None:
    own(carl, name, "Subscriptions")
    expect(carl.page.get_by_text("“Say whose orders they are.”").first).to_be_visible()
    carl.press("link", re.compile("^Ask again"))
    carl.choose("Application", name)
    carl.pick(re.compile("^silver"))
    carl.write("Purpose", "Show people their own orders.")
    carl.press("button", "Subscribe")
    expect(carl.page.get_by_role("heading", level=1)).to_contain_text(name)


def approved(ada: Mouse, name: str) -> None:
    """The queue says what was rejected before, and the receipt where it is enforced."""
    to_the_request(ada, name)
    expect(ada.page.locator("#request").get_by_text("Say whose orders they are.").first).to_be_visible()
    ada.press("button", "Approve")
    expect(ada.page.locator("#request > header .badge")).to_have_text("Active")
    enforced(ada.page)


def suspended_and_resumed(world: World, carl: Mouse, ada: Mouse, name: str, token: str) -> None:
    """And Carl reads why his call was refused."""
    ada.press("link", "The subscription")
    ada.press("link", "Suspend…")
    ada.write("Reason", "It calls too often at night.")
    ada.press("button", "Suspend")
    expect(ada.page.get_by_text("Suspended").first).to_be_visible()
    enforced(ada.page)
    settles(world, token, 403, "SUBSCRIPTION_SUSPENDED")
    own(carl, name, "Subscriptions")
    expect(carl.page.get_by_text("“It calls too often at night.”").first).to_be_visible()
    refusal = carl.page.get_by_role("link", name="SUBSCRIPTION_SUSPENDED").first
    for _ in range(20):
        own(carl, name, "Refusals")
        if refusal.count():
            break
        carl.page.wait_for_timeout(250)
    refusal.click()
    expect(carl.page.get_by_role("heading", level=1)).to_have_text("Your application's subscription is suspended.")
    expect(carl.page.get_by_text("“It calls too often at night.”")).to_be_visible()
    carl.page.go_back()
    ada.press("link", "Resume…")
    ada.press("button", "Resume")
    expect(ada.page.get_by_text("Active").first).to_be_visible()
    enforced(ada.page)
    settles(world, token, 200)


def rolled(carl: Mouse, name: str, client_id: str) -> tuple[str, str]:
    own(carl, name, "Credentials")
    carl.press("link", re.compile("^Roll…"))
    carl.press("button", "Roll it")
    secret = carl.page.locator("#the-secret").inner_text()
    carl.press("link", "I have stored it")
    return client_id, secret


def cancelled(carl: Mouse, name: str) -> None:
    own(carl, name, "Subscriptions")
    carl.press("link", re.compile("^Cancel…"))
    carl.press("button", "Cancel the subscription")
    expect(carl.page.get_by_text("Cancelled").first).to_be_visible()


def by_rule(carl: Mouse, ada: Mouse, name: str) -> None:
    """A rule of Ada's decides what a test application asks for, once she has seen what it would have done."""
    ada.press("link", re.compile("^Requests"))
    ada.press("link", "Approval rules")
    ada.press("link", "New rule")
    ada.write("Name", f"Tests of {name}")
    ada.page.get_by_label(re.compile("^Applications")).select_option(label="Test")
    ada.press("button", "Make the rule")
    expect(ada.page.get_by_role("heading", name="What it would have done")).to_be_visible()
    ada.press("link", "Switch it on…")
    ada.press("button", "Switch it on")
    expect(ada.page.get_by_role("link", name="Switch it off…")).to_be_visible()
    carl.press("link", "My applications")
    carl.press("link", "Register an application")
    carl.write("Name", f"{name}, a test")
    carl.write("Purpose", "It tries the orders.")
    carl.pick(re.compile("^Test"))
    carl.press("button", "Register")
    subscribe(carl, f"{name}, a test")
    expect(carl.page.get_by_text("Active").first).to_be_visible()
    expect(carl.page.get_by_text("by a rule").first).to_be_visible()
    ada.press("link", "Delete…")
    ada.press("button", "Delete the rule")
    expect(ada.page.get_by_text(f"The rule “Tests of {name}” is deleted.").first).to_be_visible()
    expect(ada.page.get_by_role("link", name=f"Tests of {name}")).to_have_count(0)
