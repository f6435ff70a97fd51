from datetime import timedelta
from typing import ClassVar, Self
from uuid import UUID

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from gateway.models.node import GatewayNode
from tenants.models import TenantManager, TenantModel

# How long it is remembered what was put right.
DRIFT_KEPT = timedelta(days=30)


class DriftQuerySet(models.QuerySet["Drift"]):
    def by_node(self) -> dict[UUID, int]:
        """How often each gateway was put right lately."""
        found = self.filter(at__gt=Now() - DRIFT_KEPT).values("node_id").annotate(many=models.Count("pk"))
        return dict(found.values_list("node_id", "many"))

    def old(self) -> Self:
        return self.filter(at__lte=Now() - DRIFT_KEPT)


class Drift(models.Model):
    """A gateway had what no event explains, and has been put right. Names of tables and numbers only, so it is shared."""

    node = models.ForeignKey(GatewayNode, models.CASCADE, related_name="+")
    tenant = models.ForeignKey("tenants.Tenant", models.CASCADE, related_name="+")
    # By table: how many of its rows are gone, new or changed, as gateways see them.
    parts = models.JSONField()
    # Callers could do something at the gateway that the database no longer holds.
    takes = models.BooleanField()
    found_at = models.DateTimeField()
    at = models.DateTimeField()

    objects = models.Manager.from_queryset(DriftQuerySet)()

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "node", "-id"], name="drift_of_a_tenant"),
            models.Index(fields=["node", "at"], name="drift_of_a_gateway"),
        ]

    def __str__(self) -> str:
        return f"{self.node_id}: {self.tenant_id}"


class Orphan(TenantModel):
    """What an event says was made and no row says any more: its row went behind the app's back.

    Kept for good, so that each is told once. Until `until` gateways refuse what it let call; of what they look up by itself, like a
    subscription, there is nothing to refuse.
    """

    class Kind(models.TextChoices):
        APPLICATION = "application", _("Application")
        CREDENTIAL = "credential", _("Credential")
        SUBSCRIPTION = "subscription", _("Subscription")
        TOKEN = "token", _("Token")  # nosec B105  (a name)

    kind = models.CharField(max_length=12, choices=Kind)
    # Its id, or a token's `jti`.
    name = models.CharField(max_length=64)
    found_at = models.DateTimeField()
    until = models.DateTimeField()

    objects: ClassVar[TenantManager["Orphan"]] = TenantManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "kind", "name"], name="an_orphan_is_found_once")]
        indexes = [models.Index(fields=["tenant", "until"], name="orphans_by_end")]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"
