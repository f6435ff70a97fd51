"""What happens to webhooks: addresses outside that are told of what happens in the tenant. keys/actions/webhook_sending.py tells them."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Lower
from django.utils.translation import gettext as _

from keys import webhooks as words
from keys.envelope import seal
from keys.kek import kek
from keys.models import Webhook, WebhookAttempt, WebhookDelivery
from tenants import addresses, due, events, limits
from tenants.errors import Invalid, NotAllowed
from tenants.event_kinds import HOOKED
from tenants.models import Event, User
from tenants.models.base import new_id
from tenants.scope import current_tenant_id, held_lock

JOB = events.HOOK_JOB
PRUNE_JOB = "prune_webhook_deliveries"
# How long what has ended is kept.
KEPT = timedelta(days=30)

_State = WebhookDelivery.State
Why = Webhook.Disabled


@transaction.atomic
def create(
    *, name: str, url: str, kinds: Collection[str], by: User, resolver: addresses.Resolver = addresses.look_up
) -> tuple[Webhook, str]:
    """Tell this address of what happens from now on. The second value is its secret: show it once.

    :raises Invalid: by field.
    """
    _check(url=url, kinds=kinds, resolver=resolver)
    webhook = Webhook(pk=new_id(), tenant_id=current_tenant_id(), name=name, url=url, kinds=words.whole(kinds))
    secret = words.new_secret()
    webhook.sealed = seal(secret.encode(), webhook.sealed_for, kek())
    lock = events.lock()
    if Webhook.objects.count() >= limits.WEBHOOKS:
        said = _("There are %(most)s webhooks, which is as many as a tenant may have. Delete one first.")
        raise NotAllowed(said % {"most": limits.WEBHOOKS})
    _check_name(webhook)
    webhook.seen = lock.number
    webhook.save(force_insert=True)
    due.expect(JOB, lock.now)
    due.expect(PRUNE_JOB, lock.now + KEPT)
    events.record("webhook.created", webhook, by=by, host=webhook.host, kinds=webhook.kinds)
    return webhook, secret


@transaction.atomic
def change(
    webhook: Webhook,
    *,
    by: User,
    name: str | None = None,
    url: str | None = None,
    kinds: Collection[str] | None = None,
    enabled: bool | None = None,
    catch_up: bool = False,
    resolver: addresses.Resolver = addresses.look_up,
) -> Event | None:
    """What is left out stays; what waits goes to the address as it is then. None if nothing changed.

    :param enabled: whether it is told of anything. What waited then goes on where it was.
    :param catch_up: once it is, also of what happened meanwhile.
    :raises Invalid: by field.
    """
    if url is not None or kinds is not None:
        _check(url=None if url == webhook.url else url, kinds=kinds, resolver=resolver)
    lock = events.lock()
    webhook = _again(webhook)
    was, address = _facts(webhook), webhook.url
    webhook.name = webhook.name if name is None else name
    webhook.url = webhook.url if url is None else url
    webhook.kinds = webhook.kinds if kinds is None else words.whole(kinds)
    if enabled is not None and enabled != webhook.enabled:
        webhook.enabled, webhook.disabled_why = enabled, "" if enabled else Why.BY_A_PERSON
        if enabled:
            webhook.failing_since = None
            webhook.seen = webhook.seen if catch_up else lock.number
    now = _facts(webhook)
    differs = [each for each in now if now[each] != was[each]]
    if not differs and webhook.url == address:
        return None
    _check_name(webhook)
    webhook.save(update_fields=["name", "url", "kinds", "enabled", "disabled_why", "failing_since", "seen"])
    if webhook.enabled:
        due.expect(JOB, lock.now)
    before, after = ({each: facts[each] for each in differs} for facts in (was, now))
    if webhook.url != address:
        # Never what it is: it may hold a word that opens something.
        after["url"] = True
    return events.record("webhook.changed", webhook, by=by, was=before, now=after)


@transaction.atomic
def roll(webhook: Webhook, *, by: User) -> tuple[str, Event]:
    """A new secret: show it once. The old one signs beside it for a day, so that nothing is lost while it is put in place."""
    secret = words.new_secret()
    sealed = seal(secret.encode(), webhook.sealed_for, kek())
    lock = events.lock()
    webhook = _again(webhook)
    if webhook.former_until is not None and webhook.former_until > lock.now:
        raise NotAllowed(_("It was rolled less than a day ago, and both secrets still sign. Wait until the old one has ended."))
    webhook.former_sealed, webhook.former_until = webhook.sealed, lock.now + words.GRACE
    webhook.sealed = sealed
    webhook.save(update_fields=["sealed", "former_sealed", "former_until"])
    return secret, events.record("webhook.rolled", webhook, by=by, former_until=webhook.former_until.isoformat())


@transaction.atomic
def delete(webhook: Webhook, *, by: User) -> Event:
    """It is told nothing more, and what was noted of its deliveries goes with it."""
    events.lock()
    webhook = _again(webhook)
    event = events.record("webhook.deleted", webhook, by=by, host=webhook.host, kinds=webhook.kinds)
    WebhookAttempt.objects.filter(delivery__webhook=webhook).delete()
    webhook.delete()
    return event


def _again(webhook: Webhook) -> Webhook:
    """As it is now, under the lock.

    :raises NotAllowed: somebody has deleted it since it was read.
    """
    found = Webhook.objects.filter(pk=webhook.pk).first()
    if found is None:
        raise NotAllowed(_("Somebody has deleted the webhook “%(webhook)s” meanwhile.") % {"webhook": webhook})
    return found


def _facts(webhook: Webhook) -> dict[str, Any]:
    """As events write them down."""
    return {"name": webhook.name, "host": webhook.host, "kinds": webhook.kinds, "enabled": webhook.enabled}


def _check(*, url: str | None, kinds: Collection[str] | None, resolver: addresses.Resolver) -> None:
    """Before the lock: a name is looked up."""
    problems: dict[str, list[str]] = {}
    if kinds is not None and not kinds:
        problems["kinds"] = [_("Choose at least one.")]
    elif unknown := sorted(set(kinds or ()) - HOOKED - {*words.FAMILIES}):
        problems["kinds"] = [_("%(kind)s is no kind of event that webhooks tell of.") % {"kind": unknown[0][:60]}]
    if url is not None:
        try:
            # Nobody waits for a name under the lock, which `If-Match` takes first. It is looked up before it is called anyway.
            if held_lock() is None or not addresses.is_name(words.check_url(url).hostname or ""):
                words.check_address(url, allowed=settings.UPSTREAM_NETWORKS, resolver=resolver)
        except words.AddressRefused as refusal:
            problems["url"] = [_(refusal.sentence) % refusal.named]
    if problems:
        raise Invalid(problems)


def _check_name(webhook: Webhook) -> None:
    if Webhook.objects.alias(low=Lower("name")).filter(low=Lower(Value(webhook.name))).exclude(pk=webhook.pk).exists():
        raise Invalid({"name": [_("Another webhook has this name.")]})


# --- deliveries ------------------------------------------------------------------------------------------------------

# None of these changes the tenant: what comes of it stands with the deliveries.


@transaction.atomic
def send_test(webhook: Webhook) -> WebhookDelivery:
    """Send a test, once, before all that waits; also to one that is disabled."""
    lock = events.lock()
    webhook = _again(webhook)
    if webhook.deliveries.filter(kind=words.TEST, state=_State.WAITING).exists():
        raise NotAllowed(_("A test is on its way already."))
    due.expect(JOB, lock.now)
    return WebhookDelivery.objects.create(webhook=webhook, kind=words.TEST, next_at=lock.now, created_at=lock.now)


@transaction.atomic
def redeliver(delivery: WebhookDelivery) -> WebhookDelivery:
    """Send one again, with its id: whoever remembers ids knows it. What is older comes first, so what waits comes after it."""
    lock = events.lock()
    delivery = _delivery_again(delivery)
    if delivery.kind == words.TEST:
        raise NotAllowed(_("This was a test. Send another one."))
    if not delivery.webhook.enabled:
        raise NotAllowed(_("Switch the webhook on first."))
    if delivery.state == _State.WAITING:
        raise NotAllowed(_("This waits already, and is sent when its time comes."))
    _wait_again(delivery.webhook, [delivery.pk], lock.now)
    delivery.refresh_from_db()
    return delivery


@transaction.atomic
def redeliver_failed(webhook: Webhook, *, since: datetime) -> int:
    """Send all again that failed since then, the oldest first. Returns how many."""
    lock = events.lock()
    webhook = _again(webhook)
    if not webhook.enabled:
        raise NotAllowed(_("Switch the webhook on first."))
    failed = webhook.deliveries.filter(state=_State.FAILED, ended_at__gte=since).exclude(kind=words.TEST)
    room = limits.WAITING_DELIVERIES - webhook.deliveries.filter(state=_State.WAITING).count()
    return _wait_again(webhook, list(failed.order_by("number").values_list("pk", flat=True)[: max(room, 0)]), lock.now)


def _wait_again(webhook: Webhook, ids: list[Any], now: datetime) -> int:
    if not ids:
        return 0
    due.expect(JOB, now)
    return webhook.deliveries.filter(pk__in=ids).update(state=_State.WAITING, tries=0, next_at=now, ended_at=None)


@transaction.atomic
def give_up(delivery: WebhookDelivery) -> WebhookDelivery:
    """Try one no more, so that those behind it are sent."""
    lock = events.lock()
    delivery = _delivery_again(delivery)
    if delivery.state != _State.WAITING:
        raise NotAllowed(_("This does not wait any more."))
    delivery.state, delivery.ended_at = _State.FAILED, lock.now
    delivery.save(update_fields=["state", "ended_at"])
    due.expect(JOB, lock.now)
    return delivery


def _delivery_again(delivery: WebhookDelivery) -> WebhookDelivery:
    found = WebhookDelivery.objects.select_related("webhook").filter(pk=delivery.pk).first()
    if found is None:
        raise NotAllowed(_("This delivery is gone: its webhook was deleted, or it ended thirty days ago."))
    return found


def prune_webhook_deliveries() -> datetime | None:
    """Forget what ended long ago; returns when there is more to forget. Runs under the lock, see tenants.due."""
    now = events.now()
    ended = WebhookDelivery.objects.filter(ended_at__lte=now - KEPT)
    WebhookAttempt.objects.filter(delivery__in=ended).delete()
    ended.delete()
    first = WebhookDelivery.objects.filter(ended_at__isnull=False).order_by("ended_at").values_list("ended_at", flat=True).first()
    if first is not None:
        return first + KEPT
    return now + KEPT if Webhook.objects.exists() else None
