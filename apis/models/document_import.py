from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy

from apis.models.api import ApiVersion, Revision
from keys.envelope import Purpose
from tenants.models import TenantManager, TenantModel, User


class DocumentImportQuerySet(models.QuerySet["DocumentImport"]):
    def of(self, user: User) -> Self:
        return self.filter(owner=user)

    def under_way(self) -> Self:
        return self.filter(state__in=DocumentImport.UNDER_WAY)


DocumentImportManager = TenantManager.from_queryset(DocumentImportQuerySet)


class DocumentImport(TenantModel):
    """A document too large to be read while its sender waits, or to be fetched first: a job does. It is its sender's alone.

    What comes of it is a revision of `version`, else a draft of a new API. Once that is there, the document isn't kept here.
    """

    class State(models.TextChoices):
        WAITING = "waiting", gettext_lazy("Waiting")
        READING = "reading", gettext_lazy("Being read")
        READY = "ready", gettext_lazy("Ready")
        REFUSED = "refused", gettext_lazy("Refused")

    UNDER_WAY: ClassVar = (State.WAITING, State.READING)

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    # Hundredths of the reading.
    progress = models.PositiveSmallIntegerField(default=0)
    # Where it is fetched from; "" where it was sent. Until it is there, `document` is empty.
    url = models.CharField(max_length=500, blank=True)
    document = models.TextField()
    version = models.ForeignKey(ApiVersion, models.CASCADE, null=True, related_name="+")
    # Of the revision: what apis.actions.importing.Aim has; the header's secret, and the client certificate's private key, each "" to keep
    # the live one's.
    told = models.JSONField(default=dict)
    sealed = models.TextField(blank=True)
    sealed_key = models.TextField(blank=True, default="")
    # Why it was refused: {line, column, message} each; or a rule's sentence.
    problems = models.JSONField(default=list)
    refusal = models.TextField(blank=True)
    revision = models.ForeignKey(Revision, models.CASCADE, null=True, related_name="+")

    objects: ClassVar[DocumentImportManager["DocumentImport"]] = DocumentImportManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "owner"], condition=models.Q(state__in=("waiting", "reading")), name="one_import_per_person"
            )
        ]

    def __str__(self) -> str:
        return str(self.version or "…")

    @property
    def is_over(self) -> bool:
        return self.state not in self.UNDER_WAY

    @property
    def sealed_for(self) -> Purpose:
        return Purpose(self.owning_tenant, self.pk, "import_header", "none")

    @property
    def sealed_key_for(self) -> Purpose:
        return Purpose(self.owning_tenant, self.pk, "import_client_key", "none")
