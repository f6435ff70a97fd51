from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from keys import throttle as token_throttle
from tenants import throttle
from tenants.models import Attempt


def tries(what: str, count: int, limit: int = 3) -> None:
    for _ in range(count):
        throttle.attempt(what, limit=limit, seconds=60)


def test_a_try_too_many_is_told_how_long_to_wait(db: None) -> None:
    tries("a", 3)
    with pytest.raises(throttle.TooMany, match=r"Too many tries. Wait \d+ seconds and try again.") as refused:
        tries("a", 1)
    assert 1 <= refused.value.seconds <= 60
    tries("b", 3)


def test_the_count_survives_a_new_connection(transactional_db: None) -> None:
    tries("a", 3)
    connection.close()
    with pytest.raises(throttle.TooMany):
        tries("a", 1)


def test_a_window_ends_and_is_not_lengthened_by_trying(db: None) -> None:
    tries("a", 3)
    until = Attempt.objects.get().until
    for _ in range(3):
        with pytest.raises(throttle.TooMany):
            tries("a", 1)
    assert Attempt.objects.get().until == until
    Attempt.objects.update(until=timezone.now() - timedelta(minutes=1))
    tries("a", 3)
    assert Attempt.objects.get().count == 3


def test_forgetting_and_pruning(db: None) -> None:
    tries("a", 3)
    tries("b", 1)
    throttle.forget("a")
    assert Attempt.objects.count() == 1
    tries("a", 1)
    throttle.prune()
    assert Attempt.objects.count() == 2
    Attempt.objects.update(until=timezone.now() - timedelta(minutes=1))
    throttle.prune()
    assert Attempt.objects.count() == 0


def test_nobody_is_named_in_the_table(db: None) -> None:
    tries("sign-in account carl@acme.example", 1)
    assert "carl" not in Attempt.objects.get().key


def test_token_requests_are_counted_per_client_and_address() -> None:
    for _ in range(3):
        assert token_throttle.seconds_to_wait("a", "1", 3) == 0
    assert 1 <= token_throttle.seconds_to_wait("a", "1", 3) <= 60
    assert token_throttle.seconds_to_wait("a", "2", 3) == 0
    assert token_throttle.seconds_to_wait("b", "1", 3) == 0


def test_what_token_requests_leave_behind_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_throttle, "_MOST", 10)
    for number in range(100):
        token_throttle.seconds_to_wait(str(number), "1", 3)
    assert len(token_throttle._clients) <= 10
