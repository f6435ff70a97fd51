from django.db import models

from apis.models.api import Revision
from tenants.models import TenantModel


class Part(TenantModel):
    """A part of a revision's document, as apis.parts cuts it; where it stands says the revision's outline, by its number."""

    revision = models.ForeignKey(Revision, models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    # None is JSON's null.
    content = models.JSONField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "revision", "number"], name="one_part_per_number")]

    def __str__(self) -> str:
        return f"Part {self.number} of {self.revision}"
