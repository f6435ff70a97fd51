"""How somebody comes to a team and leaves it, in a browser on the real stack, by keyboard alone."""

import re
import time
from email.parser import BytesParser
from email.policy import default

from allauth.mfa.totp.internal import auth as totp
from playwright.sync_api import expect

from tests.e2e.hands import Keyboard
from tests.e2e.pages import ADA, OLGA
from tests.e2e.world import World, complaints

NINA, PASSWORD = "nina@new.example", "correct horse battery"


def test_from_signing_up_to_being_removed(world: World) -> None:
    with world.person(OLGA) as olgas, world.person() as ninas, world.person(ADA) as adas:
        olga, nina, ada = Keyboard(olgas), Keyboard(ninas), Keyboard(adas)
        who_opens_an_account(olga, "Everybody")
        secret = sign_up(world, nina)

        adas.goto("/t/acme/")
        ada.press("link", "Members")
        ada.press("link", "Invite people")
        ada.write("E-mail addresses", NINA)
        ada.press("button", "Send the invitations")
        expect(adas.get_by_text("1 person is invited.")).to_be_visible()
        ninas.goto(link(world, "Acme"))
        nina.press("button", "Accept")
        expect(ninas).to_have_url(re.compile("/t/acme/"))
        expect(ninas.get_by_role("link", name="Gateways")).to_have_count(0)

        ada.press("link", "Members")
        ada.press("link", re.compile("^Roles… Nina"))
        ada.tick(re.compile("^Admin"))
        ada.press("button", "Change the roles")
        expect(adas.get_by_role("row", name=re.compile("Nina")).get_by_text("Admin")).to_be_visible()
        ninas.reload()
        nina.press("link", "Members")
        expect(ninas.get_by_role("link", name="Invite people")).to_be_visible()

        sign_out_and_in(nina, secret)
        nina.press("link", "Members")
        expect(ninas.get_by_role("link", name="Invite people")).to_be_visible()

        ada.press("link", re.compile("^Remove… Nina"))
        ada.press("button", "Remove Nina Novák")
        expect(adas.get_by_role("row", name=re.compile("Nina"))).to_have_count(0)
        assert ninas.reload().status == 404  # type: ignore[union-attr]
        for page in (olgas, ninas, adas):
            assert complaints(page) == []
        who_opens_an_account(olga, "By invitation only")


def who_opens_an_account(olga: Keyboard, who: str) -> None:
    olga.page.goto("/platform/settings/")
    olga.pick(re.compile(f"^{who}$"))
    olga.press("button", "Save")
    expect(olga.page.get_by_text("The settings are changed.")).to_be_visible()


def sign_up(world: World, nina: Keyboard) -> str:
    """A new account with an authenticator app, whose key is returned."""
    nina.page.goto("/accounts/login/")
    nina.press("link", "Create an account")
    nina.write("Name", "Nina Novák")
    nina.write("E-mail", NINA)
    nina.write("Password", PASSWORD)
    nina.press("button", "Create the account")
    expect(nina.page.get_by_role("heading", name="Look into your mails")).to_be_visible()
    nina.page.goto(link(world, "Confirm"))
    nina.write("Password", PASSWORD)
    nina.page.keyboard.press("Enter")
    nina.page.wait_for_url("**/tenants/")

    nina.press("link", "Nina Novák")
    nina.press("link", "Set up second factors")
    nina.press("link", "Set up an authenticator app")
    nina.write("Password", PASSWORD)
    nina.press("button", "Continue")
    secret = nina.page.locator("#the-secret").inner_text().replace(" ", "")
    nina.write("Code", code(secret))
    nina.press("button", "Set up")
    expect(nina.page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    nina.press("link", "I have stored them")
    return secret


def sign_out_and_in(nina: Keyboard, secret: str) -> None:
    nina.press("button", "Sign out")
    nina.page.wait_for_url("**/accounts/login/")
    nina.write("E-mail", NINA)
    nina.write("Password", PASSWORD)
    nina.press("button", "Sign in")
    nina.write("Code", code(secret, after=True))
    nina.press("button", "Sign in")
    nina.page.wait_for_url(re.compile("/t/acme/|/tenants/"))


def code(secret: str, *, after: bool = False) -> str:
    """What an authenticator app shows; `after` is the next one, since each is taken once."""
    return str(totp.format_hotp_value(totp.hotp_value(secret, int(time.time()) // 30 + after)))


def link(world: World, subject: str) -> str:
    """Where the link of Nina's newest mail leads, once it has come."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for path in sorted((world.stack.places.var / "mail").glob("*.eml"), reverse=True):
            mail = BytesParser(policy=default).parsebytes(path.read_bytes())
            body = mail.get_body(("plain",))
            if mail["To"] == NINA and subject in mail["Subject"] and body:
                return str(re.findall(rf"{re.escape(world.stack.portal_url)}\S+", body.get_content())[0])
        time.sleep(0.2)
    raise AssertionError(f"No mail about {subject} came.")
