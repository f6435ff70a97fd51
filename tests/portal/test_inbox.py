"""Inboxes and digests: who is told what, as each wants to hear of it, once, and also while no mail can be sent."""

import importlib
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.core import mail
from django.utils import timezone

from apis.actions import adding, plans, subscriptions, versions
from apis.actions import applications as endings
from apis.models import Plan, Subscription
from gateway.models import GatewayNode
from keys.actions import application_approvals, application_life, applications, credentials
from keys.models import Application, Credential, CredentialUse, SigningKey
from portal import inbox, news, news_words, post, tasks
from portal.inbox import Wish
from portal.settings import DATABASE_OWNER_URL
from tenants import due, events
from tenants.event_kinds import KINDS, NEWS
from tenants.models import (
    CustomRole,
    Due,
    EventCounter,
    Invitation,
    Membership,
    Notification,
    Role,
    TeamMember,
    Tenant,
    TenantSettings,
    User,
)
from tenants.people import invitations, members, tenants
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, as_owner, make_cast
from tests.portal.test_mails import ask, asked, checkout, decide, gold, parts, pass_time, run

__all__ = ["asked", "checkout", "gold"]
NEVER, DIGEST = inbox.Mail.NEVER, inbox.Mail.DIGEST


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    """Committed, as the clock goes on."""
    return make_cast()


def told(tenant: Tenant) -> list[tuple[str, str]]:
    """Who has what in their inbox here, by the order of what happened."""
    with tenant_scope(tenant.pk):
        rows = Notification.objects.filter(in_inbox=True).select_related("user", "event").order_by("event__number", "user__email")
        return [(each.user.email.partition("@")[0], each.event.kind) for each in rows]


def wish(tenant: Tenant, user: User, group: str, **how: Any) -> None:
    with tenant_scope(tenant.pk):
        inbox.choose(user, {group: Wish(**how)})


def job_due(tenant: Tenant, job: str) -> datetime | None:
    return Due.objects.filter(tenant=tenant, job=job).values_list("at", flat=True).first()


def subjects() -> list[tuple[str, str]]:
    return [(message.to[0].partition("@")[0], str(message.subject)) for message in mail.outbox]


# --- the table -------------------------------------------------------------------------------------------------------


def test_every_kind_of_news_wakes_the_job_and_is_told_in_words() -> None:
    decisions = {"subscription.approved", "subscription.rejected"}
    assert set(news.GROUP_OF) == NEWS | decisions
    assert set(news_words.WORDS) | {news.ENDS_SOON, news.SERVICE_ENDS_SOON, news.SUBSCRIPTION_ENDS_SOON} == set(news.GROUP_OF)
    assert news.KINDS <= KINDS
    assert sum(len(group.kinds) for group in news.GROUPS.values()) == len(news.GROUP_OF), "each kind is in one group"


# --- who is told -----------------------------------------------------------------------------------------------------


def test_a_new_application_waits_in_the_approvers_inbox(cast: Cast) -> None:
    alan = make.member(cast.acme, "alan@acme.example", Role.APPROVER)
    with tenant_scope(cast.acme.pk):
        make.application(cast.carl)
        TenantSettings.objects.update(applications_need_approval=True)
        waits, own = make.application(cast.carl), make.application(cast.ada)
        decided = make.application(cast.carl)
        application_approvals.reject(decided, reason="No.", by=alan)
    tasks.send_mails()
    assert told(cast.acme) == [
        ("ada", "application.requested"),
        ("alan", "application.requested"),
        ("alan", "application.requested"),
        ("carl", "application.rejected"),
    ], "Ada can't decide about her own, and what was decided is no news"
    with tenant_scope(cast.acme.pk):
        application_approvals.approve(waits, by=cast.ada)
        application_approvals.approve(own, by=alan)
    tasks.send_mails()
    assert told(cast.acme)[4:] == [("carl", "application.approved"), ("ada", "application.approved")]


def test_what_was_added_is_told_to_its_people_and_not_to_who_added_it(cast: Cast, checkout: Application, gold: Plan) -> None:
    with tenant_scope(cast.acme.pk):
        made, _event = adding.add(checkout, api=gold.api, plan=gold, reason="Our partner.", by=cast.ada)
    tasks.send_mails()
    assert told(cast.acme) == [("carl", "subscription.added")]
    letter = next(each for each in mail.outbox if each.to == [cast.carl.email])
    assert "has a subscription" in letter.subject
    assert "Our partner." in letter.body
    with tenant_scope(cast.acme.pk):
        subscriptions.suspend(made, reason="Too loud.", by=make.member(cast.acme, "alan@acme.example", Role.APPROVER))
    tasks.send_mails()
    assert told(cast.acme)[1:] == [("carl", "subscription.suspended")], "who added it asked for nothing"


def test_a_request_is_in_the_approvers_inbox_and_its_answer_in_the_applicants(cast: Cast, asked: Subscription) -> None:
    tasks.send_mails()
    decide(asked, "approve", cast.ada)
    tasks.send_mails()
    assert told(cast.acme) == [("ada", "subscription.requested")], "ten seconds have not passed"
    pass_time(11)
    tasks.send_mails()
    tasks.send_mails()
    assert told(cast.acme) == [("ada", "subscription.requested"), ("carl", "subscription.approved")]
    assert told(cast.globex) == []


def test_who_decides_by_a_role_of_the_tenants_own_is_told(cast: Cast, asked: Subscription) -> None:
    rita = make.member(cast.acme, "rita@acme.example", Role.DEVELOPER)
    with tenant_scope(cast.acme.pk):
        role = CustomRole.objects.create(name="Reviewer", permissions=["subscriptions.see_all", "subscriptions.decide"])
        Membership.objects.filter(user=rita).update(roles=[], custom_roles=[role.pk])
    tasks.send_mails()
    assert told(cast.acme) == [("ada", "subscription.requested"), ("rita", "subscription.requested")]


def test_a_team_hears_of_what_its_application_is_granted_and_loses(cast: Cast, checkout: Application, gold: Plan) -> None:
    tess, lea, tim = (make.member(cast.acme, f"{name}@acme.example") for name in ("tess", "lea", "tim"))
    with tenant_scope(cast.acme.pk):
        team = make.team(lea)
        for user in (tess, tim):
            TeamMember.objects.create(team=team, membership=Membership.objects.get(user=user))
        Application.objects.filter(pk=checkout.pk).update(owner=lea, team=team)
        checkout.refresh_from_db()
        credential, _ = make.credential(checkout)
    subscription = ask(cast.acme, checkout, gold, tess)
    decide(subscription, "approve", cast.ada)
    with tenant_scope(cast.acme.pk):
        credentials.revoke(credential, by=tess)
    pass_time(11)
    tasks.send_mails()
    assert told(cast.acme) == [
        ("lea", "subscription.approved"),
        ("tess", "subscription.approved"),
        ("tim", "subscription.approved"),
        ("lea", "credential.revoked"),
        ("tim", "credential.revoked"),
    ]


def test_carl_hears_that_ada_revoked_his_secret_and_that_another_has_expired(cast: Cast, checkout: Application) -> None:
    with tenant_scope(cast.acme.pk):
        revoked, _ = make.credential(checkout, label="Shop")
        own, _ = make.credential(checkout)
        make.credential(checkout, label="Night", expires_at=timezone.now() + timedelta(days=1))
        credentials.revoke(revoked, by=cast.ada, reason="It was in a log.")
        credentials.revoke(own, by=cast.carl)
    with psycopg.connect(DATABASE_OWNER_URL) as owner:
        owner.execute("SELECT set_config('portico.tenant_id', %s, true)", [str(cast.acme.pk)])
        owner.execute("UPDATE keys_credential SET expires_at = now() - interval '1 minute' WHERE label = 'Night'")
    with tenant_scope(cast.acme.pk):
        events.lock()
        credentials.expire_credentials()
    found = run()
    assert [(who, subject.partition(":")[0], subject.rpartition("…")[2][4:]) for who, subject in found] == [
        ("carl", "Checkout", " was revoked"),
        ("carl", "Checkout", " has expired"),
    ]
    assert told(cast.acme) == [("carl", "credential.revoked"), ("carl", "credential.expired")]


def test_an_applications_people_hear_what_others_did_to_it_and_of_its_end_once(cast: Cast, checkout: Application, gold: Plan) -> None:
    tess = make.member(cast.acme, "tess@acme.example")
    with tenant_scope(cast.acme.pk):
        team = make.team(cast.carl)
        TeamMember.objects.create(team=team, membership=Membership.objects.get(user=tess))
        applications.transfer(checkout, to=team, by=cast.carl)
        make.credential(checkout)
        make.subscription(of=checkout, to=gold)
    pass_time(11)
    tasks.send_mails()
    before = len(told(cast.acme))
    with tenant_scope(cast.acme.pk):
        application_life.suspend(checkout, reason="It leaks.", by=cast.ada)
        application_life.resume(checkout, by=cast.ada)
        application_life.suspend(checkout, reason="Ours.", by=cast.carl)
        endings.delete(checkout, reason="Nobody answers for it.", by=cast.ada)
    tasks.send_mails()
    assert told(cast.acme)[before:] == [
        ("carl", "application.suspended"),
        ("tess", "application.suspended"),
        ("carl", "application.resumed"),
        ("tess", "application.resumed"),
        ("tess", "application.suspended"),
        ("carl", "application.deleted"),
        ("tess", "application.deleted"),
    ], "of what ended with it nothing more"
    to_carl = [message for message in mail.outbox if message.to == [cast.carl.email]]
    assert "Checkout was deleted" in str(to_carl[-1].subject)
    assert "Nobody answers for it." in str(to_carl[-1].body)
    assert told(cast.globex) == []


def test_who_writes_as_if_an_application_had_ended_is_heard_of_all_the_same(cast: Cast, checkout: Application) -> None:
    with tenant_scope(cast.acme.pk):
        credentials.revoke(make.credential(checkout)[0], by=cast.ada, reason=application_life.WITH_ITS_APPLICATION)
    tasks.send_mails()
    assert told(cast.acme) == [("carl", "credential.revoked")]


def test_carl_hears_that_his_roles_changed_and_that_he_was_removed(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        membership = Membership.objects.get(user=cast.carl)
        members.change_roles(membership, roles=[Role.DEVELOPER, Role.AUDITOR], by=cast.ada)
    assert run() == [("carl", "Acme: your roles changed")]
    with tenant_scope(cast.acme.pk):
        events.lock()
        members.end(Membership.objects.get(user=cast.carl), by=cast.ada)
    tasks.send_mails()
    [message] = mail.outbox
    assert (message.to, message.subject) == ([cast.carl.email], "Acme: you are no member any more")
    assert "http://127.0.0.1:8000/tenants/" in str(message.body)
    assert "preferences" not in str(message.body), "he could not open them"
    assert told(cast.acme) == [("carl", "member.changed")], "there is no inbox for who is no member"


def test_who_is_given_an_application_hears_it(cast: Cast, checkout: Application) -> None:
    cleo = make.member(cast.acme, "cleo@acme.example")
    with tenant_scope(cast.acme.pk):
        applications.transfer(checkout, to=cleo, by=cast.carl)
    assert run() == [("cleo", "Checkout was given to you")]


def test_who_may_call_a_version_hears_what_becomes_of_it_and_nobody_else(cast: Cast, checkout: Application, gold: Plan) -> None:
    dora = make.member(cast.acme, "dora@acme.example")
    with tenant_scope(cast.acme.pk):
        make.subscription(of=checkout, to=gold)
        make.application(dora)
        version = gold.api.versions.select_related("api").get()
        versions.deprecate(version, reason="v2 is better.", sunset_at=timezone.now() + timedelta(days=30), by=cast.pam)
        versions.plan_brown_out(version, starts_at=timezone.now() + timedelta(days=2), lasts=timedelta(minutes=5), by=cast.pam)
    pass_time(11)
    tasks.send_mails()
    found = [(who, kind) for who, kind in told(cast.acme) if not kind.startswith("subscription.")]
    assert found == [("carl", "version.deprecated"), ("carl", "brown_out.planned")]
    assert ("carl", "Orders v1 is deprecated") in subjects()
    body = parts(next(message for message in mail.outbox if "deprecated" in message.subject))[0]
    for said in ("v2 is better.", "It answers until", "/t/acme/apis/orders/?version=v1"):
        assert said in body


def test_who_has_a_plan_hears_what_becomes_of_it_once_and_nobody_else(cast: Cast, checkout: Application, gold: Plan) -> None:
    dora = make.member(cast.acme, "dora@acme.example")
    with tenant_scope(cast.acme.pk):
        make.subscription(of=checkout, to=gold)
        make.subscription(of=make.application(dora), to=make.plan(gold.api, name="silver"))
        plans.change_terms(gold, calls=5, seconds=60, by=cast.pam)
        plans.change_terms(gold, approval="automatic", by=cast.pam)
        plans.deprecate(gold, reason="Silver is better.", by=cast.pam)
        plans.reinstate(gold, by=cast.pam)
    pass_time(11)
    tasks.send_mails()
    found = [(who, kind) for who, kind in told(cast.acme) if not kind.startswith("subscription.")]
    assert found == [("carl", "plan.changed"), ("carl", "plan.deprecated"), ("carl", "plan.reinstated")], "who decides is no matter of his"
    bodies = {message.subject: parts(message)[0] for message in mail.outbox}
    for said in ("Limit before: 1,000 calls a second", "Limit: 5 calls a minute", "/t/acme/apis/orders/?tab=plans"):
        assert said in bodies["Orders: the plan gold allows something else"], bodies
    assert "Silver is better." in bodies["Orders: the plan gold is deprecated"]


def test_who_loses_a_subscription_with_its_plan_hears_it_once(cast: Cast, checkout: Application, gold: Plan) -> None:
    with tenant_scope(cast.acme.pk):
        make.subscription(of=checkout, to=gold)
    pass_time(11)
    tasks.send_mails()
    mail.outbox.clear()
    with tenant_scope(cast.acme.pk):
        plans.close(gold, reason="Silver takes its place.", by=cast.pam)
    tasks.send_mails()
    [message] = mail.outbox
    assert (message.to, message.subject) == ([cast.carl.email], "Orders: Checkout's subscription was cancelled")
    for said in ("Pam closed the plan gold, and so cancelled it.", "Silver takes its place."):
        assert said in parts(message)[0]


def test_everybody_hears_that_the_tenant_is_suspended_but_who_did_it(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        tenants.close(name="Acme", reason="We move.", by=cast.ada)
    assert sorted(run()) == [("carl", "Acme is being closed"), ("pam", "Acme is being closed")]
    with tenant_scope(cast.acme.pk):
        tenants.reopen(by=cast.ada)
    tasks.send_mails()
    assert Counter(told(cast.acme)) == {
        ("carl", "tenant.closing"): 1, ("pam", "tenant.closing"): 1, ("carl", "tenant.reopened"): 1, ("pam", "tenant.reopened"): 1,
    }  # fmt: skip


def test_gateways_and_keys_concern_those_who_see_them(cast: Cast) -> None:
    ugo = make.member(cast.acme, "ugo@acme.example", Role.AUDITOR)
    node = GatewayNode.objects.create(name="edge")
    with tenant_scope(cast.acme.pk):
        events.lock()
        events.record("gateway.rejected_config", node, by=None, digest="0" * 64, text="no such filter")
        events.record("signing_key.compromised", SigningKey.objects.all()[0], by=cast.ada, reason="It leaked.")
    tasks.send_mails()
    assert told(cast.acme) == [
        ("ada", "gateway.rejected_config"),
        ("pam", "gateway.rejected_config"),
        ("ugo", "gateway.rejected_config"),
        ("ugo", "signing_key.compromised"),
    ]
    body = next(str(message.body) for message in mail.outbox if message.to == [ugo.email])
    assert "It said:\n> no such filter" in body
    assert "http://127.0.0.1:8000/t/acme/console/gateways/edge/" in body


def test_a_secret_that_was_replaced_and_is_out_of_use_ends_without_a_word(cast: Cast, checkout: Application) -> None:
    with tenant_scope(cast.acme.pk):
        old, _ = make.credential(checkout)
        new, _ = credentials.roll(old, grace="1h", by=cast.carl)
        make_used(new)
    pass_grace(cast.acme)
    assert run() == []


def make_used(credential: Credential) -> None:
    now = timezone.now()
    CredentialUse.objects.create(credential=credential, day=now.date(), calls=1, first_at=now, last_at=now)


def pass_grace(tenant: Tenant) -> None:
    with psycopg.connect(DATABASE_OWNER_URL) as owner:
        owner.execute("SELECT set_config('portico.tenant_id', %s, true)", [str(tenant.pk)])
        owner.execute("UPDATE keys_credential SET expires_at = now() - interval '1 minute' WHERE status = 'expiring'")
    with tenant_scope(tenant.pk):
        events.lock()
        credentials.expire_credentials()


# --- as each wants it ------------------------------------------------------------------------------------------------


def test_who_wants_no_mail_has_it_in_the_inbox_and_the_other_way_round(cast: Cast, asked: Subscription) -> None:
    abe = make.member(cast.acme, "abe@acme.example", Role.APPROVER)
    wish(cast.acme, cast.ada, "requests", mail=NEVER)
    wish(cast.acme, abe, "requests", inbox=False)
    assert [who for who, _ in run()] == ["abe"]
    assert told(cast.acme) == [("ada", "subscription.requested")]


def test_a_wish_counts_in_its_tenant_and_for_its_group_alone(cast: Cast, asked: Subscription) -> None:
    wish(cast.globex, cast.ada, "requests", mail=NEVER, inbox=False)
    wish(cast.acme, cast.ada, "keys", mail=NEVER, inbox=False)
    assert [who for who, _ in run()] == ["ada"]
    assert told(cast.acme) == [("ada", "subscription.requested")]


@pytest.mark.parametrize(
    "at,zone,morning",
    [
        ("2026-03-03T05:30", "UTC", "2026-03-03T07:00"),
        ("2026-03-03T07:00", "UTC", "2026-03-04T07:00"),
        ("2026-03-03T05:30", "Europe/Berlin", "2026-03-03T06:00"),
        ("2026-03-28T12:00", "Europe/Berlin", "2026-03-29T05:00"),
        ("2026-03-03T05:30", "Asia/Tokyo", "2026-03-03T22:00"),
        ("2026-03-03T05:30", "Mars/Olympus", "2026-03-03T07:00"),
    ],
)
def test_a_digest_comes_at_seven_where_its_reader_is(at: str, zone: str, morning: str) -> None:
    found = inbox.morning_after(datetime.fromisoformat(at).replace(tzinfo=UTC), User(time_zone=zone))
    assert found.astimezone(UTC).isoformat()[:16] == morning


def let_wait(tenant: Tenant, hours: float) -> None:
    """What waits for a digest has waited that much longer."""
    with psycopg.connect(DATABASE_OWNER_URL) as owner:
        owner.execute("SELECT set_config('portico.tenant_id', %s, true)", [str(tenant.pk)])
        owner.execute("UPDATE tenants_notification SET created_at = created_at - make_interval(hours => %s)", [hours])
        owner.execute("UPDATE tenants_due SET at = at - make_interval(hours => %s) WHERE job = %s", [hours, inbox.DIGEST_JOB])


def test_what_waits_comes_in_one_mail_in_the_morning_and_once(cast: Cast, asked: Subscription, gold: Plan) -> None:
    wish(cast.acme, cast.ada, "requests", mail=DIGEST)
    with tenant_scope(cast.acme.pk):
        returns = make.application(cast.carl, name="Returns")
    ask(cast.acme, returns, gold, cast.carl, purpose="https://evil.example <b>")
    assert run() == []
    assert len(told(cast.acme)) == 2, "the inbox doesn't wait"
    at = job_due(cast.acme, inbox.DIGEST_JOB)
    assert at is not None
    assert timezone.now() < at <= timezone.now() + timedelta(days=1)
    tasks.send_digests()
    assert mail.outbox == []
    let_wait(cast.acme, 24)
    tasks.send_digests()
    [message] = mail.outbox
    assert (message.to, message.subject) == ([cast.ada.email], "Acme: 2 notifications")
    text, html = parts(message)
    assert text.index("Checkout asks for Orders") < text.index("Returns asks for Orders")
    for body in (text, html):
        assert f"/t/acme/console/requests/{asked.pk}/" in body
        assert "evil.example" not in body
        assert "<b>" not in body or body is text
    assert job_due(cast.acme, inbox.DIGEST_JOB) is None
    tasks.send_digests()
    assert len(mail.outbox) == 1


def test_a_digest_leaves_out_what_its_reader_no_longer_wants_or_sees(cast: Cast, asked: Subscription) -> None:
    abe = make.member(cast.acme, "abe@acme.example", Role.APPROVER)
    for user in (cast.ada, abe):
        wish(cast.acme, user, "requests", mail=DIGEST)
    tasks.send_mails()
    wish(cast.acme, cast.ada, "requests", mail=NEVER)
    with tenant_scope(cast.acme.pk):
        Membership.objects.filter(user=abe).delete()
    let_wait(cast.acme, 24)
    tasks.send_digests()
    assert mail.outbox == []
    with tenant_scope(cast.acme.pk):
        assert not inbox.waiting().exists()


def test_a_digest_waits_for_a_mail_server_that_is_away(cast: Cast, asked: Subscription, settings: Any, caplog: Any) -> None:
    wish(cast.acme, cast.ada, "requests", mail=DIGEST)
    tasks.send_mails()
    let_wait(cast.acme, 24)
    here = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = "django.core.mail.backends.smtp.EmailBackend", "127.0.0.1", 1
    tasks.send_digests()
    assert "No digest can be sent" in caplog.text
    settings.EMAIL_BACKEND = here
    let_wait(cast.acme, 1)
    tasks.send_digests()
    assert subjects() == [("ada", "Acme: 1 notification")]


# --- once, and whatever happens --------------------------------------------------------------------------------------


def test_a_job_that_is_killed_after_reading_repeats_nothing_in_the_inbox(
    cast: Cast, asked: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(post, "_of_event", killed)
    with pytest.raises(KeyboardInterrupt):
        tasks.send_mails()
    monkeypatch.undo()
    assert told(cast.acme) == [("ada", "subscription.requested")]
    Due.objects.filter(job=due.MAIL_JOB).update(at=timezone.now())
    assert run() == [("ada", "Checkout asks for Orders: gold")]
    assert told(cast.acme) == [("ada", "subscription.requested")]


def test_what_was_told_before_is_not_told_twice_even_from_an_older_head(cast: Cast, asked: Subscription) -> None:
    tasks.send_mails()
    with tenant_scope(cast.acme.pk):
        EventCounter.objects.update(told=0, mailed=0)
        due.expect(due.MAIL_JOB, timezone.now())
    tasks.send_mails()
    assert told(cast.acme) == [("ada", "subscription.requested")]
    assert job_due(cast.acme, due.MAIL_JOB) is None, "the job came to its end"


def test_inboxes_go_on_while_no_mail_can_be_sent(cast: Cast, gold: Plan, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post, "MOST_EVENTS", 2)
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = "django.core.mail.backends.smtp.EmailBackend", "127.0.0.1", 1
    for name in "abcde":
        with tenant_scope(cast.acme.pk):
            application = make.application(cast.carl, name=name)
        ask(cast.acme, application, gold, cast.carl)
        tasks.send_mails()
    assert len(told(cast.acme)) == 5
    with tenant_scope(cast.acme.pk):
        counter = EventCounter.objects.get()
        assert counter.mailed < counter.told == counter.number


def test_the_inboxes_of_all_tenants_go_on_while_no_mail_can_be_sent(cast: Cast, gold: Plan, checkout: Application, settings: Any) -> None:
    """And what waits out its ten seconds is told after them, not after the server's next try."""
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = "django.core.mail.backends.smtp.EmailBackend", "127.0.0.1", 1
    asked = ask(cast.acme, checkout, gold, cast.carl)
    with tenant_scope(cast.acme.pk):
        other = make.application(cast.carl, name="Another")
    ask(cast.acme, other, gold, cast.carl)
    with tenant_scope(cast.globex.pk):
        make.member(cast.globex, "gil@globex.example", "approver")
        make.subscription(status="pending")
    tasks.send_mails()
    assert told(cast.acme) == [("ada", "subscription.requested")] * 2
    assert ("gil", "subscription.requested") in told(cast.globex)
    decide(asked, "approve", cast.ada)
    tasks.send_mails()
    at = job_due(cast.acme, due.MAIL_JOB)
    assert at is not None
    assert (at - timezone.now()).total_seconds() < 11


def test_who_was_removed_hears_of_that_and_of_nothing_after_it(cast: Cast) -> None:
    bo = make.member(cast.acme, "bo@acme.example", Role.APPROVER, Role.AUDITOR)
    run()
    with tenant_scope(cast.acme.pk):
        bos = Membership.objects.get(user=bo)
        members.change_roles(bos, roles=[Role.AUDITOR], by=cast.ada)
        events.lock()
        members.end(bos, by=cast.ada)
        events.record("member.changed", bo, by=cast.ada, roles=[])
    assert run() == [("bo", "Acme: your roles changed"), ("bo", "Acme: you are no member any more")]


def test_of_two_mails_of_one_invitation_the_newer_is_sent(cast: Cast) -> None:
    run()
    with tenant_scope(cast.acme.pk):
        (guest,) = invitations.invite(["bo@acme.example"], roles=["developer"], by=cast.ada)
        for _ in range(2):
            Invitation.objects.update(expires_at=timezone.now() + timedelta(days=6))
            invitations.renew(guest, by=cast.ada)
    assert len(run()) == 1


def test_tenants_that_were_there_before_are_told_nothing_old(cast: Cast, asked: Subscription) -> None:
    with as_owner():
        importlib.import_module("tenants.migrations.0005_people").begin_now(apps, None)
    assert run() == [("ada", "Checkout asks for Orders: gold")], "a mail that waits is sent"
    assert told(cast.acme) == []
    with tenant_scope(cast.acme.pk):
        EventCounter.objects.update(told=0, mailed=0)
    with as_owner():
        importlib.import_module("tenants.migrations.0005_people").begin_now(apps, None)
    with tenant_scope(cast.acme.pk):
        due.expect(due.MAIL_JOB, timezone.now())
    assert run() == []


def test_notifications_are_removed_after_half_a_year(cast: Cast, asked: Subscription, gold: Plan) -> None:
    tasks.send_mails()
    assert tasks.prune_notifications() == 0, "none is due"
    with psycopg.connect(DATABASE_OWNER_URL) as owner:
        owner.execute("SELECT set_config('portico.tenant_id', %s, true)", [str(cast.acme.pk)])
        owner.execute("UPDATE tenants_notification SET created_at = created_at - interval '181 days'")
        owner.execute("UPDATE tenants_due SET at = now() WHERE job = %s", [inbox.PRUNE_JOB])
    with tenant_scope(cast.acme.pk):
        returns = make.application(cast.carl, name="Returns")
    ask(cast.acme, returns, gold, cast.carl)
    tasks.send_mails()
    assert len(told(cast.acme)) == 2
    assert tasks.prune_notifications() == 1
    assert len(told(cast.acme)) == 1
    at = job_due(cast.acme, inbox.PRUNE_JOB)
    assert at is not None
    assert at > timezone.now() + timedelta(days=179)
