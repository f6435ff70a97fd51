"""The life of an application in the browser: each step, who may take it, what the pages say, and what they no longer offer."""

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apis.models import Plan, Subscription
from gateway.models import GatewayNode
from keys import uses
from keys.actions import application_life
from keys.actions import credentials as credentials_actions
from keys.models import Application
from tenants.models import Event, Membership, Role, TeamMember, User
from tenants.scope import tenant_scope
from tests import make
from tests.application_life import REFUSED, STEPS, WAYS, application
from tests.conftest import Cast, queries
from tests.steps import Step, named

NEW = "/t/acme/apps/new/"


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", unescape(answer.content.decode()))


def signed_in(user: User) -> Client:
    found = Client()
    found.force_login(user)
    return found


@pytest.fixture
def carl(cast: Cast) -> Client:
    return signed_in(cast.carl)


@pytest.fixture
def ada(cast: Cast) -> Client:
    return signed_in(cast.ada)


@pytest.fixture
def gold(cast: Cast) -> Plan:
    with tenant_scope(cast.acme.pk):
        return make.plan(make.api("orders"), name="gold")


def carls(cast: Cast, state: str = "active", **fields: Any) -> Application:
    with tenant_scope(cast.acme.pk):
        return application(cast.carl, state, **{"name": "Shop", **fields})


def now(cast: Cast, of: Application) -> str:
    with tenant_scope(cast.acme.pk):
        return Application.objects.values_list("status", flat=True).get(pk=of.pk)


def at(of: Application, way: str = "") -> str:
    return f"/t/acme/apps/{of.pk}/{f'{way}/' if way else ''}"


def console(of: Application) -> str:
    return f"/t/acme/console/applications/{of.pk}/"


def offered(page: str, of: Application) -> set[str]:
    return set(re.findall(rf'href="{at(of)}([a-z]+)/"', page)) - {"credentials", "subscribe", "usage"}


# --- the steps -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", STEPS, ids=named)
def test_carl_takes_each_step_on_its_page(cast: Cast, carl: Client, step: Step) -> None:
    found = carls(cast, step.was)
    assert carl.get(at(found, step.way)).status_code == 200
    assert f"Shop {step.said}" in text(carl.post(at(found, step.way), WAYS[step.way].given, follow=True))
    assert now(cast, found) == step.now
    with tenant_scope(cast.acme.pk):
        assert Event.objects.order_by("-number")[0].kind == f"application.{step.verb}"


@pytest.mark.parametrize(("way", "state"), REFUSED)
def test_no_page_goes_another_way(cast: Cast, carl: Client, way: str, state: str) -> None:
    found = carls(cast, state)
    answer = carl.post(at(found, way), WAYS[way].given)
    assert answer.status_code == (404 if state == "deleted" else 409)
    assert state == "deleted" or re.search(r'class="errors" role="alert"> <p>This application ', text(answer)), "says why"
    assert now(cast, found) == state


@pytest.mark.parametrize("step", STEPS, ids=named)
def test_who_may_take_it(cast: Cast, step: Step) -> None:
    found, given = carls(cast, step.was), WAYS[step.way].given
    for role in set(Role.values) - WAYS[step.way].anybodys:
        answer = signed_in(make.member(cast.acme, None, role)).post(at(found, step.way), given)
        assert answer.status_code == (403 if role == "approver" else 404), role
    assert signed_in(cast.eve).post(at(found, step.way), given).status_code == 404
    assert now(cast, found) == step.was
    for role in sorted(WAYS[step.way].anybodys):
        each = carls(cast, step.was, name=f"For {role}")
        assert signed_in(make.member(cast.acme, None, role)).post(at(each, step.way), given).status_code == 302, role
        assert now(cast, each) == step.now


@pytest.mark.parametrize(
    ("state", "owner", "admin", "approver"),
    [
        ("active", {"edit", "suspend", "delete", "transfer"}, {"suspend", "delete", "transfer"}, {"suspend"}),
        ("suspended", {"edit", "resume", "delete", "transfer"}, {"resume", "delete", "transfer"}, {"resume"}),
        ("deleted", set(), set(), set()),
    ],
)
def test_pages_offer_what_this_person_may(cast: Cast, state: str, owner: set[str], admin: set[str], approver: set[str]) -> None:
    found = carls(cast, state)
    assert offered(text(signed_in(cast.carl).get(at(found))), found) == owner
    assert offered(text(signed_in(cast.ada).get(console(found))), found) == admin
    alan = make.member(cast.acme, "alan@acme.example", Role.APPROVER)
    assert offered(text(signed_in(alan).get(console(found))), found) == approver
    assert signed_in(cast.eve).get(at(found)).status_code == signed_in(cast.eve).get(console(found)).status_code == 404


# --- suspended -------------------------------------------------------------------------------------------------------


def test_a_suspension_needs_a_reason_and_says_before_what_it_does(cast: Cast, carl: Client, ada: Client) -> None:
    found = carls(cast)
    GatewayNode.objects.create(name="edge", connected=True, seen_at=timezone.now())
    page = text(ada.get(at(found, "suspend")))
    for said in ("All calls of Shop are refused on", "403 APPLICATION_SUSPENDED", "Its own people can't resume it then"):
        assert said in page
    assert "Its own people can't resume it then" not in text(carl.get(at(found, "suspend")))
    answer = ada.post(at(found, "suspend"), {"reason": ""})
    assert (answer.status_code, "Fill this in." in text(answer)) == (422, True)
    long = "x" * 501
    answer = ada.post(at(found, "suspend"), {"reason": long})
    assert answer.status_code == 422
    assert long in answer.content.decode(), "nothing typed is lost"


def test_the_page_of_a_suspended_one_says_who_why_and_what_callers_get(cast: Cast, carl: Client, ada: Client) -> None:
    found = carls(cast)
    ada.post(at(found, "suspend"), {"reason": "Its secret <b> leaked."})
    page = text(carl.get(at(found)))
    for said in (
        "Suspended",
        "Ada suspended it: its calls get 403 APPLICATION_SUSPENDED",
        "Its secret <b> leaked.",
        "its own people can't resume it",
    ):
        assert said in page
    assert "<b>" not in carl.get(at(found)).content.decode().replace("&lt;b&gt;", "")
    assert offered(page, found) == {"edit", "delete", "transfer"}, "Carl can't resume it"
    answer = carl.post(at(found, "resume"))
    assert (answer.status_code, "Ada suspended it" in text(answer)) == (409, True)
    assert "It was suspended because: Its secret <b> leaked." in text(ada.get(at(found, "resume")))
    ada.post(at(found, "resume"))
    assert "APPLICATION_SUSPENDED" not in text(carl.get(at(found)))


def test_nothing_new_is_offered_while_it_is_suspended(cast: Cast, carl: Client, gold: Plan) -> None:
    found = carls(cast)
    with tenant_scope(cast.acme.pk):
        make.credential(found)
        make.subscription(status="rejected", of=found, to=gold)
    credentials, roll, ask = f"{at(found)}credentials/new/", "/roll/", "Ask again"
    before = text(carl.get(at(found)))
    assert credentials in before
    assert roll in before
    assert "Subscribe to APIs" in before
    assert ask in text(carl.get(f"{at(found)}?tab=subscriptions"))
    assert ">Shop</option>" in text(carl.get("/t/acme/apis/orders/subscribe/"))
    carl.post(at(found, "suspend"), {"reason": "x"})
    after = text(carl.get(at(found)))
    assert credentials not in after
    assert roll not in after
    assert "Subscribe to APIs" not in after
    assert "/revoke/" in after, "ending goes on"
    assert ask not in text(carl.get(f"{at(found)}?tab=subscriptions"))
    page = text(carl.get("/t/acme/apis/orders/subscribe/"))
    assert ">Shop</option>" not in page
    assert "has asked or is suspended" in page
    answer = carl.post(f"{credentials}?kind=client_secret", {"label": "x", "last_day": ""})
    assert (answer.status_code, "Shop is suspended, so it gets nothing new until it is resumed." in text(answer)) == (409, True)
    asked = carl.post("/t/acme/apis/orders/subscribe/", {"application": str(found.pk), "plan": str(gold.pk), "purpose": "Sells."})
    assert (asked.status_code, "Shop is suspended, so it gets nothing new" in text(asked), "Sells." in text(asked)) == (409, True, True)


def test_who_has_no_credential_reads_no_promise_while_it_is_suspended(cast: Cast, carl: Client) -> None:
    page = text(carl.get(at(carls(cast, "suspended"))))
    assert "No credential" in page
    assert "Its owner alone can add one." not in page


# --- deleted ---------------------------------------------------------------------------------------------------------


def test_deleting_says_by_name_what_stops_and_asks_for_the_name(cast: Cast, carl: Client, gold: Plan) -> None:
    found = carls(cast)
    with tenant_scope(cast.acme.pk):
        held = make.subscription(of=found, to=gold)
        secret, _ = make.credential(found, label="Servers")
        gone, _ = make.credential(found, label="Old ones")
        from_before = make.subscription(status="rejected", of=found)
        credentials_actions.revoke(gone, by=None)
    uses.store(cast.acme.pk, calls={secret.pk: 1234})
    page = text(carl.get(at(found, "delete")))
    for said in (
        "Orders (gold): Active",
        f"Servers …{secret.last_four}",
        "Shop made 1,234 calls in the last seven days.",
        "The application's name",
    ):
        assert said in page
    assert "Old ones" not in page
    assert str(from_before.api) not in page
    for name in ("", "shop", "Other"):
        answer = carl.post(at(found, "delete"), {"name": name, "reason": "Not needed."})
        assert answer.status_code == 422
        assert "Not needed." in text(answer), "nothing typed is lost"
    assert now(cast, found) == "active"
    carl.post(at(found, "delete"), {"name": " Shop ", "reason": "Not needed."})
    assert now(cast, found) == "deleted"
    with tenant_scope(cast.acme.pk):
        assert Subscription.objects.get(pk=held.pk).status == "cancelled"


def test_where_nothing_works_no_name_is_asked_for(cast: Cast, carl: Client) -> None:
    page = text(carl.get(at(carls(cast), "delete")))
    assert "so nothing stops" in page
    assert "The application's name" not in page


def test_a_deleted_one_is_only_read(cast: Cast, carl: Client, ada: Client, gold: Plan) -> None:
    found = carls(cast)
    with tenant_scope(cast.acme.pk):
        make.credential(found)
        make.subscription(of=found, to=gold)
    ada.post(at(found, "delete"), {"name": "Shop", "reason": "Nobody answers for it."})
    for client, address in ((carl, at(found)), (ada, console(found))):
        for tab in ("", "subscriptions", "refusals", "activity"):
            page = text(client.get(f"{address}?tab={tab}"))
            assert "Ada deleted it." in page
            assert "Nobody answers for it." in page
            for never in ("/revoke/", "/roll/", "/cancel/", "/credentials/new/", "Subscribe to APIs", "Ask again"):
                assert never not in page, (tab, never)
    assert "Its application was deleted." in text(carl.get(f"{at(found)}?tab=activity"))
    for way in ("edit", "suspend", "resume", "delete", "transfer", "credentials/new"):
        assert carl.get(at(found, way)).status_code == 404, way


def test_lists_have_no_deleted_one_and_the_console_has_it_by_its_state(cast: Cast, carl: Client, ada: Client) -> None:
    carls(cast, "deleted", name="Gone")
    carls(cast, "suspended", name="Stopped")
    for client, address in ((carl, "/t/acme/apps/"), (ada, "/t/acme/console/applications/"), (ada, "/t/acme/search/?q=Gone")):
        page = text(client.get(address))
        assert ">Gone<" not in page
    assert "Suspended" in text(carl.get("/t/acme/apps/"))
    gone = text(ada.get("/t/acme/console/applications/?status=deleted"))
    assert ">Gone<" in gone
    assert ">Stopped<" not in gone
    assert ">Stopped<" in text(ada.get("/t/acme/console/applications/?status=suspended"))
    assert ">Gone<" not in text(ada.get("/t/acme/console/applications/?status=nonsense"))


def test_a_team_shows_none_and_nobody_counts_it(cast: Cast, ada: Client) -> None:
    with tenant_scope(cast.acme.pk):
        team = make.team(cast.carl, "Shop people")
        application(cast.carl, "deleted", name="Gone", team=team)
    assert "Gone" not in text(ada.get(f"/t/acme/teams/{team.pk}/"))


# --- changed ---------------------------------------------------------------------------------------------------------


def test_carl_changes_it_and_what_is_wrong_comes_back(cast: Cast, carl: Client, ada: Client) -> None:
    found = carls(cast)
    page = text(carl.get(at(found, "edit")))
    assert 'value="Shop"' in page
    assert "stays as it was registered" in page
    answer = carl.post(at(found, "edit"), {"name": "Till", "purpose": "Sells.", "contact": "nobody"})
    assert (answer.status_code, "Give an e-mail address" in text(answer), 'value="nobody"' in text(answer)) == (422, True, True)
    carl.post(at(found, "edit"), {"name": "Till", "purpose": "Sells.", "contact": "shop@acme.example"})
    page = text(carl.get(at(found)))
    assert "Till" in page
    assert 'href="mailto:shop@acme.example"' in page
    carl.post(at(found, "edit"), {"name": "Till", "purpose": "Sells.", "contact": "https://acme.example/shop"})
    assert 'href="https://acme.example/shop"' in text(ada.get(console(found)))
    assert ada.get(at(found, "edit")).status_code == 404, "what it is, its own people say"
    assert "renamed the application Shop to Till" in text(carl.get(f"{at(found)}?tab=activity"))


def test_a_contact_is_given_when_it_is_registered(cast: Cast, carl: Client) -> None:
    given = {"name": "Shop", "purpose": "Sells.", "environment": "live"}
    assert carl.post(NEW, {**given, "contact": "javascript:alert(1)"}).status_code == 422
    assert carl.post(NEW, {**given, "contact": "shop@acme.example"}).status_code == 302
    assert "stays as it is" in text(carl.get(NEW))


def test_a_teams_people_may_what_its_lead_may(cast: Cast) -> None:
    dora = make.member(cast.acme, "dora@acme.example")
    with tenant_scope(cast.acme.pk):
        team = make.team(cast.carl, "Shop people")
        TeamMember.objects.create(team=team, membership=Membership.objects.get(user=dora))
        found = application(cast.carl, "suspended", name="Shop", team=team)
    client = signed_in(dora)
    assert offered(text(client.get(at(found))), found) == {"edit", "resume", "delete"}
    assert client.post(at(found, "resume")).status_code == 302
    assert client.post(at(found, "delete")).status_code == 302


def test_the_page_of_one_asks_as_often_whatever_there_is(cast: Cast, carl: Client, gold: Plan) -> None:
    found = carls(cast)
    with tenant_scope(cast.acme.pk):
        make.credential(found)
        make.subscription(of=found)
        application_life.suspend(found, reason="x", by=cast.carl)
    carl.get(at(found))
    with queries("page:app:suspended"):
        carl.get(at(found))
    with queries("page:app-delete"):
        carl.get(at(found, "delete"))
    with tenant_scope(cast.acme.pk):
        application_life.resume(found, by=cast.carl)
        for _ in range(3):
            make.credential(found)
            make.subscription(of=found)
        application_life.suspend(found, reason="x", by=cast.carl)
    with queries("page:app:suspended"):
        carl.get(at(found))
    with queries("page:app-delete"):
        carl.get(at(found, "delete"))
