"""Pam's documents say which scopes callers need, and whose key may read what tokens say in confidence."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from apis.actions import publishing, resources
from apis.models import Api, ApiVersion, Operation, Revision
from apis.openapi import DocumentError, parse, read
from apis.openapi_security import Requirement, required
from keys import encryption
from keys.models import ProtectedResource, TokenPolicy
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, queries

HEAD = "openapi: 3.1.0\ninfo: {title: T, version: '1'}\n"
LOGIN = "components: {securitySchemes: {login: {type: oauth2, flows: {clientCredentials: {tokenUrl: 'https://a.example', scopes: {%s}}}}, key: {type: apiKey, name: X-Key, in: header}, open: {type: openIdConnect, openIdConnectUrl: 'https://a.example'}, again: {$ref: '#/components/securitySchemes/login'}}}\n"  # noqa: E501


def needs(security: str, everywhere: str = "", scopes: str = "read: Read, write: Write") -> Requirement:
    own = f"security: {security}, " if security else ""
    shared = f"security: {everywhere}\n" if everywhere else ""
    paths = f"paths: {{/a: {{get: {{{own}responses: {{default: {{description: d}}}}}}}}}}\n"
    return parse(HEAD + shared + paths + LOGIN % scopes).operations[0].scopes


def said(security: str, scopes: str = "read: Read") -> str:
    with pytest.raises(DocumentError) as refused:
        needs(security, scopes=scopes)
    return " | ".join(f"{each.line}: {each.message}" for each in refused.value.problems)


# What a document says


@pytest.mark.parametrize(
    "own,everywhere,wanted",
    [
        ("", "", ()),
        ("[]", "", ()),
        ("[{login: [read]}]", "", (("read",),)),
        ("[{login: [write, read, read]}]", "", (("read", "write"),)),
        ("[{again: [read]}]", "", (("read",),)),
        # Openid schemes declare no scopes, only requirements name them.
        ("[{open: [profile]}]", "", (("profile",),)),
        ("[{login: [read], open: [profile]}]", "", (("profile", "read"),)),
        ("[{login: [write]}, {login: [read]}]", "", (("read",), ("write",))),
        # Whoever has the first has the second.
        ("[{login: [read, write]}, {login: [read]}]", "", (("read",),)),
        # Its own say counts, also that there is nothing to have.
        ("", "[{login: [read]}]", (("read",),)),
        ("[{login: [write]}]", "[{login: [read]}]", (("write",),)),
        ("[]", "[{login: [read]}]", ()),
        ("[{}]", "[{login: [read]}]", ()),
        ("[{login: [read]}, {}]", "", ()),
        ("[{login: []}]", "", ()),
        ("[{login: [read]}, {login: []}]", "", ()),
        # An API key has no scopes, whatever it is given; beside a login it opens no way round that login's scopes.
        ("[{key: []}]", "", ()),
        ("[{key: [read]}]", "", ()),
        ("[{key: [], login: [read]}]", "", (("read",),)),
        ("[{key: []}, {login: [read]}]", "", (("read",),)),
        ("[{nobody: [read]}]", "", ()),
    ],
)
def test_an_operation_needs_what_its_document_says(own: str, everywhere: str, wanted: Requirement) -> None:
    assert needs(own, everywhere) == wanted


@given(st.lists(st.dictionaries(st.sampled_from(["login", "open", "key"]), st.lists(st.sampled_from("abc"), max_size=3)), max_size=5))
def test_the_shortest_way_to_say_it_lets_the_same_tokens_in(alternatives: list[dict[str, list[str]]]) -> None:
    known = {"login": (), "open": ()}
    found = required(alternatives, known)
    asked = [each for each in alternatives if not each or each.keys() & known.keys()]
    for token in (frozenset(x) for x in ["", "a", "b", "c", "ab", "ac", "bc", "abc"]):
        by_document = not asked or any({s for name in known for s in each.get(name, [])} <= token for each in asked)
        assert (not found or any(set(each) <= token for each in found)) == by_document


def test_a_document_tells_each_scope_it_names_with_what_it_allows() -> None:
    text = HEAD + "security: [{open: [profile]}, {login: [undeclared]}]\npaths: {/a: {get: {responses: {default: {description: d}}}}}\n"
    text += LOGIN % f"write: 'Change\n  them', read: '', long: '{'x' * 400}'"
    found = read(text)
    assert replace(found, lint=None) == parse(text)
    assert {**found.scopes, "long": ""} == {"long": "", "profile": "", "read": "", "undeclared": "", "write": "Change them"}
    assert len(found.scopes["long"]) == 300
    assert [*found.scopes] == sorted(found.scopes)


def test_every_character_of_a_scope_that_is_allowed_may_be_used() -> None:
    every = "".join(map(chr, [0x21, *range(0x23, 0x5C), *range(0x5D, 0x7F)]))
    assert needs(f"[{{open: [{json.dumps(every)}, {'s' * 128}]}}]") == ((every, "s" * 128),)


@pytest.mark.parametrize(
    "own,scopes,sentence",
    [
        ("[{login: ['a b']}]", "", "3: A scope has no spaces, quotes, backslashes or characters beyond ASCII, and is not empty: “a b”."),
        ("[{login: ['']}]", "", "3: A scope has no spaces"),
        ("[{open: ['a\"']}]", "", "3: A scope has no spaces"),
        ("[]", "'a\\b': x", "4: A scope has no spaces"),
        ("[]", "é: x", "4: A scope has no spaces"),
        (f"[{{login: [{'s' * 129}]}}]", "", "is longer than 128 characters."),
        ("[]", ", ".join(f"s{n}: x" for n in range(101)), "4: The document has more than 100 scopes."),
        (f"[{{login: [{', '.join(f's{n}' for n in range(21))}]}}]", "", "3: This asks for more than 20 scopes, all alternatives together."),
        (f"[{', '.join(f'{{login: [s{n}]}}' for n in range(21))}]", "", "3: This asks for more than 20 scopes, all alternatives together."),
    ],
)
def test_what_cannot_be_a_scope_is_told_with_its_line(own: str, scopes: str, sentence: str) -> None:
    assert sentence in said(own, scopes)
    assert said(own, scopes).count("|") == 0


def test_as_many_as_may_be() -> None:
    declared = ", ".join(f"s{n}: x" for n in range(100))
    assert len(needs(f"[{{login: [{', '.join(f's{n}' for n in range(20))}]}}]", scopes=declared)[0]) == 20


# What is kept, and what tokens may be asked for


def resource(name: str = "orders") -> ProtectedResource:
    return ProtectedResource.objects.get(name=name)


def test_an_import_keeps_what_each_operation_needs(in_acme: Cast) -> None:
    revision = make.api("orders", content=make.SCOPED).versions.get().live_revision
    assert revision is not None
    assert revision.scopes == {"orders:read": "Read orders", "orders:write": "Create orders"}
    assert dict(Operation.objects.values_list("operation_id", "scopes")) == {
        "listOrders": [["orders:read"]],
        "createOrder": [["orders:write"]],
        "getOrder": [["orders:read"]],
    }


def test_an_api_is_known_to_tokens_from_its_first_day_by_name_and_title(in_acme: Cast) -> None:
    api = make.api("orders", content=make.SCOPED, published=False)
    found = resource()
    assert (found.title, found.published, found.scopes, found.encryption_jwk) == ("Orders", False, {}, None)
    publishing.change_api(api, name="Sales", by=None)
    assert resource().title == "Sales"
    assert TokenPolicy.objects.get().scopes == []


def test_the_scopes_of_what_callers_reach_can_be_asked_for_and_no_others(in_acme: Cast) -> None:
    api = make.api("orders", content=make.SCOPED, published=False)
    publishing.publish(api.versions.get(), by=None)
    assert (resource().published, resource().scopes) == (True, {"orders:read": "Read orders", "orders:write": "Create orders"})
    other = json.loads(json.dumps(make.SCOPED).replace("orders:read", "stock:read").replace("orders:write", "a"))
    make.api("stock", content=other)
    assert TokenPolicy.objects.get().scopes == ["a", "orders:read", "orders:write", "stock:read"]

    # A revision without scopes takes them away, and going back brings them again.
    version = api.versions.get()
    first = version.live_revision
    assert first is not None
    plain = publishing.add_revision(version, document=make.document(), target=make.target(), by=None)
    assert TokenPolicy.objects.get().scopes == ["a", "orders:read", "orders:write", "stock:read"]
    publishing.make_live(plain, by=None)
    assert (resource().published, resource().scopes, TokenPolicy.objects.get().scopes) == (True, {}, ["a", "stock:read"])
    publishing.make_live(first, by=None)
    assert TokenPolicy.objects.get().scopes == ["a", "orders:read", "orders:write", "stock:read"]


def test_of_several_versions_all_that_are_published_count(in_acme: Cast) -> None:
    api = make.api("orders", content=make.SCOPED)
    v2 = publishing.add_version(api, name="v2", by=None)
    content = json.loads(json.dumps(make.SCOPED).replace("Read orders", "Look").replace("orders:write", "orders:admin"))
    revision = publishing.add_revision(v2, document=make.document(content), target=make.target(), by=None)
    publishing.make_live(revision, by=None)
    assert sorted(resource().scopes) == ["orders:read", "orders:write"]
    publishing.publish(ApiVersion.objects.get(name="v2"), by=None)
    # Of two sentences, the newer version's.
    assert resource().scopes == {"orders:admin": "Create orders", "orders:read": "Look", "orders:write": "Create orders"}


def test_another_tenants_scopes_are_not_touched(cast: Cast) -> None:
    for tenant in (cast.acme, cast.globex):
        with tenant_scope(tenant.pk):
            make.api("orders", content=make.SCOPED if tenant == cast.acme else None)
    with tenant_scope(cast.globex.pk):
        assert (resource().scopes, TokenPolicy.objects.get().scopes) == ({}, [])


def test_going_live_costs_the_same_whatever_others_there_are(in_acme: Cast) -> None:
    def cost() -> int:
        version = make.api(content=make.SCOPED).versions.get()
        revision = publishing.add_revision(version, document=make.document(), target=make.target(), by=None)
        with CaptureQueriesContext(connection) as caught:
            publishing.make_live(revision, by=None)
        return len(caught)

    first = cost()
    for _ in range(5):
        make.api(content=make.SCOPED)
    assert cost() == first


# The key for confidential claims

EC = ECKey.generate_key("P-256", private=True)
PUBLIC = EC.as_dict(private=False)
KEPT = {**PUBLIC, "kid": EC.thumbprint(), "use": "enc", "alg": "ECDH-ES+A256KW"}


@pytest.fixture
def api(in_acme: Cast) -> Api:
    return make.api("orders")


def test_a_new_key_is_an_event_that_names_it_and_the_same_again_is_none(in_acme: Cast, api: Api) -> None:
    event = resources.change_encryption_key(api, json.dumps(PUBLIC), by=in_acme.pam)
    assert event is not None
    assert (event.kind, event.subject_id, event.actor_id) == ("api.encryption_key_changed", api.pk, in_acme.pam.pk)
    assert (event.data["was"], event.data["now"]) == (None, EC.thumbprint())
    assert resource().encryption_jwk == KEPT
    assert resources.change_encryption_key(api, KEPT, by=in_acme.pam) is None
    gone = resources.change_encryption_key(api, None, by=in_acme.pam)
    assert gone is not None
    assert (gone.data["was"], gone.data["now"], resource().encryption_jwk) == (EC.thumbprint(), None, None)
    assert resources.change_encryption_key(api, None, by=in_acme.pam) is None


@pytest.fixture
def address(cast: Cast) -> str:
    with tenant_scope(cast.acme.pk):
        make.api("orders", content=make.SCOPED)
    return f"{base(cast.acme)}/apis/orders/"


def test_pam_gives_her_api_a_key_over_rest_and_takes_it_away(cast: Cast, rest: Rest, address: str) -> None:
    pam = rest(cast.pam)
    with queries("PATCH apis/orders/ encryption_jwk"):
        answer = pam.patch(address, {"encryption_jwk": PUBLIC})
    assert answer.status_code == 200, answer.content
    assert answer.json()["encryption_jwk"] == KEPT
    assert pam.get(answer.json()["receipt"]).json()["kind"] == "api.encryption_key_changed"
    assert pam.get(address).json()["encryption_jwk"] == KEPT
    assert pam.get(f"{base(cast.acme)}/apis/").json()["results"][0]["encryption_jwk"] == KEPT
    both = pam.patch(address, {"encryption_jwk": None, "name": "Sales"}).json()
    assert (both["encryption_jwk"], both["name"]) == (None, "Sales")
    assert "event" not in pam.patch(address, {"encryption_jwk": None}).json()


@pytest.mark.parametrize("given", [EC.as_dict(private=True), {"keys": [PUBLIC]}, {}, "x", [PUBLIC], 1, json.dumps(PUBLIC)])
def test_what_is_no_key_changes_nothing(cast: Cast, rest: Rest, address: str, given: Any) -> None:
    answer = rest(cast.pam).patch(address, {"name": "Sales", "encryption_jwk": given})
    assert answer.status_code == 422, answer.content
    assert [*answer.json()["errors"]] == ["encryption_jwk"]
    with tenant_scope(cast.acme.pk):
        assert (Api.objects.get().name, resource().encryption_jwk) == ("Orders", None)
        assert not Event.objects.filter(kind__in=["api.changed", "api.encryption_key_changed"]).exists()


def test_who_may_set_the_key_and_who_is_told_of_it(cast: Cast, rest: Rest, address: str) -> None:
    body = {"encryption_jwk": PUBLIC}
    assert [rest(who).patch(address, body).status_code for who in (cast.carl, cast.eve, cast.olga, None)] == [403, 404, 404, 401]
    assert rest(cast.eve).patch(f"{base(cast.globex)}/apis/orders/", body).status_code == 404
    with tenant_scope(cast.acme.pk):
        assert resource().encryption_jwk is None
    assert rest(cast.ada).patch(address, body).status_code == 200
    assert "encryption_jwk" not in rest(cast.carl).get(address).json()


def test_carl_reads_the_scopes_of_each_operation_and_eve_reads_nothing(cast: Cast, rest: Rest, address: str) -> None:
    place = f"{address}versions/v1/revisions/1/"
    for person in (cast.pam, cast.carl):
        found = rest(person).get(place).json()
        assert found["scopes"] == {"orders:read": "Read orders", "orders:write": "Create orders"}
        assert {each["operation_id"]: each["scopes"] for each in found["operations"]}["createOrder"] == [["orders:write"]]
    assert rest(cast.eve).get(place).status_code == 404
    with tenant_scope(cast.acme.pk):
        assert Revision.objects.count() == 1


# The key itself


@pytest.mark.parametrize(
    "key",
    [
        *(ECKey.generate_key(curve, private=True) for curve in ("P-256", "P-384", "P-521")),
        OKPKey.generate_key("X25519", private=True),
    ],
    ids=lambda key: key.as_dict()["crv"],
)
def test_public_keys_to_encrypt_with_are_taken(key: Any) -> None:
    public = key.as_dict(private=False)
    found = encryption.read_encryption_key(json.dumps(public))
    assert found == {**public, "kid": key.thumbprint(), "use": "enc", "alg": "ECDH-ES+A256KW"}
    own = encryption.read_encryption_key({**public, "kid": "mine", "use": "enc", "alg": "ECDH-ES+A256KW", "x5c": ["…"], "key_ops": []})
    assert own == {**found, "kid": "mine"}


PEM = EC.as_pem(private=False).decode()
PRIVATE_PEM = EC.as_pem(private=True).decode()
MOVED = {**PUBLIC, "x": PUBLIC["y"], "y": PUBLIC["x"]}


@pytest.mark.parametrize(
    "given,sentence",
    [
        (EC.as_dict(private=True), "This is a private key. Whoever sees it can read the claims"),
        (RSAKey.generate_key(2048, private=True).as_dict(private=True), "This is a private key."),
        (OctKey.generate_key(256, private=True).as_dict(private=True), "This is a shared secret (oct)."),
        (PRIVATE_PEM, "This is a private key."),
        (PEM, "This is PEM. Paste the public key as a JWK, which is JSON."),
        (RSAKey.generate_key(2048, private=True).as_dict(private=False), "RSA keys are not used here."),
        (OKPKey.generate_key("Ed25519", private=True).as_dict(private=False), "“crv” has to be one of X25519."),
        (ECKey.generate_key("secp256k1", private=True).as_dict(private=False), "“crv” has to be one of P-256, P-384, P-521."),
        ({"keys": [PUBLIC]}, "This is a set of keys. Paste the one key that stands in it."),
        ({**PUBLIC, "use": "sig"}, "“use” has to be enc, or be left out."),
        ({**PUBLIC, "alg": "ECDH-ES"}, "“alg” has to be ECDH-ES+A256KW, or be left out."),
        ({**PUBLIC, "kid": 1}, "“kid” has to be text of at most 100 characters."),
        ({**PUBLIC, "kid": "k" * 101}, "“kid” has to be text"),
        ({**PUBLIC, "kid": "a\x00"}, "“kid” has to be text"),
        (MOVED, "Its members are no public key of that curve."),
        ({**PUBLIC, "x": "AAAA"}, "Its members are no public key"),
        ({**PUBLIC, "x": 5}, "Its members are no public key"),
        ({**PUBLIC, "x": "é"}, "Its members are no public key"),
        ({name: value for name, value in PUBLIC.items() if name != "y"}, "Its members are no public key"),
        # The point of order 1: what is agreed upon with it is known to everybody.
        ({"kty": "OKP", "crv": "X25519", "x": "A" * 43}, "Its members are no public key"),
        ({"kty": "OKP", "crv": ["X25519"]}, "“crv” has to be one of X25519."),
        ({"kty": ["EC"]}, "“kty” has to be EC or OKP."),
        ({}, "“kty” has to be EC or OKP."),
        ("", "This is no JSON."),
        ("[" * 4000, "This is no JSON."),
        ("[]", "A JWK is a JSON object"),
        ("{" + " " * 4000 + "}", "This has 4002 characters; a key has at most 4000."),
    ],
)
def test_everything_else_is_refused_with_the_reason(given: Any, sentence: str) -> None:
    with pytest.raises(encryption.KeyRefused) as refused:
        encryption.read_encryption_key(given)
    assert str(refused.value).startswith(sentence)
    is_secret = "private" in sentence or "oct" in sentence
    assert isinstance(refused.value, encryption.PrivateKeyRefused) == is_secret


def test_the_guide_says_how_an_upstream_reads_the_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guide = (Path(settings.BASE_DIR) / "docs/guide-approver.md").read_text()
    snippet = guide.partition("```python\n")[2].partition("```")[0]
    (tmp_path / "private.jwk").write_text(json.dumps(EC.as_dict(private=True)))
    monkeypatch.chdir(tmp_path)
    public = ECKey.import_key({**encryption.read_encryption_key(PUBLIC)})
    header = jwe.encrypt_compact({"alg": encryption.ALG, "enc": encryption.ENC}, b'{"application": "Checkout"}', public)
    names: dict[str, Any] = {"headers": {"x-portico-claims": header}}
    exec(snippet, names)
    assert names["claims"] == {"application": "Checkout"}
