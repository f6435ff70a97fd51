"""An API that is for some teams alone does not exist for anybody else, whatever door they try."""

import json
from typing import Any

import pytest
from django.test import Client

from apis.actions import subscriptions
from apis.actions.catalogue import place
from apis.models import Api, ApiTeam, Plan, Subscription
from keys.models import Application
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event, Role, Team, TeamMember, TenantSettings, User
from tenants.people.settings import change_settings
from tenants.people.teams import delete_team, remove_from_team
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, queries
from tests.portal.pages.test_catalogue import browser, text, tiles

T = "/t/acme"
PAGES = (
    f"{T}/apis/vault/", f"{T}/apis/vault/?tab=reference", f"{T}/apis/vault/?tab=plans", f"{T}/apis/vault/v1/openapi.json",
    f"{T}/apis/vault/?tab=changes", f"{T}/apis/vault/changes.atom",
    f"{T}/apis/vault/subscribe/",
)  # fmt: skip
LISTS = (f"{T}/", f"{T}/?q=vault", f"{T}/?q=createOrder", f"{T}/?tag=hush", f"{T}/search/?q=vault")
PLACE = f"{T}/console/apis/vault/catalogue/"


@pytest.fixture
def riders(in_acme: Cast) -> Team:
    return make.team(in_acme.carl, "Riders")


@pytest.fixture
def vault(in_acme: Cast, riders: Team) -> Api:
    """For Carl's team alone."""
    api = make.api("vault")
    place(api, tags=["hush"], visibility="teams", teams=[riders], by=in_acme.pam)
    make.plan(api, name="gold", approval="automatic")
    return api


@pytest.fixture
def others(in_acme: Cast, vault: Api) -> dict[str, User]:
    """Members who are in other teams, or none, and may not publish."""
    found: dict[str, User] = {
        role: make.member(in_acme.acme, f"{role}@acme.example", role) for role in (Role.DEVELOPER, Role.APPROVER, Role.AUDITOR)
    }
    make.team(found[Role.DEVELOPER], "Walkers")
    service, _secret = make.service_account("applications.own", by=in_acme.ada)
    return {**found, "automation": service.user}


def sees(person: User | None) -> bool:
    client = Client() if person is None else browser(person)
    answers = {client.get(page).status_code for page in PAGES[:6]}
    listed = {"vault" in tiles(client.get(page)) for page in LISTS[:4]}
    assert len(listed) == 1
    return listed == {True} and answers == {200}


def test_the_team_and_those_who_publish_see_it(in_acme: Cast, vault: Api, others: dict[str, User]) -> None:
    assert [sees(each) for each in (in_acme.carl, in_acme.pam, in_acme.ada)] == [True, True, True]
    assert "vault" in text(browser(in_acme.carl).get(LISTS[4])).lower()


def test_to_every_other_member_it_does_not_exist(in_acme: Cast, vault: Api, others: dict[str, User], rest: Rest) -> None:
    for who, person in others.items():
        client = browser(person)
        if who != "automation":
            for page in LISTS:
                found = client.get(page).content.decode()
                assert "/apis/vault/" not in found, (who, page)
                assert "Vault" not in found, (who, page)
                assert "hush</bdi>" not in found, (who, page)
            for page in PAGES:
                nothing = client.get(page.replace("vault", "nothing"))
                assert client.get(page).status_code == nothing.status_code, (who, page)
                assert nothing.status_code in {403, 404}
        api = rest(person)
        there = base(in_acme.acme)
        assert api.get(f"{there}/apis/").json()["results"] == [], who
        assert api.get(f"{there}/apis/", {"q": "vault", "tag": "hush"}).json()["results"] == [], who
        for address in ("apis/vault/", "apis/vault/versions/v1/revisions/1/"):
            assert api.get(f"{there}/{address}").status_code == 404, (who, address)


def test_nobody_else_subscribes_to_it(in_acme: Cast, vault: Api, others: dict[str, User], rest: Rest) -> None:
    dev = others[Role.DEVELOPER]
    application, gold = make.application(dev), Plan.objects.get()
    typed = {"application": str(application.pk), "plan": str(gold.pk), "purpose": "To look."}
    assert browser(dev).post(f"{T}/apis/vault/subscribe/", typed).status_code == 404
    told = {"application": str(application.pk), "api": "vault", "plan": "gold", "purpose": "To look."}
    refused = rest(dev).post(f"{base(in_acme.acme)}/subscriptions/", told, format="json")
    assert refused.status_code == 422
    assert "No API “vault” is published here." in json.dumps(refused.json(), ensure_ascii=False)
    # Nor where the form was open before: the rule itself refuses.
    with pytest.raises(NotAllowed, match="not open to you"):
        subscriptions.request(application, api=vault, plan=gold, purpose="To look.", by=dev)
    assert not Subscription.objects.exists()
    made, _event = subscriptions.request(make.application(in_acme.carl), api=vault, plan=gold, purpose="To ride.", by=in_acme.carl)
    assert made.status == "active"


@pytest.fixture
def public(in_acme: Cast) -> None:
    change_settings({"catalogue": TenantSettings.Catalogue.PUBLIC}, by=in_acme.ada)


@pytest.mark.parametrize("visibility,visitors,members", [("public", True, True), ("tenant", False, True), ("teams", False, False)])
def test_visitors_see_what_is_for_everybody_alone(
    in_acme: Cast, vault: Api, others: dict[str, User], public: None, visibility: str, visitors: bool, members: bool
) -> None:
    place(vault, visibility=visibility, by=in_acme.pam)
    assert sees(None) is visitors
    # Who is a member elsewhere is a visitor here.
    assert sees(in_acme.eve) is visitors
    assert sees(others[Role.APPROVER]) is members


def test_where_the_catalogue_is_for_members_visitors_see_nothing_at_all(in_acme: Cast, vault: Api) -> None:
    place(vault, visibility="public", by=in_acme.pam)
    assert Client().get(f"{T}/apis/vault/").status_code == 302
    assert browser(in_acme.eve).get(f"{T}/apis/vault/").status_code == 404


def test_who_leaves_the_team_loses_sight_and_goes_on_calling(in_acme: Cast, vault: Api, riders: Team, rest: Rest) -> None:
    application, gold = make.application(in_acme.carl), Plan.objects.get()
    made, _event = subscriptions.request(application, api=vault, plan=gold, purpose="To ride.", by=in_acme.carl)
    riders.lead = make.team(in_acme.ada).lead
    riders.save()
    member = TeamMember.objects.get(team=riders).membership
    remove_from_team(riders, member, by=in_acme.ada)
    assert not sees(in_acme.carl)
    made.refresh_from_db()
    assert made.status == "active"
    page = browser(in_acme.carl).get(f"{T}/apps/{made.application_id}/?tab=subscriptions")
    assert "Vault" in text(page)
    # And says that they know, when it goes.
    version = vault.versions.get()
    told = {"reason": "Enough."}
    pam = rest(in_acme.pam)
    assert pam.post(f"{base(in_acme.acme)}/apis/vault/versions/v1/deprecate/", told, format="json").status_code == 200
    told = {"application": str(made.application_id)}
    known = rest(in_acme.carl).post(f"{base(in_acme.acme)}/apis/vault/versions/{version.name}/acknowledge/", told, format="json")
    assert known.status_code == 200


def test_a_team_that_is_gone_sees_nothing(in_acme: Cast, vault: Api, riders: Team) -> None:
    Application.objects.all().delete()
    delete_team(riders, by=in_acme.ada)
    assert (sees(in_acme.carl), sees(in_acme.pam)) == (False, True)


def test_a_teams_page_hides_what_it_looks_after_from_who_may_not_see_it(in_acme: Cast, vault: Api, others: dict[str, User]) -> None:
    walkers = Team.objects.get(name="Walkers")
    Api.objects.update(team=walkers)
    assert "Vault" not in text(browser(others[Role.DEVELOPER]).get(f"{T}/teams/{walkers.pk}/"))
    assert "Vault" in text(browser(in_acme.ada).get(f"{T}/teams/{walkers.pk}/"))


def test_another_tenants_team_sees_nothing(in_acme: Cast, vault: Api) -> None:
    with tenant_scope(in_acme.globex.pk):
        theirs = make.team(in_acme.eve, "Spies")
    with pytest.raises(Invalid):
        place(vault, teams=[theirs], by=in_acme.pam)
    assert browser(in_acme.eve).get(f"{T}/apis/vault/").status_code == 404


# Setting it


def test_pam_chooses_who_sees_it(in_acme: Cast, vault: Api, riders: Team) -> None:
    pam = browser(in_acme.pam)
    body = pam.get(PLACE).content.decode()
    assert f'value="{riders.pk}"' in body
    assert "checked" in body
    nobody = pam.post(PLACE, {"visibility": "teams", "tags": "hush"})
    assert nobody.status_code == 422
    assert "Choose at least one team that sees it." in text(nobody)
    assert ApiTeam.objects.count() == 1
    assert pam.post(PLACE, {"visibility": "tenant", "tags": "hush"}).status_code == 302
    event = Event.objects.order_by("-number")[0]
    assert (event.kind, event.data["was"], event.data["now"]) == (
        "api.placed", {"visibility": "teams", "teams": ["Riders"]}, {"visibility": "tenant", "teams": []},
    )  # fmt: skip
    assert not ApiTeam.objects.exists()
    # A team that she does not see can't be named.
    assert pam.post(PLACE, {"visibility": "teams", "teams": [str(riders.pk)]}).status_code == 422


def test_the_same_over_rest(in_acme: Cast, vault: Api, riders: Team, rest: Rest) -> None:
    address = f"{base(in_acme.acme)}/apis/vault/"

    def patch(**told: Any) -> Any:
        return rest(in_acme.ada).patch(address, told, format="json")

    assert rest(in_acme.pam).get(address).json()["teams"] == [str(riders.pk)]
    assert patch(visibility="tenant").json()["visibility"] == "tenant"
    assert patch(visibility="teams").status_code == 422
    assert patch(visibility="teams", teams=[str(vault.pk)]).status_code == 422
    assert patch(visibility="all").status_code == 422
    assert patch(visibility="teams", teams=[str(riders.pk)]).json()["teams"] == [str(riders.pk)]
    assert "teams" not in rest(in_acme.carl).get(address).json()
    assert rest(in_acme.carl).patch(address, {"visibility": "public"}, format="json").status_code == 403


def test_looking_takes_the_same_queries_for_who_is_in_many_teams(in_acme: Cast, vault: Api) -> None:
    for number in range(4):
        place(make.api(f"a{number}"), visibility="teams", teams=[make.team(in_acme.carl)], by=in_acme.pam)
    carl = browser(in_acme.carl)
    with queries("page:catalogue"):
        assert len(tiles(carl.get(f"{T}/"))) == 5
