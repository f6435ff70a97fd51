"""`manage.py seed_scale`: what it makes is true, however much of it there is."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.models import Model

from keys import audit_proof
from keys.actions import audit_exports, audit_keys
from keys.models import Application, SigningKey
from portal import sizes as measured
from portal.demo.data import OFFERS
from portal.scale import names, run
from portal.scale.sizes import sizes
from tenants import events
from tenants.models import Event, EventCounter, Membership, Notification, PlatformCounter, PlatformEvent, Tenant, TenantModel, User
from tenants.scope import tenant_scope
from tests import make

NUMBERS = {"tenants": 21, "people": 190, "events": 7_000}


def seed(**more: Any) -> str:
    out = io.StringIO()
    call_command("seed_scale", **{**NUMBERS, **more}, stdout=out)
    return out.getvalue()


@pytest.fixture
def seeded(db: None) -> None:
    seed()


def everything() -> dict[str, list[Any]]:
    """All that there is, by table, but what no two runs have alike."""
    return {
        model._meta.label: list(model._base_manager.order_by("pk").values())
        for model in apps.get_models()
        if model._meta.app_label == "tenants" and not issubclass(model, TenantModel)
    }


def test_there_is_as_much_as_was_asked_for(seeded: None) -> None:
    assert Tenant.objects.count() == NUMBERS["tenants"]
    assert User.objects.filter(is_service=False).count() == NUMBERS["people"]
    assert PlatformEvent.objects.count() == PlatformCounter.objects.get().number
    told = PlatformEvent.objects.count()
    for tenant in Tenant.objects.all():
        with tenant_scope(tenant.pk):
            told += Event.objects.count()
    assert told == NUMBERS["events"]


def test_one_tenant_is_big_and_most_are_small() -> None:
    found = sizes(10_000, 100_000, 1_000_000)
    assert (found[0].people, found[0].events, found[0].applications, found[0].apis) == (5_000, 200_000, 2_000, 300)
    assert sorted(each.people for each in found)[5_000] < 10
    assert sum(each.people for each in found) == 100_000
    assert sum(each.events + each.sign_ins + 1 for each in found) == 1_000_000


def test_every_chain_holds_as_an_export_of_it_proves(seeded: None, tmp_path: Path) -> None:
    signer = audit_keys.signer()
    keys = audit_proof.read_keys(json.dumps({"keys": audit_keys.public()}))
    for tenant in Tenant.objects.order_by("pk"):
        file = tmp_path / f"{tenant.slug}.jsonl"
        with tenant_scope(tenant.pk):
            counter = EventCounter.objects.get()
            assert Event.objects.order_by("-number").values_list("number", "digest").first() == (counter.number, counter.digest)
            span = audit_exports.export(tenant, form="jsonl", by=User.objects.order_by("pk")[0])
        with tenant_scope(tenant.pk):
            file.write_text("".join(audit_exports.json_lines(span, signer)))
        with file.open("rb") as export:
            report = audit_proof.verify(export, keys)
        assert (report.count, report.events) == (0, counter.number)


def test_the_platforms_chain_holds_and_goes_on(seeded: None) -> None:
    before, at = "0" * 64, None
    for number, event in enumerate(PlatformEvent.objects.order_by("number"), start=1):
        assert (event.number, event.previous) == (number, before)
        assert event.digest == events.digest_of(event, chain="platform")
        assert at is None or at <= event.at
        before, at = event.digest, event.at
    assert make.tenant("late").slug == "late"


def test_every_row_is_one_that_its_model_allows(seeded: None) -> None:
    """Its states and lengths; what refers to what, and what is there once, PostgreSQL has seen to."""
    for tenant in Tenant.objects.order_by("pk")[:3]:
        with tenant_scope(tenant.pk):
            for model in apps.get_models():
                for row in model.objects.all() if issubclass(model, TenantModel) else ():
                    row.clean_fields(exclude=empty_or_related(row))
    for shared in [*Tenant.objects.all(), *User.objects.all(), *PlatformEvent.objects.all()]:
        shared.clean_fields(exclude=empty_or_related(shared))


def empty_or_related(row: Model) -> set[str]:
    return {field.name for field in row._meta.concrete_fields if field.is_relation or not getattr(row, field.attname)}


def test_the_counts_that_operators_see_are_those_of_the_rows(seeded: None) -> None:
    for tenant in Tenant.objects.select_related("size"):
        told = {name: getattr(tenant.size, name) for name in ("members", "apis", "applications", "subscriptions", "events")}
        with tenant_scope(tenant.pk):
            events.lock()
            measured.measure()
        tenant.size.refresh_from_db()
        assert told == {name: getattr(tenant.size, name) for name in told}


def test_everybody_may_do_what_their_events_say(seeded: None) -> None:
    """Whoever owns an application may; whoever decided about one is somebody else."""
    for tenant in Tenant.objects.all():
        with tenant_scope(tenant.pk):
            roles = {member.user_id: set(member.roles) for member in Membership.objects.all()}
            owners = dict(Application.objects.values_list("name", "owner"))
            assert all("developer" in roles[owner] for owner in owners.values())
            for event in Event.objects.filter(kind__in=["subscription.approved", "subscription.rejected", "subscription.suspended"]):
                assert event.actor_id != owners[event.subject_name.partition(" to ")[0]]
                assert event.actor_id is None or "approver" in roles[event.actor_id]


def test_keys_work_and_inboxes_are_full(seeded: None) -> None:
    with tenant_scope(Tenant.objects.get(slug="acme").pk):
        assert set(SigningKey.objects.values_list("purpose", "status")) == {("access_token", "active"), ("api_key", "active")}
        assert Notification.objects.filter(read_at=None).exists()
        assert not Notification.objects.exclude(event__in=Event.objects.all()).exists()
        _made, secret = make.credential(Application.objects.all()[0])
        assert secret


def test_a_second_run_changes_nothing(seeded: None) -> None:
    before = everything()
    assert "21 tenants" in seed()
    assert everything() == before


def test_a_run_that_was_stopped_goes_on(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = sizes(**NUMBERS)
    for _told, _number in zip(run.make(wanted, seed=1), range(7), strict=False):
        pass
    assert Tenant.objects.count() in {7, 8}
    seed()
    stopped = everything()
    assert len(stopped["tenants.Tenant"]) == NUMBERS["tenants"]
    assert len(stopped["tenants.PlatformEvent"]) == PlatformCounter.objects.get().number


def test_how_far_it_is_is_told_within_a_big_tenant_as_well(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "SAID_EVERY", 200)
    told = list(run.make(sizes(**NUMBERS), seed=1))
    assert told == sorted(told)
    assert told[-1] == (NUMBERS["tenants"], NUMBERS["events"])
    assert len([events for tenants, events in told if tenants == 0]) > 3


def test_the_demos_apis_find_room_in_the_biggest() -> None:
    assert {thing.lower() for thing in names.THINGS}.isdisjoint(offer.slug for offer in OFFERS[run.BIGGEST])


def test_the_same_seed_makes_the_same_and_another_makes_others(db: None) -> None:
    def made(**more: Any) -> list[Any]:
        with transaction.atomic():
            seed(**more)
            with tenant_scope(Tenant.objects.get(slug="acme").pk):
                # All but the keys, which chance alone may make.
                found: list[Any] = [*User.objects.order_by("pk").values(), *Application.objects.order_by("pk").values()]
                found += Event.objects.exclude(subject_type="signingkey").order_by("number").values("at", "kind", "actor_id", "data", "ip")
            transaction.set_rollback(True)
        return found

    first = made()
    assert first == made()
    assert first != made(seed=2)


def test_tenants_that_are_used_are_left_alone(db: None) -> None:
    make.tenant("shop")
    with pytest.raises(CommandError, match="There are 1 other tenants here"):
        seed()
    assert Tenant.objects.count() == 1
    seed(yes=True)
    assert Tenant.objects.count() == 1 + NUMBERS["tenants"]


def test_too_little_for_so_many_is_refused(db: None) -> None:
    with pytest.raises(CommandError, match="21 tenants have at least as many people"):
        seed(people=20)
    with pytest.raises(CommandError, match=r"take at least [\d,]+ events"):
        seed(events=100)
    make.tenant("acme")
    with pytest.raises(CommandError, match="There is a tenant “acme” already"):
        seed(yes=True)
