from datetime import timedelta
from typing import Self

from django.db import models
from django.db.models.functions import Now

from tenants.models import new_id

# A process that has not been heard of for this long is gone; it says it lives every few seconds.
ALIVE = timedelta(seconds=15)
# For so long after it was heard of a gateway keeps its share of each limit: half a minute, and the time between two heartbeats.
COUNTED = timedelta(seconds=35)


class GatewayNodeQuerySet(models.QuerySet["GatewayNode"]):
    def connected(self) -> Self:
        return self.filter(connected=True, seen_at__gt=Now() - ALIVE)


class GatewayNode(models.Model):
    """An Envoy that may ask for configuration. Of its token only a digest is kept."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=80, unique=True)
    token_sha256 = models.CharField(max_length=64)
    # Where control may call it to see with its own eyes; announced by the node, "" when it announced none.
    address = models.CharField(max_length=200, blank=True)
    version = models.CharField(max_length=80, blank=True)
    connected = models.BooleanField(default=False)
    # The newest of its streams: receipts speak for that one alone.
    stream = models.UUIDField(null=True, unique=True)
    seen_at = models.DateTimeField(null=True)
    # Until when limits are divided with it: whoever is lost may come back, and each division anew fills the buckets of all.
    counted_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True)

    objects = models.Manager.from_queryset(GatewayNodeQuerySet)()

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
