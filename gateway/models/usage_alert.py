from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from apis.models import Api
from keys.models import Application, owned_by
from tenants.models import TenantManager, TenantModel, User


class UsageAlertQuerySet(models.QuerySet["UsageAlert"]):
    def visible_to(self, user: User, permissions: frozenset[str]) -> Self:
        """All, for who sees all usage; else one's own, those of one's applications, and of APIs for who sees all of these."""
        if "usage.see" in permissions:
            return self
        seen = models.Q(created_by=user) | models.Q(application__isnull=False) & owned_by(user, via="application__")
        if "apis.see_all" in permissions:
            seen |= models.Q(api__isnull=False)
        return self.filter(seen).distinct()

    def changeable_by(self, user: User, permissions: frozenset[str]) -> Self:
        """One's own and those of one's applications; of APIs for who publishes them; all for who manages the tenant. Others read."""
        if "settings.manage" in permissions:
            return self
        theirs = models.Q(created_by=user) | models.Q(application__isnull=False) & owned_by(user, via="application__")
        if "apis.publish" in permissions:
            theirs |= models.Q(api__isnull=False)
        return self.filter(theirs).distinct()

    def for_list(self) -> Self:
        return self.select_related("api", "application", "created_by").order_by("-pk")


UsageAlertManager = TenantManager.from_queryset(UsageAlertQuerySet)


class UsageAlert(TenantModel):
    """What somebody wants to hear of how calls go: of an API, of an application, or of the whole tenant where neither is named."""

    class Kind(models.TextChoices):
        ERROR_RATE = "error_rate", _("Many calls fail")
        P95 = "p95", _("Answers take long")
        NO_TRAFFIC = "no_traffic", _("No calls any more")

    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=10, choices=Kind)
    api = models.ForeignKey(Api, models.CASCADE, null=True, related_name="+")
    application = models.ForeignKey(Application, models.CASCADE, null=True, related_name="+")
    # Percent of calls that fail, or milliseconds; 0 of NO_TRAFFIC.
    threshold = models.PositiveIntegerField(default=0)
    # What is looked at, up to now.
    minutes = models.PositiveSmallIntegerField()
    # Fewer calls in that time open nothing.
    fewest_calls = models.PositiveIntegerField(default=1)
    # For so long after it was closed it is not opened again.
    cooldown_minutes = models.PositiveSmallIntegerField(default=30)
    muted = models.BooleanField(default=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    # Since when it is open; None while it is closed.
    opened_at = models.DateTimeField(null=True)
    # Since when, while it is open, nothing speaks for it any more.
    calm_since = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)

    objects: ClassVar[UsageAlertManager["UsageAlert"]] = UsageAlertManager()

    class Meta:
        verbose_name = "usage alert"
        constraints = [
            models.UniqueConstraint(models.F("tenant"), Lower("name"), name="one_usage_alert_per_name"),
            models.CheckConstraint(condition=models.Q(kind__in=["error_rate", "p95", "no_traffic"]), name="an_alert_of_the_three_kinds"),
            models.CheckConstraint(condition=models.Q(minutes__gte=1, minutes__lte=1_440), name="an_alert_looks_at_a_day_at_most"),
            models.CheckConstraint(condition=models.Q(calm_since=None) | models.Q(opened_at__isnull=False), name="calm_while_it_is_open"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def about(self) -> str:
        """The API, the application or both that it is about, by name; "" of the whole tenant."""
        return " · ".join(str(each) for each in (self.api, self.application) if each is not None)
