"""Ada sees who works at Acme, changes what they may, and sees that whoever goes leaves nothing to nobody."""

import pytest
from django.test import Client

from keys.models import Application
from portal.pages.members import LETS
from tenants.models import Event, Membership, Role, TeamMember, User
from tenants.roles import PERMISSIONS
from tests import make
from tests.conftest import Cast, queries
from tests.portal.pages.test_console import signed_in, text

MEMBERS = "/t/acme/console/members/"


@pytest.fixture
def ada(in_acme: Cast) -> Client:
    return signed_in(in_acme.ada)


def test_admins_alone_see_the_members(in_acme: Cast) -> None:
    for user, status in ((in_acme.ada, 200), (in_acme.pam, 403), (in_acme.carl, 403), (in_acme.eve, 404), (in_acme.olga, 404)):
        assert signed_in(user).get(MEMBERS).status_code == status


def test_each_with_roles_since_when_and_how_many_applications(ada: Client, in_acme: Cast) -> None:
    make.application(in_acme.carl)
    make.application(in_acme.carl)
    html = ada.get(MEMBERS).content.decode()
    said = text(ada.get(MEMBERS))
    assert "3 in all" in said
    assert "Ada You ada@acme.example Admin Approver none" in said
    assert "Carl carl@acme.example Developer 2 of Carl" in said
    assert 'href="/t/acme/console/applications/?q=carl%40acme.example"' in html
    assert "eve@globex.example" not in html
    assert "Invite people" in said


@pytest.mark.parametrize(
    "query,names",
    [
        ({"q": "CARL"}, {"carl"}),
        ({"q": "acme.example"}, {"ada", "pam", "carl"}),
        ({"role": "publisher"}, {"pam"}),
        ({"role": "approver"}, {"ada"}),
        ({"role": "no-role"}, {"ada", "pam", "carl"}),
        ({"role": "publisher", "q": "carl"}, set()),
        ({"q": "eve"}, set()),
        ({"q": "x" * 5000}, set()),
        ({"q": "\x01<script>"}, set()),
    ],
)
def test_they_are_searched_and_narrowed_by_role(ada: Client, query: dict[str, str], names: set[str]) -> None:
    response = ada.get(MEMBERS, query)
    said = text(response)
    assert {name for name in ("ada", "pam", "carl") if f"{name}@acme.example" in said} == names
    assert ("Nobody is like that" in said) == (not names)
    assert "<script>" not in response.content.decode().partition("<main")[2]


def test_of_every_permission_it_is_known_what_it_lets_one_do() -> None:
    assert list(LETS) == list(PERMISSIONS)


def test_as_many_queries_for_many(ada: Client, in_acme: Cast) -> None:
    for _ in range(8):
        make.application(make.member(in_acme.acme, None, Role.DEVELOPER))
    with queries("page:members"):
        ada.get(MEMBERS)


# --- roles ---------------------------------------------------------------------------------------------------------


def of(user: User) -> Membership:
    return Membership.objects.get(user=user)


def at(user: User, what: str) -> str:
    return f"{MEMBERS}{of(user).pk}/{what}/"


def last() -> Event:
    return Event.objects.latest("number")


def test_roles_are_boxes_built_in_ones_and_acmes_own(ada: Client, in_acme: Cast) -> None:
    reader = make.custom_role("Reader", ["audit.read"])
    page = ada.get(at(in_acme.carl, "roles"))
    assert "Roles of Carl" in text(page)
    assert page.content.decode().count("checked") == 1
    answer = ada.post(at(in_acme.carl, "roles"), {"roles": ["publisher", str(reader.pk)]}, follow=True)
    assert "The roles of Carl are changed." in answer.content.decode()
    assert "carl@acme.example Publisher Reader" in text(answer)


@pytest.mark.parametrize("roles,said", [([], "Choose at least one."), (["king"], "not there any more, or not yours to give")])
def test_roles_that_do_not_do(ada: Client, in_acme: Cast, roles: list[str], said: str) -> None:
    answer = ada.post(at(in_acme.carl, "roles"), {"roles": roles})
    assert answer.status_code == 422
    assert said in text(answer)
    assert of(in_acme.carl).roles == ["developer"]


def test_the_last_admin_keeps_the_role(ada: Client, in_acme: Cast) -> None:
    answer = ada.post(at(in_acme.ada, "roles"), {"roles": ["developer"]})
    assert answer.status_code == 409
    assert "Ada is the last admin here. Make somebody else an admin first." in text(answer)


def test_what_is_not_the_readers_to_take_stays(in_acme: Cast) -> None:
    role = make.custom_role("Host", ["members.see", "members.manage"])
    who = make.member(in_acme.acme, "host@acme.example", Role.DEVELOPER)
    Membership.objects.filter(user=who).update(custom_roles=[role.pk])
    host = signed_in(who)
    said = text(host.get(at(in_acme.pam, "roles")))
    assert "These stay, for they let one do what you may not yourself: publisher." in said
    assert "Admin" not in said
    host.post(at(in_acme.pam, "roles"), {"roles": ["developer"]})
    assert of(in_acme.pam).roles == ["developer", "publisher"]


# --- going ---------------------------------------------------------------------------------------------------------


def test_who_is_removed_is_named_with_all_they_answer_for(ada: Client, in_acme: Cast) -> None:
    shop = make.application(in_acme.carl, name="Shop")
    make.credential(shop)
    cleo = make.member(in_acme.acme, "cleo@acme.example", Role.DEVELOPER)
    payments, _lonely = make.team(in_acme.carl, "Payments"), make.team(in_acme.carl, "Lonely")
    TeamMember.objects.create(team=payments, membership=of(cleo))
    page = ada.get(at(in_acme.carl, "remove"))
    said = text(page)
    for part in (
        "Remove Carl? With their next click or request Carl is a stranger here.",
        "1 application goes to whom you name, and works on: Shop.",
        "Payments is led by Cleo from then on.",
        "Lonely has nobody else: whom you name leads it from then on.",
        "1 credential of these applications works on. Carl may know their secrets: have them rolled.",
    ):
        assert part in said
    html = page.content.decode()
    assert '<option value="cleo@acme.example">Cleo</option>' in html
    assert '<option value="Payments">Team</option>' in html
    assert "carl@acme.example" not in html, "who goes is not proposed"
    assert "pam@acme.example" not in html, "nor who may not have applications"


@pytest.mark.parametrize(
    "to,status,owner", [("Cleo@acme.example", 302, "cleo"), ("payments", 302, "cleo"), (" ada@acme.example ", 302, "ada")]
)
def test_their_applications_go_to_whom_ada_names(ada: Client, in_acme: Cast, to: str, status: int, owner: str) -> None:
    shop = make.application(in_acme.carl, name="Shop")
    make.team(make.member(in_acme.acme, "cleo@acme.example", Role.DEVELOPER), "Payments")
    assert ada.post(at(in_acme.carl, "remove"), {"applications_to": to}).status_code == status
    shop.refresh_from_db()
    assert shop.owner.name.lower() == owner
    assert (last().kind, Membership.objects.filter(user=in_acme.carl).exists()) == ("member.removed", False)
    assert signed_in(in_acme.carl).get("/t/acme/").status_code == 404, "with the next click"


@pytest.mark.parametrize(
    "to,said",
    [
        ("", "Fill this in."),
        ("nobody@acme.example", "There is no such member or team to choose."),
        ("eve@globex.example", "There is no such member or team to choose."),
        ("carl@acme.example", "There is no such member or team to choose."),
        ("No team", "There is no such member or team to choose."),
    ],
)
def test_nothing_is_lost_to_nobody(ada: Client, in_acme: Cast, to: str, said: str) -> None:
    make.application(in_acme.carl)
    answer = ada.post(at(in_acme.carl, "remove"), {"applications_to": to})
    assert answer.status_code == 422
    assert said in text(answer)
    assert to in answer.content.decode()
    assert of(in_acme.carl)
    assert Application.objects.get().owner == in_acme.carl


def test_who_answers_for_nothing_goes_without_a_word(ada: Client, in_acme: Cast) -> None:
    assert "To whom" not in text(ada.get(at(in_acme.pam, "remove")))
    assert "Pam is no member any more." in ada.post(at(in_acme.pam, "remove"), follow=True).content.decode()


LEAVE = "/t/acme/leave/"


def test_carl_leaves_and_only_those_he_knows_are_proposed(in_acme: Cast) -> None:
    make.application(in_acme.carl)
    cleo, dan = (make.member(in_acme.acme, f"{name}@acme.example", Role.DEVELOPER) for name in ("cleo", "dan"))
    TeamMember.objects.create(team=make.team(cleo, "Payments"), membership=of(in_acme.carl))
    make.team(dan, "Others")
    carl = signed_in(in_acme.carl)
    html = carl.get(LEAVE).content.decode()
    assert "What these teams own stays with them: Payments." in html
    assert {name for name in ("cleo", "dan", "ada", "Payments", "Others") if f'value="{name}' in html} == {"cleo", "ada", "Payments"}
    for to in ("dan@acme.example", "Others"):
        assert carl.post(LEAVE, {"applications_to": to}).status_code == 422
    answer = carl.post(LEAVE, {"applications_to": "Payments"}, follow=True)
    assert answer.redirect_chain == [("/tenants/", 302)]
    assert "You have left Acme." in answer.content.decode()
    assert last().kind == "member.left"
    assert carl.get("/t/acme/").status_code == 404


def test_the_last_admin_can_not_leave(ada: Client, in_acme: Cast) -> None:
    assert "Leave…" in text(ada.get(MEMBERS))
    answer = ada.post(LEAVE)
    assert answer.status_code == 409
    assert "Ada is the last admin here." in text(answer)


def test_who_manages_members_alone_gets_there(in_acme: Cast) -> None:
    for what in ("roles", "remove"):
        address = at(in_acme.carl, what)
        for user, status in ((in_acme.ada, 200), (in_acme.pam, 403), (in_acme.carl, 403), (in_acme.eve, 404), (in_acme.olga, 404)):
            assert signed_in(user).get(address).status_code == status
        assert signed_in(in_acme.eve).get(address.replace("/acme/", "/globex/")).status_code == 404
    for user in (in_acme.eve, in_acme.olga):
        assert signed_in(user).post(LEAVE).status_code == 404
