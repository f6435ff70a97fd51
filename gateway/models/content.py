from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.db import models

from apis.models import Api
from keys.models import Application
from tenants.models import TenantManager, TenantModel

# So many of an API at most; the oldest go first.
CONTENTS_KEPT = 10_000


class LoggedContentQuerySet(models.QuerySet["LoggedContent"]):
    def within(self, days: int, now: datetime) -> Self:
        return self.filter(at__gt=now - timedelta(days=days))

    def beyond(self, days: int, now: datetime) -> Self:
        return self.filter(at__lte=now - timedelta(days=days))


LoggedContentManager = TenantManager.from_queryset(LoggedContentQuerySet)


class LoggedContent(TenantModel):
    """What a call asked a model, and what that answered: written down because the API wants it and its application's people agreed.

    `request` and `answer`: encrypted with the key of apis.models.ContentLogging, see gateway.contents; None where that was not wanted.
    """

    api = models.ForeignKey(Api, models.CASCADE, related_name="+")
    application = models.ForeignKey(Application, models.CASCADE, related_name="+")
    subscription = models.UUIDField()
    at = models.DateTimeField()
    request_id = models.CharField(max_length=64)
    # The operationId, and the model that was asked for.
    operation = models.CharField(max_length=200, blank=True)
    asked = models.CharField(max_length=200, blank=True)
    status = models.PositiveSmallIntegerField()
    us = models.PositiveBigIntegerField()
    request = models.BinaryField(null=True)
    answer = models.BinaryField(null=True)
    # Whether there was more of it than is written down.
    request_cut = models.BooleanField(default=False)
    answer_cut = models.BooleanField(default=False)
    # Of a stream `answer` has the text that it brought, as JSON spells it between quotation marks.
    streamed = models.BooleanField(default=False)

    objects: ClassVar[LoggedContentManager["LoggedContent"]] = LoggedContentManager()

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "api", "-id"], name="contents_of_api"),
            models.Index(fields=["tenant", "application", "api", "-id"], name="contents_of_application"),
            models.Index(fields=["tenant", "api", "at"], name="contents_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.request_id} {self.asked}"
