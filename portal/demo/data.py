"""The demo's people, tenants and APIs. Made through the same actions as everything else."""

import secrets
from dataclasses import dataclass

from django.db import transaction

from apis import openapi
from apis.actions import publishing, subscriptions
from apis.models import Api
from keys.actions import create_tenant, register_application
from portal.demo import DOCUMENT
from tenants.actions import add_member
from tenants.models import Role, Tenant, User
from tenants.scope import tenant_scope


@dataclass(frozen=True, slots=True)
class Person:
    email: str
    name: str
    tenant: str
    roles: tuple[str, ...]


TENANTS = {"acme": "Acme", "globex": "Globex"}
PEOPLE = (
    Person("ada@acme.example", "Ada", "acme", (Role.ADMIN, Role.APPROVER)),
    Person("pam@acme.example", "Pam", "acme", (Role.PUBLISHER,)),
    Person("carl@acme.example", "Carl", "acme", (Role.DEVELOPER,)),
    Person("eve@globex.example", "Eve", "globex", (Role.ADMIN,)),
)
OPERATOR = "olga@portico.example"


def seed(upstream_url: str) -> list[dict[str, str]]:
    """Tenants, people, a published API each and a request that waits. Returns the sign-ins, with fresh passwords; call it once."""
    document = openapi.read(DOCUMENT.read_text())
    target = publishing.check_target(upstream_url)
    with transaction.atomic():
        sign_ins = [_person(OPERATOR, "Olga", tenant="", role="operator", is_staff=True)]
        tenants = {slug: create_tenant(slug=slug, name=name, by=None) for slug, name in TENANTS.items()}
        for person in PEOPLE:
            sign_ins.append(_person(person.email, person.name, tenant=person.tenant, role=", ".join(person.roles)))
            with tenant_scope(tenants[person.tenant].pk):
                add_member(User.objects.get(email=person.email), roles=person.roles, by=None)
        for slug, publisher in (("acme", "pam@acme.example"), ("globex", "eve@globex.example")):
            _publish(tenants[slug], document, target, by=User.objects.get(email=publisher))
        _ask(tenants["acme"], by=User.objects.get(email="carl@acme.example"))
    return sign_ins


def _person(email: str, name: str, *, tenant: str, role: str, is_staff: bool = False) -> dict[str, str]:
    password = secrets.token_urlsafe(12)
    User.objects.create_user(email, password, name=name, is_staff=is_staff)
    return {"role": role, "email": email, "password": password, "tenant": tenant}


def _publish(tenant: Tenant, document: openapi.Document, target: publishing.Target, *, by: User) -> None:
    with tenant_scope(tenant.pk):
        api = publishing.create_api(slug="echo", name="Echo", description="Says back what it was sent.", by=by)
        version = publishing.add_version(api, name="v1", by=by)
        revision = publishing.add_revision(version, document=document, target=target, note="First import", by=by)
        publishing.make_live(revision, by=by)
        version.refresh_from_db()
        publishing.publish(version, by=by)
        plan = publishing.create_plan(api, name="free", calls=60, seconds=60, approval="manual", by=by)
        publishing.publish_plan(plan, by=by)


def _ask(tenant: Tenant, *, by: User) -> None:
    with tenant_scope(tenant.pk):
        application = register_application(name="Checkout", purpose="Takes orders in the shop.", environment="live", by=by)
        from_api = Api.objects.get(slug="echo")
        plan = from_api.plans.get(name="free")
        subscriptions.request(application, api=from_api, plan=plan, purpose="Echo each order once.", by=by)
