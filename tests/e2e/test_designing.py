"""Pam writes a document in the browser: it is checked as she types, also once it was formatted, and shown as its readers will see it."""

from playwright.sync_api import expect

from tests.e2e.pages import PAM
from tests.e2e.world import TENANT, World, complaints

NEW = f"/t/{TENANT}/console/apis/orders/v1/revisions/new/"
WRITTEN = "openapi:   3.1.0\ninfo: {title: Orders, version: '1'}\npaths: {/a: {get: {responses: {'200': {description: Fine}}}}}\n"


def test_it_is_checked_as_it_is_typed_formatted_and_shown(world: World) -> None:
    with world.person(PAM) as page:
        page.goto(NEW)
        field, problems = page.get_by_label("OpenAPI document", exact=True), page.locator("#problems")
        field.fill(WRITTEN)
        expect(problems.get_by_text("It can be published")).to_be_visible()
        page.get_by_role("button", name="Format").click()
        expect(field).to_have_value(f"{FORMATTED}")
        # The field that stands there now is another one.
        field.fill(FORMATTED.replace("paths:", "pats:"))
        expect(problems.get_by_text("must be mended").first).to_be_visible()
        page.get_by_role("button", name="Format").click()
        expect(page.get_by_text("It can be formatted once it can be read")).to_be_visible()
        expect(field).to_be_focused()
        field.fill(FORMATTED)
        expect(problems.get_by_text("It can be published")).to_be_visible()
        page.get_by_role("button", name="Preview").click()
        shown = page.get_by_role("region", name="As developers will read it")
        expect(shown).to_be_focused()
        shown.locator("summary").first.click()
        expect(shown.get_by_text("Fine").first).to_be_visible()
        assert complaints(page) == []


FORMATTED = """openapi: "3.1.0"
info:
  title: Orders
  version: "1"
paths:
  /a:
    get:
      responses:
        "200":
          description: Fine
"""
