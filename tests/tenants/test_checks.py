"""The checks: each is seen to fire on what it is there for, and is silent on the project as it is."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.test.utils import isolate_apps
from django.urls import path

from portal.settings import DATABASE_OWNER_URL
from tenants import checks
from tenants.access import open_to_all
from tenants.models import TenantModel
from tenants.rest import RestView
from tests.conftest import as_owner


def ids(found: Any) -> list[str]:
    return [each.id for each in found]


def test_the_project_passes_every_check(db: None) -> None:
    assert [each for each in run_checks(include_deployment_checks=True) if (each.id or "").startswith("tenants.")] == []


def test_the_migrations_are_the_models(db: None) -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def test_e001_a_model_without_a_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    with isolate_apps("tenants"):

        class Stray(models.Model):
            class Meta:
                app_label = "tenants"

        monkeypatch.setattr(apps, "get_models", lambda: [Stray])
        found = list(checks.every_model_has_a_tenant())
    assert ids(found) == ["tenants.E001"]
    assert "tenants.Stray has no tenant." in found[0].msg
    assert found[0].hint


@pytest.fixture
def owner(transactional_db: None) -> Any:
    with psycopg.connect(DATABASE_OWNER_URL, autocommit=True) as connection:
        yield connection


def test_e002_a_missing_composite_foreign_key(owner: Any) -> None:
    name = "_keys_credential_application_id_same_tenant"
    wanted = owner.execute("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s", [name]).fetchone()[0]
    owner.execute(f"ALTER TABLE keys_credential DROP CONSTRAINT {name}")
    try:
        found = list(checks.every_tenant_table_is_guarded())
    finally:
        owner.execute(f"ALTER TABLE keys_credential ADD CONSTRAINT {name} {wanted}")
    assert [each.msg for each in found] == ["keys_credential.application_id may point into another tenant."]
    assert ids(found) == ["tenants.E002"]
    assert list(checks.every_tenant_table_is_guarded()) == []


@pytest.mark.parametrize(
    "policy",
    [
        "USING (true) WITH CHECK (true)",
        "USING (tenant_id = (SELECT NULLIF(current_setting('portico.tenant_id', true), '')::uuid)) WITH CHECK (true)",
        "FOR SELECT USING (tenant_id = (SELECT NULLIF(current_setting('portico.tenant_id', true), '')::uuid))",
    ],
    ids=["open", "open for writing", "for reading only"],
)
def test_e002_a_policy_that_is_not_the_policy(owner: Any, policy: str) -> None:
    owner.execute("ALTER POLICY tenant_only ON keys_application RENAME TO kept")
    owner.execute(f"CREATE POLICY tenant_only ON keys_application {policy}")
    try:
        found = list(checks.every_tenant_table_is_guarded())
    finally:
        owner.execute("DROP POLICY tenant_only ON keys_application")
        owner.execute("ALTER POLICY kept ON keys_application RENAME TO tenant_only")
    assert ids(found) == ["tenants.E002"]


def test_e002_a_model_without_a_guarded_table(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with isolate_apps("tenants"):

        class Bare(TenantModel):
            class Meta:
                app_label = "tenants"

        monkeypatch.setattr(checks, "tenant_models", lambda: [Bare])
        found = list(checks.every_tenant_table_is_guarded())
    assert [each.msg for each in found] == ["tenants_bare has no forced row security."]


def test_e003_a_role_that_owns_the_tables(transactional_db: None) -> None:
    assert list(checks.the_role_is_bound_by_row_security()) == []
    with as_owner():
        found = list(checks.the_role_is_bound_by_row_security())
        with pytest.raises(SystemExit, match=r"tenants.E003: .* owns the tables"):
            checks.insist_on_row_security()
    assert ids(found) == ["tenants.E003"]
    checks.insist_on_row_security()


def bare(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


class BareRest(RestView):
    pass


urlpatterns = [path("bare", bare), path("rest", BareRest.as_view()), path("open", open_to_all("a test")(lambda request: HttpResponse()))]


def test_e004_a_url_that_does_not_say_who_may_enter(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__
    found = list(checks.every_view_says_who_may_enter())
    assert ids(found) == ["tenants.E004", "tenants.E004"]
    assert [each.msg.split(" ")[0] for each in found] == [f"{__name__}.bare", f"{__name__}.BareRest"]


def test_every_check_says_what_to_do() -> None:
    functions: list[Callable[..., Any]] = [checks.every_model_has_a_tenant, checks.every_view_says_who_may_enter]
    assert all(list(function()) == [] for function in functions)
    assert all(reason for reason in checks.SHARED.values())
