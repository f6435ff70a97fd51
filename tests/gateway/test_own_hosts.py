"""Acme's own host names at a real Envoy: TLS with the certificate that Ada uploaded, chosen by SNI, and no tenant but Acme behind them."""

import http.client
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from django.conf import settings

from gateway import domains, groups
from gateway.models import DEFAULT, Domain, GatewayGroup, GatewayNode, Refusal
from keys import tokens
from tenants.models import Tenant
from tenants.people import tenants
from tenants.scope import tenant_scope
from tests import live, make
from tests.http2 import talk
from tests.live import DEADLINE, HOST, Answer, Gateway, Shop, Upstream, eventually
from tests.pki import Authority, Pair

ROOT = Authority("Root of the tests")
_numbers = count(1)


@pytest.fixture
def shop(gateway: Gateway, upstream: Upstream) -> Shop:
    return live.shop(upstream)


def name() -> str:
    return f"api{next(_numbers)}.acme.example"


def issued(*names: str, **more: Any) -> Pair:
    return ROOT.issue(names[0], extensions=(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]),), **more)


def opened(shop: Shop, host: str, pair: Pair | None = None) -> Domain:
    """Added, proven and with a certificate; every gateway has heard of it."""
    pair = pair or issued(host)
    with shop.scope():
        domain = domains.add(name=host, by=None)
        domains.confirm(domain, by=None)
        event = domains.put_certificate(domain, certificate=pair.certificate, key=pair.key, by=None)
    shop.enforced(event)
    return domain


def trusting(*, versions: tuple[ssl.TLSVersion, ssl.TLSVersion] | None = None, alpn: Sequence[str] = ()) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=ROOT.certificate)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if versions:
        context.minimum_version, context.maximum_version = versions
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


@contextmanager
def shaken(sni: str | None, context: ssl.SSLContext | None = None) -> Iterator[ssl.SSLSocket]:
    context = context or trusting()
    if sni is None:
        context.check_hostname = False
    with socket.create_connection((HOST, settings.GATEWAY_TLS_PORT), timeout=DEADLINE) as plain:
        connection = context.wrap_socket(plain, server_hostname=sni, do_handshake_on_connect=False)
        with connection:
            connection.do_handshake()
            yield connection


def called(sni: str, path: str, token: str = "", *, host: str = "", method: str = "GET") -> Answer:
    with shaken(sni) as connection:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host or sni}", "Connection: close"]
        lines += [f"Authorization: Bearer {token}"] if token else []
        return asked(connection, "\r\n".join([*lines, "", ""]))


def asked(connection: ssl.SSLSocket, request: str) -> Answer:
    connection.sendall(request.encode())
    response = http.client.HTTPResponse(connection)
    try:
        response.begin()
        return live._read(response)
    finally:
        response.close()


def settles(status: int, code: str, sni: str, path: str, token: str = "", **more: Any) -> Answer:
    def check() -> Answer:
        try:
            answer = called(sni, path, token, **more)
        except OSError as error:
            # Control hears of a new host a moment after its receipt, and until then there is no certificate for it.
            raise AssertionError(str(error)) from error
        assert (answer.status, answer.code) == (status, code), str(answer)
        return answer

    return eventually(check)


def refuses(sni: str | None, context: ssl.SSLContext | None = None) -> bool:
    try:
        with shaken(sni, context):
            return False
    except (ssl.SSLError, ConnectionError, TimeoutError):
        return True


def test_calls_under_the_tenants_own_name(gateway: Gateway, upstream: Upstream, shop: Shop) -> None:
    host = name()
    opened(shop, host)
    token = shop.client().token()
    answer = settles(200, "", host, "/orders/v1/orders/1", token)
    assert answer.json["path"] == "/orders/1"
    told = answer.json["headers"]
    assert told["x-portico-tenant"] == shop.slug
    assert not [each for each in told if "door" in each]
    # And under the gateway's, as before.
    assert gateway.call(shop.path(), token).status == 200
    before = len(upstream.seen)
    for path, wanted in {
        "/orders/v1/orders/1": (401, "TOKEN_MISSING"),
        "/orders/v1/nothing": (404, "NO_SUCH_ROUTE"),
        # The slug is no part of the path here.
        f"/{shop.slug}/orders/v1/orders/1": (404, "NO_SUCH_ROUTE"),
        f"/{shop.slug}/.portico/canary": (404, "NO_SUCH_ROUTE"),
        "/.portico/canary": (404, "NO_SUCH_ROUTE"),
    }.items():
        answer = called(host, path)
        assert (answer.status, answer.code) == wanted, path
    assert called(host, "/orders/v1/orders/1", token, method="DELETE").code == "METHOD_NOT_ALLOWED"
    assert len(upstream.seen) == before


def test_other_tenants_are_not_behind_it(gateway: Gateway, upstream: Upstream, shop: Shop) -> None:
    host, eves = name(), name()
    globex = live.shop(upstream)
    opened(shop, host)
    opened(globex, eves)
    eve, carl = globex.client(), shop.client()
    gateway.settles(200, "", globex.path(), eve.token())
    settles(200, "", host, "/orders/v1/orders/1", carl.token())
    settles(200, "", eves, "/orders/v1/orders/1", eve.token())
    before = len(upstream.seen)
    for path in (globex.path(), f"/../{globex.slug}/orders/v1/orders/1", f"//{globex.slug}/orders/v1/orders/1"):
        assert called(host, path, eve.token()).status == 404
    assert called(host, "/orders/v1/orders/1", eve.token()).code == "TOKEN_INVALID"
    # Another name in Host than in the handshake: whoever's, it is the wrong door.
    for other in (eves, "localhost", f"{HOST}:{gateway.port}", "evil.example", f"x.{host}", f"{host}.evil.example", f"{host}@{eves}"):
        answer = called(host, "/orders/v1/orders/1", eve.token(), host=other)
        assert (answer.status, answer.code) == (421, "HOST_UNKNOWN"), other
        answer = called(host, globex.path(), eve.token(), host=other)
        assert (answer.status, answer.code) == (421, "HOST_UNKNOWN"), other
    # Nor does the header that says whose door it is.
    for port_path in (shop.path(), globex.path()):
        assert gateway.call(port_path, carl.token(), host=eves).code in {"HOST_UNKNOWN", "NO_SUCH_ROUTE"}
    with_door = gateway.call("/orders/v1/orders/1", carl.token(), headers=[("x-portico-door", host)])
    assert (with_door.status, with_door.code) == (503, "NOT_READY")
    assert len(upstream.seen) == before


def test_spellings_of_the_host(gateway: Gateway, shop: Shop) -> None:
    host = name()
    opened(shop, host)
    token = shop.client().token()
    for other in (host, host.upper(), f"{host}:{settings.GATEWAY_TLS_PORT}", f"{host}:443"):
        settles(200, "", host, "/orders/v1/orders/1", token, host=other)
    for other in (f"{host}.", f" {host}x", f"*.{host}"):
        assert called(host, "/orders/v1/orders/1", token, host=other).status in {400, 421}
    # Handshakes say it in lower case, as browsers do: a gateway would keep a certificate for each spelling.
    assert refuses(host.upper())


def test_one_connection_is_for_one_host_in_http2(gateway: Gateway, shop: Shop) -> None:
    """A certificate of two names lets a browser put both into one connection (RFC 9113 §9.1.1); 421 has it open another."""
    one, two = name(), name()
    pair = issued(one, two)
    opened(shop, one, pair)
    opened(shop, two, pair)
    token = shop.client().token()
    settles(200, "", one, "/orders/v1/orders/1", token)
    with shaken(one, trusting(alpn=["h2", "http/1.1"])) as connection:
        assert connection.selected_alpn_protocol() == "h2"
        with talk(0, authority=one, over=connection) as h2:
            assert h2.call("/orders/v1/orders/1", token).status == 200
            for other in (two, "localhost"):
                answer = h2.call("/orders/v1/orders/1", token, authority=other)
                assert (answer.status, answer.code) == (421, "HOST_UNKNOWN"), other
            assert h2.call("/orders/v1/orders/1", token, authority=one.upper()).status == 200


def test_versions_and_protocols(gateway: Gateway, shop: Shop) -> None:
    host = name()
    opened(shop, host)
    settles(401, "TOKEN_MISSING", host, "/orders/v1/orders/1")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with shaken(host, trusting(versions=(version, version), alpn=["http/1.1"])) as connection:
            assert connection.version() == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name]
            assert connection.selected_alpn_protocol() == "http/1.1"
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(cadata=ROOT.certificate)
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    assert refuses(host, old)
    weak = trusting(versions=(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2))
    weak.set_ciphers("AES128-SHA:AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0")
    assert refuses(host, weak)


def test_names_that_nobody_has(gateway: Gateway, shop: Shop) -> None:
    """Refused in the handshake; what a name could not be reaches the gateway's own door at most, and no secret of that name."""
    host = name()
    opened(shop, host)
    settles(401, "TOKEN_MISSING", host, "/orders/v1/orders/1")
    assert refuses("nobody.example")
    assert refuses(f"x.{host}")
    started = time.monotonic()
    for number in range(200):
        assert refuses(f"n{number}.nobody.example")
    assert time.monotonic() - started < 60
    assert called(host, "/orders/v1/orders/1").code == "TOKEN_MISSING"


def test_the_gateways_own_names(gateway: Gateway, shop: Shop) -> None:
    token = shop.client().token()
    gateway.settles(200, "", shop.path(), token)
    own = ssl.create_default_context(cafile=settings.GATEWAY_CERT_FILE)
    own.check_hostname, own.verify_mode = False, ssl.CERT_NONE
    for sni in ("localhost", None):
        with shaken(sni, own) as connection:
            lines = [f"GET {shop.path()} HTTP/1.1", f"Host: {HOST}", f"Authorization: Bearer {token}", "Connection: close", "", ""]
            assert asked(connection, "\r\n".join(lines)).status == 200


def test_the_names_of_the_gateways_groups(gateway: Gateway, shop: Shop) -> None:
    """They are its own from the moment on that somebody says so, and no connection ends by that."""
    own = ssl.create_default_context(cafile=settings.GATEWAY_CERT_FILE)
    own.check_hostname, own.verify_mode = False, ssl.CERT_NONE
    default, node = GatewayGroup.objects.get(pk=DEFAULT), GatewayNode.objects.get(name=gateway.node)
    token = shop.client().token()
    gateway.settles(200, "", shop.path(), token)

    def status(connection: ssl.SSLSocket, host: str) -> int:
        return asked(connection, f"GET {shop.path()} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n").status

    with shaken("localhost", own) as before:
        assert status(before, HOST) == 200
        assert refuses("eu.gw.example", own)
        group = groups.create(name="eu", url="https://eu.gw.example", by=None)
        try:
            groups.place_gateway(node, [default, group], by=None)
            assert eventually(lambda: not refuses("eu.gw.example", own))
            # Its tenants' routes have the name a moment later.
            gateway.settles(200, "", shop.path(), token, host="eu.gw.example")
            with shaken("eu.gw.example", own) as new:
                assert status(new, "eu.gw.example") == 200
            assert status(before, HOST) == 200
        finally:
            groups.place_gateway(node, [default], by=None)
            groups.delete(group, by=None)
        assert eventually(lambda: refuses("eu.gw.example", own))
        assert status(before, HOST) == 200


def test_a_file_that_is_renewed_is_served_without_a_restart(gateway: Gateway) -> None:
    own = ssl.create_default_context()
    own.check_hostname, own.verify_mode = False, ssl.CERT_NONE

    def served() -> bytes:
        with shaken("localhost", own) as connection:
            found = connection.getpeercert(binary_form=True)
            assert found is not None
            return found

    before = served()
    pair = ROOT.issue("gateway", extensions=(x509.SubjectAlternativeName([x509.DNSName("localhost")]),))
    for place, text in ((settings.GATEWAY_KEY_FILE, pair.key), (settings.GATEWAY_CERT_FILE, pair.certificate)):
        new = Path(f"{place}.new")
        new.write_text(text)
        new.rename(place)
    eventually(lambda: served() != before)
    assert served() == ssl.PEM_cert_to_DER_cert(pair.certificate)


def test_a_new_certificate_takes_the_place_of_the_old_one(gateway: Gateway, shop: Shop) -> None:
    host, other = name(), name()
    domain = opened(shop, host)
    opened(shop, other)
    token = shop.client().token()
    settles(200, "", host, "/orders/v1/orders/1", token)
    settles(200, "", other, "/orders/v1/orders/1", token)
    pair = issued(host, f"*.{host}")
    with shaken(other) as standing:
        event = shop.does(domains.put_certificate, domain, certificate=pair.certificate, key=pair.key, by=None)
        # Once it is acknowledged nobody gets the one before.
        shop.enforced(event)
        with shaken(host) as connection:
            assert connection.getpeercert(binary_form=True) == ssl.PEM_cert_to_DER_cert(pair.certificate)
        # Connections of other domains stand.
        request = f"GET /orders/v1/orders/1 HTTP/1.1\r\nHost: {other}\r\nAuthorization: Bearer {token}\r\n\r\n"
        assert asked(standing, request).status == 200


def test_a_domain_that_is_removed_is_served_no_more(gateway: Gateway, upstream: Upstream, shop: Shop) -> None:
    host = name()
    domain = opened(shop, host)
    token = shop.client().token()
    settles(200, "", host, "/orders/v1/orders/1", token)
    with shaken(host) as standing:
        event = shop.does(domains.remove, domain, by=None)
        shop.enforced(event)
        eventually(lambda: refuses(host))
        # Who is still connected reaches nobody.
        before = len(upstream.seen)
        request = f"GET /orders/v1/orders/1 HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"
        assert asked(standing, request).status in {421, 503}
        assert len(upstream.seen) == before
    # And free: whoever proves it now has it.
    globex = live.shop(upstream)
    opened(globex, host)
    settles(401, "TOKEN_INVALID", host, "/orders/v1/orders/1", token)
    settles(200, "", host, "/orders/v1/orders/1", globex.client().token())


def test_tokens_may_be_for_the_own_address(gateway: Gateway, shop: Shop) -> None:
    host = name()
    opened(shop, host)
    shop.add_api("billing")
    carl = shop.client()
    here = f"https://{host}:{settings.GATEWAY_TLS_PUBLIC_PORT}"

    def token(audience: Any) -> str:
        return tokens.sign(carl.claims(aud=audience), shop.key)

    settles(200, "", host, "/orders/v1/orders/1", token(here))
    settles(200, "", host, "/orders/v1/orders/1", token(f"{here}/orders"))
    gateway.settles(200, "", shop.path(), token(here))
    assert called(host, "/orders/v1/orders/1", token(f"{here}/billing")).code == "TOKEN_WRONG_AUDIENCE"
    assert called(host, "/orders/v1/orders/1", token("https://elsewhere.example")).code == "TOKEN_WRONG_AUDIENCE"


def test_a_suspended_tenant_says_so_there(gateway: Gateway, shop: Shop) -> None:
    host = name()
    opened(shop, host)
    settles(401, "TOKEN_MISSING", host, "/orders/v1/orders/1")
    shop.enforced(tenants.suspend(Tenant.objects.get(pk=shop.pk), reason="Bills.", by=make.user(is_staff=True)))
    settles(403, "TENANT_SUSPENDED", host, "/orders/v1/orders/1")


def test_no_handshake_reaches_another_secret(gateway: Gateway, shop: Shop) -> None:
    """A handshake may name whatever it likes; what has a slash is a tenant's secret to control, and no host."""
    own = ssl.create_default_context()
    own.check_hostname, own.verify_mode = False, ssl.CERT_NONE
    for sni in (f"{shop.slug}/abc.def", f"{shop.slug}/x", "portico-gateway", "-", "a_b.example", "1"):
        with shaken(None, own) as connection:
            assert connection.getpeercert(binary_form=True)
        try:
            with shaken(sni, own) as connection:
                # The gateway's own certificate and door.
                assert connection.getpeercert(binary_form=True) == ssl.PEM_cert_to_DER_cert(Path(settings.GATEWAY_CERT_FILE).read_text())
        except (ssl.SSLError, ConnectionError, ValueError):
            continue


def test_what_is_refused_there_before_anybody_is_known_is_told_the_tenant(gateway: Gateway, shop: Shop) -> None:
    """The path's first part may be another tenant's slug, and is none there."""
    host = name()
    opened(shop, host)
    settles(401, "TOKEN_MISSING", host, "/orders/v1/orders/1")

    def told() -> bool:
        with tenant_scope(shop.pk):
            return Refusal.objects.filter(application=None, code="TOKEN_MISSING", path=f"/{host}/orders/v1/orders/1").exists()

    eventually(told)
