"""Carl's secrets: shown once, in the answer to the POST that made them, and never after that."""

import html
import json
import logging
import re
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from apis.actions import subscriptions
from gateway.models import GatewayNode
from keys.actions import revoke, roll
from keys.models import Application, Credential
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


def at(application: Application, credential: Credential | None = None, what: str = "new") -> str:
    return f"/t/acme/apps/{application.pk}/credentials/{f'{credential.pk}/' if credential else ''}{what}/"


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
    assert answer["Cache-Control"] == "no-store"
    shown = answer.content.decode()
    assert "Shown once" in text(shown)
    assert f'<code id="the-secret">{secret}</code>' in shown
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
    assert "This was sent twice, and done once" in text(again.content.decode())
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
    subprocess.run(["sh", "-e", "-c", script], env={"PATH": f"{where}:/usr/bin:/bin"}, check=True, capture_output=True)
    return log.read_text().splitlines()


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
    assert f"Replaced by …{new.last_four}" in re.sub(r'<td data-label="Replaced by">', "Replaced by ", shown).replace("<code>", "")
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
    GatewayNode.objects.create(name="edge", token_sha256="0" * 64, connected=True, seen_at=timezone.now())
    path = at(checkout, credential, "revoke")
    says = "Checkout's calls with this secret are refused on 1 gateway within a second. It has no other secret"
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
