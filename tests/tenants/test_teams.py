"""Teams: Ada makes them, Carl and Dora are in one, and Eve sees none."""

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from apis.actions.teams import give_api
from apis.models import Api
from keys.actions.applications import change_lead, transfer
from keys.models import Application
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event, Membership, Team, TeamMember, User
from tenants.people import teams
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, queries


def member(user: User) -> Membership:
    return Membership.objects.select_related("user").get(user=user)


@pytest.fixture
def dora(in_acme: Cast) -> User:
    return make.member(in_acme.acme, "dora@acme.example")


@pytest.fixture
def shop(in_acme: Cast) -> Team:
    """Carl's."""
    return teams.create_team(name="Shop", lead=member(in_acme.carl), by=in_acme.ada)


def people(team: Team) -> list[str]:
    return [each.membership.user.name for each in team.people.select_related("membership__user").order_by("pk")]


def test_the_lead_is_the_first_in_it(in_acme: Cast, shop: Team) -> None:
    assert people(shop) == ["Carl"]
    event = Event.objects.get(kind="team.created")
    assert (event.subject_name, event.data) == ("Shop", {"lead": "Carl"})


def test_a_name_is_given_once(in_acme: Cast, shop: Team) -> None:
    for act in (
        lambda: teams.create_team(name="shop", lead=member(in_acme.pam), by=in_acme.ada),
        lambda: teams.change_team(teams.create_team(name="Pay", lead=member(in_acme.pam), by=in_acme.ada), name="SHOP", by=in_acme.ada),
    ):
        with pytest.raises(Invalid) as refused:
            act()
        assert list(refused.value.problems) == ["name"]
    with pytest.raises(IntegrityError), transaction.atomic():
        Team.objects.create(name="SHOP", lead=member(in_acme.pam))


def test_it_is_renamed_and_described(in_acme: Cast, shop: Team) -> None:
    assert teams.change_team(shop, name="Shop", by=in_acme.ada) is None
    event = teams.change_team(shop, name="Store", description="Sells.", by=in_acme.ada)
    assert event is not None
    assert (event.data["was"], event.data["now"]) == ({"name": "Shop", "description": ""}, {"name": "Store", "description": "Sells."})


def test_people_come_and_go_each_once(in_acme: Cast, shop: Team, dora: User) -> None:
    event = teams.add_to_team(shop, member(dora), by=in_acme.ada)
    assert (event.data["was"], event.data["now"]) == ({"members": ["Carl"]}, {"members": ["Carl", "Dora"]})
    with pytest.raises(NotAllowed, match="Dora is in this team already"):
        teams.add_to_team(shop, member(dora), by=in_acme.ada)
    teams.remove_from_team(shop, member(dora), by=in_acme.ada)
    assert people(shop) == ["Carl"]
    with pytest.raises(NotAllowed, match="Dora is not in this team"):
        teams.remove_from_team(shop, member(dora), by=in_acme.ada)


def test_who_leads_stays_until_somebody_else_does(in_acme: Cast, shop: Team, dora: User) -> None:
    with pytest.raises(NotAllowed, match="Carl leads this team"):
        teams.remove_from_team(shop, member(in_acme.carl), by=in_acme.ada)
    with pytest.raises(NotAllowed, match="Dora is not in this team"):
        change_lead(shop, to=member(dora), by=in_acme.ada)
    teams.add_to_team(shop, member(dora), by=in_acme.ada)
    event = change_lead(shop, to=member(dora), by=in_acme.ada)
    assert (event.data["was"], event.data["now"]) == ({"lead": "Carl"}, {"lead": "Dora"})
    teams.remove_from_team(shop, member(in_acme.carl), by=in_acme.ada)
    assert people(shop) == ["Dora"]


def test_one_that_owns_something_stays_and_says_what(in_acme: Cast, shop: Team) -> None:
    application = make.application(in_acme.carl, name="Checkout", team=shop)
    api = make.api("orders")
    give_api(api, team=shop, by=in_acme.pam)
    with pytest.raises(NotAllowed, match="Give away first what the team owns: Checkout, Orders"):
        teams.delete_team(shop, by=in_acme.ada)
    transfer(application, to=in_acme.carl, by=in_acme.carl)
    give_api(api, team=None, by=in_acme.pam)
    teams.delete_team(shop, by=in_acme.ada)
    assert not Team.objects.exists()
    assert not TeamMember.objects.exists()
    assert Event.objects.filter(kind="team.deleted").count() == 1, "a refused one leaves no event"


def test_who_manages_members_no_more_changes_no_team(in_acme: Cast, shop: Team, dora: User) -> None:
    for act in (
        lambda: teams.create_team(name="x", lead=member(dora), by=in_acme.carl),
        lambda: teams.change_team(shop, name="x", by=in_acme.carl),
        lambda: teams.add_to_team(shop, member(dora), by=in_acme.carl),
        lambda: teams.remove_from_team(shop, member(dora), by=in_acme.carl),
        lambda: teams.delete_team(shop, by=in_acme.carl),
    ):
        with pytest.raises(NotAllowed, match="You don't manage the members here any more"):
            act()


def test_a_team_looks_after_an_api_and_publishing_stays_as_it_was(in_acme: Cast, shop: Team) -> None:
    api = make.api("orders")
    event = give_api(api, team=shop, by=in_acme.pam)
    assert event is not None
    assert (event.kind, event.data) == ("api.transferred", {"was": None, "now": "Shop"})
    assert give_api(api, team=shop, by=in_acme.pam) is None
    assert Api.objects.get().team == shop


def test_globex_teams_can_not_be_given_anything_of_acme(in_acme: Cast) -> None:
    with tenant_scope(in_acme.globex.pk):
        theirs = make.team(in_acme.eve, name="Evil")
    application, api = make.application(in_acme.carl), make.api("orders")
    with pytest.raises(NotAllowed):
        give_api(api, team=theirs, by=in_acme.pam)
    for change in (
        lambda: Application.objects.filter(pk=application.pk).update(team=theirs.pk),
        lambda: Api.objects.filter(pk=api.pk).update(team=theirs.pk),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()
            connection.check_constraints()


# --- REST -----------------------------------------------------------------------------------------------------------


def test_teams_over_rest(cast: Cast, rest: Rest) -> None:
    at, ada = f"{base(cast.acme)}/teams/", rest(cast.ada)
    with tenant_scope(cast.acme.pk):
        carl, pam = member(cast.carl), member(cast.pam)
    made = ada.post(at, {"name": "Shop", "lead": carl.pk}, format="json")
    assert (made.status_code, made.json()["lead"], made.json()["members"]) == (201, "carl@acme.example", 1)
    one = f"{at}{made.json()['id']}/"
    assert ada.put(f"{one}members/{pam.pk}/").json()["members"] == 2
    assert ada.post(f"{one}lead/", {"lead": pam.pk}, format="json").json()["lead"] == "pam@acme.example"
    assert ada.delete(f"{one}members/{carl.pk}/").status_code == 204
    assert ada.delete(f"{one}members/{pam.pk}/").status_code == 409
    assert [row["email"] for row in ada.get(f"{one}members/").json()["results"]] == ["pam@acme.example"]
    assert ada.patch(one, {"description": "Sells."}, format="json").json()["description"] == "Sells."
    assert ada.delete(one).status_code == 204
    assert ada.get(at).json()["results"] == []


@pytest.mark.parametrize(
    "body,field",
    [
        ({"name": "", "lead": "x"}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": "x", "lead": "nobody"}, "lead"),
        ({"name": "x", "lead": "0192f0c0-0000-7000-8000-000000000000"}, "lead"),
    ],
)
def test_what_is_no_team_is_refused_at_its_field(cast: Cast, rest: Rest, body: dict[str, Any], field: str) -> None:
    answer = rest(cast.ada).post(f"{base(cast.acme)}/teams/", body, format="json")
    assert answer.status_code == 422
    assert field in answer.json()["errors"]


def test_one_sees_ones_own_teams_and_who_sees_the_members_all(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        shop, other = make.team(cast.carl, "Shop"), make.team(cast.pam, "Other")
    at = f"{base(cast.acme)}/teams/"

    def names(user: User) -> set[str]:
        return {row["name"] for row in rest(user).get(at).json()["results"]}

    assert (names(cast.carl), names(cast.pam), names(cast.ada)) == ({"Shop"}, {"Other"}, {"Shop", "Other"})
    assert rest(cast.carl).get(f"{at}{other.pk}/").status_code == 404
    assert rest(cast.carl).get(f"{at}{other.pk}/members/").status_code == 404
    assert rest(cast.carl).patch(f"{at}{shop.pk}/", {"name": "x"}, format="json").status_code == 403
    assert rest(cast.carl).post(f"{at}{shop.pk}/lead/", {}, format="json").status_code == 403
    assert rest(cast.eve).get(at).status_code == 404
    assert rest(cast.eve).get(f"{base(cast.globex)}/teams/{shop.pk}/").status_code == 404


def test_an_apis_team_over_rest(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        shop, other = make.team(cast.pam, "Shop"), make.team(cast.carl, "Other")
        make.api("orders")
        make.api("payments")
    apis, pam = f"{base(cast.acme)}/apis/", rest(cast.pam)
    changed = pam.patch(f"{apis}orders/", {"team": str(shop.pk)}, format="json")
    assert (changed.status_code, changed.json()["team_name"], changed.json()["event"] > 0) == (200, "Shop", True)
    assert "event" not in pam.patch(f"{apis}orders/", {"team": str(shop.pk)}, format="json").json()
    assert [row["slug"] for row in pam.get(f"{apis}?team={shop.pk}").json()["results"]] == ["orders"]
    assert pam.get(f"{apis}?team=shop").status_code == 422
    hidden = pam.patch(f"{apis}payments/", {"team": str(other.pk)}, format="json")
    assert (hidden.status_code, list(hidden.json()["errors"])) == (422, ["team"]), "not a team of hers"
    assert "team" not in rest(cast.carl).get(f"{apis}orders/").json(), "developers read what is published"
    assert pam.patch(f"{apis}orders/", {"team": None}, format="json").json()["team"] is None


def test_as_many_queries_for_many(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        for number in range(6):
            make.team(cast.carl, f"Team {number} of many")
    with queries("teams/"):
        rest(cast.ada).get(f"{base(cast.acme)}/teams/")
    with queries("roles/"):
        rest(cast.ada).get(f"{base(cast.acme)}/roles/")
