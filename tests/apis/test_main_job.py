"""The main job over REST, told by its people: Pam publishes, Carl asks, Ada decides."""

from typing import Any

import pytest
from rest_framework.response import Response

from apis.models import Subscription
from tenants.models import Event, Role, User
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base

UPSTREAM = {"url": "http://127.0.0.1:9/base"}


class Acme:
    """Acme's REST API, by person."""

    def __init__(self, cast: Cast, rest: Rest) -> None:
        self.cast, self.rest, self.base = cast, rest, base(cast.acme)

    def get(self, who: User, path: str) -> Any:
        return self.rest(who).get(f"{self.base}/{path}")

    def post(self, who: User, path: str, body: Any = None, *, status: int = 200) -> Any:
        response: Response = self.rest(who).post(f"{self.base}/{path}", body)
        assert response.status_code == status, response.content
        return response.json()  # type: ignore[attr-defined]

    def published(self, approval: str = "manual") -> None:
        pam = self.cast.pam
        self.post(pam, "apis/", {"slug": "orders", "name": "Orders"}, status=201)
        self.post(pam, "apis/orders/versions/", {"name": "v1"}, status=201)
        revisions = "apis/orders/versions/v1/revisions/"
        self.post(pam, revisions, {"document": make.DOCUMENT, "upstream": UPSTREAM}, status=201)
        self.post(pam, f"{revisions}1/live/")
        self.post(pam, "apis/orders/versions/v1/publish/")
        plan = {"name": "gold", "calls": 10, "seconds": 1, "approval": approval}
        self.post(pam, "apis/orders/plans/", plan, status=201)
        self.post(pam, "apis/orders/plans/gold/publish/")

    def application(self, who: User | None = None, name: str = "Shop") -> str:
        made = self.post(who or self.cast.carl, "applications/", {"name": name, "purpose": "Sells."}, status=201)
        return str(made["id"])

    def ask(self, application: str, who: User | None = None, *, status: int = 201) -> Any:
        wish = {"application": application, "api": "orders", "plan": "gold", "purpose": "To sell."}
        return self.post(who or self.cast.carl, "subscriptions/", wish, status=status)


@pytest.fixture
def acme(cast: Cast, rest: Rest) -> Acme:
    return Acme(cast, rest)


def test_the_main_job(acme: Acme) -> None:
    cast = acme.cast
    acme.published()
    seen = acme.get(cast.carl, "apis/").json()["results"]
    assert [(api["slug"], [v["status"] for v in api["versions"]], [p["name"] for p in api["plans"]]) for api in seen] == [
        ("orders", ["published"], ["gold"])
    ]
    assert seen[0]["versions"][0]["address"].endswith("/acme/orders/v1")
    revision = acme.get(cast.carl, "apis/orders/versions/v1/revisions/1/").json()
    assert [(each["method"], each["path"]) for each in revision["operations"]] == [
        ("GET", "/orders"),
        ("POST", "/orders"),
        ("GET", "/orders/{id}"),
    ]
    assert "upstream" not in revision, "where calls go is the publisher's business"
    assert acme.get(cast.pam, "apis/orders/versions/v1/revisions/1/").json()["upstream"]["url"] == "http://127.0.0.1:9/base"

    application = acme.application()
    asked = acme.ask(application)
    assert (asked["status"], asked["requested_by"], asked["decided_by"]) == ("pending", "carl@acme.example", None)
    queue = acme.get(cast.ada, "subscriptions/?status=pending").json()["results"]
    assert [each["id"] for each in queue] == [asked["id"]]
    path = f"subscriptions/{asked['id']}"
    approved = acme.post(cast.ada, f"{path}/approve/")
    assert (approved["status"], approved["decided_by"]) == ("active", "ada@acme.example")
    receipt = acme.rest(cast.ada).get(approved["receipt"]).json()
    assert (receipt["event"], receipt["kind"]) == (approved["event"], "subscription.approved")

    suspended = acme.post(cast.ada, f"{path}/suspend/", {"reason": "Too loud."})
    assert (suspended["status"], suspended["reason"]) == ("suspended", "Too loud.")
    resumed = acme.post(cast.ada, f"{path}/resume/")
    assert (resumed["status"], resumed["reason"]) == ("active", "")
    cancelled = acme.post(cast.carl, f"{path}/cancel/", {"reason": "Shop is closed."})
    assert cancelled["status"] == "cancelled"
    assert cancelled["ended_at"] is not None
    kinds = [event["kind"] for event in acme.get(cast.ada, f"events/?subject={asked['id']}").json()["results"]]
    assert kinds == [f"subscription.{verb}" for verb in ("cancelled", "resumed", "suspended", "approved", "requested")]


def test_after_a_rejection_one_may_ask_again(acme: Acme) -> None:
    acme.published()
    application = acme.application()
    first = acme.ask(application)
    rejected = acme.post(acme.cast.ada, f"subscriptions/{first['id']}/reject/", {"reason": "Say what for."})
    assert (rejected["status"], rejected["reason"]) == ("rejected", "Say what for.")
    assert acme.get(acme.cast.carl, f"subscriptions/{first['id']}/").json()["reason"] == "Say what for."
    second = acme.ask(application)
    assert (second["status"], second["id"] != first["id"]) == ("pending", True)


def test_after_a_cancellation_one_may_ask_again(acme: Acme) -> None:
    acme.published()
    application = acme.application()
    first = acme.ask(application)
    acme.post(acme.cast.carl, f"subscriptions/{first['id']}/cancel/")
    assert acme.ask(application)["status"] == "pending"


@pytest.mark.parametrize("status", ["pending", "active", "suspended"])
def test_one_open_subscription_per_application_and_api(acme: Acme, status: str) -> None:
    acme.published()
    application = acme.application()
    path = f"subscriptions/{acme.ask(application)['id']}"
    if status != "pending":
        acme.post(acme.cast.ada, f"{path}/approve/")
    if status == "suspended":
        acme.post(acme.cast.ada, f"{path}/suspend/", {"reason": "x"})
    refused = acme.ask(application, status=409)
    assert refused["detail"] == f"Shop has a subscription to Orders already; it is {status}."
    assert acme.ask(acme.application(name="Other"))["status"] == "pending"


def test_a_plan_may_approve_by_itself(acme: Acme) -> None:
    acme.published("automatic")
    asked = acme.ask(acme.application())
    assert (asked["status"], asked["decided_by"]) == ("active", None)
    assert asked["decided_at"] is not None
    with tenant_scope(acme.cast.acme.pk):
        event = Event.objects.get(number=asked["event"])
        assert (event.kind, event.actor_name) == ("subscription.approved", "Portico")
        assert event.data["reason"] == "The plan gold approves by itself."


@pytest.mark.parametrize("decision,body", [("approve", None), ("reject", {"reason": "x"})])  # fmt: skip
def test_nobody_decides_a_request_of_their_own(acme: Acme, decision: str, body: Any) -> None:
    acme.published()
    asked = acme.ask(acme.application(acme.cast.ada), acme.cast.ada)
    refused = acme.post(acme.cast.ada, f"subscriptions/{asked['id']}/{decision}/", body, status=409)
    assert refused["detail"] == "You can't decide a request of your own; another approver has to."
    other = make.member(acme.cast.acme, None, Role.APPROVER)
    acme.post(other, f"subscriptions/{asked['id']}/{decision}/", body)


STANDING = {
    "active": {"approve": "nothing to approve", "reject": "can't become rejected", "resume": "nothing to resume"},
    "pending": {"suspend": "can't become suspended", "resume": "nothing to resume"},
    "suspended": {"approve": "nothing to approve", "suspend": "can't become suspended", "reject": "can't become rejected"},
    "rejected": dict.fromkeys(["approve", "reject", "suspend", "resume", "cancel"], ""),
    "cancelled": dict.fromkeys(["approve", "reject", "suspend", "resume", "cancel"], ""),
}  # fmt: skip


@pytest.mark.parametrize(
    "status,verb,sentence",
    [(status, verb, sentence) for status, verbs in STANDING.items() for verb, sentence in verbs.items()],
)
def test_a_step_that_the_diagram_lacks_is_refused_with_a_sentence(acme: Acme, status: str, verb: str, sentence: str) -> None:
    with tenant_scope(acme.cast.acme.pk):
        subscription = make.subscription(status=status)
        before = Event.objects.count()
    body = {"reason": "x"} if verb in {"reject", "suspend"} else None
    refused = acme.post(acme.cast.ada, f"subscriptions/{subscription.pk}/{verb}/", body, status=409)
    assert f"This subscription is {status}, so" in refused["detail"]
    assert sentence in refused["detail"]
    with tenant_scope(acme.cast.acme.pk):
        assert Subscription.objects.get().status == status
        assert Event.objects.count() == before


def test_an_older_revision_made_live_is_how_to_roll_back(acme: Acme) -> None:
    acme.published()
    revisions = "apis/orders/versions/v1/revisions/"
    body = {"document": make.DOCUMENT, "upstream": {"url": "http://127.0.0.1:10"}, "note": "Second."}
    assert acme.post(acme.cast.pam, revisions, body, status=201)["number"] == 2
    assert [each["live"] for each in acme.get(acme.cast.pam, revisions).json()["results"]] == [False, True]
    assert acme.post(acme.cast.pam, f"{revisions}2/live/")["live"] is True
    assert acme.post(acme.cast.pam, f"{revisions}1/live/")["live"] is True
    assert "is live already" in acme.post(acme.cast.pam, f"{revisions}1/live/", status=409)["detail"]
    assert acme.get(acme.cast.carl, f"{revisions}2/").status_code == 404, "subscribers read what is live"


def test_what_is_not_published_is_for_publishers(acme: Acme) -> None:
    pam, carl = acme.cast.pam, acme.cast.carl
    acme.post(pam, "apis/", {"slug": "orders", "name": "Orders"}, status=201)
    acme.post(pam, "apis/orders/versions/", {"name": "v1"}, status=201)
    assert acme.get(pam, "apis/orders/").status_code == 200
    assert acme.get(carl, "apis/orders/").status_code == 404
    assert acme.get(carl, "apis/").json()["results"] == []
    refused = acme.post(pam, "apis/orders/versions/v1/publish/", status=409)
    assert refused["detail"] == "Orders v1 has no live revision; import its OpenAPI document first."


def test_a_subscriber_sees_published_versions_and_plans_only(acme: Acme) -> None:
    acme.published()
    acme.post(acme.cast.pam, "apis/orders/versions/", {"name": "v2"}, status=201)
    acme.post(acme.cast.pam, "apis/orders/plans/", {"name": "secret", "calls": 1, "seconds": 1}, status=201)
    for path in ("apis/", "apis/orders/"):
        found = acme.get(acme.cast.carl, path).json()
        api = found["results"][0] if "results" in found else found
        assert [each["name"] for each in api["versions"]] == ["v1"]
        assert [each["name"] for each in api["plans"]] == ["gold"]
    assert len(acme.get(acme.cast.pam, "apis/orders/").json()["versions"]) == 2


def test_a_document_may_be_sent_as_text_too(acme: Acme) -> None:
    acme.published()
    text = "openapi: 3.0.3\ninfo: {title: T, version: '1'}\npaths:\n  /a:\n    get: {responses: {'200': {description: d}}}\n"
    revisions = "apis/orders/versions/v1/revisions/"
    acme.post(acme.cast.pam, revisions, {"document": text, "upstream": UPSTREAM}, status=201)
    found = acme.get(acme.cast.pam, f"{revisions}2/").json()
    assert [each["path"] for each in found["operations"]] == ["/a"]


def test_credentials_over_rest(acme: Acme) -> None:
    carl = acme.cast.carl
    application = acme.application()
    path = f"applications/{application}/credentials/"
    made = acme.post(carl, path, {"label": "CI"}, status=201)
    assert made["token_endpoint"].endswith("/t/acme/oauth/token")
    rolled = acme.post(carl, f"{path}{made['id']}/roll/", {"grace": "1h"}, status=201)
    assert {each["status"] for each in acme.get(carl, path).json()["results"]} == {"active", "expiring"}
    revoked = acme.post(carl, f"{path}{rolled['id']}/revoke/", {"reason": "Leaked."})
    assert (revoked["status"], "client_secret" in revoked) == ("revoked", False)
    assert "is revoked" in acme.post(carl, f"{path}{rolled['id']}/revoke/", status=409)["detail"]
    assert "grace" in acme.post(carl, f"{path}{made['id']}/roll/", {"grace": "2h"}, status=422)["errors"]
    passed = acme.post(carl, path, {"expires_at": "2020-01-01T00:00:00Z"}, status=422)
    assert passed["errors"] == {"expires_at": ["This time has passed; choose a later one."]}


def test_a_developer_sees_and_uses_only_their_own_applications(acme: Acme) -> None:
    acme.published()
    application = acme.application()
    asked = acme.ask(application)
    dora = make.member(acme.cast.acme, None, Role.DEVELOPER)
    for path in (f"applications/{application}/", f"applications/{application}/credentials/", f"subscriptions/{asked['id']}/"):
        assert acme.get(dora, path).status_code == 404
    for path in ("applications/", "subscriptions/"):
        assert acme.get(dora, path).json()["results"] == []
    acme.post(dora, f"applications/{application}/credentials/", {}, status=404)
    acme.post(dora, f"subscriptions/{asked['id']}/cancel/", status=404)
    assert acme.ask(application, dora, status=422)["errors"] == {"application": ["You have no application with this id."]}
