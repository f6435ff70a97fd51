"""The demo's people, tenants, APIs and applications. Made through the same actions as everything else."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from apis import openapi
from apis.actions import approval_rules, changes, dates, drafts, plans, publishing, request_forms, subscriptions
from apis.actions.teams import give_api
from apis.models import Api, FormQuestion, Subscription
from keys.actions import service_accounts
from keys.actions.applications import register_application
from keys.actions.credentials import create_api_key, create_credential, roll
from keys.actions.signing import create_tenant
from keys.models import Application
from portal.demo import DOCUMENTS, OWN_TENANT
from portal.demo.own import publish_own
from tenants.actions import add_member
from tenants.models import Membership, Role, Tenant, User
from tenants.people.custom_roles import create_role
from tenants.people.invitations import invite
from tenants.people.teams import add_to_team, create_team
from tenants.scope import tenant_scope

# How long verifiers keep a JWKS of the demo's tenants: whoever tries a rotation waits no longer for it.
JWKS_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Person:
    email: str
    name: str
    tenants: Mapping[str, tuple[str, ...]]
    is_staff: bool = False


# How many calls a month pass under some plans, by API and name.
QUOTAS = {("orders", "gold"): 100_000}


@dataclass(frozen=True, slots=True)
class Offer:
    """An API with its plans: a name, calls, seconds and who decides. Without plans it stays a draft."""

    slug: str
    name: str
    plans: tuple[tuple[str, int, int, str], ...]


@dataclass(frozen=True, slots=True)
class Wish:
    """A subscription, and what became of it."""

    application: str
    api: str
    plan: str
    purpose: str
    then: str = ""
    reason: str = ""


TENANTS = {"acme": "Acme", "globex": "Globex", OWN_TENANT: "Portico"}
PEOPLE = (
    Person("olga@portico.example", "Olga", {}, is_staff=True),
    Person("ada@acme.example", "Ada", {"acme": (Role.ADMIN, Role.APPROVER), "globex": (Role.AUDITOR,)}),
    Person("pam@acme.example", "Pam", {"acme": (Role.PUBLISHER,)}),
    Person("carl@acme.example", "Carl", {"acme": (Role.DEVELOPER,)}),
    Person("dora@acme.example", "Dora", {"acme": (Role.DEVELOPER,)}),
    Person("ugo@acme.example", "Ugo", {"acme": (Role.AUDITOR,)}),
    Person("eve@globex.example", "Eve", {"globex": (Role.ADMIN,)}),
    Person("petra@portico.example", "Petra", {OWN_TENANT: (Role.ADMIN, Role.PUBLISHER, Role.DEVELOPER)}),
)
OPERATOR = PEOPLE[0].email
OFFERS = {
    "acme": (
        Offer("echo", "Echo", (("free", 60, 60, "manual"),)),
        Offer("orders", "Orders", (("gold", 1000, 1, "manual"), ("silver", 100, 60, "manual"))),
        Offer("payments", "Payments", (("gold", 200, 1, "manual"),)),
        Offer("stock", "Stock", (("open", 600, 60, "automatic"),)),
        Offer("customers", "Customers", ()),
    ),
    "globex": (Offer("echo", "Echo", (("free", 60, 60, "manual"),)),),
}
# Orders as Pam would have it next, and what she began.
NEXT, DRAFT = "orders-next", "customers"
APPLICATIONS = (
    ("carl@acme.example", "Checkout", "Takes orders in the shop.", "live"),
    ("carl@acme.example", "Storefront", "Shows what there is, and what was bought.", "live"),
    ("carl@acme.example", "Storefront, nightly tests", "Tries the storefront each night.", "test"),
    ("dora@acme.example", "Warehouse scanner", "Counts what comes and goes.", "live"),
)
WISHES = (
    Wish("Checkout", "echo", "free", "Echo each order once."),
    Wish("Storefront", "orders", "gold", "Show people their orders.", "approve"),
    Wish("Storefront", "stock", "open", "Say whether it can be had."),
    Wish("Storefront", "payments", "gold", "Refund from the order's page.", "reject", "Refunds are made by Checkout alone."),
    Wish("Warehouse scanner", "stock", "open", "Count parcels."),
    Wish("Warehouse scanner", "orders", "silver", "Print what is to be packed.", "suspend", "It calls ten times a second at night."),
    Wish("Storefront, nightly tests", "orders", "silver", "The same as the storefront, on test data."),
    Wish("Warehouse scanner", "payments", "gold", "Know what is paid before it leaves."),
)


def seed(upstream_url: str) -> list[dict[str, str]]:
    """Tenants, people, published APIs, applications, and requests that wait. Returns the sign-ins, with fresh passwords; call it once."""
    names = sorted({offer.slug for offers in OFFERS.values() for offer in offers} | {NEXT, DRAFT})
    documents = {name: openapi.read(_text(name)) for name in names}
    target = publishing.check_target(upstream_url)
    with transaction.atomic():
        tenants = {slug: _tenant(slug, name) for slug, name in TENANTS.items()}
        sign_ins = [_person(person, tenants) for person in PEOPLE]
        for slug, publisher in (("acme", "pam@acme.example"), ("globex", "eve@globex.example")):
            with tenant_scope(tenants[slug].pk):
                for offer in OFFERS[slug]:
                    _publish(offer, documents[offer.slug], target, by=_user(publisher))
        with tenant_scope(tenants["acme"].pk):
            _subscribe(decider=_user("ada@acme.example"))
            _go_on(documents, upstream_url, target, by=_user("pam@acme.example"))
            _automate(by=_user("ada@acme.example"))
            _organise(by=_user("ada@acme.example"))
            _ask(by=_user("pam@acme.example"))
            invite(["bo@acme.example"], roles=[Role.DEVELOPER], by=_user("ada@acme.example"))
        with tenant_scope(tenants[OWN_TENANT].pk):
            publish_own(by=_user("petra@portico.example"))
    return sign_ins


def _text(name: str) -> str:
    return (DOCUMENTS / f"{name}.yaml").read_text()


def _user(email: str) -> User:
    return User.objects.get(email=email)


def _tenant(slug: str, name: str) -> Tenant:
    """It may have grown large before: see portal.scale."""
    return Tenant.objects.filter(slug=slug).first() or create_tenant(slug=slug, name=name, by=None, jwks_max_age=JWKS_SECONDS)


def _person(person: Person, tenants: Mapping[str, Tenant]) -> dict[str, str]:
    password = secrets.token_urlsafe(12)
    user = User.objects.filter(email=person.email).first()
    if user is None:
        user = User.objects.create_user(person.email, password, name=person.name, is_staff=person.is_staff)
    else:
        user.set_password(password)
        user.save(update_fields=["password"])
    for slug, roles in person.tenants.items():
        with tenant_scope(tenants[slug].pk):
            add_member(user, roles=roles, by=None)
    first = next(iter(person.tenants), "")
    return {"role": ", ".join(person.tenants.get(first, ["operator"])), "email": person.email, "password": password, "tenant": first}


def _publish(offer: Offer, document: openapi.Document, target: publishing.Target, *, by: User) -> None:
    description = str(document.content["info"].get("description", ""))
    api = publishing.create_api(slug=offer.slug, name=offer.name, description=description, by=by)
    version = publishing.add_version(api, name="v1", by=by)
    if offer.slug != "echo":
        # httpbin answers to any path below this one.
        target = replace(target, address=replace(target.address, path="/anything"))
    revision = publishing.add_revision(version, document=document, target=target, note="First import", by=by)
    publishing.make_live(revision, by=by)
    version.refresh_from_db()
    if not offer.plans:
        return
    publishing.publish(version, by=by)
    for name, calls, seconds, approval in offer.plans:
        quota = QUOTAS.get((offer.slug, name))
        plans.publish(plans.create(api, name=name, calls=calls, seconds=seconds, approval=approval, quota=quota, by=by), by=by)


def _subscribe(*, decider: User) -> None:
    applications: dict[str, Application] = {}
    for owner, name, purpose, environment in APPLICATIONS:
        applications[name] = register_application(name=name, purpose=purpose, environment=environment, by=_user(owner))
    for wish in WISHES:
        application = applications[wish.application]
        plan = Api.objects.get(slug=wish.api).plans.get(name=wish.plan)
        asked, _ = subscriptions.request(application, api=plan.api, plan=plan, purpose=wish.purpose, by=application.owner)
        _decide(asked, wish, by=decider)
    _end_some(decider)
    storefront = applications["Storefront"]
    # Nobody ever sees these secrets; Carl can roll them.
    create_api_key(storefront, label="Price list", by=storefront.owner)
    create_credential(storefront, label="Nightly job", expires_at=timezone.now() + timedelta(days=20), by=storefront.owner)
    old, _ = create_credential(storefront, label="Shop servers", by=storefront.owner)
    roll(old, grace="24h", by=storefront.owner)


def _end_some(decider: User) -> None:
    """One that Ada lets end, and that Carl would like to go on."""
    found = Subscription.objects.select_related("application__owner", "api", "plan").get(api__slug="stock", application__name="Storefront")
    dates.change_dates(found, ends_at=timezone.now() + timedelta(days=40), by=decider)
    changes.ask_to_renew(found, purpose="The storefront stays.", by=found.application.owner)


def _go_on(documents: Mapping[str, openapi.Document], upstream_url: str, target: publishing.Target, *, by: User) -> None:
    """What Pam has not finished: a changed document that is not live, and an API that is not published."""
    orders = Api.objects.get(slug="orders").versions.get(name="v1")
    target = replace(target, address=replace(target.address, path="/anything"))
    publishing.add_revision(orders, document=documents[NEXT], target=target, note="Cancelling wants a reason", by=by)
    draft = drafts.write(document=_text(DRAFT), read=documents[DRAFT], by=by)
    drafts.describe(draft, name="Customers", slug="customers-2", description=str(documents[DRAFT].content["info"]["description"]))
    drafts.aim(draft, url=f"{upstream_url}/anything", target=target)


def _automate(*, by: User) -> None:
    """Ada's service accounts, of which one is rolled; nobody ever sees their secrets."""
    terraform, _ = service_accounts.create(
        name="Terraform", description="APIs and plans as code, from the pipeline.", permissions=["apis.publish"], by=by
    )
    service_accounts.roll(terraform, grace="24h", by=by)
    service_accounts.create(name="Audit archive", description="Copies the audit every night.", permissions=["audit.read"], days=20, by=by)


def _organise(*, by: User) -> None:
    """A team with what it owns, and a role of Acme's own."""
    lead, other = (Membership.objects.select_related("user").get(user__email=each) for each in ("carl@acme.example", "dora@acme.example"))
    team = create_team(name="Web shop", description="Everything that customers see.", lead=lead, by=by)
    add_to_team(team, other, by=by)
    register_application(name="Gift cards", purpose="Sells gift cards.", environment="test", by=other.user, team=team)
    give_api(Api.objects.get(slug="orders"), team=team, by=by)
    create_role(
        name="On call", description="Stops what misbehaves, at night.", permissions=["subscriptions.decide", "applications.see_all"], by=by
    )
    # Off, as each is at first.
    approval_rules.create(name="Test applications", outcome="automatic", environment="test", most_per_minute=100, by=by)


def _ask(*, by: User) -> None:
    """What Payments asks of those who request it."""
    questions = (
        FormQuestion("cards", "Does it see card numbers?", kind="yes_no"),
        FormQuestion("where", "Where does it run?", "Approvers ask for a data centre in the EU.", "choice", ("In the EU", "Elsewhere")),
        FormQuestion("more", "What else should we know?", kind="long", required=False),
    )
    request_forms.set_form(Api.objects.get(slug="payments"), questions, by=by)


def _decide(subscription: Subscription, wish: Wish, *, by: User) -> None:
    if wish.then in {"approve", "suspend"}:
        subscriptions.approve(subscription, by=by)
    if wish.then == "suspend":
        subscriptions.suspend(subscription, reason=wish.reason, by=by)
    if wish.then == "reject":
        subscriptions.reject(subscription, reason=wish.reason, by=by)
