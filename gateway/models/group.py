from uuid import UUID

from django.db import models
from django.db.models import Exists, OuterRef, Q

from apis.models import Api
from gateway.models.node import GatewayNode
from gateway.models.receipt import Loaded
from tenants.models import SLUG, TenantModel, new_id
from tenants.scope import current_tenant_id

# The group that every gateway and every API is in unless somebody said otherwise. It is there from the first migration on.
DEFAULT = UUID(int=1)
DEFAULT_NAME = "default"
MOST_GROUPS = 50


class GatewayGroup(models.Model):
    """Gateways that serve the same APIs, such as those of one region."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=40, unique=True, validators=[SLUG])
    description = models.CharField(max_length=300, blank=True)
    # Where callers reach its gateways, as apis.origins writes it; "" where PORTICO_GATEWAY_URL leads there.
    url = models.CharField(max_length=300, blank=True)
    # Whether every tenant may use it; else those of GroupTenant.
    for_all = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(id=DEFAULT, name=DEFAULT_NAME, for_all=True) | ~Q(id=DEFAULT) & ~Q(name=DEFAULT_NAME),
                name="one_default_group_for_all",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_default(self) -> bool:
        return self.pk == DEFAULT

    @property
    def told(self) -> str:
        """Its name, and what it is for."""
        return f"{self.name}: {self.description}" if self.description else self.name


class GroupedNode(models.Model):
    """A gateway in a group. One that has no such row is in the default group."""

    group = models.ForeignKey(GatewayGroup, models.PROTECT, related_name="nodes")
    node = models.ForeignKey(GatewayNode, models.CASCADE, related_name="groups")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["node", "group"], name="a_node_once_per_group")]

    def __str__(self) -> str:
        return f"{self.node_id} in {self.group_id}"


class GroupTenant(models.Model):
    """A tenant that may use a group which is not for all."""

    group = models.ForeignKey(GatewayGroup, models.CASCADE, related_name="tenants")
    tenant = models.ForeignKey("tenants.Tenant", models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["group", "tenant"], name="a_tenant_once_per_group")]

    def __str__(self) -> str:
        return f"{self.tenant_id} may use {self.group_id}"


class GroupUse(models.Model):
    """A tenant has APIs in a group beside the default one. Ids only: gateways are told by it whose scopes to have, before any is read."""

    group = models.ForeignKey(GatewayGroup, models.PROTECT, related_name="uses")
    tenant = models.ForeignKey("tenants.Tenant", models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "group"], name="a_use_once_per_tenant")]

    def __str__(self) -> str:
        return f"{self.tenant_id} uses {self.group_id}"


class ApiGroup(TenantModel):
    """An API that gateways of a group serve. One that has no such row is in the default group."""

    api = models.ForeignKey(Api, models.CASCADE, related_name="gateway_groups")
    group = models.ForeignKey(GatewayGroup, models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "api", "group"], name="an_api_once_per_group")]

    def __str__(self) -> str:
        return f"{self.api_id} in {self.group_id}"


def serving() -> Q:
    """Of GatewayNode, those that the tenant in scope is about: the default group's, which serve every tenant, those of a group where it has
    APIs, and whoever holds something of it still."""
    tenant_id = current_tenant_id()
    placed = GroupedNode.objects.filter(node=OuterRef("pk"))
    used = GroupUse.objects.filter(tenant_id=tenant_id).values("group")
    held = Loaded.objects.filter(node=OuterRef("pk"), tenant_id=tenant_id)
    return Q(~Exists(placed)) | Q(Exists(placed.filter(Q(group=DEFAULT) | Q(group__in=used)))) | Q(Exists(held))
