from django.db import models

from apis.models.api import Revision
from tenants.models import TenantModel


class Comparison(TenantModel):
    """What a revision changes against the one that was live when it was added.

    Kept where their documents are large, as a job compares them before anybody asks.
    """

    old = models.ForeignKey(Revision, models.CASCADE, related_name="+")
    new = models.ForeignKey(Revision, models.CASCADE, related_name="+")
    # By language all of it, as `apis.models.logged_change.as_json` has a change; None as long as nothing was compared.
    said = models.JSONField(null=True)
    # Of documents that name sunsets, the only day on which it is true.
    day = models.DateField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "old", "new"], name="compared_once_per_pair")]

    def __str__(self) -> str:
        return f"{self.old_id} to {self.new_id}"
