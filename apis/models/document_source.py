from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from apis import document_at
from apis.models.api import ApiVersion
from tenants.models import TenantManager, TenantModel


class DocumentSourceQuerySet(models.QuerySet["DocumentSource"]):
    def looked_at_again(self) -> Self:
        """Those with a next time."""
        return self.filter(enabled=True).exclude(version__status=ApiVersion.Status.RETIRED)


DocumentSourceManager = TenantManager.from_queryset(DocumentSourceQuerySet)


class DocumentSource(TenantModel):
    """Where a version's document stands, and how often it is looked whether it has changed.

    What has changed becomes a revision, which is never live by itself. Portico looks in the name of `set_by`.
    """

    class Every(models.TextChoices):
        HOURLY = "hourly", pgettext_lazy("how often", "Every hour")
        DAILY = "daily", pgettext_lazy("how often", "Every day")
        WEEKLY = "weekly", pgettext_lazy("how often", "Every week")

    class Result(models.TextChoices):
        SAME = "same", gettext_lazy("Unchanged")
        FOUND = "found", gettext_lazy("New revision")
        NOT_FETCHED = "not_fetched", gettext_lazy("Not fetched")
        UNREADABLE = "unreadable", gettext_lazy("Can't be read")
        NO_UPSTREAM = "no_upstream", gettext_lazy("Upstream refused")
        STOPPED = "stopped", gettext_lazy("Stopped")

    WELL: ClassVar = (Result.SAME, Result.FOUND)

    version = models.OneToOneField(ApiVersion, models.CASCADE, related_name="source")
    url = models.CharField(max_length=500)
    every = models.CharField(max_length=10, choices=Every, default=Every.DAILY)
    enabled = models.BooleanField(default=True)
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    # Of what was last seen there and needs no second look: its ETag, and its text's SHA-256 in hex.
    etag = models.CharField(max_length=200, blank=True)
    digest = models.CharField(max_length=64, blank=True)
    looked_at = models.DateTimeField(null=True)
    # None while it is off.
    next_at = models.DateTimeField(null=True)
    result = models.CharField(max_length=12, choices=Result, blank=True)
    # Of the last look: the number of the revision, what stood in the way (see apis.document_at), or the problems, each as
    # {line, column, message}.
    told = models.JSONField(default=dict)
    # In a row.
    failures = models.PositiveSmallIntegerField(default=0)

    objects: ClassVar[DocumentSourceManager["DocumentSource"]] = DocumentSourceManager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(enabled=True, next_at__isnull=False) | models.Q(enabled=False, next_at=None),
                name="an_enabled_source_has_a_next_time",
            )
        ]

    def __str__(self) -> str:
        return str(self.version)

    @property
    def host(self) -> str:
        return document_at.host_of(self.url)

    @property
    def is_well(self) -> bool:
        return self.result in self.WELL

    @property
    def problems(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = self.told.get("problems", [])
        return found

    @property
    def sentence(self) -> str:
        """What came of the last look."""
        match self.result:
            case self.Result.SAME:
                return _("The document is still the same.")
            case self.Result.FOUND:
                return str(_("The document had changed. It became revision %(number)s, which is not live by itself.") % self.told)
            case self.Result.NOT_FETCHED:
                return document_at.sentence(self.told["trouble"], self.told)
            case self.Result.UNREADABLE:
                return _("What stands there is no document that could be published.")
            case self.Result.NO_UPSTREAM:
                return str(self.told["said"])
            case self.Result.STOPPED:
                said = _("%(name)s, who set it up, may not publish here any more. Save it, and it goes on in your name.")
                return said % {"name": self.set_by}
            case _unlooked:
                return _("Nobody has looked there yet.")
