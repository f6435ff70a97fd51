"""The page on which Pam says where calls of an API are logged, and sees how that goes."""

from html import unescape
from typing import Any

from django.test import Client
from django.utils import timezone

from apis.models import Api
from gateway.logged import USUAL
from gateway.models import LogShipping, LogShippingState
from gateway.shipping import standing
from gateway.shipping.outcomes import Outcome, Trouble
from gateway.shipping.standing import Went
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, queries

ORDERS = "/t/acme/console/apis/orders/"
LOGS = f"{ORDERS}logs/"
SECRET = "Bearer 5b1c-never-shown-again"
SENT: dict[str, Any] = {
    "enabled": "on",
    "destination": "http",
    "url": "http://127.0.0.1:9/logs",
    "form": "lines",
    "percent": "12.5",
    "fields_told": list(USUAL),
    "request_headers": "X-Customer\r\n\r\nX-Shown ",
    "masked_headers": "x-customer",
    "masked_paths": "$.query.email\r\n$.claims.sub",
    "secret": SECRET,
    "seen": "none",
    "once": "a" * 32,
}


def text(answer: Any) -> str:
    return unescape(str(answer.content.decode()))


def kept(cast: Cast) -> LogShipping | None:
    with tenant_scope(cast.acme.pk):
        return LogShipping.objects.first()


def seen(page: str) -> str:
    return page.partition('name="seen" value="')[2].partition('"')[0]


def test_it_is_off_where_nobody_said_anything(pam: Client, orders: Api) -> None:
    assert f'href="{LOGS}"' in text(pam.get(ORDERS))
    with queries("page:api-logs"):
        page = text(pam.get(LOGS))
    assert 'name="enabled" id="id_enabled" checked' not in page
    assert 'value="file"' not in page, "nobody named a folder"
    assert "Send a test record…" not in page


def test_a_folder_makes_files_possible(pam: Client, orders: Api, settings: Any) -> None:
    settings.LOG_SHIPPING_FOLDER = "/var/log/portico"
    assert 'value="file"' in text(pam.get(LOGS))


def test_pam_switches_it_on_and_the_secret_comes_back_to_nobody(cast: Cast, pam: Client, orders: Api) -> None:
    assert pam.post(LOGS, SENT)["Location"] == LOGS
    found = kept(cast)
    assert found is not None
    assert (found.enabled, found.request_headers, found.masked_headers) == (True, ["x-customer", "x-shown"], ["x-customer"])
    assert (found.masked_paths, str(found.percent), bool(found.sealed)) == (["$.query.email", "$.claims.sub"], "12.50", True)
    with tenant_scope(cast.acme.pk):
        event = Event.objects.latest("number")
    assert (event.kind, event.actor_id) == ("log_shipping.switched_on", cast.pam.pk)
    page = text(pam.get(LOGS))
    for said in ("Calls of Orders are logged as you said.", f"/receipts/{event.number}/", "There is an authorization.", 'value="12.5"'):
        assert said in page
    assert "5b1c" not in page
    again = pam.post(LOGS, SENT)
    assert again.status_code == 409
    assert "This was sent twice, and done once." in text(again)
    assert "5b1c" not in text(again)
    pam.post(LOGS, {**SENT, "secret": "", "seen": seen(page), "once": "b" * 32})
    assert "Nothing was changed." in text(pam.get(LOGS))
    pam.post(LOGS, {**SENT, "secret": "", "without_secret": "on", "seen": seen(page), "once": "c" * 32})
    found = kept(cast)
    assert found is not None
    assert found.sealed == ""


def test_a_page_that_is_not_new_any_more_changes_nothing(cast: Cast, pam: Client, orders: Api) -> None:
    pam.post(LOGS, SENT)
    answer = pam.post(LOGS, {**SENT, "percent": "1", "once": "b" * 32})
    assert answer.status_code == 409
    assert "Somebody changed this meanwhile." in text(answer)
    found = kept(cast)
    assert found is not None
    assert str(found.percent) == "12.50"


def test_what_is_wrong_is_named_and_what_was_typed_stays(cast: Cast, pam: Client, orders: Api) -> None:
    for wrong, said in (
        ({"url": "https://<script>x"}, "Write an address such as"),
        ({"percent": "101"}, "from 0 to 100 percent"),
        ({"percent": "much"}, "Write a number"),
        ({"fields_told": []}, "Choose at least one."),
        ({"fields_told": ["body"]}, "Choose among these."),
        ({"request_headers": "Authorization"}, "authorization sounds like a credential."),
        ({"masked_paths": "$[?@.a]"}, "has a filter"),
        ({"masked_paths": "query"}, "no JSONPath"),
        ({"secret": "a\nb"}, "Write what stands behind"),
        ({"destination": "kafka"}, "Choose one of these."),
        ({"destination": ""}, "Fill this in."),
    ):
        answer = pam.post(LOGS, {**SENT, **wrong})
        assert answer.status_code == 422, wrong
        page = text(answer)
        assert said in page, wrong
        assert "$.query.email" in page or "masked_paths" in wrong
        assert "5b1c" not in page
        assert "<script>x" not in answer.content.decode()
    assert kept(cast) is None


def test_how_it_goes_stands_there(cast: Cast, pam: Client, orders: Api) -> None:
    with tenant_scope(cast.acme.pk):
        row = make.log_shipping(orders)
    bad = Outcome(Trouble.STATUS, 503, "<b>away</b>")
    standing.store(cast.acme.pk, {row.pk: Went(sent=1_204, dropped=7, last=bad, trouble=bad)})
    with tenant_scope(cast.acme.pk):
        LogShippingState.objects.update(
            test_asked_at=timezone.now(), tested_at=timezone.now(), test_trouble="status", test_answered=403, test_answer="no such key"
        )
    with queries("page:api-logs:on"):
        answer = pam.get(LOGS)
    page = text(answer)
    for said in (
        "1,204",
        "127.0.0.1:9 answered 503.",
        "127.0.0.1:9 answered 403.",
        "no such key",
        "One is on its way.",
        "The destination has taken nothing since then.",
    ):
        assert said in page
    assert "<b>away" not in answer.content.decode()


def test_a_test_is_asked_for_and_removing_is(cast: Cast, pam: Client, orders: Api) -> None:
    assert pam.get(f"{LOGS}test/")["Location"] == LOGS
    assert pam.post(f"{LOGS}test/").status_code == 409
    with tenant_scope(cast.acme.pk):
        make.log_shipping(orders)
    assert "Send a test record?" in text(pam.get(f"{LOGS}test/"))
    assert pam.post(f"{LOGS}test/", {"once": "a" * 32})["Location"] == LOGS
    assert "The test is on its way." in text(pam.get(LOGS))
    with tenant_scope(cast.acme.pk):
        assert LogShippingState.objects.get().test_asked_at is not None
    assert "This can't be undone." in text(pam.get(f"{LOGS}remove/"))
    assert pam.post(f"{LOGS}remove/", {"once": "b" * 32})["Location"] == ORDERS
    assert kept(cast) is None


def test_what_was_ordered_over_rest_keeps_its_order(cast: Cast, pam: Client, orders: Api) -> None:
    with tenant_scope(cast.acme.pk):
        make.log_shipping(orders, fields=["status", "time"])
    page = text(pam.get(LOGS))
    chosen = {**SENT, "secret": "", "fields_told": ["time", "status", "path"], "seen": seen(page)}
    assert pam.post(LOGS, chosen).status_code == 302
    found = kept(cast)
    assert found is not None
    assert found.fields == ["status", "time", "path"]


def test_only_who_publishes_comes_here(cast: Cast, client: Client, orders: Api) -> None:
    for who, status in ((cast.carl, 403), (cast.eve, 404), (cast.olga, 404)):
        client.force_login(who)
        for address in (LOGS, f"{LOGS}test/", f"{LOGS}remove/"):
            assert client.get(address).status_code == status
            assert client.post(address, SENT).status_code == status
    assert kept(cast) is None
