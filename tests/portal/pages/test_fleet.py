"""The gateways' pages of the platform: for operators; to others nothing is there."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from gateway import groups, nodes
from gateway.models import GatewayNode, JoinToken, Loaded, Nack, Receipt
from portal.pages.fleet import urlpatterns
from tests.conftest import Cast, queries
from tests.portal.pages.test_console import signed_in, text

AT = "/platform/gateways/"


@pytest.fixture
def olga(cast: Cast) -> Client:
    return signed_in(cast.olga)


def registered(name: str = "eu-1", **fields: object) -> GatewayNode:
    nodes.issue_credential(name, address="http://10.0.0.7:8080")
    GatewayNode.objects.filter(name=name).update(**fields)
    return GatewayNode.objects.get(name=name)


def connected(name: str = "eu-1", **fields: object) -> GatewayNode:
    now = timezone.now()
    return registered(name, connected=True, seen_at=now, connected_at=now, version="1.40.2", control=uuid4(), **fields)


def test_operators_alone_find_them(cast: Cast, olga: Client) -> None:
    node, (token, _) = registered(), nodes.issue_join_token("eu-2", by=cast.olga)
    for each in urlpatterns:
        page = "/" + str(each.pattern).replace("<uuid:pk>", str(token.pk if "join-tokens" in str(each.pattern) else node.pk))
        assert olga.get(page).status_code == 200, page
        for who in (cast.ada, cast.eve):
            assert {signed_in(who).get(page).status_code, signed_in(who).post(page, {"name": "mine"}).status_code} == {404}, page
        assert Client().get(page).status_code == 302
        if "<uuid:pk>" in str(each.pattern):
            assert olga.get("/" + str(each.pattern).replace("<uuid:pk>", str(uuid4()))).status_code == 404
    node.refresh_from_db()
    assert (node.revoked_at, node.draining_at, node.forgotten_at, JoinToken.objects.count()) == (None, None, None, 1)


def test_without_a_gateway_the_list_says_how_to_add_one(olga: Client) -> None:
    assert "Add one: you get a join token" in text(olga.get(AT))


def test_the_list(cast: Cast, olga: Client) -> None:
    node = connected(clock_ms=7_300, clock_at=timezone.now())
    Loaded.objects.create(node=node, tenant=cast.acme, at=timezone.now(), behind_since=timezone.now())
    Receipt.objects.create(node=node, tenant=cast.acme, routes=1, access=1, at=timezone.now())
    with queries("page:/platform/gateways/"):
        shown = text(olga.get(AT))
    for each in ("eu-1", "Envoy 1.40.2", "Connected", "its clock is off", "acme"):
        assert each in shown
    for name in ("eu-2", "eu-3", "eu-4"):
        registered(name, refused_version="1.37.2", refused_at=timezone.now())
    with queries("page:/platform/gateways/"):
        shown = text(olga.get(AT))
    assert "Envoy 1.37.2; supported 1.38 to 1.40" in shown


def test_a_gateways_page(cast: Cast, olga: Client) -> None:
    node = connected(clock_ms=-7_300, clock_at=timezone.now())
    for tenant, behind in ((cast.acme, timezone.now()), (cast.globex, None)):
        Loaded.objects.create(node=node, tenant=tenant, at=timezone.now(), behind_since=behind)
    Nack.objects.create(node=node, tenant=cast.globex, many=3, at=timezone.now())
    with queries("page:/platform/gateways/x/"):
        shown = text(olga.get(f"{AT}{node.pk}/"))
    assert "Its clock is 7.3 s behind the control plane's." in shown
    assert "1 is behind" in shown
    assert re.search(r"Globex\s+3", shown)
    only = text(olga.get(f"{AT}{node.pk}/?show=behind")).partition("Tenants loaded")[2]
    assert ("Acme" in only, "Globex" in only) == (True, False)
    assert "No such tenant is loaded" in text(olga.get(f"{AT}{node.pk}/?q=nobody"))
    assert str(node.control) in shown


def test_a_refused_version_is_said(olga: Client) -> None:
    node = registered(refused_version="1.37.2", refused_at=timezone.now())
    assert "Refused: Envoy 1.37.2; supported 1.38 to 1.40." in text(olga.get(f"{AT}{node.pk}/"))


def test_a_join_token_is_shown_once(olga: Client) -> None:
    page = f"{AT}join-tokens/new/"
    once = re.findall(r'name="once" value="(\w+)"', olga.get(page).content.decode())[0]
    sent = {"name": "eu-1", "address": "http://10.0.0.7:8080", "minutes": "90", "once": once}
    answer = olga.post(page, sent)
    shown = answer.content.decode()
    token = re.findall(r"ptc_join_[\w-]{43}", shown)[0]
    assert (answer.status_code, answer["Cache-Control"]) == (200, "private, no-store")
    assert "python -m gateway.joining" in text(answer)
    assert nodes.digest(token) == JoinToken.objects.get().sha256
    again = olga.post(page, sent)
    assert (again.status_code, "done once" in text(again), JoinToken.objects.count()) == (409, True, 1)
    for each in (AT, f"{AT}join-tokens/"):
        assert "ptc_join_" not in olga.get(each).content.decode()
    assert "A machine may join as eu-1" in text(olga.get(AT))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "a b"}, "A name has letters, digits"),
        ({"name": ""}, "Fill this in."),
        ({"name": "a\x00b"}, "Control characters"),
        ({"address": "10.0.0.7"}, "Give an address such as"),
        ({"minutes": "4"}, "Give a number from 5 to 10,080."),
        ({"minutes": "soon"}, "Give a whole number."),
        ({"groups": "here"}, "Choose from these groups."),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(olga: Client, given: dict[str, str], said: str) -> None:
    sent = {"name": "eu-1", "address": "http://10.0.0.9:8080", "minutes": "60", **given}
    answer = olga.post(f"{AT}join-tokens/new/", sent)
    assert (answer.status_code, JoinToken.objects.exists()) == (422, False)
    assert said in text(answer)
    kept = "minutes" if "minutes" not in given else "name"
    assert f'value="{sent[kept]}"' in answer.content.decode()


def test_a_join_token_leads_to_groups(cast: Cast, olga: Client) -> None:
    eu = groups.create(name="eu", description="In Europe", by=cast.olga)
    page = f"{AT}join-tokens/new/"
    shown = olga.get(page).content.decode()
    assert "eu: In Europe" in shown
    once = re.findall(r'name="once" value="(\w+)"', shown)[0]
    # What was typed stays, the groups with it.
    answer = olga.post(page, {"name": "eu-1", "minutes": "soon", "groups": str(eu.pk), "once": once})
    assert re.search(rf'value="{eu.pk}"[^>]* checked', answer.content.decode())
    assert olga.post(page, {"name": "eu-1", "minutes": "60", "groups": str(eu.pk), "once": once}).status_code == 200
    assert JoinToken.objects.get().groups == [eu.pk]
    assert re.search(r"…\S{4} · eu\b", text(olga.get(f"{AT}join-tokens/")))


def test_joining_again_begins_with_what_is_known(olga: Client) -> None:
    node = registered()
    assert f"{AT}join-tokens/new/?name=eu-1" in olga.get(f"{AT}{node.pk}/").content.decode()
    shown = olga.get(f"{AT}join-tokens/new/?name=eu-1").content.decode()
    assert 'value="eu-1"' in shown
    assert 'value="http://10.0.0.7:8080"' in shown


def test_join_tokens_and_what_became_of_them(cast: Cast, olga: Client) -> None:
    waiting, _ = nodes.issue_join_token("eu-1", by=cast.olga)
    _, used = nodes.issue_join_token("eu-2", by=cast.olga)
    assert nodes.join(used)
    assert nodes.join(used) is None
    nodes.issue_join_token("eu-3", by=None)
    JoinToken.objects.filter(name="eu-3").update(expires_at=timezone.now() - timedelta(seconds=1))
    with queries("page:/platform/gateways/join-tokens/"):
        shown = text(olga.get(f"{AT}join-tokens/"))
    for each in ("Waiting", "Used", "Expired", "shown 1 time in vain"):
        assert each in shown
    page = f"{AT}join-tokens/{waiting.pk}/revoke/"
    assert olga.post(page)["Location"] == f"{AT}join-tokens/"
    assert olga.post(page).status_code == 409
    assert "Revoked" in text(olga.get(f"{AT}join-tokens/?q=eu-1"))


def test_draining_says_who_takes_the_calls(olga: Client) -> None:
    node = connected()
    page = f"{AT}{node.pk}"
    assert "No other gateway takes calls now" in text(olga.get(f"{page}/drain/"))
    connected("eu-2")
    assert "1 other gateway takes calls." in text(olga.get(f"{page}/drain/"))
    assert olga.post(f"{page}/drain/")["Location"] == f"{page}/"
    assert olga.post(f"{page}/drain/").status_code == 409
    shown = olga.get(f"{page}/").content.decode()
    assert "Draining" in shown
    assert f'href="{page}/undrain/"' in shown
    assert olga.post(f"{page}/undrain/").status_code == 302
    assert olga.post(f"{page}/undrain/").status_code == 409


def test_a_gateway_is_revoked_and_then_forgotten(olga: Client) -> None:
    node = connected()
    page = f"{AT}{node.pk}"
    assert "Stop its Envoy as well" in text(olga.get(f"{page}/revoke/"))
    assert "is connected" in text(olga.post(f"{page}/forget/"))
    assert olga.post(f"{page}/revoke/")["Location"] == f"{page}/"
    assert olga.post(f"{page}/revoke/").status_code == 409
    shown = text(olga.get(f"{page}/"))
    assert ("Revoked" in shown, "None works" in shown) == (True, True)
    assert olga.post(f"{page}/forget/")["Location"] == AT
    assert olga.get(f"{page}/").status_code == 404
    assert "eu-1" not in text(olga.get(AT)).partition("Every gateway")[2].partition("is off the list")[2]
