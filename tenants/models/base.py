"""What every row of a tenant has in common."""

from typing import Any, TypeVar
from uuid import UUID

from django.db import models
from django.db.models.sql.compiler import SQLCompiler
from uuid_utils.compat import uuid7

from tenants.scope import current_tenant_id

M = TypeVar("M", bound=models.Model, covariant=True)


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562 §5.7): ids sort by the time they were made."""
    return uuid7()


class CurrentTenant(models.Expression):
    """The tenant in scope, read at the moment the SQL is compiled: outside a scope even a count raises NoTenant."""

    output_field = models.UUIDField()

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> tuple[str, list[UUID]]:  # noqa: ARG002
        return "%s::uuid", [current_tenant_id()]


class TenantManager(models.Manager[M]):
    """`objects` of every tenant model: the rows of the tenant in scope."""

    def get_queryset(self) -> models.QuerySet[M]:
        return super().get_queryset().filter(tenant_id=CurrentTenant())


class TenantModel(models.Model):
    """A row that belongs to one tenant and is only ever seen by it.

    Its table's migration adds `guard_tenant_rows(table)` and one `same_tenant(child, parent)` per reference to another tenant table.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey("tenants.Tenant", models.CASCADE, default=current_tenant_id, editable=False, related_name="+")

    objects = TenantManager()

    class Meta:
        abstract = True
