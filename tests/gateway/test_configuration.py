"""What is told of a gateway's configuration is what Envoy has, and no secret is in it."""

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import pytest
from django.conf import settings
from envoy.config.core.v3 import base_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, tls_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2 as tls_secret_pb2

from apis import origins
from apis.actions import publishing, versions
from apis.models import Api, ApiVersion
from gateway import configuration, desired
from gateway.configuration import Configured, Truth
from gateway.envoy import state
from gateway.envoy.extensions import packed
from gateway.envoy.resources import compile_tenant
from gateway.envoy.telling import HIDDEN, MOST_OF_A_BODY, tell
from gateway.models import Deployment, GatewayNode
from tenants.models import Membership, Tenant
from tests import live, make, secrets_search
from tests.conftest import Cast, Rest, base, queries
from tests.gateway.states import small_tenant, upstream
from tests.gateway.test_many_receipts import node
from tests.gateway.test_nack import add_operation, version_of
from tests.live import Gateway, Shop, Upstream
from tests.pki import Authority

SECRET = "upstream-header-secret-4711"


def at_gateway(shop: Shop, gateway: Gateway, *, api: str = "orders") -> Configured:
    with shop.scope():
        at = configuration.standing(GatewayNode.objects.get(name=gateway.node))
        found = configuration.configured(Tenant.objects.get(pk=shop.pk), at, api=api, segment="v1")
    assert found is not None
    return found


def everywhere_in(told: Any) -> Iterator[dict[str, Any]]:
    """Each object, however deep it stands."""
    if isinstance(told, dict):
        yield told
        told = list(told.values())
    for each in told if isinstance(told, list) else ():
        yield from everywhere_in(each)


# --- at a real gateway


def test_what_is_told_is_what_envoy_has(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream, header="X-Key", secret=SECRET)
    carl = shop.client()
    assert gateway.call(shop.path(), carl.token()).status == 200
    shop.enforced_newest()
    found = live.eventually(lambda: _acknowledged(shop, gateway))
    dump = json.loads(secrets_search.config_dump(gateway.folder / "admin.sock"))
    objects = list(everywhere_in(dump))
    for operation, told in found.routes_told(found.version.operations):
        assert told is not None
        theirs = [each for each in objects if each.get("name") == told["name"] and each.get("route", {}).get("cluster") == found.cluster]
        assert [{name: value for name, value in each.items() if name not in {"@type", "match"}} for each in theirs] == [told], operation
    clusters = [each for each in objects if each.get("name") == found.cluster and "load_assignment" in each]
    assert [{name: value for name, value in each.items() if name != "@type"} for each in clusters] == [found.cluster_told()]
    steps = [step["name"] for step in found.chain_told()]
    assert steps[:3] == ["scrub", "two_credentials", "verify"]
    assert steps[-1] == "mark"


def _acknowledged(shop: Shop, gateway: Gateway) -> Configured:
    found = at_gateway(shop, gateway)
    assert found.truth is Truth.ACKNOWLEDGED
    return found


def test_what_a_gateway_refused_is_not_told_as_its_own(gateway: Gateway, upstream: Upstream) -> None:
    """It goes on with the revision before, and that is what is shown."""
    shop = live.shop(upstream)
    carl = shop.client()
    assert gateway.call(shop.path(), carl.token()).status == 200
    live.eventually(lambda: _acknowledged(shop, gateway))
    revision = shop.add_revision(version_of(shop))
    add_operation(shop, revision, "/broken/{a}{b}")
    shop.make_live(revision)
    live.eventually(lambda: shop.deployment(gateway.node).state == "held")
    found = _acknowledged(shop, gateway)
    assert found.revision.number == 1
    with shop.scope():
        at = configuration.standing(GatewayNode.objects.get(name=gateway.node))
    assert at.is_behind
    assert at.receipt is not None
    assert at.receipt.routes < at.routes


# --- whether it is so


@pytest.fixture
def api(in_acme: Cast) -> Api:
    return make.api("orders")


def acknowledges(at: GatewayNode) -> None:
    """As control writes it down."""
    live_now = desired.live()
    whole = replace(small_tenant(), routes=desired._routes(live_now), portal=origins.of_address(settings.PORTAL_URL))
    Deployment.objects.update_or_create(node=at, defaults={"good_routes": live_now, "parts": dict(compile_tenant(whole).parts)})


def truth(cast: Cast, at: GatewayNode, segment: str = "v1") -> Truth | None:
    found = configuration.configured(cast.acme, configuration.standing(at), api="orders", segment=segment)
    return found.truth if found else None


def test_it_is_acknowledged_until_something_else_is_decided(in_acme: Cast, api: Api) -> None:
    at = node("gateway-1")
    assert truth(in_acme, at) is Truth.UNKNOWN
    acknowledges(at)
    assert truth(in_acme, at) is Truth.ACKNOWLEDGED
    versions.block(ApiVersion.objects.get(), reason="A test.", by=in_acme.pam)
    assert truth(in_acme, at) is Truth.OTHER
    acknowledges(at)
    assert truth(in_acme, at) is Truth.ACKNOWLEDGED


def test_a_secret_that_was_replaced_is_another_configuration(in_acme: Cast) -> None:
    found = publishing.create_api(slug="orders", name="Orders", description="", by=None)
    version = publishing.add_version(found, name="v1", by=None)
    for secret in ("first-secret-4711", "second-secret-4711"):
        target = make.target(header="x-key", secret=secret)
        publishing.make_live(publishing.add_revision(version, document=make.document(), target=target, by=None), by=None)
    version.refresh_from_db()
    publishing.publish(version, by=None)
    first, second = version.revisions.order_by("number")
    (item,) = desired.live()
    digests = set()
    for revision in (first, second):
        addresses = {str(revision.upstream_id): ["127.0.0.1"]}
        whole = desired.part(in_acme.acme, {**item, "revision": str(revision.pk), "addresses": addresses})
        assert whole is not None
        assert whole.routes is not None
        assert whole.routes[0].upstream is not None
        assert whole.routes[0].upstream.secret == b""
        digests |= set(compile_tenant(whole).parts.values())
    assert len(digests) == 2


def test_of_a_version_that_it_has_not_and_of_a_tenant_that_it_dropped_nothing_is_claimed(in_acme: Cast, api: Api) -> None:
    at, dropped = node("gateway-1"), node("gateway-2", loaded=False)
    acknowledges(at)
    acknowledges(dropped)
    Deployment.objects.filter(node=at).update(parts={})
    assert truth(in_acme, at) is Truth.ABSENT
    assert truth(in_acme, dropped) is Truth.UNKNOWN


def test_there_is_no_such_version(in_acme: Cast, api: Api) -> None:
    at = node("gateway-1")
    for segment in ("v2", "v1~1", "v1~", "~1", "v1~99999999999999999999", "v1~x"):
        assert truth(in_acme, at, segment) is None
    # Nor one that was retired since, whatever the gateway has.
    acknowledges(at)
    versions.deprecate(ApiVersion.objects.get(), reason="A test.", by=in_acme.pam)
    versions.retire(ApiVersion.objects.get(), by=in_acme.pam)
    assert truth(in_acme, at) is None


def test_a_closed_or_suspended_tenant_has_no_parts() -> None:
    whole = small_tenant()
    assert list(compile_tenant(whole).parts) == ["orders/v1"]
    nobody = replace(whole.access, jwks=(), api_key_jwks=())
    for nothing in (replace(whole, routes=None), replace(whole, suspended=True), replace(whole, access=nobody)):
        assert compile_tenant(nothing).parts == {}


# --- no secret


def test_a_secret_is_in_no_repr_and_so_in_no_digest() -> None:
    """The page knows none, and control does: what both compare must not differ by it."""
    assert compile_tenant(small_tenant()).parts == compile_tenant(replace(small_tenant(), routes=_with(b"s3cret"))).parts
    assert compile_tenant(replace(small_tenant(), portal="https://other.example")).parts != compile_tenant(small_tenant()).parts
    for each in fields(state.Upstream):
        assert each.repr is (each.type not in {"bytes", bytes}), each.name


def _with(secret: bytes) -> tuple[state.Version, ...]:
    return tuple(replace(version, upstream=upstream(secret=secret)) for version in small_tenant().routes or ())


def test_what_envoy_marks_as_sensitive_is_hidden_however_deep_it_stands() -> None:
    key = common_pb2.TlsCertificate(
        certificate_chain=base_pb2.DataSource(inline_string="the-chain"), private_key=base_pb2.DataSource(inline_string="the-key")
    )
    context = tls_pb2.UpstreamTlsContext(common_tls_context=tls_pb2.CommonTlsContext(tls_certificates=[key]))
    socket = base_pb2.TransportSocket(name="tls", typed_config=packed(context))
    told = json.dumps(tell(socket))
    assert "the-chain" in told
    assert "the-key" not in told
    secret = tls_secret_pb2.GenericSecret(secret=base_pb2.DataSource(inline_bytes=b"the-secret"))
    assert tell(tls_secret_pb2.Secret(name="a", generic_secret=secret)) == {
        "name": "a",
        "generic_secret": {"secret": {"inline_string": HIDDEN}},
    }
    assert secret.secret.inline_bytes == b"the-secret", "the message itself stays as it is"


@pytest.mark.parametrize("name", ["authorization", "x-api-key", "set-cookie", "x-auth", "my-Secret", "token", "password"])
def test_values_of_headers_that_speak_of_credentials_are_hidden(name: str) -> None:
    assert tell(base_pb2.HeaderValue(key=name, value="v"))["value"] == HIDDEN
    assert tell(base_pb2.HeaderValue(key="x-source", value="v"))["value"] == "v"


def test_no_secret_is_in_what_is_told(in_acme: Cast, rest: Rest) -> None:
    found = publishing.create_api(slug="orders", name="Orders", description="", by=None)
    version = publishing.add_version(found, name="v1", by=None)
    own = Authority().issue("Gateways")
    target = make.target(
        "https://127.0.0.1:9", header="x-key", secret=SECRET, client_certificate=own.certificate, client_key=own.key,
        weight=0, further_targets=[{"host": "127.0.0.2", "port": 9443, "weight": 1}],
    )  # fmt: skip
    publishing.make_live(publishing.add_revision(version, document=make.document(), target=target, by=None), by=None)
    version.refresh_from_db()
    publishing.publish(version, by=None)
    application = make.application()
    made = [make.credential(application)[1], make.api_key(application)[1]]
    subscription = make.subscription(of=application, to=make.plan(found))
    node("gateway-1")
    pam = rest(in_acme.pam)
    pam.force_login(in_acme.pam)
    place, page = f"{base(in_acme.acme)}/gateways/gateway-1/configuration/", "/t/acme/console/gateways/gateway-1/configuration/"
    addresses = [f"{place}{rest}" for rest in ("", "versions/", "versions/orders/v1/", "versions/orders/v1/operations/")]
    addresses += [f"{page}{rest}" for rest in ("", "orders/v1/?operation=getOrder", "orders/v1/json/")]
    for address in addresses:
        answer = pam.get(address)
        assert answer.status_code == 200, address
        told = b"".join(answer) if answer.streaming else answer.content
        secrets_search.check(told.decode(), address)
        for secret in (SECRET, own.key.splitlines()[1], *made, application.client_id, str(subscription.pk)):
            assert secret not in told.decode(), address
    injected, own_name = pam.get(addresses[2]).json()["secrets"]
    assert injected.startswith("acme/")
    assert own_name == f"{injected}/client"
    told = pam.get(addresses[5]).content.decode()
    assert own_name in told
    assert ">127.0.0.2:9443<" in told, "all that get calls, and nothing that gets none"


def test_of_a_long_answer_of_a_mock_the_beginning_is_told(in_acme: Cast) -> None:
    body = "x" * (MOST_OF_A_BODY + 1)
    version = replace((small_tenant().routes or ())[0], upstream=None)
    operations = tuple(replace(each, answer=state.Answer(200, "text/plain", body)) for each in version.operations)
    whole = replace(small_tenant(), routes=(replace(version, operations=operations),))
    found = Configured(None, whole, (whole.routes or ())[0], Truth.UNKNOWN)  # type: ignore[arg-type]
    for _, told in found.routes_told(operations):
        assert told is not None
        assert told["direct_response"]["body"]["inline_string"] == f"{body[:MOST_OF_A_BODY]}… ({len(body)})"


# --- over REST


def test_over_rest(in_acme: Cast, api: Api, rest: Rest) -> None:
    at = node("eu/gateway-1")
    acknowledges(at)
    Deployment.objects.update(state="held", refused_text="no such cluster")
    pam, place = rest(in_acme.pam), f"{base(in_acme.acme)}/gateways/eu/gateway-1/configuration/"
    told = pam.get(place).json()
    assert (told["gateway"], told["connected"], told["loaded"], told["acknowledged"], told["behind"]) == (at.name, True, True, None, True)
    assert told["deployment"]["refused_text"] == "no such cluster"
    assert [each["name"] for each in told["filters"]][:3] == ["on_demand", "cors", "gate"]
    assert pam.get(f"{place}versions/").json()["results"] == [{"api": "orders", "version": "v1", "revision": 1}]
    version = pam.get(f"{place}versions/orders/v1/").json()
    assert (version["truth"], version["secrets"]) == ("acknowledged", [])
    assert version["cluster"]["load_assignment"]
    listed = pam.get(f"{place}versions/orders/v1/operations/?q=%7Bid").json()["results"]
    assert [(each["operation"], each["method"], each["path"]) for each in listed] == [("getOrder", "GET", "/orders/{id}")]
    assert listed[0]["route"]["route"]["cluster"] == version["cluster"]["name"]
    for address in ("gateways/none/configuration/", "gateways/eu/gateway-1/configuration/versions/orders/v9/"):
        assert pam.get(f"{base(in_acme.acme)}/{address}").status_code == 404


def test_what_a_gateway_said_is_for_who_may_see_gateways(in_acme: Cast, api: Api, rest: Rest) -> None:
    Deployment.objects.create(node=node("gateway-1"), state="held", refused_text="no such cluster")
    reader = make.member(in_acme.acme, "reader@acme.example", "auditor")
    role = make.custom_role("Readers", ["apis.see_all"])
    membership = Membership.objects.get(user=reader)
    membership.roles, membership.custom_roles = [], [role.pk]
    membership.save()
    place = f"{base(in_acme.acme)}/gateways/gateway-1/configuration/"
    assert rest(reader).get(place).json()["deployment"]["refused_text"] == ""
    assert rest(in_acme.pam).get(place).json()["deployment"]["refused_text"] == "no such cluster"


@pytest.mark.parametrize("rest_of_it", ["", "versions/", "versions/orders/v1/", "versions/orders/v1/operations/"])
def test_who_may_ask(in_acme: Cast, api: Api, rest: Rest, rest_of_it: str) -> None:
    node("gateway-1")
    place = f"{base(in_acme.acme)}/gateways/gateway-1/configuration/{rest_of_it}"
    for user, status in ((in_acme.pam, 200), (in_acme.ada, 200), (in_acme.carl, 403), (in_acme.eve, 404), (None, 401)):
        assert rest(user).get(place).status_code == status


@pytest.mark.parametrize("rest_of_it", ["", "versions/", "versions/orders/v1/", "versions/orders/v1/operations/"])
def test_as_many_queries_for_many(in_acme: Cast, api: Api, rest: Rest, rest_of_it: str) -> None:
    make.version(api, name="v2")
    make.api("payments")
    acknowledges(node("gateway-1"))
    node("gateway-2")
    with queries(f"gateways/gateway-1/configuration/{rest_of_it}"):
        assert rest(in_acme.pam).get(f"{base(in_acme.acme)}/gateways/gateway-1/configuration/{rest_of_it}").status_code == 200
