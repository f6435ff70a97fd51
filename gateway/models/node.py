from datetime import timedelta
from typing import Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce, Now

from tenants.models import new_id

# A process that has not been heard of for this long is gone; it says it lives every few seconds.
ALIVE = timedelta(seconds=15)
# For so long after it was heard of a gateway keeps its share of each limit: half a minute, and the time between two heartbeats.
COUNTED = timedelta(seconds=35)
JOIN_TOKENS_KEPT = timedelta(days=30)


class GatewayNodeQuerySet(models.QuerySet["GatewayNode"]):
    def connected(self) -> Self:
        return self.filter(connected=True, seen_at__gt=Now() - ALIVE)

    def serving(self) -> Self:
        """Those that take calls, for which a receipt waits. One that drains does so until it has no connection left."""
        return self.connected().filter(drained_at=None)

    def standing(self) -> Self:
        """All but those that were forgotten, which left their receipts behind."""
        return self.filter(forgotten_at=None)


class GatewayNode(models.Model):
    """An Envoy that may ask for configuration, with one of its credentials."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=80, unique=True)
    # Where control may call it to see with its own eyes; announced by the node, "" when it announced none.
    address = models.CharField(max_length=200, blank=True)
    version = models.CharField(max_length=80, blank=True)
    connected = models.BooleanField(default=False)
    # The newest of its streams: receipts speak for that one alone.
    stream = models.UUIDField(null=True, unique=True)
    # When that began, at which control process, and what it showed; it ends with its credential.
    connected_at = models.DateTimeField(null=True)
    control = models.UUIDField(null=True)
    credential = models.ForeignKey("gateway.NodeCredential", models.SET_NULL, null=True, related_name="+")
    seen_at = models.DateTimeField(null=True)
    # Until when limits are divided with it: whoever is lost may come back, and each division anew fills the buckets of all.
    counted_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True)
    forgotten_at = models.DateTimeField(null=True)
    # Since when it is told to take no more calls, and since when it has no connection left.
    draining_at = models.DateTimeField(null=True)
    drained_at = models.DateTimeField(null=True)
    # The version that control last turned away, see gateway.envoy.versions.
    refused_version = models.CharField(max_length=80, blank=True)
    refused_at = models.DateTimeField(null=True)
    # By how much its clock is ahead of control's, as its answers say, and when that was seen.
    clock_ms = models.IntegerField(null=True)
    clock_at = models.DateTimeField(null=True)
    # What the agent beside it says: when its snapshot was last as it should be, and what is wrong with it. Null without an agent.
    snapshot_at = models.DateTimeField(null=True)
    snapshot_problem = models.TextField(blank=True)
    # When it last served from it, because it began while control was away, and when control was back.
    served_from_snapshot_since = models.DateTimeField(null=True)
    served_from_snapshot_until = models.DateTimeField(null=True)

    objects = models.Manager.from_queryset(GatewayNodeQuerySet)()

    def __str__(self) -> str:
        return self.name


class NodeCredentialQuerySet(models.QuerySet["NodeCredential"]):
    def working(self) -> Self:
        return self.filter(Q(ends_at=None) | Q(ends_at__gt=Now()))


class NodeCredential(models.Model):
    """What a gateway shows to control. Only a digest is kept."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    node = models.ForeignKey(GatewayNode, models.CASCADE, related_name="credentials")
    sha256 = models.CharField(max_length=64, unique=True)
    last_four = models.CharField(max_length=4, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True)
    # When the node got another one by it, which is `successor`; it goes on until `ends_at`.
    rolled_at = models.DateTimeField(null=True)
    successor = models.ForeignKey("self", models.SET_NULL, null=True, related_name="+")
    ends_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    objects = models.Manager.from_queryset(NodeCredentialQuerySet)()

    def __str__(self) -> str:
        return f"…{self.last_four}"


class JoinTokenQuerySet(models.QuerySet["JoinToken"]):
    def waiting(self) -> Self:
        return self.filter(used_at=None, revoked_at=None, expires_at__gt=Now())

    def old(self) -> Self:
        """Over for so long, in whichever way, that nobody asks any more what became of them."""
        return self.annotate(over_at=Coalesce("used_at", "revoked_at", "expires_at")).filter(over_at__lt=Now() - JOIN_TOKENS_KEPT)


class JoinToken(models.Model):
    """A machine may become the gateway `name` with it, once. Only a digest is kept."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=80)
    # Where control may call the gateway, told to the machine that joins; "" when nobody said.
    address = models.CharField(max_length=200, blank=True)
    # The ids of the groups that it is put in on joining; of none: where it was, which is the default group for a new one.
    groups = ArrayField(models.UUIDField(), default=list)
    sha256 = models.CharField(max_length=64, unique=True)
    last_four = models.CharField(max_length=4)
    # None: somebody with a shell on Portico's own machine.
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    node = models.ForeignKey(GatewayNode, models.SET_NULL, null=True, related_name="+")
    revoked_at = models.DateTimeField(null=True)
    # How often it was shown when it let nobody in any more.
    refused = models.PositiveIntegerField(default=0)

    objects = models.Manager.from_queryset(JoinTokenQuerySet)()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name"], condition=Q(used_at=None, revoked_at=None), name="one_join_token_for_a_gateway")
        ]

    def __str__(self) -> str:
        return self.name


class ControlProcess(models.Model):
    """A control process that says it lives."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.pk)

    @classmethod
    def any_alive(cls) -> bool:
        return cls.objects.filter(seen_at__gt=Now() - ALIVE).exists()
