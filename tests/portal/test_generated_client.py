"""A client that an outside generator makes of our OpenAPI document does the main job, against a real server and a real gateway."""

import contextlib
import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from portal.stack import Ports
from portal.stack.parts import GRANIAN
from portal.stack.ports import choose
from portal.stack.stack import PROJECT
from tenants.models import Role, Tenant, User
from tests import live, make
from tests.live import DEADLINE, HOST, Gateway, Upstream, eventually

DOCUMENT = Path(PROJECT) / "tests" / "openapi.yml"
NAME = "generated_portico_client"
PASSWORD = "correct horse battery"
# What the generator has no word for: a file of JSON, line by line.
CONFIG = 'content_type_overrides:\n  "application/jsonl": "application/octet-stream"\n'


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The client's folder; what the generator said stands beside it."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "config.yml").write_text(CONFIG)
    # Its last step would format what it wrote; nobody reads that here.
    argv: list[Path | str] = [Path(sys.executable).with_name("openapi-python-client"), "generate", "--meta", "none", "--path", DOCUMENT]
    argv += ["--config", folder / "config.yml", "--output-path", folder / NAME]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={"PATH": str(Path(sys.executable).parent)})
    (folder / "said.txt").write_text(done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


def test_the_generator_leaves_nothing_out(generated: Path) -> None:
    said = (generated / "said.txt").read_text()
    assert "arning" not in said, said
    assert "ERROR" not in said, said


@pytest.fixture
def portal_url(gateway: Gateway) -> Iterator[str]:
    """The web server, as the stack runs it."""
    port = choose(Ports(0, 0, 0, 0), needed=set()).web
    argv = [sys.executable, "-m", *GRANIAN, "--port", str(port), "portal.wsgi:application"]
    with subprocess.Popen(argv, cwd=PROJECT, env=gateway.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            eventually(lambda: _answers(f"http://{HOST}:{port}/healthz"), within=60)
            yield f"http://{HOST}:{port}"
        finally:
            server.terminate()


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url, trust_env=False).status_code == 200
    return False


class Person:
    """Somebody who works with the generated client: `pam.does("tenants_apis_create", …)` is one operation."""

    def __init__(self, url: str, user: User) -> None:
        found = importlib.import_module(f"{NAME}.client")
        models = importlib.import_module(f"{NAME}.models")
        sign_in = importlib.import_module(f"{NAME}.api.session.session_create")
        body = models.SessionInRequest(email=user.email, password=PASSWORD)
        with found.Client(base_url=url, timeout=DEADLINE, httpx_args={"trust_env": False}) as client:
            pair = sign_in.sync(client=client, body=body)
        self.client = found.AuthenticatedClient(base_url=url, token=pair.access, timeout=DEADLINE, httpx_args={"trust_env": False})

    def does(self, operation: str, *ids: Any, **given: Any) -> Any:
        module = importlib.import_module(f"{NAME}.api.tenants.{operation}")
        answer = module.sync_detailed(*ids, client=self.client, **given)
        assert answer.status_code < 400, answer.content
        return answer.parsed


@pytest.fixture
def people(generated: Path, portal_url: str) -> Iterator[tuple[Tenant, Callable[[str], Person]]]:
    tenant = make.tenant(f"generated-{next(live._numbers)}")
    made: dict[str, Person] = {}
    for role in (Role.PUBLISHER, Role.DEVELOPER, Role.APPROVER):
        user = make.member(tenant, f"{role}@{tenant.slug}.example", role)
        user.set_password(PASSWORD)
        user.save()
        made[role] = Person(portal_url, user)
    yield tenant, lambda role: made[role]
    for each in made.values():
        each.client.get_httpx_client().close()


def test_it_does_the_main_job(
    people: tuple[Tenant, Callable[[str], Person]], portal_url: str, gateway: Gateway, upstream: Upstream
) -> None:
    """Publish, register, ask, be asked, approve, get a token, call; suspend, be refused, and read why."""
    tenant, person = people
    pam, carl, ada = person("publisher"), person("developer"), person("approver")
    at, given = tenant.slug, body_of
    pam.does("tenants_apis_create", at, body=given("ApiInRequest", slug="orders", name="Orders", description="All of them."))
    pam.does("tenants_apis_versions_create", at, "orders", body=given("VersionInRequest", name="v1"))
    document = {"document": json.dumps(make.DOCUMENT), "upstream": {"url": upstream.url}, "note": "The first"}
    revision = pam.does("tenants_apis_versions_revisions_create", at, "orders", "v1", body=given("RevisionInRequest", **document))
    assert revision.number == 1
    pam.does("tenants_apis_versions_revisions_live_create", at, "orders", "v1", 1, body=given("LiveInRequest"))
    plan = given("PlanInRequest", name="gold", calls=1_000, seconds=60, approval="manual")
    pam.does("tenants_apis_plans_create", at, "orders", body=plan)
    pam.does("tenants_apis_plans_publish_create", at, "orders", "gold")
    pam.does("tenants_apis_versions_publish_create", at, "orders", "v1")

    found = carl.does("tenants_apis_list", at, q="ord")
    assert [each.slug for each in found.results] == ["orders"]
    application = carl.does("tenants_applications_create", at, body=given("ApplicationInRequest", name="Shop", purpose="Sells."))
    secret = carl.does("tenants_applications_credentials_create", at, application.id, body=given("ClientSecretInRequest"))
    wanted = {"application": str(application.id), "api": "orders", "plan": "gold", "purpose": "To sell."}
    asked = carl.does("tenants_subscriptions_create", at, body=given("SubscriptionInRequest", **wanted), idempotency_key="once")
    again = carl.does("tenants_subscriptions_create", at, body=given("SubscriptionInRequest", **wanted), idempotency_key="once")
    assert (asked.status, asked.id) == ("pending", again.id)

    ada.does("tenants_subscriptions_ask_create", at, asked.id, body=given("MessageInRequest", text="How many?"))
    carl.does("tenants_subscriptions_answer_create", at, asked.id, body=given("MessageInRequest", text="A few."))
    said = ada.does("tenants_subscriptions_messages_list", at, asked.id)
    assert [each.text for each in said.results] == ["A few.", "How many?"]
    approved = ada.does("tenants_subscriptions_approve_create", at, asked.id)
    assert approved.status == "active"
    complete(ada, at, approved.event)

    basic = httpx.BasicAuth(secret.client_id, secret.client_secret)
    answer = httpx.post(f"{portal_url}/t/{at}/oauth/token", data={"grant_type": "client_credentials"}, auth=basic, trust_env=False)
    token = answer.json()["access_token"]
    path = f"/{at}/orders/v1/orders/1"
    gateway.settles(200, "", path, token)

    suspended = ada.does("tenants_subscriptions_suspend_create", at, asked.id, body=given("SuspendInRequest", reason="A test."))
    assert complete(ada, at, suspended.event).sentence.startswith("Enforced on 1/1 gateways")
    refused = gateway.call(path, token)
    assert refused.code == "SUBSCRIPTION_SUSPENDED"

    def told() -> bool:
        rows = carl.does("tenants_applications_refusals_list", at, application.id).results
        return refused.headers["x-request-id"] in [each.request_id for each in rows]

    eventually(told)


def test_a_refusal_is_read_too(people: tuple[Tenant, Callable[[str], Person]]) -> None:
    tenant, person = people
    module = importlib.import_module(f"{NAME}.api.tenants.tenants_apis_create")
    problem = module.sync(tenant.slug, client=person("publisher").client, body=body_of("ApiInRequest", slug="No Slug", name=""))
    assert (problem.status, sorted(problem.errors.to_dict())) == (422, ["name", "slug"])
    module = importlib.import_module(f"{NAME}.api.tenants.tenants_apis_retrieve")
    assert module.sync(tenant.slug, "nothing", client=person("publisher").client).status == 404


def body_of(model: str, **fields: Any) -> Any:
    """A body as the client's own class, which takes what the document says and nothing else."""
    found = getattr(importlib.import_module(f"{NAME}.models"), model)
    made = found.from_dict(fields)
    assert not made.additional_properties, made.additional_properties
    return made


def complete(person: Person, at: str, event: int) -> Any:
    def check() -> Any:
        receipt = person.does("tenants_receipts_retrieve", at, event)
        return receipt if receipt.complete else None

    return eventually(check)
