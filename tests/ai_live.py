"""An AI API of one test's own behind a real gateway: its providers are mocks, and applications call by the providers' own clients."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import cycle
from typing import Any

import anthropic
import openai

from apis.actions import ai_apis, aliases, provider_keys, provider_models, providers
from apis.ai.offer import Offer
from apis.models import Plan
from apis.models import Provider as Row
from keys.actions.credentials import create_api_key
from portal.demo.provider import KEY, MODELS, Provider
from tenants.models import Role
from tests import live, make
from tests.live import HOST, Client, Gateway, Shop

SMALL = MODELS[0]
API = "models"
_ANTHROPIC = {"format": "anthropic", "prefix": "/v1", "header": "x-api-key", "value": "{key}"}
# What mocks speak. The second takes its key in another header, so that one of the first that was left there would be seen.
DIALECTS = (
    ({"format": "openai", "prefix": "/v1", "header": "Authorization", "value": "Bearer {key}"}, _ANTHROPIC),
    ({"format": "openai", "prefix": "/openai/v1", "header": "api-key", "value": "{key}"}, _ANTHROPIC),
)


@dataclass
class Caller:
    """An application with an API key and a subscription. It says everything once: a client that repeats calls would hide what failed."""

    url: str
    key: str = field(repr=False)
    client: Client

    @contextmanager
    def openai(self, **more: Any) -> Iterator[openai.OpenAI]:
        with openai.OpenAI(**{"base_url": f"{self.url}/v1", "api_key": self.key, "max_retries": 0, "timeout": 20, **more}) as found:
            yield found

    @contextmanager
    def anthropic(self, **more: Any) -> Iterator[anthropic.Anthropic]:
        with anthropic.Anthropic(**{"base_url": self.url, "api_key": self.key, "max_retries": 0, "timeout": 20, **more}) as found:
            yield found


@dataclass
class Models:
    """A tenant whose API `models` offers what its providers have."""

    shop: Shop
    gateway: Gateway
    rows: dict[str, Row]

    def caller(self, plan: Plan | None = None, *, status: str = "active") -> Caller:
        with self.shop.scope():
            plan = plan or self.shop.apis[API].plans.get()
        client = self.shop.client(status, api=API, plan=plan)
        with self.shop.scope():
            _, key = create_api_key(client.application, by=client.application.owner)
        self.shop.enforced_newest()
        # The tenant's first call can take as long as it takes to load it.
        self.gateway.call(f"/{self.shop.slug}/{API}/v1/models", key)
        return Caller(f"http://{HOST}:{self.gateway.port}/{self.shop.slug}/{API}", key, client)


def offer(
    gateway: Gateway,
    mocks: Mapping[str, Provider],
    *,
    keys: Mapping[str, Sequence[str]] | None = None,
    alias: Mapping[str, Sequence[str]] | None = None,
    models: Sequence[str] = (),
    terms: Mapping[str, Any] | None = None,
) -> Models:
    """Published: each provider's small model, and the aliases.

    :param keys: of each, in order of their priority. :param alias: providers, in order.
    """
    shop = live.shop(api=False)
    with shop.scope():
        pam = make.somebody(Role.PUBLISHER)
        rows = {}
        for (slug, mock), dialects in zip(mocks.items(), cycle(DIALECTS), strict=False):
            rows[slug] = providers.connect(kind="custom", slug=slug, name=slug.title(), url=mock.url, dialects=dialects, by=pam)
            for number, key in enumerate((keys or {}).get(slug, (KEY,)), 1):
                provider_keys.add(rows[slug], key=key, label=str(number), priority=number, by=pam)
            for model in (SMALL, *models):
                provider_models.add(rows[slug], given={"name": model, "input": Decimal(1), "output": Decimal(2)}, by=pam)
        named = {name: [{"provider": slug, "model": SMALL} for slug in of] for name, of in (alias or {}).items()}
        for name, targets in named.items():
            aliases.create(name=name, targets=targets, by=pam)
        offered = Offer((*(f"{slug}/{model}" for slug in mocks for model in (SMALL, *models)), *named))
        plan = {"name": "wide", "calls": 100_000, "seconds": 1, "approval": "manual", **(terms or {})}
        shop.apis[API], _ = ai_apis.publish(slug=API, name="Models", offer=offered, terms=[plan], by=pam)
    return Models(shop, gateway, rows)
