"""What PostgreSQL has to know to plan for a tenant that is larger than others. What it is worth: docs/evidence/people.md."""

from django.db import connection

from tenants.checks import tenant_models
from tenants.models import TenantModel


def test_a_policy_can_be_read_when_a_statement_is_planned(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT polrelid::regclass::text, pg_get_expr(polqual, polrelid) FROM pg_policy JOIN pg_class c ON c.oid = polrelid
               WHERE polname = 'tenant_only' AND NOT c.relispartition"""
        )
        policies = dict(cursor.fetchall())
    assert set(policies) == {model._meta.db_table for model in tenant_models()}
    assert [table for table, policy in policies.items() if "SELECT" in policy] == []


def test_joins_are_estimated_by_the_foreign_key_that_knows_of_tenants(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
               WHERE contype = 'f' ORDER BY conname COLLATE "C" DESC"""
        )
        keys = cursor.fetchall()
    for model in tenant_models():
        for field in model._meta.concrete_fields:
            if field.related_model and issubclass(field.related_model, TenantModel):
                of_the_column = [what for table, what in keys if table == model._meta.db_table and f"{field.column}) REF" in what]
                assert of_the_column[-1].startswith(f"FOREIGN KEY (tenant_id, {field.column})"), (model, field)


def test_long_joins_are_planned_quickly(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW join_collapse_limit")
        assert cursor.fetchone() == ("4",)
