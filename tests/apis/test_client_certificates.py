"""Pam gives gateways a client certificate for an upstream: what is one, where its private key goes, and that nobody reads that again."""

import json
import logging
import re
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from django.db import IntegrityError, transaction

from apis import client_certificates, connections
from apis.actions import drafts, importing, publishing
from apis.certificates import without_private_keys
from apis.connections import ConnectionRefused
from apis.models import ApiVersion, DocumentImport, Draft, Revision, Upstream
from keys.envelope import Unreadable, unseal
from keys.kek import kek
from tenants.errors import Invalid
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.apis.test_importing import read_documents
from tests.conftest import Cast, Rest, base
from tests.pki import DAY, NOW, Authority, Pair, new_key, pem

UPSTREAM = "https://127.0.0.1:9"
ROOT = Authority()
KEY = new_key()
OWN = ROOT.issue("Gateways of Acme", key=KEY)
RENEWED = ROOT.issue("Gateways of Acme", key=KEY)
OTHER = ROOT.issue("Another")
BETWEEN = Authority("Between")
# What signs is an authority, whatever it says of itself.
SIGNER = ROOT.issue("Between", key=BETWEEN.key, extensions=(x509.BasicConstraints(ca=True, path_length=None),)).certificate
FAR = BETWEEN.issue("Far")
ENCRYPTED = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"a passphrase")
).decode()
OLD_FORM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
).decode()


def usage(*, signs: bool) -> x509.KeyUsage:
    names = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only")
    return x509.KeyUsage(digital_signature=signs, key_cert_sign=not signs, crl_sign=not signs, **dict.fromkeys(names, False))


def read(certificate: str) -> connections.Connection:
    return connections.read(now=NOW, scheme="https", client_certificate=certificate)


# What is taken


def test_a_chain_is_kept_without_what_stands_around_it() -> None:
    found = read(f"Ours:\n{FAR.certificate}\n\nsigned by\n{SIGNER}{ROOT.certificate}{SIGNER}")
    own, between, root = found.client_certificates
    assert (own.name, between.name, root.name) == ("Far", "Between", "Authority of a test")
    assert own.fingerprint == FAR.fingerprint
    assert own.until == (NOW + 90 * DAY).replace(microsecond=0)
    assert found.as_json() == {"client_certificate": found.client_certificate}
    assert "Ours" not in found.client_certificate


@pytest.mark.parametrize(
    "key",
    [
        *(ec.generate_private_key(curve()) for curve in (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)),
        rsa.generate_private_key(65537, 2048),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["P-256", "P-384", "P-521", "RSA", "Ed25519"],
)
def test_what_envoy_takes_is_taken(key: Any) -> None:
    pair = ROOT.issue("Gateways", key=key)
    assert connections.client_key(read(pair.certificate), pair.key) == pair.key


def test_a_private_key_is_kept_in_one_form() -> None:
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    for text in (OLD_FORM, parameters + OLD_FORM, OLD_FORM.replace("\n", "\r\n"), f" \n{OWN.key}\n"):
        assert connections.client_key(read(OWN.certificate), text) == OWN.key


def test_a_certificate_that_signed_itself_or_says_that_it_is_for_clients_is_taken() -> None:
    itself = Authority("Itself")
    client = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    anything = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
    for text in (
        itself.certificate,
        ROOT.issue("A", extensions=(usage(signs=True), client)).certificate,
        ROOT.issue("A", extensions=(anything,)).certificate,
    ):
        assert read(text).client_certificate == text


# What is refused, and where

WRONG: list[tuple[str, str]] = [
    ("abc", "This is not a certificate in PEM"),
    (OWN.certificate.replace("MII", "AAA", 1), "This is not a certificate in PEM"),
    (OWN.certificate + OWN.key, "There is a private key among the certificates; it has a field of its own."),
    (ROOT.issue("Old", until=NOW - DAY / 2).certificate, "“Old” ended on "),
    (ROOT.issue("New", since=NOW + DAY).certificate, "“New” is in force from "),
    (OWN.certificate + ROOT.issue("Old", until=NOW - DAY / 2).certificate, "“Old” ended on "),
    (ROOT.certificate + OWN.certificate, "“Gateways of Acme” has not signed “Authority of a test”. The gateway's own comes first"),
    (FAR.certificate + ROOT.certificate, "“Authority of a test” has not signed “Far”."),
    (OWN.certificate + Authority().certificate, "“Authority of a test” has not signed “Gateways of Acme”."),
    ("".join(ROOT.issue(f"{n}").certificate for n in range(11)), "These are 11 certificates; at most 10 may be."),
    ("a" * 40_001, "This has more than 40000 characters."),
    (ROOT.issue("Root", extensions=(usage(signs=False),)).certificate, "“Root” is not for clients: it says of itself"),
    (
        ROOT.issue("Server", extensions=(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),)).certificate,
        "“Server” is not for clients: it says of itself that it is for other uses.",
    ),
    *(
        (ROOT.issue("Weak", key=key).certificate, "of P-256, P-384 and P-521, and Ed25519; “Weak” has another one.")
        for key in (
            rsa.generate_private_key(65537, 1024),
            ec.generate_private_key(ec.SECP256K1()),
            ed448.Ed448PrivateKey.generate(),
        )
    ),
]


@pytest.mark.parametrize("text,sentence", WRONG)
def test_what_no_gateway_could_prove_itself_with_is_refused_with_the_reason(text: str, sentence: str) -> None:
    with pytest.raises(ConnectionRefused) as refused:
        read(text)
    assert refused.value.field == "client_certificate"
    assert sentence in str(refused.value)
    assert len(str(refused.value)) < 200


WRONG_KEYS: list[tuple[str, str]] = [
    ("", "Paste the private key of the certificate."),
    ("abc", "This is not a private key in PEM. Paste all of it, with its first and last line."),
    (OWN.certificate, "This is not a private key in PEM"),
    (OWN.key[:100], "This is not a private key in PEM"),
    (ENCRYPTED, "The private key is encrypted. Paste it as “openssl pkey -in key.pem” writes it, without a passphrase."),
    (OTHER.key, "The private key is not the one of “Gateways of Acme”."),
    (pem(rsa.generate_private_key(65537, 2048)), "The private key is not the one of “Gateways of Acme”."),
    (OTHER.key + OWN.key, "These are several private keys; paste the one that belongs to the certificate."),
    ("a" * 4_001, "This has more than 4000 characters."),
]


@pytest.mark.parametrize("text,sentence", WRONG_KEYS, ids=range(len(WRONG_KEYS)))
def test_a_wrong_private_key_is_refused_without_a_word_of_it(text: str, sentence: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ConnectionRefused) as refused:
        connections.client_key(read(OWN.certificate), text)
    assert refused.value.field == "client_key"
    assert sentence in str(refused.value)
    for line in re.findall(r"^[A-Za-z0-9+/]{20,}", text, re.MULTILINE):
        assert line not in f"{refused.value}{refused.value.named}{caplog.text}"


def test_one_without_the_other_is_asked_for_where_it_is_missing() -> None:
    with pytest.raises(ConnectionRefused, match="Paste the certificate of the private key, too.") as refused:
        connections.client_key(connections.NONE, OWN.key)
    assert refused.value.field == "client_certificate"
    with pytest.raises(ConnectionRefused, match="Only an address with https:// asks for a certificate; leave this empty.") as refused:
        connections.read(now=NOW, scheme="http", client_certificate=OWN.certificate)
    assert refused.value.field == "client_certificate"


def test_keys_are_compared_whatever_the_texts_are() -> None:
    same = client_certificates.same_key
    assert same(OWN.certificate, RENEWED.certificate)
    assert not same(OWN.certificate, OTHER.certificate)
    assert not any(same(OWN.certificate, text) or same(text, OWN.certificate) for text in ("", "abc", OWN.key))


def test_a_private_key_that_was_pasted_among_certificates_is_not_shown_again() -> None:
    assert without_private_keys(f"{OWN.key}{OWN.certificate}{OLD_FORM}") == OWN.certificate
    assert without_private_keys(f"{OWN.certificate}{OWN.key[:-40]}") == OWN.certificate
    assert without_private_keys("The PRIVATE KEY is abc") == ""


# With the rest of an upstream


@pytest.fixture
def version(in_acme: Cast) -> ApiVersion:
    make.api("orders")
    return ApiVersion.objects.get()


def add(version: ApiVersion, pair: Pair | None = OWN, url: str = UPSTREAM, **target: Any) -> Upstream:
    given = {"client_certificate": pair.certificate, "client_key": pair.key} if pair else {}
    aimed = publishing.check_target(url, **{**given, **target})
    made = publishing.add_revision(version, document=make.document(), target=aimed, by=None).upstream
    assert made is not None
    return made


def key_of(upstream: Upstream) -> str:
    return unseal(upstream.sealed_key, upstream.sealed_key_for, kek()).decode()


def test_the_private_key_is_sealed_for_its_row_beside_a_secret(version: ApiVersion) -> None:
    upstream = add(version, header="x-key", secret="s3cret-of-pam")
    assert key_of(upstream) == OWN.key
    assert unseal(upstream.sealed, upstream.sealed_for, kek()) == b"s3cret-of-pam"
    assert upstream.connection == {"client_certificate": OWN.certificate}
    with pytest.raises(Unreadable):
        unseal(upstream.sealed_key, upstream.sealed_for, kek())
    said = json.dumps(list(Event.objects.values_list("data", flat=True)))
    assert "PRIVATE KEY" not in said
    assert OWN.key.splitlines()[1] not in said


def test_a_target_does_not_show_it(version: ApiVersion) -> None:
    aimed = publishing.check_target(UPSTREAM, client_certificate=OWN.certificate, client_key=OWN.key)
    assert aimed.client_key == OWN.key
    assert OWN.key.splitlines()[1] not in repr(aimed)


def test_a_private_key_stays_with_its_certificate_and_with_one_of_the_same_key(version: ApiVersion) -> None:
    kept = add(version)
    for pair in (OWN, RENEWED):
        again = add(version, None, kept=kept, client_certificate=pair.certificate)
        assert key_of(again) == OWN.key
        assert again.sealed_key != kept.sealed_key
        assert again.connects.client_certificates[0].fingerprint == pair.fingerprint
    with pytest.raises(Invalid, match="Paste the private key of the certificate."):
        add(version, None, kept=kept, client_certificate=OTHER.certificate)
    assert add(version, None, kept=kept).sealed_key == ""


def test_a_private_key_is_pasted_again_for_another_host_or_where_that_proves_itself_otherwise(version: ApiVersion) -> None:
    kept = add(version)
    for url in ("https://127.0.0.2:9", "https://127.0.0.1:10"):
        with pytest.raises(Invalid, match="The private key was given for 127.0.0.1; paste it again to use it elsewhere.") as refused:
            add(version, None, url, kept=kept, client_certificate=OWN.certificate)
        assert list(refused.value.problems) == ["client_key"]
        assert key_of(add(version, OWN, url, kept=kept)) == OWN.key
    with pytest.raises(Invalid, match="has to prove itself; paste the private key again to use it there.") as refused:
        add(version, None, kept=kept, client_certificate=OWN.certificate, ca=ROOT.certificate)
    assert list(refused.value.problems) == ["client_key"]
    assert key_of(add(version, None, f"{UPSTREAM}/base", kept=kept, client_certificate=OWN.certificate)) == OWN.key


def test_a_secret_and_a_private_key_are_both_asked_for_again(version: ApiVersion) -> None:
    kept = add(version, header="x-key", secret="s3cret-of-pam")
    with pytest.raises(Invalid) as refused:
        add(version, None, "https://127.0.0.2:9", kept=kept, header="x-key", client_certificate=OWN.certificate)
    assert sorted(refused.value.problems) == ["client_key", "secret"]
    again = add(version, None, kept=kept, header="x-key", client_certificate=OWN.certificate)
    assert (key_of(again), unseal(again.sealed, again.sealed_for, kek())) == (OWN.key, b"s3cret-of-pam")


def test_the_database_holds_a_certificate_to_its_key(version: ApiVersion) -> None:
    withouts: tuple[dict[str, Any], ...] = ({"sealed_key": ""}, {"connection": {}})
    for without in withouts:
        add(version)
        with pytest.raises(IntegrityError, match="a_client_certificate_has_its_key"), transaction.atomic():
            Upstream.objects.exclude(sealed_key="").update(**without)


# On other ways to a revision


def test_a_draft_keeps_it_sealed_until_it_is_published(in_acme: Cast) -> None:
    draft = make.draft(in_acme.pam)
    aimed = publishing.check_target(UPSTREAM, client_certificate=OWN.certificate, client_key=OWN.key)
    drafts.aim(draft, url=UPSTREAM, target=aimed)
    draft.refresh_from_db()
    assert drafts.client_key_of(draft) == OWN.key
    assert draft.sealed_key.startswith("v1.")
    with pytest.raises(IntegrityError, match="a_drafts_client_certificate_has_its_key"), transaction.atomic():
        Draft.objects.update(sealed_key="")


@pytest.mark.parametrize("kept", [False, True])
def test_a_document_that_a_job_reads_brings_it_or_keeps_the_live_ones(cast: Cast, kept: bool) -> None:
    with tenant_scope(cast.acme.pk):
        make.api("orders")
        version = ApiVersion.objects.get()
        if kept:
            add(version)
            publishing.make_live(Revision.objects.get(number=2), by=cast.pam)
        aim = importing.Aim(upstream=UPSTREAM, client_certificate=OWN.certificate)
        key = "" if kept else OWN.key
        begun = importing.begin(document=json.dumps(make.DOCUMENT), version=version, aim=aim, client_key=key, by=cast.pam)
        assert bool(begun.sealed_key) is not kept
    assert read_documents() == 1
    with tenant_scope(cast.acme.pk):
        over = DocumentImport.objects.select_related("revision__upstream").get()
        assert (over.state, over.sealed_key) == ("ready", "")
        assert over.revision is not None
        assert over.revision.upstream is not None
        assert key_of(over.revision.upstream) == OWN.key


def test_one_that_a_job_refuses_is_not_kept(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        make.api("orders")
        aim = importing.Aim(upstream="https://127.0.0.2:9", client_certificate=OTHER.certificate)
        importing.begin(document=json.dumps(make.DOCUMENT), version=ApiVersion.objects.get(), aim=aim, client_key=OWN.key, by=cast.pam)
    assert read_documents() == 1
    with tenant_scope(cast.acme.pk):
        over = DocumentImport.objects.get()
        assert (over.state, over.refusal, over.sealed_key) == ("refused", "The private key is not the one of “Another”.", "")


# REST


def test_pam_says_it_over_rest_and_reads_all_but_the_private_key(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        make.api("orders")
    address, pam = f"{base(cast.acme)}/apis/orders/versions/v1/revisions/", rest(cast.pam)
    upstream = {"url": UPSTREAM, "client_certificate": FAR.certificate + SIGNER, "client_key": FAR.key}
    answer = pam.post(address, {"document": make.DOCUMENT, "upstream": upstream})
    assert answer.status_code == 201, answer.content
    found = answer.json()["upstream"]
    assert found["client_certificate"] == FAR.certificate + SIGNER
    assert [each["name"] for each in found["client_certificates"]] == ["Far", "Between"]
    assert found["client_certificates"][0]["fingerprint"] == FAR.fingerprint
    assert "client_key" not in found
    assert "PRIVATE KEY" not in answer.content.decode()
    for wrong, field in (
        ({"client_key": OTHER.key}, "client_key"),
        ({"client_key": ""}, "client_key"),
        ({"client_certificate": FAR.certificate + FAR.key}, "client_certificate"),
        ({"client_certificate": ""}, "client_certificate"),
        ({"url": "http://127.0.0.1:9"}, "client_certificate"),
    ):
        refused = pam.post(address, {"document": make.DOCUMENT, "upstream": {**upstream, **wrong}})
        assert (refused.status_code, field in refused.content.decode()) == (422, True), refused.content
        assert "BEGIN PRIVATE" not in refused.content.decode()
    with tenant_scope(cast.acme.pk):
        assert Upstream.objects.exclude(sealed_key="").count() == 1
