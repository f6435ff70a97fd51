"""An API's whole life in a browser on the real stack, from its document to 410, with a real call at each turn."""

import json
import re
import time
from copy import deepcopy
from datetime import timedelta
from typing import Any

import httpx
from django.utils import timezone
from playwright.sync_api import Page, expect

from tests.e2e.hands import Mouse
from tests.e2e.pages import ADA, CARL, PAM
from tests.e2e.test_main_job import get_token, register
from tests.e2e.world import TENANT, World, complaints

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Parcels", "version": "1", "description": "Where each parcel is."},
    "paths": {
        "/parcels": {"get": {"operationId": "listParcels", "summary": "All of them", "responses": {"200": {"description": "Parcels"}}}},
        "/depots": {"get": {"operationId": "listDepots", "summary": "Where they lie", "responses": {"200": {"description": "Depots"}}}},
    },
}
CONSOLE = f"/t/{TENANT}/console/apis/parcels/"
# What a busy machine may need; each wait ends as soon as it can.
PATIENCE = 20.0


def test_an_api_from_its_document_to_410(world: World) -> None:
    with world.person(PAM) as pams, world.person(CARL) as carls, world.person(ADA) as adas:
        pam, carl, ada = Mouse(pams), Mouse(carls), Mouse(adas)
        # Pam has begun another API, which others of these tests look at.
        publish(world, ada)
        carls.goto(f"/t/{TENANT}/")
        client = register(carl, "Parcel tracker")
        token = get_token(world, client)
        answers(world, token, 403, "SUBSCRIPTION_REQUIRED")
        subscribe(carl)
        answers(world, token, 403, "SUBSCRIPTION_PENDING")
        approve(ada)
        assert "deprecation" not in answers(world, token, 200).headers

        breaking_revision(world, pam)
        answers(world, token, 200)
        overridden(pam)
        answers(world, token, 404, "NO_SUCH_ROUTE")
        pams.goto(f"{CONSOLE}v1/revisions/1/")
        pam.press("link", "Go back to revision 1…")
        pam.press("button", "Go back to revision 1")
        expect(pams.get_by_text("Revision 1 of Parcels v1 is live.").first).to_be_visible()
        answers(world, token, 200)

        does(pam, "Block…", "Block it", "Parcels v1 is blocked.", Reason="It tells too much.")
        answers(world, token, 503, "API_BLOCKED")
        does(pam, "Unblock…", "Unblock it", "Parcels v1 answers again.")
        answers(world, token, 200)

        does(pam, "Deprecate…", "Deprecate it", "Parcels v1 is deprecated.", Reason="Parcels are told by Orders.")
        going = answers(world, token, 200, going=True)
        assert 'rel="deprecation"' in ", ".join(going.headers.get_list("link"))
        # A brown-out begins in an hour at the earliest, which no test waits for; tests/gateway has one that runs.
        soon = timezone.localtime() + timedelta(days=2)
        does(pam, "Plan a brown-out…", "Plan it", "is planned.", Begins=soon.strftime("%Y-%m-%dT%H:%M"))

        pams.goto(f"{CONSOLE}v1/life/")
        pam.press("link", "Retire…")
        expect(pams.get_by_text("nobody has acknowledged that it goes: Parcel tracker.").first).to_be_visible()
        acknowledge(carl)
        does(pam, "Retire…", "Retire it", "Parcels v1 is retired.", **{"Reason (optional)": "Nobody is left."})
        gone = answers(world, token, 410, "API_RETIRED")
        assert gone.headers["deprecation"]
        assert call(world, "").status_code == 410, "whoever calls hears so"
        for page in (pams, carls, adas):
            assert complaints(page) == []


def publish(world: World, ada: Mouse) -> None:
    """In four steps, with the pages' own buttons."""
    ada.page.goto(f"/t/{TENANT}/console/new-api/")
    ada.write("OpenAPI document", json.dumps(DOCUMENT, indent=1))
    ada.press("button", "Continue")
    expect(ada.page.get_by_label("Name", exact=True)).to_have_value("Parcels")
    ada.press("button", "Continue")
    # What stands behind the demo answers anything below this path.
    ada.write("Where calls go", f"{world.stack.upstream_url}/anything")
    ada.press("button", "Check and continue")
    ada.write("Name of the plan", "free")
    ada.pick("An approver decides each request")
    ada.press("button", "Publish")
    expect(ada.page.get_by_role("heading", level=1)).to_contain_text("Parcels")
    enforced(ada.page)


def subscribe(carl: Mouse) -> None:
    carl.press("link", "Catalogue")
    carl.press("link", re.compile("^Parcels"))
    carl.press("link", "Subscribe")
    carl.choose("Application", "Parcel tracker")
    carl.pick(re.compile("^free"))
    carl.write("Purpose", "Tell people where their parcels are.")
    carl.press("button", "Subscribe")
    expect(carl.page.get_by_text("Pending").first).to_be_visible()


def approve(ada: Mouse) -> None:
    ada.page.goto(f"/t/{TENANT}/")
    ada.press("link", re.compile("^Requests"))
    ada.press("link", re.compile("^Parcel tracker → Parcels"))
    ada.press("button", "Approve")
    expect(ada.page.locator("#request > header .badge")).to_have_text("Active")


def breaking_revision(world: World, pam: Mouse) -> None:
    """Without the operation that Carl calls; its page names his application, once the gateways have told of the call."""
    changed = deepcopy(DOCUMENT)
    del changed["paths"]["/parcels"]
    pam.page.goto(CONSOLE)
    pam.press("link", "New revision")
    pam.write("OpenAPI document", json.dumps(changed, indent=1))
    pam.press("button", re.compile("^Add"))
    expect(pam.page.get_by_role("heading", level=1)).to_contain_text("Revision 2 of Parcels v1")
    until = time.monotonic() + PATIENCE
    while not pam.page.get_by_text("Parcel tracker").count():
        assert time.monotonic() < until, "The application that called is not named."
        pam.page.reload()


def overridden(pam: Mouse) -> None:
    """Refused without a word; made live with one."""
    pam.press("link", "Make live…")
    dialog = pam.page.locator("dialog[open]")
    expect(dialog.get_by_text("1 application called what breaks in the last 30 days: Parcel tracker.")).to_be_visible()
    pam.write("Reason", "The old list tells too much.")
    pam.press("button", "Make it live")
    expect(dialog.locator(".errors")).to_contain_text("1 change breaks callers.")
    pam.tick(re.compile("^Make it live all the same"))
    pam.press("button", "Make it live")
    expect(pam.page.get_by_text("Revision 2 of Parcels v1 is live.").first).to_be_visible()


def does(pam: Mouse, link: str, button: str, said: str, **fields: str) -> None:
    """One step in the life of the version, and its receipt where it has one."""
    pam.page.goto(f"{CONSOLE}v1/life/")
    pam.press("link", link)
    for label, text in fields.items():
        pam.write(label, text)
    pam.press("button", button)
    expect(pam.page.get_by_text(said).first).to_be_visible()


def acknowledge(carl: Mouse) -> None:
    carl.press("link", "My applications")
    carl.press("link", re.compile("^Parcel tracker"))
    carl.press("link", re.compile("^Acknowledge…"))
    carl.press("button", "I know")
    expect(carl.page.get_by_text("people know.").first).to_be_visible()


def enforced(page: Page) -> None:
    expect(page.get_by_text("Enforced on 1/1 gateways").first).to_be_visible()


def call(world: World, token: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return httpx.get(f"{world.stack.gateway_url}/{TENANT}/parcels/v1/parcels", headers=headers, timeout=PATIENCE)


def answers(world: World, token: str, status: int, code: str = "", *, going: bool = False) -> httpx.Response:
    """A real call's answer, once the gateway answers so."""
    until = time.monotonic() + PATIENCE
    while True:
        answer = call(world, token)
        told = answer.status_code, answer.headers.get("x-portico-refusal", "")
        if (told == (status, code) and ("deprecation" in answer.headers) == (going or status == 410)) or time.monotonic() > until:
            assert told == (status, code), answer.text
            assert ("deprecation" in answer.headers) == (going or status == 410)
            return answer
        time.sleep(0.05)
