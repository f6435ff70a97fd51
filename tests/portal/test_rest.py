"""What every REST endpoint shares: the form of a refusal, who may enter, pages of lists, and how many queries it takes."""

import base64
import json
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.management import call_command
from django.test import RequestFactory
from django.urls import get_resolver

from apis.actions import publishing
from apis.models import Api, Subscription
from apis.serializers_description import SEEING
from keys.models import Application
from portal import errors
from tenants import parser
from tenants.access import SIGNED_IN
from tenants.checks import patterns
from tenants.errors import NotAllowed
from tenants.models import Event, Role, User
from tenants.rest import TenantRestView
from tenants.roles import PERMISSIONS
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, queries
from tests.tenants.test_isolation import OPEN, address, tenant_patterns, unknown_ids

EXPLAINED = (Path(settings.BASE_DIR) / "docs" / "rest.md").read_text().partition("## Errors")[2]
NOT_FOUND = "There is nothing here, or nothing that you may see."
DESCRIBING = {"description-plan", "description-apply"}


def problem(response: Any, status: int, sentence: str = "") -> dict[str, Any]:
    """The answer, once it is a problem (RFC 9457) with this status and sentence."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = json.loads(response.content)
    assert body["status"] == status
    assert body["type"] == "about:blank"
    assert body["title"]
    assert body["code"] in {errors.CODES[status], "mfa_required", "second_factor_needed", "password_needed"}
    assert f"`{body['code']}`" in EXPLAINED
    assert sentence in body["detail"]
    assert body["request_id"] == response["X-Request-ID"]
    return body


@pytest.fixture
def orders(cast: Cast) -> str:
    """The address of Acme's API “orders”, published."""
    with tenant_scope(cast.acme.pk):
        make.api("orders")
    return f"{base(cast.acme)}/apis/orders/"


def test_every_code_is_explained() -> None:
    assert [code for code in errors.CODES.values() if f"`{code}`" not in EXPLAINED] == []


# --- refusals ----------------------------------------------------------------------------------------------------


def test_each_kind_of_refusal_is_a_problem(cast: Cast, rest: Rest, orders: str) -> None:
    at, pam = base(cast.acme), rest(cast.pam)
    response = rest(None).get(f"{at}/apis/")
    problem(response, 401, "Sign in first.")
    assert response["WWW-Authenticate"].startswith("Bearer")
    problem(rest(cast.carl).post(f"{at}/apis/", {"slug": "a", "name": "A"}), 403, "“apis.publish”")
    problem(rest(cast.eve).get(f"{at}/apis/"), 404, NOT_FOUND)
    problem(pam.get(f"{at}/apis/nothing/"), 404, NOT_FOUND)
    problem(pam.get("/api/v1/nothing/"), 404, NOT_FOUND)
    problem(pam.get(f"{at}/apis"), 404, NOT_FOUND)
    problem(pam.put(f"{at}/apis/", {}), 405, "PUT")
    problem(pam.options(f"{at}/apis/"), 405)
    problem(pam.get(f"{at}/apis/", headers={"accept": "text/csv"}), 406)
    problem(pam.post(f"{at}/apis/", {"slug": "orders", "name": "Orders"}), 409, "“orders” exists already")
    problem(pam.post(f"{at}/apis/", "a=b", content_type="application/x-www-form-urlencoded"), 415, "media type")
    assert set(problem(pam.post(f"{at}/apis/", {}), 422)["errors"]) == {"slug", "name"}


def test_methods_that_are_not_there_are_named_in_allow(cast: Cast, rest: Rest) -> None:
    response = rest(cast.pam).delete(f"{base(cast.acme)}/apis/")
    problem(response, 405)
    assert response["Allow"] == "GET, POST, HEAD"


def test_head_answers_like_get_without_a_body(cast: Cast, rest: Rest) -> None:
    response = rest(cast.pam).head(f"{base(cast.acme)}/apis/")
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize(
    "body,status,sentence",
    [
        ("{", 400, "The body is not JSON."),
        ("", 422, ""),
        ('{"slug": NaN}', 400, "The body is not JSON."),
        (b"\xff\xfe", 400, "The body is not JSON."),
        ("[" * 60_000, 400, "nested too deeply"),
        ('{"a":' * 12_000, 400, "nested too deeply"),
        ("[]", 422, "Send a JSON object."),
        ("null", 422, "Send a JSON object."),
        ("1", 422, "Send a JSON object."),
        ('"slug"', 422, "Send a JSON object."),
        ('{"slug": 1' + "0" * 5000 + "}", 400, "The body is not JSON."),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(cast: Cast, rest: Rest, body: str | bytes, status: int, sentence: str) -> None:
    response = rest(cast.pam).post(f"{base(cast.acme)}/apis/", body, content_type="application/json")
    problem(response, status, sentence)


def test_a_body_that_is_too_large_is_not_read(cast: Cast, rest: Rest) -> None:
    body = '{"slug": "' + "x" * TenantRestView.max_body + '"}'
    response = rest(cast.pam).post(f"{base(cast.acme)}/apis/", body, content_type="application/json")
    problem(response, 413, "larger than 64 KB")


def test_the_parser_itself_reads_nothing_that_is_too_large() -> None:
    """Django checks a body only where something asks for all of it; the REST framework reads the stream."""
    request = RequestFactory().post("/", "x", content_type="application/json")
    request.META["CONTENT_LENGTH"] = str(TenantRestView.max_body + 1)
    with pytest.raises(RequestDataTooBig):
        parser.Json().parse(cast(Any, request), parser_context={"request": request, "view": TenantRestView()})
    assert not request._read_started  # type: ignore[attr-defined]


def test_a_field_that_does_not_exist_is_named(cast: Cast, rest: Rest, orders: str) -> None:
    pam = rest(cast.pam)
    response = pam.post(f"{base(cast.acme)}/apis/", {"slug": "a", "name": "A", "colour": "red"})
    assert problem(response, 422)["errors"] == {"colour": ["There is no such field here; there are slug, name, description."]}
    body = {"document": {}, "upstream": {"url": "http://127.0.0.1", "retries": 3}}
    response = pam.post(f"{orders}versions/v1/revisions/", body)
    assert set(problem(response, 422)["errors"]) == {"upstream.retries"}


def test_what_a_person_may_not_set_is_no_field(cast: Cast, rest: Rest, orders: str) -> None:
    at = base(cast.acme)
    for who, path, body in [
        (cast.carl, "applications/", {"name": "A", "purpose": "x", "client_id": "mine"}),
        (cast.carl, "applications/", {"name": "A", "purpose": "x", "owner": str(cast.ada.pk)}),
        (cast.carl, "applications/", {"name": "A", "purpose": "x", "tenant": str(cast.globex.pk)}),
        (cast.carl, "subscriptions/", {"application": str(uuid4()), "api": "a", "plan": "p", "purpose": "x", "status": "active"}),
        (cast.pam, "apis/orders/plans/", {"name": "p", "calls": 1, "seconds": 1, "status": "published"}),
    ]:  # fmt: skip
        errors = problem(rest(who).post(f"{at}/{path}", body), 422)["errors"]
        assert any("no such field" in sentence for found in errors.values() for sentence in found)


@pytest.mark.parametrize("path", ["%00/apis/", "acme/apis/%00/", "acme/apis/?cursor=%00", "acme/events/?kind=a%00b"])
def test_an_address_holds_no_nul(cast: Cast, rest: Rest, path: str) -> None:
    problem(rest(cast.ada).get(f"/api/v1/tenants/{path}"), 400, "NUL")


def test_numbers_beyond_any_column_are_not_found(cast: Cast, rest: Rest, orders: str) -> None:
    problem(rest(cast.pam).get(f"{orders}versions/v1/revisions/{10**30}/"), 404)
    problem(rest(cast.ada).get(f"{base(cast.acme)}/receipts/{10**30}/"), 404)


def test_a_refused_action_commits_nothing(transactional_db: None, rest: Rest, monkeypatch: Any) -> None:
    """Also when it had written before it was refused."""
    acme = make.tenant("acme")
    pam = make.member(acme, None, Role.PUBLISHER)
    real = publishing.create_api

    def written_then_refused(**fields: Any) -> Api:
        real(**fields)
        raise NotAllowed("No.")

    monkeypatch.setattr(publishing, "create_api", written_then_refused)
    problem(rest(pam).post(f"{base(acme)}/apis/", {"slug": "orders", "name": "Orders"}), 409, "No.")
    with tenant_scope(acme.pk):
        assert not Api.objects.exists()
        assert not Event.objects.filter(kind="api.created").exists()


def test_what_breaks_says_nothing_of_itself(transactional_db: None, rest: Rest, monkeypatch: Any) -> None:
    acme = make.tenant("acme")
    pam = make.member(acme, None, Role.PUBLISHER)
    real = publishing.create_api

    def written_then_broken(**fields: Any) -> Api:
        real(**fields)
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(publishing, "create_api", written_then_broken)
    client = rest(pam)
    client.raise_request_exception = False
    response = client.post(f"{base(acme)}/apis/", {"slug": "orders", "name": "Orders"})
    problem(response, 500, "Something broke on our side.")
    assert b"a secret" not in response.content
    with tenant_scope(acme.pk):
        assert not Api.objects.exists()


# --- who may enter -----------------------------------------------------------------------------------------------


def rest_addresses() -> list[tuple[str, str, str, str]]:
    """(name, template, method, permission) of every endpoint inside a tenant."""
    views = {each.name: getattr(each.callback, "cls", None) for each in patterns(get_resolver().url_patterns)}
    found = []
    for name, path, _ in tenant_patterns():
        view = views[name]
        if name in OPEN or view is None or not issubclass(view, TenantRestView):
            continue
        assert isinstance(view.access, dict)
        found += [(name, path, method, permission) for method, permission in view.access.items()]
    return found


@pytest.mark.parametrize("name,path,method,permission", rest_addresses())  # fmt: skip
def test_a_member_without_the_permission_is_told_which(cast: Cast, rest: Rest, name: str, path: str, method: str, permission: str) -> None:
    ids = unknown_ids()
    for role in Role.values:
        member = User.objects.filter(email=f"{role}@acme.example").first() or make.member(cast.acme, f"{role}@acme.example", role)
        response = rest(member).generic(method, address(path, "acme", ids), "{}", content_type="application/json")
        wanted = permission
        if name in DESCRIBING and not any(role in PERMISSIONS[each] for each in SEEING.values()):
            # Who sees no part of a tenant whole describes none.
            wanted = SEEING["apis"]
        if role in PERMISSIONS[wanted]:
            assert response.status_code != 403, f"{role} {method} {name}"
        else:
            problem(response, 403, f"Your roles here don't include “{wanted}”.")


def test_every_permission_that_a_view_asks_for_exists() -> None:
    assert {permission for *_, permission in rest_addresses()} <= set(PERMISSIONS)
    assert SIGNED_IN not in PERMISSIONS


# --- lists -------------------------------------------------------------------------------------------------------

LISTS = ["apis/", "applications/", "subscriptions/", "members/", "events/", "apis/orders/versions/v1/revisions/"]


def fill(cast: Cast, count: int) -> None:
    """`count` more of everything that is listed."""
    with tenant_scope(cast.acme.pk):
        for _ in range(count):
            api = make.api()
            plan = make.plan(api)
            carl = make.application(cast.carl)
            make.subscription(of=carl, to=plan)
            make.credential(Application.objects.order_by("id")[0])


def everyone_at(cast: Cast) -> User:
    return make.member(cast.acme, "all@acme.example", *Role)


def test_pages_follow_each_other_without_loss_or_repetition(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        made = [str(make.application(cast.carl).pk) for _ in range(7)]
    carl, path, seen = rest(cast.carl), f"{base(cast.acme)}/applications/?limit=3", []
    while path:
        page = carl.get(path).json()
        assert set(page) == {"next", "previous", "results"}
        seen += [each["id"] for each in page["results"]]
        assert len(page["results"]) <= 3
        path = page["next"]
    assert seen == made[::-1], "newest first"


def test_a_page_turned_back_is_the_same_page(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        for _ in range(4):
            make.application(cast.carl)
    carl = rest(cast.carl)
    first = carl.get(f"{base(cast.acme)}/applications/?limit=2").json()
    second = carl.get(first["next"]).json()
    assert carl.get(second["previous"]).json()["results"] == first["results"]


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "cursor", ["zzz", encoded("p=zzz"), encoded("p=1"), encoded("p=' OR 1=1"), encoded("o=x"), "é", encoded("p=" + "9" * 400)]
)
@pytest.mark.parametrize("path", ["apis/", "events/"])
def test_a_cursor_that_is_none_is_told_so(cast: Cast, rest: Rest, path: str, cursor: str) -> None:
    response = rest(everyone_at(cast)).get(f"{base(cast.acme)}/{path}", {"cursor": cursor})
    errors = problem(response, 422)["errors"]
    assert errors == {"cursor": ["This is no page of this list; take the address from “next” as it is."]}


def test_a_cursor_of_another_tenant_shows_nothing_of_it(cast: Cast, rest: Rest) -> None:
    for tenant, owner in ((cast.acme, cast.carl), (cast.globex, cast.eve)):
        with tenant_scope(tenant.pk):
            for _ in range(3):
                make.application(owner)
    following = rest(cast.carl).get(f"{base(cast.acme)}/applications/?limit=1").json()["next"]
    seen = rest(cast.eve).get(following.replace("/acme/", "/globex/")).json()["results"]
    assert {each["owner"] for each in seen} <= {cast.eve.email}


@pytest.mark.parametrize("limit,rows", [("", 7), ("0", 7), ("-1", 7), ("x", 7), ("5", 5), ("100000", 7)])  # fmt: skip
def test_a_limit_is_bounded_and_a_wrong_one_is_the_usual_one(cast: Cast, rest: Rest, limit: str, rows: int) -> None:
    with tenant_scope(cast.acme.pk):
        for _ in range(7):
            make.application(cast.carl)
    found = rest(cast.carl).get(f"{base(cast.acme)}/applications/", {"limit": limit}).json()["results"]
    assert len(found) == rows


def test_narrowing_by_what_does_not_exist_is_told_so(cast: Cast, rest: Rest) -> None:
    ada, at = rest(cast.ada), base(cast.acme)
    assert problem(ada.get(f"{at}/subscriptions/?status=lost"), 422)["errors"]["status"][0].startswith("Choose from pending")
    assert problem(ada.get(f"{at}/events/?kind=lost"), 422)["errors"]["kind"] == ["There is no such kind of event."]
    assert problem(ada.get(f"{at}/events/?subject=lost"), 422)["errors"]["subject"] == ["This is not an id."]
    assert ada.get(f"{at}/events/?kind=member.added").json()["results"]


# --- queries -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", LISTS)
def test_a_list_of_thirty_takes_as_many_queries_as_a_list_of_one(cast: Cast, rest: Rest, path: str) -> None:
    client = rest(everyone_at(cast))
    with tenant_scope(cast.acme.pk):
        version = make.api("orders").versions.get()
    fill(cast, 1)
    client.get(f"{base(cast.acme)}/{path}")
    with queries(path):
        assert client.get(f"{base(cast.acme)}/{path}").status_code == 200
    if "revisions" in path:
        with tenant_scope(cast.acme.pk):
            for _ in range(30):
                publishing.add_revision(version, document=make.document(), target=make.target(), by=None)
    elif path == "members/":
        for _ in range(30):
            make.member(cast.acme)
    else:
        fill(cast, 9)
        with tenant_scope(cast.acme.pk):
            model: Any = {"apis/": Api, "applications/": Application, "subscriptions/": Subscription}.get(path, Event)
            assert model.objects.count() >= 10
    with queries(path):
        assert len(client.get(f"{base(cast.acme)}/{path}").json()["results"]) >= 10


def test_what_a_single_read_or_decision_takes(cast: Cast, rest: Rest) -> None:
    client, at = rest(everyone_at(cast)), base(cast.acme)
    with tenant_scope(cast.acme.pk):
        make.api("orders")
        subscription = make.subscription(status="pending")
        number = Event.objects.latest("number").number
        application = subscription.application_id
    for path in [
        "", "apis/orders/", "apis/orders/versions/v1/revisions/1/", "apis/orders/versions/v1/revisions/1/differences/",
        f"applications/{application}/",
        f"applications/{application}/credentials/", f"applications/{application}/refusals/",
        f"subscriptions/{subscription.pk}/", f"receipts/{number}/", "gateways/",
    ]:  # fmt: skip
        client.get(f"{at}/{path}")
        name = path.replace(str(application), "<id>").replace(str(subscription.pk), "<id>").replace(str(number), "<n>")
        with queries(name or "tenant"):
            assert client.get(f"{at}/{path}").status_code == 200
    ada = rest(cast.ada)
    with queries("approve"):
        assert ada.post(f"{at}/subscriptions/{subscription.pk}/approve/").status_code == 200
    with queries("undo"):
        assert ada.post(f"{at}/subscriptions/{subscription.pk}/undo/").status_code == 200
    ada.post(f"{at}/subscriptions/{subscription.pk}/approve/")
    with queries("suspend"):
        assert ada.post(f"{at}/subscriptions/{subscription.pk}/suspend/", {"reason": "x"}).status_code == 200
    with queries("tenants/"):
        assert client.get("/api/v1/tenants/").json()["results"]


def test_the_schema_is_the_snapshot(tmp_path: Any) -> None:
    """After a change on purpose: `manage.py spectacular --file tests/openapi.yml`."""
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "openapi.yml"))
    assert (tmp_path / "openapi.yml").read_text() == Path(__file__).parent.with_name("openapi.yml").read_text()
