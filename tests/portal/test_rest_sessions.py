"""Signing in, staying, leaving; and tokens that are not ours."""

import base64
import hmac
import json
import time
from datetime import timedelta
from typing import Any

import jwt as pyjwt
import pytest
from django.conf import settings
from django.test import Client
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from tenants import signing_in
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
    assert APIClient().post("/api/v1/session/refresh/", {"refresh": pair["refresh"]}).status_code == 401
    refused(sign_in(), 401, "don't belong together")


def test_a_refresh_token_works_once(carl: User) -> None:
    first = sign_in().json()
    second = APIClient().post("/api/v1/session/refresh/", {"refresh": first["refresh"]})
    assert second.status_code == 200
    assert second.json()["refresh"] != first["refresh"]
    assert with_token(second.json()["access"]).status_code == 200
    again = APIClient().post("/api/v1/session/refresh/", {"refresh": first["refresh"]})
    refused(again, 401, "This refresh token has ended or is not one. Sign in again.")
    assert APIClient().post("/api/v1/session/refresh/", {"refresh": second.json()["refresh"]}).status_code == 200


def test_signing_out_ends_the_refresh_token(carl: User) -> None:
    pair = sign_in().json()
    assert APIClient().delete("/api/v1/session/", {"refresh": pair["refresh"]}).status_code == 204
    refused(APIClient().post("/api/v1/session/refresh/", {"refresh": pair["refresh"]}), 401, "has ended")
    refused(APIClient().delete("/api/v1/session/", {"refresh": pair["refresh"]}), 401, "has ended")


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "x" * 4001])
def test_what_is_no_refresh_token_is_refused(carl: User, token: str) -> None:
    response = APIClient().post("/api/v1/session/refresh/", {"refresh": token})
    assert response.status_code == (401 if 0 < len(token) <= 4000 else 422)


def test_an_access_token_is_no_refresh_token_and_the_other_way_round(carl: User) -> None:
    pair = sign_in().json()
    refused(APIClient().post("/api/v1/session/refresh/", {"refresh": pair["access"]}), 401, "is not one")
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


def forged(user: User, **changes: Any) -> str:
    claims = {**AccessToken.for_user(user).payload, "iss": settings.PORTAL_URL, "aud": f"{settings.PORTAL_URL}/api/v1", **changes}
    claims = {name: value for name, value in claims.items() if value is not None}
    return pyjwt.encode(claims, settings.SESSION_SIGNING_KEY, "HS256")


def test_the_forger_below_can_make_a_good_one(carl: User) -> None:
    assert with_token(forged(carl)).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
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
    parts = [json.dumps(part).encode() for part in ({"alg": "HS384", "typ": "JWT"}, claims)]
    text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    digest = hmac.digest(settings.SESSION_SIGNING_KEY.encode(), text, "sha384")
    return f"{text.decode()}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def test_a_token_of_another_key_or_none_is_refused(carl: User) -> None:
    good = forged(carl)
    head, body, signature = good.split(".")
    claims = pyjwt.decode(good, options={"verify_signature": False})
    for bad in [
        pyjwt.encode(claims, "another key of thirty-two characters", "HS256"),
        pyjwt.encode(claims, "", "none"),
        f"{head}.{body}.",
        f"{head}.{body}.{signature[::-1]}",
        by_sha384(claims),
    ]:
        assert with_token(bad).status_code == 401
    assert with_token(good, scheme="Basic").status_code == 401


def test_a_tenants_access_token_opens_nothing_at_the_rest_api(carl: User) -> None:

    acme = Tenant.objects.get(slug="acme")
    with tenant_scope(acme.pk):
        credential, secret = make.credential(make.application(carl))
        client_id = credential.application.client_id
    form = f"grant_type=client_credentials&client_id={client_id}&client_secret={secret}"
    token = Client().post("/t/acme/oauth/token", form, content_type="application/x-www-form-urlencoded").json()
    refused(with_token(token["access_token"]), 401, "not one of this portal's")


def test_an_ended_token_is_told_so(carl: User) -> None:
    token = AccessToken.for_user(carl)
    token.set_exp(lifetime=timedelta(seconds=-1))
    refused(with_token(str(token)), 401, "has ended")


def test_a_session_of_the_pages_opens_no_rest(carl: User) -> None:
    client = Client()
    client.force_login(carl)
    assert client.get("/api/v1/tenants/acme/").status_code == 401


def test_a_refresh_token_ends_after_a_day(carl: User) -> None:
    token = RefreshToken.for_user(carl)
    assert token["exp"] - int(time.time()) <= 86_400
    token.set_exp(lifetime=timedelta(seconds=-1))
    refused(APIClient().post("/api/v1/session/refresh/", {"refresh": str(token)}), 401, "has ended")


def test_a_persons_tenants_are_listed_with_their_roles(carl: User) -> None:
    make.member(make.tenant("globex"), "eve@globex.example", Role.ADMIN)
    found = APIClient().get("/api/v1/tenants/", headers={"authorization": f"Bearer {sign_in().json()['access']}"}).json()
    assert found["results"] == [{"slug": "acme", "name": "Acme", "roles": ["developer"]}]
