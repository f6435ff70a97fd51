"""How a machine becomes a gateway: join tokens, credentials, and their end; over REST, as operators and machines do it."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from gateway import groups, nodes, placing
from gateway.clocks import ahead
from gateway.envoy import versions
from gateway.models import GatewayNode, JoinToken, Loaded, Nack, NodeCredential, Receipt
from tenants.errors import Invalid, NotAllowed
from tenants.models import PlatformEvent
from tests.conftest import Cast, Rest, queries

AT, MACHINES = "/api/v1/platform/gateways", "/api/v1/gateways"


def issue(rest: Rest, cast: Cast, **given: Any) -> dict[str, Any]:
    answer = rest(cast.olga).post(f"{AT}/join-tokens/", {"name": "eu-1", **given}, format="json")
    assert answer.status_code == 201, answer.json()
    found: dict[str, Any] = answer.json()
    return found


def join(rest: Rest, token: str) -> Any:
    return rest(None).post(f"{MACHINES}/join/", {"join_token": token}, format="json")


def roll(rest: Rest, credential: str) -> Any:
    return rest(None).post(f"{MACHINES}/roll/", HTTP_AUTHORIZATION=f"Bearer {credential}")


def works(name: str, credential: str) -> bool:
    return nodes.authenticate(credential, name) is not None


def kinds(start: str = "gateway.") -> list[str]:
    return list(PlatformEvent.objects.filter(kind__startswith=start).order_by("number").values_list("kind", flat=True))


def test_a_machine_joins_once(cast: Cast, rest: Rest) -> None:
    made = issue(rest, cast, address="http://10.0.0.7:8080/")
    assert made["join_token"].startswith("ptc_join_")
    assert (made["state"], made["address"], made["created_by"]) == ("waiting", "http://10.0.0.7:8080", cast.olga.email)
    with queries("POST gateways/join/"):
        answer = join(rest, made["join_token"])
    got = answer.json()
    assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")
    assert (got["gateway"], got["address"]) == ("eu-1", "http://10.0.0.7:8080")
    assert works("eu-1", got["credential"])
    assert not works("eu-2", got["credential"]), "a credential is one gateway's"
    again = join(rest, made["join_token"])
    assert (again.status_code, again.json()["detail"]) == (401, "This join token lets nobody in (any more). Ask an operator for a new one.")
    assert join(rest, made["join_token"]).status_code == 401
    assert works("eu-1", got["credential"]), "who came too late ends nothing"
    assert kinds() == ["gateway.join_token_issued", "gateway.registered", "gateway.joined", "gateway.join_refused"]
    shown = rest(cast.olga).get(f"{AT}/join-tokens/").json()["results"][0]
    assert (shown["state"], shown["refused"], "join_token" in shown) == ("used", 2, False)


def test_a_token_puts_its_gateway_into_groups(cast: Cast, rest: Rest) -> None:
    eu, inside = groups.create(name="eu", by=cast.olga), groups.create(name="inside", by=cast.olga)
    made = issue(rest, cast, groups=["inside", "eu"])
    assert made["groups"] == ["eu", "inside"]
    with pytest.raises(NotAllowed, match="Join tokens lead there: eu-1. Revoke them first."):
        groups.delete(eu, by=cast.olga)
    join(rest, made["join_token"])
    node = GatewayNode.objects.get()
    assert placing.groups_of_gateway(node) == ["eu", "inside"]
    told = PlatformEvent.objects.get(kind="gateway.groups_changed")
    assert (told.data, told.actor_id) == ({"was": ["default"], "now": ["eu", "inside"]}, cast.olga.pk)
    # Who joins again stays there, unless the token says otherwise.
    join(rest, issue(rest, cast)["join_token"])
    assert placing.groups_of_gateway(node) == ["eu", "inside"]
    join(rest, issue(rest, cast, groups=["default"])["join_token"])
    assert placing.groups_of_gateway(node) == ["default"]
    # No token waits any more.
    groups.delete(inside, by=cast.olga)
    with queries("GET platform/gateways/join-tokens/"):
        shown = rest(cast.olga).get(f"{AT}/join-tokens/").json()["results"]
    assert [each["groups"] for each in shown] == [["default"], [], ["eu"]]


def test_a_token_leads_to_no_group_that_is_not_there(cast: Cast, rest: Rest) -> None:
    answer = rest(cast.olga).post(f"{AT}/join-tokens/", {"name": "eu-1", "groups": ["eu"]}, format="json")
    assert (answer.status_code, answer.json()["errors"]["groups"]) == (422, ["There is no group “eu” here."])
    with pytest.raises(Invalid, match="not there any more"):
        nodes.issue_join_token("eu-1", groups=[uuid4()], by=cast.olga)
    assert not JoinToken.objects.exists()


def test_nothing_of_a_token_is_kept_but_a_digest(cast: Cast, rest: Rest) -> None:
    made = issue(rest, cast)
    token = JoinToken.objects.get()
    assert token.sha256 == nodes.digest(made["join_token"])
    credential = join(rest, made["join_token"]).json()["credential"]
    assert NodeCredential.objects.get().sha256 == nodes.digest(credential)


@pytest.mark.parametrize("token", ["", "ptc_join_", "ptc_join_" + "x" * 43, "x" * 201, "a\x00b"])
def test_what_is_no_join_token(cast: Cast, rest: Rest, token: str) -> None:
    assert join(rest, token).status_code in {401, 422}
    assert not GatewayNode.objects.exists()


@pytest.mark.parametrize("how", ["revoked", "expired", "replaced"])
def test_a_join_token_that_is_over_lets_nobody_in_and_looks_like_none(cast: Cast, rest: Rest, how: str) -> None:
    made = issue(rest, cast)
    if how == "revoked":
        assert rest(cast.olga).post(f"{AT}/join-tokens/{made['id']}/revoke/").json()["state"] == "revoked"
        assert rest(cast.olga).post(f"{AT}/join-tokens/{made['id']}/revoke/").status_code == 409
    elif how == "expired":
        JoinToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    else:
        issue(rest, cast)
    answer, unknown = join(rest, made["join_token"]), join(rest, "ptc_join_" + "x" * 43)
    same = [{name: value for name, value in each.json().items() if name != "request_id"} for each in (answer, unknown)]
    assert (answer.status_code, same[0]) == (401, same[1])
    assert not GatewayNode.objects.exists()
    assert kinds()[-1] == "gateway.join_refused"


def test_an_expired_token_frees_its_name(cast: Cast, rest: Rest) -> None:
    issue(rest, cast)
    JoinToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert join(rest, issue(rest, cast)["join_token"]).status_code == 201
    assert {each["state"] for each in rest(cast.olga).get(f"{AT}/join-tokens/").json()["results"]} == {"expired", "used"}


def test_joining_again_needs_a_token_of_that_name_and_ends_the_credential_before(cast: Cast, rest: Rest) -> None:
    first = join(rest, issue(rest, cast)["join_token"]).json()["credential"]
    other = join(rest, issue(rest, cast, name="eu-2")["join_token"]).json()
    assert works("eu-1", first), "another's join ends nothing"
    second = join(rest, issue(rest, cast)["join_token"]).json()["credential"]
    assert (works("eu-1", first), works("eu-1", second), works("eu-2", other["credential"])) == (False, True, True)
    assert GatewayNode.objects.count() == 2


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a b"}, "name"),
        ({"name": "../x"}, "name"),
        ({"name": "-x"}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": "a\x00"}, "name"),
        ({"address": "10.0.0.7:8080"}, "address"),
        ({"address": "ftp://10.0.0.7"}, "address"),
        ({"address": "http://me:pw@10.0.0.7"}, "address"),
        ({"address": "http://10.0.0.7/path"}, "address"),
        ({"address": "http://10.0.0.7:99999"}, "address"),
        ({"address": "http://10.0.0.7:0"}, "address"),
        ({"minutes": 4}, "minutes"),
        ({"minutes": 0}, "minutes"),
        ({"minutes": -60}, "minutes"),
        ({"minutes": 10_081}, "minutes"),
        ({"minutes": 10**30}, "minutes"),
        ({"minutes": "soon"}, "minutes"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_what_no_join_token_is_issued_for(cast: Cast, rest: Rest, given: dict[str, Any], field: str) -> None:
    answer = rest(cast.olga).post(f"{AT}/join-tokens/", {"name": "eu-1", **given}, format="json")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])
    assert not JoinToken.objects.exists()


def test_the_action_knows_its_bounds_by_itself(cast: Cast) -> None:
    for minutes in (4, 10_081):
        with pytest.raises(Invalid):
            nodes.issue_join_token("eu-1", minutes=minutes, by=cast.olga)
    found, _ = nodes.issue_join_token("eu-1", by=cast.olga)
    assert found.expires_at - PlatformEvent.objects.latest("number").at < timedelta(hours=1, seconds=1)


def test_trying_join_tokens_is_counted(cast: Cast, rest: Rest) -> None:
    answers = [join(rest, "ptc_join_" + "x" * 43).status_code for _ in range(31)]
    assert answers == [401] * 30 + [429]


# Rolling


def test_a_rolled_credential_goes_on_for_the_overlap(cast: Cast, rest: Rest) -> None:
    first = join(rest, issue(rest, cast)["join_token"]).json()["credential"]
    with queries("POST gateways/roll/"):
        answer = roll(rest, first)
    second = answer.json()["credential"]
    assert (answer.status_code, answer.json()["gateway"], answer["Cache-Control"]) == (201, "eu-1", "no-store")
    assert (works("eu-1", first), works("eu-1", second)) == (True, True)
    old = NodeCredential.objects.get(sha256=nodes.digest(first))
    assert old.ends_at is not None
    assert old.rolled_at is not None
    assert old.ends_at - old.rolled_at == settings.NODE_OVERLAP == timedelta(minutes=10)
    NodeCredential.objects.filter(pk=old.pk).update(ends_at=timezone.now())
    assert (works("eu-1", first), works("eu-1", second)) == (False, True)
    assert roll(rest, first).status_code == 401
    assert kinds()[-1] == "gateway.credential_rolled"


def test_an_answer_that_was_lost_is_asked_for_again(cast: Cast, rest: Rest) -> None:
    first = join(rest, issue(rest, cast)["join_token"]).json()["credential"]
    lost = roll(rest, first).json()
    again = roll(rest, first).json()
    assert not works("eu-1", lost["credential"])
    assert works("eu-1", again["credential"])
    assert again["former_until"] == lost["former_until"], "asking again makes it no longer"


def test_a_stolen_credential_that_was_rolled_earns_nothing(cast: Cast, rest: Rest) -> None:
    first = join(rest, issue(rest, cast)["join_token"]).json()["credential"]
    second = roll(rest, first).json()["credential"]
    assert works("eu-1", second), "control has seen it"
    answer = roll(rest, first)
    assert (answer.status_code, "successor is in use" in answer.json()["detail"]) == (409, True)
    assert works("eu-1", second)
    assert kinds()[-1] == "gateway.roll_refused"


@pytest.mark.parametrize("header", ["", "Bearer ", "Bearer ptc_node_x", "Basic abc", "ptc_node_x"])
def test_who_shows_no_credential_rolls_nothing(cast: Cast, rest: Rest, header: str) -> None:
    answer = rest(None).post(f"{MACHINES}/roll/", HTTP_AUTHORIZATION=header)
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="portico"')


def test_a_credential_opens_no_other_door(cast: Cast, rest: Rest) -> None:
    credential = join(rest, issue(rest, cast)["join_token"]).json()["credential"]
    for path in (f"{AT}/", "/api/v1/tenants/", "/api/v1/tenants/acme/gateways/"):
        assert rest(None).get(path, HTTP_AUTHORIZATION=f"Bearer {credential}").status_code == 401


# What operators do


def registered(name: str = "eu-1", **fields: Any) -> GatewayNode:
    nodes.issue_credential(name, address="")
    GatewayNode.objects.filter(name=name).update(**fields)
    return GatewayNode.objects.get(name=name)


def test_operators_alone_find_the_gateways(cast: Cast, rest: Rest) -> None:
    node = registered()
    token, _ = nodes.issue_join_token("eu-2", by=cast.olga)
    one = f"{AT}/{node.pk}"
    reads = [f"{AT}/", f"{AT}/join-tokens/", f"{one}/", f"{one}/tenants/"]
    changes = [f"{one}/{verb}/" for verb in ("drain", "undrain", "revoke", "forget")] + [f"{AT}/join-tokens/{token.pk}/revoke/"]
    for who in (cast.ada, cast.carl, cast.eve):
        assert {rest(who).get(each).status_code for each in reads} == {404}
        assert {rest(who).post(each).status_code for each in changes} == {404}
        assert rest(who).post(f"{AT}/join-tokens/", {"name": "mine"}, format="json").status_code == 404
    assert {rest(None).get(each).status_code for each in reads} == {401}
    assert {rest(None).post(each).status_code for each in changes} == {401}
    assert {rest(cast.olga).get(each).status_code for each in reads} == {200}
    node.refresh_from_db()
    assert (node.revoked_at, node.draining_at, node.forgotten_at) == (None, None, None)
    assert rest(cast.olga).get(f"{AT}/{uuid4()}/").status_code == 404
    assert rest(cast.olga).post(f"{AT}/join-tokens/{uuid4()}/revoke/").status_code == 404


def test_a_gateway_as_operators_see_it(cast: Cast, rest: Rest) -> None:
    node = registered(connected=True, seen_at=timezone.now(), version="1.40.2", clock_ms=-7_200)
    Loaded.objects.create(node=node, tenant=cast.acme, at=timezone.now(), behind_since=timezone.now())
    Loaded.objects.create(node=node, tenant=cast.globex, at=timezone.now())
    Nack.objects.create(node=node, tenant=cast.acme, many=3, at=timezone.now())
    Receipt.objects.create(node=node, tenant=cast.globex, routes=1, access=1, at=timezone.now())
    for name in ("eu-2", "eu-3"):
        registered(name)
    with queries("GET platform/gateways/"):
        listed = rest(cast.olga).get(f"{AT}/").json()
    assert [(each["name"], each["state"]) for each in listed] == [("eu-1", "connected"), ("eu-2", "gone"), ("eu-3", "gone")]
    found = rest(cast.olga).get(f"{AT}/{node.pk}/").json()
    assert (found["loaded"], found["behind"], found["nacks"], found["clock_ms"]) == (2, 1, 3, -7_200)
    assert (found["acknowledged_tenant"], len(found["credentials"])) == ("globex", 1)
    with queries("GET platform/gateways/x/tenants/"):
        rows = rest(cast.olga).get(f"{AT}/{node.pk}/tenants/").json()["results"]
    told = {each["tenant"]: (each["behind_since"] is not None, each["nacks"], each["acknowledged_at"] is not None) for each in rows}
    assert told == {"acme": (True, 3, False), "globex": (False, 0, True)}
    assert len(rest(cast.olga).get(f"{AT}/{node.pk}/tenants/?limit=1").json()["results"]) == 1


def test_draining_and_back(cast: Cast, rest: Rest) -> None:
    node = registered(connected=True, seen_at=timezone.now())
    olga, one = rest(cast.olga), f"{AT}/{node.pk}"
    assert olga.post(f"{one}/undrain/").json()["detail"] == "This gateway takes calls already."
    assert olga.post(f"{one}/drain/").json()["state"] == "draining"
    assert olga.post(f"{one}/drain/").status_code == 409
    GatewayNode.objects.update(drained_at=timezone.now())
    assert olga.get(f"{one}/").json()["state"] == "drained"
    assert olga.post(f"{one}/undrain/").json()["state"] == "connected"
    assert kinds()[-2:] == ["gateway.drain_began", "gateway.drain_ended"]


def test_a_revoked_gateway_may_join_again(cast: Cast, rest: Rest) -> None:
    credential = join(rest, issue(rest, cast)["join_token"]).json()["credential"]
    waiting = issue(rest, cast)["join_token"]
    olga, one = rest(cast.olga), f"{AT}/{GatewayNode.objects.get().pk}"
    assert olga.post(f"{one}/revoke/").json()["state"] == "revoked"
    assert not works("eu-1", credential)
    assert roll(rest, credential).status_code == 401
    assert join(rest, waiting).status_code == 401, "a token of its name ended with it"
    for verb in ("revoke", "drain", "undrain"):
        assert olga.post(f"{one}/{verb}/").status_code == 409
    again = join(rest, issue(rest, cast)["join_token"]).json()["credential"]
    assert works("eu-1", again)
    assert olga.get(f"{one}/").json()["state"] == "gone"


def test_a_gateway_that_is_gone_is_forgotten(cast: Cast, rest: Rest) -> None:
    node = registered(connected=True, seen_at=timezone.now())
    Loaded.objects.create(node=node, tenant=cast.acme, at=timezone.now())
    Receipt.objects.create(node=node, tenant=cast.acme, routes=1, access=1, at=timezone.now())
    olga, one = rest(cast.olga), f"{AT}/{node.pk}"
    assert "is connected" in olga.post(f"{one}/forget/").json()["detail"]
    GatewayNode.objects.update(connected=False)
    assert olga.post(f"{one}/forget/").status_code == 204
    assert olga.get(f"{AT}/").json() == []
    assert {olga.get(f"{one}/").status_code, olga.post(f"{one}/forget/").status_code} == {404}
    with pytest.raises(NotAllowed):
        nodes.forget(node, by=cast.olga)
    assert (Loaded.objects.exists(), Receipt.objects.exists()) == (False, True)
    # Its name is free for another, who goes on with its history.
    assert works("eu-1", join(rest, issue(rest, cast)["join_token"]).json()["credential"])
    assert [each["name"] for each in olga.get(f"{AT}/").json()] == ["eu-1"]


# Two at once


def at_once(*works: Callable[[], Any]) -> list[Any]:
    found: list[Any] = [None] * len(works)
    ready = threading.Barrier(len(works))

    def run(place: int, work: Callable[[], Any]) -> None:
        try:
            ready.wait()
            found[place] = work()
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_of_many_machines_with_one_join_token_one_joins(committed: None) -> None:
    name = f"race-{uuid4()}"
    _, token = nodes.issue_join_token(name, by=None)
    joined = at_once(*[lambda: nodes.join(token)] * 8)
    assert sum(each is not None for each in joined) == 1
    node = GatewayNode.objects.get(name=name)
    told = PlatformEvent.objects.filter(kind="gateway.joined", subject_id=node.pk).count()
    refused = PlatformEvent.objects.filter(kind="gateway.join_refused", subject_name=name).count()
    assert (told, refused, JoinToken.objects.get(name=name).refused) == (1, 1, 7)
    assert NodeCredential.objects.filter(node=node).count() == 1
    nodes.forget(node, by=None)


def test_two_operators_issue_for_one_name(committed: None) -> None:
    name = f"race-{uuid4()}"
    made = at_once(*[lambda: nodes.issue_join_token(name, by=None)] * 4)
    assert all(made), "nobody met an error"
    assert JoinToken.objects.waiting().filter(name=name).count() == 1
    JoinToken.objects.filter(name=name).delete()


# What is pure


@pytest.mark.parametrize(
    ("version", "passes"),
    [
        ("1.38.0", True),
        ("1.39.4", True),
        ("1.40.2", True),
        ("1.37.9", False),
        ("1.41.0", False),
        ("0.0.0", False),
        ("2.38.0", False),
        ("", False),
    ],
)
def test_versions(version: str, passes: bool) -> None:
    assert versions.is_supported(version) == passes
    assert "1.38 to 1.40" in versions.refusal(version)


@pytest.mark.parametrize(
    ("date", "told"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 500),
        ("Sun, 06 Nov 1994 08:49:47 GMT", 10_500),
        ("Sun, 06 Nov 1994 08:49:30 GMT", -6_500),
        ("", None),
        ("yesterday", None),
    ],
)
def test_a_clock_by_the_date_of_an_answer(date: str, told: int | None) -> None:
    at = 784_111_777.0
    assert ahead(date, between=(at - 0.1, at + 0.1)) == told
