from django.db import models

from tenants.models.base import TenantModel, new_id


class EventFields(models.Model):
    """One thing that happened. Names are kept beside ids, so that a row still reads when what it names is gone."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    number = models.PositiveBigIntegerField()
    at = models.DateTimeField()
    kind = models.CharField(max_length=60)
    actor_id = models.UUIDField(null=True)
    actor_name = models.CharField(max_length=200)
    subject_type = models.CharField(max_length=40)
    subject_id = models.UUIDField()
    subject_name = models.CharField(max_length=200)
    data = models.JSONField(default=dict)
    ip = models.CharField(max_length=45, blank=True)
    user_agent = models.CharField(max_length=200, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    previous = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.number} {self.kind}"


class Event(EventFields, TenantModel):
    """A tenant's event: numbered without gaps under the tenant's lock, chained by digest, never changed.

    The role that serves has neither UPDATE nor DELETE on this table.
    """

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "number"], name="one_event_per_number")]
        indexes = [
            models.Index(fields=["tenant", "subject_id"], name="events_of_a_subject"),
            models.Index(fields=["tenant", "kind", "number"], name="events_of_a_kind"),
            models.Index(fields=["tenant", "actor_id", "number"], name="events_of_a_person"),
            # That nobody did it is no equality, so the one above would not give them in order.
            models.Index(fields=["tenant", "number"], condition=models.Q(actor_id=None), name="events_of_nobody"),
            models.Index(fields=["tenant", "ip", "number"], name="events_from_an_address"),
            models.Index(fields=["tenant", "at"], name="events_of_a_day"),
        ]


class EventCounter(TenantModel):
    """The head of a tenant's chain, and its lock: a table of its own, because locking the Tenant row would stop every foreign key to it."""

    number = models.PositiveBigIntegerField(default=0)
    digest = models.CharField(max_length=64, default="0" * 64)
    # The number up to which mails were made of events: see portal/post.py.
    mailed = models.PositiveBigIntegerField(default=0)
    # The same of inboxes, which don't wait for a mail server.
    told = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant"], name="one_counter_per_tenant")]

    def __str__(self) -> str:
        return str(self.number)


class PlatformEvent(EventFields):
    """What happens outside any tenant: tenants made, gateways that come and go, sign-ins. A chain of its own."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["number"], name="one_platform_event_per_number")]


class PlatformCounter(models.Model):
    """The head of the platform's chain: one row."""

    number = models.PositiveBigIntegerField(default=0)
    digest = models.CharField(max_length=64, default="0" * 64)

    def __str__(self) -> str:
        return str(self.number)
