"""Ada keeps webhooks in the browser: each secret is shown once; she sees what was sent, tries it, and sends again what failed."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from keys.actions import webhook_sending, webhooks
from keys.models import Webhook, WebhookAttempt, WebhookDelivery
from tenants.models import Role
from tests import make
from tests.conftest import Cast, queries
from tests.portal.pages.test_console import signed_in, text

LIST = "/t/acme/console/webhooks/"
NEW = f"{LIST}new/"
SECRET = re.compile(r"whsec_[\w+/]{43}=")
GIVEN = {"name": "Billing", "url": "http://127.0.0.1:9/hooks", "kinds": ["subscription.*", "credential.revoked"]}
DIALOG = {"HX-Request": "true", "HX-Target": "dialog"}


@pytest.fixture
def ada(in_acme: Cast) -> Client:
    return signed_in(in_acme.ada)


@pytest.fixture
def hook(in_acme: Cast) -> Webhook:
    return make.webhook(by=in_acme.ada, name="Billing")[0]


@pytest.fixture
def delivery(in_acme: Cast, hook: Webhook) -> WebhookDelivery:
    """One that waits, after a try that failed."""
    make.application(in_acme.carl, name="Shop")
    webhook_sending.take(in_acme.acme.pk)
    found = WebhookDelivery.objects.get()
    WebhookAttempt.objects.create(delivery=found, at=found.created_at, took_ms=7, answered=500, trouble="status", answer="<b>Oh</b>")
    return found


def one(hook: Webhook, then: str = "") -> str:
    return f"{LIST}{hook.pk}/{then}"


def all_of(response: Any) -> str:
    """What is said beside the page as well."""
    return unescape(response.content.decode())


def secret_in(response: Any) -> str:
    found = SECRET.search(response.content.decode())
    assert found
    return found[0]


@pytest.mark.parametrize(
    "then", ["list", "new", "", "edit/", "roll/", "enable/", "disable/", "delete/", "test/", "redeliver/", "delivery", "again", "up"]
)
def test_who_manages_them_gets_in_and_nobody_else(in_acme: Cast, hook: Webhook, delivery: WebhookDelivery, then: str) -> None:
    below = one(hook, f"deliveries/{delivery.pk}/")
    named = {"list": LIST, "new": NEW, "delivery": below, "again": f"{below}redeliver/", "up": f"{below}give-up/"}
    address = named.get(then) or one(hook, then)
    for user, status in (
        (in_acme.ada, 200),
        (make.member(in_acme.acme, None, Role.APPROVER), 403),
        (make.member(in_acme.acme, None, Role.AUDITOR), 403),
        (in_acme.carl, 403),
        (in_acme.pam, 403),
        (in_acme.eve, 404),
        (in_acme.olga, 404),
    ):
        assert signed_in(user).get(address).status_code == status
    theirs = address.replace("acme", "globex")
    assert signed_in(in_acme.eve).get(theirs).status_code == (200 if then in {"list", "new"} else 404)


def test_a_secret_is_shown_once(ada: Client) -> None:
    assert "No webhook yet" in text(ada.get(LIST))
    made = ada.post(NEW, GIVEN)
    assert (made.status_code, made["Cache-Control"]) == (200, "private, no-store")
    secret = secret_in(made)
    found = Webhook.objects.get()
    assert (found.name, found.kinds) == ("Billing", ["subscription.*", "credential.revoked"])
    for address in (LIST, one(found), one(found, "roll/"), one(found, "edit/")):
        assert not SECRET.search(ada.get(address).content.decode()), address
    rolled = ada.post(one(found, "roll/"), {})
    assert secret_in(rolled) != secret
    assert "The old secret signs, too, until" in text(ada.get(one(found)))
    again = ada.post(one(found, "roll/"), {})
    assert (again.status_code, "less than a day ago" in text(again)) == (409, True)


def test_sent_twice_it_is_made_once(ada: Client) -> None:
    assert ada.post(NEW, {**GIVEN, "once": "a"}).status_code == 200
    again = ada.post(NEW, {**GIVEN, "once": "a"})
    assert (again.status_code, "A secret is shown once only" in text(again)) == (409, True)
    assert not SECRET.search(again.content.decode())
    assert Webhook.objects.count() == 1


@pytest.mark.parametrize(
    "typed,said",
    [
        ({"name": ""}, "Fill this in."),
        ({"name": "x" * 81}, "81 characters"),
        ({"name": "old"}, "Another webhook has this name."),
        ({"url": "https://10.0.0.1/"}, "no public address"),
        ({"url": "hooks.example.com"}, "begins with https://"),
        ({"url": "a\x00b"}, "Control characters"),
        ({"kinds": []}, "Choose at least one."),
        ({"kinds": ["member.*"]}, "Choose among these."),
    ],
)
def test_what_can_not_be_used_comes_back_with_all_that_was_typed(ada: Client, typed: dict[str, Any], said: str) -> None:
    make.webhook(name="Old")
    answer = ada.post(NEW, {**GIVEN, **typed})
    assert (answer.status_code, said in text(answer)) == (422, True), text(answer)
    html = answer.content.decode()
    assert ('value="Billing"' in html) == ("name" not in typed)
    assert ("127.0.0.1:9/hooks" in html) == ("url" not in typed)
    assert bool(re.search(r'value="credential.revoked"[^>]*checked', html)) == ("kinds" not in typed)
    assert Webhook.objects.count() == 1


def test_single_kinds_that_are_chosen_stand_open(ada: Client, hook: Webhook) -> None:
    webhooks.change(hook, kinds=["version.*", "credential.revoked"], by=hook_admin())
    html = ada.get(one(hook, "edit/")).content.decode()
    assert html.count('<details class="fold" open>') == 1
    assert re.search(r'value="version\.\*"[^>]*checked', html)
    changed = ada.post(one(hook, "edit/"), {**GIVEN, "kinds": ["version.*"]}, follow=True)
    assert "The webhook is changed." in all_of(changed)
    assert "Nothing was changed." in all_of(ada.post(one(hook, "edit/"), {**GIVEN, "kinds": ["version.*"]}, follow=True))


def hook_admin() -> Any:
    return make.somebody(Role.ADMIN)


def test_the_list_says_how_each_stands(ada: Client, hook: Webhook) -> None:
    make.webhook(name="Chat")
    with queries("console:webhooks"):
        shown = text(ada.get(LIST))
    assert "Billing 127.0.0.1:9 All about subscriptions" in shown
    Webhook.objects.filter(pk=hook.pk).update(enabled=False, disabled_why="gone")
    Webhook.objects.exclude(pk=hook.pk).update(failing_since=timezone.now())
    shown = text(ada.get(LIST))
    assert "It answered that it is gone" in shown
    assert "Failing" in shown


def test_deliveries_are_shown_narrowed_and_turned_over(ada: Client, in_acme: Cast, hook: Webhook, delivery: WebhookDelivery) -> None:
    ada.get(LIST)
    with queries("console:webhook"):
        shown = text(ada.get(one(hook)))
    assert "127.0.0.1:9 answered 500." in shown
    assert "Waiting" in shown
    assert "No delivery is like that" in text(ada.get(one(hook), {"state": "delivered"}))
    assert "No delivery is like that" in text(ada.get(one(hook), {"kind": "version.retired"}))
    assert "Application registered" in text(ada.get(one(hook), {"kind": "application.created", "state": "waiting"}))
    assert ada.get(one(hook), {"kind": "<b>", "state": "lost"}).status_code == 200
    now = timezone.now()
    WebhookDelivery.objects.bulk_create(
        WebhookDelivery(webhook=hook, kind="version.retired", number=1, state="failed", next_at=now, created_at=now, ended_at=now)
        for _ in range(30)
    )
    for each in WebhookDelivery.objects.order_by("-pk")[:20]:
        WebhookAttempt.objects.create(delivery=each, at=now, took_ms=1, trouble="silent")
    with queries("console:webhook"):
        first = ada.get(one(hook))
    assert "31 in all" in text(first)
    older = re.search(r'href="(\?before=[^"]+)"', first.content.decode())
    assert older
    assert "Application registered" in text(ada.get(one(hook) + older[1]))


def test_a_delivery_is_shown_with_its_attempts_and_what_was_sent(ada: Client, hook: Webhook, delivery: WebhookDelivery) -> None:
    page = ada.get(one(hook, f"deliveries/{delivery.pk}/"))
    shown = text(page)
    assert "7 ms" in shown
    assert "&lt;b&gt;Oh&lt;/b&gt;" in page.content.decode()
    assert f"msg_{delivery.pk.hex}" in shown
    assert "Shop" in shown
    assert "Give it up…" in shown
    other, _ = make.webhook()
    assert ada.get(one(other, f"deliveries/{delivery.pk}/")).status_code == 404


def test_one_is_given_up_and_sent_again(ada: Client, hook: Webhook, delivery: WebhookDelivery) -> None:
    below = one(hook, f"deliveries/{delivery.pk}/")
    assert "It is not tried any more." in all_of(ada.post(f"{below}give-up/", {}, follow=True))
    assert ada.get(f"{below}give-up/").status_code == 302
    stale = ada.post(f"{below}give-up/", {})
    assert (stale.status_code, "does not wait any more" in text(stale)) == (409, True)
    assert "It waits to be sent again." in all_of(ada.post(f"{below}redeliver/", {}, follow=True))
    assert ada.post(f"{below}redeliver/", {}).status_code == 409
    ada.post(f"{below}give-up/", {})
    assert "Nothing failed in that time." not in text(ada.get(one(hook, "redeliver/")))
    assert "1 delivery waits to be sent again." in all_of(ada.post(one(hook, "redeliver/"), {"since": "1h"}, follow=True))
    WebhookDelivery.objects.update(state="failed", ended_at=timezone.now() - timedelta(hours=2))
    assert "Nothing failed in that time." in all_of(ada.post(one(hook, "redeliver/"), {"since": "1h"}, follow=True))
    assert ada.post(one(hook, "redeliver/"), {"since": "always"}).status_code == 422


def test_it_is_switched_off_and_on_tried_and_deleted(ada: Client, hook: Webhook) -> None:
    assert "told nothing more" in all_of(ada.post(one(hook, "disable/"), {}, follow=True))
    assert "Switched off" in text(ada.get(one(hook)))
    assert ada.post(one(hook, "enable/"), {}).status_code == 422
    assert "is told of what happens" in all_of(ada.post(one(hook, "enable/"), {"meanwhile": "catch_up"}, follow=True))
    sent = ada.post(one(hook, "test/"), {}, follow=True)
    assert "The test is on its way." in all_of(sent)
    assert "Test event" in all_of(sent)
    assert ada.post(one(hook, "test/"), {}).status_code == 409
    assert "is deleted" in all_of(ada.post(one(hook, "delete/"), {}, follow=True))
    assert ada.get(one(hook)).status_code == 404
    assert ada.post(one(hook, "delete/"), {}).status_code == 404


@pytest.mark.parametrize("then", ["disable/", "enable/", "delete/", "test/", "redeliver/"])
def test_questions_stand_in_a_dialog_as_well(ada: Client, hook: Webhook, then: str) -> None:
    asked = ada.get(one(hook, then), headers=DIALOG)
    assert (asked.status_code, "<html" in asked.content.decode()) == (200, False)
    assert Webhook.objects.get().enabled


def test_who_may_not_finds_no_way_there(in_acme: Cast, hook: Webhook) -> None:
    assert LIST not in signed_in(in_acme.pam).get("/t/acme/console/apis/").content.decode()
    assert LIST in signed_in(in_acme.ada).get("/t/acme/console/apis/").content.decode()
