"""Django's admin: shared tables alone, for operators alone, to look at alone."""

import pytest
from django.apps import apps
from django.test import Client
from django.urls import reverse

from keys.actions import audit_keys
from portal.shared_tables import HIDDEN, site
from tenants.checks import SHARED, patterns
from tenants.models import Tenant, TenantModel
from tests import make
from tests.conftest import Cast, queries
from tests.portal.pages.test_console import signed_in

TABLES = sorted(label.lower().replace(".", "/") for label in SHARED)


@pytest.fixture
def olga(cast: Cast) -> Client:
    return signed_in(cast.olga)


def test_every_shared_table_is_there_and_none_of_tenants() -> None:
    assert {model._meta.label for model in site._registry} == set(SHARED)
    assert not [model for model in site._registry if issubclass(model, TenantModel)]


@pytest.mark.parametrize("table", ["", *(f"{each}/" for each in TABLES)])
def test_operators_alone_find_them(cast: Cast, olga: Client, table: str) -> None:
    page = f"/platform/tables/{table}"
    assert olga.get(page).status_code == 200
    assert signed_in(cast.ada).get(page).status_code == 404
    assert signed_in(cast.eve).get(page).status_code == 404
    assert Client().get(page)["Location"].startswith("/accounts/login/")


def test_nobody_signs_in_here_or_changes_anything(cast: Cast, olga: Client) -> None:
    names = {each.name for each in patterns(site.get_urls())}
    assert not {"login", "logout", "password_change", "autocomplete"} & names
    page = reverse("admin:tenants_tenant_change", args=[cast.acme.pk])
    assert olga.get(page).status_code == 200
    assert olga.post(page, {"name": "Mine"}).status_code == 405
    assert olga.get("/platform/tables/tenants/tenant/add/").status_code == 404
    assert olga.post("/platform/tables/tenants/tenant/", {"action": "delete_selected"}).status_code == 405
    assert olga.get(f"/platform/tables/tenants/tenant/{cast.acme.pk}/delete/").status_code == 404
    assert Tenant.objects.get(pk=cast.acme.pk).name == "Acme"


def test_an_account_that_was_closed_sees_nothing_any_more(cast: Cast, olga: Client) -> None:
    cast.olga.is_active = False
    cast.olga.save()
    assert olga.get("/platform/tables/")["Location"].startswith("/accounts/login/")


def test_no_secret_is_shown(cast: Cast, olga: Client) -> None:
    audit_keys.signer()
    for table, columns in HIDDEN.items():
        model = next(each for each in apps.get_models() if each._meta.db_table == table)
        for row in model._default_manager.all()[:3]:
            list_page = olga.get(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")).content.decode()
            row_page = olga.get(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[row.pk])).content.decode()
            assert str(row.pk) in row_page or str(row) in row_page
            for column in columns:
                value = str(getattr(row, column))
                assert value
                assert value not in list_page + row_page
    for label in SHARED:
        for field in apps.get_model(label)._meta.concrete_fields:
            if any(word in field.name for word in ("password", "secret", "sealed", "token", "hmac", "pepper")):
                assert field.name in HIDDEN[apps.get_model(label)._meta.db_table], f"{label}.{field.name}"


def test_many_tenants_take_as_many_queries_as_one(cast: Cast, olga: Client) -> None:
    for number in range(5):
        make.tenant(f"many{number}")
    with queries("platform:tables"):
        olga.get("/platform/tables/tenants/tenantsize/")
