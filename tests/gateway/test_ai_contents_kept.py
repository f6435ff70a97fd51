"""What callers ask and models answer, from a real gateway to the table: of who agreed to it, for as long as they do, and of nobody else."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import Sum
from django.utils import timezone

from apis.actions import content_logging, provider_models
from apis.models import Api
from gateway import contents
from gateway.models import LoggedContent, UsageFreshness, UsageMinute
from tenants.models import Event
from tests import live, make
from tests.gateway.ai import CHAT, Provider, asks, stream
from tests.gateway.test_log_shipping_envoy import ships
from tests.keys.hook_server import Receiver, receiver
from tests.live import Answer, Client, Gateway, Shop, Upstream, eventually

__all__ = ["receiver"]
RULES: dict[str, Any] = {"enabled": True, "requests": True, "answers": True, "days": 30, "consent": "We read it."}


@dataclass
class World:
    """Carl and Dora call `models`; Carl calls `others`, too."""

    gateway: Gateway
    shop: Shop
    provider: Provider
    api: Api
    carl: Client
    dora: Client
    calls: int = 0

    def ask(self, client: Client, text: str = "hello", *, api: str = "models", **more: Any) -> Answer:
        body = json.dumps(asks(text=text, **more)).encode()
        path, headers = self.shop.path(CHAT, api=api), [("content-type", "application/json")]
        self.calls += 1
        return self.gateway.call(path, client.token(), method="POST", headers=headers, body=body)

    def put(self, **changed: Any) -> Event:
        """In force at the gateway when this returns."""
        event = self.shop.does(content_logging.put, self.api, **{**RULES, **changed}, by=self.shop.person("publisher"))
        assert event is not None
        self.shop.enforced(event)
        return event

    def agree(self, client: Client) -> None:
        with self.shop.scope():
            row = content_logging.in_force(self.api)
        assert row is not None
        assert self.shop.does(content_logging.agree, client.subscription, version=row.version, by=client.application.owner) is not None

    def rows(self) -> list[LoggedContent]:
        with self.shop.scope():
            return list(LoggedContent.objects.select_related("api", "application").order_by("id"))

    def asked(self) -> list[str]:
        """What is kept of questions, oldest first, once all calls are counted: of each batch texts are written after that."""

        def counted() -> bool:
            with self.shop.scope():
                assert (UsageMinute.objects.aggregate(calls=Sum("calls"))["calls"] or 0) >= self.calls
            return True

        eventually(counted)
        before = len(self.rows())
        # Texts have a log of their own, up to half a second later.
        heard = timezone.now() + timedelta(seconds=0.7)
        eventually(lambda: UsageFreshness.objects.filter(written_until__gte=heard).exists())
        found = [json.loads(self.opened(row).request or "{}")["messages"][0]["content"] for row in self.rows()]
        assert len(found) >= before
        return found

    def opened(self, row: LoggedContent) -> contents.Opened:
        return self.shop.does(contents.opened, row, by=self.shop.person("publisher"))


@pytest.fixture
def provider() -> Iterator[Provider]:
    found = Provider("A")
    yield found
    found.stop()


@pytest.fixture
def world(gateway: Gateway, upstream: Upstream, provider: Provider) -> World:
    shop = live.shop(upstream, api=False)
    with shop.scope():
        pam = make.somebody("publisher")
        made = make.provider("first", kind="litellm", url=f"http://127.0.0.1:{provider.port}", by=pam)
        make.provider_key(made, by=pam)
        provider_models.add(made, given={"name": "gpt-4o"}, by=pam)
        make.alias("fast", "first/gpt-4o", by=pam)
        for slug in ("models", "others"):
            shop.apis[slug] = make.ai_api(slug, "fast", by=pam)
        plans = {slug: make.plan(api, name="gold", calls=100_000) for slug, api in shop.apis.items()}
    carl, dora = shop.client(plan=plans["models"]), shop.client(plan=plans["models"])
    shop.subscribe(carl, plans["others"])
    shop.enforced_newest()
    gateway.loads(shop.slug)
    return World(gateway, shop, provider, shop.apis["models"], carl, dora)


def test_of_who_agreed_what_was_asked_and_answered_is_kept(world: World) -> None:
    assert world.ask(world.carl, "before it is switched on").status == 200
    world.put()
    assert world.ask(world.carl, "before Carl agrees").status == 200
    world.agree(world.carl)
    assert world.ask(world.dora, "Dora never does").status == 200
    answer = world.ask(world.carl, "größe 😀")
    assert answer.status == 200, str(answer)
    assert world.asked() == ["größe 😀"]
    (row,) = world.rows()
    assert (row.api.slug, row.application_id) == ("models", world.carl.application.pk)
    assert world.carl.subscription is not None
    assert row.subscription == world.carl.subscription.pk
    assert (row.request_id, row.operation, row.asked, row.status) == (answer.headers["x-request-id"], "chatCompletions", "fast", 200)
    assert (row.request_cut, row.answer_cut, row.streamed) == (False, False, False)
    assert row.us > 0
    found = world.opened(row)
    assert (json.loads(found.request or ""), found.answer) == (asks(text="größe 😀"), answer.body.decode())
    held = bytes(row.request or b"") + bytes(row.answer or b"")
    assert b"messages" not in held, "in the table nobody reads it"
    assert b"hello from" not in held


def test_streams_and_what_is_too_long_are_kept_as_far_as_that_goes(world: World) -> None:
    world.put()
    world.agree(world.carl)
    told = stream(world.gateway.port, world.shop.path(CHAT, api="models"), asks(stream=True), world.carl.token())
    assert b"[DONE]" in told.whole
    long = world.ask(world.carl, "x" * 100_000)
    assert long.status == 200
    eventually(lambda: len(world.rows()) == 2)
    # Large ones are told at once, others within half a second.
    whole, cut = sorted(world.rows(), key=lambda each: each.at)
    assert (world.opened(whole).answer, whole.streamed, whole.answer_cut) == ("w0 w1 w2 w3 ", True, False)
    assert (cut.request_cut, cut.answer_cut, len(world.opened(cut).request or "")) == (True, False, 65_536)


def test_who_withdraws_is_kept_no_longer(world: World) -> None:
    world.put()
    world.agree(world.carl)
    world.agree(world.dora)
    world.ask(world.carl, "one")
    assert world.asked() == ["one"]
    assert world.shop.does(content_logging.withdraw, world.carl.subscription, by=world.carl.application.owner) is not None
    world.ask(world.carl, "two")
    world.ask(world.dora, "three")
    assert world.asked() == ["one", "three"]
    world.agree(world.carl)
    world.ask(world.carl, "four")
    assert world.asked() == ["one", "three", "four"]


def test_another_text_is_agreed_to_anew(world: World) -> None:
    world.put()
    world.agree(world.carl)
    assert world.put(consent="Others read it, too.").kind == content_logging.CHANGED
    world.ask(world.carl, "one")
    assert world.asked() == []
    world.agree(world.carl)
    world.ask(world.carl, "two")
    assert world.asked() == ["two"]
    # Less is no reason to ask.
    world.put(consent="Others read it, too.", answers=False, days=5)
    world.ask(world.carl, "three")
    assert world.asked() == ["two", "three"]
    assert world.opened(world.rows()[1]).answer is None


def test_switched_off_it_ends_at_the_gateway(world: World) -> None:
    world.put()
    world.agree(world.carl)
    world.ask(world.carl, "one")
    assert world.asked() == ["one"]
    assert world.put(enabled=False).kind == content_logging.SWITCHED_OFF
    world.ask(world.carl, "two")
    # And on again, which is what they agreed to.
    assert world.put().kind == content_logging.SWITCHED_ON
    world.ask(world.carl, "three")
    assert world.asked() == ["one", "three"]


def test_nothing_is_kept_of_another_api_nor_of_what_is_refused(world: World) -> None:
    world.put()
    world.agree(world.carl)
    assert world.ask(world.carl, "elsewhere", api="others").status == 200
    assert world.ask(world.carl, "which", model="none").code == "MODEL_UNKNOWN"
    world.provider.does = "401"
    assert world.ask(world.carl, "nobody answers").code == "PROVIDER_UNAVAILABLE"
    world.provider.does = "ok"
    assert world.ask(world.carl, "one").status == 200
    assert world.asked() == ["one"]


def test_logs_of_calls_have_no_text_of_it(world: World, receiver: Receiver) -> None:
    world.put()
    world.agree(world.carl)
    ships(world.shop, api="models", url=receiver.url)

    def told() -> bool:
        assert world.ask(world.carl, "a-secret-question").status == 200
        return bool(receiver.got)

    eventually(told)
    eventually(world.rows)
    everything = b"".join(each.body for each in receiver.got)
    assert b"chatCompletions" in everything
    for text in (b"a-secret-question", b"hello from", b"portico.content"):
        assert text not in everything


def test_after_everything_is_erased_it_goes_on(world: World) -> None:
    world.put()
    world.agree(world.carl)
    world.ask(world.carl, "one")
    assert world.asked() == ["one"]
    assert world.shop.does(contents.erase, world.api, by=world.shop.person("publisher")) is not None
    assert world.rows() == []
    world.ask(world.carl, "two")
    assert world.asked() == ["two"]
