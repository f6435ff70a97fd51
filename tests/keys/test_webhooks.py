"""Ada has events of Acme's sent to a server of hers: signed, in order, again where it took nothing, and to nowhere inside."""

import json
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from apis.actions import subscriptions
from keys import rewrapping
from keys import webhooks as words
from keys.actions import application_life, webhook_sending, webhooks
from keys.envelope import Unavailable, unseal
from keys.kek import kek
from keys.models import Webhook, WebhookAttempt, WebhookDelivery
from keys.tasks import prune_webhook_deliveries, send_webhooks
from keys.webhooks import PATIENCE, SCHEDULE, TEST, AddressRefused, Trouble
from tenants import events, limits
from tenants.errors import Invalid, NotAllowed
from tenants.event_kinds import HOOKED, KINDS, UNDO
from tenants.models import Due, Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast
from tests.keys.hook_server import Receiver, receiver, receiving

__all__ = ["receiver"]
State = WebhookDelivery.State


def send(times: int = 1) -> int:
    """The job, as if the moment had come: a test's transaction has the time of its start."""
    sent = 0
    for _ in range(times):
        Due.objects.filter(job=webhooks.JOB).update(at=Now() - timedelta(hours=1))
        sent += send_webhooks()
    return sent


def later(cast: Cast, how_much: timedelta) -> None:
    """As if so much time had gone by since all that is written down of webhooks, and since the events they tell of."""
    with tenant_scope(cast.acme.pk):
        for hook in Webhook.objects.all():
            for name in ("held_until", "failing_since", "former_until", "succeeded_at"):
                if at := getattr(hook, name):
                    setattr(hook, name, at - how_much)
            hook.save()
        for delivery in WebhookDelivery.objects.all():
            delivery.next_at -= how_much
            if delivery.ended_at:
                delivery.ended_at -= how_much
            delivery.save()


def happened(cast: Cast, name: str = "Shop") -> Event:
    """Something that webhooks tell of."""
    with tenant_scope(cast.acme.pk):
        make.application(cast.carl, name=name)
        return Event.objects.filter(kind="application.created").latest("number")


def hook(cast: Cast) -> Webhook:
    with tenant_scope(cast.acme.pk):
        return Webhook.objects.get()


def deliveries(cast: Cast) -> list[WebhookDelivery]:
    with tenant_scope(cast.acme.pk):
        return list(WebhookDelivery.objects.order_by("number", "pk"))


def attempts(cast: Cast) -> list[WebhookAttempt]:
    with tenant_scope(cast.acme.pk):
        return list(WebhookAttempt.objects.order_by("pk"))


def made(cast: Cast, receiver: Receiver, **fields: Any) -> str:
    """A webhook that leads there; returns its secret."""
    with tenant_scope(cast.acme.pk):
        return make.webhook(receiver.url, by=cast.ada, **fields)[1]


# --- what is sent


def test_an_event_is_sent_signed_as_the_outside_library_verifies(cast: Cast, receiver: Receiver) -> None:
    secret = made(cast, receiver)
    event = happened(cast)
    assert send() == 1
    [got] = receiver.got
    assert got.opened(secret) == {
        "type": "application.created",
        "timestamp": event.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "data": {
            "id": str(event.pk),
            "number": event.number,
            "kind": "application.created",
            "subject": {"type": "application", "id": str(event.subject_id), "name": "Shop"},
            "actor": str(cast.carl),
            "data": event.data,
            "tenant": "acme",
        },
    }
    [delivery] = deliveries(cast)
    assert (got.id, got.headers["content-type"], got.headers["user-agent"]) == (delivery.message, "application/json", "Portico-Webhooks")
    assert abs(int(got.headers["webhook-timestamp"]) - time.time()) < 5
    assert (delivery.state, delivery.tries, delivery.ended_at is not None) == (State.DELIVERED, 1, True)
    [attempt] = attempts(cast)
    assert (attempt.answered, attempt.trouble) == (204, "")
    assert hook(cast).succeeded_at is not None
    assert send() == 0


def test_another_secret_and_a_changed_body_are_refused(cast: Cast, receiver: Receiver) -> None:
    secret = made(cast, receiver)
    happened(cast)
    send()
    [got] = receiver.got
    with pytest.raises(WebhookVerificationError):
        got.opened(words.new_secret())
    with pytest.raises(WebhookVerificationError):
        Verifier(secret).verify(got.body.replace(b"Shop", b"Stop"), got.headers)
    with pytest.raises(WebhookVerificationError, match="too old"):
        Verifier(secret).verify(got.body, {**got.headers, "webhook-timestamp": str(int(time.time()) - 301)})


def test_only_what_was_chosen_is_sent_and_nothing_from_before(cast: Cast, receiver: Receiver) -> None:
    happened(cast, "Before")
    secret = made(cast, receiver, kinds=["credential.*", "application.changed"])
    with tenant_scope(cast.acme.pk):
        shop = make.application(cast.carl, name="Shop")
        application_life.change_application(shop, purpose="Another.", by=cast.carl)
        make.credential(shop)
    send(4)
    assert receiver.kinds(secret) == ["application.changed", "credential.created"]
    with tenant_scope(cast.acme.pk):
        assert hook(cast).seen == Event.objects.latest("number").number


def test_all_comes_in_order_although_the_first_fails_at_first(cast: Cast, receiver: Receiver) -> None:
    secret = made(cast, receiver)
    receiver.statuses = [500, 503]
    for name in ("One", "Two", "Three"):
        happened(cast, name)
    send(3)
    assert len(receiver.got) == 1, "what comes after waits for what comes before"
    later(cast, SCHEDULE[0])
    send(3)
    assert len(receiver.got) == 2
    later(cast, SCHEDULE[1])
    send(4)
    names = [each.opened(secret)["data"]["subject"]["name"] for each in receiver.got]
    assert names == ["One", "One", "One", "Two", "Three"]
    assert len({each.id for each in receiver.got}) == 3
    assert len({each.body for each in receiver.got}) == 3, "each try sends the same bytes"


def test_a_decision_waits_until_it_can_not_be_undone(cast: Cast, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = made(cast, receiver, kinds=["subscription.*"])
    with tenant_scope(cast.acme.pk):
        found = make.subscription(status="pending")
        subscriptions.approve(found, by=cast.ada)
        subscriptions.suspend(found, reason="A test.", by=cast.ada)
    send(3)
    assert receiver.kinds(secret) == ["subscription.requested"], "what came after waits, too"
    with tenant_scope(cast.acme.pk):
        approved = Event.objects.get(kind="subscription.approved")
        due_at = Due.objects.get(job=webhooks.JOB).at
    assert timedelta() <= due_at - (approved.at + UNDO) < timedelta(seconds=1)
    monkeypatch.setattr(webhook_sending, "UNDO", timedelta())
    send(3)
    assert receiver.kinds(secret) == ["subscription.requested", "subscription.approved", "subscription.suspended"]


def test_what_was_undone_is_never_told(cast: Cast, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = made(cast, receiver, kinds=["subscription.*"])
    with tenant_scope(cast.acme.pk):
        found = make.subscription(status="pending")
        subscriptions.approve(found, by=cast.ada)
        found.refresh_from_db()
        subscriptions.undo(found, by=cast.ada)
        found.refresh_from_db()
        subscriptions.reject(found, reason="A test.", by=cast.ada)
    monkeypatch.setattr(webhook_sending, "UNDO", timedelta())
    send(4)
    assert receiver.kinds(secret) == ["subscription.requested", "subscription.rejected"]


def test_what_a_plan_approves_is_told_at_once(cast: Cast, receiver: Receiver) -> None:
    secret = made(cast, receiver, kinds=["subscription.approved"])
    with tenant_scope(cast.acme.pk):
        plan = make.plan(approval="automatic")
        subscriptions.request(make.application(cast.carl), api=plan.api, plan=plan, purpose="A test.", by=cast.carl)
    send(2)
    assert receiver.kinds(secret) == ["subscription.approved"]


def test_every_kind_of_the_families_is_offered() -> None:
    assert HOOKED <= KINDS
    families = {"subscription", "application", "credential", "version", "signing_key", "usage_alert", "budget", "tenant_budget"}
    families |= {"content_logging"}
    assert {kind.partition(".")[0] for kind in HOOKED} == families
    assert words.kinds_of(words.FAMILIES) == sorted(HOOKED)
    assert words.whole(["version.retired", "application.created", "version.*", "version.*"]) == ["version.*", "application.created"]
    assert not words.wants(["subscription.*"], "subscription.decision_undone")
    assert not words.wants(["*", "audit.*"], "audit.exported")


def test_the_documentation_names_every_kind_and_the_schedule() -> None:
    told = Path("docs/webhooks.md").read_text()
    assert sorted(re.findall(r"^\| `(\w+\.\w+)` \|", told, re.MULTILINE)) == sorted(HOOKED)
    units = {"second": 1, "minute": 60, "hour": 3600}
    rows = re.findall(r"^\| \d+ \| (\d+) (\w+?)s? \|$", told, re.MULTILINE)
    assert tuple(timedelta(seconds=int(many) * units[unit]) for many, unit in rows) == SCHEDULE


# --- again


def test_it_is_tried_again_by_the_schedule_and_then_given_up(cast: Cast, receiver: Receiver) -> None:
    made(cast, receiver)
    receiver.statuses = [500] * 20
    happened(cast)
    for tries, pause in enumerate(SCHEDULE, 1):
        send()
        [delivery] = deliveries(cast)
        assert (delivery.state, delivery.tries) == (State.WAITING, tries)
        last = attempts(cast)[-1]
        assert pause <= delivery.next_at - last.at < pause + timedelta(seconds=5)
        send()
        assert len(receiver.got) == tries, "not before its time"
        later(cast, pause)
    send()
    [delivery] = deliveries(cast)
    assert (delivery.state, delivery.tries, len(receiver.got)) == (State.FAILED, len(SCHEDULE) + 1, len(SCHEDULE) + 1)
    assert {each.id for each in receiver.got} == {delivery.message}
    assert timedelta(days=3) <= sum(SCHEDULE, timedelta()) < timedelta(days=4)
    later(cast, timedelta(days=1))
    send()
    assert len(receiver.got) == len(SCHEDULE) + 1


@pytest.mark.parametrize(
    "said,pause",
    [
        ("120", timedelta(seconds=120)),
        ("1", SCHEDULE[0]),
        ("9999999999999", timedelta(hours=24)),
        ("-5", SCHEDULE[0]),
        ("soon", SCHEDULE[0]),
        ("Fri, 31 Dec 9999 23:59:59 GMT", timedelta(hours=24)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", SCHEDULE[0]),
    ],
)
def test_retry_after_is_respected_within_bounds(cast: Cast, receiver: Receiver, said: str, pause: timedelta) -> None:
    made(cast, receiver)
    receiver.statuses, receiver.headers = [429], {"Retry-After": said}
    happened(cast)
    send()
    [delivery], [attempt] = deliveries(cast), attempts(cast)
    assert pause <= delivery.next_at - attempt.at < pause + timedelta(seconds=5)


def test_who_answers_gone_is_told_nothing_more(cast: Cast, receiver: Receiver) -> None:
    made(cast, receiver)
    receiver.statuses = [410]
    happened(cast, "One")
    happened(cast, "Two")
    send(3)
    found = hook(cast)
    assert (found.enabled, found.disabled_why, len(receiver.got)) == (False, "gone", 1)
    assert [each.state for each in deliveries(cast)] == [State.FAILED, State.WAITING]
    with tenant_scope(cast.acme.pk):
        event = Event.objects.latest("number")
        assert (event.kind, event.actor_id, event.data) == ("webhook.disabled", None, {"host": found.host, "why": "gone"})
    assert not Due.objects.filter(job=webhooks.JOB).exists(), "events find nothing to wake any more"


def test_who_takes_nothing_for_five_days_is_told_nothing_more(cast: Cast, receiver: Receiver) -> None:
    made(cast, receiver)
    receiver.statuses = [500] * 100
    happened(cast)
    send()
    later(cast, PATIENCE - timedelta(seconds=30))
    send()
    assert hook(cast).enabled
    later(cast, SCHEDULE[1])
    send()
    found = hook(cast)
    assert (found.enabled, found.disabled_why) == (False, "failing")


def test_one_that_is_taken_begins_the_five_days_anew(cast: Cast, receiver: Receiver) -> None:
    made(cast, receiver)
    receiver.statuses = [500]
    happened(cast)
    send()
    assert hook(cast).failing_since is not None
    later(cast, PATIENCE)
    send()
    assert (hook(cast).failing_since, hook(cast).enabled) == (None, True)


def test_a_worker_that_dies_between_sending_and_noting_sends_again_with_the_same_id(
    cast: Cast, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = made(cast, receiver)
    happened(cast)
    with monkeypatch.context() as dead:
        dead.setattr(webhook_sending, "note", lambda *_: (_ for _ in ()).throw(RuntimeError("killed")))
        send()
    assert (len(receiver.got), attempts(cast)) == (1, [])
    send()
    assert len(receiver.got) == 1, "another worker may still be at it"
    later(cast, webhook_sending.LOST)
    send()
    first, second = receiver.got
    assert (first.id, first.body) == (second.id, second.body)
    assert first.opened(secret) == second.opened(secret)
    assert [each.state for each in deliveries(cast)] == [State.DELIVERED]


def test_what_another_worker_took_over_is_noted_by_that_one_alone(cast: Cast, receiver: Receiver) -> None:
    made(cast, receiver)
    happened(cast)
    [slow] = webhook_sending.take(cast.acme.pk)
    later(cast, webhook_sending.LOST)
    [quick] = webhook_sending.take(cast.acme.pk)
    assert slow.message == quick.message
    assert webhook_sending.take(cast.acme.pk) == [], "one at a time"
    webhook_sending.note(slow, webhook_sending.Outcome(Trouble.SLOW, 10_000))
    assert (attempts(cast), [each.tries for each in deliveries(cast)]) == ([], [0])
    webhook_sending.note(quick, webhook_sending.Outcome(None, 5, 204))
    assert [each.state for each in deliveries(cast)] == [State.DELIVERED]


# --- where to

INSIDE = [
    "https://10.0.0.1/hooks",
    "https://169.254.169.254/latest/meta-data/",
    "https://[fd00::1]/hooks",
    "https://192.168.1.1:8443/",
    "https://[::ffff:10.0.0.1]/",
    "https://0.0.0.0/",
    "http://93.184.216.34/hooks",
]


@pytest.mark.parametrize("url", INSIDE)
def test_addresses_inside_are_refused_where_they_are_written(in_acme: Cast, url: str) -> None:
    with pytest.raises(Invalid) as refused:
        webhooks.create(name="Inside", url=url, kinds=["version.*"], by=in_acme.ada)
    assert set(refused.value.problems) == {"url"}
    found, _ = make.webhook()
    with pytest.raises(Invalid):
        webhooks.change(found, url=url, by=in_acme.ada)
    assert not Webhook.objects.exclude(pk=found.pk).exists()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.com",
        "ftp://hooks.example.com/",
        "https://",
        "https://user:word@hooks.example.com/",
        "https://hooks.example.com/#a",
        "https://hooks.example.com:0/",
        "https://hooks.example.com:99999/",
        "https://hooks.example.com/a b",
        "https://hooks.exämple.com/",
        "https://0x7f.1/",
        "https://hooks.example.com/\x00",
        "https://hooks.example.com/" + "a" * 500,
    ],
)
def test_what_is_no_address_is_refused_in_a_sentence(url: str) -> None:
    with pytest.raises(AddressRefused) as refused:
        words.check_url(url)
    assert str(refused.value).endswith(".")


def test_a_name_is_looked_up_where_it_is_written(in_acme: Cast) -> None:
    def at(*found: str) -> Any:
        return lambda _host, _port: found

    def nowhere(_host: str, _port: int) -> list[str]:
        raise OSError

    given: dict[str, Any] = {"url": "https://hooks.example.com/", "kinds": ["version.*"], "by": in_acme.ada}
    for resolver, said in (
        (at("93.184.216.34", "10.0.0.1"), "no public address"),
        (at(), "does not resolve"),
        (nowhere, "does not resolve"),
    ):
        with pytest.raises(Invalid, match=said):
            webhooks.create(name="One", resolver=resolver, **given)
    found, _ = webhooks.create(name="One", resolver=at("93.184.216.34"), **given)
    with pytest.raises(Invalid, match="Without TLS"):
        webhooks.change(found, url="http://hooks.example.com/", by=in_acme.ada, resolver=at("93.184.216.34"))
    assert webhooks.change(found, url="http://hooks.example.com/", by=in_acme.ada, resolver=at("127.0.0.1")), "the operator allows it"


def test_what_leads_inside_by_the_time_it_is_sent_is_not_called(cast: Cast, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rebinding: the address that is checked is the one that is called."""
    with tenant_scope(cast.acme.pk):
        Webhook.objects.filter(pk=make.webhook(by=cast.ada)[0].pk).update(url=f"http://hooks.example.com:{receiver.port}/")
    happened(cast)
    Due.objects.filter(job=webhooks.JOB).update(at=Now() - timedelta(hours=1))
    webhook_sending.send_webhooks(resolver=lambda _host, _port: ["127.0.0.1", "10.0.0.1"])
    assert receiver.got == []
    assert [each.trouble for each in attempts(cast)] == ["forbidden"]
    later(cast, SCHEDULE[0])
    Due.objects.filter(job=webhooks.JOB).update(at=Now() - timedelta(hours=1))
    webhook_sending.send_webhooks(resolver=lambda _host, _port: ["127.0.0.1"])
    [got] = receiver.got
    assert got.headers["host"] == f"hooks.example.com:{receiver.port}"


def test_what_the_operator_allows_no_more_is_not_called(cast: Cast, receiver: Receiver, settings: Any) -> None:
    made(cast, receiver)
    happened(cast)
    settings.UPSTREAM_NETWORKS = []
    send()
    assert (receiver.got, [each.trouble for each in attempts(cast)]) == ([], ["forbidden"])


def test_a_redirect_is_not_followed(cast: Cast, receiver: Receiver) -> None:
    with receiving() as other:
        made(cast, receiver)
        receiver.statuses, receiver.headers = [307], {"Location": other.url}
        happened(cast)
        send()
        assert other.got == []
    [attempt] = attempts(cast)
    assert (attempt.answered, attempt.trouble) == (307, "redirect")


def test_of_an_answer_the_beginning_is_kept_as_text(cast: Cast, receiver: Receiver) -> None:
    made(cast, receiver)
    receiver.statuses, receiver.answer = [200], b"a\x00\xff\xf0\x9f\x98\x80" + b"b" * 5_000_000
    happened(cast)
    send()
    [attempt] = attempts(cast)
    assert (attempt.answered, attempt.trouble, len(attempt.answer)) == (200, "", 500)
    assert attempt.answer.startswith("a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}\N{GRINNING FACE}bbb")


def test_who_answers_too_late_or_not_at_all_is_tried_again(cast: Cast, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_sending, "SECONDS", 0.3)
    made(cast, receiver)
    receiver.slow = 1.0
    happened(cast)
    send()
    with tenant_scope(cast.acme.pk):
        Webhook.objects.update(url="http://127.0.0.1:9/")
    later(cast, SCHEDULE[0])
    monkeypatch.setattr(webhook_sending, "SECONDS", 10.0)
    send()
    assert [(each.answered, each.trouble) for each in attempts(cast)] == [(None, "slow"), (None, "silent")]


# --- the secret


def test_the_secret_is_sealed_bound_to_its_row_and_shown_once(in_acme: Cast) -> None:
    found, secret = make.webhook()
    assert secret.startswith("whsec_")
    assert len(secret) == 50
    found.refresh_from_db()
    assert unseal(found.sealed, found.sealed_for, kek()).decode() == secret
    other, another = make.webhook()
    assert another != secret
    with pytest.raises(ValueError, match="damaged or belongs to another row"):
        unseal(found.sealed, other.sealed_for, kek())
    assert set(rewrapping.sealed_columns(Webhook)) == {"sealed", "former_sealed"}
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(w::text, '') || (SELECT string_agg(e::text, '') FROM tenants_event e) FROM keys_webhook w")
        assert secret.removeprefix("whsec_") not in cursor.fetchone()[0]


def test_for_a_day_both_secrets_sign(cast: Cast, receiver: Receiver) -> None:
    old = made(cast, receiver)
    with tenant_scope(cast.acme.pk):
        new, event = webhooks.roll(hook(cast), by=cast.ada)
        assert (event.kind, list(event.data)) == ("webhook.rolled", ["former_until"])
        with pytest.raises(NotAllowed, match="less than a day ago"):
            webhooks.roll(hook(cast), by=cast.ada)
    happened(cast, "One")
    send()
    assert receiver.got[0].opened(old) == receiver.got[0].opened(new)
    assert receiver.got[0].headers["webhook-signature"].count("v1,") == 2
    later(cast, words.GRACE)
    happened(cast, "Two")
    send()
    assert receiver.got[1].opened(new)["type"] == "application.created"
    with pytest.raises(WebhookVerificationError):
        receiver.got[1].opened(old)
    with tenant_scope(cast.acme.pk):
        webhooks.roll(hook(cast), by=cast.ada)


def test_where_no_key_opens_secrets_it_waits(cast: Cast, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    made(cast, receiver)
    happened(cast)

    def away(*_: Any) -> bytes:
        raise Unavailable("The keeper is away.")

    with monkeypatch.context() as patched:
        patched.setattr(webhook_sending, "unseal", away)
        assert send() == 0
    assert (receiver.got, attempts(cast), hook(cast).held_until) == ([], [], None)
    later(cast, webhook_sending.LATER)
    assert send() == 1


# --- what people do


def test_each_change_is_an_event_without_the_address(in_acme: Cast) -> None:
    found, _ = make.webhook("http://127.0.0.1:9/hunter2", name="Shop", kinds=["version.*"])
    webhooks.change(found, name="Store", kinds=["version.retired"], by=in_acme.ada)
    webhooks.change(found, url="http://127.0.0.1:9/hunter3", by=in_acme.ada)
    webhooks.change(found, enabled=False, by=in_acme.ada)
    assert webhooks.change(found, enabled=False, name="Store", by=in_acme.ada) is None
    webhooks.delete(found, by=in_acme.ada)
    rows = list(Event.objects.filter(kind__startswith="webhook.").order_by("number"))
    assert [(each.kind.partition(".")[2], each.data) for each in rows] == [
        ("created", {"host": "127.0.0.1:9", "kinds": ["version.*"]}),
        ("changed", {"was": {"name": "Shop", "kinds": ["version.*"]}, "now": {"name": "Store", "kinds": ["version.retired"]}}),
        ("changed", {"was": {}, "now": {"url": True}}),
        ("changed", {"was": {"enabled": True}, "now": {"enabled": False}}),
        ("deleted", {"host": "127.0.0.1:9", "kinds": ["version.retired"]}),
    ]
    assert "hunter" not in json.dumps([each.data for each in rows])


@pytest.mark.parametrize(
    "kinds,said",
    [
        ([], "Choose at least one."),
        (["subscription.decision_undone"], "no kind of event"),
        (["member.*"], "no kind of event"),
        (["*"], "no kind of event"),
        (["webhook.test"], "no kind of event"),
        (["version.retired", "x" * 100], "no kind of event"),
    ],
)
def test_kinds_are_those_that_there_are(in_acme: Cast, kinds: list[str], said: str) -> None:
    with pytest.raises(Invalid, match=said) as refused:
        make.webhook(kinds=kinds)
    assert set(refused.value.problems) == {"kinds"}


def test_names_differ_and_there_is_an_end_to_how_many(in_acme: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = make.webhook(name="Shop")
    with pytest.raises(Invalid, match="Another webhook has this name"):
        make.webhook(name="SHOP")
    other, _ = make.webhook(name="Store")
    with pytest.raises(Invalid, match="Another webhook has this name"):
        webhooks.change(other, name="shop", by=in_acme.ada)
    webhooks.change(found, name="SHOP", by=in_acme.ada)
    monkeypatch.setattr(limits, "WEBHOOKS", 2)
    with pytest.raises(NotAllowed, match="There are 2 webhooks"):
        make.webhook()


def test_what_somebody_deleted_meanwhile_is_refused(in_acme: Cast) -> None:
    found, _ = make.webhook(name="Shop")
    test = webhooks.send_test(found)
    webhooks.delete(found, by=in_acme.ada)
    found.pk = test.webhook_id
    for act in (
        lambda: webhooks.change(found, name="x", by=in_acme.ada),
        lambda: webhooks.roll(found, by=in_acme.ada),
        lambda: webhooks.delete(found, by=in_acme.ada),
        lambda: webhooks.send_test(found),
        lambda: webhooks.redeliver_failed(found, since=datetime.now(UTC)),
    ):
        with pytest.raises(NotAllowed, match="deleted the webhook “Shop”"):
            act()
    for act in (lambda: webhooks.redeliver(test), lambda: webhooks.give_up(test)):
        with pytest.raises(NotAllowed, match="This delivery is gone"):
            act()
    assert not WebhookDelivery.objects.exists()


def test_one_that_is_off_is_told_nothing_and_catches_up_where_that_is_wanted(cast: Cast, receiver: Receiver) -> None:
    secret = made(cast, receiver)

    def switch(on: bool, *, catch_up: bool = False) -> None:
        with tenant_scope(cast.acme.pk):
            webhooks.change(hook(cast), enabled=on, catch_up=catch_up, by=cast.ada)

    switch(False)
    happened(cast, "Missed")
    send()
    assert (receiver.got, deliveries(cast)) == ([], [])
    switch(True)
    happened(cast, "Told")
    send(2)
    switch(False)
    happened(cast, "Caught up")
    switch(True, catch_up=True)
    send(2)
    assert [each.opened(secret)["data"]["subject"]["name"] for each in receiver.got] == ["Told", "Caught up"]


def test_a_test_is_sent_once_before_all_that_waits_also_to_one_that_is_off(cast: Cast, receiver: Receiver) -> None:
    secret = made(cast, receiver)
    receiver.statuses = [500, 500, 200]
    happened(cast)
    send()
    with tenant_scope(cast.acme.pk):
        webhooks.send_test(hook(cast))
        with pytest.raises(NotAllowed, match="on its way already"):
            webhooks.send_test(hook(cast))
    send(2)
    test, waiting = deliveries(cast)
    assert (test.kind, test.state, test.tries, waiting.state) == (TEST, State.FAILED, 1, State.WAITING)
    with tenant_scope(cast.acme.pk):
        webhooks.change(hook(cast), enabled=False, by=cast.ada)
        with pytest.raises(NotAllowed, match="This was a test"):
            webhooks.redeliver(test)
        webhooks.send_test(hook(cast))
    send(2)
    told = receiver.got[-1].opened(secret)
    assert (told["type"], told["data"]["number"], told["data"]["subject"], told["data"]["tenant"]) == (TEST, 0, None, "acme")
    assert [each.state for each in deliveries(cast)] == [State.FAILED, State.DELIVERED, State.WAITING]


def test_a_test_that_fails_switches_nothing_off(cast: Cast, receiver: Receiver) -> None:
    made(cast, receiver)
    receiver.statuses = [410]
    with tenant_scope(cast.acme.pk):
        webhooks.send_test(hook(cast))
    send()
    assert (hook(cast).enabled, hook(cast).failing_since) == (True, None)


def test_what_failed_is_sent_again_one_or_all_with_its_id(cast: Cast, receiver: Receiver) -> None:
    secret = made(cast, receiver)
    for name in ("One", "Two", "Three"):
        happened(cast, name)
    webhook_sending.take(cast.acme.pk)
    later(cast, webhook_sending.LOST)
    with tenant_scope(cast.acme.pk):
        for each in deliveries(cast):
            assert webhooks.give_up(each).state == State.FAILED
            with pytest.raises(NotAllowed, match="does not wait"):
                webhooks.give_up(each)
        first = deliveries(cast)[0]
        webhooks.redeliver(first)
        with pytest.raises(NotAllowed, match="waits already"):
            webhooks.redeliver(first)
    send()
    assert receiver.got[0].id == first.message
    with tenant_scope(cast.acme.pk):
        ended = WebhookDelivery.objects.get(number=deliveries(cast)[2].number).ended_at
        assert ended is not None
        assert webhooks.redeliver_failed(hook(cast), since=ended + timedelta(seconds=1)) == 0
        assert webhooks.redeliver_failed(hook(cast), since=ended - timedelta(hours=1)) == 2
        webhooks.redeliver(first)
    send(4)
    names = [each.opened(secret)["data"]["subject"]["name"] for each in receiver.got]
    assert names == ["One", "One", "Two", "Three"], "what is older comes first"


def test_to_one_that_is_off_nothing_is_sent_again(in_acme: Cast) -> None:
    found, _ = make.webhook()
    make.application(in_acme.carl)
    webhook_sending.take(in_acme.acme.pk)
    [delivery] = WebhookDelivery.objects.all()
    webhooks.give_up(delivery)
    webhooks.change(found, enabled=False, by=in_acme.ada)
    with pytest.raises(NotAllowed, match="Switch the webhook on first"):
        webhooks.redeliver(delivery)
    with pytest.raises(NotAllowed, match="Switch the webhook on first"):
        webhooks.redeliver_failed(found, since=datetime.now(UTC) - timedelta(days=1))


def test_what_was_given_up_while_it_was_sent_is_delivered_all_the_same(cast: Cast, receiver: Receiver) -> None:
    made(cast, receiver)
    happened(cast)
    [taken] = webhook_sending.take(cast.acme.pk)
    with tenant_scope(cast.acme.pk):
        webhooks.give_up(WebhookDelivery.objects.get())
    webhook_sending.note(taken, webhook_sending.Outcome(Trouble.STATUS, 5, 500))
    assert [each.state for each in deliveries(cast)] == [State.FAILED]
    webhook_sending.note(taken, webhook_sending.Outcome(None, 5, 204))
    assert len(attempts(cast)) == 1, "nobody holds it any more"


def test_what_ended_long_ago_is_forgotten(cast: Cast, receiver: Receiver) -> None:
    made(cast, receiver)
    happened(cast, "Old")
    send()
    later(cast, webhooks.KEPT)
    happened(cast, "New")
    send(2)
    for _ in range(2):
        Due.objects.filter(job=webhooks.PRUNE_JOB).update(at=Now() - timedelta(hours=1))
        assert prune_webhook_deliveries() == 1
        assert (len(deliveries(cast)), len(attempts(cast))) == (1, 1)
    assert Due.objects.get(job=webhooks.PRUNE_JOB).at > datetime.now(UTC) + timedelta(days=29)


# --- apart from each other


def test_one_tenants_events_go_to_its_own_webhooks_alone(cast: Cast, receiver: Receiver) -> None:
    with receiving() as eves:
        mine = made(cast, receiver)
        with tenant_scope(cast.globex.pk):
            hers = make.webhook(eves.url, by=cast.eve)[1]
            make.application(cast.eve, name="Hers")
        happened(cast, "Mine")
        send(2)
        assert [each.opened(mine)["data"]["tenant"] for each in receiver.got] == ["acme"]
        assert [each.opened(hers)["data"]["subject"]["name"] for each in eves.got] == ["Hers"]


def test_who_has_no_webhook_is_woken_by_nothing(in_acme: Cast) -> None:
    make.application(in_acme.carl)
    assert not Due.objects.filter(job=webhooks.JOB).exists()
    make.webhook()
    Due.objects.filter(job=webhooks.JOB).update(at=Now() + timedelta(days=1))
    make.team()
    events.lock()
    make.application(in_acme.carl)
    assert Due.objects.get(job=webhooks.JOB).at <= events.now()


def test_a_dead_address_with_a_thousand_waiting_holds_up_nobody_else(
    cast: Cast, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Acme's four answer nothing in time; Globex's is told all while they are waited for."""
    monkeypatch.setattr(webhook_sending, "SECONDS", 4.0)
    with receiving(slow=10.0) as dead:
        with tenant_scope(cast.acme.pk):
            for number in range(6):
                found, _ = make.webhook(dead.url, by=cast.ada, name=f"Dead {number}")
            event = Event.objects.latest("number")
            now = events.lock().now
            WebhookDelivery.objects.bulk_create(
                WebhookDelivery(webhook=found, kind="version.retired", number=event.number, next_at=now, created_at=now)
                for _ in range(1_000)
            )
            make.application(cast.carl)
        with tenant_scope(cast.globex.pk):
            secret = make.webhook(receiver.url, by=cast.eve)[1]
            make.application(cast.eve, name="Hers")
        began = time.monotonic()
        send()
        took = time.monotonic() - began
    assert len(receiver.got) == 1
    assert receiver.kinds(secret) == ["application.created"]
    with tenant_scope(cast.globex.pk):
        at = WebhookAttempt.objects.get().at
        ended = WebhookDelivery.objects.get().ended_at
    assert ended is not None
    assert ended - at < timedelta(seconds=3), "while the others were waited for"
    assert took < 9
    assert len(dead.got) == webhook_sending.MOST_OF_A_TENANT, "of a tenant so many at once"


def test_no_more_is_made_than_may_wait(cast: Cast, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WAITING_DELIVERIES", 2)
    secret = made(cast, receiver)
    for name in ("One", "Two", "Three"):
        happened(cast, name)
    webhook_sending.take(cast.acme.pk)
    assert len(deliveries(cast)) == 2
    later(cast, webhook_sending.LOST)
    send(5)
    assert [each.opened(secret)["data"]["subject"]["name"] for each in receiver.got] == ["One", "Two", "Three"]


def test_in_the_database_a_webhook_says_why_it_is_off(in_acme: Cast) -> None:
    found, _ = make.webhook()
    wrongs: list[dict[str, Any]] = [{"enabled": False}, {"disabled_why": "gone"}, {"kinds": []}]
    for wrong in wrongs:
        with pytest.raises(IntegrityError), transaction.atomic():
            Webhook.objects.filter(pk=found.pk).update(**wrong)
