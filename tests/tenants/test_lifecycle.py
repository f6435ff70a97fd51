"""The diagrams: every step that STEPS allows is taken and on the record, every other is refused."""

import threading
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from apis.actions import subscriptions
from apis.models import ApiVersion, BrownOut, ChangeRequest, Review, Subscription
from keys.models import Application, SigningKey
from tenants import events
from tenants.errors import NotAllowed
from tenants.event_kinds import KINDS
from tenants.lifecycle import move
from tenants.models import Event, Membership, Role, Tenant
from tenants.scope import current_tenant_id, tenant_scope
from tests import make
from tests.conftest import Cast

STATEFUL: list[Any] = [model for model in apps.get_models() if hasattr(model, "STEPS")]
ALL = [(model, was, to) for model in STATEFUL for was in model.Status.values for to in model.Status.values]


def one(model: Any) -> Any:
    match model._meta.model_name:
        case "apiversion":
            return make.api(published=False).versions.get()
        case "brownout":
            now = timezone.now()
            version = make.api(published=False).versions.get()
            return BrownOut.objects.create(version=version, starts_at=now, ends_at=now + timedelta(minutes=1))
        case "application":
            return make.application()
        case "plan":
            return make.plan()
        case "review":
            asked, decided = (each.user for each in Membership.objects.select_related("user").order_by("id")[:2])
            revision = make.api().versions.get().revisions.get()
            return Review.objects.create(revision=revision, requested_by=asked, decided_by=decided, requested_at=timezone.now())
        case "changerequest":
            held = make.subscription()
            plans = {"plan": held.plan, "was_plan": held.plan}
            by, at = held.application.owner, timezone.now()
            return ChangeRequest.objects.create(subscription=held, kind="plan", **plans, requested_by=by, requested_at=at)
        case "credential":
            return make.credential()[0]
        case "subscription":
            # One that is decided lately can't be put into any state: a constraint keeps its undo_until true.
            return make.subscription(status="pending")
        case "signingkey":
            return SigningKey.objects.get(purpose="access_token")
        case "invitation":
            return make.invitation()
        case "serviceaccount":
            return make.service_account()[0]
        case "tenant":
            return Tenant.objects.get(pk=current_tenant_id())
    raise AssertionError(f"Say here how to make a {model.__name__}.")


def what_goes_with(model: Any, status: str) -> dict[str, Any]:
    """What constraints ask of a row in this state."""
    if model is ApiVersion:
        return {"deprecated_at": Now()}
    if model is Application:
        by = make.somebody() if status == "suspended" else None
        return {"deleted_at": Now() if status == "deleted" else None, "suspended_by": by}
    if model is not SigningKey:
        return {}
    signs = status in {"pending", "published", "active"}
    return {"sealed": "v1" if signs else None, "last_exp": Now(), "remove_at": Now(), "known_at": Now(), "published_event": 1}


def test_the_stateful_models_are_found() -> None:
    assert {model.__name__ for model in STATEFUL} == {
        "ApiVersion", "Application", "BrownOut", "ChangeRequest", "Credential", "Invitation", "Plan", "Review", "ServiceAccount",
        "SigningKey", "Subscription", "Tenant",
    }  # fmt: skip


@pytest.mark.parametrize("model", STATEFUL, ids=lambda model: model.__name__)
def test_a_diagram_names_states_and_events_that_exist(model: Any) -> None:
    for (was, to), verb in model.STEPS.items():
        assert {str(was), str(to)} <= set(model.Status.values)
        assert f"{str(model._meta.verbose_name).replace(' ', '_')}.{verb}" in KINDS


@pytest.mark.parametrize("model,was,to", ALL, ids=[f"{m.__name__} {was} to {to}" for m, was, to in ALL])  # fmt: skip
def test_a_step_is_taken_if_the_diagram_has_it(in_acme: Cast, model: Any, was: str, to: str) -> None:
    thing = one(model)
    model.objects.filter(pk=thing.pk).update(status=was, **what_goes_with(model, was))
    thing.status = was
    events.lock()
    before = Event.objects.count()
    verb = model.STEPS.get((was, to))

    def said(status: str) -> str:
        return str(model.Status(status).label).lower()

    if verb is None:
        with pytest.raises(NotAllowed, match=f"is {said(was)}, so it can't become {said(to)}"):
            move(thing, to, by=in_acme.ada)
        assert model.objects.get(pk=thing.pk).status == was
        assert Event.objects.count() == before
        return
    event = move(thing, to, by=in_acme.ada, why="Because.", **what_goes_with(model, to))
    assert model.objects.get(pk=thing.pk).status == to == thing.status
    assert event.kind.endswith(f".{verb}")
    assert event.data == {"was": was, "reason": "Because."}
    assert event.actor_id == in_acme.ada.pk


def test_a_step_without_the_lock_is_a_defect(in_acme: Cast) -> None:
    subscription = make.subscription(status="pending")
    with tenant_scope(in_acme.acme.pk), pytest.raises(RuntimeError, match="events.lock"):
        move(subscription, "active", by=in_acme.ada)


def test_who_comes_second_is_told_so(in_acme: Cast) -> None:
    subscription = make.subscription(status="pending")
    seen_earlier = Subscription.objects.get(pk=subscription.pk)
    subscriptions.approve(subscription, by=in_acme.ada)
    with pytest.raises(NotAllowed, match="Someone else has just changed this subscription"):
        subscriptions.reject(seen_earlier, reason="No.", by=in_acme.ada)
    assert Subscription.objects.get(pk=subscription.pk).status == "active"


def test_of_two_deciders_at_once_one_decides(transactional_db: None) -> None:
    acme = make.tenant("acme")
    deciders = [make.member(acme, None, Role.APPROVER) for _ in range(4)]
    for _ in range(5):
        with tenant_scope(acme.pk):
            waiting = make.subscription(status="pending", of=make.application(make.member(acme)))
        start = threading.Barrier(len(deciders))
        said: list[str] = []

        def decide(by: Any, how: Any, pk: Any = waiting.pk, start: Any = start, said: Any = said) -> None:
            try:
                with tenant_scope(acme.pk):
                    mine = Subscription.objects.select_related("application").get(pk=pk)
                    start.wait(10)
                    said.append(how(mine, by=by).kind)
            except NotAllowed:
                said.append("refused")
            finally:
                connection.close()

        hows: list[Any] = [subscriptions.approve, partial(subscriptions.reject, reason="No.")] * 2
        threads = [threading.Thread(target=decide, args=pair) for pair in zip(deciders, hows, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(said) == 4
        decided = [kind for kind in said if kind != "refused"]
        assert len(decided) == 1
        with tenant_scope(acme.pk):
            status = Subscription.objects.get(pk=waiting.pk).status
            assert decided == [{"active": "subscription.approved", "rejected": "subscription.rejected"}[status]]
            assert Event.objects.filter(subject_id=waiting.pk).count() == 2
