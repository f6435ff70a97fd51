"""The first run without demo data: a tenant and its people, from the command line."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from keys.actions.signing import create_tenant
from keys.models import SigningKey
from tenants.errors import Invalid
from tenants.models import Membership, Tenant, User
from tenants.scope import tenant_scope
from tests import make


def run(*arguments: str, **more: str) -> str:
    said = StringIO()
    call_command(*arguments, stdout=said, **more)
    return said.getvalue()


@pytest.fixture
def password_file(tmp_path: Path) -> str:
    file = tmp_path / "password"
    file.write_text("correct horse battery\n")
    return str(file)


def test_a_tenant_can_issue_tokens_at_once(db: None) -> None:
    assert run("create_tenant", "acme", "Acme Inc.") == "Created Acme Inc. (acme).\n"
    with tenant_scope(Tenant.objects.get(slug="acme").pk):
        assert set(SigningKey.objects.values_list("purpose", "status")) == {("access_token", "active"), ("api_key", "active")}


def test_porticos_own_tenant_comes_from_the_command_line_alone(db: None) -> None:
    with pytest.raises(Invalid, match="reserved"):
        create_tenant(slug="portico", name="Portico", by=make.user())
    assert run("create_tenant", "portico", "Portico") == "Created Portico (portico).\n"


@pytest.mark.parametrize(
    "slug,name,sentence",
    [
        ("Acme", "Acme", "lower-case letters"),
        ("a--b", "Acme", "lower-case letters"),
        ("acme\n", "Acme", "lower-case letters"),
        ("acme-", "Acme", "lower-case letters"),
        ("a/b", "Acme", "lower-case letters"),
        ("", "Acme", "slug"),
        ("x" * 41, "Acme", "40"),
        ("api", "Acme", "“api” is reserved"),
        ("static", "Acme", "is reserved"),
        ("acme", "", "name"),
        ("acme", "x" * 81, "80"),
        ("taken", "Acme", "“taken” exists already; slugs are never given twice"),
    ],
)
def test_a_tenant_that_cannot_be_is_refused(db: None, slug: str, name: str, sentence: str) -> None:
    make.tenant("taken")
    with pytest.raises(CommandError, match=sentence):
        run("create_tenant", slug, name)
    assert Tenant.objects.count() == 1


def test_someone_new_becomes_a_member(db: None, password_file: str) -> None:
    acme = make.tenant("acme", "Acme")
    said = run("add_member", "acme", "Ada@Acme.example", "admin", "approver", name="Ada", password_file=password_file)
    assert said == "Ada@Acme.example is admin, approver at Acme.\n"
    ada = User.objects.get(email="ada@acme.example")
    assert ada.check_password("correct horse battery")
    assert ada.name == "Ada"
    with tenant_scope(acme.pk):
        assert Membership.objects.get().roles == ["admin", "approver"]


def test_someone_known_gets_exactly_these_roles(db: None) -> None:
    acme = make.tenant("acme")
    make.member(acme, "ada@acme.example", "admin")
    run("add_member", "acme", "ada@acme.example", "auditor")
    with tenant_scope(acme.pk):
        assert Membership.objects.get().roles == ["auditor"]


@pytest.mark.parametrize(
    "slug,email,role,password,sentence",
    [
        ("nowhere", "a@b.example", "admin", "correct horse battery", "no tenant “nowhere”. Create it with create_tenant"),
        ("acme", "not an address", "admin", "correct horse battery", "valid email"),
        ("acme", "a@b.example", "king", "correct horse battery", "“king” is no role"),
        ("acme", "a@b.example", "admin", "short", "too short"),
        ("acme", "a@b.example", "admin", "", "too short"),
        ("acme", "a@b.example", "admin", "password1234", "too common"),
        ("acme", "a" * 60 + "@" + "b." * 110 + "example", "admin", "correct horse battery", "254"),
    ],
)
def test_a_member_that_cannot_be_is_refused(
    db: None, tmp_path: Path, slug: str, email: str, role: str, password: str, sentence: str
) -> None:
    make.tenant("acme")
    (tmp_path / "password").write_text(password)
    with pytest.raises(CommandError, match=sentence):
        run("add_member", slug, email, role, password_file=str(tmp_path / "password"))
    assert not User.objects.exists()


def test_a_password_file_that_is_not_there_is_named(db: None) -> None:
    make.tenant("acme")
    with pytest.raises(CommandError, match="/no/such/file"):
        run("add_member", "acme", "a@b.example", "admin", password_file="/no/such/file")


def test_a_name_that_is_too_long_is_refused(db: None, password_file: str) -> None:
    make.tenant("acme")
    with pytest.raises(CommandError, match="80"):
        run("add_member", "acme", "a@b.example", "admin", name="x" * 81, password_file=password_file)
