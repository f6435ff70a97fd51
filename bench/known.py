"""The tenants of bench.memory, made in a process of its own: Django reads the running stack's settings when it is loaded."""

import json
import os
import sys
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()

# Models can be imported only once Django is set up.
from bench.large import Large  # noqa: E402
from bench.memory import EACH, FULL, KNOWN, SERVED, SUBSCRIPTIONS  # noqa: E402
from keys.actions.credentials import create_api_key  # noqa: E402
from tenants.models import Tenant  # noqa: E402
from tenants.scope import tenant_scope  # noqa: E402

ANSWER: dict[str, Any] = {"responses": {"200": {"description": "Something"}}}
ONE: dict[str, Any] = {"parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]}
# Twenty operations.
PATHS: dict[str, Any] = {
    f"/{name}s{below}": {
        **(ONE if below else {}),
        "get": {"operationId": f"{name}{'One' if below else 'All'}", **ANSWER},
        "put": {"operationId": f"{name}{'PutOne' if below else 'PutAll'}", **ANSWER},
    }
    for name in ("account", "invoice", "order", "parcel", "person")
    for below in ("", "/{id}")
}
DOCUMENT = json.dumps({"openapi": "3.1.0", "info": {"title": "Usual", "version": "1"}, "paths": PATHS})


def main(upstream: str) -> None:
    """Prints what to call of those that are served: an address and an API key each."""
    Tenant.objects.bulk_create(Tenant(slug=f"known-{number}", name=f"Known {number}") for number in range(KNOWN - SERVED - FULL))
    served = [served_one(upstream, SUBSCRIPTIONS) for _ in range(SERVED)]
    print(json.dumps({"served": served, "full": [served_one(upstream, EACH) for _ in range(FULL)]}))


def served_one(upstream: str, many: int) -> tuple[str, str]:
    made = Large(upstream, DOCUMENT, many)
    with tenant_scope(made.tenant.pk):
        _, key = create_api_key(made.caller, by=None)
    return f"/{made.slug}/large/v1/orders/1", key


if __name__ == "__main__":
    main(sys.argv[1])
