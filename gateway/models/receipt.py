from django.db import models
from django.utils.translation import gettext_lazy as _

from gateway.models.node import GatewayNode
from tenants.models import TenantModel


class Receipt(models.Model):
    """A gateway acknowledged a configuration of a tenant that covers its events up to these numbers. Numbers only, so it is shared."""

    # Without an index of its own: the second of those below begins with it.
    node = models.ForeignKey(GatewayNode, models.CASCADE, related_name="receipts", db_index=False)
    tenant = models.ForeignKey("tenants.Tenant", models.CASCADE, related_name="+")
    # The highest event covered, for each half of the configuration.
    routes = models.PositiveBigIntegerField()
    access = models.PositiveBigIntegerField()
    # The closed configuration: it enforces what takes access away, never what gives it.
    closed = models.BooleanField(default=False)
    at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "node", "id"], name="receipts_of_a_tenant"),
            models.Index(fields=["node", "id"], name="receipts_of_a_gateway"),
        ]

    def __str__(self) -> str:
        return f"{self.node_id}: {self.routes}/{self.access}"


class Loaded(models.Model):
    """A gateway has asked for a tenant. While it has not, it counts as enforcing everything: it will load the newest."""

    node = models.ForeignKey(GatewayNode, models.CASCADE, related_name="+")
    tenant = models.ForeignKey("tenants.Tenant", models.CASCADE, related_name="+")
    at = models.DateTimeField()
    # Since when the gateway has not acknowledged the newest, as its control process sees it; None while it is in step.
    behind_since = models.DateTimeField(null=True)
    # Since when its canary of the tenant can't be reached, and since when it serves other routes than it acknowledged.
    unreached_since = models.DateTimeField(null=True)
    stale_since = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "node"], name="loaded_once_per_node")]

    def __str__(self) -> str:
        return f"{self.node_id}: {self.tenant_id}"


class Nack(models.Model):
    """How often a gateway refused configurations of a tenant, and when last. Their words are the tenant's, see Deployment."""

    node = models.ForeignKey(GatewayNode, models.CASCADE, related_name="+")
    tenant = models.ForeignKey("tenants.Tenant", models.CASCADE, related_name="+")
    many = models.PositiveIntegerField(default=0)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "node"], name="nacks_counted_once")]

    def __str__(self) -> str:
        return f"{self.node_id}: {self.many}"


class Deployment(TenantModel):
    """How one gateway stands to one tenant: what it fell back to and what it refused. A tenant's row: a refusal's text names its paths."""

    class State(models.TextChoices):
        IN_STEP = "in_step", _("In step")
        HELD = "held", _("Older routes, today's access")
        CLOSED = "closed", _("Closed")

    node = models.ForeignKey(GatewayNode, models.CASCADE, related_name="+")
    state = models.CharField(max_length=10, choices=State, default=State.IN_STEP)
    # The routes last acknowledged, as gateway.desired writes and reads them: what to fall back to, also after a restart of control.
    good_routes = models.JSONField(null=True)
    # What it has of each version: gateway.envoy.resources.Compiled.parts; None of what was acknowledged before this was written down.
    parts = models.JSONField(null=True)
    refused_digest = models.CharField(max_length=64, blank=True)
    refused_text = models.TextField(blank=True)
    refused_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "node"], name="one_deployment_per_node")]

    def __str__(self) -> str:
        return f"{self.node_id}: {self.state}"
