"""The life of an application over REST: each step, who may take it, what is changed, and what is still read of a deleted one."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from keys.models import Application
from tenants.models import Event, Role
from tenants.scope import tenant_scope
from tests import make
from tests.application_life import REFUSED, STEPS, WAYS, application
from tests.conftest import Cast, Rest, base, queries
from tests.steps import Step, named


def carls(cast: Cast, state: str, **fields: Any) -> Application:
    with tenant_scope(cast.acme.pk):
        return application(cast.carl, state, **fields)


def at(cast: Cast, of: Application, way: str = "") -> str:
    return f"{base(cast.acme)}/applications/{of.pk}/{f'{way}/' if way and way != 'delete' else ''}"


def take(client: APIClient, cast: Cast, of: Application, way: str) -> Any:
    act = client.delete if way == "delete" else client.post
    return act(at(cast, of, way), WAYS[way].given, format="json")


def now(cast: Cast, of: Application) -> str:
    with tenant_scope(cast.acme.pk):
        return Application.objects.values_list("status", flat=True).get(pk=of.pk)


@pytest.mark.parametrize("step", STEPS, ids=named)
def test_carl_takes_each_step(cast: Cast, rest: Rest, step: Step) -> None:
    found = carls(cast, step.was)
    answer = take(rest(cast.carl), cast, found, step.way)
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert (body["status"], bool(body["deleted_at"])) == (step.now, step.now == "deleted")
    assert rest(cast.carl).get(body["receipt"]).json()["kind"] == f"application.{step.verb}"
    with tenant_scope(cast.acme.pk):
        assert Event.objects.order_by("-number")[0].kind == f"application.{step.verb}"


@pytest.mark.parametrize(("way", "state"), REFUSED)
def test_there_is_no_other_way(cast: Cast, rest: Rest, way: str, state: str) -> None:
    found = carls(cast, state)
    answer = take(rest(cast.carl), cast, found, way)
    assert answer.status_code == (404 if state == "deleted" else 409), answer.content
    assert answer.json()["detail"]
    assert now(cast, found) == state


@pytest.mark.parametrize("step", STEPS, ids=named)
def test_who_may_take_it(cast: Cast, rest: Rest, step: Step) -> None:
    found = carls(cast, step.was)
    for role in set(Role.values) - WAYS[step.way].anybodys:
        answer = take(rest(make.member(cast.acme, None, role)), cast, found, step.way)
        assert answer.status_code == (403 if role == "approver" else 404), role
    assert take(rest(cast.eve), cast, found, step.way).status_code == 404
    assert now(cast, found) == step.was
    for role in sorted(WAYS[step.way].anybodys):
        found = carls(cast, step.was)
        assert take(rest(make.member(cast.acme, None, role)), cast, found, step.way).status_code == 200, role


def test_a_suspension_says_why_and_by_whom_and_who_can_end_it(cast: Cast, rest: Rest) -> None:
    found, carl = carls(cast, "active"), rest(cast.carl)
    assert carl.post(at(cast, found, "suspend"), {}, format="json").status_code == 422
    told = rest(cast.ada).post(at(cast, found, "suspend"), {"reason": "It leaks."}, format="json").json()
    assert (told["reason"], told["suspended_by"], told["resumable_by_owner"]) == ("It leaks.", cast.ada.email, False)
    assert carl.get(at(cast, found)).json()["suspended_by"] == cast.ada.email
    answer = carl.post(at(cast, found, "resume"))
    assert (answer.status_code, "Ada suspended it" in answer.json()["detail"]) == (409, True)
    told = rest(cast.ada).post(at(cast, found, "resume")).json()
    assert (told["status"], told["reason"], told["suspended_by"], told["resumable_by_owner"]) == ("active", "", None, False)
    assert carl.post(at(cast, found, "suspend"), {"reason": "Mine."}, format="json").json()["resumable_by_owner"] is True


def test_carl_changes_what_he_gives_and_nothing_else(cast: Cast, rest: Rest) -> None:
    found, carl = carls(cast, "suspended", name="Shop", purpose="Sells."), rest(cast.carl)
    told = carl.patch(at(cast, found), {"contact": "shop@acme.example"}, format="json").json()
    assert (told["name"], told["purpose"], told["contact"]) == ("Shop", "Sells.", "shop@acme.example")
    for wrong, field in (({"contact": "x"}, "contact"), ({"environment": "test"}, "environment"), ({"name": ""}, "name")):
        answer = carl.patch(at(cast, found), wrong, format="json")
        assert (answer.status_code, set(answer.json()["errors"])) == (422, {field})
    assert rest(cast.ada).patch(at(cast, found), {"name": "Hers"}, format="json").status_code == 403
    assert rest(cast.pam).patch(at(cast, found), {"name": "Hers"}, format="json").status_code == 403
    assert rest(cast.eve).patch(at(cast, found), {"name": "Hers"}, format="json").status_code == 404
    with tenant_scope(cast.acme.pk):
        assert Application.objects.get(pk=found.pk).name == "Shop"


def test_a_contact_is_given_when_it_is_registered(cast: Cast, rest: Rest) -> None:
    carl, given = rest(cast.carl), {"name": "Shop", "purpose": "Sells."}
    assert carl.post(f"{base(cast.acme)}/applications/", {**given, "contact": "nobody"}, format="json").status_code == 422
    told = carl.post(f"{base(cast.acme)}/applications/", {**given, "contact": "https://acme.example/"}, format="json").json()
    assert (told["contact"], told["status"]) == ("https://acme.example/", "active")


def test_lists_have_no_deleted_one_unless_it_is_asked_for(cast: Cast, rest: Rest) -> None:
    states = {state: carls(cast, state) for state in ("active", "suspended", "deleted")}
    place = f"{base(cast.acme)}/applications/"
    for person in (cast.carl, cast.ada):
        client = rest(person)

        def listed(query: str = "", *, client: APIClient = client) -> set[str]:
            return {each["id"] for each in client.get(f"{place}{query}").json()["results"]}

        assert listed() == {str(states["active"].pk), str(states["suspended"].pk)}
        for state, each in states.items():
            assert listed(f"?status={state}") == {str(each.pk)}
        assert client.get(at(cast, states["deleted"])).json()["status"] == "deleted"
        assert client.get(at(cast, states["deleted"], "credentials")).status_code == 404
    assert rest(cast.carl).get(f"{place}?status=gone").status_code == 422
    assert rest(cast.pam).get(at(cast, states["deleted"])).status_code == 404
    with queries("applications/"):
        rest(cast.carl).get(f"{place}?status=suspended")
