"""Teams in the browser: Ada makes them, Carl and Dora see theirs and what it owns."""

import pytest
from django.test import Client

from apis.actions.teams import give_api
from tenants.models import Membership, Team, TeamMember, User
from tests import make
from tests.conftest import Cast, queries
from tests.portal.pages.test_console import signed_in, text

TEAMS = "/t/acme/teams/"


@pytest.fixture
def ada(in_acme: Cast) -> Client:
    return signed_in(in_acme.ada)


@pytest.fixture
def dora(in_acme: Cast) -> User:
    return make.member(in_acme.acme, "dora@acme.example")


@pytest.fixture
def shop(in_acme: Cast, dora: User) -> Team:
    """Carl leads it, and Dora is in it."""
    team = make.team(in_acme.carl, "Shop")
    TeamMember.objects.create(team=team, membership=Membership.objects.get(user=dora))
    return team


def test_everyone_sees_their_own_and_who_sees_members_all(in_acme: Cast, shop: Team) -> None:
    for user, status, seen in ((in_acme.ada, 200, True), (in_acme.carl, 200, True), (in_acme.pam, 200, False), (in_acme.eve, 404, False)):
        answer = signed_in(user).get(TEAMS)
        assert (answer.status_code, "Shop" in answer.content.decode()) == (status, seen)
        assert signed_in(user).get(f"{TEAMS}{shop.pk}/").status_code == (200 if seen else 404)
    assert signed_in(in_acme.eve).get(f"/t/globex/teams/{shop.pk}/").status_code == 404


@pytest.mark.parametrize(
    "page", ["new/", "{team}/edit/", "{team}/delete/", "{team}/add/", "{team}/lead/", "{team}/members/{member}/remove/"]
)
def test_who_manages_members_alone_changes_them(in_acme: Cast, dora: User, shop: Team, page: str) -> None:
    address = TEAMS + page.format(team=shop.pk, member=Membership.objects.get(user=dora).pk)
    for user, status in ((in_acme.ada, 200), (in_acme.carl, 403), (in_acme.pam, 403), (in_acme.eve, 404), (in_acme.olga, 404)):
        assert signed_in(user).get(address).status_code == status
    if "{team}" in page:
        assert signed_in(in_acme.eve).get(address.replace("acme", "globex")).status_code == 404


def test_who_is_in_none_is_told_how_it_comes(in_acme: Cast) -> None:
    assert "You are in no team" in text(signed_in(in_acme.pam).get(TEAMS))
    assert "Make a team" in text(signed_in(in_acme.ada).get(TEAMS))


def test_the_list_counts(ada: Client, in_acme: Cast, shop: Team) -> None:
    make.application(in_acme.carl, team=shop)
    make.application(in_acme.carl, team=shop)
    give_api(make.api("orders"), team=shop, by=in_acme.pam)
    assert "Shop Carl 2 2 1" in text(ada.get(TEAMS))
    assert "No team is called that" in text(ada.get(TEAMS, {"q": "nothing"}))


def test_a_page_tells_who_is_in_it_and_what_is_theirs(in_acme: Cast, dora: User, shop: Team) -> None:
    application = make.application(in_acme.carl, name="Checkout", team=shop)
    give_api(make.api("orders"), team=shop, by=in_acme.pam)
    give_api(make.api("secret-plans", published=False), team=shop, by=in_acme.pam)
    answer = signed_in(dora).get(f"{TEAMS}{shop.pk}/")
    said, html = text(answer), answer.content.decode()
    assert "Carl Lead carl@acme.example" in said
    assert "Dora You dora@acme.example" in said
    assert f'href="/t/acme/apps/{application.pk}/"' in html
    assert 'href="/t/acme/apis/orders/"' in html
    assert "Secret-Plans" not in said, "what is not published is for publishers"
    assert "Take out" not in said
    adas = signed_in(in_acme.ada).get(f"{TEAMS}{shop.pk}/").content.decode()
    assert f'href="/t/acme/console/applications/{application.pk}/"' in adas
    assert "Secret-Plans" in adas


def test_ada_makes_one_by_the_leads_address(ada: Client) -> None:
    answer = ada.post(f"{TEAMS}new/", {"name": "Shop", "description": "Sells.", "email": "CARL@acme.example"})
    made = Team.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, f"{TEAMS}{made.pk}/")
    assert (made.name, made.description, str(made.lead.user)) == ("Shop", "Sells.", "Carl")


@pytest.mark.parametrize(
    "sent,says",
    [
        ({"name": "", "email": "carl@acme.example"}, "Fill this in."),
        ({"name": "x" * 81, "email": "carl@acme.example"}, "This has 81 characters; 80 are the most."),
        ({"name": "Pay", "email": "eve@globex.example"}, "Nobody here has this address."),
        ({"name": "Pay", "email": "\x00"}, "Control characters can't be used here."),
        ({"name": "shop", "email": "carl@acme.example"}, "There is a team “shop” already."),
    ],
)
def test_what_is_wrong_stands_at_its_field(ada: Client, shop: Team, sent: dict[str, str], says: str) -> None:
    answer = ada.post(f"{TEAMS}new/", {**sent, "description": "Kept."})
    assert answer.status_code == 422
    assert says in text(answer)
    assert 'value="Kept."' in answer.content.decode()


def test_people_come_and_go_by_page(ada: Client, in_acme: Cast, dora: User, shop: Team) -> None:
    one = f"{TEAMS}{shop.pk}/"
    assert ada.post(f"{one}add/", {"email": "pam@acme.example"}).status_code == 302
    assert ada.post(f"{one}add/", {"email": "pam@acme.example"}).status_code == 409
    ids = {each.user.name: each.pk for each in Membership.objects.select_related("user")}
    assert ada.post(f"{one}lead/", {"lead": str(ids["Carl"])}).status_code == 422, "who leads already is no choice"
    assert ada.post(f"{one}lead/", {"lead": str(ids["Pam"])}).status_code == 302
    assert ada.post(f"{one}members/{ids['Pam']}/remove/").status_code == 409
    assert ada.post(f"{one}members/{ids['Carl']}/remove/").status_code == 302
    assert ada.get(f"{one}members/{ids['Carl']}/remove/").status_code == 404
    assert ada.post(f"{one}edit/", {"name": "Store"}).status_code == 302
    assert ada.post(f"{one}delete/").status_code == 302
    assert not Team.objects.exists()


def test_one_that_owns_something_is_not_deleted(ada: Client, in_acme: Cast, shop: Team) -> None:
    make.application(in_acme.carl, name="Checkout", team=shop)
    answer = ada.post(f"{TEAMS}{shop.pk}/delete/")
    assert (answer.status_code, "Give away first what the team owns: Checkout." in text(answer)) == (409, True)


def test_as_many_queries_for_many(ada: Client, in_acme: Cast, shop: Team) -> None:
    for number in range(5):
        make.application(in_acme.carl, team=shop)
        give_api(make.api(f"api-of-{number}"), team=shop, by=in_acme.pam)
        TeamMember.objects.create(team=shop, membership=Membership.objects.get(user=make.member(in_acme.acme)))
        make.team(in_acme.carl, f"Team {number} of many")
    with queries("page:teams"):
        ada.get(TEAMS)
    carl = signed_in(in_acme.carl)
    with queries("page:team"):
        carl.get(f"{TEAMS}{shop.pk}/")


# --- whose an application is ----------------------------------------------------------------------------------------


def test_carl_registers_one_for_his_team(in_acme: Cast, shop: Team) -> None:
    carl, new = signed_in(in_acme.carl), "/t/acme/apps/new/"
    assert 'name="team"' not in signed_in(in_acme.ada).get(new).content.decode(), "without a team there is nothing to choose"
    sent = {"name": "Checkout", "purpose": "Sells.", "environment": "live"}
    assert carl.post(new, {**sent, "team": str(make.team(in_acme.pam).pk)}).status_code == 422
    assert carl.post(new, {**sent, "team": str(shop.pk)}).status_code == 302
    assert carl.post(new, {**sent, "team": "mine"}).status_code == 302
    said = text(carl.get("/t/acme/apps/"))
    assert said.count("Checkout") >= 2
    assert "Shop" in said


def test_dora_opens_and_handles_her_teams_application_as_her_own(in_acme: Cast, dora: User, shop: Team) -> None:
    application = make.application(in_acme.carl, name="Checkout", team=shop)
    page = f"/t/acme/apps/{application.pk}/"
    answer = signed_in(dora).get(page)
    assert answer.status_code == 200
    assert "Shop (team, led by Carl)" in text(answer)
    assert f"{page}credentials/new/" in answer.content.decode()
    assert f"{page}transfer/" not in answer.content.decode(), "its lead gives it away"
    assert f"{page}transfer/" in signed_in(in_acme.carl).get(page).content.decode()
    assert signed_in(dora).post(f"{page}credentials/new/?kind=client_secret", {"label": "Hers"}).status_code in {200, 302}
    assert application.credentials.count() == 1


def test_giving_it_away_names_what_will_happen(in_acme: Cast, dora: User, shop: Team) -> None:
    application = make.application(in_acme.carl, name="Checkout")
    address, carl = f"/t/acme/apps/{application.pk}/transfer/", signed_in(in_acme.carl)
    said = text(carl.get(address))
    assert "You no longer see its secrets and can't change it. Nothing stops working" in said
    assert "dora@acme.example" not in carl.get(address).content.decode(), "developers are not told who is here"
    assert "dora@acme.example" in signed_in(in_acme.ada).get(address).content.decode()
    for to, status in (("", 422), ("nobody@acme.example", 422), ("pam@acme.example", 422), ("No such team", 422)):
        answer = carl.post(address, {"to": to})
        assert (answer.status_code, f'value="{to}"' in answer.content.decode() or not to) == (status, True)
    assert carl.post(address, {"to": "shop"}).status_code == 302
    application.refresh_from_db()
    assert application.team == shop
    assert carl.post(address, {"to": "dora@acme.example"})["Location"] == "/t/acme/apps/"
    assert carl.get(address).status_code == 404


def test_who_may_give_it_away(in_acme: Cast, dora: User, shop: Team) -> None:
    address = f"/t/acme/apps/{make.application(in_acme.carl, team=shop).pk}/transfer/"
    alan = make.member(in_acme.acme, "alan@acme.example", "approver")
    for user, status in ((in_acme.carl, 200), (in_acme.ada, 200), (dora, 403), (alan, 403), (in_acme.pam, 404), (in_acme.eve, 404)):
        assert signed_in(user).get(address).status_code == status
    assert signed_in(in_acme.eve).get(address.replace("acme", "globex")).status_code == 404


def test_the_activity_tells_who_gave_it_to_whom(in_acme: Cast, dora: User) -> None:
    application = make.application(in_acme.carl, name="Checkout")
    signed_in(in_acme.carl).post(f"/t/acme/apps/{application.pk}/transfer/", {"to": "dora@acme.example"})
    assert "Carl gave Checkout from Carl to Dora" in text(signed_in(dora).get(f"/t/acme/apps/{application.pk}/?tab=activity"))


def test_a_team_looks_after_an_api(in_acme: Cast) -> None:
    make.api("orders")
    make.api("payments")
    pam, shop = signed_in(in_acme.pam), make.team(in_acme.pam, "Shop")
    sent = {"name": "Orders", "description": "", "cors_origins": "", "encryption_jwk": ""}
    assert pam.post("/t/acme/console/apis/orders/edit/", {**sent, "team": str(shop.pk)}).status_code == 302
    assert "Team Shop" in text(pam.get("/t/acme/console/apis/orders/"))
    alone = text(pam.get("/t/acme/console/apis/", {"team": str(shop.pk)}))
    assert "Those that Shop looks after." in alone
    assert ("Orders" in alone, "Payments" in alone) == (True, False)
    assert "Payments" in text(pam.get("/t/acme/console/apis/", {"team": "no-id"}))
    other = make.team(in_acme.carl, "Other")
    assert pam.post("/t/acme/console/apis/orders/edit/", {**sent, "team": str(other.pk)}).status_code == 422
    assert pam.post("/t/acme/console/apis/orders/edit/", {**sent, "team": ""}).status_code == 302
    assert "Team none" in text(pam.get("/t/acme/console/apis/orders/"))
