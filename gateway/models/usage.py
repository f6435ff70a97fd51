"""How APIs are called: counts per minute, hour and day. Only `manage.py usage` and the jobs of gateway.usage write them."""

from datetime import timedelta
from typing import Any, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from tenants.models import TenantModel, new_id
from tenants.scope import current_tenant_id

# In place of an operation: what was counted together, because there was too much of different kinds.
OTHER_OPERATIONS = "*"
# A usage process that has not written for this long is gone; it writes every second.
WRITES = timedelta(seconds=15)

KEY = ["tenant", "at", "api", "version", "operation", "application", "subscription", "plan", "status_class", "code"]


class Usage(TenantModel):
    """The calls that have all this in common, from `at` until the next minute, hour or day.

    Ids and no references: calls were made, whatever became of an application or an API meanwhile.
    """

    # The start of the minute, hour or day, in UTC, by the clock of the process that heard of the calls.
    at = models.DateTimeField()
    # None: of no API that there is; "" of no version, or operation, that there is.
    api = models.UUIDField(null=True)
    version = models.CharField(max_length=20, blank=True)
    # The operation's id, "" where the call was of none, OTHER_OPERATIONS.
    operation = models.CharField(max_length=200, blank=True)
    # None where nobody proved who they are.
    application = models.UUIDField(null=True)
    # What let the call pass, and its plan; None and "" where it did not get so far.
    subscription = models.UUIDField(null=True)
    plan = models.CharField(max_length=80, blank=True)
    # 2, 3, 4 or 5, the first digit of the answer's status; 0 where there was no answer.
    status_class = models.PositiveSmallIntegerField()
    # The refusal, "" where the gateway refused nothing.
    code = models.CharField(max_length=40, blank=True)
    calls = models.PositiveBigIntegerField()
    bytes_in = models.PositiveBigIntegerField()
    bytes_out = models.PositiveBigIntegerField()
    # Of whole calls, from their first byte to the answer's last; by gateway.latency.
    duration_ms_sum = models.PositiveBigIntegerField()
    histogram: Any = ArrayField(models.PositiveBigIntegerField())

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.operation}: {self.calls}"


class UsageMinute(Usage):
    """Of a minute. Its table has a partition per day and no key but the constraint: nothing refers to a row, and an index costs each write.

    No foreign key either: a partition could not be dropped without locking all tenants. gateway_usage_erased() stands in for it.
    """

    tenant = models.ForeignKey(
        "tenants.Tenant", models.CASCADE, default=current_tenant_id, editable=False, related_name="+", db_constraint=False
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=KEY, name="usage_once_a_minute", nulls_distinct=False)]


class UsageHour(Usage):
    """Of an hour (UTC) that is over, and not in UsageOpenHour; until it is rolled up its calls stand in UsageMinute alone."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=KEY, name="usage_once_an_hour", nulls_distinct=False)]


class UsageDay(Usage):
    """Of a day (UTC): the hours of it that were rolled up."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=KEY, name="usage_once_a_day", nulls_distinct=False)]


class UsageOpenHour(TenantModel):
    """An hour of whose minutes some were written since it was rolled up. What is older than the oldest of them is final in UsageHour."""

    at = models.DateTimeField()
    # Each write counts on, so that it waits for a roll-up which takes the row away, and the other way round.
    writes = models.PositiveBigIntegerField(default=1)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "at"], name="open_hour_once")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H}"


class UsageFreshnessQuerySet(models.QuerySet["UsageFreshness"]):
    def writing(self) -> Self:
        return self.filter(seen_at__gt=Now() - WRITES)


class UsageFreshness(models.Model):
    """How far a usage process has written. Numbers only, so it is shared."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    started_at = models.DateTimeField()
    # When it last wrote here.
    seen_at = models.DateTimeField()
    # All that it heard of until then is in the tables.
    written_until = models.DateTimeField()
    # Calls that wait in its memory, and calls that it could not keep: with the last time that this happened.
    waiting = models.PositiveBigIntegerField(default=0)
    lost = models.PositiveBigIntegerField(default=0)
    lost_at = models.DateTimeField(null=True)

    objects = models.Manager.from_queryset(UsageFreshnessQuerySet)()

    def __str__(self) -> str:
        return f"{self.written_until:%H:%M:%S}"
