"""Ada makes service accounts in the browser: each secret is shown once, then they are changed, rolled and ended."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from keys.actions.service_accounts import roll
from tenants.models import CustomRole, Membership, Role, ServiceAccount
from tenants.roles import permissions_of
from tests import make
from tests.conftest import Cast, base, queries
from tests.portal.pages.test_console import signed_in, text

LIST = "/t/acme/console/service-accounts/"
NEW = f"{LIST}new/"
KEY = re.compile(r"ptc_svc_\w{73}")
GIVEN = {"name": "Terraform", "description": "In CI.", "permissions": ["apis.publish"], "days": "30"}


@pytest.fixture
def ada(in_acme: Cast) -> Client:
    return signed_in(in_acme.ada)


@pytest.fixture
def account(in_acme: Cast) -> ServiceAccount:
    found, _ = make.service_account("apis.see_all", by=in_acme.ada, name="Terraform")
    return found


def one(account: ServiceAccount, then: str = "") -> str:
    return f"{LIST}{account.pk}/{then}"


def opens(secret: str, cast: Cast) -> int:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client.get(f"{base(cast.acme)}/apis/").status_code


def secret_in(response: Any) -> str:
    found = KEY.search(response.content.decode())
    assert found
    return found[0]


@pytest.mark.parametrize("then", ["list", "", "edit/", "roll/", "revoke/"])
def test_who_manages_them_gets_in_and_nobody_else(in_acme: Cast, account: ServiceAccount, then: str) -> None:
    address = LIST if then == "list" else one(account, then)
    for user, status in (
        (in_acme.ada, 200),
        (make.member(in_acme.acme, None, Role.APPROVER), 403),
        (in_acme.carl, 403),
        (in_acme.pam, 403),
        (in_acme.eve, 404),
        (in_acme.olga, 404),
    ):
        assert signed_in(user).get(address).status_code == status
    assert signed_in(in_acme.eve).get(address.replace("acme", "globex")).status_code == (200 if then == "list" else 404)


def test_a_secret_is_shown_once_with_a_line_that_works(ada: Client, in_acme: Cast) -> None:
    made = ada.post(NEW, GIVEN)
    assert (made.status_code, made["Cache-Control"]) == (200, "private, no-store")
    secret = secret_in(made)
    sample = unescape(re.sub(r"<[^>]+>", "", made.content.decode().partition('id="the-sample">')[2].partition("</code>")[0]))
    assert f"KEY={secret}\n" in sample
    assert f"/api/v1/tenants/{in_acme.acme.slug}/apis/" in sample
    assert opens(secret, in_acme) == 200
    account = ServiceAccount.objects.get()
    assert (account.name, account.description, account.created_by) == ("Terraform", "In CI.", in_acme.ada)
    for address in (LIST, one(account), one(account, "roll/"), one(account, "edit/")):
        assert not KEY.search(ada.get(address).content.decode()), address


def test_sent_twice_it_is_made_once(ada: Client) -> None:
    form = {**GIVEN, "once": "a"}
    assert ada.post(NEW, form).status_code == 200
    again = ada.post(NEW, form)
    assert again.status_code == 409
    assert "A secret is shown once only" in text(again)
    assert not KEY.search(again.content.decode())
    assert ServiceAccount.objects.count() == 1


def test_one_gives_what_one_holds(in_acme: Cast) -> None:
    membership = Membership.objects.get(user=in_acme.pam)
    role = make_role("service_accounts.manage")
    membership.custom_roles = [role]
    membership.save()
    pam = signed_in(in_acme.pam)
    html = pam.get(NEW).content.decode()
    offered = set(re.findall(r'name="permissions" value="([^"]+)"', html))
    held = permissions_of([Role.PUBLISHER]) | {"service_accounts.manage"}
    assert offered == held - {"tenant.see", "apis.see_published"}
    refused = pam.post(NEW, {**GIVEN, "permissions": ["keys.manage"]})
    assert refused.status_code == 422
    assert "Choose among these." in text(refused)
    assert not ServiceAccount.objects.exists()


def make_role(*permissions: str) -> Any:

    return CustomRole.objects.create(name="Automation", permissions=list(permissions)).pk


@pytest.mark.parametrize(
    "typed,said",
    [
        ({"name": ""}, "Fill this in."),
        ({"name": "x" * 61}, "61 characters"),
        ({"name": "Old"}, "“Old” already"),
        ({"days": "0"}, "from 1 to 365"),
        ({"days": "366"}, "from 1 to 365"),
        ({"days": "soon"}, "Give a whole number."),
        ({"permissions": ["no.such"]}, "Choose among these."),
        ({"description": "x" * 201}, "201 characters"),
    ],
)
def test_what_can_not_be_used_comes_back_with_all_that_was_typed(ada: Client, typed: dict[str, Any], said: str) -> None:
    make.service_account(name="Old")
    answer = ada.post(NEW, {**GIVEN, **typed})
    assert answer.status_code == 422
    assert said in text(answer)
    html = answer.content.decode()
    assert ("In CI." in html) == ("description" not in typed)
    assert ('value="apis.publish"' in html) == ("checked" in html) or "permissions" in typed
    assert ServiceAccount.objects.count() == 1


def test_the_list_has_the_active_ones_and_all_on_demand(ada: Client, in_acme: Cast) -> None:
    make.service_account(name="Terraform", description="In CI.")
    make.service_account(name="Old")
    ServiceAccount.objects.filter(name="Old").update(expires_at=timezone.now() - timedelta(minutes=1))
    assert "Old" not in text(ada.get(LIST))
    assert re.search(r"Old .* Expired", text(ada.get(LIST, {"show": "all"})))
    assert "In CI. Ada never" in text(ada.get(LIST))
    for query, found in (
        ({"q": "TERRA"}, True),
        ({"q": "ci."}, True),
        ({"q": "ada"}, True),
        ({"q": "eve"}, False),
        ({"q": "\x00<b>"}, False),
    ):
        assert ("Terraform" in text(ada.get(LIST, query))) == found, query
    with_eve = signed_in(in_acme.eve).get("/t/globex/console/service-accounts/")
    assert "In CI." not in text(with_eve)
    assert "No service account yet" in text(with_eve)


def test_a_change_counts_and_what_is_left_empty_stays(ada: Client, account: ServiceAccount) -> None:
    was = account.expires_at
    done = ada.post(one(account, "edit/"), {"description": "Nightly.", "permissions": ["keys.see"], "days": ""})
    assert (done.status_code, done["Location"]) == (302, one(account))
    account.refresh_from_db()
    assert (account.description, account.expires_at) == ("Nightly.", was)
    assert set(account.permissions) == {"keys.see", "tenant.see", "apis.see_published"}
    assert "Terraform is changed." in ada.get(one(account)).content.decode()
    ada.post(one(account, "edit/"), {"description": "Nightly.", "permissions": ["keys.see"], "days": "1"})
    account.refresh_from_db()
    assert account.expires_at < was


def test_what_it_may_stands_checked_in_the_form(ada: Client, account: ServiceAccount) -> None:
    html = ada.get(one(account, "edit/")).content.decode()
    checked = re.findall(r'name="permissions" value="([^"]+)"[^>]*checked', html)
    assert checked == ["apis.see_all"]


def test_rolling_shows_the_new_secret_once(ada: Client, account: ServiceAccount, in_acme: Cast) -> None:
    rolled = ada.post(one(account, "roll/"), {"grace": "1h"})
    assert (rolled.status_code, rolled["Cache-Control"]) == (200, "private, no-store")
    assert opens(secret_in(rolled), in_acme) == 200
    assert "The old secret works until" in text(ada.get(one(account)))
    again = ada.post(one(account, "roll/"), {"grace": "24h"})
    assert again.status_code == 422
    assert "still works" in text(again)


def test_taking_one_over_is_said_before(ada: Client, account: ServiceAccount, in_acme: Cast) -> None:
    alan = signed_in(make.member(in_acme.acme, "alan@acme.example", Role.ADMIN))
    assert "Ada answers for it" in text(alan.get(one(account, "roll/")))
    assert "answers for it. After this" not in text(ada.get(one(account, "roll/")))
    assert alan.post(one(account, "roll/"), {"grace": "24h"}).status_code == 422
    assert alan.post(one(account, "roll/"), {"grace": "0"}).status_code == 200
    assert "Alan answers for it" in text(ada.get(one(account)))


def test_revoking_asks_first_and_ends_it(ada: Client, account: ServiceAccount, in_acme: Cast) -> None:
    secret = roll(account, grace="0", by=in_acme.ada)
    assert "refused from its next request on" in text(ada.get(one(account, "revoke/")))
    assert opens(secret, in_acme) == 200
    assert ada.post(one(account, "revoke/"), {"reason": "It leaked."})["Location"] == one(account)
    assert opens(secret, in_acme) == 401
    page = text(ada.get(one(account)))
    assert "Revoked" in page
    assert "Roll…" not in page
    for then in ("roll/", "edit/"):
        assert ada.get(one(account, then))["Location"] == one(account)
        assert ada.post(one(account, then), {"grace": "0"}).status_code == 409
    assert ada.post(one(account, "revoke/"), {}).status_code == 409


def test_what_it_registered_is_named_before_it_is_revoked(ada: Client, account: ServiceAccount) -> None:
    assert "works on" not in text(ada.get(one(account, "revoke/")))
    shop = make.application(account.user, name="Shop")
    make.application(name="Carl's")
    assert "1 application that it registered works on: Shop." in text(ada.get(one(account, "revoke/")))
    ada.post(one(account, "revoke/"), {})
    assert ada.post(f"/t/acme/apps/{shop.pk}/transfer/", {"to": "ada@acme.example"}).status_code == 302


def test_as_many_queries_for_many(ada: Client, account: ServiceAccount) -> None:
    for _ in range(8):
        make.service_account()
    for name, address in (("services", LIST), ("service", one(account)), ("service-new", NEW), ("service-edit", one(account, "edit/"))):
        with queries(f"page:{name}"):
            ada.get(address)


def test_those_that_end_next_stand_with_the_expiries(ada: Client, account: ServiceAccount, in_acme: Cast) -> None:
    ended, _ = make.service_account(name="Over")
    ServiceAccount.objects.filter(pk=ended.pk).update(expires_at=timezone.now() - timedelta(minutes=1))
    make.service_account(name="Sooner", days=2, by=make.member(in_acme.acme, None, Role.ADMIN))
    said = text(ada.get("/t/acme/console/expiries/"))
    assert re.search(r"Service accounts that end next .*Sooner .*Terraform", said)
    assert "Over" not in said
    approver = signed_in(make.member(in_acme.acme, None, Role.APPROVER))
    assert "Sooner" not in text(approver.get("/t/acme/console/expiries/"))
    own = text(ada.get("/t/acme/expiries/"))
    assert ("Terraform" in own, "Sooner" in own) == (True, False), "her own alone"
