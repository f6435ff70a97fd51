"""Every kind of event reads as a sentence, whatever it is about."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from portal.words import ALONE, ROLES, SENTENCES, added, day_and_time, happened
from tenants.event_kinds import KINDS, PLATFORM_KINDS
from tenants.models import Event, Role
from tests import make
from tests.conftest import Cast

HOSTILE = "50%(x)s {0} %% <script>alert(1)</script>"


def test_no_kind_is_without_a_sentence() -> None:
    assert set(SENTENCES) == KINDS | PLATFORM_KINDS
    assert set(ALONE) <= KINDS
    assert set(ROLES) == set(Role.values)


@pytest.mark.parametrize("kind", sorted(KINDS | PLATFORM_KINDS))
@pytest.mark.parametrize("by_a_person", [True, False])
def test_each_kind_reads_with_names_that_mean_harm_and_with_data_that_lacks_everything(kind: str, by_a_person: bool) -> None:
    sentence = happened(kind, {}, actor=HOSTILE, subject=HOSTILE, by_a_person=by_a_person)
    assert HOSTILE in sentence
    assert sentence.replace(HOSTILE, "").strip()
    assert "%(" not in sentence.replace(HOSTILE, "")


def test_whatever_the_product_records_reads_whole(in_acme: Cast) -> None:
    for status in ("active", "suspended", "rejected", "cancelled"):
        make.subscription(status=status)
    make.credential()
    for event in Event.objects.all():
        told = happened(event.kind, event.data, actor=event.actor_name, subject=event.subject_name, by_a_person=event.actor_id is not None)
        assert event.subject_name in told or event.kind == "revision.live", told
        assert "%" not in told
        assert "  " not in told


@pytest.mark.parametrize(
    "kind,data,by_a_person,told",
    [
        ("subscription.approved", {"was": "pending"}, True, "Ada approved Orders (gold)"),
        ("subscription.approved", {"was": "pending"}, False, "Orders (gold) was approved at once, by its plan"),
        ("member.changed", {"was": ["admin"], "roles": ["auditor", "developer"]}, True,
         "Ada changed the roles of Orders (gold) to auditor, developer"),
        ("identity.linked", {"provider": "https://login.example.com", "subject": "17"}, True,
         "https://login.example.com signs Orders (gold) in from now on"),
        ("login.succeeded", {"tenant": "acme", "provider": "https://login.example.com"}, True,
         "Orders (gold) signed in to acme, by https://login.example.com"),
        ("login.succeeded", {}, True, "Orders (gold) signed in"),
        ("api.changed", {"was": {"name": "Order"}, "now": {"name": "Orders"}}, True, "Ada renamed the API Order to Orders"),
        ("api.changed", {"was": {"description": "a"}, "now": {"description": "b"}}, True,
         "Ada changed the description of the API Orders (gold)"),
        ("api.cors_changed", {"was": {}, "now": {"cors_origins": ["https://shop.example"]}}, True,
         "Ada lets browser pages of https://shop.example call Orders (gold)"),
        ("api.cors_changed", {"was": {}, "now": {"cors_origins": []}}, True, "Ada lets no browser page call Orders (gold) any more"),
        ("revision.created", {"version": "Orders v1", "operations": 1}, True, "Ada imported Orders (gold) of Orders v1, with 1 operation"),
        ("revision.created", {"version": "Orders v1", "operations": 5}, True, "Ada imported Orders (gold) of Orders v1, with 5 operations"),
        ("revision.live", {"version": "Orders v1", "number": 1, "was": None}, True, "Ada made revision 1 of Orders v1 live"),
        ("revision.live", {"version": "Orders v1", "number": 2, "was": 1}, True, "Ada made revision 2 of Orders v1 live, after revision 1"),
        ("revision.live", {"version": "Orders v1", "number": 1, "was": 2}, True,
         "Ada went back to revision 1 of Orders v1, from revision 2"),
        ("plan.created", {"api": "orders", "calls": 60, "seconds": 60}, True,
         "Ada made the plan Orders (gold) of orders: 60 calls a minute"),
        ("plan.changed", {"api": "orders", "was": {"calls": 60, "seconds": 60}, "now": {"calls": 5, "seconds": 1}}, True,
         "Ada changed the plan Orders (gold) of orders from 60 calls a minute to 5 calls a second"),
        ("plan.changed", {"api": "orders", "was": {"models": []}, "now": {"models": ["fast"]}}, True,
         "Ada changed which models and how many tokens the plan Orders (gold) of orders includes"),
        ("plan.changed", {"api": "orders", "was": {"approval": "manual"}, "now": {"approval": "automatic"}}, True,
         "Ada changed who decides under the plan Orders (gold) of orders"),
        ("plan.changed", {"api": "orders", "was": {"calls": 60, "seconds": 60, "approval": "manual"},
                          "now": {"calls": 5, "seconds": 1, "approval": "automatic"}}, True,
         "Ada changed the plan Orders (gold) of orders from 60 calls a minute to 5 calls a second, and who decides"),
        ("plan.closed", {"api": "orders", "was": "published", "ended": 0}, True, "Ada closed the plan Orders (gold) of orders"),
        ("plan.closed", {"api": "orders", "was": "published", "ended": 1}, True,
         "Ada closed the plan Orders (gold) of orders; 1 subscription ended with it"),
        ("subscription.cancelled", {"was": "active"}, True, "Ada cancelled Orders (gold)"),
        ("subscription.cancelled", {"was": "active", "closed_plan": "gold"}, True,
         "Ada cancelled Orders (gold) by closing the plan gold"),
        ("plan.changed", {"api": "orders", "was": {"trial_days": None}, "now": {"trial_days": 30}}, True,
         "Ada changed for how long the plan Orders (gold) of orders is tried"),
        ("plan.created", {"api": "orders", "calls": 60, "seconds": 60, "trial_days": 30}, True,
         "Ada made the plan Orders (gold) of orders: 60 calls a minute, a trial of 30 days"),
        ("subscription.cancelled", {"was": "pending", "reason": "x"}, False,
         "The request Orders (gold) was withdrawn by itself: its end had come"),
        ("subscription.expired", {"was": "active"}, False, "The time of Orders (gold) ended"),
        ("subscription.expired", {"was": "active", "trial": True}, False, "The trial of Orders (gold) ended"),
        ("subscription.ends_soon", {"days": 1}, False, "Orders (gold) ends in 1 day"),
        ("subscription.dates_changed", {"was": {"ends_at": "2030-01-01T00:00:00+00:00"}, "now": {"ends_at": None}}, True,
         "Ada took the end of Orders (gold) away"),
        ("subscription.dates_changed", {"was": {"starts_at": None}, "now": {"starts_at": "2030-01-01T00:00:00+00:00"}}, True,
         "Ada changed when Orders (gold) starts and ends"),
        ("subscription.plan_changed", {"was": "gold", "now": "silver"}, True, "Ada changed the plan of Orders (gold) from gold to silver"),
        ("subscription.plan_changed", {"was": "gold", "now": "silver"}, False,
         "The plan of Orders (gold) was changed from gold to silver at once, as asked"),
        ("change_request.requested", {"plan": "silver"}, True, "Ada asked for the plan silver: Orders (gold)"),
        ("change_request.requested", {"ends_at": "2030-01-01T00:00:00+00:00"}, True, "Ada asked to renew Orders (gold)"),
        ("upstream.resolved", {"was": [], "now": ["192.0.2.7", "192.0.2.8"]}, False,
         "Orders (gold) has other addresses now: 192.0.2.7, 192.0.2.8"),
        ("person.renamed", {"was": "Ada", "now": "Ada L."}, True, "Ada goes by the name Ada L."),
        ("credential.created", {"application": "Shop"}, True, "Ada got a new secret for Shop: Orders (gold)"),
        ("credential.created", {"application": "Shop", "replaces": "x"}, True,
         "Ada got a new secret for Shop, Orders (gold), in place of an older one"),
    ],
)  # fmt: skip
def test_sentences_say_what_changed(kind: str, data: dict[str, object], by_a_person: bool, told: str) -> None:
    assert happened(kind, data, actor="Ada", subject="Orders (gold)", by_a_person=by_a_person) == told


def test_what_people_said_with_it_is_told_apart() -> None:
    assert added({"was": "active", "reason": "Too many calls."}) == "Too many calls."
    assert added({"purpose": "Sells.", "environment": "live"}) == "Sells."
    assert not added({"was": "active", "note": ""})


def test_a_time_is_near_enough_to_plan_by_and_in_the_readers_zone() -> None:
    with timezone.override("Europe/Berlin"):
        noon = timezone.localtime().replace(hour=12, minute=5)
        assert day_and_time(noon.astimezone(UTC)) == "today 12:05"
        assert day_and_time((noon + timedelta(days=1)).astimezone(UTC)) == "tomorrow 12:05"
        far = datetime(2099, 7, 3, 10, 0, tzinfo=UTC)
        assert day_and_time(far) == "3 Jul 2099 12:00"
