from django.conf import settings
from django.db import models
from django.db.models import Q

from apis.models.api import Api
from apis.models.subscription import Subscription
from keys.envelope import Purpose
from tenants.models import TenantModel

MOST_DAYS = 365
MOST_CONSENT = 2_000


class ContentLogging(TenantModel):
    """What of the calls of an API of models is written down, and for how long. None until somebody switched it on.

    `version` counts what people are asked to agree to: it grows with another text, with more that is written down, and with more days.
    """

    api = models.ForeignKey(Api, models.CASCADE, related_name="+")
    enabled = models.BooleanField(default=False)
    # What callers ask, and what models answer.
    requests = models.BooleanField(default=True)
    answers = models.BooleanField(default=True)
    days = models.PositiveSmallIntegerField(default=30)
    consent = models.TextField(max_length=MOST_CONSENT)
    version = models.PositiveIntegerField(default=1)
    # The key that texts are encrypted with; "" where there is none.
    sealed = models.TextField(blank=True)

    class Meta:
        verbose_name = "content logging"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "api"], name="one_content_logging_per_api"),
            models.CheckConstraint(condition=Q(days__gte=1, days__lte=MOST_DAYS), name="days_of_contents"),
            models.CheckConstraint(condition=Q(enabled=False) | ~Q(consent=""), name="contents_are_agreed_to"),
            models.CheckConstraint(condition=Q(requests=True) | Q(answers=True), name="some_contents"),
        ]

    def __str__(self) -> str:
        return str(self.api)

    @property
    def sealed_for(self) -> Purpose:
        return Purpose(self.owning_tenant, self.pk, "content_logging", "A256GCM")


class ContentConsent(TenantModel):
    """Somebody who answers for an application agreed that what it asks and is answered is written down."""

    subscription = models.ForeignKey(Subscription, models.CASCADE, related_name="+")
    # Of ContentLogging: to what was agreed.
    version = models.PositiveIntegerField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "subscription"], name="one_consent_per_subscription")]

    def __str__(self) -> str:
        return f"{self.subscription_id} {self.version}"
