"""Portico's own REST API as an API of a tenant: published, subscribed to and called as any other.

Behind the gateway its calls are those of a service account, whose secret the gateway adds as a bearer token: docs/decisions/0029.
"""

import json
from typing import Any

from django.conf import settings
from drf_spectacular.generators import SchemaGenerator

from apis import lint
from apis.actions import plans, publishing
from apis.models import Api
from apis.openapi import Document
from keys.actions import service_accounts
from portal.demo import OWN_PLAN, OWN_SLUG
from tenants.models import User

# Where REST begins, and what of it belongs to a tenant: a service account has no use for the rest.
_ROOT, _OFFERED = "/api/v1", "/api/v1/tenants/"


def publish_own(*, by: User) -> Api:
    """In the tenant in scope, under a plan that asks nobody."""
    _, secret = service_accounts.create(
        name="Portico's own API", description="Reads for who calls through the gateway.", permissions=[], by=by
    )
    target = publishing.check_target(f"{settings.PORTAL_URL}{_ROOT}", credential="bearer", secret=secret)
    said = "Portico itself over REST, for whoever automates this tenant. What is called here may read and change nothing."
    api = publishing.create_api(slug=OWN_SLUG, name="Portico REST", description=said, by=by)
    version = publishing.add_version(api, name="v1", by=by)
    revision = publishing.add_revision(version, document=document(), target=target, note="As this release has it", by=by)
    publishing.make_live(revision, by=by)
    version.refresh_from_db()
    publishing.publish(version, by=by)
    plan = plans.create(api, name=OWN_PLAN, calls=300, seconds=60, approval="automatic", by=by)
    plans.publish(plan, by=by)
    return api


def document() -> Document:
    """The operations within a tenant, as they are described at `/api/v1/schema/`, with paths that begin at the root of REST."""
    whole: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    offered = {path.removeprefix(_ROOT): item for path, item in whole["paths"].items() if path.startswith(_OFFERED)}
    return lint.parse(json.dumps({**whole, "paths": offered}))
