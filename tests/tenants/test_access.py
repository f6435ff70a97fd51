"""Who may enter: the table of roles, pages, and REST views."""

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from tenants.access import SignInNeeded, allowed, open_to_all, permissions_in_scope, tenant_view
from tenants.models import Role
from tenants.roles import PERMISSIONS, permissions_of
from tenants.scope import tenant_scope
from tests.conftest import Cast

A, P, V, D, U = "admin", "publisher", "approver", "developer", "auditor"
TABLE = {
    "tenant.see": {A, P, V, D, U},
    "members.see": {A},
    "members.manage": {A},
    "service_accounts.manage": {A},
    "webhooks.manage": {A},
    "settings.manage": {A},
    "apis.see_published": {A, P, V, D, U},
    "apis.see_all": {A, P},
    "apis.publish": {A, P},
    "providers.see": {A, P},
    "providers.manage": {A, P},
    "subscriptions.see_all": {A, V},
    "subscriptions.decide": {A, V},
    "applications.own": {A, D},
    "applications.see_all": {A, V},
    "applications.suspend": {A, V},
    "applications.revoke_any": {A},
    "keys.see": {A, U},
    "keys.manage": {A},
    "gateways.see": {A, P, V, U},
    "usage.see": {A, U},
    "audit.read": {A, U},
}


def test_the_table_of_roles_is_this_one() -> None:
    assert {name: {str(role) for role in roles} for name, roles in PERMISSIONS.items()} == TABLE


@pytest.mark.parametrize("role", Role.values)
def test_a_role_gives_its_permissions_and_several_add_up(role: str) -> None:
    assert permissions_of([role]) == {name for name, roles in TABLE.items() if role in roles}
    assert permissions_of([role, "auditor"]) == permissions_of([role]) | permissions_of(["auditor"])
    assert permissions_of([]) == permissions_of(["stranger"]) == frozenset()


def test_permissions_are_those_of_this_tenant(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        assert permissions_in_scope(cast.pam) == permissions_of(["publisher"])
        assert allowed(cast.pam, "apis.publish")
        with pytest.raises(PermissionDenied, match="“audit.read”"):
            allowed(cast.pam, "audit.read")
        for stranger in (cast.eve, cast.olga, AnonymousUser()):
            with pytest.raises(Http404):
                allowed(stranger, "tenant.see")
    with pytest.raises(Http404):
        permissions_in_scope(cast.pam)


@tenant_view("audit.read")
def page(request: Any) -> HttpResponse:
    return HttpResponse(",".join(sorted(request.permissions)))


def ask(user: Any) -> Any:
    request: HttpRequest = RequestFactory().get("/t/acme/x/")
    request.user = user
    return page(request)


def test_a_page_lets_in_who_has_the_permission(in_acme: Cast) -> None:
    assert b"audit.read" in ask(in_acme.ada).content
    with pytest.raises(PermissionDenied):
        ask(in_acme.carl)
    with pytest.raises(Http404):
        ask(in_acme.eve)
    with pytest.raises(SignInNeeded):
        ask(AnonymousUser())


def test_a_view_that_asks_for_what_does_not_exist_is_a_defect() -> None:
    with pytest.raises(AssertionError, match="audit.raed"):
        tenant_view("audit.raed")
    with pytest.raises(AssertionError):
        open_to_all("")


@pytest.mark.parametrize("who,status", [("ada", 200), ("carl", 403), ("eve", 404), ("olga", 404), (None, 302)])  # fmt: skip
def test_a_page_answers_people_in_html(cast: Cast, who: str | None, status: int) -> None:
    client = Client()
    if who:
        client.force_login(getattr(cast, who))
    response = client.get("/t/acme/console/requests/", headers={"accept": "text/html"})
    assert response.status_code == status
    assert response["Content-Type"].startswith("text/html")
    if who is None:
        assert response["Location"] == "/accounts/login/?next=%2Ft%2Facme%2Fconsole%2Frequests%2F"
    elif status != 200:
        assert response["X-Request-ID"] in response.content.decode()


def test_a_program_that_asks_for_a_page_is_told_to_sign_in(cast: Cast) -> None:
    response = Client().get("/t/acme/console/requests/", headers={"accept": "application/json"})
    assert (response.status_code, response["Content-Type"]) == (401, "application/problem+json")
