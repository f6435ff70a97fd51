"""Whom bench.ai calls as, made in a process of its own: Django reads the running stack's settings when it is loaded.

It makes a tenant with a provider, an AI API of its models and 5,000 subscriptions, and prints what a call needs as JSON.
"""

import json
import os
import sys
import time
from decimal import Decimal

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()

# Models can be imported only once Django is set up.
from apis.actions import ai_apis, provider_models, providers  # noqa: E402
from apis.ai.offer import Offer  # noqa: E402
from bench.large import SUBSCRIPTIONS, subscribers  # noqa: E402
from keys.actions.credentials import create_api_key  # noqa: E402
from keys.actions.signing import create_tenant  # noqa: E402
from portal.demo.provider import KEY, MODELS  # noqa: E402
from tenants.models import User  # noqa: E402
from tenants.scope import tenant_scope  # noqa: E402

SLUG = "mock"


def main(url: str) -> None:
    """:param url: the provider's."""
    name = f"models-{time.time_ns()}"
    tenant = create_tenant(slug=name, name="Models", by=None)
    publisher, owner = (User.objects.create_user(f"{who}-{name}@example.com", None) for who in ("publisher", "owner"))
    with tenant_scope(tenant.pk):
        provider = providers.connect(kind="custom", slug=SLUG, name="Mock", url=url, key=f"{KEY}-1", by=publisher)
        provider_models.add(provider, given={"name": MODELS[0], "input": Decimal(1), "output": Decimal(2)}, by=publisher)
        model = f"{SLUG}/{MODELS[0]}"
        wide = {"name": "wide", "calls": 1_000_000, "seconds": 1, "approval": "manual"}
        api, _ = ai_apis.publish(slug="models", name="Models", offer=Offer((model,)), terms=[wide], by=publisher)
        rows = subscribers(api.plans.get(), SUBSCRIPTIONS, owner=owner)
        _, key = create_api_key(rows[0].application, by=None)
    print(json.dumps({"base": f"/{name}/models/v1", "model": model, "key": key, "subscriptions": SUBSCRIPTIONS}))


if __name__ == "__main__":
    main(sys.argv[1])
