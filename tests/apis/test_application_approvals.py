"""Where Acme has people approve new applications, Carl's waits for Ada, and gets nothing before."""

from typing import Any

import pytest

from apis.actions import adding, applications, subscriptions
from apis.models import Plan, Subscription
from gateway import desired
from keys.actions import application_approvals, application_life
from keys.actions.applications import transfer
from keys.models import Application, Credential
from tenants.errors import NotAllowed
from tenants.event_kinds import GATEWAY_KINDS
from tenants.models import Event, TenantSettings
from tenants.people.settings import change_settings
from tests import make
from tests.conftest import Cast, Rest, base


@pytest.fixture
def needed(in_acme: Cast) -> Cast:
    change_settings({"applications_need_approval": True}, by=in_acme.ada)
    return in_acme


@pytest.fixture
def waiting(needed: Cast) -> Application:
    return make.application(needed.carl, name="Checkout")


@pytest.fixture
def gold(in_acme: Cast) -> Plan:
    return make.plan(make.api("orders"), name="gold", approval="automatic")


def test_what_waits_gets_nothing(in_acme: Cast, gold: Plan, waiting: Application) -> None:
    assert Application.objects.get(pk=waiting.pk).status == "pending"
    assert Event.objects.get(subject_id=waiting.pk).kind == "application.requested"
    said = "Checkout waits for an approver, so it gets nothing before it is approved"
    with pytest.raises(NotAllowed, match=said):
        subscriptions.request(waiting, api=gold.api, plan=gold, purpose="x", by=in_acme.carl)
    with pytest.raises(NotAllowed, match=said):
        adding.add(waiting, api=gold.api, plan=gold, reason="x", by=in_acme.ada)
    for get in (make.credential, make.api_key, make.key_pair, make.issuer):
        with pytest.raises(NotAllowed, match=said):
            get(waiting)
    assert not Subscription.objects.exists()
    assert not Credential.objects.exists()


def test_one_is_approved_and_another_rejected(in_acme: Cast, gold: Plan, waiting: Application) -> None:
    application_approvals.approve(waiting, by=in_acme.ada)
    made, _ = subscriptions.request(waiting, api=gold.api, plan=gold, purpose="x", by=in_acme.carl)
    assert made.status == "active"
    make.credential(waiting)
    other = make.application(in_acme.carl, name="Other")
    application_approvals.reject(other, reason="What is it for?", by=in_acme.ada)
    assert (other.status, other.reason) == ("rejected", "What is it for?")
    with pytest.raises(NotAllowed, match="Other was rejected, so it gets nothing"):
        subscriptions.request(other, api=gold.api, plan=gold, purpose="x", by=in_acme.carl)
    for act in (application_approvals.approve, application_life.resume):
        with pytest.raises(NotAllowed, match="is rejected, so there is nothing to"):
            act(other, by=in_acme.ada)
    with pytest.raises(NotAllowed, match="can't become suspended"):
        application_life.suspend(other, reason="x", by=in_acme.ada)
    applications.delete(other, by=in_acme.carl)
    assert make.application(in_acme.carl, name="Other").status == "pending", "the name is free again"
    kinds = Event.objects.filter(subject_id__in=[waiting.pk, other.pk]).order_by("number").values_list("kind", flat=True)
    assert list(kinds) == [
        "application.requested", "application.approved", "application.requested", "application.rejected", "application.deleted",
    ]  # fmt: skip


def test_four_eyes(in_acme: Cast, needed: Cast, waiting: Application) -> None:
    own = make.application(in_acme.ada)
    assert own.status == "pending", "whoever may decide waits, too"
    service, _secret = make.service_account("applications.own", by=in_acme.ada)
    theirs = make.application(service.user)
    for mine in (own, theirs):
        for decide in (lambda each: application_approvals.approve(each, by=in_acme.ada), _reject(in_acme)):
            with pytest.raises(NotAllowed, match="You can't decide about an application of your own"):
                decide(mine)
    application_approvals.approve(own, by=make.member(in_acme.acme, None, "approver"))
    assert own.status == "active"


def test_who_gave_it_away_does_not_decide_it(in_acme: Cast, needed: Cast) -> None:
    """Else whoever may give things away decides alone: they take it back afterwards."""
    own = make.application(in_acme.ada)
    transfer(own, to=in_acme.carl, by=in_acme.ada)
    with pytest.raises(NotAllowed, match="You can't decide about an application of your own"):
        application_approvals.approve(own, by=in_acme.ada)
    application_approvals.approve(own, by=make.member(in_acme.acme, None, "approver"))


def _reject(cast: Cast) -> Any:
    return lambda each: application_approvals.reject(each, reason="x", by=cast.ada)


def test_those_there_are_stay_and_those_that_wait_can_be_decided(in_acme: Cast) -> None:
    before = make.application(in_acme.carl)
    change_settings({"applications_need_approval": True}, by=in_acme.ada)
    waits = make.application(in_acme.carl)
    change_settings({"applications_need_approval": False}, by=in_acme.ada)
    after = make.application(in_acme.carl)
    assert [Application.objects.get(pk=each.pk).status for each in (before, waits, after)] == ["active", "pending", "active"]
    application_approvals.approve(waits, by=in_acme.ada)
    assert waits.status == "active"


def test_two_decide_at_once(in_acme: Cast, waiting: Application) -> None:
    stale = Application.objects.get(pk=waiting.pk)
    application_approvals.reject(waiting, reason="No.", by=in_acme.ada)
    with pytest.raises(NotAllowed, match="This application is rejected, so there is nothing to decide"):
        application_approvals.approve(stale, by=in_acme.ada)


def test_over_rest(in_acme: Cast, needed: Cast, rest: Rest) -> None:
    at = f"{base(in_acme.acme)}/applications/"
    body = {"name": "Checkout", "purpose": "Sells.", "environment": "live"}
    made = rest(in_acme.carl).post(at, body, format="json")
    assert (made.status_code, made.json()["status"]) == (201, "pending")
    mine = f"{at}{made.json()['id']}/"
    assert [each["name"] for each in rest(in_acme.ada).get(f"{at}?status=pending").json()["results"]] == ["Checkout"]
    assert rest(in_acme.carl).post(f"{mine}credentials/", {"kind": "client_secret"}, format="json").status_code == 409
    for way in ("approve", "reject"):
        assert rest(in_acme.carl).post(f"{mine}{way}/", {}, format="json").status_code == 403
        assert rest(in_acme.eve).post(f"{mine}{way}/", {}, format="json").status_code == 404
        there = f"{mine}{way}/".replace(str(in_acme.acme.slug), in_acme.globex.slug)
        assert rest(in_acme.eve).post(there, {"reason": "x"}, format="json").status_code == 404
    for wrong in ({}, {"reason": ""}, {"reason": "x" * 501}, {"reason": "\x00"}):
        assert rest(in_acme.ada).post(f"{mine}reject/", wrong, format="json").status_code == 422
    done = rest(in_acme.ada).post(f"{mine}approve/", format="json")
    assert (done.status_code, done.json()["status"]) == (200, "active")
    assert rest(in_acme.ada).post(f"{mine}reject/", {"reason": "Late."}, format="json").status_code == 409
    settings = f"{base(in_acme.acme)}/settings/"
    assert rest(in_acme.ada).get(settings).json()["applications_need_approval"] is True
    assert rest(in_acme.ada).patch(settings, {"applications_need_approval": False}, format="json").status_code == 200
    assert TenantSettings.objects.get().applications_need_approval is False


def test_gateways_hear_nothing_before(in_acme: Cast, gold: Plan, waiting: Application) -> None:
    assert waiting.client_id not in repr(desired._access())
    application_approvals.approve(waiting, by=in_acme.ada)
    kinds = {"application.requested", "application.approved", "application.rejected"}
    assert not kinds & set(GATEWAY_KINDS)
    subscriptions.request(waiting, api=gold.api, plan=gold, purpose="x", by=in_acme.carl)
    assert waiting.client_id in repr(desired._access()), "then they do"
