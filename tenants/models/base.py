"""What every row of a tenant has in common."""

from typing import Any, TypeVar
from uuid import UUID

from django.db import models
from django.db.models.sql.compiler import SQLCompiler
from uuid_utils.compat import uuid7

from tenants.scope import current_tenant_id

M_co = TypeVar("M_co", bound=models.Model, covariant=True)


# (from, to) -> the verb that names the event: a model's whole diagram.
Steps = dict[tuple[str, str], str]


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562 §5.7): ids sort by the time they were made."""
    return uuid7()


class CurrentTenant(models.Expression):
    """The tenant in scope, read at the moment the SQL is compiled: outside a scope even a count raises NoTenant."""

    output_field = models.UUIDField()

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> tuple[str, tuple[str | int, ...]]:  # noqa: ARG002
        return "%s::uuid", (str(current_tenant_id()),)


class TenantManager(models.Manager[M_co]):
    """`objects` of every tenant model: the rows of the tenant in scope."""

    def get_queryset(self) -> models.QuerySet[M_co]:
        return super().get_queryset().filter(tenant_id=CurrentTenant())


class TenantModel(models.Model):
    """A row that belongs to one tenant and is only ever seen by it.

    Its table's migration adds `enable_rls(table)` and one `same_tenant(child, parent)` per reference to another tenant table.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey("tenants.Tenant", models.CASCADE, default=current_tenant_id, editable=False, related_name="+")

    objects = TenantManager()

    class Meta:
        abstract = True

    @property
    def owning_tenant(self) -> UUID:
        """The tenant's id; the type checker takes `tenant_id` for one that may be missing."""
        assert self.tenant_id is not None
        return self.tenant_id
