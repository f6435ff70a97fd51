"""Whatever a tenant has: exported and applied nothing changes; applied elsewhere the same tenant is there; and who would lose access,
does.
"""

import json
from dataclasses import dataclass
from random import Random
from typing import Any

from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from apis.actions import catalogue, publishing, subscriptions, versions
from apis.models import Api, Category, Plan
from cli import files
from gateway import desired
from keys.actions import application_life
from keys.models import Application
from tenants.actions import add_member
from tenants.models import Event, Membership, Tenant, User
from tenants.people import teams
from tenants.scope import tenant_scope
from tests import make
from tests.apis.test_describing import Describing
from tests.conftest import Cast, Rest

SECRET = "s3cret"
# Each example makes a whole tenant anew.
FEW = settings(
    max_examples=3,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@dataclass
class World:
    """Acme with what chance has given it, and Bert, its second admin."""

    cast: Cast
    bert: User
    chance: Random

    def one(self, of: list[Any]) -> Any:
        return self.chance.choice(of)

    def fill(self) -> None:
        people = [self.cast.carl, self.cast.ada]
        for name in self.chance.sample(["Backend", "Web: shop", "Ünïcode"], self.chance.randint(0, 2)):
            lead = Membership.objects.get(user=self.one(people))
            teams.create_team(name=name, lead=lead, description=self.one(["", "Looks: after # orders"]), by=self.cast.ada)
        catalogue.change_categories({}, new=self.one([[], ["Trade"], ["Trade", "no"]]), by=self.cast.ada)
        for number in range(self.chance.randint(1, 3)):
            self.api(f"api-{number}")
        owned = [self.application(f"App {number}", self.one(people)) for number in range(self.chance.randint(0, 4))]
        for application in owned:
            for plan in Plan.objects.filter(status="published").select_related("api"):
                begins = plan.api.versions.filter(status__in=["published", "prerelease"]).exists()
                if begins and self.chance.random() < 0.6 and not application.subscriptions.filter(api=plan.api).exists():
                    self.subscription(application, plan)
        for version in [each for api in Api.objects.order_by("slug") for each in api.versions.filter(status="published")]:
            if (way := self.chance.random()) < 0.2:
                versions.block(version, reason="Broken: # for now", by=self.cast.pam)
            elif way < 0.4:
                versions.deprecate(version, reason="“Old”", by=self.cast.pam)
        for application in owned:
            if self.chance.random() < 0.2:
                application_life.suspend(application, reason="Too\tloud", by=self.bert)

    def api(self, slug: str) -> None:
        api = publishing.create_api(
            slug=slug, name=self.one(["Orders", "yes", "1.0", "ä: b"]), description=self.one(["", "A\n\nB # c\n- d"]), by=None
        )
        shown = {"visibility": self.one(["public", "tenant"]), "tags": self.one([[], ["a", "on"]])}
        catalogue.place(api, category=Category.objects.first() or "", **shown, by=self.cast.pam)
        publishing.change_api(api, cors_origins=self.one([[], ["https://a.example"]]), by=self.cast.pam)
        for name in self.chance.sample(["v1", "v2", "v1.1"], self.chance.randint(0, 2)):
            self.version(api, name)
        for name in self.chance.sample(["gold", "on", "silver"], self.chance.randint(0, 2)):
            plan = make.plan(
                api,
                name=name,
                calls=self.chance.randint(1, 99),
                seconds=60,
                approval=self.one(["manual", "automatic", "two_people"]),
                quota=self.one([None, 9]),
            )
            assert plan.status == "published"

    def version(self, api: Api, name: str) -> None:
        version = publishing.add_version(api, name=name, by=None)
        if self.chance.random() < 0.2:
            return
        document = make.document(self.one([make.DOCUMENT, make.SCOPED]))
        secret = {"header": "x-key", "secret": SECRET} if self.chance.random() < 0.5 else {}
        path = self.one(["", "/base"])
        target = (
            make.target(f"http://127.0.0.1:9{path}", **secret) if self.chance.random() < 0.7 else publishing.answer_from_examples(document)
        )
        publishing.make_live(publishing.add_revision(version, document=document, target=target, by=None), by=None)
        version.refresh_from_db()
        if self.chance.random() < 0.8:
            self.one([publishing.publish, publishing.prerelease])(version, by=None)

    def application(self, name: str, owner: User) -> Application:
        return make.application(owner, name=name, purpose=self.one(["To sell.", "A: b"]), environment=self.one(["live", "test"]))

    def subscription(self, application: Application, plan: Plan) -> None:
        found, _event = subscriptions.request(application, api=plan.api, plan=plan, purpose="Why: so", by=application.owner)
        if found.status == "pending" and self.chance.random() < 0.7:
            subscriptions.approve(found, by=self.bert)
        if found.status == "active" and self.chance.random() < 0.3:
            subscriptions.suspend(found, reason="Too loud", by=self.bert)


def _sent(told: dict[str, Any]) -> dict[str, Any]:
    """As the command line sends it where the variables are set."""
    found: dict[str, Any] = json.loads(json.dumps(told))
    for api in found["apis"]:
        for version in api["versions"]:
            if "secret" in version.get("upstream", {}):
                version["upstream"]["secret"] = SECRET
    return found


def number_of_events(at: Tenant) -> int:
    with tenant_scope(at.pk):
        return Event.objects.count()


def can_call(at: Tenant) -> set[tuple[str, str]]:
    """Which application which version, as gateways are told."""
    with tenant_scope(at.pk):
        names = dict(Application.objects.values_list("client_id", "name"))
        routes = [each for each in desired._routes(desired.live(), secrets=False) if not each.refusal]
        granted = [(names[each.client_id], each.api) for each in desired._grants() if not each.refusal]
    return {(name, f"{api} {each.name}") for name, api in granted for each in routes if each.api == api}


@given(st.randoms(use_true_random=False))
@FEW
def test_whatever_a_tenant_has(cast: Cast, rest: Rest, chance: Random) -> None:
    with transaction.atomic():
        try:
            _whatever(cast, rest, chance)
        finally:
            transaction.set_rollback(True)


def _whatever(cast: Cast, rest: Rest, chance: Random) -> None:
    bert = make.member(cast.acme, "bert@acme.example", "admin", "approver")
    with tenant_scope(cast.acme.pk):
        World(cast, bert, chance).fill()
    adas = Describing(rest, cast.ada)
    told = adas.export()
    before = number_of_events(cast.acme)
    assert adas.plan(_sent(told), prune=True)["differences"] == []
    assert "event" not in adas.apply(told)
    assert number_of_events(cast.acme) == before
    assert files._files(adas.export()) == files._files(told)
    _elsewhere(cast, rest, bert, told)
    _losses(cast, adas, told, chance)


def _elsewhere(cast: Cast, rest: Rest, bert: User, told: dict[str, Any]) -> None:
    """The same people at a tenant that has nothing: two admins make it the same, since nobody approves what they asked for."""
    twin = make.tenant()
    with tenant_scope(twin.pk):
        for user, roles in (
            (cast.ada, ["admin", "approver"]),
            (bert, ["admin", "approver"]),
            (cast.carl, ["developer"]),
            (cast.pam, ["publisher"]),
        ):
            add_member(user, roles=roles, by=None)
    url = f"/api/v1/tenants/{twin.slug}/description/"
    # Who asks for Ada's is Bert, and who decides about it neither: so there is a third.
    cleo = make.member(twin, "cleo@acme.example", "admin")
    described = _sent(told)
    for user in (bert, cleo):
        Describing(rest, user, url).apply(described)
    after = number_of_events(twin)
    assert "event" not in Describing(rest, cleo, url).apply(described)
    assert number_of_events(twin) == after
    found = Describing(rest, cast.ada, url).export()
    found["members"] = [each for each in found["members"] if each["email"] != "cleo@acme.example"]
    assert files._files(found) == files._files(told)


def _losses(cast: Cast, adas: Describing, told: dict[str, Any], chance: Random) -> None:
    changed = _sent(told)
    for each in changed["subscriptions"]:
        if each["status"] == "active" and chance.random() < 0.4:
            each |= {"status": "suspended", "reason": "Chance."}
    changed["subscriptions"] = [each for each in changed["subscriptions"] if chance.random() < 0.8]
    for api in changed["apis"]:
        api["plans"] = [each for each in api["plans"] if chance.random() < 0.8]
        for version in api["versions"]:
            if version["status"] == "published" and chance.random() < 0.4:
                version |= {"status": "blocked", "reason": "Chance."}
    offered = {(api["slug"], plan["name"]) for api in changed["apis"] for plan in api["plans"]}
    changed["subscriptions"] = [each for each in changed["subscriptions"] if (each["api"], each["plan"]) in offered]
    for each in changed["applications"]:
        if each["status"] == "active" and chance.random() < 0.2:
            each |= {"status": "suspended", "reason": "Chance."}
    before = can_call(cast.acme)
    plan = adas.plan(changed, prune=True)
    assert can_call(cast.acme) == before
    adas.apply(changed, prune=True)
    foretold = {(each["application"], call) for each in plan["losses"] for call in each["calls"]}
    assert before - can_call(cast.acme) == foretold
    assert adas.plan(changed, prune=True)["differences"] == []
