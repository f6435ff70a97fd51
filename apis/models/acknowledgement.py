from django.conf import settings
from django.db import models

from apis.models.api import ApiVersion
from keys.models import Application
from tenants.models import TenantModel


class Acknowledgement(TenantModel):
    """Who answers for an application knows that a version it may call is going."""

    version = models.ForeignKey(ApiVersion, models.CASCADE, related_name="acknowledgements")
    application = models.ForeignKey(Application, models.CASCADE, related_name="acknowledgements")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "version", "application"], name="one_acknowledgement_per_application")]

    def __str__(self) -> str:
        return f"{self.application_id} {self.version_id}"
