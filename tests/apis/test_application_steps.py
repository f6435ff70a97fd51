"""Every step in the life of an application, and every one that there is none; who may take them, and what ends."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from apis.actions import applications as endings
from apis.actions import subscriptions, testing
from apis.models import ApiVersion, Subscription
from gateway import desired, receipts
from gateway.envoy.state import ApiKey
from keys.actions import application_life, credentials
from keys.actions.applications import hand_over, transfer
from keys.actions.leaving import left_by
from keys.models import Application, Credential
from tenants import events, lifecycle, limits
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event, Membership, Role, Team, TeamMember, User
from tenants.people.teams import delete_team
from tenants.roles import permissions_of
from tests import make
from tests.application_life import DECISIONS, REFUSED, STEPS, WAYS, application
from tests.conftest import Cast
from tests.steps import Step, named

Status = Application.Status
PAIRS = [(was, now) for was in Status.values for now in Status.values if (was, now) not in Application.STEPS]


def now(of: Application) -> str:
    return Application.objects.values_list("status", flat=True).get(pk=of.pk)


@pytest.fixture
def alan(in_acme: Cast) -> User:
    """An approver, and nothing else."""
    return make.member(in_acme.acme, "alan@acme.example", Role.APPROVER)


@pytest.fixture
def dora(in_acme: Cast) -> User:
    return make.member(in_acme.acme, "dora@acme.example")


@pytest.fixture
def shop(in_acme: Cast, dora: User) -> Team:
    """Carl leads it, and Dora is in it."""
    team = make.team(in_acme.carl, "Shop")
    TeamMember.objects.create(team=team, membership=Membership.objects.get(user=dora))
    return team


# --- the table -------------------------------------------------------------------------------------------------------


def test_the_table_is_the_diagram_of_the_code() -> None:
    steps = (*STEPS, *DECISIONS)
    assert {(step.was, step.now): step.verb for step in steps} == dict(Application.STEPS)
    assert len(steps) == len(Application.STEPS)


@pytest.mark.parametrize("step", STEPS, ids=named)
def test_carl_takes_each_step_with_his_own(in_acme: Cast, step: Step) -> None:
    found = application(in_acme.carl, step.was)
    event = WAYS[step.way].act(found, in_acme.carl)
    assert (event.kind, event.data["was"], event.actor_id) == (f"application.{step.verb}", step.was, in_acme.carl.pk)
    assert found.status == now(found) == step.now


@pytest.mark.parametrize(("way", "state"), REFUSED)
def test_no_action_goes_another_way(in_acme: Cast, way: str, state: str) -> None:
    found = application(in_acme.carl, state)
    before = Event.objects.count()
    with pytest.raises(NotAllowed):
        WAYS[way].act(found, in_acme.carl)
    assert (now(found), Event.objects.count()) == (state, before)


@pytest.mark.parametrize(("was", "to"), PAIRS)
def test_no_two_other_states_are_joined(in_acme: Cast, was: str, to: str) -> None:
    found = application(in_acme.carl, was)
    events.lock()
    with pytest.raises(NotAllowed, match="so it can't become"):
        lifecycle.move(found, to, by=in_acme.carl)
    assert now(found) == was


def test_the_database_holds_that_what_is_deleted_knows_since_when(in_acme: Cast) -> None:
    found = make.application()
    for wrong in ({"status": "deleted"}, {"deleted_at": found.created_at}, {"status": "suspended"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Application.objects.filter(pk=found.pk).update(**wrong)


# --- who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", STEPS, ids=named)
@pytest.mark.parametrize("role", Role.values)
def test_each_role_does_with_anothers_what_its_permissions_say(in_acme: Cast, step: Step, role: str) -> None:
    somebody = make.member(in_acme.acme, None, role)
    found = application(in_acme.carl, step.was)
    if role in WAYS[step.way].anybodys:
        WAYS[step.way].act(found, somebody)
        assert now(found) == step.now
    else:
        with pytest.raises(NotAllowed, match="belongs to"):
            WAYS[step.way].act(found, somebody)
        assert now(found) == step.was


def test_what_an_approver_suspended_its_own_people_do_not_resume(in_acme: Cast, alan: User, dora: User, shop: Team) -> None:
    found = application(in_acme.carl, "suspended", by=alan, team=shop)
    for person in (in_acme.carl, dora):
        with pytest.raises(NotAllowed, match="Alan suspended it, so its own people can't resume it"):
            application_life.resume(found, by=person)
    # Nor once it is somebody else's.
    transfer(found, to=dora, by=in_acme.carl)
    with pytest.raises(NotAllowed, match="Alan suspended it"):
        application_life.resume(found, by=dora)
    application_life.resume(found, by=in_acme.ada)
    assert (found.status, found.reason, found.suspended_by) == ("active", "", None)


def test_an_approver_does_not_resume_their_own_that_another_suspended(in_acme: Cast, alan: User) -> None:
    found = application(in_acme.ada, "suspended", by=alan)
    with pytest.raises(NotAllowed, match="its own people can't resume it"):
        application_life.resume(found, by=in_acme.ada)
    application_life.resume(found, by=alan)
    # What they suspended themselves they do.
    application_life.suspend(found, reason="x", by=in_acme.ada)
    application_life.resume(found, by=in_acme.ada)


def test_nor_once_they_gave_it_away_or_left_the_team(in_acme: Cast, alan: User, dora: User) -> None:
    """Amy is an admin: what Alan suspended of hers she does not resume by having it no more."""
    amy = make.member(in_acme.acme, "amy@acme.example", Role.ADMIN)
    team = make.team(in_acme.carl, "Shop")
    TeamMember.objects.create(team=team, membership=Membership.objects.get(user=amy))
    given, left = application(amy, "suspended", by=alan), application(in_acme.carl, "suspended", by=alan, team=team)
    transfer(given, to=dora, by=amy)
    TeamMember.objects.filter(membership__user=amy).delete()
    service, _ = make.service_account("applications.suspend", "applications.see_all", by=amy)
    for found, has_it in ((given, dora), (left, in_acme.carl)):
        for person in (amy, service.user, has_it):
            with pytest.raises(NotAllowed, match="Alan suspended it"):
                application_life.resume(found, by=person)
        application_life.resume(found, by=in_acme.ada)
        # The next time it is somebody else's from the beginning.
        application_life.suspend(found, reason="x", by=alan)
        application_life.resume(found, by=amy)


def test_what_one_of_the_team_suspended_another_resumes(in_acme: Cast, dora: User, shop: Team) -> None:
    found = application(in_acme.carl, "suspended", by=dora, team=shop)
    application_life.resume(found, by=in_acme.carl)
    assert now(found) == "active"


def test_a_service_account_is_no_second_pair_of_eyes(in_acme: Cast, alan: User) -> None:
    """Ada's, by which she would resume what Alan suspended."""
    service, _ = make.service_account("applications.suspend", "applications.see_all", by=in_acme.ada)
    found = application(in_acme.ada, "suspended", by=alan)
    with pytest.raises(NotAllowed, match="its own people can't resume it"):
        application_life.resume(found, by=service.user)
    others = application(in_acme.carl, "suspended", by=alan)
    application_life.resume(others, by=service.user)


def test_who_lost_a_permission_while_they_waited_does_not_suspend(in_acme: Cast, alan: User) -> None:
    found = make.application(in_acme.carl)
    Membership.objects.filter(user=alan).update(roles=[Role.AUDITOR])
    with pytest.raises(NotAllowed, match="belongs to Carl"):
        application_life.suspend(found, reason="x", by=alan)


# --- changing --------------------------------------------------------------------------------------------------------


def test_carl_changes_what_it_is_called_and_whom_to_ask(in_acme: Cast) -> None:
    found = make.application(in_acme.carl, name="Shop", purpose="Sells.", contact="")
    event = application_life.change_application(found, by=in_acme.carl, name="Till", purpose="Sells.", contact=" https://help.example/ ")
    assert event is not None
    assert event.data == {"was": {"name": "Shop", "contact": ""}, "now": {"name": "Till", "contact": "https://help.example/"}}
    found.refresh_from_db()
    assert (found.name, found.purpose, found.contact) == ("Till", "Sells.", "https://help.example/")
    assert application_life.change_application(found, by=in_acme.carl, name="Till", contact="https://help.example/") is None
    assert application_life.change_application(found, by=in_acme.carl, contact="") is not None


@pytest.mark.parametrize("text", ["carl", "http://help.example/", "https://", "https://u:p@help.example/", "javascript:alert(1)", "a@b c"])
def test_a_contact_is_an_address(in_acme: Cast, text: str) -> None:
    for act in (
        lambda: make.application(in_acme.carl, contact=text),
        lambda: application_life.change_application(make.application(in_acme.carl), by=in_acme.carl, contact=text),
    ):
        with pytest.raises(Invalid, match="e-mail address"):
            act()
    assert make.application(in_acme.carl, contact="shop@acme.example").contact == "shop@acme.example"


def test_nobody_else_changes_it(in_acme: Cast, alan: User) -> None:
    found = make.application(in_acme.carl)
    for person in (alan, in_acme.ada, in_acme.pam):
        with pytest.raises(NotAllowed, match="belongs to Carl"):
            application_life.change_application(found, by=person, name="Mine")


def test_a_name_is_free_again_once_it_is_deleted(in_acme: Cast, dora: User, shop: Team) -> None:
    for fields in ({}, {"team": shop}):
        first = make.application(in_acme.carl, name="Shop", **fields)
        other = make.application(in_acme.carl, name="Other", **fields)
        with pytest.raises(NotAllowed, match="called “Shop” already"):
            application_life.change_application(other, by=in_acme.carl, name="Shop")
        endings.delete(first, by=in_acme.carl)
        application_life.change_application(other, by=in_acme.carl, name="Shop")
        endings.delete(other, by=in_acme.carl)
        make.application(in_acme.carl, name="Shop", **fields)


def test_deleted_ones_count_for_no_limit(in_acme: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "APPLICATIONS_PER_PERSON", 1)
    first = make.application(in_acme.carl)
    with pytest.raises(NotAllowed, match="as many as"):
        make.application(in_acme.carl)
    endings.delete(first, by=in_acme.carl)
    make.application(in_acme.carl)


# --- nothing new while it is suspended -------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "said"), [("suspended", "is suspended, so it gets nothing new"), ("deleted", "is deleted")])
def test_nothing_new_is_made_for_it(in_acme: Cast, state: str, said: str) -> None:
    found = make.application(in_acme.carl)
    secret, _ = make.credential(found)
    plan = make.plan()
    # As somebody has read it a moment before.
    stale = Application.objects.select_related("owner").get(pk=found.pk)
    WAYS["suspend" if state == "suspended" else "delete"].act(found, in_acme.carl)
    tries: list[Any] = [
        lambda: make.credential(stale),
        lambda: make.api_key(stale),
        lambda: make.key_pair(stale),
        lambda: make.issuer(stale),
        lambda: subscriptions.request(stale, api=plan.api, plan=plan, purpose="x", by=in_acme.carl),
    ]
    if state == "suspended":
        tries += [lambda grace=grace: credentials.roll(Credential.objects.get(pk=secret.pk), grace=grace, by=None) for grace in ("0", "1h")]
    else:
        tries += [lambda: transfer(stale, to=in_acme.ada, by=in_acme.carl)]
        tries += [lambda: application_life.change_application(stale, by=in_acme.carl, name="x")]
    before = Event.objects.count()
    for act in tries:
        with pytest.raises(NotAllowed, match=said):
            act()
    assert Event.objects.count() == before


def test_a_leaked_secret_ends_while_it_is_suspended(in_acme: Cast) -> None:
    found = make.application(in_acme.carl)
    secret, _ = make.credential(found)
    application_life.suspend(found, reason="Leaked.", by=in_acme.carl)
    credentials.revoke(secret, by=in_acme.carl)
    assert secret.status == "revoked"


def test_what_is_suspended_tries_no_revision(in_acme: Cast) -> None:
    version = ApiVersion.objects.get(api=make.api("later", published=False))
    ada = application(in_acme.ada, "suspended")
    with pytest.raises(Invalid, match="choose one of yours that may call this"):
        testing.open_for_tests(version.revisions.get(), hours=1, application=ada, by=in_acme.ada)


# --- what ends with it -----------------------------------------------------------------------------------------------


def test_all_that_it_has_ends_with_it_each_on_the_record(in_acme: Cast) -> None:
    found = make.application(in_acme.carl)
    held = {status: make.subscription(status=status, of=found) for status in ("pending", "active", "suspended", "rejected")}
    secret, key, gone = make.credential(found)[0], make.api_key(found)[0], make.credential(found)[0]
    credentials.revoke(gone, by=None)
    others = make.subscription(of=make.application(in_acme.carl))
    before = Event.objects.count()
    event = endings.delete(found, reason="Not needed.", by=in_acme.carl)
    after = list(Event.objects.order_by("number")[before:])
    assert [each.data.get("with_application", False) for each in after] == [True] * 5 + [False]
    assert [each.kind for each in after] == ["subscription.cancelled"] * 3 + ["credential.revoked"] * 2 + ["application.deleted"]
    assert {each.actor_id for each in after} == {in_acme.carl.pk}
    assert (event.pk, event.data) == (after[-1].pk, {"was": "active", "reason": "Not needed."})
    statuses = dict(Subscription.objects.values_list("pk", "status"))
    assert {statuses[held[name].pk] for name in ("pending", "active", "suspended")} == {"cancelled"}
    assert (statuses[held["rejected"].pk], statuses[others.pk]) == ("rejected", "active")
    assert not found.credentials.usable().exists()
    assert {secret.pk, key.pk, gone.pk} == set(found.credentials.filter(status="revoked").values_list("pk", flat=True))


def test_it_is_all_or_nothing(in_acme: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    subscription = make.subscription()
    found = subscription.application
    make.credential(found)

    def fails(*_: Any, **__: Any) -> Event:
        raise NotAllowed("No.")

    monkeypatch.setattr(credentials, "revoke", fails)
    before = Event.objects.count()
    with pytest.raises(NotAllowed), transaction.atomic():
        endings.delete(found, by=found.owner)
    subscription.refresh_from_db()
    assert (now(found), subscription.status, Event.objects.count()) == ("active", "active", before)


def test_a_rejection_is_not_undone_once_it_is_deleted(in_acme: Cast) -> None:
    rejected = make.subscription(status="rejected")
    assert rejected.decided_by is not None
    assert rejected.undoable_by(rejected.decided_by, events.lock().now)
    endings.delete(rejected.application, by=rejected.application.owner)
    with pytest.raises(NotAllowed, match="nothing to undo"):
        subscriptions.undo(rejected, by=rejected.decided_by)


def test_what_stops_is_told_by_name_before(in_acme: Cast) -> None:
    found = make.application(in_acme.carl)
    assert not endings.what_stops(found).works
    pending = make.subscription(status="pending", of=found, to=make.plan(make.api("zoo")))
    assert not endings.what_stops(found).works, "who waits stops nothing"
    active = make.subscription(of=found, to=make.plan(make.api("ants")))
    make.subscription(status="cancelled", of=found)
    secret, _ = make.credential(found)
    stops = endings.what_stops(found)
    assert (stops.subscriptions, stops.credentials, stops.calls, stops.works) == ([active, pending], [secret], 0, True)


# --- whoever lists applications --------------------------------------------------------------------------------------


def test_a_deleted_one_stands_in_no_list_and_is_still_read(in_acme: Cast, dora: User) -> None:
    found = application(in_acme.carl, "deleted")
    for who, permissions in ((in_acme.carl, permissions_of([Role.DEVELOPER])), (in_acme.ada, permissions_of([Role.ADMIN]))):
        assert not Application.objects.visible_to(who, permissions).exists()
        assert not Application.objects.owned_by(who).exists()
        assert Application.objects.known_to(who, permissions).get() == found
    assert not Application.objects.known_to(dora, permissions_of([Role.DEVELOPER])).exists()
    # Its receipt is for those whose it was.
    assert "application.deleted" in receipts.visible_to(in_acme.carl, permissions_of([Role.DEVELOPER])).values_list("kind", flat=True)


def test_who_sees_everyones_applications_reads_the_receipts_of_their_life_alone(in_acme: Cast, dora: User) -> None:
    """As one has whose role lets suspend and not see gateways."""
    application(in_acme.carl, "deleted")
    seen = receipts.visible_to(dora, frozenset({"applications.see_all"}))
    assert list(seen.values_list("kind", flat=True)) == ["application.deleted"]


def test_who_leaves_hands_on_nothing_that_is_deleted(in_acme: Cast, dora: User) -> None:
    application(in_acme.carl, "deleted")
    assert not left_by(Membership.objects.get(user=in_acme.carl)).needs_somebody
    assert hand_over(in_acme.carl, to=dora, by=in_acme.ada) == 0


def test_a_team_that_owns_only_deleted_ones_can_be_deleted(in_acme: Cast, shop: Team) -> None:
    gone = application(in_acme.carl, "deleted", team=shop, name="Gone")
    stays = make.application(in_acme.carl, team=shop, name="Stays")
    with pytest.raises(NotAllowed, match=r"Give away first what the team owns: Stays\."):
        delete_team(shop, by=in_acme.ada)
    endings.delete(stays, by=in_acme.carl)
    delete_team(shop, by=in_acme.ada)
    gone.refresh_from_db()
    assert (gone.team, gone.owner) == (None, in_acme.carl)


# --- what gateways are told ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["pending", "active", "suspended"])
def test_every_open_grant_of_a_suspended_application_says_so(in_acme: Cast, status: str) -> None:
    subscription = make.subscription(status=status)
    found = subscription.application
    make.subscription(status="rejected", of=found)
    key, _ = make.api_key(found)
    application_life.suspend(found, reason="x", by=found.owner)
    access = desired._access()
    assert {each.refusal for each in access.grants} == {"APPLICATION_SUSPENDED", "SUBSCRIPTION_REJECTED"}
    assert access.api_keys == (ApiKey(str(key.pk), "APPLICATION_SUSPENDED"),)
    application_life.resume(found, by=found.owner)
    was = {"pending": "SUBSCRIPTION_PENDING", "active": "", "suspended": "SUBSCRIPTION_SUSPENDED"}[status]
    assert {each.refusal for each in desired._access().grants} == {was, "SUBSCRIPTION_REJECTED"}
    assert desired._access().api_keys == (ApiKey(str(key.pk)),)


def test_who_tries_a_revision_is_stopped_as_well(in_acme: Cast) -> None:
    version = ApiVersion.objects.get(api=make.api("later", published=False))
    found = make.application(in_acme.ada)
    testing.open_for_tests(version.revisions.get(), hours=1, application=found, by=in_acme.ada)
    assert [each.refusal for each in desired._access().grants] == [""]
    application_life.suspend(found, reason="x", by=in_acme.ada)
    assert [each.refusal for each in desired._access().grants] == ["APPLICATION_SUSPENDED"]
    endings.delete(found, by=in_acme.ada)
    assert desired._access().grants == ()


def test_a_deleted_one_has_revoked_keys_and_cancelled_grants(in_acme: Cast) -> None:
    subscription = make.subscription()
    found = subscription.application
    secret, _ = make.credential(found)
    key, _ = make.api_key(found)
    endings.delete(found, by=found.owner)
    access = desired._access()
    assert [each.refusal for each in access.grants] == ["SUBSCRIPTION_CANCELLED"]
    assert access.api_keys == (ApiKey(str(key.pk), "KEY_REVOKED"),)
    assert access.revoked_credentials == (str(secret.pk),)
