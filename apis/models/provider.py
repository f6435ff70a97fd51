from collections.abc import Sequence
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import pgettext_lazy

from apis.ai.catalogue import Dialect
from keys.envelope import Purpose
from tenants.models import MAX_SLUG, SLUG, TenantModel

PRIORITIES = (1, 9)
WEIGHTS = (1, 100)
FIRST_BYTE_MS = (1_000, 300_000)
SILENCE_MS = (1_000, 600_000)


class Provider(TenantModel):
    """Whoever answers calls for models: OpenAI, Anthropic, a server of one's own. Its slug never changes: it begins models' names."""

    slug = models.CharField(max_length=MAX_SLUG, validators=[SLUG])
    name = models.CharField(max_length=80)
    # Of apis/ai/providers.json; what that said of it was copied here, and is the tenant's to change.
    kind = models.CharField(max_length=20)
    scheme = models.CharField(max_length=5)
    host = models.CharField(max_length=253)
    port = models.PositiveIntegerField()
    # Put before each format's prefix; "" or "/base" without a slash at its end.
    path = models.CharField(max_length=500, blank=True)
    # A list of apis.ai.catalogue.Dialect; the first is the one that keys are tested by.
    dialects = models.JSONField()
    # How long to wait for the beginning of an answer, and then between two of its pieces.
    first_byte_ms = models.PositiveIntegerField(default=30_000)
    silence_ms = models.PositiveIntegerField(default=60_000)
    # Where `host` lies, which a job keeps true; gateways are told addresses, never names to resolve.
    addresses = ArrayField(models.GenericIPAddressField(), default=list)
    resolved_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "slug"], name="one_provider_per_slug")]

    def __str__(self) -> str:
        return self.name

    @property
    def netloc(self) -> str:
        shown = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"https": 443, "http": 80}[self.scheme]
        return shown if self.port == usual else f"{shown}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.netloc}{self.path}"

    @property
    def speaks(self) -> Sequence[Dialect]:
        return [Dialect.of(each) for each in self.dialects]


class ProviderKey(TenantModel):
    """A key of a provider's; several share its calls: those of the lowest priority by their weights, the others when these are out."""

    class State(models.TextChoices):
        ON = "on", pgettext_lazy("a provider's key", "On")
        OFF = "off", pgettext_lazy("a provider's key", "Off")
        EXHAUSTED = "exhausted", pgettext_lazy("a provider's key", "Used up")
        REFUSED = "refused", pgettext_lazy("a provider's key", "Refused")
        FAILING = "failing", pgettext_lazy("a provider's key", "Failing")

    provider = models.ForeignKey(Provider, models.CASCADE, related_name="keys")
    label = models.CharField(max_length=80)
    sealed = models.TextField()
    # "" of one that is too short to show so much of it.
    last_four = models.CharField(max_length=4, blank=True)
    priority = models.PositiveSmallIntegerField(default=1)
    weight = models.PositiveSmallIntegerField(default=1)
    state = models.CharField(max_length=9, choices=State, default=State.ON)
    state_since = models.DateTimeField()
    # When it gets calls again by itself; None where somebody has to see to it.
    state_until = models.DateTimeField(null=True)
    # How often in a row its provider took no more of it.
    used_up_times = models.PositiveSmallIntegerField(default=0)
    # An apis.ai.looking.Found, and the status that was answered; "" and None where a person said so.
    state_reason = models.CharField(max_length=10, blank=True)
    answered = models.PositiveSmallIntegerField(null=True)
    tested_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("tenant", "provider", Lower("label"), name="one_provider_key_per_label"),
            models.CheckConstraint(condition=models.Q(priority__range=PRIORITIES), name="a_provider_keys_priority_within_bounds"),
            models.CheckConstraint(condition=models.Q(weight__range=WEIGHTS), name="a_provider_keys_weight_within_bounds"),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def sealed_for(self) -> Purpose:
        return Purpose(self.owning_tenant, self.pk, "provider_key", "none")


def _price() -> Any:
    return models.DecimalField(max_digits=12, decimal_places=6, null=True)


class ProviderModel(TenantModel):
    """A model as its provider calls it. Prices are those of a million tokens since `prices_since`; None where they are not known."""

    provider = models.ForeignKey(Provider, models.CASCADE, related_name="models")
    name = models.CharField(max_length=120)
    # Tokens that it takes in and gives, together.
    context = models.PositiveIntegerField(null=True)
    input = _price()
    output = _price()
    # Of what it takes in and remembered.
    cached = _price()
    currency = models.CharField(max_length=3)
    prices_since = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "provider", "name"], name="one_provider_model_per_name"),
            models.CheckConstraint(
                condition=(models.Q(input=None) | models.Q(input__gte=0))
                & (models.Q(output=None) | models.Q(output__gte=0))
                & (models.Q(cached=None) | models.Q(cached__gte=0)),
                name="a_price_is_not_below_nothing",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ModelAlias(TenantModel):
    """A name that callers ask for in place of a model; who answers is the first of its targets that can, and is changed here alone."""

    name = models.CharField(max_length=40)
    # In order: [{"provider": slug, "model": as it is called there}], each provider once.
    targets = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="one_alias_per_name")]

    def __str__(self) -> str:
        return self.name


class FormerPrice(TenantModel):
    """What a model cost before: calls of that time are counted by it."""

    model = models.ForeignKey(ProviderModel, models.CASCADE, related_name="former_prices")
    input = _price()
    output = _price()
    cached = _price()
    currency = models.CharField(max_length=3)
    since = models.DateTimeField()
    until = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["tenant", "model", "since"], name="former_prices_of_a_model")]

    def __str__(self) -> str:
        return f"{self.since:%Y-%m-%d %H:%M} to {self.until:%Y-%m-%d %H:%M}"
