"""Signing in by a provider that lies, and by browsers that somebody else leads; through the pages, up to the session."""

import base64
import hashlib
import logging
import re
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.conf import settings as portal_settings
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from keys import oidc
from keys.actions.identities import unlink
from keys.actions.identity_providers import change_provider
from keys.models import Identity
from portal.pages import provider_sign_in
from tenants.errors import NotAllowed
from tenants.models import Membership, PlatformSettings, Role, SignUp, Tenant, User
from tenants.scope import tenant_scope
from tests import hostile_idp, make
from tests.conftest import Cast
from tests.hostile_idp import CLIENT, SECRET, Hostile, Said, told
from tests.idp import CLICK, sent_to
from tests.keys.proofs import STRANGER
from tests.portal.account_letters import folder, letters
from tests.portal.pages.test_accounts_reset import choose
from tests.portal.pages.test_console import signed_in, text
from tests.portal.pages.test_second_factors import PASSKEY, add, enter
from tests.portal.soft_key import SoftKey

__all__ = ["folder"]
PASSWORD = "correct horse battery"


@pytest.fixture
def idp(settings: Any) -> Iterator[Hostile]:
    settings.UPSTREAM_NETWORKS = ["127.0.0.0/8"]
    with hostile_idp.running() as found:
        yield found


def names(tenant: Tenant, idp: Hostile, by: User, **more: Any) -> None:
    with tenant_scope(tenant.pk):
        change_provider({"issuer": idp.url, "client_id": CLIENT, "client_secret": SECRET, "enabled": True, **more}, by=by)


@pytest.fixture
def acme(cast: Cast, idp: Hostile) -> Cast:
    names(cast.acme, idp, cast.ada)
    return cast


def on_the_way(client: Client, idp: Hostile, slug: str = "acme", **more: Any) -> str:
    """The callback's address, as the provider would send the browser there."""
    return f"/t/{slug}/sign-in/callback/?code=a-code&state={idp.sent(sent_to(client, slug, **more))}"


def sign_in(client: Client, idp: Hostile, slug: str = "acme", **more: Any) -> Any:
    return client.get(on_the_way(client, idp, slug, **more))


def out(client: Client, slug: str = "acme") -> bool:
    answer = client.get(f"/t/{slug}/")
    return bool(answer.status_code == 302 and answer["Location"].startswith("/accounts/login/"))


def refuses(client: Client, answer: Any, why: str, *, status: int = 401) -> None:
    assert answer.status_code == status, answer.content
    assert why in text(answer)
    assert out(client)
    with tenant_scope(Tenant.objects.get(slug="acme").pk):
        assert not Identity.objects.exists()


def identities(cast: Cast) -> list[str]:
    with tenant_scope(cast.acme.pk):
        return list(Identity.objects.values_list("subject", flat=True))


# --- what it says -----------------------------------------------------------------------------------------------------------------------


def test_what_it_should_say_signs_carl_in(acme: Cast, idp: Hostile, client: Client) -> None:
    assert sign_in(client, idp)["Location"] == "/t/acme/"
    assert not out(client)
    assert [each.path for each in idp.asked] == ["/.well-known/openid-configuration", "/token", "/jwks"]
    for model in (SocialAccount, SocialApp, SocialToken):
        assert not model.objects.exists(), "what allauth would keep of it"


def test_a_forged_signature_signs_nobody_in(acme: Cast, idp: Hostile, client: Client) -> None:
    idp.alg, idp.key, idp.header = "ES256", STRANGER, {"kid": idp.keys[0]["kid"]}
    refuses(client, sign_in(client, idp), "is not signed by a key that it shows")


def test_nor_does_no_signature(acme: Cast, idp: Hostile, client: Client) -> None:
    back = on_the_way(client, idp)
    head = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    idp.id_token = f"{head}.{idp.token().split('.')[1]}."
    refuses(client, client.get(back), "is not signed by a key that it shows")


@pytest.mark.parametrize("nonce", [None, "", "another", ["x"], 7])
def test_a_token_of_another_sign_in_signs_nobody_in(acme: Cast, idp: Hostile, client: Client, nonce: Any) -> None:
    """Stolen from where somebody else signed in, and put in the place of one's own."""
    idp.claims = {"nonce": nonce}
    refuses(client, sign_in(client, idp), "belongs to another sign-in")


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "https://login.example.com"}, "is another issuer's"),
        ({"aud": "another-client"}, "is for another client than ours"),
        ({"aud": [CLIENT, "another"], "azp": "another"}, "is for another client than ours"),
        ({"exp": 1_000_000_000}, "does not hold now"),
        ({"iat": 4_000_000_000, "exp": 4_000_000_300}, "does not hold now"),
        ({"sub": None}, "does not say who signed in"),
    ],
)
def test_nor_does_one_that_is_somebody_elses_or_does_not_hold(
    acme: Cast, idp: Hostile, client: Client, claims: dict[str, Any], why: str
) -> None:
    idp.claims = claims
    refuses(client, sign_in(client, idp), why)


@pytest.mark.parametrize("verified", [False, "false", None, 1, "yes"])
def test_an_address_that_it_does_not_confirm_is_nobodys(acme: Cast, idp: Hostile, client: Client, verified: Any) -> None:
    """Where people write their address themselves, anybody is Ada."""
    idp.claims = {"email": "ada@acme.example", "email_verified": verified}
    refuses(client, sign_in(client, idp), "does not say that ada@acme.example is confirmed", status=403)


@pytest.mark.parametrize(
    "email", [None, "", "carl", "carl@", "@acme.example", "cärl@acme.example", "carl@acme", "x" * 250 + "@acme.example"]
)
def test_what_is_no_address_is_nobodys(acme: Cast, idp: Hostile, client: Client, email: Any) -> None:
    idp.claims, idp.told = {"email": email}, {"sub": "carl-1"}
    answer = sign_in(client, idp)
    assert (answer.status_code, out(client)) == (403, True)


def test_what_is_told_beside_the_token_about_another_person_is_nobodys(acme: Cast, idp: Hostile, client: Client) -> None:
    idp.claims, idp.told = {"email": None, "email_verified": None}, {"sub": "ada-1", "email": "ada@acme.example", "email_verified": True}
    refuses(client, sign_in(client, idp), "tells about another person")
    idp.told = {"sub": "carl-1", "email": "carl@acme.example", "email_verified": True}
    assert sign_in(client, idp)["Location"] == "/t/acme/"


def test_two_people_at_the_provider_are_not_one_here(acme: Cast, idp: Hostile) -> None:
    """Whoever gets Carl's address after him is not Carl."""
    sign_in(Client(), idp)
    idp.claims = {"sub": "carl-2"}
    browser = Client()
    answer = sign_in(browser, idp)
    assert (answer.status_code, out(browser)) == (403, True)
    assert "is linked to another account at the provider" in text(answer)
    assert '<a class="btn primary" href="/accounts/login/">' in answer.content.decode(), "to begin anew would lead here again"
    assert identities(acme) == ["carl-1"]


def test_a_service_account_is_nobody_who_signs_in(acme: Cast, idp: Hostile, client: Client) -> None:
    with tenant_scope(acme.acme.pk):
        account, _ = make.service_account(by=acme.ada)
    User.objects.filter(pk=account.user_id).update(email="terraform@acme.example")
    with tenant_scope(acme.acme.pk):
        change_provider({"joins_as": "developer"}, by=acme.ada)
    idp.claims = {"email": "terraform@acme.example"}
    answer = sign_in(client, idp)
    assert (answer.status_code, out(client)) == (403, True)
    with tenant_scope(acme.acme.pk):
        Identity.objects.create(issuer=idp.url, subject="robot", user=account.user)
    idp.claims = {"sub": "robot"}
    assert "This account is closed." in text(sign_in(client, idp)), "nor if a link were there"


@pytest.mark.parametrize(
    "said",
    [
        told({"access_token": "t"}), told({"access_token": "t", "id_token": None}), told({"access_token": "t", "id_token": 7}),
        told({"access_token": "t", "id_token": ["x"]}), told({"access_token": "t", "id_token": "x.y.z"}), told({"access_token": None}),
        told({"error": "invalid_client", "error_description": "<script>evil</script>"}), told([]), told("x"), told(None), told([[1]]),
        Said(b"access_token=t&id_token=x", headers={"Content-Type": "application/x-www-form-urlencoded"}), Said(b"{" * 60_000), Said(b""),
        Said(b"\xff\xfe"), Said(b"{}", headers={"Content-Type": ""}), Said(b"{" + b" " * 70_000), Said(status=500), Said(status=400),
        Said(status=302, headers={"Location": "https://evil.example/"}), Said(status=307, headers={"Location": "/elsewhere"}),
    ],
    ids=range(21),
)  # fmt: skip
def test_whatever_else_it_gives_for_the_code_signs_nobody_in_and_breaks_nothing(
    acme: Cast, idp: Hostile, client: Client, said: Said
) -> None:
    idp.says["/token"] = said
    answer = sign_in(client, idp)
    assert answer.status_code == 401, answer.content
    assert out(client)
    assert "evil" not in answer.content.decode()
    assert SECRET not in answer.content.decode()
    assert "/elsewhere" not in [each.path for each in idp.asked], "code and secret go nowhere else"


@pytest.mark.parametrize("end", ["/jwks", "/userinfo", "/.well-known/openid-configuration"])
@pytest.mark.parametrize("said", [Said(b"[]"), Said(status=500), Said(b"{}"), Said(b"\xff"), told({"keys": [None, [], 7, {"kty": []}]})])
def test_documents_that_are_none_sign_nobody_in(acme: Cast, idp: Hostile, client: Client, end: str, said: Said) -> None:
    idp.claims = {"email": None}
    if end == "/.well-known/openid-configuration":
        idp.says[end] = said
        answer = client.get("/t/acme/sign-in/start/", headers=CLICK)
        assert answer.status_code == 401
    else:
        back = on_the_way(client, idp)
        idp.says[end] = said
        answer = client.get(back)
        assert answer.status_code in {401, 403}
    assert "You are not signed in" in text(answer)
    assert out(client)


def test_its_words_are_text(acme: Cast, idp: Hostile, client: Client) -> None:
    oidc._documents.clear()
    idp.document = {"issuer": "<script>evil</script>\u202e"}
    answer = client.get("/t/acme/sign-in/start/", headers=CLICK)
    assert "<script>evil" not in answer.content.decode()
    idp.document = {}
    state = idp.sent(sent_to(client, "acme"))
    answer = client.get("/t/acme/sign-in/callback/", {"state": state, "error": "<b>evil", "error_description": "evil", "error_uri": "evil"})
    assert answer.status_code == 401
    assert "evil" not in answer.content.decode()


def test_a_slow_provider_is_not_waited_for_and_its_tenants_people_are_told(
    acme: Cast, idp: Hostile, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc, "PATIENCE", 0.05)
    back, entered, leave = on_the_way(client, idp), threading.Event(), threading.Event()

    def slow() -> None:
        with oidc.one_of_few(acme.acme.pk):
            entered.set()
            leave.wait(20)

    thread = threading.Thread(target=slow)
    thread.start()
    assert entered.wait(10)
    busy = client.get(back)
    leave.set()
    thread.join()
    assert (busy.status_code, busy["Retry-After"]) == (503, "5")
    assert client.get(back)["Location"] == "/t/acme/", "nothing of the sign-in was used up"


# --- which browser ----------------------------------------------------------------------------------------------------------------------

ANEW = "was begun in another browser, took more than ten minutes, or was finished already"


@pytest.mark.parametrize(
    "query", ["code=a-code", "code=a-code&state=", "code=a-code&state=made-up", "code=a-code&state=x&state=y", "error=x"]
)
def test_an_answer_that_nobody_asked_for_is_none(acme: Cast, idp: Hostile, client: Client, query: str) -> None:
    on_the_way(client, idp)
    refuses(client, client.get(f"/t/acme/sign-in/callback/?{query}"), ANEW)
    assert "/token" not in [each.path for each in idp.asked], "no code of a stranger's is exchanged"


def test_an_answer_counts_once(acme: Cast, idp: Hostile, client: Client) -> None:
    back = on_the_way(client, idp)
    assert client.get(back)["Location"] == "/t/acme/"
    again = client.get(back)
    assert again.status_code == 401
    assert ANEW in text(again)
    assert len([each for each in idp.asked if each.path == "/token"]) == 1


def test_also_one_that_failed(acme: Cast, idp: Hostile, client: Client) -> None:
    back = on_the_way(client, idp)
    idp.says["/token"] = Said(status=500)
    client.get(back)
    idp.says.clear()
    refuses(client, client.get(back), ANEW)


def test_nobody_is_signed_in_as_another_by_a_link_to_the_callback(acme: Cast, idp: Hostile, client: Client) -> None:
    """Eve begins at home, and sends Carl the last step: he would work in her name, and she could read it."""
    eves = on_the_way(Client(), idp)
    refuses(client, client.get(eves), ANEW)
    carl = signed_in(acme.carl)
    assert carl.get(eves).status_code == 401
    assert carl.get("/t/acme/").status_code == 200, "he is who he was"


def test_the_answer_to_one_tenants_sign_in_is_no_answer_to_anothers(acme: Cast, idp: Hostile, client: Client) -> None:
    names(acme.globex, idp, acme.eve)
    at_acme = on_the_way(client, idp)
    answer = client.get(at_acme.replace("/t/acme/", "/t/globex/"))
    assert answer.status_code == 401
    assert ANEW in text(answer)
    assert client.get(at_acme)["Location"] == "/t/acme/", "where it belongs, it counts"


def test_after_ten_minutes_it_counts_no_more(acme: Cast, idp: Hostile, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    back, now = on_the_way(client, idp), time.time()
    with monkeypatch.context() as later:
        later.setattr(time, "time", lambda: now + 601)
        answer = client.get(back)
    assert answer.status_code == 401
    assert ANEW in text(answer)


def test_a_code_of_another_provider_is_not_sent_to_this_one(acme: Cast, idp: Hostile, client: Client) -> None:
    """Mix-up: the browser was led to one provider, and comes back with another's code (RFC 9207)."""
    back = on_the_way(client, idp)
    refuses(client, client.get(f"{back}&iss=https://evil.example"), "is another issuer's")
    assert "/token" not in [each.path for each in idp.asked]
    assert client.get(f"{back}&iss={idp.url}")["Location"] == "/t/acme/"


def test_the_code_is_bound_to_the_browser_that_began(acme: Cast, idp: Hostile, client: Client) -> None:
    """PKCE, which the provider checks; the nonce and the state of each sign-in are its own."""
    first, second = sent_to(client, "acme"), sent_to(client, "acme")
    asked = [parse_qs(urlsplit(each).query) for each in (first, second)]
    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name]
        assert len(asked[0][name][0]) >= 16
    assert asked[0]["code_challenge_method"] == ["S256"]
    assert asked[0]["redirect_uri"] == [f"{portal_settings.PORTAL_URL}/t/acme/sign-in/callback/"]
    assert set(asked[0]["scope"][0].split()) == {"openid", "profile", "email"}
    assert asked[0]["response_type"] == ["code"]
    assert SECRET not in first
    client.get(f"/t/acme/sign-in/callback/?code=a-code&state={idp.sent(second)}")
    [exchanged] = [each for each in idp.asked if each.path == "/token"]
    digest = hashlib.sha256(exchanged.form["code_verifier"].encode()).digest()
    assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == asked[1]["code_challenge"][0]
    assert (exchanged.form["code"], exchanged.form["redirect_uri"]) == ("a-code", asked[1]["redirect_uri"][0])


@pytest.mark.parametrize("methods", [["client_secret_basic"], ["client_secret_post"], None])
def test_the_secret_is_sent_as_the_provider_takes_it(acme: Cast, idp: Hostile, client: Client, methods: list[str] | None) -> None:
    idp.document = {"token_endpoint_auth_methods_supported": methods} if methods else {}
    sign_in(client, idp)
    [exchanged] = [each for each in idp.asked if each.path == "/token"]
    basic = f"Basic {base64.b64encode(f'{CLIENT}:{SECRET}'.encode()).decode()}"
    by_header, by_form = exchanged.headers.get("Authorization") == basic, exchanged.form.get("client_secret") == SECRET
    assert (by_header, by_form) == ((False, True) if methods == ["client_secret_post"] else (True, False))


def test_an_address_with_a_query_keeps_it(acme: Cast, idp: Hostile, client: Client) -> None:
    idp.document = {"authorization_endpoint": f"{idp.url}/authorize?policy=b2c&ui=de"}
    asked = parse_qs(urlsplit(sent_to(client, "acme")).query)
    assert (asked["policy"], asked["ui"], asked["client_id"]) == (["b2c"], ["de"], [CLIENT])


STEPS = ["/t/acme/../globex/", "/t/acme/%2e%2e/globex/", "/t/acme/..\\globex/", "/t/acme/./../../profile/", "/t/acme/%2E%2E%5cprofile/"]


@pytest.mark.parametrize("onward", STEPS)
def test_nobody_is_led_out_of_the_tenant_by_steps(acme: Cast, idp: Hostile, client: Client, onward: str) -> None:
    assert sign_in(client, idp, onward=onward)["Location"] == "/t/acme/"


def test_a_session_is_new_when_it_begins(acme: Cast, idp: Hostile, client: Client) -> None:
    """Who planted the cookie before has nothing of it."""
    back = on_the_way(client, idp)
    planted = client.cookies["sessionid"].value
    client.get(back)
    assert client.cookies["sessionid"].value != planted
    assert not Session.objects.filter(session_key=planted).exists()


def test_what_was_typed_before_is_still_there_and_anothers_is_not(acme: Cast, idp: Hostile, client: Client) -> None:
    form = {"name": "Kept for Carl", "purpose": "x", "environment": "live"}
    client.post("/t/acme/apps/new/", form)
    sign_in(client, idp, onward="/t/acme/apps/new/")
    assert "Kept for Carl" in client.get("/t/acme/apps/new/").content.decode()
    # Nor what he was himself, by another way in.
    for before in (acme.ada, acme.carl):
        browser = signed_in(before)
        session = browser.session
        session["kept_form"] = {"path": "/t/acme/apps/new/", "fields": "name=Another", "said": "", "at": time.time()}
        session.save()
        sign_in(browser, idp)
        assert "Another" not in browser.get("/t/acme/apps/new/").content.decode()


def test_trips_are_counted_by_where_they_come_from(acme: Cast, idp: Hostile, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_sign_in, "TRIPS", 2)
    for address in ("/t/acme/sign-in/start/", "/t/acme/sign-in/callback/?code=x&state=y"):
        assert [client.get(address, headers=CLICK).status_code == 429 for _ in range(3)] == [False, False, True]


def test_guesses_at_teams_are_counted(acme: Cast, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_sign_in, "LOOKS", 2)
    assert [client.post("/accounts/provider/", {"slug": "nowhere"}).status_code for _ in range(3)] == [422, 422, 429]


# --- how far it goes --------------------------------------------------------------------------------------------------------------------


def test_the_half_day_is_not_longer_for_who_is_busy(acme: Cast, idp: Hostile, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in(client, idp)
    session = client.session
    began = Session.objects.get(session_key=session.session_key).expire_date
    session["anything"] = 1
    later = timezone.now() + timedelta(hours=6)
    with monkeypatch.context() as at_noon:
        at_noon.setattr(timezone, "now", lambda: later)
        session.save()
    again = Session.objects.get(session_key=session.session_key).expire_date
    assert abs((again - began).total_seconds()) < 1
    assert timedelta(hours=11) < began - timezone.now() <= timedelta(hours=12)


def test_another_client_at_the_same_provider_knows_nobody_and_ends_its_sessions(acme: Cast, idp: Hostile, client: Client) -> None:
    """Some providers name people anew to each client (pairwise subjects): one's “17” is another's Ada."""
    sign_in(client, idp)
    with tenant_scope(acme.acme.pk):
        change_provider({"client_id": "another"}, by=acme.ada)
    assert out(client)
    assert identities(acme) == []
    idp.claims = {"aud": "another", "sub": "17"}
    assert sign_in(client, idp)["Location"] == "/t/acme/"
    assert identities(acme) == ["17"]


def test_a_link_is_undone_by_who_may_give_what_its_person_has(acme: Cast, idp: Hostile) -> None:
    """Who is recognised by the address next may be somebody else."""
    idp.claims = {"sub": "ada-1", "email": "ada@acme.example"}
    sign_in(Client(), idp)
    idp.claims = {}
    sign_in(Client(), idp)
    with tenant_scope(acme.acme.pk):
        role = make.custom_role("Keepers", ["settings.manage", "applications.own"])
        keeper = make.user("keeper@acme.example")
        Membership.objects.create(user=keeper, custom_roles=[role.pk])
        adas, carls = Identity.objects.get(subject="ada-1"), Identity.objects.get(subject="carl-1")
        for by in (keeper, acme.pam, acme.eve):
            with pytest.raises(NotAllowed, match="You don't hold"):
                unlink(adas, by=by)
        unlink(carls, by=keeper)
    assert identities(acme) == ["ada-1"]


def test_operators_links_are_not_shown_to_whom_a_provider_calls_an_operator(acme: Cast, idp: Hostile, client: Client) -> None:
    User.objects.filter(pk=acme.carl.pk).update(is_staff=True)
    sign_in(client, idp)
    assert "/platform/" not in client.get("/tenants/").content.decode()
    assert "/platform/" in signed_in(User.objects.get(pk=acme.carl.pk)).get("/tenants/").content.decode()


def test_a_passkey_leads_out_of_the_one_tenant_as_a_password_does(acme: Cast, idp: Hostile) -> None:
    acme.carl.set_password(PASSWORD)
    acme.carl.save()
    with tenant_scope(acme.globex.pk):
        Membership.objects.create(user=acme.carl, roles=[Role.DEVELOPER])
    key, at_home = SoftKey(), Client(SERVER_NAME="localhost")
    at_home.force_login(User.objects.get(pk=acme.carl.pk))
    at_home.post("/accounts/confirm/", {"password": PASSWORD})
    add(at_home, key, alone=True)
    browser = Client(SERVER_NAME="localhost")
    sign_in(browser, idp)
    assert browser.get("/t/globex/").status_code == 404
    half_a_day = Session.objects.get(session_key=browser.session.session_key).expire_date
    browser.get(PASSKEY, headers={"accept": "application/json"})
    assert Session.objects.get(session_key=browser.session.session_key).expire_date == half_a_day, "who only looks loses nothing"
    assert enter(browser, key)
    assert browser.get("/t/globex/").status_code == 200
    left = Session.objects.get(session_key=browser.session.session_key).expire_date - timezone.now()
    assert left > timedelta(days=1)


# --- an account that the provider made --------------------------------------------------------------------------------------------------


@pytest.fixture
def nina(acme: Cast, idp: Hostile) -> Client:
    """Acme's provider says that somebody of it has Nina's address, who has never heard of Portico."""
    with tenant_scope(acme.acme.pk):
        change_provider({"joins_as": "developer"}, by=acme.ada)
    idp.claims = {"sub": "mallory", "email": "nina@else.example", "name": "Not Nina"}
    browser = Client()
    assert sign_in(browser, idp)["Location"] == "/t/acme/"
    return browser


def test_whoever_reads_its_mails_takes_it_and_the_provider_stays_in_its_tenant(
    nina: Client, acme: Cast, idp: Hostile, folder: Path
) -> None:
    """Pre-hijacking: the account was there before its owner came."""
    owner = User.objects.get(email="nina@else.example")
    assert not EmailAddress.objects.get(user=owner).verified
    [letter] = letters(folder)
    assert letter.to == "nina@else.example", "she hears of it"
    Client().post("/accounts/password/reset/", {"email": "nina@else.example"})
    [letter] = letters(folder)
    at_home = Client()
    assert choose(at_home, letter.link, PASSWORD).status_code == 302
    assert EmailAddress.objects.get(user=owner).verified
    assert out(nina), "what the provider's session was, has ended"
    at_home.post("/accounts/login/", {"login": "nina@else.example", "password": PASSWORD})
    with tenant_scope(acme.globex.pk):
        Membership.objects.create(user=owner, roles=list(Role))
    assert at_home.get("/t/globex/").status_code == 200
    assert sign_in(nina, idp)["Location"] == "/t/acme/"
    for path in ("/t/globex/", "/t/globex/console/members/"):
        assert nina.get(path).status_code == 404
    for path in ("/profile/", "/accounts/2fa/", "/accounts/password/change/", "/accounts/sessions/"):
        assert nina.get(path).status_code == 403, "nothing of the account can be changed"


def test_signing_up_with_its_address_leads_to_a_password_by_mail(nina: Client, folder: Path) -> None:
    """There is none to confirm with, and the answer is the same as for everybody."""
    letters(folder)
    PlatformSettings.objects.update_or_create(defaults={"sign_up": SignUp.OPEN})
    form = {"name": "Nina", "email": "nina@else.example", "password": PASSWORD}
    assert Client().post("/accounts/signup/", form)["Location"] == "/accounts/confirm-email/"
    assert not User.objects.get(email="nina@else.example").has_usable_password(), "who signs up has shown nothing yet"
    [letter] = letters(folder)
    assert letter.link.startswith("/accounts/password/reset/key/")
    assert choose(Client(), letter.link, PASSWORD).status_code == 302


def test_another_tenants_invitation_makes_it_the_address_owners(nina: Client, acme: Cast) -> None:
    from tenants.people.invitations import token_of  # noqa: PLC0415

    with tenant_scope(acme.globex.pk):
        link = f"/t/globex/invitations/{token_of(make.invitation('nina@else.example', by=acme.eve))}/"
    at_home = Client()
    assert at_home.post(link, {"name": "Nina", "password": PASSWORD})["Location"] == "/t/globex/"
    assert User.objects.get(email="nina@else.example").name == "Nina", "not as the provider called her"
    assert out(nina)
    assert nina.post("/accounts/login/", {"login": "nina@else.example", "password": "not the one"}).status_code == 422


def test_it_gives_no_way_in_by_password_or_rest(nina: Client) -> None:
    stored = User.objects.get(email="nina@else.example").password
    assert stored.startswith("!")
    for password in (stored, PASSWORD):
        assert Client().post("/accounts/login/", {"login": "nina@else.example", "password": password}).status_code == 422
    given = {"email": "nina@else.example", "password": stored}
    assert Client().post("/api/v1/session/", given, content_type="application/json").status_code == 401


def test_its_address_joins_no_other_tenant_that_takes_in_a_domain(nina: Client, acme: Cast) -> None:
    """What Acme's provider confirms is confirmed at Acme."""
    from tenants.models import TenantSettings  # noqa: PLC0415
    from tenants.people.members import may_join  # noqa: PLC0415

    with tenant_scope(acme.globex.pk):
        TenantSettings.objects.update(sign_up="domains", sign_up_domains=["else.example"])
        assert not may_join(User.objects.get(email="nina@else.example"))
    assert nina.get("/t/globex/join/").status_code == 403


def test_nor_does_a_second_tenants_provider_take_it(nina: Client, acme: Cast, idp: Hostile) -> None:
    names(acme.globex, idp, acme.eve, joins_as="developer")
    answer = sign_in(Client(), idp, "globex")
    assert answer.status_code == 403
    with tenant_scope(acme.globex.pk):
        assert not Membership.objects.filter(user__email="nina@else.example").exists()


def test_a_tenants_name_is_only_text_in_the_mail(acme: Cast, idp: Hostile, folder: Path) -> None:
    Tenant.objects.filter(pk=acme.acme.pk).update(name="Win at https://evil.example\u202e")
    sign_in(Client(), idp)
    [letter] = letters(folder)
    assert "Win at https" in letter.text
    assert "\u202e" not in letter.text
    # What a mail program would make a link of is broken up.
    assert not re.search(r"evil\.example|https://evil", letter.text + letter.html)


# --- what is told of it -----------------------------------------------------------------------------------------------------------------


def test_neither_secret_nor_code_nor_token_is_told(acme: Cast, idp: Hostile, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    idp.says["/token"] = told({"error": "x", "access_token": None, "id_token": "an-id-token"})
    answers = [sign_in(client, idp)]
    idp.says.clear()
    answers.append(sign_in(client, idp))
    answers += [client.get(path) for path in ("/t/acme/", "/tenants/")]
    ada = signed_in(acme.ada)
    answers += [ada.get(f"/t/acme/console/settings/sign-in/{end}") for end in ("", "linked/", "remove/")]
    answers += [ada.get("/t/acme/console/audit/"), ada.post("/t/acme/console/settings/sign-in/test/")]
    for secret in (SECRET, "an-access-token", "an-id-token", "a-code"):
        for answer in answers:
            assert secret not in answer.content.decode()
        ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpcore", "asyncio"))]
        assert not [each for each in ours if secret in each]
    kept = " ".join(str(each.get_decoded()) for each in Session.objects.all())
    assert not [secret for secret in (SECRET, "an-access-token", "code_verifier") if secret in kept]
