"""Carl's credentials of every kind. A secret is shown once, in the answer to the POST that made it, and never after that."""

import html
import json
import logging
import re
import subprocess
import sys
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import jwt as pyjwt
import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from apis.actions import subscriptions
from gateway.models import GatewayNode
from keys import tokens, uses
from keys.actions.credentials import revoke, roll
from keys.actions.policies import change_policy
from keys.models import Application, Credential, CredentialUse
from keys.secrets import well_formed
from tenants.models import Event, Role, User
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, queries
from tests.keys.test_secrecy import everything_stored

SECRET = re.compile(r"ptc_secret_\w+")


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def carl(cast: Cast) -> Client:
    return signed_in(cast.carl)


@pytest.fixture
def checkout(cast: Cast) -> Application:
    with tenant_scope(cast.acme.pk):
        return make.application(cast.carl, name="Checkout")


@pytest.fixture
def credential(cast: Cast, checkout: Application) -> Credential:
    with tenant_scope(cast.acme.pk):
        return make.credential(checkout, label="CI")[0]


def at(application: Application, credential: Credential | None = None, what: str = "new", kind: str = "client_secret") -> str:
    base = f"/t/acme/apps/{application.pk}/credentials/"
    return f"{base}{credential.pk}/{what}/" if credential else f"{base}{what}/?kind={kind}"


def text(shown: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", shown)).strip().replace("&#x27;", "'").replace("&quot;", '"')


def secret_in(answer: Any) -> str:
    """The one secret that an answer shows."""
    assert answer.status_code == 200, text(answer.content.decode())
    found = set(SECRET.findall(answer.content.decode()))
    assert len(found) == 1
    secret: str = found.pop()
    assert well_formed(secret)
    return secret


def stored(cast: Cast) -> list[tuple[str, str]]:
    with tenant_scope(cast.acme.pk):
        return list(Credential.objects.order_by("pk").values_list("status", "label"))


# --- shown once


def test_a_new_secret_is_shown_once_and_works(cast: Cast, carl: Client, checkout: Application) -> None:
    assert carl.get(at(checkout)).status_code == 200
    with queries("page:app-credential-new"):
        answer = carl.post(at(checkout), {"label": "CI", "last_day": "", "once": "1"})
    secret = secret_in(answer)
    assert answer["Cache-Control"] == "private, no-store"
    shown = answer.content.decode()
    assert "Shown once" in text(shown)
    assert f'<code id="the-secret" tabindex="0">{secret}</code>' in shown
    assert 'data-copy="the-secret"' in shown
    assert f'href="/t/acme/apps/{checkout.pk}/">I have stored it</a>' in shown
    body = f"grant_type=client_credentials&client_id={checkout.client_id}&client_secret={secret}"
    asked = Client().post("/t/acme/oauth/token", body, content_type="application/x-www-form-urlencoded")
    assert asked.json()["token_type"] == "Bearer"
    assert stored(cast) == [("active", "CI")]
    with tenant_scope(cast.acme.pk):
        assert Event.objects.get(kind="credential.created").actor_id == cast.carl.pk


@pytest.mark.parametrize("how", ["made", "rolled"])
def test_sent_twice_or_reloaded_it_makes_no_second_secret_and_says_so(
    cast: Cast, carl: Client, checkout: Application, credential: Credential, how: str
) -> None:
    path, body = (
        (at(checkout), {"label": "CI", "once": "1"}) if how == "made" else (at(checkout, credential, "roll"), {"grace": "1h", "once": "1"})
    )
    secret_in(carl.post(path, body))
    before = stored(cast)
    again = carl.post(path, body)
    assert again.status_code == 409
    assert not SECRET.search(again.content.decode())
    assert "A secret or an API key is shown once only" in text(again.content.decode())
    assert f'href="/t/acme/apps/{checkout.pk}/"' in again.content.decode()
    assert stored(cast) == before


def test_a_secret_is_in_no_session_message_event_log_address_or_later_page(
    cast: Cast, carl: Client, checkout: Application, caplog: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    made = carl.post(at(checkout), {"label": "CI"})
    with tenant_scope(cast.acme.pk):
        first = Credential.objects.get()
    rolled = carl.post(at(checkout, first, "roll"), {"grace": "1h"})
    secrets = [secret_in(made), secret_in(rolled)]
    later = [carl.get(f"/t/acme/apps/{checkout.pk}/?tab={tab}").content.decode() for tab in ("credentials", "activity")]
    later += [carl.get(at(checkout)).content.decode(), carl.get(at(checkout, first, "revoke")).content.decode()]
    later += [carl.post(at(checkout, first, "revoke"), {}, follow=True).content.decode()]
    with tenant_scope(cast.acme.pk):
        kept = everything_stored()
    kept += json.dumps([each.get_decoded() for each in Session.objects.all()])
    headers = [str(answer.headers) + str(answer.cookies) for answer in (made, rolled)]
    assert checkout.client_id in kept, "the search sees the rows"
    for secret in secrets:
        for where in (kept, caplog.text, str(carl.cookies), *headers, *later):
            assert secret not in where
            assert secret[11:54] not in where


def test_the_sample_works_as_it_stands(cast: Cast, carl: Client, checkout: Application, tmp_path: Any) -> None:
    ids = [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]
    get = {"responses": {"200": {"description": "An answer"}}}
    paths = {"/a/{id}": {"parameters": ids, "get": get}, "/it's": {"get": get}, "/b": {"post": get}}
    with tenant_scope(cast.acme.pk):
        document = {"openapi": "3.1.0", "info": {"title": "Orders", "version": "1"}, "paths": paths}
        pending = make.subscription(of=checkout, to=make.plan(make.api("orders", content=document)), status="pending")
    before = carl.post(at(checkout), {})
    assert "A first call stands here once a subscription is active." in text(before.content.decode())
    assert f"{checkout.client_id}:{secret_in(before)}" in calls_of(before, tmp_path)[0]
    with tenant_scope(cast.acme.pk):
        subscriptions.approve(pending, by=cast.ada)
    answer = carl.post(at(checkout), {})
    token, call = calls_of(answer, tmp_path)
    assert f"{checkout.client_id}:{secret_in(answer)}" in token
    assert "/t/acme/oauth/token" in token
    assert "Authorization: Bearer ey.J.x" in call
    assert re.search(r"http://127\.0\.0\.1:\d+/acme/orders/v1/it's", call)


def calls_of(answer: Any, where: Path) -> list[str]:
    """What the sample of a page calls curl with, run as it stands with a curl that answers as our token endpoint does."""
    sample = re.search(r'<code id="the-sample">(.*?)</code>', answer.content.decode(), re.DOTALL)
    assert sample
    curl, log = where / "curl", where / "log"
    curl.write_text(f"""#!/bin/sh\necho "$*" >> {log}\necho '{{"access_token": "ey.J.x", "token_type": "Bearer"}}'\n""")
    curl.chmod(0o755)
    log.unlink(missing_ok=True)
    script = html.unescape(re.sub(r"<[^>]+>", "", sample[1]))
    subprocess.run(["sh", "-e", "-c", script], cwd=where, env={"PATH": f"{where}:/usr/bin:/bin"}, check=True, capture_output=True)
    return log.read_text().splitlines()


# --- the other kinds


def test_carl_chooses_first_how_his_application_proves_itself(carl: Client, checkout: Application) -> None:
    carl.get(f"/t/acme/apps/{checkout.pk}/")
    with queries("page:app-credential-new kinds"):
        answer = carl.get(f"/t/acme/apps/{checkout.pk}/credentials/new/")
    shown = answer.content.decode()
    assert re.findall(r'href="\?kind=(\w+)"', shown) == ["client_secret", "api_key", "key_pair", "issuer"]
    assert "How is Checkout to prove itself?" in text(shown)
    for kind in ("client_secret", "api_key", "key_pair", "issuer"):
        assert carl.get(at(checkout, kind=kind)).status_code == 200
    for kind in ("", "password", "<script>"):
        assert text(carl.post(at(checkout, kind=kind), {}).content.decode()).count("How is Checkout to prove itself?") == 1


def test_an_api_key_is_shown_once_with_a_call_that_works_as_it_stands(
    cast: Cast, carl: Client, checkout: Application, tmp_path: Any
) -> None:
    before = carl.post(at(checkout, kind="api_key"), {"label": "Batch"})
    assert "A first call stands here once a subscription is active." in text(before.content.decode())
    with tenant_scope(cast.acme.pk):
        make.subscription(of=checkout, to=make.plan(make.api("orders")))
    with queries("page:app-credential-new api key"):
        answer = carl.post(at(checkout, kind="api_key"), {"label": "Batch", "last_day": "", "once": "1"})
    assert answer["Cache-Control"] == "private, no-store"
    key = re.search(r'<code id="the-secret" tabindex="0">(ptc_live_[\w.-]+)</code>', answer.content.decode())
    assert key
    assert "Your new API key: Batch" in text(answer.content.decode())
    [call] = calls_of(answer, tmp_path)
    assert re.fullmatch(rf"http://127\.0\.0\.1:\d+/acme/orders/v1/orders -H X-API-Key: {re.escape(key[1])}", call)
    later = carl.get(f"/t/acme/apps/{checkout.pk}/").content.decode()
    assert key[1][-20:] not in later
    assert f"Batch …{key[1][-4:]} API key created" in text(later)
    again = carl.post(at(checkout, kind="api_key"), {"label": "Batch", "once": "1"})
    assert (again.status_code, "ptc_live_" in again.content.decode()) == (409, False)
    with tenant_scope(cast.acme.pk):
        assert everything_stored().count(key[1].split(".")[2]) == 0
        assert Credential.objects.count() == 2


def test_an_api_key_lasts_to_the_end_of_a_day_within_the_policy(cast: Cast, carl: Client, checkout: Application) -> None:
    with tenant_scope(cast.acme.pk):
        change_policy({"api_key_days": 30}, by=None)
    latest = timezone.localdate() + timedelta(days=30)
    assert "after 30 days at the latest" in text(carl.get(at(checkout, kind="api_key")).content.decode())
    late = carl.post(at(checkout, kind="api_key"), {"label": "Late", "last_day": str(latest + timedelta(days=1))})
    assert (late.status_code, stored(cast)) == (422, [])
    assert "API keys work for at most 30 days here; choose an earlier day." in text(late.content.decode())
    assert str(latest + timedelta(days=1)) in late.content.decode()
    for day in (latest, timezone.localdate()):
        assert carl.post(at(checkout, kind="api_key"), {"last_day": str(day)}).status_code == 200, day
    with tenant_scope(cast.acme.pk):
        ends = [each.expires_at for each in Credential.objects.order_by("pk") if each.expires_at]
    assert timedelta(days=29, hours=23) < ends[0] - timezone.now() < timedelta(days=30)
    assert ends[1] == datetime.combine(timezone.localdate() + timedelta(days=1), time(), tzinfo=timezone.get_current_timezone())


def test_rolling_an_api_key_speaks_of_api_keys(cast: Cast, carl: Client, checkout: Application) -> None:
    with tenant_scope(cast.acme.pk):
        old, _ = make.api_key(checkout, label="Batch")
    question = text(carl.get(at(checkout, old, "roll")).content.decode())
    assert f"Roll the API key Batch …{old.last_four}?" in question
    assert "How long does the old API key work on?" in question
    assert "Safe to revoke? Not known yet. It was not used yet, and is only" in question
    assert "secret" not in re.sub(r"(?s)^.*Roll the API key", "", question)
    answer = carl.post(at(checkout, old, "roll"), {"grace": "1h"}).content.decode()
    assert "Your new API key: Batch" in text(answer)
    assert len(set(re.findall(r"ptc_live_[\w.-]+", answer))) == 1


def public_jwk(alg: str = "ES256") -> str:
    return json.dumps(tokens.public_jwk(tokens.generate(alg)))


def test_a_key_pair_is_registered_and_its_sample_signs_with_it(carl: Client, cast: Cast, checkout: Application, tmp_path: Any) -> None:
    assert "joserfc" in text(carl.get(at(checkout, kind="key_pair")).content.decode())
    key = tokens.generate("ES384")
    with queries("page:app-credential-new key pair"):
        answer = carl.post(at(checkout, kind="key_pair"), {"label": "HSM", "jwks": json.dumps(tokens.public_jwk(key)), "once": "1"})
    told = text(answer.content.decode())
    assert "The key pair is registered: HSM" in told
    assert "Shown once" not in told
    (tmp_path / "private.pem").write_bytes(tokens.dump(key))
    proof = proof_of(answer, tmp_path)
    issuer = tokens.issuer(settings.PORTAL_URL, "acme")
    claims = pyjwt.decode(proof, key.private.as_pem(private=False), algorithms=["ES384"], audience=issuer)
    assert claims["iss"] == claims["sub"] == checkout.client_id
    assert claims["exp"] - claims["iat"] <= 60
    assert pyjwt.get_unverified_header(proof)["kid"] == key.kid
    with tenant_scope(cast.acme.pk):
        pair = Credential.objects.get()
    shown = text(carl.get(f"/t/acme/apps/{checkout.pk}/").content.decode())
    assert f"HSM …{key.kid[-4:]} Key pair created" in shown
    assert at(checkout, pair, "roll") not in carl.get(f"/t/acme/apps/{checkout.pk}/").content.decode()
    looked = carl.get(at(checkout, pair, "roll"), follow=True)
    assert "Only secrets and API keys can be rolled" in text(looked.content.decode())
    assert carl.post(at(checkout, pair, "roll"), {"grace": "0"}, follow=True).redirect_chain
    assert f"Revoke the key pair HSM …{key.kid[-4:]} now?" in text(carl.get(at(checkout, pair, "revoke")).content.decode())


def proof_of(answer: Any, where: Path) -> str:
    """The assertion that the Python sample of a page sends, run as it stands but for what httpx sends it to."""
    sample = re.search(r'<code id="the-sample">(.*?)</code>', answer.content.decode(), re.DOTALL)
    assert sample
    (where / "httpx.py").write_text("def post(url, data):\n    print(data['client_assertion'])\n    raise SystemExit\n")
    script = html.unescape(re.sub(r"<[^>]+>", "", sample[1]))
    environment = {"PYTHONPATH": str(where), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", script], cwd=where, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


ISSUER = {"issuer": "https://id.example/acme", "claim_name": "azp", "claim_value": "check'out", "jwks_url": "", "label": ""}


def test_a_trusted_issuer_is_named_with_what_its_tokens_must_say(carl: Client, checkout: Application, tmp_path: Any) -> None:
    (tmp_path / "token.jwt").write_text("ey.J.issuer")
    carl.get(at(checkout, kind="issuer"))
    with queries("page:app-credential-new issuer"):
        answer = carl.post(at(checkout, kind="issuer"), {**ISSUER, "jwks": public_jwk(), "once": "1"})
    told = text(answer.content.decode())
    assert "The issuer is trusted: id.example" in told
    assert "a token of https://id.example/acme whose claim azp is check'out, for the audience" in told
    [ask] = calls_of(answer, tmp_path)
    assert "client_assertion=ey.J.issuer" in ask
    assert f"client_id={checkout.client_id}" in ask
    shown = text(carl.get(f"/t/acme/apps/{checkout.pk}/").content.decode())
    assert "id.example Trusted issuer created" in shown
    assert "https://id.example/acme · azp = check'out" in shown


@pytest.mark.parametrize(
    "kind,typed,says",
    [
        ("key_pair", {"jwks": ""}, "Fill this in."),
        ("key_pair", {"jwks": "<script>alert(1)</script>"}, "This isn't JSON."),
        ("key_pair", {"jwks": json.dumps(tokens.generate().private.as_dict(private=True))}, "This is a private key."),
        ("key_pair", {"jwks": json.dumps({"kty": "oct", "k": "AAAA"})}, "This is a shared secret (oct)"),
        ("key_pair", {"jwks": "x" * 70_000}, "65536 are the most"),
        ("issuer", {"issuer": "http://id.example"}, "Write the issuer as it stands in the claim iss"),
        ("issuer", {"claim_name": "iss"}, "iss does not say who asks"),
        ("issuer", {"claim_value": ""}, "Fill this in."),
        ("issuer", {"jwks": "", "jwks_url": ""}, "Give the address of the keys, or the keys: one of the two."),
        ("issuer", {"jwks_url": "https://id.example/jwks"}, "Give the address of the keys, or the keys: one of the two."),
        ("issuer", {"jwks": "", "jwks_url": "http://id.example/jwks"}, "The address of a JWKS begins with https://"),
        ("issuer", {"jwks": "", "jwks_url": "https://10.1.2.3/jwks"}, "10.1.2.3 has no public address"),
    ],
)
def test_what_cannot_be_trusted_is_refused_at_its_field(
    cast: Cast, carl: Client, checkout: Application, kind: str, typed: dict[str, str], says: str
) -> None:
    good = {"jwks": public_jwk(), **(ISSUER if kind == "issuer" else {})}
    answer = carl.post(at(checkout, kind=kind), {**good, "label": "Typed already", **typed})
    shown = answer.content.decode()
    assert (answer.status_code, says in text(shown), "Typed already" in shown) == (422, True, True)
    assert 'class="error' in shown or "errorlist" in shown
    field = re.search(rf'name="{[*typed][-1]}"[^>]*', shown)
    assert field
    assert 'aria-invalid="true"' in field[0]
    assert "<script>alert" not in shown
    assert stored(cast) == []


# --- whether it can go


def test_carl_reads_how_much_a_credential_is_used_and_whether_it_can_go(cast: Cast, carl: Client, checkout: Application) -> None:
    with tenant_scope(cast.acme.pk):
        old, _ = make.credential(checkout, label="CI")
        uses.store(cast.acme.pk, calls={old.pk: 1204})
        new, _ = roll(old, grace="24h", by=cast.carl)
    shown = text(carl.get(f"/t/acme/apps/{checkout.pk}/").content.decode())
    assert re.search(rf"Safe to revoke CI …{old.last_four}\? Not yet\. It was used \d+ seconds? ago, with 1,204 calls", shown)
    assert "Its replacement was not used yet." in shown
    assert f"CI …{new.last_four} Client secret" in shown
    question = text(carl.get(at(checkout, old, "revoke")).content.decode())
    assert "Safe to revoke? Not yet. It was used" in question
    with tenant_scope(cast.acme.pk):
        CredentialUse.objects.update(last_at=timezone.now() - timedelta(days=2))
        uses.store(cast.acme.pk, tokens={new.pk: 1})
    question = text(carl.get(at(checkout, old, "revoke")).content.decode())
    assert "Safe to revoke? Yes. Its replacement is in use, and it was itself not used for 2 days." in question


# --- what may be typed


@pytest.mark.parametrize(
    "typed,says",
    [
        ({"label": "n" * 81}, "This has 81 characters; 80 are the most."),
        ({"label": "a\x07b"}, "Control characters"),
        ({"last_day": "31.12.2099"}, "Write a date such as 2027-03-31."),
        ({"last_day": "2001-01-01"}, "This day has passed; choose a later one."),
        ({"last_day": "9999-12-31"}, "Choose a year before 3000"),
        ({"last_day": "9" * 5000}, "Write a date such as 2027-03-31."),
    ],
)
def test_what_cannot_be_used_comes_back_with_a_sentence(
    cast: Cast, carl: Client, checkout: Application, typed: dict[str, str], says: str
) -> None:
    answer = carl.post(at(checkout), {"label": "<script>alert(1)</script>", **typed})
    shown = answer.content.decode()
    assert (answer.status_code, says in shown) == (422, True)
    assert "<script>alert" not in shown
    assert next(iter(typed.values()))[:50].replace("\x07", "\x07") in shown
    assert not SECRET.search(shown)
    assert stored(cast) == []


def test_the_last_day_ends_where_carl_lives(cast: Cast, carl: Client, checkout: Application) -> None:
    cast.carl.time_zone = "Pacific/Auckland"
    cast.carl.save(update_fields=["time_zone"])
    assert "Pacific/Auckland" in carl.get(at(checkout)).content.decode()
    secret_in(carl.post(at(checkout), {"last_day": "2099-07-03"}))
    with tenant_scope(cast.acme.pk):
        ends = Credential.objects.get().expires_at
    assert ends is not None
    assert ends.isoformat() == "2099-07-03T12:00:00+00:00"


def test_a_rule_says_no_and_what_was_typed_is_there_again(cast: Cast, carl: Client, checkout: Application) -> None:
    with tenant_scope(cast.acme.pk):
        for _ in range(10):
            make.credential(checkout)
    answer = carl.post(at(checkout), {"label": "The eleventh", "once": "1"})
    assert (answer.status_code, "The eleventh" in answer.content.decode()) == (409, True)
    assert "has 10 working credentials" in text(answer.content.decode())
    with tenant_scope(cast.acme.pk):
        revoke(Credential.objects.earliest("pk"), by=cast.carl)
    secret_in(carl.post(at(checkout), {"label": "The eleventh", "once": "1"}))


# --- rolling


def test_rolling_says_until_when_the_old_one_works(cast: Cast, carl: Client, checkout: Application, credential: Credential) -> None:
    tomorrow = timezone.now() + timedelta(hours=24)
    with queries("page:app-credential-roll"):
        question = text(carl.get(at(checkout, credential, "roll")).content.decode())
    assert "Not at all: it and its tokens end at once" in question
    assert re.search(rf"A day: until tomorrow {tomorrow:%H}:\d\d, then it and its tokens end", question)
    secret_in(carl.post(at(checkout, credential, "roll"), {"grace": "24h"}))
    assert stored(cast) == [("expiring", "CI"), ("active", "CI")]
    shown = carl.get(f"/t/acme/apps/{checkout.pk}/").content.decode()
    with tenant_scope(cast.acme.pk):
        new = Credential.objects.get(status="active")
    told = text(shown)
    assert re.search(r"In grace, 2[34] hr left", told)
    assert f"replaced by …{new.last_four}" in told
    assert f"Safe to revoke CI …{credential.last_four}? Not known yet. It was not used yet" in told
    assert at(checkout, credential, "revoke") in shown
    assert at(checkout, credential, "roll") not in shown


def test_no_grace_outlives_the_secrets_own_last_day(cast: Cast, carl: Client, checkout: Application) -> None:
    with tenant_scope(cast.acme.pk):
        soon, _ = make.credential(checkout, expires_at=timezone.now() + timedelta(minutes=10))
    question = text(carl.get(at(checkout, soon, "roll")).content.decode())
    ends = f"{timezone.localtime(soon.expires_at):%H:%M}"
    assert len(re.findall(rf"until (?:today|tomorrow) {ends}, then", question)) == 3


@pytest.mark.parametrize("grace", ["", "1y", "<script>alert(1)</script>"])
def test_only_these_graces_are_given(cast: Cast, carl: Client, checkout: Application, credential: Credential, grace: str) -> None:
    answer = carl.post(at(checkout, credential, "roll"), {"grace": grace})
    assert answer.status_code == 422
    assert "<script>alert" not in answer.content.decode()
    assert stored(cast) == [("active", "CI")]


def test_a_page_that_grew_old_changes_nothing(cast: Cast, carl: Client, checkout: Application, credential: Credential) -> None:
    with tenant_scope(cast.acme.pk):
        roll(credential, grace="0", by=cast.carl)
    before = stored(cast)
    answer = carl.post(at(checkout, credential, "roll"), {"grace": "1h"})
    assert (answer.status_code, "so it can't become expiring" in text(answer.content.decode())) == (409, True)
    looked = carl.get(at(checkout, credential, "roll"), follow=True)
    assert looked.redirect_chain == [(f"/t/acme/apps/{checkout.pk}/", 302)]
    assert "not active any more" in text(looked.content.decode())
    assert carl.post(at(checkout, credential, "revoke"), {}).status_code == 409
    assert stored(cast) == before


# --- revoking


def test_revoking_names_what_stops_and_brings_the_receipt(cast: Cast, carl: Client, checkout: Application, credential: Credential) -> None:
    GatewayNode.objects.create(name="edge", connected=True, seen_at=timezone.now())
    path = at(checkout, credential, "revoke")
    says = "Checkout's calls with it are refused on 1 gateway within a second. It has no other credential"
    assert says in text(carl.get(path).content.decode())
    dialog = carl.get(path, headers={"HX-Request": "true", "HX-Target": "dialog"}).content.decode()
    assert "<html" not in dialog
    assert says in text(dialog)
    answer = carl.post(path, {"reason": "It leaked."}, headers={"HX-Request": "true", "HX-Target": "dialog"})
    assert json.loads(answer["HX-Location"])["path"] == f"/t/acme/apps/{checkout.pk}/"
    with tenant_scope(cast.acme.pk):
        event = Event.objects.get(kind="credential.revoked")
    assert (event.actor_id, event.data) == (cast.carl.pk, {"was": "active", "reason": "It leaked."})
    after = carl.get(f"/t/acme/apps/{checkout.pk}/").content.decode()
    assert f"The secret CI …{credential.last_four} of Checkout is revoked." in text(after)
    assert f"receipts/{event.number}/?part=1" in after
    assert "Revoked" in text(after)


def test_only_the_owner_makes_secrets_and_an_admin_may_end_them(cast: Cast, checkout: Application, credential: Credential) -> None:
    with tenant_scope(cast.acme.pk):
        cora = make.member(cast.acme, "cora@acme.example", Role.DEVELOPER)
        alan = make.member(cast.acme, "alan@acme.example", Role.APPROVER, Role.DEVELOPER)
        uma = make.member(cast.acme, "uma@acme.example", Role.AUDITOR)
    paths = {what: at(checkout, None if what == "new" else credential, what) for what in ("new", "roll", "revoke")}
    for user in (cast.eve, cast.olga, cora, alan):
        for path in paths.values():
            assert signed_in(user).get(path).status_code == 404, (user, path)
            assert signed_in(user).post(path, {"grace": "0"}).status_code == 404, (user, path)
    for path in paths.values():
        assert signed_in(uma).post(path, {"grace": "0"}).status_code == 403
    ada = signed_in(cast.ada)
    assert ada.post(paths["new"], {}).status_code == ada.post(paths["roll"], {"grace": "0"}).status_code == 404
    assert stored(cast) == [("active", "CI")]
    assert ada.get(paths["revoke"]).status_code == 200
    assert ada.post(paths["revoke"], {"reason": "It leaked."})["Location"] == f"/t/acme/console/applications/{checkout.pk}/"
    assert stored(cast) == [("revoked", "CI")]


def test_a_secret_is_reached_through_its_own_application_alone(cast: Cast, carl: Client, credential: Credential) -> None:
    with tenant_scope(cast.acme.pk):
        other = make.application(cast.carl)
    for what in ("roll", "revoke"):
        assert carl.post(at(other, credential, what), {"grace": "0"}).status_code == 404
    assert stored(cast) == [("active", "CI")]


def test_a_hostile_label_is_text_wherever_it_stands(cast: Cast, carl: Client, checkout: Application) -> None:
    with tenant_scope(cast.acme.pk):
        bad, _ = make.credential(checkout, label='"><script>alert(1)</script> 50%(x)s')
    for path in (f"/t/acme/apps/{checkout.pk}/", at(checkout, bad, "roll"), at(checkout, bad, "revoke")):
        shown = carl.get(path).content.decode()
        assert "&lt;script&gt;alert(1)&lt;/script&gt; 50%(x)s" in shown
        assert "<script>alert" not in shown
