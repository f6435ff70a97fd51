"""A tenant is suspended and resumed by Olga, closed and reopened by Ada; its data leaves as a file, and one day all of it is erased."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tenants.errors import Invalid, NotAllowed
from tenants.models import Due, Event, PlatformEvent, Tenant
from tenants.people import tenants
from tenants.scope import tenant_scope
from tests.conftest import Cast, Rest, base, queries
from tests.keys.test_token_endpoint import Shop, ask
from tests.tenants.test_isolation import world

__all__ = ["world"]
MONTH = timedelta(days=30)
# What helps out of it.
STILL = {"export", "tenant-close", "tenant-reopen", "console-settings-export", "console-settings-close", "console-settings-reopen"}


def now(tenant: Tenant) -> Tenant:
    return Tenant.objects.get(pk=tenant.pk)


def suspended(cast: Cast, reason: str = "Bills.") -> Tenant:
    tenants.suspend(cast.acme, reason=reason, by=cast.olga)
    return now(cast.acme)


def closed(cast: Cast) -> Tenant:
    with tenant_scope(cast.acme.pk):
        tenants.close(name="Acme", reason="Moving.", by=cast.ada)
    return now(cast.acme)


def time_is_over(tenant: Tenant) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(erase_at=timezone.now() - timedelta(seconds=1))
    Due.objects.filter(tenant=tenant, job=tenants.ERASE_JOB).update(at=timezone.now() - timedelta(seconds=1))


def kinds(tenant: Tenant) -> list[str]:
    with tenant_scope(tenant.pk):
        return list(Event.objects.filter(kind__startswith="tenant.").order_by("number").values_list("kind", flat=True))


# Suspending


def test_olga_suspends_acme_and_resumes_it(cast: Cast) -> None:
    assert (suspended(cast).status, now(cast.acme).status_why) == ("suspended", "Bills.")
    tenants.resume(cast.acme, by=cast.olga)
    assert (now(cast.acme).status, now(cast.acme).status_why) == ("active", "")
    assert kinds(cast.acme) == ["tenant.created", "tenant.suspended", "tenant.resumed"]
    on_platform = PlatformEvent.objects.filter(subject_id=cast.acme.pk, actor_id=cast.olga.pk).order_by("number")
    assert [each.kind for each in on_platform] == ["tenant.suspended", "tenant.resumed"]
    assert now(cast.globex).status == "active"


@pytest.mark.parametrize("reason", ["", " \n ", "x" * 501])
def test_a_reason_is_needed(cast: Cast, reason: str) -> None:
    with pytest.raises(Invalid) as refusal:
        suspended(cast, reason)
    assert set(refusal.value.problems) == {"reason"}
    assert now(cast.acme).status == "active"


def test_steps_that_are_none(cast: Cast) -> None:
    with pytest.raises(NotAllowed):
        tenants.resume(cast.acme, by=cast.olga)
    with tenant_scope(cast.acme.pk), pytest.raises(NotAllowed, match="not closing"):
        tenants.reopen(by=cast.ada)
    suspended(cast)
    with pytest.raises(NotAllowed):
        suspended(cast)
    with tenant_scope(cast.acme.pk), pytest.raises(NotAllowed, match="not closing"):
        tenants.reopen(by=cast.ada)
    closed(cast)
    for step in (lambda: suspended(cast), lambda: tenants.resume(cast.acme, by=cast.olga), lambda: closed(cast)):
        with pytest.raises(NotAllowed):
            step()
    assert now(cast.acme).status == "closing"


def test_operators_alone_suspend_over_rest(cast: Cast, rest: Rest) -> None:
    there, nowhere = (f"/api/v1/platform/tenants/{slug}/suspend/" for slug in ("acme", "nowhere"))
    for who in (cast.ada, cast.carl, cast.eve):
        for path in (there, nowhere):
            assert rest(who).post(path, {"reason": "x"}).status_code == 404
            assert rest(who).get(path).status_code == 404
    assert rest(None).post(there, {"reason": "x"}).status_code == 401
    olga = rest(cast.olga)
    assert olga.post(nowhere, {"reason": "x"}).status_code == 404
    assert set(olga.post(there, {}).json()["errors"]) == {"reason"}
    assert now(cast.acme).status == "active"
    with queries("POST platform suspend/"):
        response = olga.post(there, {"reason": "Bills."})
    assert response.json() == {
        "slug": "acme",
        "name": "Acme",
        "status": "suspended",
        "status_why": "Bills.",
        "erase_at": None,
        "max_calls": None,
        "ceiling": 0,
    }
    assert olga.post(there, {"reason": "Bills."}).status_code == 409
    assert olga.post(there.replace("suspend", "resume")).json()["status"] == "active"
    # An operator is no member.
    assert olga.get(base(cast.acme) + "/").status_code == 404


def test_members_read_on_and_change_nothing(cast: Cast, rest: Rest) -> None:
    suspended(cast)
    carl = rest(cast.carl)
    told = carl.get(f"{base(cast.acme)}/").json()
    assert (told["status"], told["status_why"]) == ("suspended", "Bills.")
    assert carl.get(f"{base(cast.acme)}/applications/").status_code == 200
    body = {"name": "Checkout", "purpose": "A test.", "environment": "live"}
    response = carl.post(f"{base(cast.acme)}/applications/", body)
    assert (response.status_code, response.json()["detail"]) == (409, "This tenant is suspended: Bills.")
    tenants.resume(cast.acme, by=cast.olga)
    assert carl.post(f"{base(cast.acme)}/applications/", body).status_code == 201


def test_every_page_says_so_and_why(cast: Cast) -> None:
    suspended(cast, "<b>Bills.</b>")
    for who, may in ((cast.carl, False), (cast.ada, True)):
        client = Client()
        client.force_login(who)
        page = client.get("/t/acme/").content.decode()
        assert "This tenant is suspended." in page
        assert "&lt;b&gt;Bills.&lt;/b&gt;" in page
        assert ("/console/settings/export/" in page) is may
        assert "/console/settings/reopen/" not in page
    closing = Client()
    closing.force_login(cast.ada)
    closed(cast)
    page = closing.get("/t/acme/").content.decode()
    assert "This tenant is closing." in page
    assert "/console/settings/reopen/" in page


def test_no_tokens_meanwhile_and_every_document_stays(cast: Cast) -> None:
    shop = Shop(cast)
    token = ask(shop.form()).json()["access_token"]
    suspended(cast)
    refused = ask(shop.form())
    assert (refused.status_code, refused.json()["error"]) == (400, "unauthorized_client")
    assert "suspended" in refused.json()["error_description"]
    # Who can't prove anything learns nothing.
    assert ask(shop.form(client_secret="wrong")).json()["error"] == "invalid_client"
    assert ask(shop.form(token=token), endpoint="introspect").json() == {"active": False}
    assert ask(shop.form(token=token), endpoint="revoke").status_code == 200
    for path in ("/t/acme/.well-known/jwks.json", "/.well-known/oauth-authorization-server/t/acme"):
        assert Client().get(path).status_code == 200
    tenants.resume(cast.acme, by=cast.olga)
    assert ask(shop.form()).status_code == 200


# Closing


def test_ada_closes_acme_and_reopens_it(cast: Cast, rest: Rest) -> None:
    ada = rest(cast.ada)
    for body, field in (
        ({"name": "acme", "reason": "Moving."}, "name"),
        ({"name": "Acme"}, "reason"),
        ({"name": "Acme", "reason": " "}, "reason"),
    ):
        response = ada.post(f"{base(cast.acme)}/close/", body)
        assert (response.status_code, set(response.json()["errors"])) == (422, {field})
    assert now(cast.acme).status == "active"
    with queries("POST close/"):
        response = ada.post(f"{base(cast.acme)}/close/", {"name": "Acme", "reason": "Moving."})
    told = response.json()
    assert (response.status_code, told["status"], told["receipt"]) == (200, "closing", f"{base(cast.acme)}/receipts/{told['event']}/")
    tenant = now(cast.acme)
    assert tenant.erase_at is not None
    assert abs(tenant.erase_at - timezone.now() - MONTH) < timedelta(minutes=1)
    assert Due.objects.get(tenant=tenant, job=tenants.ERASE_JOB).at == tenant.erase_at
    response = rest(cast.carl).get(f"{base(cast.acme)}/applications/")
    assert response.status_code == 200
    refused = rest(cast.carl).post(f"{base(cast.acme)}/applications/", {})
    assert (refused.status_code, refused.json()["detail"]) == (409, "This tenant is closing: Moving.")
    with queries("POST reopen/"):
        assert ada.post(f"{base(cast.acme)}/reopen/").json()["status"] == "active"
    assert (now(cast.acme).erase_at, now(cast.acme).status_why) == (None, "")
    assert not Due.objects.filter(tenant=tenant, job=tenants.ERASE_JOB).exists()
    assert kinds(cast.acme) == ["tenant.created", "tenant.closing", "tenant.reopened"]


def test_admins_alone_close(cast: Cast, rest: Rest) -> None:
    body = {"name": "Acme", "reason": "x"}
    for what in ("close", "reopen", "export"):
        for who, status in ((cast.pam, 403), (cast.carl, 403), (cast.eve, 404), (cast.olga, 404), (None, 401)):
            assert rest(who).post(f"{base(cast.acme)}/{what}/", body).status_code == status, (what, who)
    assert now(cast.acme).status == "active"


def test_closing_is_no_way_out_of_a_suspension(cast: Cast) -> None:
    suspended(cast)
    closed(cast)
    with tenant_scope(cast.acme.pk):
        tenants.reopen(by=cast.ada)
    assert (now(cast.acme).status, now(cast.acme).status_why) == ("suspended", "Bills.")
    tenants.resume(cast.acme, by=cast.olga)
    closed(cast)
    with tenant_scope(cast.acme.pk):
        tenants.reopen(by=cast.ada)
    assert now(cast.acme).status == "active"


def test_who_comes_too_late_reopens_nothing(cast: Cast) -> None:
    time_is_over(closed(cast))
    with tenant_scope(cast.acme.pk), pytest.raises(NotAllowed, match="time to reopen"):
        tenants.reopen(by=cast.ada)


def test_the_pages_ask_for_the_name_and_lose_nothing(cast: Cast) -> None:
    client = Client()
    client.force_login(cast.ada)
    page = "/t/acme/console/settings/close/"
    client.get(page)
    with queries("page:console-settings-close"):
        assert client.get(page).status_code == 200
    response = client.post(page, {"name": "Acne", "reason": "Moving to Globex."})
    assert response.status_code == 422
    assert "Moving to Globex." in response.content.decode()
    assert "Type the tenant" in response.content.decode()
    assert client.post(page, {"name": "Acme", "reason": "Moving."}).status_code == 302
    assert now(cast.acme).status == "closing"
    assert client.get(page).headers["Location"] == "/t/acme/console/settings/reopen/"
    assert "Reopen Acme?" in client.get("/t/acme/console/settings/reopen/").content.decode()
    assert client.post("/t/acme/console/settings/reopen/").status_code == 302
    assert now(cast.acme).status == "active"
    assert client.get("/t/acme/console/settings/reopen/").headers["Location"] == "/t/acme/console/settings/"
    eve = Client()
    eve.force_login(cast.eve)
    assert eve.get(page).status_code == 404


def test_the_month_is_a_setting(cast: Cast, settings: Any) -> None:
    settings.TENANT_CLOSING = timedelta(days=2)
    tenant = closed(cast)
    assert tenant.erase_at is not None
    assert tenant.erase_at - timezone.now() < timedelta(days=2, minutes=1)
