from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from apis.balancing import Balancing
from apis.connections import Connection
from apis.findings import Lint
from keys.envelope import Purpose
from tenants.models import TenantManager, TenantModel, User


class DraftQuerySet(models.QuerySet["Draft"]):
    def of(self, user: User) -> Self:
        return self.filter(owner=user)


DraftManager = TenantManager.from_queryset(DraftQuerySet)


class Draft(TenantModel):
    """An API that is being made: what its author has told so far. Each person has one at most, and sees nobody else's."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    changed_at = models.DateTimeField()
    document = models.TextField()
    # What is wrong with the document, as {line, column, message}; and what it offers once nothing is.
    problems = models.JSONField(default=list)
    outline = models.JSONField(null=True)
    # In place of `document`, where a job read one that is too large for a page: all of it, as openapi.to_json says it.
    large = models.JSONField(null=True)
    name = models.CharField(max_length=80, blank=True)
    slug = models.CharField(max_length=40, blank=True)
    description = models.TextField(max_length=5000, blank=True)
    upstream = models.CharField(max_length=800, blank=True)
    # Whether it is to answer from the document's examples for now, whatever is told of an upstream.
    mock = models.BooleanField(default=False)
    connect_timeout_ms = models.PositiveIntegerField(default=5_000)
    timeout_ms = models.PositiveIntegerField(default=30_000)
    header = models.CharField(max_length=80, blank=True)
    sealed = models.TextField(blank=True)
    sealed_key = models.TextField(blank=True, default="")
    connection = models.JSONField(default=dict)
    balancing = models.JSONField(default=dict)
    addresses = ArrayField(models.GenericIPAddressField(), default=list)
    further_addresses = models.JSONField(default=list)

    objects: ClassVar[DraftManager["Draft"]] = DraftManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "owner"], name="one_draft_per_person"),
            models.CheckConstraint(
                condition=models.Q(header="", sealed="") | ~models.Q(header="") & ~models.Q(sealed=""),
                name="a_drafts_header_has_its_secret",
            ),
            models.CheckConstraint(
                condition=~models.Q(connection__has_key="client_certificate") & models.Q(sealed_key="")
                | models.Q(connection__has_key="client_certificate") & ~models.Q(sealed_key=""),
                name="a_drafts_client_certificate_has_its_key",
            ),
        ]

    def __str__(self) -> str:
        return self.name or "…"

    @property
    def is_large(self) -> bool:
        """Whether its document is one that can't be shown."""
        return self.outline is not None and not self.document

    @property
    def operations(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.outline["operations"] if self.outline else []
        return found

    @property
    def found(self) -> Lint | None:
        """What the rules found in the document."""
        lint = self.outline.get("lint") if self.outline else None
        return Lint.of(**lint) if lint else None

    @property
    def connects(self) -> Connection:
        return Connection.of(self.connection)

    @property
    def balances(self) -> Balancing:
        return Balancing.of(self.balancing, self.further_addresses)

    @property
    def sealed_for(self) -> Purpose:
        return Purpose(self.owning_tenant, self.pk, "draft_header", "none")

    @property
    def sealed_key_for(self) -> Purpose:
        return Purpose(self.owning_tenant, self.pk, "draft_client_key", "none")
