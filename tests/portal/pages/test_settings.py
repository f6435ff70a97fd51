"""The tenant's settings, its logo, and its catalogue where everybody may read it."""

import re
from io import BytesIO
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from tenants.actions import add_member
from tenants.models import Event, Tenant, TenantSettings
from tests import make
from tests.conftest import Cast
from tests.portal.pages.test_console import signed_in

PAGE = "/t/acme/console/settings/"


@pytest.fixture
def ada(in_acme: Cast) -> Client:
    return signed_in(in_acme.ada)


def as_it_stands(**changed: Any) -> dict[str, Any]:
    return {
        "name": "Acme", "accent": "teal", "support_address": "", "catalogue": "members", "sign_up": "invitation", "sign_up_domains": "",
        "sign_up_role": "developer", "approval_by_people": "True", "usage_minutes_days": "30", "usage_days": "400", **changed,
    }  # fmt: skip


def picture(kind: str = "PNG", side: int = 600) -> bytes:
    out = BytesIO()
    Image.new("RGB", (side, side // 2), "teal").save(out, kind)
    return out.getvalue()


def test_ada_changes_what_the_tenant_shows(ada: Client, in_acme: Cast) -> None:
    sent = as_it_stands(name="Acme & Sons", accent="violet", support_address="help@acme.example", mfa_required="on")
    assert ada.post(PAGE, sent).status_code == 302
    acme, settings = Tenant.objects.get(slug="acme"), TenantSettings.objects.get()
    assert (acme.name, acme.accent, settings.support_address, settings.mfa_required) == ("Acme & Sons", "violet", "help@acme.example", True)
    event = Event.objects.filter(kind="tenant.changed").get()
    assert event.data["was"] == {"name": "Acme", "accent": "teal", "support_address": "", "mfa_required": False}
    assert event.data["now"]["name"] == "Acme & Sons"


def test_the_same_again_is_no_event(ada: Client, in_acme: Cast) -> None:
    assert ada.post(PAGE, as_it_stands(), follow=True).status_code == 200
    assert not Event.objects.filter(kind="tenant.changed").exists()


@pytest.mark.parametrize(
    "wrong,said",
    [
        ({"name": ""}, "Fill this in."),
        ({"name": "x" * 81}, "81 characters"),
        ({"accent": "#ff0000"}, "Select a valid choice"),
        ({"usage_minutes_days": "1"}, "Give a number from 2 to 90."),
        ({"usage_minutes_days": "99999999999"}, "Give a number from 2 to 90."),
        ({"usage_days": "801"}, "Give a number from 2 to 800."),
        ({"usage_days": "long"}, "Give a whole number."),
        ({"support_address": "nobody"}, "This is no e-mail address."),
        ({"sign_up": "domains"}, "Name at least one domain"),
        ({"sign_up": "domains", "sign_up_domains": "acme"}, "“acme” is no domain"),
        ({"sign_up": "domains", "sign_up_domains": "10.0.0.1"}, "is no domain"),
        ({"sign_up": "domains", "sign_up_domains": "\n".join(f"a{n}.example" for n in range(21))}, "20 domains are the most"),
        ({"sign_up_role": "admin"}, "Select a valid choice"),
    ],
)  # fmt: skip
def test_what_is_wrong_comes_back_with_a_sentence_and_all_that_was_typed(ada: Client, wrong: dict[str, str], said: str) -> None:
    answer = ada.post(PAGE, as_it_stands(**{"support_address": "help@acme.example", **wrong}))
    assert answer.status_code == 422
    text = answer.content.decode()
    assert said in text
    assert "help@acme.example" in text or "nobody" in text
    assert not Event.objects.filter(kind="tenant.changed").exists()


def test_domains_have_one_spelling(ada: Client, in_acme: Cast) -> None:
    assert ada.post(PAGE, as_it_stands(sign_up="domains", sign_up_domains="@Acme.Example, bücher.example\nacme.example")).status_code == 302
    assert TenantSettings.objects.get().sign_up_domains == ["acme.example", "xn--bcher-kva.example"]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_a_logo_is_made_small_and_written_anew(ada: Client, in_acme: Cast, kind: str) -> None:
    sent = SimpleUploadedFile("logo", picture(kind), content_type="text/html")
    assert ada.post(f"{PAGE}logo/", {"logo": sent}).status_code == 302
    digest = Tenant.objects.get(slug="acme").logo_digest
    answer = ada.get(f"/t/acme/logo/{digest}.png")
    assert (answer["Content-Type"], answer["Cache-Control"]) == ("image/png", "private, max-age=31536000, immutable")
    with Image.open(BytesIO(answer.content)) as shown:
        assert (shown.format, shown.size) == ("PNG", (256, 128))
    assert f"/t/acme/logo/{digest}.png" in ada.get(PAGE).content.decode()
    assert ada.get("/t/acme/logo/0000000000000000.png").status_code == 404
    ada.post(f"{PAGE}logo/", {"remove": "1"})
    assert ada.get(f"/t/acme/logo/{digest}.png").status_code == 404


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_of_a_logo_nothing_but_pixels_is_kept(ada: Client, in_acme: Cast, kind: str) -> None:
    written, exif = BytesIO(), Image.Exif()
    exif[0x010E] = "taken at home"
    Image.new("RGB", (8, 8), "red").save(written, kind, icc_profile=b"whatever its sender likes", exif=exif)
    ada.post(f"{PAGE}logo/", {"logo": SimpleUploadedFile("logo", written.getvalue())})
    kept = bytes(TenantSettings.objects.get().logo)
    with Image.open(BytesIO(kept)) as shown:
        assert shown.info == {}


@pytest.mark.parametrize(
    "sent",
    [
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        b"<html><script>alert(1)</script></html>",
        picture()[:200],
        b"",
    ],
    ids=["svg", "html", "half a picture", "nothing"],
)
def test_what_is_no_picture_is_refused(ada: Client, in_acme: Cast, sent: bytes) -> None:
    answer = ada.post(f"{PAGE}logo/", {"logo": SimpleUploadedFile("logo.png", sent, content_type="image/png")})
    assert answer.status_code == 422
    assert Tenant.objects.get(slug="acme").logo_digest == ""


def test_an_oversized_logo_is_refused(ada: Client, in_acme: Cast) -> None:
    big = SimpleUploadedFile("logo.png", picture() + b"\0" * 1024 * 1024)
    assert "larger than 1 MB" in ada.post(f"{PAGE}logo/", {"logo": big}).content.decode()
    wide = SimpleUploadedFile("logo.png", picture(side=5000))
    assert "4096 pixels" in ada.post(f"{PAGE}logo/", {"logo": wide}).content.decode()


def test_over_rest(in_acme: Cast, rest: Any) -> None:
    ada = rest(in_acme.ada)
    found = ada.patch("/api/v1/tenants/acme/settings/", {"catalogue": "public", "accent": "blue"})
    assert (found.status_code, found.json()["catalogue"], found.json()["accent"]) == (200, "public", "blue")
    assert ada.get("/api/v1/tenants/acme/settings/").json() == found.json()
    assert ada.patch("/api/v1/tenants/acme/settings/", {"colour": "blue"}).status_code == 422
    assert ada.patch("/api/v1/tenants/acme/settings/", {"sign_up": "domains"}).status_code == 422
    assert rest(in_acme.pam).get("/api/v1/tenants/acme/settings/").status_code == 403
    assert rest(in_acme.eve).get("/api/v1/tenants/acme/settings/").status_code == 404


def test_nobody_lets_people_in_with_a_role_that_they_do_not_hold(in_acme: Cast, rest: Any) -> None:
    """Else whoever has the settings alone would come back with another address, and publish."""
    keeper, only = make.user("keeper@acme.example"), make.custom_role("Settings", ["settings.manage"])
    add_member(keeper, roles=[], custom_roles=[only.pk], by=None)
    browser, over_rest = signed_in(keeper), rest(keeper)
    assert ">Publisher<" not in browser.get(PAGE).content.decode()
    assert browser.post(PAGE, as_it_stands(sign_up="open", sign_up_role="publisher")).status_code == 422
    answer = browser.post(PAGE, as_it_stands(sign_up="open"))
    assert answer.status_code == 409
    assert "You don&#x27;t hold “applications.own” yourself" in answer.content.decode()
    refused = over_rest.patch("/api/v1/tenants/acme/settings/", {"sign_up": "open", "sign_up_role": "publisher"})
    assert (refused.status_code, TenantSettings.objects.get().sign_up) == (409, "invitation")
    TenantSettings.objects.update(sign_up="open", sign_up_role="publisher")
    assert over_rest.patch("/api/v1/tenants/acme/settings/", {"sign_up_role": "developer"}).status_code == 409
    # What was so before stays, and is no reason to refuse the rest.
    assert browser.post(PAGE, as_it_stands(sign_up="open", sign_up_role="publisher", name="Acme & Sons")).status_code == 302
    assert over_rest.patch("/api/v1/tenants/acme/settings/", {"sign_up": "invitation"}).status_code == 200


def test_visitors_read_a_public_catalogue_and_nothing_else(in_acme: Cast) -> None:
    api = make.api("orders")
    make.plan(api)
    visitor, eve = Client(), signed_in(in_acme.eve)
    for reader, status in ((visitor, 302), (eve, 404)):
        assert reader.get("/t/acme/").status_code == status, "its catalogue is for members"
    TenantSettings.objects.update(catalogue="public")
    for reader in (visitor, eve):
        for address in ("/t/acme/", "/t/acme/apis/orders/", "/t/acme/apis/orders/?tab=reference", "/t/acme/apis/orders/?tab=plans"):
            assert reader.get(address).status_code == 200, address
        assert reader.get("/t/acme/apis/orders/v1/openapi.json").status_code == 200
        assert reader.get("/t/acme/console/apis/").status_code in {302, 404}
        assert reader.get("/t/acme/apps/").status_code in {302, 404}
        assert reader.get("/t/acme/apis/orders/subscribe/").status_code in {302, 404}
    text = visitor.get("/t/acme/apis/orders/").content.decode()
    assert "Sign in to subscribe" in text
    assert "/console/" not in text
    Tenant.objects.filter(slug="acme").update(status="suspended")
    assert visitor.get("/t/acme/").status_code == 302


def test_pages_wear_the_accent(ada: Client, in_acme: Cast) -> None:
    Tenant.objects.filter(slug="acme").update(accent="pink")
    assert 'data-accent="pink"' in ada.get("/t/acme/").content.decode()


def test_a_new_plan_proposes_what_the_settings_say(in_acme: Cast) -> None:
    pam = signed_in(in_acme.pam)
    make.api("orders")
    for by_people, chosen in ((True, "manual"), (False, "automatic")):
        TenantSettings.objects.update(approval_by_people=by_people)
        page = pam.get("/t/acme/console/plans/new/").content.decode()
        assert re.search(rf'value="{chosen}"[^>]* checked', page)
        assert len(re.findall(r'name="approval"[^>]* checked', page)) == 1


def test_the_catalogue_says_where_questions_go(ada: Client, in_acme: Cast) -> None:
    assert "Questions go to" not in ada.get("/t/acme/").content.decode()
    TenantSettings.objects.update(support_address="help@acme.example")
    assert 'Questions go to <a href="mailto:help@acme.example">' in ada.get("/t/acme/").content.decode()
