"""Where the key-encryption key lives: in files, Vault, AWS KMS or on a PKCS #11 token.

Vault and AWS KMS are stand-ins here, which answer as their APIs document; the token is SoftHSM.
"""

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pkcs11
import pytest
from botocore.stub import Stubber
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from moto import mock_aws

from keys.envelope import Kek, Purpose, Unavailable, Unreadable, seal, unseal
from keys.keks import aws_kms, file, vault
from keys.keks import pkcs11 as token
from keys.keks.named import InAwsKms, InFiles, InToken, InVault
from keys.keks.ring import Ring
from tests.portal.test_hardening_settings import fails

FOR = Purpose(uuid4(), uuid4(), "access_token", "ES256")
OTHER = replace(FOR, row_id=uuid4())
SECRET = b"the private half"
TOKEN = "hvs.only-for-tests"
PIN = "only-for-tests"


# --- stand-ins -----------------------------------------------------------------------------------------------


@dataclass
class Transit:
    """Vault's transit engine as far as its API documentation tells: three addresses, a token, base64, versions of keys."""

    keys: dict[str, dict[int, bytes]] = field(default_factory=dict)
    token: str = TOKEN
    kind: str = "aes256-gcm96"
    derived: bool = False
    oldest: int = 1
    answers: Callable[[str], tuple[int, str] | None] = lambda path: None
    asked: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, str]:
        self.asked.append((method, path))
        if given := self.answers(path):
            return given
        if headers["X-Vault-Token"] != self.token:
            return 403, json.dumps({"errors": ["permission denied"]})
        _, version, mount, what, name = path.split("/")
        if (version, mount) != ("v1", "transit"):
            return 404, json.dumps({"errors": [f"no handler for route {path!r}"]})
        if name not in self.keys:
            return (404, json.dumps({"errors": []})) if method == "GET" else (400, json.dumps({"errors": ["encryption key not found"]}))
        if (method, what) == ("GET", "keys"):
            about = {"name": name, "type": self.kind, "derived": self.derived, "latest_version": max(self.keys[name])}
            return 200, json.dumps({"request_id": "r", "data": about})
        assert method == "POST"
        assert headers["Content-Type"] == "application/json"
        answer: tuple[int, str] = getattr(self, what)(self.keys[name], **json.loads(body))
        return answer

    def encrypt(self, versions: dict[int, bytes], *, plaintext: str, associated_data: str, key_version: int) -> tuple[int, str]:
        nonce = os.urandom(12)
        sealed = nonce + AESGCM(versions[key_version]).encrypt(nonce, _unb64(plaintext), _unb64(associated_data))
        text = f"vault:v{key_version}:{base64.b64encode(sealed).decode()}"
        return 200, json.dumps({"data": {"ciphertext": text, "key_version": key_version}})

    def decrypt(self, versions: dict[int, bytes], *, ciphertext: str, associated_data: str) -> tuple[int, str]:
        try:
            _, version, text = ciphertext.split(":")
            if int(version[1:]) < self.oldest:
                return 400, json.dumps({"errors": ["ciphertext or signature version is disallowed by policy (too old)"]})
            sealed = _unb64(text)
            plain = AESGCM(versions[int(version[1:])]).decrypt(sealed[:12], sealed[12:], _unb64(associated_data))
        except (ValueError, InvalidTag):
            return 400, json.dumps({"errors": ["cipher: message authentication failed"]})
        return 200, json.dumps({"data": {"plaintext": base64.b64encode(plain).decode()}})


def _unb64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


@contextmanager
def served(transit: Transit) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, text = transit.answer(self.command, self.path, self.headers, self.rfile.read(int(self.headers["Content-Length"] or 0)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_POST = do_GET  # noqa: N815

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def transit() -> Transit:
    return Transit({"portico": {1: os.urandom(32)}, "before": {1: os.urandom(32)}})


@pytest.fixture
def in_vault(transit: Transit) -> Iterator[InVault]:
    with served(transit) as url:
        yield InVault(keys=("portico", "before"), url=url, token=TOKEN)


@pytest.fixture
def in_aws(monkeypatch: Any) -> Iterator[InAwsKms]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "only-for-tests")
    with mock_aws():
        kms = boto3.client("kms", region_name="eu-central-1")
        yield InAwsKms(tuple(kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2)))


SOFTHSM = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: Any) -> InToken:
    """A token with two AES keys. SoftHSM reads where its tokens are once per process."""
    found = [path for path in (os.environ.get("PORTICO_SOFTHSM", ""), *SOFTHSM) if Path(path).is_file()]
    if not found:
        pytest.fail("This test needs SoftHSM. On Debian and Ubuntu: apt-get install softhsm2. Elsewhere name it: PORTICO_SOFTHSM.")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(folder / "conf")
    initialise = ["softhsm2-util", "--init-token", "--free", "--label", "portico", "--so-pin", PIN, "--pin", PIN]
    subprocess.run([*initialise, "--module", found[0]], check=True, capture_output=True)
    with pkcs11.lib(found[0]).get_token(token_label="portico").open(rw=True, user_pin=PIN) as session:
        for label in ("kek", "before"):
            session.generate_key(pkcs11.KeyType.AES, 256, label=label, store=True)
    return InToken(keys=("kek", "before"), library=found[0], token="portico", pin=PIN)


@pytest.fixture
def in_token(softhsm: InToken) -> Iterator[InToken]:
    opened: list[token.Token] = []
    make = token.Token.__init__

    def remember(self: token.Token, named: InToken) -> None:
        make(self, named)
        opened.append(self)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(token.Token, "__init__", remember)
        yield softhsm
    for each in opened:
        each._leave()


@pytest.fixture
def in_files(tmp_path: Path) -> InFiles:
    for name in ("kek", "before"):
        file.make_file(tmp_path / name)
    return InFiles((tmp_path / "kek", tmp_path / "before"))


KEEPERS: dict[str, Callable[[Any], Any]] = {"in_files": file.keks, "in_vault": vault.keks, "in_aws": aws_kms.keks, "in_token": token.keks}


@pytest.fixture(params=KEEPERS)
def keks(request: Any) -> list[Kek]:
    """The two keys of each keeper in turn."""
    found: list[Kek] = KEEPERS[request.param](request.getfixturevalue(request.param))
    return found


# --- every keeper ------------------------------------------------------------------------------------------------


def test_what_was_sealed_opens_for_its_purpose(keks: list[Kek]) -> None:
    for kek in keks:
        sealed = seal(SECRET, FOR, kek)
        assert sealed.startswith(f"v1.{kek.current_id}.")
        assert "." not in kek.current_id
        assert unseal(sealed, FOR, kek) == SECRET
        assert sealed != seal(SECRET, FOR, kek)


def test_two_ciphertexts_swapped_are_both_unreadable(keks: list[Kek]) -> None:
    mine, theirs = (seal(SECRET, purpose, keks[0]).split(".") for purpose in (FOR, OTHER))
    swapped = [theirs, [*mine[:3], theirs[3]], [*mine[:2], theirs[2], mine[3]]]
    for parts in swapped:
        with pytest.raises(Unreadable):
            unseal(".".join(parts), FOR, keks[0])


def test_the_keeper_binds_the_context_by_itself(keks: list[Kek]) -> None:
    kek = keks[0]
    kek_id = kek.current_id
    wrapped = kek.wrap(bytes(32), FOR.context(kek_id), kek_id)
    assert kek.unwrap(wrapped, FOR.context(kek_id), kek_id) == bytes(32)
    with pytest.raises(Unreadable, match="another row"):
        kek.unwrap(wrapped, OTHER.context(kek_id), kek_id)


@pytest.mark.parametrize("wrapped", [b"", b"vault:v1:", b"\xff" * 11, b"\xff" * 100])
def test_what_was_never_wrapped_does_not_open(keks: list[Kek], wrapped: bytes) -> None:
    with pytest.raises((Unreadable, Unavailable)):
        keks[0].unwrap(wrapped, b"context", keks[0].current_id)


def test_under_another_key_of_the_keeper_it_does_not_open(keks: list[Kek]) -> None:
    sealed = seal(SECRET, FOR, keks[1])
    with pytest.raises(Unreadable, match="no other opens it") as refused:
        unseal(sealed, FOR, keks[0])
    assert keks[1].current_id in str(refused.value)
    assert f"At hand: {keks[0]}." in str(refused.value)
    with pytest.raises(Unreadable):
        unseal(sealed.replace(keks[1].current_id, keks[0].current_id), FOR, keks[0])


def test_the_older_key_opens_what_it_sealed_and_the_newer_one_seals(keks: list[Kek]) -> None:
    before = seal(SECRET, FOR, keks[1])
    ring = Ring(tuple(keks))
    assert unseal(before, FOR, ring) == SECRET
    assert seal(SECRET, FOR, ring).startswith(f"v1.{keks[0].current_id}.")
    assert unseal(seal(SECRET, FOR, ring), FOR, keks[0]) == SECRET


def test_from_one_keeper_to_another(in_files: InFiles, in_vault: InVault, in_aws: InAwsKms, in_token: InToken) -> None:
    every: list[Kek] = [*file.keks(in_files), *vault.keks(in_vault), *aws_kms.keks(in_aws), *token.keks(in_token)]
    sealed = [seal(SECRET, FOR, each) for each in every]
    assert {unseal(each, FOR, Ring(tuple(every))) for each in sealed} == {SECRET}
    alone = Ring(tuple(every[:1]))
    for each in sealed[1:]:
        with pytest.raises(Unreadable, match="no other opens it"):
            unseal(each, FOR, alone)


# --- Vault -------------------------------------------------------------------------------------------------------


def test_a_new_version_of_vaults_key_is_another_id(transit: Transit, in_vault: InVault) -> None:
    kek = vault.keks(in_vault)[0]
    before = seal(SECRET, FOR, kek)
    transit.keys["portico"][2] = os.urandom(32)
    after = seal(SECRET, FOR, kek)
    assert (before.split(".")[1], after.split(".")[1]) == ("vault:portico:v1", "vault:portico:v2")
    assert {unseal(each, FOR, kek) for each in (before, after)} == {SECRET}
    transit.oldest = 2
    assert unseal(after, FOR, kek) == SECRET
    with pytest.raises(Unreadable, match="Vault opens its version of the key no more"):
        unseal(before, FOR, kek)


def test_vault_is_asked_at_three_addresses(transit: Transit, in_vault: InVault) -> None:
    kek = vault.keks(in_vault)[0]
    unseal(seal(SECRET, FOR, kek), FOR, kek)
    path = "/v1/transit/{}/portico"
    assert transit.asked == [("GET", path.format("keys")), ("POST", path.format("encrypt")), ("POST", path.format("decrypt"))]


@pytest.mark.parametrize("kek_id", ["vault:other:v1", "vault:portico:v0", "vault:portico:v1/before", "vault:portico:v01", "vault:portico"])
def test_a_row_cannot_lead_to_another_key_of_vaults(transit: Transit, in_vault: InVault, kek_id: str) -> None:
    with pytest.raises(Unreadable, match="no other opens it"):
        unseal(f"v1.{kek_id}.AAAA.AAAA", FOR, vault.keks(in_vault)[0])
    assert not transit.asked


ANSWERS = {
    "sealed": (503, '{"errors": ["Vault is sealed"]}'),
    "elsewhere": (307, ""),
    "not json": (200, "<html>"),
    "no data": (200, '{"data": null}'),
    "another shape": (200, '{"data": {"latest_version": "1", "ciphertext": 7, "plaintext": ["x"]}}'),
    "not base64": (200, '{"data": {"type": "aes256-gcm96", "latest_version": 1, "plaintext": "é", "ciphertext": ""}}'),
    "broken": (500, f'{{"errors": ["{TOKEN}"]}}'),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_whatever_else_vault_answers_it_is_unavailable(transit: Transit, in_vault: InVault, answer: str) -> None:
    kek = vault.keks(in_vault)[0]
    sealed = seal(SECRET, FOR, kek)
    transit.answers = lambda path: ANSWERS[answer]
    for attempt in (lambda: seal(SECRET, FOR, kek), lambda: unseal(sealed, FOR, kek)):
        with pytest.raises(Unavailable) as refused:
            attempt()
        _tells_nothing(refused.value, sealed)


def test_a_wrong_token_or_a_missing_key_is_named(transit: Transit, in_vault: InVault) -> None:
    with pytest.raises(Unavailable, match=r"its key portico \(HTTP 403 to keys\)"):
        seal(SECRET, FOR, vault.keks(replace(in_vault, token="hvs.wrong"))[0])
    with pytest.raises(Unavailable, match=r"its key absent \(HTTP 404 to keys\)"):
        seal(SECRET, FOR, vault.keks(replace(in_vault, keys=("absent",)))[0])


@pytest.mark.parametrize("unfit", [{"kind": "rsa-4096"}, {"derived": True}])
def test_a_key_that_binds_no_context_is_refused(transit: Transit, in_vault: InVault, unfit: dict[str, Any]) -> None:
    vars(transit).update(unfit)
    with pytest.raises(Unavailable, match="is none of aes128-gcm96, aes256-gcm96, chacha20-poly1305 without derivation"):
        seal(SECRET, FOR, vault.keks(in_vault)[0])


def test_a_token_in_a_file_may_be_renewed_there(transit: Transit, in_vault: InVault, tmp_path: Path) -> None:
    renewed = tmp_path / "token"
    renewed.write_text(TOKEN)
    kek = vault.keks(replace(in_vault, token_file=renewed))[0]
    sealed = seal(SECRET, FOR, kek)
    transit.token = "hvs.renewed"
    with pytest.raises(Unavailable):
        unseal(sealed, FOR, kek)
    renewed.write_text("hvs.renewed\n")
    assert unseal(sealed, FOR, kek) == SECRET
    renewed.unlink()
    with pytest.raises(Unavailable, match=f"Vault's token can't be read from {renewed}"):
        unseal(sealed, FOR, kek)


def test_vault_that_is_away_is_unavailable(transit: Transit) -> None:
    with served(transit) as url:
        kek = vault.keks(InVault(keys=("portico",), url=url, token=TOKEN))[0]
        sealed = seal(SECRET, FOR, kek)
    with pytest.raises(Unavailable, match=f"Vault can't be reached at {url}") as refused:
        unseal(sealed, FOR, vault.keks(kek.named)[0])
    _tells_nothing(refused.value, sealed)


def _tells_nothing(error: BaseException, sealed: str) -> None:
    """Neither the error nor what it stands on repeats what was sent or answered."""
    assert error.__cause__ is None
    for secret in (TOKEN, PIN, sealed.split(".")[2], SECRET.decode()):
        assert secret not in str(error)


# --- AWS KMS -----------------------------------------------------------------------------------------------------


def test_aws_is_told_what_a_secret_is_for(in_aws: InAwsKms) -> None:
    kek = aws_kms.keks(in_aws)[0]
    wrapped = kek.wrap(bytes(32), b"v1|what it is for", kek.arn)
    assert wrapped != kek.wrap(bytes(32), b"v1|what it is for", kek.arn)
    asked = kek.client.decrypt(CiphertextBlob=wrapped, EncryptionContext={"portico": "v1|what it is for"})
    assert (asked["Plaintext"], asked["KeyId"]) == (bytes(32), kek.arn)


def test_a_row_cannot_lead_to_a_strangers_key(in_aws: InAwsKms) -> None:
    ours, theirs = aws_kms.keks(in_aws)
    with pytest.raises(Unreadable, match="no other opens it"):
        unseal(seal(SECRET, FOR, theirs), FOR, ours)


@pytest.mark.parametrize(
    "code", ["DisabledException", "KMSInvalidStateException", "AccessDeniedException", "NotFoundException", "ThrottlingException"]
)
def test_a_key_that_aws_does_not_let_us_use_is_unavailable(in_aws: InAwsKms, code: str) -> None:
    kek = aws_kms.keks(in_aws)[0]
    sealed = seal(SECRET, FOR, kek)
    with Stubber(kek.client) as stubbed:
        stubbed.add_client_error("decrypt", code, f"{sealed} {SECRET.decode()}")
        with pytest.raises(Unavailable, match=rf"AWS KMS doesn't let us use arn:aws:kms:.+ \({code} to decrypt\)") as refused:
            unseal(sealed, FOR, kek)
    _tells_nothing(refused.value, sealed)
    assert unseal(sealed, FOR, kek) == SECRET


def test_aws_that_is_away_is_unavailable(monkeypatch: Any) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "only-for-tests")
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:9")
    kek = aws_kms.keks(InAwsKms(("arn:aws:kms:eu-central-1:111122223333:key/1234abcd",)))[0]
    with pytest.raises(Unavailable, match=r"AWS KMS can't be asked for arn:.+ \(EndpointConnectionError\)"):
        seal(SECRET, FOR, kek)


# --- a token -----------------------------------------------------------------------------------------------------


# The library says so when it clears up after a session that is gone.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_token_that_was_started_again_is_opened_again(in_token: InToken) -> None:
    kek = token.keks(in_token)[0]
    sealed = seal(SECRET, FOR, kek)
    kek.token._session.close()
    assert unseal(sealed, FOR, kek) == SECRET


def test_a_token_that_is_away_is_unavailable(in_token: InToken, monkeypatch: Any) -> None:
    kek = token.keks(in_token)[0]
    sealed = seal(SECRET, FOR, kek)
    kek.token._leave()
    monkeypatch.setattr(token.Token, "_open", _away)
    with pytest.raises(Unavailable, match=r"The PKCS #11 token doesn't let us use kek \(DeviceRemoved\)") as refused:
        unseal(sealed, FOR, kek)
    _tells_nothing(refused.value, sealed)
    monkeypatch.undo()
    assert unseal(sealed, FOR, kek) == SECRET


def _away(_: token.Token) -> None:
    raise pkcs11.exceptions.DeviceRemoved


def test_a_key_that_the_token_does_not_have_is_named(in_token: InToken) -> None:
    with pytest.raises(Unavailable, match=r"doesn't let us use absent \(NoSuchKey\)"):
        seal(SECRET, FOR, token.keks(replace(in_token, keys=("absent",)))[0])
    with pytest.raises(Unavailable, match=r"doesn't let us use kek \(NoSuchToken\)"):
        seal(SECRET, FOR, token.keks(replace(in_token, token="absent"))[0])


def test_a_wrong_pin_is_tried_once(in_token: InToken, monkeypatch: Any) -> None:
    kek = token.keks(replace(in_token, pin="wrong"))[0]
    tries: list[str] = []
    lib = pkcs11.lib

    def counted(path: str) -> Any:
        tries.append(path)
        return lib(path)

    monkeypatch.setattr(pkcs11, "lib", counted)
    for _ in range(3):
        with pytest.raises(Unavailable, match="token portico refused the PIN. It is not tried again until Portico is started again"):
            seal(SECRET, FOR, kek)
    assert len(tries) == 1


def test_many_threads_share_one_session(in_token: InToken) -> None:
    kek = token.keks(in_token)[0]
    opened: list[bytes] = []
    threads = [threading.Thread(target=lambda: opened.append(unseal(seal(SECRET, FOR, kek), FOR, kek))) for _ in range(16)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert opened == [SECRET] * 16


# --- settings at start -------------------------------------------------------------------------------------------

ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
VAULT = {
    "PORTICO_KEK_PROVIDER": "vault",
    "PORTICO_KEK_VAULT_KEY": "portico",
    "PORTICO_KEK_VAULT_URL": "https://vault.example.com:8200",
    "PORTICO_KEK_VAULT_TOKEN": TOKEN,
}
HSM = {
    "PORTICO_KEK_PROVIDER": "pkcs11",
    "PORTICO_KEK_PKCS11_KEY": "kek",
    "PORTICO_KEK_PKCS11_MODULE": "/etc/hosts",
    "PORTICO_KEK_PKCS11_TOKEN": "portico",
    "PORTICO_KEK_PKCS11_PIN": PIN,
}
WRONG = [
    ({"PORTICO_KEK_PROVIDER": "gcp"}, "PORTICO_KEK_PROVIDER is one of file, vault, aws-kms, pkcs11, not 'gcp'."),
    ({"PORTICO_KEK_PROVIDER": "vault"}, "PORTICO_KEK_PROVIDER is vault, but no key of it is named"),
    ({**VAULT, "PORTICO_KEK_VAULT_URL": ""}, "needs PORTICO_KEK_VAULT_URL as well."),
    ({**VAULT, "PORTICO_KEK_VAULT_TOKEN": ""}, "needs PORTICO_KEK_VAULT_TOKEN as well."),
    ({**VAULT, "PORTICO_KEK_VAULT_URL": "vault:8200"}, "PORTICO_KEK_VAULT_URL is an address such as"),
    ({**VAULT, "PORTICO_KEK_VAULT_URL": "http://vault.example.com"}, "over which others could read keys"),
    ({**VAULT, "PORTICO_KEK_VAULT_MOUNT": "../sys"}, "PORTICO_KEK_VAULT_MOUNT is a path such as transit, not '../sys'."),
    ({**VAULT, "PORTICO_KEK_VAULT_KEY": "a.b"}, "PORTICO_KEK_VAULT_KEY is a name of letters, digits, - and _, not 'a.b'."),
    ({**VAULT, "PORTICO_KEK_VAULT_OLD": "a/b"}, "PORTICO_KEK_VAULT_KEY is a name of letters, digits, - and _, not 'a/b'."),
    ({"PORTICO_KEK_PROVIDER": "aws-kms", "PORTICO_KEK_AWS_KEY": "alias/portico"}, "PORTICO_KEK_AWS_KEY is the ARN of a key such as"),
    ({"PORTICO_KEK_AWS_OLD": ARN.replace("key/", "alias/")}, "PORTICO_KEK_AWS_KEY is the ARN of a key such as"),
    ({"PORTICO_KEK_FILE_OLD": "/nowhere/kek"}, "PORTICO_KEK_FILE_OLD names /nowhere/kek, where there is no file."),
    ({**HSM, "PORTICO_KEK_PKCS11_PIN": ""}, "needs PORTICO_KEK_PKCS11_PIN as well."),
    ({**HSM, "PORTICO_KEK_PKCS11_MODULE": "/nowhere/lib.so"}, "PORTICO_KEK_PKCS11_MODULE names /nowhere/lib.so, where there is no file."),
    ({"PORTICO_KEK_PKCS11_OLD": "kek"}, "needs PORTICO_KEK_PKCS11_MODULE as well."),
]


@pytest.mark.parametrize(("given", "sentence"), WRONG, ids=[sentence[:60] for _, sentence in WRONG])
def test_a_wrong_setting_is_one_sentence_at_start(tmp_path: Path, given: dict[str, str], sentence: str) -> None:
    fails(tmp_path, sentence, **given)


def _starts(var: Path, probe: str, **given: str) -> str:
    environment = {"PATH": os.environ["PATH"], "PORTICO_VAR": str(var), "DJANGO_SETTINGS_MODULE": "portal.settings", **given}
    done = subprocess.run([sys.executable, "-c", probe], cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_libraries_are_loaded_only_for_the_keeper_that_is_named(tmp_path: Path) -> None:
    probe = (
        "import sys, django; django.setup(); from keys.kek import kek; print(kek(), *(n for n in ('boto3', 'pkcs11') if n in sys.modules))"
    )
    (tmp_path / "secrets").mkdir()
    file.make_file(tmp_path / "secrets" / "kek")
    ours = str(file.FileKek(tmp_path / "secrets" / "kek"))
    assert _starts(tmp_path, probe) == f"{ours}\n"
    # What was sealed under the file before goes on opening.
    assert _starts(tmp_path, probe, **VAULT) == f"vault:portico (https://vault.example.com:8200), {ours}\n"
    in_aws = {"PORTICO_KEK_PROVIDER": "aws-kms", "PORTICO_KEK_AWS_KEY": ARN}
    assert _starts(tmp_path, probe, **in_aws) == f"{ARN}, {ours} boto3\n"
    assert _starts(tmp_path, probe, **HSM) == f"pkcs11:kek (token portico), {ours} pkcs11\n"


def test_nothing_is_made_where_another_keeper_wraps(tmp_path: Path) -> None:
    _starts(tmp_path, "import django; django.setup(); from keys.kek import kek; kek()", **VAULT)
    assert not (tmp_path / "secrets" / "kek").exists()


def test_no_secret_stands_in_what_python_shows_of_settings() -> None:
    assert TOKEN not in repr(InVault(keys=("portico",), token=TOKEN))
    assert PIN not in repr(InToken(keys=("kek",), pin=PIN))
