"""Signing in under attack: who guesses is stopped, who is guessed at is not locked out, and a refresh token is used once."""

import ipaddress
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from tenants import signing_in
from tenants.actions import change_password
from tenants.models import PlatformEvent, Role, User
from tests import make
from tests.portal.test_rest_sessions import PASSWORD, refresh, refused, sign_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def carl(transactional_db: None) -> User:
    found = make.member(make.tenant("acme"), "carl@acme.example", Role.DEVELOPER)
    found.set_password(PASSWORD)
    found.save()
    return found


def test_a_stranger_does_not_lock_a_person_out(carl: User, monkeypatch: Any) -> None:
    monkeypatch.setattr(signing_in, "SIGN_INS_PER_ACCOUNT_AND_ADDRESS", 3)
    for _ in range(signing_in.SIGN_INS_PER_ACCOUNT_AND_ADDRESS + 5):
        sign_in(password="wrong", REMOTE_ADDR="198.51.100.1")
    refused(sign_in(REMOTE_ADDR="198.51.100.1"), 429, "Too many tries")
    assert sign_in(REMOTE_ADDR="203.0.113.9").status_code == 200


def test_many_addresses_together_do_not_guess_for_long(carl: User, monkeypatch: Any) -> None:
    monkeypatch.setattr(signing_in, "SIGN_INS_PER_ACCOUNT", 6)
    for number in range(6):
        assert sign_in(password="wrong", REMOTE_ADDR=f"198.51.100.{number}").status_code == 401
    refused(sign_in(password="wrong", REMOTE_ADDR="198.51.100.99"), 429, "Too many tries")


def test_signing_in_does_not_count_against_the_address_or_the_account(carl: User, monkeypatch: Any) -> None:
    monkeypatch.setattr(signing_in, "SIGN_INS_PER_ADDRESS", 3)
    monkeypatch.setattr(signing_in, "SIGN_INS_PER_ACCOUNT", 3)
    for _ in range(6):
        assert sign_in().status_code == 200
    for _ in range(3):
        assert sign_in(password="wrong").status_code == 401
    refused(sign_in(), 429, "Too many tries")


def test_a_success_clears_no_guesses_made_elsewhere(carl: User, monkeypatch: Any) -> None:
    monkeypatch.setattr(signing_in, "SIGN_INS_PER_ACCOUNT", 4)
    for number in range(3):
        sign_in(password="wrong", REMOTE_ADDR=f"198.51.100.{number}")
    assert sign_in().status_code == 200
    assert sign_in(password="wrong", REMOTE_ADDR="198.51.100.8").status_code == 401
    refused(sign_in(password="wrong", REMOTE_ADDR="198.51.100.9"), 429, "Too many tries")


def test_behind_a_proxy_each_client_has_a_count_of_its_own(carl: User, settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(signing_in, "SIGN_INS_PER_ADDRESS", 3)

    def through(forwarded: str, password: str = PASSWORD) -> Any:
        return sign_in(password=password, REMOTE_ADDR="10.0.0.1", headers={"X-Forwarded-For": forwarded})

    settings.TRUSTED_PROXIES = [ipaddress.ip_network("10.0.0.1")]
    for number in range(3):
        assert through(f"192.0.2.{number}, 198.51.100.1", "wrong").status_code == 401
    refused(through("192.0.2.99, 198.51.100.1"), 429, "Too many tries")
    assert through("203.0.113.9").status_code == 200


def test_a_network_of_addresses_has_one_count(carl: User, monkeypatch: Any) -> None:
    """One line is given a /64 of IPv6, and each of its addresses would have a count of its own."""
    monkeypatch.setattr(signing_in, "SIGN_INS_PER_ACCOUNT_AND_ADDRESS", 3)
    for number in range(3):
        assert sign_in(password="wrong", REMOTE_ADDR=f"2001:db8:1:2::{number}").status_code == 401
    refused(sign_in(REMOTE_ADDR="2001:db8:1:2:ffff::1"), 429, "Too many tries")
    assert sign_in(REMOTE_ADDR="2001:db8:1:3::1").status_code == 200


def test_two_passwords_are_looked_at_at_once_and_others_wait_for_so_long(carl: User, monkeypatch: Any) -> None:
    monkeypatch.setattr(signing_in, "CHECK_WAIT", 0.1)
    held = [signing_in._checks.acquire(timeout=1) for _ in range(2)]
    assert held == [True, True]
    try:
        response = sign_in()
        refused(response, 503, "Many people sign in just now.")
        assert response["Retry-After"] == "5"
    finally:
        for _ in held:
            signing_in._checks.release()
    assert sign_in(password="wrong").status_code == 401
    assert sign_in().status_code == 200
    assert [signing_in._checks.acquire(blocking=False) for _ in range(2)] == [True, True], "given back"
    for _ in held:
        signing_in._checks.release()


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What each answers, in the order of their ends."""
    start, answers = threading.Barrier(len(calls)), []

    def run(call: Callable[[], Any]) -> None:
        start.wait()
        answers.append(call())
        connection.close()

    threads = [threading.Thread(target=run, args=[call]) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time for others to find a refresh token still unused."""
    create = BlacklistedToken.objects.bulk_create

    def late(rows: Any, **options: Any) -> Any:
        time.sleep(2)
        return create(rows, **options)

    monkeypatch.setattr(BlacklistedToken.objects, "bulk_create", late)


def test_a_refresh_token_used_four_times_at_once_gives_one_pair_and_ends_nothing_more(carl: User, slow: None) -> None:
    token = sign_in().json()["refresh"]
    answers = at_once(*[lambda: refresh(token)] * 4)
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
    assert not PlatformEvent.objects.filter(kind="login.refresh_reused").exists()
    (pair,) = [answer.json() for answer in answers if answer.status_code == 200]
    assert refresh(pair["refresh"]).status_code == 200


def test_no_token_slips_through_while_its_family_ends(carl: User, slow: None) -> None:
    """The thief refreshes while Carl's old token betrays them."""
    for _ in range(3):
        old = sign_in().json()["refresh"]
        stolen = refresh(old).json()["refresh"]
        answers = at_once(lambda old=old: refresh(old), lambda stolen=stolen: refresh(stolen))  # type: ignore[misc]
        assert 401 in [answer.status_code for answer in answers]
        for answer in answers:
            if answer.status_code == 200:
                refused(refresh(answer.json()["refresh"]), 401, "has ended")
    assert PlatformEvent.objects.filter(kind="login.refresh_reused").count() == 3


def test_no_token_slips_through_while_a_password_changes(carl: User, slow: None) -> None:
    token = sign_in().json()["refresh"]
    answers = at_once(lambda: refresh(token), lambda: change_password(carl, password="another correct horse"))
    for answer in filter(None, answers):
        if answer.status_code == 200:
            refused(refresh(answer.json()["refresh"]), 401, "has ended")
    assert not OutstandingToken.objects.filter(blacklistedtoken=None).exists()
