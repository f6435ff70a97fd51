"""Bad input: each kind has its clear sentence, and changes nothing."""

from typing import Any

import pytest

from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base

NOBODYS = "01900000-0000-7000-8000-000000000000"
UP = {"url": "http://127.0.0.1:9"}
API = {"slug": "pets", "name": "Pets"}
PLAN = {"name": "silver", "calls": 10, "seconds": 60}
APPLICATION = {"name": "Shop", "purpose": "Sells."}
REVISIONS = "apis/orders/versions/v1/revisions/"
DOCUMENT = make.DOCUMENT
WISH = {"application": "<application>", "api": "orders", "plan": "gold", "purpose": "x"}
WITH_SECRET = {**UP, "header": "X-Key", "secret": "a\x00b"}
NO_SUCH_HOST = {"url": "http://no-such-host.invalid"}

# (who, path, body, status, field or "", a part of the sentence)
BAD: list[tuple[str, str, Any, int, str, str]] = [
    # OpenAPI documents
    ("pam", REVISIONS, {"document": "hello", "upstream": UP}, 422, "document", ""),
    ("pam", REVISIONS, {"document": "", "upstream": UP}, 422, "document", ""),
    ("pam", REVISIONS, {"document": None, "upstream": UP}, 422, "document", "may not be null"),
    ("pam", REVISIONS, {"document": 7, "upstream": UP}, 422, "document", ""),
    ("pam", REVISIONS, {"document": [], "upstream": UP}, 422, "document", ""),
    ("pam", REVISIONS, {"document": {}, "upstream": UP}, 422, "document", "openapi"),
    ("pam", REVISIONS, {"document": {"swagger": "2.0"}, "upstream": UP}, 422, "document", ""),
    ("pam", REVISIONS, {"document": {**DOCUMENT, "openapi": "4.0.0"}, "upstream": UP}, 422, "document", "4.0.0"),
    ("pam", REVISIONS, {"document": {**DOCUMENT, "paths": {}}, "upstream": UP}, 422, "document", ""),
    ("pam", REVISIONS, {"document": "a: [", "upstream": UP}, 422, "document", "Line 2, column 1: This isn't valid YAML"),
    ("pam", REVISIONS, {"upstream": UP}, 422, "document", "required"),
    # upstreams
    ("pam", REVISIONS, {"document": DOCUMENT}, 422, "upstream", "required"),
    ("pam", REVISIONS, {"document": DOCUMENT, "upstream": "http://a"}, 422, "upstream", "Send a JSON object"),
    ("pam", REVISIONS, {"document": DOCUMENT, "upstream": {}}, 422, "upstream.url", "required"),
    ("pam", REVISIONS, {"document": DOCUMENT, "upstream": NO_SUCH_HOST}, 422, "upstream", "does not resolve"),
    ("pam", REVISIONS, {"document": DOCUMENT, "upstream": {"url": "orders"}}, 422, "upstream", "starts with http"),
    ("pam", REVISIONS, {"document": DOCUMENT, "upstream": {**UP, "timeout_ms": -1}}, 422, "upstream.timeout_ms", "greater"),
    ("pam", REVISIONS, {"document": DOCUMENT, "upstream": {**UP, "timeout_ms": 10**9}}, 422, "upstream.timeout_ms", "less"),
    ("pam", REVISIONS, {"document": DOCUMENT, "upstream": {**UP, "header": "Host", "secret": "x"}}, 422, "upstream", "choose another"),
    ("pam", REVISIONS, {"document": DOCUMENT, "upstream": {**UP, "header": "X-Key"}}, 422, "upstream", "secret"),
    ("pam", REVISIONS, {"document": DOCUMENT, "upstream": {**UP, "secret": "x"}}, 422, "upstream", "header name"),
    ("pam", REVISIONS, {"document": DOCUMENT, "upstream": WITH_SECRET}, 422, "upstream.secret", "ull characters"),
    # redirects
    ("carl", "applications/", {**APPLICATION, "redirect_uris": ["https://evil.example"]}, 422, "redirect_uris", "no redirect to register"),
    # what exists already
    ("pam", "apis/", {"slug": "orders", "name": "Orders"}, 409, "", "“orders” exists already"),
    ("pam", "apis/orders/versions/", {"name": "v1"}, 409, "", "has a version “v1” already"),
    ("pam", "apis/orders/plans/", {**PLAN, "name": "gold"}, 409, "", "has a plan “gold” already"),
    ("pam", "apis/orders/plans/gold/publish/", None, 409, "", "This plan is published, so"),
    ("pam", "apis/orders/versions/v1/publish/", None, 409, "", "This version is published, so"),
    ("carl", "applications/", {**APPLICATION, "name": "Old"}, 409, "", "called “Old” already"),
    # slugs and names
    *[("pam", "apis/", {**API, "slug": slug}, 422, "slug", "lower-case")
      for slug in ("Pets", "pets_", "-pets", "pets-", "pe--ts", "pe ts", "pets/..", "pëts", "..", "%2e", "pets\x0bx"[:4] + "!")],
    ("pam", "apis/", {**API, "slug": ""}, 422, "slug", "blank"),
    ("pam", "apis/", {**API, "slug": "x" * 41}, 422, "slug", "40 characters"),
    ("pam", "apis/", {**API, "slug": None}, 422, "slug", "null"),
    ("pam", "apis/", {**API, "slug": ["a"]}, 422, "slug", "valid string"),
    ("pam", "apis/", {**API, "slug": {"a": 1}}, 422, "slug", "valid string"),
    ("pam", "apis/", {**API, "slug": True}, 422, "slug", "valid string"),
    ("pam", "apis/", {**API, "name": "a\x00b"}, 422, "name", "Control characters"),
    ("pam", "apis/", {**API, "name": "a\x1bb"}, 422, "name", "Control characters"),
    ("pam", "apis/", {**API, "name": "   "}, 422, "name", "blank"),
    ("pam", "apis/", {**API, "name": "x" * 81}, 422, "name", "80 characters"),
    ("pam", "apis/", {**API, "description": "x" * 5001}, 422, "description", "5000 characters"),
    ("pam", "apis/", {}, 422, "name", "required"),
    *[("pam", "apis/orders/versions/", {"name": name}, 422, "name", "v1, v2 or v1.1")
      for name in ("1", "v", "V2", "v2.", "v1.2.3", "version 2", "v١", "v99999", "v2/../v1")],
    # plans
    ("pam", "apis/orders/plans/", {**PLAN, "calls": -1}, 422, "calls", "greater than or equal to 1"),
    ("pam", "apis/orders/plans/", {**PLAN, "calls": 0}, 422, "calls", "greater than or equal to 1"),
    ("pam", "apis/orders/plans/", {**PLAN, "calls": 10**12}, 422, "calls", "less than or equal"),
    ("pam", "apis/orders/plans/", {**PLAN, "calls": "many"}, 422, "calls", "valid integer"),
    ("pam", "apis/orders/plans/", {**PLAN, "calls": 1.5}, 422, "calls", "valid integer"),
    ("pam", "apis/orders/plans/", {**PLAN, "calls": True}, 422, "calls", "valid integer"),
    ("pam", "apis/orders/plans/", {**PLAN, "calls": None}, 422, "calls", "null"),
    ("pam", "apis/orders/plans/", {**PLAN, "seconds": 86_401}, 422, "seconds", "less than or equal"),
    ("pam", "apis/orders/plans/", {**PLAN, "approval": "maybe"}, 422, "approval", "Choose from manual, two_people, tests, automatic."),
    ("pam", "apis/orders/plans/", {**PLAN, "name": "Gold Plan"}, 422, "name", "lower-case"),
    # applications, credentials, subscriptions
    ("carl", "applications/", {**APPLICATION, "environment": "moon"}, 422, "environment", "Choose from live, test."),
    ("carl", "applications/", {"name": "Shop"}, 422, "purpose", "required"),
    ("carl", "applications/<application>/credentials/", {"expires_at": "soon"}, 422, "expires_at", "wrong format"),
    ("carl", "applications/<application>/credentials/", {"expires_at": "2020-01-01T00:00:00Z"}, 422, "expires_at", "has passed"),
    ("carl", "applications/<application>/credentials/", {"label": "x" * 81}, 422, "label", "80 characters"),
    ("carl", f"applications/{NOBODYS}/credentials/", {}, 404, "", "nothing here"),
    ("carl", "applications/not-an-id/", {}, 404, "", "nothing here"),
    ("carl", "subscriptions/", {**WISH, "application": "x"}, 422, "application", "valid UUID"),
    ("carl", "subscriptions/", {**WISH, "application": NOBODYS}, 422, "application", "no application with this id"),
    ("carl", "subscriptions/", {**WISH, "application": "<application>", "api": "nope"}, 422, "api", "No API “nope”"),
    ("carl", "subscriptions/", {**WISH, "application": "<application>", "plan": "nope"}, 422, "plan", "offers no plan “nope”"),
    ("carl", "subscriptions/", {"application": "<application>", "api": "orders", "plan": "gold"}, 422, "purpose", "required"),
    ("ada", f"subscriptions/{NOBODYS}/approve/", None, 404, "", "nothing here"),
    ("ada", "subscriptions/<subscription>/reject/", {}, 422, "reason", "required"),
    ("ada", "subscriptions/<subscription>/reject/", {"reason": " "}, 422, "reason", "blank"),
    ("ada", "subscriptions/<subscription>/reject/", {"reason": "x" * 501}, 422, "reason", "500 characters"),
    ("ada", "subscriptions/<subscription>/suspend/", {"reason": "x"}, 409, "", "is pending, so it can't become suspended"),
    # tenants
    ("pam", "../nowhere/apis/", API, 404, "", "nothing here"),
    ("pam", "../globex/apis/", API, 404, "", "nothing here"),
]  # fmt: skip


@pytest.mark.parametrize("who,path,body,status,field,sentence", BAD)  # fmt: skip
def test_bad_input_has_its_sentence(cast: Cast, rest: Rest, who: str, path: str, body: Any, status: int, field: str, sentence: str) -> None:
    with tenant_scope(cast.acme.pk):
        plan = make.plan(make.api("orders"), name="gold")
        application = make.application(cast.carl, name="Old")
        subscription = make.subscription(status="pending", of=make.application(cast.carl), to=plan)
        before = Event.objects.count()
    ids = {"<application>": str(application.pk), "<subscription>": str(subscription.pk)}
    for mark, value in ids.items():
        path = path.replace(mark, value)
        body = {key: value if given == mark else given for key, given in body.items()} if body else body
    at = f"{base(cast.acme)}/".replace("acme/", "") if path.startswith("../") else f"{base(cast.acme)}/"
    response = rest(getattr(cast, who)).post(at + path.removeprefix("../"), body)
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    answer = response.json()
    if field:
        assert field in answer["errors"], answer
        said = " ".join(answer["errors"][field])
    else:
        said = answer["detail"]
    assert sentence in said
    assert said.rstrip("”")[-1] in ".!)", said
    with tenant_scope(cast.acme.pk):
        assert Event.objects.count() == before


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "'; DROP TABLE tenants_tenant; --", "{{7*7}}", "%s%d", "🦊 \u202eevil", "a\nb\tc"]
)
def test_odd_text_is_only_text(cast: Cast, rest: Rest, text: str) -> None:
    carl, at = rest(cast.carl), base(cast.acme)
    made = carl.post(f"{at}/applications/", {"name": text, "purpose": text})
    assert made.status_code == 201
    assert carl.get(f"{at}/applications/{made.json()['id']}/").json()["name"] == text
    again = carl.post(f"{at}/applications/", {"name": text, "purpose": text})
    assert text in again.json()["detail"]
    assert again["Content-Type"] == "application/problem+json"
    assert again["X-Content-Type-Options"] == "nosniff"
