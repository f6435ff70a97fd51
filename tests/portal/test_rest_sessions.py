"""Signing in, staying, leaving; and tokens that are not ours."""

import base64
import hmac
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.db import connection
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import AccessToken

from gateway.tasks import prune
from tenants import sessions, signing_in
from tenants.actions import change_password
from tenants.models import Attempt, PlatformEvent, Role, Tenant, User
from tenants.scope import tenant_scope
from tests import make

PASSWORD = "correct horse battery"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing a password is slow on purpose."""
    monkeypatch.setattr(signing_in, "SIGN_INS_PER_ACCOUNT_AND_ADDRESS", 3)


@pytest.fixture
def carl(transactional_db: None) -> User:
    found = make.member(make.tenant("acme"), "carl@acme.example", Role.DEVELOPER)
    found.set_password(PASSWORD)
    found.save()
    return found


def sign_in(email: str = "carl@acme.example", password: str = PASSWORD, **more: Any) -> Any:
    return APIClient().post("/api/v1/session/", {"email": email, "password": password}, **more)


def with_token(token: str, scheme: str = "Bearer") -> Any:
    return APIClient().get("/api/v1/tenants/acme/", headers={"authorization": f"{scheme} {token}"})


def refresh(token: str) -> Any:
    return APIClient().post("/api/v1/session/refresh/", {"refresh": token})


def sign_out(token: str) -> Any:
    return APIClient().delete("/api/v1/session/", {"refresh": token})


def refused(response: Any, status: int, sentence: str) -> None:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    assert sentence in response.json()["detail"]


def test_a_person_signs_in_and_works(carl: User) -> None:
    response = sign_in(" Carl@ACME.example ")
    assert response.status_code == 200
    assert set(response.json()) == {"access", "refresh"}
    assert not response.cookies
    assert with_token(response.json()["access"]).json()["roles"] == ["developer"]
    assert PlatformEvent.objects.latest("number").kind == "login.succeeded"
    claims = pyjwt.decode(response.json()["access"], options={"verify_signature": False})
    assert (claims["iss"], claims["aud"]) == (settings.PORTAL_URL, f"{settings.PORTAL_URL}/api/v1")
    assert 299 <= claims["exp"] - claims["iat"] <= 300, "each reads the clock"
    assert set(claims) == {"portico_session", "exp", "iat", "jti", "sub", "aud", "iss"}


def test_wrong_password_unknown_person_and_inactive_person_look_alike(carl: User) -> None:
    User.objects.filter(pk=make.user("gone@acme.example").pk).update(is_active=False)
    answers = [sign_in(password="wrong"), sign_in("nobody@acme.example"), sign_in("gone@acme.example")]
    for response in answers:
        refused(response, 401, "This e-mail address and password don't belong together.")
    assert PlatformEvent.objects.filter(kind="login.refused", subject_id=carl.pk).count() == 1


def test_a_person_who_was_shut_out_is_out_at_once(carl: User) -> None:
    pair = sign_in().json()
    User.objects.update(is_active=False)
    assert with_token(pair["access"]).status_code == 401
    assert refresh(pair["refresh"]).status_code == 401
    refused(sign_in(), 401, "don't belong together")


def test_a_refresh_token_works_once(carl: User) -> None:
    first = sign_in().json()
    second = refresh(first["refresh"])
    assert second.status_code == 200
    assert second.json()["refresh"] != first["refresh"]
    assert with_token(second.json()["access"]).status_code == 200
    assert refresh(second.json()["refresh"]).status_code == 200
    refused(refresh(first["refresh"]), 401, "This refresh token has ended or is not one. Sign in again.")


@pytest.mark.parametrize("reuse", [refresh, sign_out], ids=["refresh", "sign out"])
@pytest.mark.parametrize("generation", [0, 1, 2])
def test_a_refresh_token_used_again_ends_all_that_came_of_its_sign_in(carl: User, reuse: Any, generation: int) -> None:
    family = [sign_in().json()["refresh"]]
    for _ in range(3):
        family.append(refresh(family[-1]).json()["refresh"])
    refused(reuse(family[generation]), 401, "has ended")
    for token in family:
        refused(refresh(token), 401, "has ended")


def test_a_sign_in_that_a_stolen_token_ended_is_recorded_once(carl: User) -> None:
    first = sign_in().json()["refresh"]
    last = refresh(first).json()["refresh"]
    assert PlatformEvent.objects.latest("number").kind == "login.succeeded", "a refresh is none"
    for token in (first, first, last):
        assert refresh(token).status_code == 401
    event = PlatformEvent.objects.get(kind="login.refresh_reused")
    assert (event.subject_id, event.actor_id, event.actor_name, event.data) == (carl.pk, None, "Portico", {})
    assert event == PlatformEvent.objects.latest("number")


def test_other_sign_ins_stay(carl: User) -> None:
    stolen, laptop, adas = sign_in().json()["refresh"], sign_in().json()["refresh"], str(sessions.start(make.user("ada@acme.example")))
    refresh(stolen)
    assert refresh(stolen).status_code == 401
    assert PlatformEvent.objects.filter(kind="login.refresh_reused").count() == 1
    assert refresh(laptop).status_code == 200
    assert refresh(adas).status_code == 200


def test_an_access_token_outlives_its_family_by_its_five_minutes_at_most(carl: User) -> None:
    pair = sign_in().json()
    refresh(pair["refresh"])
    refresh(pair["refresh"])
    assert with_token(pair["access"]).status_code == 200
    assert pyjwt.decode(pair["access"], options={"verify_signature": False})["exp"] <= time.time() + 300


@pytest.mark.parametrize("how", ["signed out", "shut out", "another password"])
def test_what_ended_in_peace_is_no_theft(carl: User, how: str) -> None:
    first = sign_in().json()["refresh"]
    token = refresh(first).json()["refresh"]
    if how == "signed out":
        sign_out(token)
    elif how == "shut out":
        User.objects.update(is_active=False)
    else:
        change_password(carl, password="another correct horse")
    for old in (token, first):
        refused(refresh(old), 401, "has ended")
    assert not PlatformEvent.objects.filter(kind="login.refresh_reused").exists()


def test_a_refresh_token_that_the_database_does_not_know_is_refused(carl: User) -> None:
    """As after a restored backup."""
    token = sign_in().json()["refresh"]
    OutstandingToken.objects.all().delete()
    refused(refresh(token), 401, "has ended")


def test_the_database_holds_no_token(carl: User) -> None:
    tokens = [sign_in().json()["refresh"]]
    tokens.append(refresh(tokens[0]).json()["refresh"])
    rows = list(OutstandingToken.objects.order_by("pk").values_list("token", "jti", "user"))
    assert rows == [("", pyjwt.decode(token, options={"verify_signature": False})["jti"], carl.pk) for token in tokens]


def test_a_family_is_found_by_the_index(carl: User) -> None:
    token = sessions.start(carl)
    many_tokens(carl, 5_000, alive=True)
    family = OutstandingToken.objects.filter(jti__startswith=token.family, blacklistedtoken=None)
    assert family.count() == 1
    plan = family.explain()
    assert "jti" in plan.partition("Index")[2].partition("\n")[0], plan


def test_signing_out_ends_the_refresh_token(carl: User) -> None:
    pair = sign_in().json()
    assert sign_out(pair["refresh"]).status_code == 204
    refused(refresh(pair["refresh"]), 401, "has ended")
    refused(sign_out(pair["refresh"]), 401, "has ended")


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "x" * 4001])
def test_what_is_no_refresh_token_is_refused(carl: User, token: str) -> None:
    response = APIClient().post("/api/v1/session/refresh/", {"refresh": token})
    assert response.status_code == (401 if 0 < len(token) <= 4000 else 422)


def test_an_access_token_is_no_refresh_token_and_the_other_way_round(carl: User) -> None:
    pair = sign_in().json()
    refused(refresh(pair["access"]), 401, "is not one")
    refused(with_token(pair["refresh"]), 401, "not one of this portal's")


def test_an_account_is_not_guessed_at_for_long(carl: User) -> None:
    for _ in range(signing_in.SIGN_INS_PER_ACCOUNT_AND_ADDRESS):
        assert sign_in(password="wrong").status_code == 401
    response = sign_in()
    refused(response, 429, "Too many tries. Wait ")
    assert 1 <= int(response["Retry-After"]) <= signing_in.SIGN_IN_WINDOW
    assert Attempt.objects.count() >= 2, "the count is kept although the tries were refused"


def test_signing_in_forgets_the_tries_before(carl: User) -> None:
    for _ in range(signing_in.SIGN_INS_PER_ACCOUNT_AND_ADDRESS - 1):
        sign_in(password="wrong")
    assert sign_in().status_code == 200
    assert sign_in(password="wrong").status_code == 401
    assert sign_in().status_code == 200


def test_many_accounts_are_not_tried_from_one_address(carl: User, monkeypatch: Any) -> None:
    monkeypatch.setattr(signing_in, "SIGN_INS_PER_ADDRESS", 3)
    for number in range(3):
        assert sign_in(f"person{number}@acme.example").status_code == 401
    refused(sign_in(), 429, "Too many tries")
    assert sign_in(REMOTE_ADDR="192.0.2.1").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "a"},
        {"email": ["a"], "password": "b"},
        {"email": "a\x00", "password": "b"},
        {"email": "x" * 300, "password": "b"},
        {"email": "a", "password": "x" * 1001},
        {"email": "a", "password": "b", "otp": "1"},
    ],
)
def test_a_sign_in_that_is_none_is_told_how(carl: User, body: Any) -> None:
    response = APIClient().post("/api/v1/session/", body)
    assert response.status_code == 422
    assert response.json()["errors"]


def forged(user: User, typ: str | None = sessions.TYPE, **changes: Any) -> str:
    claims = {**AccessToken.for_user(user).payload, "iss": settings.PORTAL_URL, "aud": f"{settings.PORTAL_URL}/api/v1", **changes}
    claims = {name: value for name, value in claims.items() if value is not None}
    return pyjwt.encode(claims, settings.SESSION_SIGNING_KEY, "HS256", {"typ": typ})


def test_the_forger_below_can_make_a_good_one(carl: User) -> None:
    assert with_token(forged(carl)).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"typ": "JWT"},
        {"typ": "at+jwt"},
        {"typ": None},
        {"aud": "https://elsewhere.example"},
        {"aud": None},
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"portico_session": "refresh"},
        {"portico_session": None},
        {"exp": 1},
        {"exp": None},
        {"jti": None},
        {"sub": None},
        {"sub": "01900000-0000-7000-8000-000000000000"},
    ],
    ids=str,
)
def test_a_token_that_is_not_for_this_is_refused(carl: User, changes: Any) -> None:
    response = with_token(forged(carl, **changes))
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")


def by_sha384(claims: Any) -> str:
    """Our key, with an algorithm that is not ours."""
    parts = [json.dumps(part).encode() for part in ({"alg": "HS384", "typ": sessions.TYPE}, claims)]
    text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    digest = hmac.digest(settings.SESSION_SIGNING_KEY.encode(), text, "sha384")
    return f"{text.decode()}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def test_a_token_of_another_key_or_none_is_refused(carl: User) -> None:
    good = forged(carl)
    head, body, signature = good.split(".")
    claims = pyjwt.decode(good, options={"verify_signature": False})
    for bad in [
        pyjwt.encode(claims, "another key of thirty-two characters", "HS256", {"typ": sessions.TYPE}),
        pyjwt.encode(claims, "", "none", {"typ": sessions.TYPE}),
        f"{head}.{body}.",
        f"{head}.{body}.{signature[::-1]}",
        by_sha384(claims),
    ]:
        assert with_token(bad).status_code == 401
    assert with_token(good, scheme="Basic").status_code == 401


def earned(carl: User) -> tuple[str, str]:
    """A client secret of an application of Carl's, and the access token that it earns."""
    with tenant_scope(Tenant.objects.get(slug="acme").pk):
        credential, secret = make.credential(make.application(carl))
        client_id = credential.application.client_id
    form = f"grant_type=client_credentials&client_id={client_id}&client_secret={secret}"
    answer = Client().post("/t/acme/oauth/token", form, content_type="application/x-www-form-urlencoded").json()
    return secret, answer["access_token"]


def api_key(carl: User) -> str:
    """As a tenant signs one."""
    key = ec.generate_private_key(ec.SECP256R1())
    token = pyjwt.encode({"sub": str(carl.pk), "jti": "1", "exp": 4_000_000_000}, key, "ES256", {"typ": "ak+jwt"})
    return f"ptc_live_{token}"


def cookie(carl: User) -> str:
    pages = Client()
    pages.force_login(carl)
    return pages.cookies["sessionid"].value


DOORS = {"the REST API": (with_token, 200), "refreshing": (refresh, 200), "signing out": (sign_out, 204)}
# Each kind of token, and the doors that it opens.
OPENS: dict[str, tuple[Callable[[User], str], set[str]]] = {
    "access token": (lambda carl: str(sessions.start(carl).access), {"the REST API"}),
    "refresh token": (lambda carl: str(sessions.start(carl)), {"refreshing", "signing out"}),
    "a tenant's access token": (lambda carl: earned(carl)[1], set()),
    "a client secret": (lambda carl: earned(carl)[0], set()),
    "an API key": (api_key, set()),
    "a JWT of our key without our type": (lambda carl: forged(carl, typ="JWT"), set()),
    "an at+jwt of our key": (lambda carl: forged(carl, typ="at+jwt"), set()),
    "a cookie": (cookie, set()),
}


@pytest.mark.parametrize("kind", OPENS)
def test_each_kind_of_token_opens_its_own_doors(carl: User, kind: str) -> None:
    made, doors = OPENS[kind]
    for door, (knock, opened) in DOORS.items():
        assert knock(made(carl)).status_code == (opened if door in doors else 401), door


def test_an_ended_token_is_told_so(carl: User) -> None:
    token = sessions.Access.for_user(carl)
    token.set_exp(lifetime=timedelta(seconds=-1))
    refused(with_token(str(token)), 401, "has ended")


def test_a_session_of_the_pages_opens_no_rest(carl: User) -> None:
    client = Client()
    client.force_login(carl)
    assert client.get("/api/v1/tenants/acme/").status_code == 401


def test_a_refresh_token_ends_after_a_day(carl: User) -> None:
    token = sessions.start(carl)
    assert 86_399 <= token["exp"] - token["iat"] <= 86_400
    assert OutstandingToken.objects.get().expires_at.timestamp() == token["exp"]
    token.set_exp(lifetime=timedelta(seconds=-1))
    refused(refresh(str(token)), 401, "has ended")


@pytest.mark.parametrize(
    "header",
    ['"alg"', "[]", "1", "null", "{}", "[" * 5000]
    + [f'{{"alg":{alg}}}' for alg in ("1", "[]", "{}", "null", '"none"')]
    + ['{"alg":"HS256","crit":1}', '{"alg":"HS256","crit":[[]]}', '{"alg":"HS256","crit":["x"],"x":1}', '{"alg":"HS256","kid":[]}'],
)
def test_a_header_that_is_none_is_refused(carl: User, header: str) -> None:
    head = base64.urlsafe_b64encode(header.encode()).rstrip(b"=").decode()
    token = f"{head}.{str(sessions.start(carl).access).partition('.')[2]}"
    assert with_token(token).status_code == 401


@given(st.text(st.characters(), max_size=200) | st.binary(max_size=200).map(base64.urlsafe_b64encode).map(bytes.decode))
def test_whatever_is_sent_as_a_token_is_answered(text: str) -> None:
    """Also where a part of it reads as one, and where it is no text at all."""
    head, body, signature = str(sessions.Access()).split(".")
    for token in (text, f"{text}.{body}.{signature}", f"{head}.{text}.{signature}", f"{head}.{body}.{text}", "\ud800"):
        for kind in (sessions.Access, sessions.Refresh):
            with pytest.raises(TokenError):
                kind(token)  # type: ignore[arg-type]  # simplejwt says Token, and reads text


# --- pruning --------------------------------------------------------------------------------------------------------


def many_tokens(user: User, count: int, *, alive: bool) -> None:
    """So many refresh tokens, each used."""
    with connection.cursor() as cursor:
        cursor.execute(
            """WITH made AS (
                   INSERT INTO token_blacklist_outstandingtoken (user_id, jti, token, created_at, expires_at)
                   SELECT %s, md5(n::text || %s) || '.' || md5(n::text), '', now(), now() + make_interval(hours => %s)
                   FROM generate_series(1, %s) n RETURNING id)
               INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at) SELECT id, now() FROM made""",
            [user.pk, str(alive), 1 if alive else -1, count],
        )
        cursor.execute("ANALYZE token_blacklist_outstandingtoken")


def test_refresh_tokens_that_ended_are_removed_and_used_ones_kept_until_then(carl: User) -> None:
    many_tokens(carl, 20, alive=False)
    first = sign_in().json()["refresh"]
    last = refresh(first).json()["refresh"]
    prune()
    assert (OutstandingToken.objects.count(), BlacklistedToken.objects.count()) == (2, 1)
    prune()
    assert refresh(first).status_code == 401
    assert refresh(last).status_code == 401, "the first one was still known to be used"


def test_a_persons_tenants_are_listed_with_their_roles(carl: User) -> None:
    make.member(make.tenant("globex"), "eve@globex.example", Role.ADMIN)
    found = APIClient().get("/api/v1/tenants/", headers={"authorization": f"Bearer {sign_in().json()['access']}"}).json()
    assert found["results"] == [{"slug": "acme", "name": "Acme", "roles": ["developer"]}]


def test_who_has_not_confirmed_the_address_did_not_sign_in(db: None) -> None:
    User.objects.create_user("nina@new.example", PASSWORD, verified=False)
    assert APIClient().post("/api/v1/session/", {"email": "nina@new.example", "password": PASSWORD}).status_code == 401
    assert not PlatformEvent.objects.filter(kind="login.succeeded").exists()
