"""Whom bench.peers calls as, made in a process of its own: Django reads the running stack's settings when it is loaded.

It makes a tenant with 5,000 subscriptions, leaves tokens and the public key in a folder, and prints the rest as JSON.
"""

import json
import os
import sys
from pathlib import Path

import django
from joserfc.jwk import ECKey

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()

# Models can be imported only once Django is set up.
from bench.large import SUBSCRIPTIONS, Large  # noqa: E402
from keys.actions.credentials import create_api_key  # noqa: E402
from keys.models import SigningKey  # noqa: E402
from tenants.scope import tenant_scope  # noqa: E402

# More than a gateway remembers, so that in turn each is new to it.
TOKENS = 20_000
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Items", "version": "1"},
    "paths": {
        "/items": {
            "get": {"operationId": "listItems", "responses": {"200": {"description": "All"}}},
            "post": {"operationId": "createItem", "responses": {"201": {"description": "Made"}}},
        },
        "/items/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {"operationId": "readItem", "responses": {"200": {"description": "One"}}},
        },
    },
}
# Of the third operation.
PATH = "/items/7f3a"


def main(upstream: str, folder: Path) -> None:
    tenant = Large(upstream, json.dumps(DOCUMENT))
    with tenant_scope(tenant.tenant.pk):
        _, api_key = create_api_key(tenant.caller, by=None)
        jwk, algorithm = SigningKey.objects.values_list("public_jwk", "alg").get(purpose="access_token")
    (folder / "tokens").write_text("\n".join(tenant.tokens(TOKENS)))
    (folder / "public.pem").write_bytes(ECKey.import_key(jwk).as_pem(private=False))
    said = {"path": f"/{tenant.slug}/large/v1{PATH}", "api_key": api_key, "algorithm": algorithm, "subscriptions": SUBSCRIPTIONS}
    print(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
