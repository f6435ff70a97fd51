"""What is written down of calls to models, of whom, how it is kept, and for how long."""

import base64
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.utils import timezone
from envoy.service.accesslog.v3 import als_pb2
from google.protobuf import wrappers_pb2

from apis.actions import content_logging, subscriptions
from apis.models import Api, ContentConsent, ContentLogging, Plan, Subscription
from gateway import contents
from gateway.envoy.names import CALLED, CONTENT, MODEL, RBAC
from gateway.models import LoggedContent
from gateway.usage import contents as storing
from gateway.usage.calls import read
from gateway.usage.contents import Content, Contents, content_of
from gateway.usage.process import Usage
from keys.envelope import Unreadable
from keys.keks.file import FileKek, make_file
from keys.keks.ring import Ring
from tenants import due, events
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast
from tests.gateway.test_usage import a_call
from tests.keys.test_nothing_told import Away
from tests.keys.test_rotate_kek import _use

ASKED, ANSWERED = '{"messages":[{"role":"user","content":"Wo ist das Paket? 📦"}]}', '{"choices":[]}'


def given(api: Api, **more: Any) -> None:
    told: dict[str, Any] = {"enabled": True, "requests": True, "answers": True, "days": 30, "consent": "To learn.", **more}
    content_logging.put(api, by=make.somebody("publisher"), **told)


@pytest.fixture
def api(in_acme: Cast) -> Api:
    make.provider()
    found = make.ai_api()
    given(found)
    return found


@pytest.fixture
def subscription(api: Api, cast: Cast) -> Subscription:
    return request(api, cast)


def request(api: Api, cast: Cast) -> Subscription:
    plan = Plan.objects.get(api=api)
    application = make.application(cast.carl)
    return subscriptions.request(application, api=api, plan=plan, purpose="A test.", logging_agreed=1, by=cast.carl)[0]


def content(of: Subscription, **more: Any) -> Content:
    told: dict[str, Any] = {
        "slug": "acme", "api": of.api.slug, "subscription": of.pk, "at": timezone.now(), "request_id": "r-1",
        "operation": "chatCompletions", "asked": "openai/gpt-5", "status": 200, "us": 1_500, "request": ASKED.encode(),
        "answer": ANSWERED.encode(), "request_cut": False, "answer_cut": False, "streamed": False, **more,
    }  # fmt: skip
    return Content(**told)


def written(*those: Content) -> list[LoggedContent]:
    assert storing.write(those) == []
    return list(LoggedContent.objects.order_by("id"))


def read_by_ada(row: LoggedContent) -> contents.Opened:
    return contents.opened(row, by=make.somebody("publisher"))


# --- what an entry says ----------------------------------------------------------------------------------------------


def entry(grant: str, **said: Any) -> Any:
    found = a_call(route="op/chatCompletions")
    common = found.common_properties
    common.start_time.FromDatetime(datetime(2026, 8, 6, tzinfo=UTC))
    common.filter_state_objects[CALLED].Pack(wrappers_pb2.StringValue(value="/acme/models/v1/chat/completions"))
    common.filter_state_objects[MODEL].Pack(wrappers_pb2.StringValue(value="fast"))
    common.metadata.filter_metadata[RBAC].update({"grant_enforced_effective_policy_id": grant})
    for name, text in said.items():
        if isinstance(text, str):
            common.filter_state_objects[f"{CONTENT}.{name}"].Pack(wrappers_pb2.StringValue(value=text))
        else:
            common.metadata.filter_metadata[CONTENT].update({name: text})
    return found


def b64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def test_an_entry_says_what_was_asked_and_answered() -> None:
    grant = uuid4()
    told = entry(str(grant), request=b64(ASKED), answer1=b64("one "), answer2=b64("two"), answer_cut=1, streamed=1)
    found = content_of(read(told), told)
    assert found is not None
    assert (found.slug, found.api, found.subscription, found.operation, found.asked) == ("acme", "models", grant, "chatCompletions", "fast")
    assert (found.request, found.answer) == (ASKED.encode(), b"one two")
    assert (found.request_cut, found.answer_cut, found.streamed) == (False, True, True)


@pytest.mark.parametrize(
    ("grant", "said"),
    [(str(UUID(int=7)), {}), ("TOKEN_MISSING", {"request": "YQ=="}), ("", {"request": "YQ=="})],
)
def test_an_entry_of_nobody_or_of_nothing_says_none(grant: str, said: Any) -> None:
    told = entry(grant, **said)
    assert content_of(read(told), told) is None


def test_what_no_gateway_says_does_no_harm() -> None:
    told = entry(str(uuid4()), request="\x00not base64", answer1=7, answer3=b64("left out?"))
    found = content_of(read(told), told)
    assert found is not None
    assert isinstance(found.request, bytes)
    assert found.answer == b"left out?"


# --- who is written down ---------------------------------------------------------------------------------------------


def test_it_is_written_down_and_reading_it_as_well(subscription: Subscription) -> None:
    (row,) = written(content(subscription, streamed=True, answer_cut=True))
    assert (row.application_id, row.asked, row.operation, row.status, row.us) == (
        subscription.application_id, "openai/gpt-5", "chatCompletions", 200, 1_500,
    )  # fmt: skip
    assert (row.streamed, row.request_cut, row.answer_cut) == (True, False, True)
    assert read_by_ada(row) == contents.Opened(ASKED, ANSWERED)
    told = Event.objects.get(kind="content_logging.read")
    assert (told.subject_id, told.data) == (row.api_id, {"request_id": "r-1", "application": row.application.name})


def test_nothing_of_it_stands_in_the_database_in_the_clear(subscription: Subscription) -> None:
    written(content(subscription))
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM gateway_loggedcontent t")
        text = "".join(row for (row,) in cursor.fetchall())
    assert bytes(ASKED[2:40], "utf-8").hex() not in text
    assert "Paket" not in text


def test_who_did_not_agree_is_not_written_down(api: Api, cast: Cast) -> None:
    agreed, withdrew, before, elsewhere = (request(api, cast) for _ in range(4))
    content_logging.withdraw(withdrew, by=cast.carl)
    ContentConsent.objects.filter(subscription=before).delete()
    other = make.ai_api("others", terms=[{"name": "open", "approval": "automatic"}])
    given(other)
    calls = [content(each) for each in (agreed, withdrew, before)]
    # Agreed for one API, and called another.
    calls.append(content(elsewhere, api=other.slug))
    calls.append(content(agreed, subscription=uuid4()))
    assert [row.subscription for row in written(*calls)] == [agreed.pk]


def test_a_call_from_before_it_was_agreed_to_is_not_written_down(subscription: Subscription) -> None:
    at = ContentConsent.objects.get().at
    assert [row.at for row in written(*(content(subscription, at=at + timedelta(seconds=n)) for n in (-1, 1)))] == [
        at + timedelta(seconds=1)
    ]


def test_another_text_ends_it_until_it_is_agreed_to(api: Api, subscription: Subscription, cast: Cast) -> None:
    given(api, consent="For something else.")
    assert written(content(subscription)) == []
    content_logging.agree(subscription, version=2, by=cast.carl)
    assert len(written(content(subscription))) == 1


def test_switching_off_ends_it_and_keeps_what_there_is(api: Api, subscription: Subscription) -> None:
    written(content(subscription))
    given(api, enabled=False)
    assert len(written(content(subscription))) == 1
    assert len(contents.listed(api)) == 1


@pytest.mark.parametrize(("more", "kept"), [({"answers": False}, (ASKED, None)), ({"requests": False}, (None, ANSWERED))])
def test_of_a_call_that_is_kept_which_was_chosen(api: Api, subscription: Subscription, more: Any, kept: Any) -> None:
    """Whatever the gateway told: it may have heard of it a moment later."""
    given(api, **more)
    (row,) = written(content(subscription))
    assert read_by_ada(row) == contents.Opened(*kept)


def test_of_an_unknown_tenant_and_api_nothing_waits(subscription: Subscription) -> None:
    assert written(content(subscription, slug="nobody"), content(subscription, api="nothing")) == []


def test_another_tenants_calls_go_nowhere(subscription: Subscription, cast: Cast) -> None:
    """A gateway names the tenant whose chain let a call pass; a subscription of another's is nobody's there."""
    written(content(subscription, slug="globex"))
    for tenant in (cast.acme, cast.globex):
        with tenant_scope(tenant.pk):
            assert not LoggedContent.objects.exists()


# --- what is in the way ----------------------------------------------------------------------------------------------


def test_it_waits_for_postgresql_and_for_who_keeps_keys(subscription: Subscription, monkeypatch: Any) -> None:
    one = content(subscription)
    with monkeypatch.context() as away:
        away.setattr("gateway.usage.contents.tenants_of", lambda _slugs: (_ for _ in ()).throw(OperationalError("gone")))
        assert storing.write([one]) == [one]
    with monkeypatch.context() as away:
        away.setattr("gateway.contents.kek", lambda: Ring((Away(settings.KEK_FILE),)))
        assert storing.write([one]) == [one]
    assert len(written(one)) == 1


def test_without_its_key_it_is_lost_and_the_log_says_so(subscription: Subscription, tmp_path: Path, monkeypatch: Any, caplog: Any) -> None:
    make_file(tmp_path / "kek")
    _use(monkeypatch, Ring((FileKek(tmp_path / "kek"),)))
    with caplog.at_level(logging.WARNING):
        assert written(content(subscription)) == []
    assert "can't be read" in caplog.text
    assert "Paket" not in caplog.text


def test_what_has_no_place_is_left_out_and_said(subscription: Subscription, caplog: Any, monkeypatch: Any) -> None:
    waiting = Contents()
    monkeypatch.setattr("gateway.usage.contents.time.monotonic", lambda: 7.0)
    for _ in range(storing.A_SECOND + 3):
        waiting.add(content(subscription))
    waiting.add(content(subscription, slug="globex"))
    with caplog.at_level(logging.WARNING):
        taken = waiting.take()
    assert len(taken) == storing.A_SECOND + 1, "another tenant's have their own share"
    assert "What 3 calls asked" in caplog.text
    large = content(subscription, request=b"x" * (storing.TENANT_BYTES // 2 - 1_000))
    waiting.give_back([large, large, large])
    assert len(waiting.take()) == 2
    assert waiting.take() == []


def test_the_process_that_counts_writes_it_down(subscription: Subscription) -> None:
    process, message = Usage(), als_pb2.StreamAccessLogsMessage()
    told = entry(str(subscription.pk), request=b64(ASKED))
    message.http_logs.log_entry.extend([told, a_call()])
    process.take_contents(message)
    assert [each.request for each in process._contents.take()] == [ASKED.encode()]
    # Calls are counted from a log of their own.
    assert not process._calls


def test_what_a_gateway_left_out_is_said(subscription: Subscription, caplog: pytest.LogCaptureFixture) -> None:
    process, message = Usage(), als_pb2.StreamAccessLogsMessage()
    told = entry(str(subscription.pk), left_out=1)
    told.common_properties.upstream_cluster = "acme/ai/key/openai/0123"
    told.response.response_code.value = 200
    message.http_logs.log_entry.extend([told, a_call()])
    process.take(message, "gateway-1")
    assert process._contents.take() == []
    assert "What 1 calls asked and were answered is not written down" in caplog.text


# --- reading, erasing, forgetting ------------------------------------------------------------------------------------


def test_a_text_in_another_row_does_not_open(subscription: Subscription) -> None:
    one, two = written(content(subscription), content(subscription, request=b"{}"))
    LoggedContent.objects.filter(pk=two.pk).update(request=one.request)
    two.refresh_from_db()
    with pytest.raises(Unreadable):
        read_by_ada(two)
    assert not Event.objects.filter(kind="content_logging.read").exists(), "nothing was shown"


def test_a_list_has_those_of_an_application_and_no_texts(
    api: Api, subscription: Subscription, cast: Cast, django_assert_num_queries: Any
) -> None:
    other = request(api, cast)
    written(content(subscription), content(other))
    with django_assert_num_queries(2):
        found = [(row.application.name, row.asked) for row in contents.listed(api)]
    assert found == [(other.application.name, "openai/gpt-5"), (subscription.application.name, "openai/gpt-5")]
    assert [row.subscription for row in contents.listed(api, subscription.application)] == [subscription.pk]
    assert not contents.listed(make.api())


def test_erasing_takes_the_texts_and_the_key(api: Api, subscription: Subscription) -> None:
    ada = make.somebody("publisher")
    assert contents.erase(api, by=ada) is None
    (row,) = written(content(subscription))
    key = ContentLogging.objects.get().sealed
    event = contents.erase(api, by=ada)
    assert event is not None
    assert (event.kind, event.data) == ("content_logging.erased", {"calls": 1})
    assert ContentLogging.objects.get().sealed not in {"", key}
    # As if a backup had brought the row back.
    row.save(force_insert=True)
    with pytest.raises(Unreadable):
        read_by_ada(row)
    (again,) = written(content(subscription))[1:]
    assert read_by_ada(again).request == ASKED


def test_what_is_being_erased_is_not_written_with_the_key_that_was(subscription: Subscription, monkeypatch: Any) -> None:
    asked = contents.key_of

    def meanwhile(row: ContentLogging) -> bytes:
        found = asked(row)
        ContentLogging.objects.update(sealed=content_logging.new_key(row))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(contents, "key_of", meanwhile)
        assert written(content(subscription)) == []


def pruned() -> datetime | None:
    events.lock()
    return contents.prune()


def test_what_has_had_its_days_is_forgotten(api: Api, subscription: Subscription) -> None:
    now = timezone.now()
    ContentConsent.objects.update(at=now - timedelta(days=99))
    written(*(content(subscription, at=now - timedelta(days=days)) for days in (31, 29, 8, 1)))
    assert due.is_expected(contents.JOB)
    assert len(contents.listed(api)) == 3, "what is forgotten in a moment is not shown"
    assert pruned() is not None
    assert LoggedContent.objects.count() == 3
    given(api, days=7)
    pruned()
    assert LoggedContent.objects.count() == 1
    LoggedContent.objects.all().delete()
    assert pruned() is None


def test_so_many_are_kept_and_the_newest(subscription: Subscription, monkeypatch: Any) -> None:
    monkeypatch.setattr("gateway.contents.CONTENTS_KEPT", 2)
    rows = written(*(content(subscription, request_id=f"r-{n}") for n in range(5)))
    pruned()
    assert list(LoggedContent.objects.order_by("id").values_list("request_id", flat=True)) == [row.request_id for row in rows[3:]]


def test_it_goes_with_its_application(subscription: Subscription) -> None:
    written(content(subscription))
    subscription.application.delete()
    assert not LoggedContent.objects.exists()
