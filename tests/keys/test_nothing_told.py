"""What is secret stays out of errors, debug pages and reprs (I12); the search after every test looks for it in rows, logs and mails."""

import base64
import html
import json
from pathlib import Path
from typing import Any, NoReturn

import pytest
from django.conf import settings
from django.test import Client
from django.views.debug import ExceptionReporter
from joserfc.jwk import ECKey
from redis import Redis

from keys import keyring, tokens
from keys.actions import signing
from keys.envelope import Unavailable, Unreadable, unseal
from keys.kek import kek
from keys.keks.file import FileKek, make_file
from keys.keks.ring import Ring
from keys.models import SigningKey
from portal.celery import app
from tenants.scope import tenant_scope
from tests import make, secrets_search
from tests.conftest import Cast, Rest, base
from tests.keys.test_rotate_kek import _use
from tests.live import eventually
from tests.portal.test_rest import problem

SEALED = "Portico can't open a secret that it keeps sealed. Your operator finds the reason in the log."


class Away(FileKek):
    """A keeper that is away."""

    def unwrap(self, wrapped: bytes, context: bytes, kek_id: str) -> NoReturn:  # noqa: ARG002
        raise Unavailable(f"The keeper at {self} is away.")


def private_parts(key: tokens.Key) -> list[str]:
    """What of a private key could be shown: its number, and the lines of its PEM."""
    pem = tokens.dump(key).decode()
    return [str(key.private.as_dict(private=True)["d"]), *pem.splitlines()[1:-1]]


@pytest.mark.parametrize("algorithm", tokens.ALGORITHMS)
def test_no_repr_shows_a_private_key(algorithm: str) -> None:
    key = tokens.generate(algorithm)
    for thing in (key, [key], key.private, vars(key.private).keys()):
        for part in private_parts(key):
            assert part not in f"{thing!r} {thing}"


def test_a_spare_shows_nothing_but_what_is_sealed(in_acme: Cast) -> None:
    new = signing.spare(in_acme.acme.pk, "access_token", "ES256")
    key = keyring.unsealed(new.row)
    for part in private_parts(key):
        assert part not in repr(new) + repr(vars(new.row))


def test_no_repr_shows_the_key_encryption_key(tmp_path: Path) -> None:
    make_file(tmp_path / "kek")
    text = (tmp_path / "kek").read_text()
    one = FileKek(tmp_path / "kek")
    for thing in (one, Ring((one,))):
        told = f"{thing!r} {thing}"
        assert text not in told
        assert repr(base64.b64decode(text))[2:20] not in told


def test_the_error_page_for_developers_shows_no_private_key(in_acme: Cast, rf: Any, monkeypatch: Any) -> None:
    """With PORTICO_DEBUG alone; it shows what each function had in hand, and those here have it in the clear."""
    monkeypatch.setattr(settings, "DEBUG", True)
    row = SigningKey.objects.get(purpose="access_token")
    with monkeypatch.context() as patched, pytest.raises(RuntimeError) as broken:
        patched.setattr(ECKey, "import_key", _breaks)
        keyring.unsealed(row)
    reporter = ExceptionReporter(rf.get("/"), broken.type, broken.value, broken.tb)
    pages = reporter.get_traceback_html(), reporter.get_traceback_text()
    for page in pages:
        assert "keys/tokens.py" in page
        for part in private_parts(keyring.unsealed(row)):
            assert part not in page


def _breaks(*_: Any) -> NoReturn:
    raise RuntimeError("This key is broken.")


@pytest.mark.parametrize("away", [True, False])
def test_who_needs_what_cannot_be_opened_is_told_so_and_the_log_says_which_key(
    cast: Cast, rest: Rest, tmp_path: Path, monkeypatch: Any, caplog: Any, away: bool
) -> None:
    """Its keeper is away, or Portico was started without the key that everything is sealed under."""
    with tenant_scope(cast.acme.pk):
        application = make.application(cast.carl)
        _, secret = make.credential(application)
    needed = kek().current_id
    make_file(tmp_path / "kek")
    _use(monkeypatch, Ring((Away(settings.KEK_FILE) if away else FileKek(tmp_path / "kek"),)))
    answer = rest(cast.carl).post(f"{base(cast.acme)}/applications/{application.pk}/credentials/", {"kind": "api_key", "label": "CI"})
    problem(answer, 503, SEALED)
    form = {"grant_type": "client_credentials", "client_id": application.client_id, "client_secret": secret}
    refused = Client().post("/t/acme/oauth/token", "&".join(f"{name}={value}" for name, value in form.items()),
                            content_type="application/x-www-form-urlencoded")  # fmt: skip
    assert (refused.status_code, json.loads(refused.content)["error"]) == (503, "temporarily_unavailable")
    client = Client()
    client.force_login(cast.carl)
    page = client.post(f"/t/acme/apps/{application.pk}/credentials/new/?kind=api_key", {"label": "CI", "last_day": "", "once": "1"})
    assert page.status_code == 503
    assert SEALED in html.unescape(page.content.decode())
    said = [record.getMessage() for record in caplog.records if record.name != "django.request"]
    assert [needed in line for line in said] == [True] * 3, said
    for told in (answer.content, refused.content, page.content):
        assert needed not in told.decode()
        assert str(tmp_path) not in told.decode()


def test_nothing_opens_with_another_key_encryption_key(in_acme: Cast, tmp_path: Path) -> None:
    make_file(tmp_path / "kek")
    other = Ring((FileKek(tmp_path / "kek"),))
    for row in SigningKey.objects.all():
        assert row.sealed is not None
        with pytest.raises(Unreadable, match=rf"{kek().current_id}, and no other opens it\. At hand: {other.current_id} "):
            unseal(row.sealed, row.sealed_for, other)


@pytest.mark.parametrize(
    "text",
    [
        f"ptc_secret_{'a' * 43}_000000",
        f"ptc_feed_{'a' * 43}",
        f"sk-mock-canary-{'a' * 32}",
        f"sk-mock-429-canary-{'a' * 32}",
        "ptc_live_eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.AAAAAAAAAAAAAAAAAAAAAAAA",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----",
        json.dumps({"kty": "EC", "d": "a" * 43}),
        str({"kty": "EC", "d": "a" * 43}),
    ],
)
def test_the_search_knows_secrets_of_other_processes_by_their_looks(text: str) -> None:
    assert secrets_search.found_in(f"before {text} after", {})
    assert not secrets_search.found_in(f"before {text[:15]} after".replace("PRIVATE", "PUBLIC"), {})


@pytest.mark.parametrize("algorithm", tokens.ALGORITHMS)
def test_the_search_knows_private_keys_by_their_looks(algorithm: str) -> None:
    key = tokens.generate(algorithm)
    body = "".join(tokens.dump(key).decode().splitlines()[1:-1])
    assert "PKCS #8" in secrets_search.found_in(f"x={body}", {})
    assert "JWK" in secrets_search.found_in(json.dumps(key.private.as_dict(private=True)), {})
    assert not secrets_search.found_in(json.dumps(tokens.public_jwk(key)), {})


def test_the_search_hears_what_a_job_carries() -> None:
    """No job of Portico's does; so one that nobody runs, in a queue of its own."""
    secret = f"ptc_secret_{'b' * 43}_000000"
    path = settings.VALKEY_URL.removeprefix("unix://").partition("?")[0]
    with secrets_search.overheard(path) as heard, Redis.from_url(settings.VALKEY_URL) as broker:
        app.send_task("nobody.runs", args=[secret], queue="nobodys")
        eventually(lambda: "a client secret" in secrets_search.found_in(heard(), {}))
        with pytest.raises(secrets_search.Leak, match="Valkey holds a client secret"):
            secrets_search.check(heard(), "Valkey")
        broker.delete("nobodys")
