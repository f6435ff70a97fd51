"""A tenant as files describe it: Ada exports it, plans, and applies; nothing else changes, and nothing by half."""

import hashlib
import json
import threading
from typing import Any

import pytest

from apis import openapi
from apis.actions import plans, wanted
from apis.models import Api, ApiVersion, Revision, Subscription
from tenants.models import Event, Invitation, Membership, Role, Team
from tenants.people import teams
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, queries

URL = "/api/v1/tenants/acme/description/"


class Describing:
    """Ada's requests, or somebody else's."""

    def __init__(self, rest: Rest, user: Any, url: str = URL) -> None:
        self.client, self.url = rest(user), url

    def export(self) -> dict[str, Any]:
        answer = self.client.get(self.url)
        assert answer.status_code == 200, answer.json()
        found: dict[str, Any] = answer.json()
        found.pop("base")
        return found

    def ask(self, what: str, description: dict[str, Any], **more: Any) -> Any:
        return self.client.post(f"{self.url}{what}/", {"description": description, **more}, format="json")

    def plan(self, description: dict[str, Any], **more: Any) -> Any:
        answer = self.ask("plan", description, **more)
        assert answer.status_code == 200, answer.json()
        return answer.json()

    def apply(self, description: dict[str, Any], **more: Any) -> Any:
        base = self.plan(description, **more)["base"]
        answer = self.ask("apply", description, base=base, **more)
        assert answer.status_code == 200, answer.json()
        return answer.json()


@pytest.fixture
def ada(cast: Cast, rest: Rest) -> Describing:
    return Describing(rest, cast.ada)


@pytest.fixture
def orders(cast: Cast) -> Cast:
    """Acme publishes Orders, and Carl's Shop calls it under gold."""
    with tenant_scope(cast.acme.pk):
        api = make.api("orders")
        gold = make.plan(api, name="gold", calls=100, seconds=60)
        shop = make.application(cast.carl, name="Shop")
        make.subscription(of=shop, to=gold)
    return cast


def events(cast: Cast) -> list[str]:
    with tenant_scope(cast.acme.pk):
        return list(Event.objects.order_by("number").values_list("kind", flat=True))


def lines(plan: dict[str, Any]) -> list[str]:
    return [f"{each['sign']} {each['what']}" for each in plan["differences"]]


def test_what_was_exported_changes_nothing(orders: Cast, ada: Describing) -> None:
    told, before = ada.export(), events(orders)
    assert [each["slug"] for each in told["apis"]] == ["orders"]
    assert ada.plan(told)["differences"] == []
    applied = ada.apply(told)
    assert "event" not in applied
    assert events(orders) == before
    assert ada.export() == told


def test_a_plan_leaves_no_trace(orders: Cast, ada: Describing) -> None:
    told, before = ada.export(), events(orders)
    told["apis"][0]["visibility"] = "tenant"
    told["subscriptions"] = [{**told["subscriptions"][0], "status": "suspended", "reason": "Too loud."}]
    plan = ada.plan(told)
    assert lines(plan) == ["~ api orders", "~ subscription Shop to orders"]
    assert plan["losses"] == [{"application": "Shop", "whose": "carl@acme.example", "calls": ["orders v1"]}]
    assert events(orders) == before
    assert ada.export()["subscriptions"][0]["status"] == "active"


def test_what_is_described_is_done_with_its_usual_events_and_a_receipt(orders: Cast, ada: Describing) -> None:
    told, before = ada.export(), events(orders)
    told["apis"][0] |= {"visibility": "tenant", "policies": {"retries": 2}, "tags": ["Shop"]}
    told["subscriptions"][0] |= {"status": "suspended", "reason": "Too loud."}
    answer = ada.apply(told)
    new = events(orders)[len(before) :]
    assert new == ["api.placed", "api.policies_changed", "subscription.suspended"]
    assert answer["event"] == len(before) + 3
    assert answer["receipt"] == f"/api/v1/tenants/acme/receipts/{answer['event']}/"
    assert ada.plan(told)["differences"] == []
    assert "event" not in ada.apply(told)
    assert events(orders)[len(before) :] == new


def test_a_whole_api_is_made(cast: Cast, ada: Describing) -> None:
    told: dict[str, Any] = {
        "tenant": {"name": "Acme Inc", "categories": ["Trade"]},
        "apis": [
            {
                "slug": "orders",
                "name": "Orders",
                "category": "Trade",
                "plans": [{"name": "gold", "calls": 10, "seconds": 1, "approval": "automatic", "status": "published"}],
                "versions": [
                    {
                        "name": "v1",
                        "status": "published",
                        "document": json.dumps(make.DOCUMENT),
                        "upstream": {"url": "http://127.0.0.1:9/base", "header": "X-Key", "secret": "s3cret"},
                    }
                ],
            }
        ],
        "applications": [{"name": "Shop", "owner": "carl@acme.example", "environment": "live", "purpose": "To sell."}],
        "subscriptions": [{"application": "Shop", "api": "orders", "plan": "gold", "purpose": "To sell."}],
    }
    ada.apply(told)
    with tenant_scope(cast.acme.pk):
        version = ApiVersion.objects.get()
        assert version.status == "published"
        assert version.live_revision is not None
        assert version.live_revision.document == make.DOCUMENT
        subscription = Subscription.objects.select_related("application__owner").get()
        assert subscription.status == "active"
        assert subscription.application.owner == cast.carl
    found = ada.export()
    assert found["apis"][0]["versions"][0]["upstream"] == {
        "url": "http://127.0.0.1:9/base", "header": "x-key", "secret": "${ORDERS_V1_SECRET}",
    }  # fmt: skip
    assert ada.plan(found)["differences"] == []
    assert ada.plan(told)["differences"] == []
    told["apis"][0]["versions"][0]["upstream"]["secret"] = "another"
    assert ada.plan(told)["differences"][0]["text"] == "new revision: upstream (secret), goes live"
    # Sent with its value, the same secret is none that changes, and one that is not sent stays.
    told["apis"][0]["versions"][0]["upstream"]["secret"] = "s3cret"
    told["apis"][0]["versions"][0]["upstream"].pop("secret")
    assert ada.plan(told)["differences"] == []


def test_a_text_that_was_read_once_is_not_read_again(orders: Cast, ada: Describing, monkeypatch: pytest.MonkeyPatch) -> None:
    """In whatever form people write it; hundreds of documents take half a minute."""
    told = ada.export()
    version = told["apis"][0]["versions"][0]
    version["document"] = json.dumps(make.SCOPED)
    ada.apply(told, breaking="A test.")
    read: list[str] = []
    really = openapi.read

    def reads(text: str, **more: Any) -> Any:
        read.append(text)
        return really(text, **more)

    monkeypatch.setattr(openapi, "read", reads)
    with tenant_scope(orders.acme.pk):
        made = Revision.objects.latest("number")
        assert made.source == hashlib.sha256(version["document"].encode()).hexdigest()
    assert ada.plan(told)["differences"] == []
    # Where calls go is another matter, and the document stays as it was read.
    version["upstream"] = {"url": "http://127.0.0.1:9/elsewhere"}
    ada.apply(told)
    assert ada.plan(told)["differences"] == []
    assert read == []
    with tenant_scope(orders.acme.pk):
        again = Revision.objects.latest("number")
        assert (again.number, again.source, again.document) == (made.number + 1, made.source, made.document)
    version["document"] += " "
    assert ada.plan(told)["differences"] == []
    assert read == [version["document"]]
    # Of what was read before that was noted nobody knows the text.
    with tenant_scope(orders.acme.pk):
        Revision.objects.update(source="")
    ada.plan(told)
    assert len(read) == 2


def test_a_plans_quota_is_described_given_changed_and_taken_away(orders: Cast, ada: Describing) -> None:
    def described(**quota: Any) -> dict[str, Any]:
        return {"apis": [{"slug": "orders", "plans": [{"name": "gold", **quota}]}]}

    def stands() -> dict[str, Any]:
        return {name: value for name, value in ada.export()["apis"][0]["plans"][0].items() if name.startswith("quota")}

    assert stands() == {"quota": 0}
    ada.apply(described(quota=5000, quota_period="day", quota_time_zone="Asia/Tokyo"))
    assert stands() == {"quota": 5000, "quota_period": "day", "quota_time_zone": "Asia/Tokyo"}
    assert ada.plan(ada.export())["differences"] == []
    ada.apply(described(quota=6000))
    assert stands() == {"quota": 6000, "quota_period": "day", "quota_time_zone": "Asia/Tokyo"}
    ada.apply(described(quota=0))
    assert stands() == {"quota": 0}
    ada.apply({"apis": [{"slug": "orders", "plans": [{"name": "silver", "calls": 1, "seconds": 1, "quota": 7}]}]})
    with tenant_scope(orders.acme.pk):
        assert Api.objects.get(slug="orders").plans.get(name="silver").quota == 7
    for wrong in ({"quota": -1}, {"quota": 5, "quota_time_zone": "Mars/Olympus"}, {"quota": None}):
        assert ada.ask("plan", described(**wrong)).status_code == 422


def test_a_plans_burst_is_described_and_stays_where_it_is_not(orders: Cast, ada: Describing) -> None:
    def described(**plan: Any) -> dict[str, Any]:
        return {"apis": [{"slug": "orders", "plans": [{"name": "silver", "calls": 60, "seconds": 60, **plan}]}]}

    def burst() -> int | None:
        with tenant_scope(orders.acme.pk):
            return Api.objects.get(slug="orders").plans.get(name="silver").burst

    ada.apply(described(burst=5))
    assert burst() == 5
    assert ada.plan(ada.export())["differences"] == []
    ada.apply(described(seconds=30))
    assert burst() == 5
    for wrong in ({"burst": 61}, {"burst": -1}, {"burst": None}, {"calls": 4}):
        assert ada.ask("plan", described(**wrong)).status_code == 422, wrong
    ada.apply(described(burst=0))
    assert burst() is None


def test_members_teams_and_their_leads(cast: Cast, ada: Describing) -> None:
    told = {
        "members": [
            {"email": "carl@acme.example", "roles": ["developer", "publisher"], "teams": ["Backend"]},
            {"email": "pam@acme.example", "teams": []},
            {"email": "new@acme.example", "roles": ["developer"], "teams": ["Backend"]},
        ],
        "teams": [{"name": "Backend", "lead": "carl@acme.example"}],
    }
    assert lines(ada.apply(told)) == [
        "+ member new@acme.example",
        "~ member carl@acme.example",
        "+ team Backend",
        "~ member carl@acme.example",
    ]
    with tenant_scope(cast.acme.pk):
        assert Invitation.objects.get().email == "new@acme.example"
        assert Team.objects.get().lead.user == cast.carl
        assert Membership.objects.get(user=cast.carl).roles == ["developer", "publisher"]
    assert lines(ada.plan(told)) == ["! member new@acme.example"]


def test_what_is_not_described_stays_and_goes_only_with_prune(orders: Cast, ada: Describing) -> None:
    told = {"subscriptions": [], "members": [{"email": "ada@acme.example"}], "apis": [{"slug": "orders", "plans": []}]}
    plan = ada.plan(told)
    assert plan["differences"] == []
    assert plan["prunable"] == 4
    pruned = ada.plan(told, prune=True)
    assert lines(pruned) == [
        "- subscription Shop to orders",
        "- plan orders/gold",
        "- member carl@acme.example",
        "- member pam@acme.example",
    ]
    assert pruned["losses"][0]["application"] == "Shop"
    assert pruned["differences"][2]["blocked"] == "carl@acme.example has applications; give them to somebody first: Shop."
    answer = ada.ask("apply", told, prune=True, base=pruned["base"])
    assert answer.status_code == 409
    assert "Shop" in answer.json()["detail"]
    ada.apply({"subscriptions": []}, prune=True)
    with tenant_scope(orders.acme.pk):
        assert Subscription.objects.get().status == "cancelled"


def test_nobody_approves_what_they_asked_for_themselves(orders: Cast, ada: Describing, rest: Rest) -> None:
    told = ada.export()
    told["applications"] += [
        {"name": "Desk", "owner": "ada@acme.example", "purpose": "Help."},
        {"name": "Stand", "owner": "carl@acme.example", "purpose": "Help."},
    ]
    for name in ("Desk", "Stand"):
        told["subscriptions"].append({"application": name, "api": "orders", "plan": "gold", "status": "active", "purpose": "Help."})
    assert [each["text"] for each in ada.apply(told)["differences"][2:]] == [
        "under gold, asked for; somebody else has to approve it, unless the plan or a rule approves by itself",
        "under gold, added",
    ]
    [waiting] = ada.plan(told)["differences"]
    assert (waiting["sign"], waiting["what"]) == ("!", "subscription Desk to orders")
    assert "nobody decides a request of their own" in waiting["text"]
    with tenant_scope(orders.acme.pk):
        bert = make.member(orders.acme, "bert@acme.example", Role.ADMIN)
    berts = Describing(rest, bert)
    assert lines(berts.apply({"subscriptions": told["subscriptions"]})) == ["~ subscription Desk to orders"]
    assert {each["status"] for each in berts.export()["subscriptions"]} == {"active"}


def test_where_two_people_decide_one_is_not_enough(orders: Cast, ada: Describing, rest: Rest) -> None:
    told = ada.export()
    told["apis"][0]["plans"][0] |= {"approval": "two_people", "quota": 5_000, "quota_period": "day", "quota_time_zone": "Europe/Berlin"}
    told["applications"].append({"name": "Desk", "owner": "carl@acme.example", "purpose": "Help."})
    told["subscriptions"].append({"application": "Desk", "api": "orders", "plan": "gold", "purpose": "Help."})
    ada.apply(told)
    with tenant_scope(orders.acme.pk):
        bert, cleo = (make.member(orders.acme, f"{name}@acme.example", Role.ADMIN) for name in ("bert", "cleo"))
    asked = {"subscriptions": told["subscriptions"]}
    berts, cleos = Describing(rest, bert), Describing(rest, cleo)
    assert berts.apply(asked)["differences"][0]["text"] == "approved, as the first of two people"
    assert [each["sign"] for each in berts.plan(asked)["differences"]] == ["!"]
    assert cleos.apply(asked)["differences"][0]["text"] == "approved"
    assert cleos.plan(asked)["differences"] == []
    assert cleos.export()["apis"][0]["plans"][0]["quota"] == 5_000


def test_a_plan_that_is_true_no_more_is_refused_and_what_changed_is_told(orders: Cast, ada: Describing) -> None:
    told = ada.export()
    told["apis"][0]["tags"] = ["shop"]
    base = ada.plan(told)["base"]
    with tenant_scope(orders.acme.pk):
        teams.create_team(name="Late", lead=Membership.objects.get(user=orders.carl), by=orders.ada)
    answer = ada.ask("apply", told, base=base)
    assert answer.status_code == 409
    assert "team.created “Late” by Ada" in answer.json()["detail"]
    with tenant_scope(orders.acme.pk):
        assert Api.objects.get().tags == []


def test_one_refusal_undoes_all(orders: Cast, ada: Describing) -> None:
    told = ada.export()
    told["tenant"]["name"] = "Acme Inc"
    # The name of a plan that is closed is not given again, which no difference can see.
    told["apis"][0]["plans"].append({"name": "silver", "calls": 1, "seconds": 1, "status": "published"})
    with tenant_scope(orders.acme.pk):
        silver = make.plan(Api.objects.get(), name="silver")
        plans.close(silver, by=orders.ada)
    before = events(orders)
    base = ada.plan(told)["base"]
    answer = ada.ask("apply", told, base=base)
    assert answer.status_code == 409
    assert answer.json()["detail"] == "Plan orders/silver: Orders has a plan “silver” already."
    assert events(orders) == before


@pytest.mark.parametrize(
    "told, path, sentence",
    [
        ({"apis": [{"slug": "orders", "vizibility": "public"}]}, "description.apis.0.vizibility", "did you mean “visibility”?"),
        ({"tenant": {"nmae": "x"}}, "description.tenant.nmae", "did you mean “name”?"),
        ({"apis": [{"slug": "orders"}, {"slug": "orders"}]}, "description.apis.1.slug", "stands here twice"),
        ({"apis": [{"slug": "new"}]}, "description.apis.0.name", "A new API needs a name."),
        ({"apis": [{"slug": "orders", "tags": "x"}]}, "description.apis.0.tags", 'Expected a list of items but got type "str".'),
        ({"apis": [{"slug": "orders", "policies": {"ip_allow": ["x"]}}]}, "description.apis.0.policies.ip_allow", "neither an IP address"),
        ({"apis": [{"slug": "orders", "category": "No"}]}, "description.apis.0.category", "There is no category"),
        (
            {"apis": [{"slug": "orders", "versions": [{"name": "v1", "document": "{"}]}]},
            "description.apis.0.versions.0.document",
            "Line 1",
        ),
        (
            {"apis": [{"slug": "orders", "versions": [{"name": "v1", "upstream": {"url": "ftp://x"}}]}]},
            "description.apis.0.versions.0.upstream.url",
            "starts with http",
        ),
        (
            {"apis": [{"slug": "orders", "versions": [{"name": "v1", "upstream": {"url": "http://x", "secret": "${NO_KEY}"}}]}]},
            "description.apis.0.versions.0.upstream.secret",
            "set NO_KEY in the environment",
        ),
        ({"apis": [{"slug": "orders", "plans": [{"name": "gold", "calls": 0}]}]}, "description.apis.0.plans.0.calls", "greater than"),
        ({"teams": [{"name": "T", "lead": "eve@globex.example"}]}, "description.teams.0.lead", "is no member here"),
        ({"members": [{"email": "x@y.example"}]}, "description.members.0.roles", "needs a role"),
        (
            {"subscriptions": [{"application": "No", "api": "orders", "plan": "gold"}]},
            "description.subscriptions.0.application",
            "no application",
        ),
        ({"subscriptions": [{"application": "Shop", "api": "no", "plan": "gold"}]}, "description.subscriptions.0.api", "There is no API"),
        ({"subscriptions": [{"application": "Shop", "api": "orders", "plan": "no"}]}, "description.subscriptions.0.plan", "has no plan"),
        ({"applications": [{"name": "X", "purpose": "Y"}]}, "description.applications.0.owner", "either owner"),
        ({"tenant": {"name": "a\x00b"}}, "description.tenant.name", "Control characters"),
    ],
)
def test_what_can_not_be_used_is_told_with_its_place(orders: Cast, ada: Describing, told: Any, path: str, sentence: str) -> None:
    answer = ada.ask("plan", told)
    assert answer.status_code == 422, answer.json()
    assert [*answer.json()["errors"]] == [path]
    assert sentence in answer.json()["errors"][path][0]


def test_who_may_not_see_a_part_may_not_describe_it(orders: Cast, rest: Rest) -> None:
    pam = Describing(rest, orders.pam)
    assert sorted(pam.export()) == ["aliases", "apis"]
    refused = pam.ask("plan", {"tenant": {"name": "Pam's"}})
    assert refused.status_code == 403
    changed = pam.export()
    changed["apis"][0] |= {"tags": ["hers"], "needs_review": True}
    plan = pam.plan(changed)
    assert [each["blocked"] for each in plan["differences"]] == ["", "Your roles here don't include “settings.manage”."]
    assert pam.ask("apply", changed, base=plan["base"]).status_code == 409
    changed["apis"][0].pop("needs_review")
    pam.apply(changed)


def test_eve_finds_nothing(orders: Cast, rest: Rest) -> None:
    eve = Describing(rest, orders.eve)
    assert eve.client.get(URL).status_code == 404
    for what in ("plan", "apply"):
        assert eve.ask(what, {}).status_code == 404
    assert Describing(rest, orders.carl).export() == {}


def test_reading_takes_as_many_queries_for_much_as_for_little(orders: Cast, ada: Describing) -> None:
    with tenant_scope(orders.acme.pk):
        plan = make.plan(make.api("bills"), name="gold")
        for number in range(5):
            make.subscription(of=make.application(orders.carl, name=f"App {number}"), to=plan)
    with queries("description"):
        ada.export()


def test_only_so_many_descriptions_and_documents_are_read_at_once(orders: Cast, ada: Describing, monkeypatch: pytest.MonkeyPatch) -> None:
    told = ada.export()
    told["apis"][0]["versions"][0]["document"] = json.dumps(make.SCOPED)
    monkeypatch.setattr(wanted, "MOST_READ", 0)
    assert "describe fewer APIs at once" in ada.ask("plan", told).json()["errors"]["description.apis.0.versions.0.document"][0]
    monkeypatch.setattr(wanted, "_readers", threading.BoundedSemaphore(1))
    with wanted._readers:
        busy = ada.ask("plan", told)
    assert busy.status_code == 503
    assert busy["Retry-After"] == "5"


def test_a_document_that_breaks_callers_goes_live_with_a_reason_alone(orders: Cast, ada: Describing) -> None:
    told = ada.export()
    without = {**make.DOCUMENT, "paths": {"/orders": make.DOCUMENT["paths"]["/orders"]}}
    told["apis"][0]["versions"][0]["document"] = json.dumps(without)
    plan = ada.plan(told)
    assert plan["differences"][0]["text"] == "new revision: document, goes live; 1 change breaks callers"
    assert plan["differences"][0]["blocked"] == "Say why it goes live all the same: --breaking."
    assert ada.ask("apply", told, base=plan["base"]).status_code == 409
    ada.apply(told, breaking="Nobody reads one.")
    assert ada.plan(told)["differences"] == []


def test_who_sees_no_part_whole_sends_nothing_large(orders: Cast, rest: Rest) -> None:
    refused = Describing(rest, orders.carl).ask("plan", {"apis": [{"slug": "x" * 100_000}]})
    assert refused.status_code == 403


def test_an_api_that_is_described_no_more_loses_what_it_had(orders: Cast, ada: Describing) -> None:
    told = ada.export()
    told["apis"], told["subscriptions"] = [], []
    plan = ada.plan(told, prune=True)
    assert lines(plan) == [
        "- subscription Shop to orders", "- version orders/v1", "- version orders/v1", "- plan orders/gold",
    ]  # fmt: skip
    assert plan["losses"][0]["calls"] == ["orders v1"]
    ada.apply(told, prune=True)
    with tenant_scope(orders.acme.pk):
        assert ApiVersion.objects.get().status == "retired"
    assert ada.export()["apis"][0]["versions"] == []
