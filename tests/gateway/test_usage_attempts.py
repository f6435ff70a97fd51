"""How keys of providers fare: what gateways tell of attempts, which states follow, and until when."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError
from envoy.data.accesslog.v3 import accesslog_pb2
from envoy.service.accesslog.v3 import als_pb2

from apis.actions import key_states, provider_keys
from apis.actions.key_states import Seen
from apis.models import ProviderKey
from gateway.usage import attempts
from gateway.usage.attempts import Keys, tell
from gateway.usage.calls import read
from gateway.usage.process import Usage
from tenants import due, events
from tenants.event_kinds import GATEWAY_KINDS
from tenants.models import Due, Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast
from tests.gateway.test_usage_tokens import KEY, answered

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
_State = ProviderKey.State


def attempt(
    status: int, key: object = KEY, *, retry_after: str = "", slug: str = "acme", kind: str = ""
) -> accesslog_pb2.HTTPAccessLogEntry:
    found = accesslog_pb2.HTTPAccessLogEntry()
    found.common_properties.upstream_cluster = f"{slug}/ai/{key}/openai/0123456789abcdef"
    found.response.response_code.value = status
    if retry_after:
        found.response.response_headers["retry-after"] = retry_after
    if kind:
        found.response.response_headers["content-type"] = kind
    return found


def seen(*statuses: int | None, **more: Any) -> list[Seen]:
    """Of one key; None for a call that was answered well."""
    keys = Keys()
    for status in statuses:
        if status is None:
            keys.answered(read(answered()), NOW.timestamp())
        else:
            keys.failed(attempt(status, **more), NOW.timestamp())
    return [each.seen for each in keys.take()]


# --- what attempts show ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statuses", "state"),
    [
        ((401,), None),
        ((401, 403), _State.REFUSED),
        ((401, None, 401), None),
        ((401, 500, 401), None),
        ((429,), _State.EXHAUSTED),
        ((500, 502, 503, 0), None),
        ((500, 502, 503, 0, 504), _State.FAILING),
        ((500, None, 500, None, 500, None, 500, None, 500), _State.FAILING),
        # Of the last ten alone.
        ((500, *[None] * 6, 500, 500, 500, 500), None),
        ((500, *[None] * 5, 500, 500, 500, 500), _State.FAILING),
        # What is the caller's own fault says nothing of the key.
        ((400, 404, 413, 422) * 5, None),
        ((), None),
    ],
)
def test_what_failed_attempts_say_of_a_key(statuses: tuple[int | None, ...], state: Any) -> None:
    assert [each.state for each in seen(*statuses)] == ([state] if state else [])


@pytest.mark.parametrize("status", [404, 502, 503])
def test_web_pages_take_a_key_out_whatever_their_status(status: int) -> None:
    (found,) = seen(*[status] * 5, kind="text/html; charset=utf-8")
    assert (found.state, found.status, found.page) == (_State.FAILING, None, True)
    assert seen(*[status] * 4, kind="text/html") == []


def test_a_page_that_says_why_says_that_of_the_key() -> None:
    assert [each.state for each in seen(401, 403, kind="text/html")] == [_State.REFUSED]
    assert [each.state for each in seen(429, kind="text/html")] == [_State.EXHAUSTED]


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("20", 20),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("99999999999999", 999_999_999),
        ("Mon, 30 Nov 2026 12:02:00 GMT", 120),
        ("²", None),
    ],
)
def test_when_a_provider_wants_to_be_asked_again(said: str, seconds: float | None) -> None:
    assert [each.retry_after for each in seen(429, retry_after=said)] == [seconds]


def test_what_leads_to_no_provider_says_nothing() -> None:
    keys, entry = Keys(), attempt(429)
    entry.common_properties.upstream_cluster = "acme/0123456789abcdef"
    keys.failed(entry, 0.0)
    assert keys.take() == []


def test_keys_are_told_apart_and_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "MOST_KEYS", 3)
    keys = Keys()
    for number in range(10):
        keys.failed(attempt(401, UUID(int=number)), 0.0)
    assert (keys.take(), len(keys._fares)) == ([], 1)


def test_an_answer_brings_a_key_back_unless_it_was_under_way() -> None:
    keys, at = Keys(), NOW.timestamp()
    keys.failed(attempt(429), at)
    assert len(keys.take()) == 1
    keys.answered(read(answered()), at - 1)
    assert keys.take() == []
    keys.answered(read(answered()), at + 1)
    assert [each.seen.state for each in keys.take()] == [_State.ON]
    keys.answered(read(answered()), at + 2)
    assert keys.take() == []


def test_attempts_are_no_calls() -> None:
    process, message = Usage(), als_pb2.StreamAccessLogsMessage()
    message.http_logs.log_entry.extend([attempt(401), attempt(401)])
    process.take_attempts(message)
    assert (process._minutes.kinds, process._tokens.kinds, len(process._keys.take())) == ({}, {}, 1)


# --- what follows ----------------------------------------------------------------------------------------------------


@pytest.fixture
def key(in_acme: Cast) -> ProviderKey:
    found = make.provider_key(make.provider())
    back(found)
    return found


def back(key: ProviderKey, by: timedelta = timedelta(hours=1)) -> None:
    """It has its state for that long."""
    key.refresh_from_db()
    until = key.state_until and key.state_until - by
    ProviderKey.objects.filter(pk=key.pk).update(state_since=key.state_since - by, state_until=until)


def said(key: ProviderKey, state: Any, status: int | None = None, retry_after: float | None = None) -> ProviderKey:
    assert tell([attempts.Verdict("acme", str(key.pk), Seen(state, status, retry_after))]) == []
    key.refresh_from_db()
    return key


def kinds() -> list[str]:
    rows = Event.objects.filter(kind__startswith="provider_key.").exclude(kind="provider_key.added")
    return list(rows.order_by("number").values_list("kind", flat=True))


def rests(key: ProviderKey) -> float:
    assert key.state_until is not None
    return (key.state_until - key.state_since).total_seconds()


def test_a_refused_key_stays_so_until_somebody_sees_to_it(key: ProviderKey, in_acme: Cast) -> None:
    said(key, _State.REFUSED, 401)
    assert (key.state, key.state_until, key.state_reason, key.answered) == (_State.REFUSED, None, "refused", 401)
    event = Event.objects.get(kind="provider_key.refused")
    assert (event.data, event.actor_name) == ({"provider": "OpenAI", "reason": "refused", "answered": 401, "seen": True}, "Portico")
    back(key)
    said(key, _State.EXHAUSTED, 429)
    events.lock()
    key_states.turn()
    key.refresh_from_db()
    assert key.state == _State.REFUSED
    provider_keys.change(key, on=True, by=in_acme.pam)
    assert kinds() == ["provider_key.refused", "provider_key.changed"]


@pytest.mark.parametrize(("retry_after", "seconds"), [(None, 60), (5, 30), (-9, 30), (300, 300), (10**9, 3600)])
def test_a_key_that_is_used_up_rests_as_its_provider_says(key: ProviderKey, retry_after: float | None, seconds: float) -> None:
    said(key, _State.EXHAUSTED, 429, retry_after)
    assert (key.state, key.state_reason, rests(key)) == (_State.EXHAUSTED, "quota", seconds)
    assert Due.objects.get(job=key_states.JOB).at == key.state_until


def test_the_third_time_in_a_row_it_rests_for_an_hour(key: ProviderKey) -> None:
    found = []
    for _ in range(2):
        found.append(rests(said(key, _State.EXHAUSTED, 429, 30)))
        back(key, timedelta(minutes=2))
        assert turned(key).state == _State.ON
        back(key, timedelta(seconds=20))
    found.append(rests(said(key, _State.EXHAUSTED, 429, 30)))
    assert found == [30, 30, 3600]


def test_after_it_has_worked_for_a_while_it_is_the_first_time_again(key: ProviderKey) -> None:
    for _ in range(4):
        assert rests(said(key, _State.EXHAUSTED, 429, 30)) == 30
        back(key, timedelta(minutes=2))
        turned(key)
        back(key)


def turned(key: ProviderKey) -> ProviderKey:
    events.lock()
    key_states.turn()
    key.refresh_from_db()
    return key


def test_a_failing_key_gets_calls_again_after_half_a_minute(key: ProviderKey) -> None:
    said(key, _State.FAILING, 503)
    assert (key.state, key.state_reason, key.answered, rests(key)) == (_State.FAILING, "status", 503, 30)
    assert turned(key).state == _State.FAILING
    back(key, timedelta(seconds=31))
    assert (turned(key).state, key.state_until, key.state_reason) == (_State.ON, None, "")
    turned(key)
    assert kinds() == ["provider_key.failing", "provider_key.works"]


def test_a_key_whose_calls_get_web_pages_says_so(key: ProviderKey) -> None:
    assert tell([attempts.Verdict("acme", str(key.pk), Seen(_State.FAILING, None, page=True))]) == []
    key.refresh_from_db()
    assert (key.state, key.state_reason, key.answered, rests(key)) == (_State.FAILING, "html", None, 30)


def test_an_answer_brings_it_back_before(key: ProviderKey) -> None:
    said(key, _State.FAILING)
    assert key.state_reason == "silent"
    back(key, timedelta(seconds=11))
    assert said(key, _State.ON).state == _State.ON


def test_a_key_changes_once_in_ten_seconds_at_most(key: ProviderKey) -> None:
    said(key, _State.EXHAUSTED, 429, 30)
    for state in (_State.ON, _State.REFUSED, _State.ON, _State.FAILING):
        said(key, state)
    assert (key.state, kinds()) == (_State.EXHAUSTED, ["provider_key.exhausted"])
    back(key, timedelta(seconds=11))
    assert said(key, _State.ON).state == _State.ON


def test_what_is_off_or_gone_or_nobodys_stays_as_it_is(key: ProviderKey, in_acme: Cast) -> None:
    provider_keys.change(key, on=False, by=in_acme.pam)
    back(key)
    assert said(key, _State.REFUSED, 401).state == _State.OFF
    with tenant_scope(in_acme.globex.pk):
        theirs = make.provider_key(make.provider("theirs"))
        back(theirs)
    # Named by another tenant's cluster it is not found.
    for pk in (str(theirs.pk), str(UUID(int=5)), "no-id"):
        assert tell([attempts.Verdict("acme", pk, Seen(_State.REFUSED, 401))]) == []
    assert tell([attempts.Verdict("nobody", str(key.pk), Seen(_State.REFUSED, 401))]) == []
    with tenant_scope(in_acme.globex.pk):
        theirs.refresh_from_db()
        assert theirs.state == _State.ON


def test_each_change_is_pushed() -> None:
    assert {f"provider_key.{verb}" for verb in ("works", "refused", "exhausted", "failing")} <= GATEWAY_KINDS.keys()


def test_what_is_seen_waits_while_postgresql_is_away(key: ProviderKey, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = Keys()
    keys.failed(attempt(429, key.pk), NOW.timestamp())
    with monkeypatch.context() as away:

        def gone(*_: Any) -> None:
            raise OperationalError("gone")

        away.setattr(key_states, "tell", gone)
        keys.give_back(tell(keys.take()))
    keys.give_back(tell(keys.take()))
    assert (keys.take(), kinds()) == ([], ["provider_key.exhausted"])


def test_the_job_serves_two_tenants_and_twice_is_once(cast: Cast) -> None:
    for tenant in (cast.acme, cast.globex):
        with tenant_scope(tenant.pk):
            key = make.provider_key(make.provider())
            back(key)
            key_states.tell(tenant.pk, {key.pk: Seen(_State.FAILING, 500)})
            back(key)
            Due.objects.filter(job=key_states.JOB).update(at=key.created_at - timedelta(days=1))
    assert due.run(key_states.JOB, key_states.turn) == 2
    assert due.run(key_states.JOB, key_states.turn) == 0
    for tenant in (cast.acme, cast.globex):
        with tenant_scope(tenant.pk):
            assert ProviderKey.objects.get().state == _State.ON
