"""Time travel: Ugo reads what an application could call at a moment, and who had allowed it."""

import contextlib
import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apis.access_at import access_at
from apis.actions import applications as endings
from apis.actions import subscriptions
from apis.models import Subscription
from keys.actions import application_life, credentials
from keys.models import Application, Credential
from tenants import due, events
from tenants.errors import NotAllowed
from tenants.models import Event, Role, User
from tests import make, turns
from tests.conftest import Cast, Rest, base, queries
from tests.portal.pages.test_console import signed_in, text

TIME = "/t/acme/console/audit/time/"
STEPS = 400 if turns.whole() else 60


@pytest.fixture
def ugo(in_acme: Cast) -> User:
    return make.member(in_acme.acme, "ugo@acme.example", Role.AUDITOR)


@pytest.fixture
def checkout(in_acme: Cast) -> Application:
    return make.application(in_acme.carl, name="Checkout")


def stands(application: Application) -> tuple[dict[Any, str], dict[Any, str]]:
    """What the rows say."""
    return (
        dict(Subscription.objects.filter(application=application).values_list("pk", "status")),
        dict(Credential.objects.filter(application=application).values_list("pk", "status")),
    )


def stood(application: Application, at: datetime) -> tuple[dict[Any, str], dict[Any, str]]:
    """What the events say."""
    found = access_at(application, at)
    return {each.row.pk: each.state for each in found.subscriptions}, {each.row.pk: each.state for each in found.credentials}


def test_at_each_moment_of_a_random_history_it_stood_as_it_stood(in_acme: Cast, checkout: Application) -> None:
    dice, ada, carl = random.Random(7), in_acme.ada, in_acme.carl
    plans = [make.plan(approval=approval) for approval in ("manual", "manual", "automatic")]
    other = make.application(carl, name="Other")
    make.credential(other)
    make.subscription(of=other, to=plans[0])

    def asks() -> None:
        plan = dice.choice(plans)
        subscriptions.request(checkout, api=plan.api, plan=plan, purpose="A test.", by=carl)

    def one() -> Subscription:
        return dice.choice(list(Subscription.objects.filter(application=checkout).order_by("pk")))

    def some() -> Credential:
        return dice.choice(list(Credential.objects.filter(application=checkout).order_by("pk")))

    def time_passes() -> None:
        """The end of one comes, and the job with it."""
        credential = some()
        if credential.status in {"active", "expiring"}:
            Credential.objects.filter(pk=credential.pk).update(expires_at=due.now())
        events.lock()
        credentials.expire_credentials()

    steps = (
        asks, asks, asks,
        lambda: subscriptions.approve(one(), by=ada),
        lambda: subscriptions.approve(one(), by=ada),
        lambda: subscriptions.reject(one(), reason="Not now.", by=ada),
        lambda: subscriptions.undo(one(), by=ada),
        lambda: subscriptions.suspend(one(), reason="Too much.", by=ada),
        lambda: subscriptions.resume(one(), by=ada),
        lambda: subscriptions.cancel(one(), by=carl),
        lambda: make.credential(checkout),
        lambda: credentials.roll(some(), grace="1h", by=carl),
        lambda: credentials.roll(some(), grace="0", by=carl),
        lambda: credentials.revoke(some(), reason="It leaked.", by=ada),
        time_passes,
    )  # fmt: skip
    seen = [(due.now(), stands(checkout))]
    asks()
    make.credential(checkout)
    for _ in range(STEPS):
        with contextlib.suppress(NotAllowed):
            dice.choice(steps)()
        seen.append((due.now(), stands(checkout)))
    for at, then in seen:
        assert stood(checkout, at) == then
    states = [{*then[0].values(), *then[1].values()} for _, then in seen]
    assert set.union(*states) >= {"pending", "active", "suspended", "rejected", "cancelled", "expiring", "expired", "revoked"}


def test_who_had_allowed_it_stays_the_reason_while_others_stop_it_and_let_it_go_on(in_acme: Cast, checkout: Application) -> None:
    make.credential(checkout)
    subscription = make.subscription(of=checkout, status="pending")
    subscriptions.approve(subscription, by=in_acme.ada)
    subscriptions.suspend(subscription, reason="Too much.", by=in_acme.ada)
    subscriptions.resume(subscription, by=in_acme.ada)
    found = access_at(checkout, due.now())
    standing = found.subscriptions[0]
    assert standing.allowed is not None
    assert (standing.allowed.kind, standing.allowed.actor_name, standing.by.kind) == (
        "subscription.approved",
        "Ada",
        "subscription.resumed",
    )
    assert found.could_call


def test_what_was_taken_back_nobody_had_allowed(in_acme: Cast, checkout: Application) -> None:
    subscription = make.subscription(of=checkout, status="pending")
    subscriptions.approve(subscription, by=in_acme.ada)
    subscriptions.undo(subscription, by=in_acme.ada)
    standing = access_at(checkout, due.now()).subscriptions[0]
    assert (standing.state, standing.allowed) == ("pending", None)


def test_from_its_last_second_on_a_credential_works_no_more_though_the_job_has_not_come_by(in_acme: Cast, checkout: Application) -> None:
    credential, _ = make.credential(checkout)
    end = due.now()
    Credential.objects.filter(pk=credential.pk).update(expires_at=end)
    assert [each.state for each in access_at(checkout, end - timedelta(microseconds=1)).credentials] == ["active"]
    assert [each.state for each in access_at(checkout, end).credentials] == ["expired"]


def test_while_the_tenant_is_stopped_nothing_can_call(in_acme: Cast, checkout: Application) -> None:
    make.credential(checkout)
    make.subscription(of=checkout)
    moments = [due.now()]
    for kind in ("suspended", "resumed", "closing", "reopened", "suspended", "closing", "reopened", "resumed"):
        events.lock()
        events.record(f"tenant.{kind}", in_acme.acme, by=None, was="active")
        moments.append(due.now())
    assert [access_at(checkout, at).could_call for at in moments] == [True, False, True, False, True, False, False, False, True]


# --- the page ---------------------------------------------------------------------------------------------------------


def shown(client: Client, application: Application, at: datetime) -> str:
    answer = client.get(TIME, {"application": str(application.pk), "at": timezone.localtime(at).strftime("%Y-%m-%dT%H:%M:%S")})
    assert answer.status_code == 200
    return text(answer)


def test_ugo_looks_at_a_moment(in_acme: Cast, ugo: User, checkout: Application) -> None:
    make.credential(checkout)
    client = signed_in(ugo)
    before = shown(client, checkout, due.now() - timedelta(days=1))
    assert "Checkout could call nothing: it had neither a subscription nor a credential." in before
    page = client.get(TIME)
    assert page.status_code == 200
    assert "Checkout" in text(page)


def test_what_it_says_of_each(in_acme: Cast, ugo: User, checkout: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    make.credential(checkout, label="Shop servers")
    subscription = make.subscription(of=checkout, to=make.plan(make.api("orders"), name="gold"))
    subscriptions.suspend(subscription, reason="Too many calls at night.", by=in_acme.ada)
    later = timezone.now() + timedelta(minutes=5)
    monkeypatch.setattr("portal.pages.audit_time.timezone.now", lambda: later + timedelta(minutes=1))
    said = shown(signed_in(ugo), checkout, later)
    assert "Checkout could call nothing: a call needs an active subscription and a credential that works." in said
    assert "Orders gold Suspended" in said
    assert "“Too many calls at night.”" in said
    assert "Shop servers" in said
    subscriptions.resume(subscription, by=in_acme.ada)
    assert "Checkout could call what is marked active here" in shown(signed_in(ugo), checkout, later)
    number = Event.objects.get(kind="subscription.approved", subject_id=subscription.pk).number
    answer = signed_in(ugo).get(TIME, {"application": str(checkout.pk), "at": later.strftime("%Y-%m-%dT%H:%M")})
    assert f'href="/t/acme/console/audit/{number}/"' in answer.content.decode()


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"at": ""}, "Choose an application."),
        ({"application": "lost", "at": "2026-01-01T00:00"}, "There is no such application."),
        ({"application": "lost", "at": "yesterday"}, "Write a moment such as"),
        ({"application": "lost", "at": "2999-01-01T00:00"}, "This moment is still to come."),
        ({"application": "lost", "at": "0001-01-01T00:00"}, "Choose a year from 1970 to 2999."),
    ],
)
def test_what_is_no_moment_gets_a_sentence(ugo: User, query: dict[str, str], says: str) -> None:
    answer = signed_in(ugo).get(TIME, query)
    assert answer.status_code == 422
    assert says in text(answer)


def test_who_may(in_acme: Cast, ugo: User, checkout: Application, rest: Rest) -> None:
    at = f"{base(in_acme.acme)}/applications/{checkout.pk}/access-at/?at=2026-01-01T00:00:00Z"
    for user, status in ((ugo, 200), (in_acme.ada, 200), (in_acme.pam, 403), (in_acme.carl, 403), (in_acme.eve, 404)):
        assert signed_in(user).get(TIME).status_code == status
        assert rest(user).get(at).status_code == status
    globex = f"{base(in_acme.globex)}/applications/{checkout.pk}/access-at/?at=2026-01-01T00:00:00Z"
    assert rest(in_acme.eve).get(globex).status_code == 404
    eves = signed_in(in_acme.eve).get("/t/globex/console/audit/time/", {"application": str(checkout.pk), "at": "2026-01-01T00:00"})
    assert "There is no such application." in text(eves)


def test_a_whole_application_that_was_stopped_could_call_nothing(in_acme: Cast, ugo: User, checkout: Application, rest: Rest) -> None:
    make.credential(checkout)
    make.subscription(of=checkout)
    told = f"{base(in_acme.acme)}/applications/{checkout.pk}/access-at/"
    moments: list[tuple[datetime, Event | None]] = [(due.now(), None)]
    for act in (
        lambda: application_life.suspend(checkout, reason="It leaks.", by=in_acme.ada),
        lambda: application_life.resume(checkout, by=in_acme.ada),
        lambda: endings.delete(checkout, by=in_acme.carl),
    ):
        event = act()
        moments.append((due.now(), None if event.kind == "application.resumed" else event))
    client = signed_in(ugo)
    for at, stopped in moments:
        found = access_at(checkout, at)
        assert (found.suspended, found.could_call) == (stopped, stopped is None)
        said = text(client.get(TIME, {"application": str(checkout.pk), "at": at.isoformat()}))
        assert ("Checkout could call nothing: it was suspended or deleted." in said) == (stopped is not None)
        over_rest = rest(ugo).get(told, {"at": at.isoformat()}).json()
        assert (over_rest["could_call"], bool(over_rest["suspended"])) == (stopped is None, stopped is not None)


def test_as_many_queries_for_many(in_acme: Cast, ugo: User, checkout: Application) -> None:
    client, query = signed_in(ugo), {"application": str(checkout.pk), "at": "2026-01-01T00:00"}
    for _ in range(3):
        make.credential(checkout)
        make.subscription(of=checkout)
    with queries("page:audit-time"):
        client.get(TIME, query)


# --- over REST --------------------------------------------------------------------------------------------------------


def test_over_rest_with_who_allowed_it(in_acme: Cast, ugo: User, checkout: Application, rest: Rest) -> None:
    credential, _ = make.credential(checkout)
    subscription = make.subscription(of=checkout, to=make.plan(make.api("orders"), name="gold"))
    at = due.now()
    subscriptions.cancel(subscription, by=in_acme.carl)
    asked = f"{base(in_acme.acme)}/applications/{checkout.pk}/access-at/"
    found = rest(ugo).get(asked, {"at": at.isoformat()}).json()
    assert found["could_call"] is True
    assert found["stopped"] is None
    (theirs,) = found["subscriptions"]
    assert (theirs["id"], theirs["api"], theirs["plan"], theirs["state"]) == (str(subscription.pk), "orders", "gold", "active")
    assert theirs["allowed"]["kind"] == "subscription.approved"
    assert theirs["allowed"]["event"] == Event.objects.get(kind="subscription.approved").number
    assert [each["id"] for each in found["credentials"]] == [str(credential.pk)]


@pytest.mark.parametrize("at", ["", "lost", "2026-01-01", "2026-01-01T00:00:00", "2999-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00"])
def test_over_rest_too_what_is_no_moment_gets_a_sentence(in_acme: Cast, ugo: User, checkout: Application, rest: Rest, at: str) -> None:
    answer = rest(ugo).get(f"{base(in_acme.acme)}/applications/{checkout.pk}/access-at/", {"at": at})
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == ["at"]


def test_a_plus_that_was_not_encoded_is_a_plus(in_acme: Cast, ugo: User, checkout: Application, rest: Rest) -> None:
    assert rest(ugo).get(f"{base(in_acme.acme)}/applications/{checkout.pk}/access-at/?at=2026-01-01T00:00:00+01:00").status_code == 200
