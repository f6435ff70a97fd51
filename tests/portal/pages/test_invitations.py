"""Ada asks people in; whoever follows a link learns what it is, and becomes a member in as few steps as can be."""

import logging
import re
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from django.urls import reverse

from portal import tasks
from portal.logs import Line
from tenants.models import Event, Invitation, Membership, Role, SignUp, Tenant, TenantSettings, User
from tenants.people import invitations
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, make_cast, queries
from tests.portal.pages.test_console import signed_in, text

LIST, INVITE = "/t/acme/console/members/invitations/", "/t/acme/console/members/invite/"
PASSWORD = "six green lanterns"


@pytest.fixture
def ada(in_acme: Cast) -> Client:
    return signed_in(in_acme.ada)


@pytest.fixture
def bo(in_acme: Cast) -> Invitation:
    return invitations.invite(["bo@acme.example"], roles=["developer"], by=in_acme.ada)[0]


def link(invitation: Invitation) -> str:
    return reverse("invitation", args=["acme", invitations.token_of(invitation)])


def known(email: str = "bo@acme.example") -> User:
    """Somebody with an account here."""
    return User.objects.create_user(email, PASSWORD, name="Bo", verified=True)


def member(email: str = "bo@acme.example") -> bool:
    return Membership.objects.filter(user__email=email).exists()


def age(invitation: Invitation, **by: float) -> None:
    Invitation.objects.filter(pk=invitation.pk).update(expires_at=invitation.expires_at - timedelta(**by))


# --- asking in -----------------------------------------------------------------------------------------------------


def test_ada_invites_several_at_once(ada: Client, in_acme: Cast) -> None:
    team = make.team(in_acme.ada, "Payments")
    assert "Payments" in text(ada.get(INVITE))
    body = {"emails": "Bo@acme.example\ncy@acme.example, dee@acme.example", "roles": ["developer", "auditor"], "team": str(team.pk)}
    answer = ada.post(INVITE, body, follow=True)
    assert "3 people are invited." in answer.content.decode()
    assert set(Invitation.objects.values_list("email", flat=True)) == {f"{name}@acme.example" for name in ("bo", "cy", "dee")}
    said = text(answer)
    assert "bo@acme.example Team Payments Developer Auditor Pending ends" in said
    assert "by Ada Send again… bo@acme.example Take back… bo@acme.example" in said


@pytest.mark.parametrize(
    "body,said",
    [
        ({"emails": "", "roles": ["developer"]}, "Fill this in."),
        ({"emails": "bo@acme.example"}, "Choose at least one."),
        ({"emails": "bo@acme.example and cy", "roles": ["developer"]}, "“and” is no e-mail address."),
        ({"emails": "bo@acme.example carl@acme.example", "roles": ["developer"]}, "carl@acme.example is a member already."),
        ({"emails": "bo@acme.example", "roles": ["king"]}, "This role is not there any more, or not yours to give."),
        ({"emails": "bo@acme.example", "roles": ["developer"], "team": "x"}, "There is no such team."),
    ],
)
def test_what_can_not_be_used_comes_back_with_all_that_was_typed(ada: Client, in_acme: Cast, body: dict[str, Any], said: str) -> None:
    make.team(in_acme.ada)
    answer = ada.post(INVITE, body)
    assert answer.status_code == 422
    assert said in text(answer)
    assert body["emails"] in answer.content.decode()
    assert not Invitation.objects.exists()


def test_who_is_invited_already_can_be_sent_it_again(ada: Client, bo: Invitation) -> None:
    answer = ada.post(INVITE, {"emails": "bo@acme.example", "roles": ["developer"]})
    assert answer.status_code == 422
    again = f"{LIST}{bo.pk}/resend/"
    assert "bo@acme.example is invited already." in text(answer)
    assert f'href="{again}"' in answer.content.decode()
    assert "The link of the earlier mail ends" in text(ada.get(again))
    assert ada.post(again).status_code == 409, "it was sent just now"
    age(bo, minutes=2)
    assert ada.post(again, follow=True).status_code == 200
    assert Event.objects.latest("number").kind == "invitation.renewed"


def test_an_invitation_is_taken_back_after_a_question(ada: Client, bo: Invitation) -> None:
    address = f"{LIST}{bo.pk}/revoke/"
    assert "opens nothing from now on" in text(ada.get(address))
    assert member() is False
    ada.post(address)
    bo.refresh_from_db()
    assert bo.status == "revoked"
    assert f'href="{INVITE}?email=bo%40acme.example&amp;role=developer"' in ada.get(LIST).content.decode()
    assert "bo@acme.example</textarea>" in ada.get(f"{INVITE}?email=bo%40acme.example&role=developer").content.decode()


def test_roles_that_are_not_the_readers_to_give_are_not_offered(in_acme: Cast) -> None:
    from_role = make.member(in_acme.acme, "host@acme.example", Role.DEVELOPER)
    role = make.custom_role("Host", ["members.see", "members.manage"])
    Membership.objects.filter(user=from_role).update(custom_roles=[role.pk])
    host = signed_in(from_role)
    said = text(host.get(INVITE))
    assert "Developer" in said
    assert "Host" in said
    assert "Admin" not in said
    assert "Auditor" not in said
    assert host.post(INVITE, {"emails": "bo@acme.example", "roles": ["admin"]}).status_code == 422
    assert not Invitation.objects.exists()


def test_the_list_is_searched_and_narrowed(ada: Client, bo: Invitation, in_acme: Cast) -> None:
    cy = invitations.invite(["cy@acme.example"], roles=["developer"], by=in_acme.ada)[0]
    invitations.revoke(cy, by=in_acme.ada)
    for query, names in (
        ({}, {"bo", "cy"}),
        ({"q": "BO@"}, {"bo"}),
        ({"status": "revoked"}, {"cy"}),
        ({"status": "revoked", "q": "bo"}, set()),
        ({"status": "nonsense"}, {"bo", "cy"}),
        ({"q": "\x01<script>"}, set()),
    ):
        said = text(ada.get(LIST, query))
        assert {name for name in ("bo", "cy") if f"{name}@acme.example" in said} == names
        assert ("No invitation is like that" in said) == (not names)


def test_where_people_may_join_by_themselves_the_list_says_so(ada: Client) -> None:
    assert "Nobody is invited yet" in text(ada.get(LIST))
    assert "by themselves" not in text(ada.get(LIST))
    TenantSettings.objects.update(sign_up=SignUp.DOMAINS, sign_up_domains=["acme.example"])
    assert "Whoever has an address of acme.example can join by themselves, at http://127.0.0.1:8000/t/acme/join/" in text(ada.get(LIST))
    TenantSettings.objects.update(sign_up=SignUp.OPEN)
    assert "Everybody who has an account here can join by themselves" in text(ada.get(LIST))


def test_who_manages_members_alone_gets_there(in_acme: Cast, bo: Invitation) -> None:
    for address in (LIST, INVITE, f"{LIST}{bo.pk}/resend/", f"{LIST}{bo.pk}/revoke/"):
        for user, status in ((in_acme.ada, 200), (in_acme.pam, 403), (in_acme.carl, 403), (in_acme.eve, 404), (in_acme.olga, 404)):
            assert signed_in(user).get(address).status_code == status
    eve = signed_in(in_acme.eve)
    for act in ("resend", "revoke"):
        assert eve.get(f"/t/globex/console/members/invitations/{bo.pk}/{act}/").status_code == 404


def test_as_many_queries_for_many(ada: Client, in_acme: Cast) -> None:
    invitations.invite([f"guest{each}@acme.example" for each in range(9)], roles=["developer"], by=in_acme.ada)
    with queries("page:invitations"):
        ada.get(LIST)


# --- the link ------------------------------------------------------------------------------------------------------


def test_who_has_no_account_gets_one_with_a_name_and_a_password(client: Client, bo: Invitation) -> None:
    page = client.get(link(bo))
    assert page.status_code == 200
    assert "Join Acme Ada invites bo@acme.example. Role: developer." in text(page)
    assert "no-store" in page["Cache-Control"]
    answer = client.post(link(bo), {"name": "Bo Berg", "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/t/acme/")
    assert client.get("/t/acme/").status_code == 200
    made = User.objects.get(email="bo@acme.example")
    assert made.check_password(PASSWORD)
    assert (made.name, EmailAddress.objects.get(user=made).verified, member()) == ("Bo Berg", True, True)
    assert signed_in(made).get(link(bo))["Location"] == "/t/acme/", "who has accepted is led on"


@pytest.mark.parametrize(
    "body,said",
    [
        ({"name": "", "password": PASSWORD}, "Fill this in."),
        ({"name": "Bo", "password": ""}, "Fill this in."),
        ({"name": "Bo", "password": "short"}, "12 characters"),
        ({"name": "Bo Bergmann-Lind", "password": "bo bergmann-lind"}, "This is too much like your name"),
        ({"name": "Bo\x07", "password": PASSWORD}, "Control characters"),
    ],
)
def test_a_password_that_does_not_do_makes_nobody(client: Client, bo: Invitation, body: dict[str, str], said: str) -> None:
    answer = client.post(link(bo), body)
    assert answer.status_code == 422
    assert said in text(answer)
    assert PASSWORD not in answer.content.decode()
    assert not User.objects.filter(email="bo@acme.example").exists()
    assert not member()


def test_who_has_an_account_signs_in_and_is_back(client: Client, bo: Invitation) -> None:
    known()
    page = client.get(link(bo))
    assert "You have an account here." in text(page)
    assert "password" not in text(page)
    assert client.post(link(bo), {"name": "X", "password": PASSWORD}).status_code == 409
    (address,) = re.findall(r'href="(/accounts/login/[^"]+)"', page.content.decode())
    answer = client.post(address, {"login": "bo@acme.example", "password": PASSWORD})
    assert answer["Location"] == link(bo)
    assert "Accept" in text(client.get(link(bo)))
    assert not member(), "looking does nothing"
    said = client.post(link(bo), follow=True)
    assert "You are a member of Acme now." in said.content.decode()
    assert member()


def test_an_account_that_was_begun_in_their_name_is_theirs(client: Client, bo: Invitation) -> None:
    """A stranger signed up with Bo's address and never read its mails."""
    User.objects.create_user("bo@acme.example", "a strangers password", name="Stranger", verified=False)
    client.post(link(bo), {"name": "Bo", "password": PASSWORD})
    found = User.objects.get(email="bo@acme.example")
    assert (found.name, found.check_password(PASSWORD), member()) == ("Bo", True, True)


def test_somebody_else_is_told_so_and_signs_out(in_acme: Cast, bo: Invitation) -> None:
    carl = signed_in(in_acme.carl)
    page = carl.get(link(bo))
    assert "You are signed in as carl@acme.example." in text(page)
    assert "Accept" not in text(page)
    assert carl.post(link(bo)).status_code == 409
    assert not member()
    answer = carl.post("/accounts/logout/", {"next": link(bo)})
    assert answer["Location"] == link(bo)
    assert "Create my account and join" in text(carl.get(link(bo)))


def test_what_has_ended_says_why_in_plain_words(client: Client, in_acme: Cast, bo: Invitation) -> None:
    old = link(bo)
    age(bo, minutes=2)
    invitations.renew(bo, by=in_acme.ada)
    assert client.get(old).status_code == 410
    assert "sent again, and this link ended" in text(client.get(old))
    bo.refresh_from_db()
    new = link(bo)
    assert client.get(new).status_code == 200
    age(bo, days=8)
    assert "has expired" in text(client.get(new))
    age(bo, days=0)
    Invitation.objects.filter(pk=bo.pk).update(status="revoked")
    assert "was taken back" in text(client.get(new))
    Invitation.objects.filter(pk=bo.pk).update(status="accepted", accepted_by=in_acme.pam)
    page = client.post(new, {"name": "Bo", "password": PASSWORD})
    assert page.status_code == 410
    assert "was accepted. A link works once." in text(page)
    assert not member()


def test_a_forged_link_tells_nothing_whosever_it_is(client: Client, in_acme: Cast, bo: Invitation) -> None:
    token = invitations.token_of(bo)
    with tenant_scope(in_acme.globex.pk):
        theirs = invitations.token_of(make.invitation(by=in_acme.eve))
    answers = set()
    for user in (None, in_acme.carl, in_acme.eve):
        visitor = signed_in(user) if user else client
        for address in (
            f"/t/acme/invitations/{token[:-1]}/",
            f"/t/acme/invitations/{theirs}/",
            "/t/acme/invitations/x/",
            "/t/acme/invitations/a.b.c/",
            f"/t/globex/invitations/{token}/",
            f"/t/nowhere/invitations/{token}/",
        ):
            for answer in (visitor.get(address), visitor.post(address, {"name": "Bo", "password": PASSWORD})):
                assert answer.status_code == 404, address
                assert "Acme" not in answer.content.decode()
                answers.add(text(answer))
    assert len(answers) == 1
    assert "This link leads nowhere" in answers.pop()


def test_no_log_has_the_link(bo: Invitation) -> None:
    record = logging.LogRecord("django.request", logging.ERROR, "", 0, "Internal Server Error: %s", (link(bo),), None)
    assert Line().format(record) == "Internal Server Error: /t/acme/invitations/…/"


def test_two_tabs_make_one_account_and_one_membership(bo: Invitation) -> None:
    first, second = Client(), Client()
    for tab in (first, second):
        assert "Create my account" in text(tab.get(link(bo)))
    first.post(link(bo), {"name": "Bo", "password": PASSWORD})
    assert second.post(link(bo), {"name": "Bob", "password": PASSWORD}).status_code == 410
    assert Membership.objects.filter(user__email="bo@acme.example").count() == 1
    assert User.objects.get(email="bo@acme.example").name == "Bo"


def test_of_what_is_refused_nothing_stays(client: Client, in_acme: Cast, bo: Invitation) -> None:
    """Not even the account."""
    Tenant.objects.filter(pk=in_acme.acme.pk).update(status="suspended")
    answer = client.post(link(bo), {"name": "Bo", "password": PASSWORD})
    assert answer.status_code == 409
    assert "takes nobody in" in text(answer)
    assert not User.objects.filter(email="bo@acme.example").exists()


# --- without an invitation -----------------------------------------------------------------------------------------

JOIN = "/t/acme/join/"


def without_id(answer: Any) -> str:
    return text(answer).replace(answer["X-Request-ID"], "")


def test_who_may_join_is_asked_once(in_acme: Cast) -> None:
    bo = signed_in(known())
    assert bo.get(JOIN).status_code == bo.post(JOIN).status_code == 404, "by invitation only"
    TenantSettings.objects.update(sign_up=SignUp.DOMAINS, sign_up_domains=["acme.example"])
    assert "You become a member, with this role: developer." in text(bo.get(JOIN))
    assert not member()
    assert "You are a member of Acme now." in bo.post(JOIN, follow=True).content.decode()
    assert member()
    assert bo.get(JOIN)["Location"] == "/t/acme/"


def test_who_may_not_finds_nothing(in_acme: Cast, client: Client) -> None:
    TenantSettings.objects.update(sign_up=SignUp.DOMAINS, sign_up_domains=["acme.example"])
    eve, nobody = signed_in(in_acme.eve), client.get(JOIN)
    for method in (eve.get, eve.post):
        there, nowhere = method(JOIN), method("/t/nowhere/join/")
        assert there.status_code == nowhere.status_code == 404
        assert without_id(there) == without_id(nowhere)
    assert nobody["Location"] == "/accounts/login/?next=%2Ft%2Facme%2Fjoin%2F"
    assert client.get("/t/nowhere/join/").status_code == 302


# --- the mail ------------------------------------------------------------------------------------------------------


@pytest.fixture
def committed(transactional_db: None) -> Cast:
    """Jobs claim what is due on connections and clocks of their own."""
    return make_cast()


def invited(cast: Cast, *emails: str) -> list[Invitation]:
    with tenant_scope(cast.acme.pk):
        return invitations.invite(emails, roles=["developer"], by=cast.ada)


def html_of(message: Any) -> str:
    (html, kind) = message.alternatives[0]
    assert kind == "text/html"
    return str(html)


def mailed() -> list[tuple[str, str, str]]:
    """Who got which subject, and the link in it."""
    tasks.send_mails()
    found = [(each.to[0], str(each.subject), re.findall(r"http://\S+/invitations/\S+", str(each.body))[0]) for each in mail.outbox]
    for each in mail.outbox:
        assert re.findall(r'href="([^"]+)"', html_of(each)) == re.findall(r"http://\S+", str(each.body))
    mail.outbox.clear()
    return found


def test_from_the_mail_to_the_membership(committed: Cast, client: Client) -> None:
    invited(committed, "bo@acme.example", "eve@globex.example")
    (bo, subject, address), (eve, *_rest) = mailed()
    assert (bo, subject, eve) == ("bo@acme.example", "Ada invites you to Acme", "eve@globex.example")
    path = address.removeprefix("http://127.0.0.1:8000")
    assert client.post(path, {"name": "Bo", "password": PASSWORD})["Location"] == "/t/acme/"
    assert mailed() == []


def test_who_nobody_knows_reads_it_in_the_inviters_language(committed: Cast) -> None:
    User.objects.filter(pk=committed.ada.pk).update(language="de")
    User.objects.filter(pk=committed.eve.pk).update(language="en")
    committed.ada.refresh_from_db()
    invited(committed, "bo@acme.example", "eve@globex.example")
    tasks.send_mails()
    languages = {each.to[0]: re.findall(r'<html lang="(\w+)"', html_of(each)) for each in mail.outbox}
    assert languages == {"bo@acme.example": ["de"], "eve@globex.example": ["en"]}


def test_sent_again_the_mail_has_the_new_link_and_one_taken_back_is_not_sent(committed: Cast, client: Client) -> None:
    bo, cy = invited(committed, "bo@acme.example", "cy@acme.example")
    with tenant_scope(committed.acme.pk):
        invitations.revoke(cy, by=committed.ada)
    ((_to, _subject, first),) = mailed()
    with tenant_scope(committed.acme.pk):
        age(bo, minutes=2)
        invitations.renew(bo, by=committed.ada)
    ((_to, _subject, second),) = mailed()
    assert [client.get(each.removeprefix("http://127.0.0.1:8000")).status_code for each in (first, second)] == [410, 200]
