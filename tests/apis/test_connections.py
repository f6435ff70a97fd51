"""Pam says how gateways connect to an upstream: how they prove themselves, and which paths it knows."""

import datetime as dt
import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from apis import connections
from apis.actions import publishing
from apis.connections import BASIC, BEARER, NONE, Connection, ConnectionRefused, stripped
from apis.models import ApiVersion, Revision, Upstream
from keys.envelope import unseal
from keys.kek import kek
from tenants.errors import Invalid
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base

SECRET = "s3cret-of-pam"
NOW, DAY = dt.datetime.now(dt.UTC), dt.timedelta(days=1)
UPSTREAM = "http://127.0.0.1:9"
V3 = {**make.DOCUMENT, "paths": {f"/api/v3{path}": item for path, item in make.DOCUMENT["paths"].items()}}


def test_what_is_kept_is_what_is_not_so_by_itself() -> None:
    assert NONE.as_json() == {}
    found = connections.read(now=NOW, credential=BASIC, user="pörtico", strip_path=" /api/v3/ ")
    assert found.as_json() == {"credential": "basic", "user": "pörtico", "strip_path": "/api/v3"}
    assert Connection.of({**json.loads(json.dumps(found.as_json())), "of_tomorrow": 1}) == found


def test_the_header_says_it_as_the_standards_do() -> None:
    assert NONE.value(SECRET) == SECRET
    assert Connection(credential=BEARER).value(SECRET) == f"Bearer {SECRET}"
    # RFC 7617 §2 and §2.1.
    assert Connection(credential=BASIC, user="Aladdin").value("open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert Connection(credential=BASIC, user="test").value("123£") == "Basic dGVzdDoxMjPCow=="


@pytest.mark.parametrize(
    "path,beginning,off",
    [
        ("/api/v3/orders/{id}", "/api/v3", "/api/v3"),
        ("/api/v3", "/api/v3", "/api/v3"),
        ("/api/v30", "/api/v3", ""),
        ("/{name}/v3/orders", "/api/v3", ""),
        ("/orders", "", ""),
    ],
)
def test_whole_segments_go_off(path: str, beginning: str, off: str) -> None:
    assert stripped(path, beginning) == off


WRONG = [
    ({"credential": BASIC}, "user", "A user has 1 to 200 characters, and no colon."),
    ({"credential": BASIC, "user": "a:b"}, "user", "no colon"),
    ({"credential": BASIC, "user": "a" * 201}, "user", "1 to 200"),
    ({"credential": BASIC, "user": "a\nb"}, "user", "no colon"),
    ({"credential": BEARER, "user": "a"}, "user", "Only user and password have a user; leave it empty."),
    ({"user": "a"}, "user", "leave it empty"),
    ({"ca": "a"}, "ca", "Only an address with https:// has a certificate; leave this empty."),
    ({"sni": "a.example"}, "sni", "Only an address with https://"),
    *(
        ({"scheme": "https", "sni": text}, "sni", "is not a host name; write for example orders.example.com.")
        for text in ("127.0.0.1", "a b", "https://a.example", "*.example", "a" * 254, "::1", "127.1")
    ),
    *(
        ({"scheme": "https", "ca": text}, "ca", sentence)
        for text, sentence in (
            ("abc", "This is not a certificate in PEM, which begins with -----BEGIN CERTIFICATE-----"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "This is not a certificate in PEM"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "There is a private key among the certificates"),
            ("a" * 40_001, "This has more than 40000 characters."),
        )
    ),
    *(
        ({"strip_path": text}, "strip_path", "is not the beginning of a path; write for example /api/v3")
        for text in ("api", "/a b", "/a//b", "/../a", "/a/.", "/{id}", "/%41", "/a?b", "/é", "/" + "a" * 200, "http://a.example/b")
    ),
]


@pytest.mark.parametrize("given,field,sentence", WRONG)
def test_what_no_gateway_could_do_is_refused_with_the_reason(given: dict[str, str], field: str, sentence: str) -> None:
    with pytest.raises(ConnectionRefused) as refused:
        connections.read(now=NOW, **given)
    assert refused.value.field == field
    assert sentence in str(refused.value)
    assert len(str(refused.value)) < 200


# Certificates

KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(
    name: str, *, issuer: str = "", ca: bool | None = True, since: dt.datetime = NOW - DAY, until: dt.datetime = NOW + DAY
) -> str:
    """By default an authority that has signed itself; `ca`: None where it does not say."""
    by, of = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (issuer or name, name))
    built = x509.CertificateBuilder(by, of, KEY.public_key(), x509.random_serial_number(), since, until)
    if ca is not None:
        built = built.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    return built.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def test_authorities_are_kept_without_what_stands_around_them() -> None:
    root, old = certificate("Root"), certificate("Signed itself", ca=None)
    between = certificate("Between", issuer="Root")
    found = connections.read(now=NOW, scheme="https", ca=f"Of ours:\n{root}\n{old}{between}{root}", sni="orders.example.com")
    assert (found.ca, found.sni) == (root + old + between, "orders.example.com")
    told = [(each.name, each.until) for each in found.authorities]
    assert told == [(name, (NOW + DAY).replace(microsecond=0)) for name in ("Root", "Signed itself", "Between")]


@pytest.mark.parametrize(
    "given,sentence",
    [
        (certificate("orders.example.com", issuer="Root", ca=None), "“orders.example.com” is not an authority's certificate"),
        (certificate("orders.example.com", issuer="Root", ca=False), "paste the one that it is signed with."),
        (certificate("Old", until=NOW - dt.timedelta(seconds=2)), "“Old” ended on "),
        (certificate("New", since=NOW + DAY / 2), "“New” is in force from "),
        ("".join(certificate(f"{n}") for n in range(11)), "These are 11 certificates; at most 10 may be."),
    ],
)
def test_what_could_never_prove_anything_is_refused(given: str, sentence: str) -> None:
    with pytest.raises(ConnectionRefused) as refused:
        connections.read(now=NOW, scheme="https", ca=given)
    assert refused.value.field == "ca"
    assert sentence in str(refused.value)


# With the rest of an upstream


@pytest.mark.parametrize(
    "given,field,sentence",
    [
        ({"credential": BEARER, "header": "x-key", "secret": "a"}, "header", "go into Authorization; leave the header empty."),
        ({"credential": BEARER}, "secret", "A bearer token is letters"),
        ({"credential": BEARER, "secret": "Bearer abc"}, "secret", "leave the word Bearer out"),
        ({"credential": BASIC, "user": "a"}, "secret", "Type the password"),
        ({"credential": BASIC, "user": "a", "secret": "a\nb"}, "secret", "no control characters"),
        ({"credential": BASIC, "user": "a", "secret": "a" * 4_000}, "secret", "more than 4,000 characters"),
        ({"header": "x-key"}, "upstream", "The header's secret is 1 to 4,000 printable ASCII"),
    ],
)
def test_a_secret_that_cannot_be_is_refused_where_it_was_typed(in_acme: Cast, given: dict[str, str], field: str, sentence: str) -> None:
    with pytest.raises(Invalid) as refused:
        publishing.check_target(UPSTREAM, **given)  # type: ignore[arg-type]
    assert list(refused.value.problems) == [field]
    assert sentence in str(refused.value)


@pytest.fixture
def version(in_acme: Cast) -> ApiVersion:
    make.api("orders")
    return ApiVersion.objects.get()


def add(version: ApiVersion, content: dict[str, Any] | None = None, url: str = UPSTREAM, **target: Any) -> Revision:
    return publishing.add_revision(version, document=make.document(content), target=make.target(url, **target), by=None)


def test_the_secret_is_sealed_as_it_was_given(version: ApiVersion) -> None:
    upstream = add(version, credential=BASIC, user="pam", secret=SECRET).upstream
    assert upstream is not None
    assert (upstream.header, upstream.connection) == ("authorization", {"credential": "basic", "user": "pam"})
    assert unseal(upstream.sealed, upstream.sealed_for, kek()).decode() == SECRET
    assert SECRET not in json.dumps(list(Event.objects.values_list("data", flat=True)))


def test_a_secret_stays_with_the_user_it_was_given_for(version: ApiVersion) -> None:
    kept = add(version, credential=BASIC, user="pam", secret=SECRET).upstream
    same = add(version, credential=BASIC, user="pam", strip_path="", kept=kept).upstream
    assert same is not None
    assert unseal(same.sealed, same.sealed_for, kek()).decode() == SECRET
    others: tuple[dict[str, Any], ...] = ({"credential": BASIC, "user": "ada"}, {"credential": BEARER}, {"header": "authorization"})
    for other in others:
        with pytest.raises(Invalid):
            add(version, kept=kept, **other)


def test_a_secret_is_typed_again_where_its_upstream_proves_itself_otherwise(version: ApiVersion) -> None:
    def https(**more: Any) -> Upstream | None:
        return add(version, url="https://127.0.0.1:9", header="x-key", **more).upstream

    kept = https(secret=SECRET, sni="orders.example.com")
    assert https(kept=kept, sni="orders.example.com") is not None
    for more in ({}, {"sni": "other.example.com"}, {"sni": "orders.example.com", "ca": certificate("Mine")}):
        with pytest.raises(Invalid, match="It changes how 127.0.0.1 has to prove itself; type the secret again to send it there."):
            https(kept=kept, **more)


def test_a_beginning_that_no_path_has_is_refused(version: ApiVersion) -> None:
    with pytest.raises(Invalid, match="No path of the document begins with /api/v3, so nothing could be taken off."):
        add(version, strip_path="/api/v3")
    assert add(version, V3, strip_path="/api/v3").upstream is not None


# REST


def test_authorities_are_told_with_their_end(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        make.api("orders")
    root = certificate("Root of Acme")
    upstream = {"url": "https://127.0.0.1:9", "ca": root, "sni": "orders.example.com"}
    answer = rest(cast.pam).post(f"{base(cast.acme)}/apis/orders/versions/v1/revisions/", {"document": make.DOCUMENT, "upstream": upstream})
    assert answer.status_code == 201, answer.content
    found = answer.json()["upstream"]
    assert (found["ca"], found["sni"], [each["name"] for each in found["authorities"]]) == (root, "orders.example.com", ["Root of Acme"])


def test_pam_says_it_over_rest_and_reads_all_but_the_secret(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        make.api("orders")
    address, pam = f"{base(cast.acme)}/apis/orders/versions/v1/revisions/", rest(cast.pam)
    upstream = {"url": UPSTREAM, "credential": "basic", "user": "pam", "secret": SECRET, "strip_path": "/api/v3"}
    answer = pam.post(address, {"document": V3, "upstream": upstream})
    assert answer.status_code == 201, answer.content
    found = answer.json()["upstream"]
    told = {"credential": "basic", "user": "pam", "strip_path": "/api/v3", "header": "authorization"}
    assert {name: found[name] for name in told} == told
    assert SECRET not in answer.content.decode()
    for wrong, field in ({"credential": "digest"}, "credential"), ({"user": "a:b"}, "user"), ({"strip_path": "v3"}, "strip_path"):
        refused = pam.post(address, {"document": V3, "upstream": {**upstream, **wrong}})
        assert (refused.status_code, field in refused.content.decode()) == (422, True), refused.content
    with tenant_scope(cast.acme.pk):
        assert Upstream.objects.count() == 2
