"""What answers of models cost: tokens and money per minute, hour and day, beside gateway.models.usage and written with it."""

from django.db import models

from tenants.models import TenantModel
from tenants.scope import current_tenant_id

TOKEN_KEY = ["tenant", "at", "api", "application", "subscription", "plan", "asked", "provider", "model", "currency"]


class Tokens(TenantModel):
    """The answers that have all this in common, from `at` until the next minute, hour or day. Ids and names, no references."""

    at = models.DateTimeField()
    api = models.UUIDField(null=True)
    application = models.UUIDField(null=True)
    subscription = models.UUIDField(null=True)
    plan = models.CharField(max_length=80, blank=True)
    # The name that callers asked for: a provider's with its model, or an alias.
    asked = models.CharField(max_length=200, blank=True)
    # Who answered, and what the model is called there; "" where that is not known any more.
    provider = models.CharField(max_length=40, blank=True)
    model = models.CharField(max_length=120, blank=True)
    # Of `amount`; "" where no price is known.
    currency = models.CharField(max_length=3, blank=True)
    calls = models.PositiveBigIntegerField()
    # `cached` is part of `input`, and `reasoning` of `output`.
    input = models.PositiveBigIntegerField()
    output = models.PositiveBigIntegerField()
    cached = models.PositiveBigIntegerField()
    reasoning = models.PositiveBigIntegerField()
    # In millionths of the currency, by the price that was in force.
    amount = models.PositiveBigIntegerField()
    # Answers of which the provider did not say how many tokens they took; and those without a price.
    missing = models.PositiveBigIntegerField()
    unpriced = models.PositiveBigIntegerField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.asked}: {self.input} + {self.output}"


class TokenMinute(Tokens):
    """Of a minute. Its table has a partition per day and no foreign key, as UsageMinute's."""

    tenant = models.ForeignKey(
        "tenants.Tenant", models.CASCADE, default=current_tenant_id, editable=False, related_name="+", db_constraint=False
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=TOKEN_KEY, name="tokens_once_a_minute", nulls_distinct=False)]


class TokenHour(Tokens):
    """Of an hour (UTC) that was rolled up."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=TOKEN_KEY, name="tokens_once_an_hour", nulls_distinct=False)]


class TokenDay(Tokens):
    """Of a day (UTC): the hours of it that were rolled up."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=TOKEN_KEY, name="tokens_once_a_day", nulls_distinct=False)]
