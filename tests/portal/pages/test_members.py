"""Ada sees who works at Acme, and what each role lets one do."""

import pytest
from django.test import Client

from portal.pages.members import LETS
from tenants.models import Role
from tenants.roles import PERMISSIONS
from tests import make
from tests.conftest import Cast, queries
from tests.portal.pages.test_console import signed_in, text

MEMBERS = "/t/acme/console/members/"


@pytest.fixture
def ada(in_acme: Cast) -> Client:
    return signed_in(in_acme.ada)


def test_admins_alone_see_the_members(in_acme: Cast) -> None:
    for user, status in ((in_acme.ada, 200), (in_acme.pam, 403), (in_acme.carl, 403), (in_acme.eve, 404), (in_acme.olga, 404)):
        assert signed_in(user).get(MEMBERS).status_code == status


def test_each_with_roles_since_when_and_how_many_applications(ada: Client, in_acme: Cast) -> None:
    make.application(in_acme.carl)
    make.application(in_acme.carl)
    html = ada.get(MEMBERS).content.decode()
    said = text(ada.get(MEMBERS))
    assert "3 in all" in said
    assert "Ada You ada@acme.example Admin Approver none" in said
    assert "Carl carl@acme.example Developer 2 of Carl" in said
    assert 'href="/t/acme/console/applications/?q=carl%40acme.example"' in html
    assert "eve@globex.example" not in html
    assert "manage.py add_member acme" in said


@pytest.mark.parametrize(
    "query,names",
    [
        ({"q": "CARL"}, {"carl"}),
        ({"q": "acme.example"}, {"ada", "pam", "carl"}),
        ({"role": "publisher"}, {"pam"}),
        ({"role": "approver"}, {"ada"}),
        ({"role": "no-role"}, {"ada", "pam", "carl"}),
        ({"role": "publisher", "q": "carl"}, set()),
        ({"q": "eve"}, set()),
        ({"q": "x" * 5000}, set()),
        ({"q": "\x01<script>"}, set()),
    ],
)
def test_they_are_searched_and_narrowed_by_role(ada: Client, query: dict[str, str], names: set[str]) -> None:
    response = ada.get(MEMBERS, query)
    said = text(response)
    assert {name for name in ("ada", "pam", "carl") if f"{name}@acme.example" in said} == names
    assert ("Nobody is like that" in said) == (not names)
    assert "<script>" not in response.content.decode().partition("<main")[2]


def test_the_table_says_of_every_permission_what_it_lets_one_do(ada: Client) -> None:
    assert list(LETS) == list(PERMISSIONS)
    said = text(ada.get(MEMBERS))
    assert "Revoke anyone's secrets yes no no no no" in said
    assert "Read the audit yes no no no yes" in said


def test_as_many_queries_for_many(ada: Client, in_acme: Cast) -> None:
    for _ in range(8):
        make.application(make.member(in_acme.acme, None, Role.DEVELOPER))
    with queries("page:members"):
        ada.get(MEMBERS)
