"""Ada invites people to Acme by e-mail; each link makes one member, once, and nothing else."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.signing import Signer
from django.db import connection
from django.utils import timezone

from tenants import due
from tenants.errors import Invalid, NotAllowed
from tenants.models import CustomRole, Due, Event, Invitation, Membership, Role, TeamMember, Tenant, User
from tenants.people import invitations
from tenants.people.members import change_roles
from tenants.roles import PERMISSIONS, permissions_held
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, as_owner, base, empty_tables, make_cast, queries


@pytest.fixture
def ada(in_acme: Cast) -> User:
    return in_acme.ada


def invite(*emails: str, by: User, **given: object) -> list[Invitation]:
    return invitations.invite(emails, **{"roles": ["developer"], **given}, by=by)  # type: ignore[arg-type]


def opened(invitation: Invitation) -> tuple[Invitation, str]:
    found = invitations.behind(invitations.token_of(invitation))
    assert found is not None
    return found


def accept(invitation: Invitation, by: User) -> Membership:
    return invitations.accept(*opened(invitation), by=by)


def kinds() -> list[str]:
    return list(Event.objects.exclude(kind__startswith="signing_key").order_by("number").values_list("kind", flat=True))


def age(invitation: Invitation, **by: float) -> None:
    Invitation.objects.filter(pk=invitation.pk).update(expires_at=invitation.expires_at - timedelta(**by))


def test_who_is_invited_is_mailed_and_has_seven_days(ada: User) -> None:
    (bo,) = invite("Bo@Acme.Example", by=ada)
    assert (bo.email, bo.roles, bo.status, bo.invited_by) == ("bo@acme.example", ["developer"], "pending", ada)
    assert timedelta(days=6, hours=23) < bo.expires_at - timezone.now() <= timedelta(days=7)
    event = Event.objects.latest("number")
    assert (event.kind, event.subject_name, event.data) == ("invitation.created", "bo@acme.example", {"roles": ["developer"]})
    assert set(Due.objects.filter(tenant=bo.tenant).values_list("job", flat=True)) >= {due.MAIL_JOB, invitations.EXPIRE_JOB}


def test_who_accepts_is_a_member_with_roles_and_team(ada: User) -> None:
    team = make.team(ada, "Payments")
    reader = CustomRole.objects.create(name="Reader", permissions=["audit.read"])
    (invitation,) = invite("bo@acme.example", by=ada, custom_roles=[reader.pk], team=team)
    bo = make.user("bo@acme.example")
    membership = accept(invitation, bo)
    assert (membership.roles, membership.custom_roles) == (["developer"], [reader.pk])
    assert TeamMember.objects.filter(team=team, membership=membership).exists()
    found = Membership.objects.with_custom_permissions().get(user=bo)
    assert {"audit.read", "applications.own"} <= permissions_held(found)
    invitation.refresh_from_db()
    assert (invitation.status, invitation.accepted_by) == ("accepted", bo)
    assert kinds()[-1] == "invitation.accepted"


def test_who_became_a_member_meanwhile_keeps_what_they_have(ada: User) -> None:
    (invitation,) = invite("bo@acme.example", by=ada, roles=["auditor"])
    bo = make.member(invitation.tenant, "bo@acme.example", Role.DEVELOPER)
    assert accept(invitation, bo).roles == ["auditor", "developer"]


def test_many_at_once_by_lines_or_commas_each_once() -> None:
    text = "Bo@acme.example, cy@acme.example;\n\n  dee@acme.example\tbo@acme.example"
    assert invitations.addresses_in(text) == ["bo@acme.example", "cy@acme.example", "dee@acme.example"]


def test_fifty_are_invited_at_once_and_no_more(ada: User) -> None:
    emails = [f"guest{each}@acme.example" for each in range(51)]
    with pytest.raises(Invalid, match="51 addresses; invite up to 50"):
        invite(*emails, by=ada)
    assert len(invite(*emails[:50], by=ada)) == 50


def test_an_address_with_a_plus_is_another_one(ada: User) -> None:
    invite("bo@acme.example", by=ada)
    invite("bo+test@acme.example", by=ada)
    with pytest.raises(Invalid, match="bo@acme.example is invited already"):
        invite("BO@ACME.example", by=ada)


def test_a_domain_that_only_looks_like_ours_is_shown_as_it_is(ada: User) -> None:
    # The first letter is Cyrillic.
    (made,) = invite("bo@аcme.example", by=ada)
    assert made.email == "bo@xn--cme-5cd.example"


@pytest.mark.parametrize(
    "bad", ["", "bo", "bo@", "@acme.example", "bo@acme", "a@b@c.example", f"bo@{'x' * 300}.example", "bo\x00@acme.example"]
)
def test_what_is_no_address_is_named_and_nobody_is_invited(ada: User, bad: str) -> None:
    with pytest.raises(Invalid) as refused:
        invite("cy@acme.example", bad, by=ada)
    assert list(refused.value.problems) == ["emails"]
    assert not Invitation.objects.exists()


def test_one_who_cannot_be_invited_stops_all_and_every_reason_is_told(ada: User) -> None:
    invite("bo@acme.example", by=ada)
    with pytest.raises(Invalid) as refused:
        invite("cy@acme.example", "bo@acme.example", "CARL@acme.example", by=ada)
    assert refused.value.problems == {"emails": ["carl@acme.example is a member already.", "bo@acme.example is invited already."]}
    assert Invitation.objects.count() == 1


def test_whose_invitation_is_over_can_be_invited_anew_before_the_job_came(ada: User) -> None:
    (old,) = invite("bo@acme.example", by=ada)
    age(old, days=8)
    (new,) = invite("bo@acme.example", by=ada)
    old.refresh_from_db()
    assert (old.status, new.status) == ("expired", "pending")


@pytest.mark.parametrize("roles", [[], ["king"], ["developer", "king"]])
def test_roles_that_there_are_none_of(ada: User, roles: list[str]) -> None:
    with pytest.raises(Invalid) as refused:
        invite("bo@acme.example", by=ada, roles=roles)
    assert list(refused.value.problems) == ["roles"]


def test_a_role_of_nobody_here_is_refused(ada: User) -> None:
    with pytest.raises(Invalid) as refused:
        invite("bo@acme.example", by=ada, custom_roles=[uuid4()])
    assert list(refused.value.problems) == ["custom_roles"]


@pytest.fixture
def max_(in_acme: Cast) -> User:
    """Manages members, by a role of Acme's own, and develops."""
    role = CustomRole.objects.create(name="Host", permissions=["members.see", "members.manage"])
    made = make.member(in_acme.acme, "max@acme.example", Role.DEVELOPER)
    Membership.objects.filter(user=made).update(custom_roles=[role.pk])
    return made


def test_nobody_gives_what_they_do_not_hold(max_: User) -> None:
    invite("bo@acme.example", by=max_)
    for roles in (["admin"], ["auditor"], ["developer", "publisher"]):
        with pytest.raises(NotAllowed, match="You don't hold “[a-z_.]+” yourself"):
            invite("cy@acme.example", by=max_, roles=roles)
    signer = CustomRole.objects.create(name="Signer", permissions=["keys.manage"])
    with pytest.raises(NotAllowed, match="keys.manage"):
        invite("cy@acme.example", by=max_, custom_roles=[signer.pk])


def test_nor_by_sending_again_what_somebody_else_gave(ada: User, max_: User) -> None:
    (invitation,) = invite("bo@acme.example", by=ada, roles=["admin"])
    age(invitation, minutes=2)
    with pytest.raises(NotAllowed, match="yourself"):
        invitations.renew(invitation, by=max_)


def test_what_the_inviter_may_not_give_any_more_is_not_given(ada: User, max_: User) -> None:
    """Else an admin who is about to lose the role asks in somebody who keeps it."""
    (invitation,) = invite("bo@acme.example", by=ada, roles=["admin"])
    other = make.member(invitation.tenant, None, Role.ADMIN)
    change_roles(Membership.objects.get(user=ada), roles=["developer"], by=other)
    bo = make.user("bo@acme.example")
    with pytest.raises(NotAllowed, match="Ada, who invited you, may not give you these roles any more"):
        accept(invitation, bo)
    assert not Membership.objects.filter(user=bo).exists()
    age(invitation, minutes=2)
    invitations.renew(invitation, by=other)
    invitation.refresh_from_db()
    assert accept(invitation, bo).roles == ["admin"]


def test_who_lost_the_right_while_waiting_invites_nobody(in_acme: Cast) -> None:
    with pytest.raises(NotAllowed, match="You don't manage the members here any more"):
        invite("bo@acme.example", by=in_acme.carl)


def test_a_link_is_for_its_address_alone_in_whatever_case(ada: User, in_acme: Cast) -> None:
    (invitation,) = invite("Bo@acme.example", by=ada)
    with pytest.raises(NotAllowed, match="This invitation is for bo@acme.example"):
        accept(invitation, in_acme.eve)
    assert accept(invitation, make.user("bo@acme.example")).roles == ["developer"]


def test_a_link_works_once(ada: User) -> None:
    (invitation,) = invite("bo@acme.example", by=ada)
    bo = make.user("bo@acme.example")
    accept(invitation, bo)
    with pytest.raises(NotAllowed, match="was accepted"):
        accept(invitation, bo)
    Membership.objects.filter(user=bo).delete()
    with pytest.raises(NotAllowed, match="was accepted"):
        accept(invitation, bo)


def test_a_link_that_was_taken_back_opens_nothing(ada: User) -> None:
    (invitation,) = invite("bo@acme.example", by=ada)
    invitations.revoke(invitation, by=ada)
    with pytest.raises(NotAllowed, match="taken back"):
        accept(invitation, make.user("bo@acme.example"))
    with pytest.raises(NotAllowed, match="This invitation is revoked, so it can't become revoked"):
        invitations.revoke(invitation, by=ada)
    assert kinds()[-1] == "invitation.revoked"


def test_a_link_ends_after_seven_days_to_the_second_although_no_job_ran(ada: User) -> None:
    (invitation,) = invite("bo@acme.example", by=ada)
    bo = make.user("bo@acme.example")
    found, nonce = opened(invitation)
    second = timedelta(seconds=1)
    assert invitations.refusal(found, nonce, now=found.expires_at - second) is None
    assert "expired" in str(invitations.refusal(found, nonce, now=found.expires_at))
    age(invitation, days=7)
    with pytest.raises(NotAllowed, match="has expired"):
        accept(invitation, bo)


def test_sent_again_there_is_a_new_link_and_the_earlier_one_ends(ada: User) -> None:
    (invitation,) = invite("bo@acme.example", by=ada)
    old = opened(invitation)
    with pytest.raises(NotAllowed, match="less than a minute ago"):
        invitations.renew(invitation, by=ada)
    age(invitation, seconds=59)
    with pytest.raises(NotAllowed, match="less than a minute ago"):
        invitations.renew(invitation, by=ada)
    age(invitation, seconds=61)
    Due.objects.filter(job=due.MAIL_JOB).delete()
    invitations.renew(invitation, by=ada)
    assert Due.objects.filter(job=due.MAIL_JOB).exists()
    invitation.refresh_from_db()
    assert invitation.expires_at - timezone.now() > timedelta(days=6, hours=23)
    bo = make.user("bo@acme.example")
    with pytest.raises(NotAllowed, match="sent again, and this link ended"):
        invitations.accept(*old, by=bo)
    assert accept(invitation, bo)
    with pytest.raises(NotAllowed, match="no open invitation any more"):
        invitations.renew(invitation, by=ada)


def test_a_forged_link_is_nobodys(ada: User, in_acme: Cast) -> None:
    (invitation,) = invite("bo@acme.example", by=ada)
    token = invitations.token_of(invitation)
    for bad in (
        "",
        "x",
        token[:-1],
        token + "A",
        token.upper(),
        f"{invitation.pk.hex}-{invitation.nonce}",
        f"{uuid4().hex}{token[32:]}",
        Signer(salt="another", sep=".").sign(f"{invitation.pk.hex}-{invitation.nonce}"),
        Signer(salt="portico.invitation", sep=".").sign("x"),
        Signer(salt="portico.invitation", sep=".").sign(f"{uuid4().hex}-{invitation.nonce}"),
    ):
        assert invitations.behind(bad) is None, bad
    assert invitations.behind(token) is not None
    with tenant_scope(in_acme.globex.pk):
        assert invitations.behind(token) is None, "it is Acme's"


def test_a_suspended_tenant_takes_nobody_in(ada: User) -> None:
    (invitation,) = invite("bo@acme.example", by=ada)
    bo = make.user("bo@acme.example")
    Tenant.objects.filter(pk=invitation.owning_tenant).update(status="suspended")
    with pytest.raises(NotAllowed, match="Acme takes nobody in at the moment"):
        accept(invitation, bo)
    with pytest.raises(NotAllowed, match="takes nobody in"):
        invite("cy@acme.example", by=ada)


def test_the_job_ends_what_is_over_and_comes_back_for_the_rest(ada: User, in_acme: Cast) -> None:
    first, second = invite("bo@acme.example", "cy@acme.example", by=ada)
    age(first, days=7)
    age(second, days=6)
    with tenant_scope(in_acme.globex.pk):
        other = make.invitation(by=in_acme.eve)
    job = invitations.EXPIRE_JOB
    Due.objects.filter(job=job).update(at=timezone.now() - timedelta(hours=1))
    assert due.run(job, invitations.expire_invitations) == 1
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, second.status, kinds()[-1]) == ("expired", "pending", "invitation.expired")
    assert Due.objects.get(job=job).at == second.expires_at
    before = kinds()
    Due.objects.filter(job=job).update(at=timezone.now() - timedelta(hours=1))
    due.run(job, invitations.expire_invitations)
    assert kinds() == before, "twice does nothing more"
    age(second, days=7)
    Due.objects.filter(job=job).update(at=timezone.now() - timedelta(hours=1))
    due.run(job, invitations.expire_invitations)
    assert not Due.objects.filter(job=job).exists()
    with tenant_scope(in_acme.globex.pk):
        other.refresh_from_db()
        assert other.status == "pending"


# --- at the same moment --------------------------------------------------------------------------------------------


@pytest.fixture
def in_the_open(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[Cast]:
    """The cast, committed: other connections see them."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        yield make_cast()
        with as_owner():
            empty_tables()
        connection.close()


def test_two_tabs_at_once_make_one_membership(in_the_open: Cast) -> None:
    acme = in_the_open.acme
    with tenant_scope(acme.pk):
        (invitation,) = invite("bo@acme.example", by=in_the_open.ada)
        link = opened(invitation)
    bo = make.user("bo@acme.example")
    together, answers = threading.Barrier(2), []

    def tab() -> None:
        try:
            with tenant_scope(acme.pk):
                together.wait(timeout=10)
                invitations.accept(*link, by=bo)
            answers.append("in")
        except NotAllowed as refusal:
            answers.append(str(refusal))
        finally:
            connection.close()

    tabs = [threading.Thread(target=tab) for _ in range(2)]
    for each in tabs:
        each.start()
    for each in tabs:
        each.join(timeout=30)
    assert sorted(answers) == ["This invitation was accepted. A link works once.", "in"]
    with tenant_scope(acme.pk):
        assert Membership.objects.filter(user=bo).count() == 1
        assert kinds().count("invitation.accepted") == 1


# --- over REST -----------------------------------------------------------------------------------------------------


def test_ada_invites_sends_again_and_takes_back_over_rest(cast: Cast, rest: Rest) -> None:
    ada, address = rest(cast.ada), f"{base(cast.acme)}/invitations/"
    made = ada.post(address, {"emails": ["Bo@acme.example", "cy@acme.example"], "roles": ["developer"]})
    assert made.status_code == 201
    assert [each["email"] for each in made.json()] == ["bo@acme.example", "cy@acme.example"]
    row = made.json()[0]
    assert "nonce" not in row
    assert (row["status"], row["invited_by"], row["team"]) == ("pending", "ada@acme.example", None)
    assert ada.post(f"{address}{row['id']}/resend/").status_code == 409
    assert ada.post(f"{address}{row['id']}/revoke/").json()["status"] == "revoked"
    assert [each["email"] for each in ada.get(address, {"status": "pending"}).json()["results"]] == ["cy@acme.example"]
    assert ada.get(address, {"status": "open"}).status_code == 422


@pytest.mark.parametrize(
    "body,field",
    [
        ({"emails": [], "roles": ["developer"]}, "emails"),
        ({"emails": ["bo"], "roles": ["developer"]}, "emails"),
        ({"emails": ["bo@acme.example"]}, "roles"),
        ({"emails": ["bo@acme.example"], "roles": ["king"]}, "roles.0"),
        ({"emails": ["bo@acme.example"], "roles": ["developer"], "team": str(uuid4())}, "team"),
        ({"emails": ["bo@acme.example"], "roles": ["developer"], "email": "x"}, "email"),
    ],
)
def test_what_can_not_be_used_is_named_at_its_field(cast: Cast, rest: Rest, body: dict[str, object], field: str) -> None:
    answer = rest(cast.ada).post(f"{base(cast.acme)}/invitations/", body)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])


def test_only_who_manages_members_sees_invitations_and_eve_finds_nothing(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        pk = make.invitation(by=cast.ada).pk
    for user, status in ((cast.pam, 403), (cast.carl, 403), (cast.eve, 404), (cast.olga, 404)):
        for method, path in (("get", ""), ("post", ""), ("post", f"{pk}/resend/"), ("post", f"{pk}/revoke/")):
            assert getattr(rest(user), method)(f"{base(cast.acme)}/invitations/{path}").status_code == status
    for path in (f"{pk}/resend/", f"{pk}/revoke/"):
        assert rest(cast.eve).post(f"{base(cast.globex)}/invitations/{path}").status_code == 404


def test_a_list_of_invitations_counts_its_queries(cast: Cast, rest: Rest) -> None:
    ada = rest(cast.ada)
    with tenant_scope(cast.acme.pk):
        invite(*[f"guest{each}@acme.example" for each in range(8)], by=cast.ada)
    with queries("invitations/"):
        ada.get(f"{base(cast.acme)}/invitations/")


def test_a_service_account_gives_no_more_than_who_answers_for_it(in_acme: Cast) -> None:
    """Neither does the key of an admin who is none any more, nor of one who is gone."""
    anne = make.member(in_acme.acme, "anne@acme.example", Role.ADMIN)
    account, _secret = make.service_account(*PERMISSIONS, by=anne)
    waiting, later = invite("bo@acme.example", "cy@acme.example", by=account.user, roles=["admin"])
    change_roles(Membership.objects.get(user=anne), roles=["auditor"], by=in_acme.ada)
    with pytest.raises(NotAllowed, match="don't manage the members"):
        invite("di@acme.example", by=account.user, roles=["admin"])
    with pytest.raises(NotAllowed):
        accept(waiting, make.user("bo@acme.example"))
    Membership.objects.filter(user=anne).delete()
    with pytest.raises(NotAllowed):
        accept(later, make.user("cy@acme.example"))
