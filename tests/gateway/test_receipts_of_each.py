"""Every kind of event that gateways hear of leads to a receipt. Those that take are walked in test_ended_access; these give."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now

from apis.actions import adding, changes, dates, plans, publishing, resolving, subscriptions, testing, versions
from apis.models import BrownOut, Subscription
from gateway.receipts import State
from keys.actions import application_life
from tenants import events
from tenants.event_kinds import GATEWAY_KINDS
from tenants.models import Event
from tenants.people import tenants
from tests import live, make
from tests.gateway.test_ended_access import Caller, ada, caller, halted, other_document, pam, ruled
from tests.live import Gateway
from tests.live import Upstream as Served


def newest(kind: str) -> Event:
    return Event.objects.filter(kind=kind).latest("number")


def suspended(carl: Caller) -> None:
    subscriptions.suspend(carl.held, reason="A test.", by=ada(carl))


def deprecated(carl: Caller) -> Event:
    events.lock()
    return versions.deprecate(carl.version(), reason="x", sunset_at=events.now() + timedelta(days=30), by=pam(carl))


def later(carl: Caller) -> Event:
    events.lock()
    return versions.change_sunset(carl.version(), sunset_at=events.now() + timedelta(days=60), by=pam(carl))


def reinstated(carl: Caller) -> Event:
    return versions.reinstate(carl.version(), by=pam(carl))


def opened(carl: Caller, how: Callable[..., Event]) -> Event:
    version = publishing.add_version(carl.held.api, name="v2", by=None)
    publishing.make_live(carl.shop.add_revision(version), by=None)
    version.refresh_from_db()
    return how(version, by=pam(carl))


def published(carl: Caller) -> Event:
    return publishing.publish(carl.held.api.versions.get(name="v2"), by=pam(carl))


def unblocked(carl: Caller) -> Event:
    versions.block(carl.version(), reason="x", by=pam(carl))
    return versions.unblock(carl.version(), by=pam(carl))


def brown_out(carl: Caller, *, ended: bool) -> Event:
    if carl.version().status != "deprecated":
        deprecated(carl)
    events.lock()
    planned = versions.plan_brown_out(carl.version(), starts_at=events.now() + timedelta(hours=2), lasts=timedelta(hours=1), by=pam(carl))
    for early in (timedelta(minutes=121), *([timedelta(minutes=60)] if ended else [])):
        BrownOut.objects.filter(pk=planned.pk).update(starts_at=F("starts_at") - early, ends_at=F("ends_at") - early)
        versions.turn_brown_outs()
    planned.refresh_from_db()
    event = newest("brown_out.ended") if ended else versions.cancel_brown_out(planned, by=pam(carl))
    # For what comes after it.
    versions.reinstate(carl.version(), by=pam(carl))
    return event


def tried(carl: Caller) -> Event:
    revision = carl.shop.add_revision(carl.version())
    return testing.open_for_tests(revision, hours=testing.HOURS[0], by=pam(carl))


def resolved(carl: Caller) -> Event:
    events.lock()
    revision = carl.version().live_revision
    assert revision is not None
    place = revision.upstream
    assert place is not None
    resolving.apply_addresses([place.pk], {(place.host, place.port): ("127.0.0.1", "127.0.0.2")})
    return newest("upstream.resolved")


def plan_published(carl: Caller) -> Event:
    make.plan(carl.held.api)
    return newest("plan.published")


def terms(carl: Caller) -> Event | None:
    return plans.change_terms(carl.held.plan, calls=99_000, by=pam(carl))


def added(carl: Caller) -> Event:
    return adding.add(make.application(carl.owner), api=carl.held.api, plan=carl.held.plan, reason="x", by=ada(carl))[1]


def approved(carl: Caller) -> Event:
    make.subscription(of=make.application(carl.owner), to=carl.held.plan)
    return newest("subscription.approved")


def resumed(carl: Caller) -> Event:
    suspended(carl)
    return subscriptions.resume(carl.held, by=ada(carl))


def redated(carl: Caller) -> Event | None:
    events.lock()
    return dates.change_dates(carl.held, ends_at=events.now() + timedelta(days=30), by=ada(carl))


def started(carl: Caller) -> Event:
    subscription = make.subscription(of=make.application(carl.owner), to=carl.held.plan)
    Subscription.objects.filter(pk=subscription.pk).update(started_at=None, starts_at=Now() - timedelta(seconds=1))
    events.lock()
    dates.turn_subscriptions()
    return newest("subscription.started")


def other_plan(carl: Caller) -> Event:
    asked, event = changes.ask_for_plan(carl.held, plan=make.plan(carl.held.api, calls=100_000), purpose="x", by=carl.owner)
    return changes.approve(asked, by=ada(carl)) if event.kind == "change_request.requested" else event


def application_resumed(carl: Caller) -> Event:
    halted(carl, carl.owner)
    return application_life.resume(carl.held.application, by=carl.owner)


def credential(carl: Caller) -> Event:
    make.credential(carl.held.application)
    return newest("credential.created")


def tenant_reopened(carl: Caller) -> Event:
    admin = carl.shop.person("admin")
    tenants.close(name=carl.shop.slug.title(), reason="A test.", by=admin)
    return tenants.reopen(by=admin)


GIVES: dict[str, Callable[[Caller], Event | None]] = {
    "api.cors_changed": lambda carl: publishing.change_api(carl.held.api, cors_origins=["https://shop.example"], by=pam(carl)),
    "api.policies_changed": lambda carl: ruled(carl, ip_allow=["127.0.0.0/8"]),
    "version.deprecated": deprecated,
    "version.sunset_changed": later,
    "version.reinstated": reinstated,
    "version.unblocked": unblocked,
    "brown_out.ended": lambda carl: brown_out(carl, ended=True),
    "brown_out.cancelled": lambda carl: brown_out(carl, ended=False),
    "revision.live": lambda carl: other_document(carl, live.DOCUMENT),
    "revision.test_opened": tried,
    "upstream.resolved": resolved,
    "plan.published": plan_published,
    "plan.changed": terms,
    "subscription.added": added,
    "subscription.approved": approved,
    "subscription.resumed": resumed,
    "subscription.started": started,
    "subscription.dates_changed": redated,
    "subscription.plan_changed": other_plan,
    "application.resumed": application_resumed,
    "credential.created": credential,
    "tenant.reopened": tenant_reopened,
    # From here on there are two versions.
    "version.prereleased": lambda carl: opened(carl, publishing.prerelease),
    "version.published": published,
}
# And what others walk at a real gateway.
ELSEWHERE = {
    "api.gateways_changed": "tests/gateway/test_groups_envoy.py",
    "mcp.switched_on": "tests/gateway/test_mcp.py",
    "domain.certificate_changed": "tests/gateway/test_own_hosts.py",
    "domain.verified": "tests/gateway/test_own_hosts.py",
    "tenant.ceiling_changed": "tests/gateway/test_explained.py",
    **dict.fromkeys(
        (f"content_logging.{verb}" for verb in ("switched_on", "changed", "switched_off")), "tests/gateway/test_ai_contents_kept.py"
    ),
    **dict.fromkeys(
        (f"log_shipping.{verb}" for verb in ("switched_on", "changed", "switched_off", "removed")),
        "tests/gateway/test_log_shipping_envoy.py",
    ),
    **dict.fromkeys(
        (
            *(f"provider.{verb}" for verb in ("changed", "resolved")),
            *(f"provider_key.{verb}" for verb in ("added", "changed", "works")),
            *(f"model_alias.{verb}" for verb in ("created", "changed")),
        ),
        "tests/gateway/test_desired_ai.py",
    ),
    **dict.fromkeys(("budget.reset", "budget.topped_up", "tenant_budget.changed", "tenant_budget.reset"), "tests/gateway/test_ai_money.py"),
    "quota.reset": "tests/gateway/test_quotas.py",
    "quota.topped_up": "tests/gateway/test_quotas.py",
    "signing_key.published": "tests/gateway/test_rotation.py",
    "signing_key.activated": "tests/gateway/test_rotation.py",
    "tenant.resumed": "tests/gateway/test_suspended.py",
}


def test_each_decision_that_gives_has_a_receipt(gateway: Gateway, upstream: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other on one tenant, at which nothing is ended for good."""
    monkeypatch.setattr(subscriptions, "UNDO", timedelta(minutes=10))
    shop = live.shop(upstream)
    carl = caller(shop)
    token = carl.token()
    gateway.settles(200, "", shop.path(), token)
    for kind, decide in GIVES.items():
        event = shop.does(decide, carl)
        assert event is not None, kind
        assert event.kind == kind
        with shop.scope():
            carl.held.refresh_from_db()
        receipt = shop.enforced(event)
        assert [each.state for each in receipt.gateways] == [State.ENFORCED], kind
        assert receipt.ms is not None, kind
        assert receipt.sentence == f"Enforced on 1/1 gateways in {receipt.ms} ms.", kind
    gateway.settles(200, "", shop.path(), token)


def test_every_decision_that_gives_is_walked() -> None:
    assert GIVES.keys() | ELSEWHERE.keys() == {kind for kind, change in GATEWAY_KINDS.items() if change.gives}
    assert not GIVES.keys() & ELSEWHERE.keys()
