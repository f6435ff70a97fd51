from django.db import models

from keys.models.credential import Credential
from tenants.models import TenantModel


class CredentialUse(TenantModel):
    """What a credential did on one day (UTC): tokens that it earned, and calls that gateways let pass or refused because of it.

    Apart from the credential, so that counting never waits for, nor holds up, what decides about it.
    """

    credential = models.ForeignKey(Credential, models.CASCADE, related_name="uses")
    day = models.DateField()
    tokens = models.PositiveBigIntegerField(default=0)
    calls = models.PositiveBigIntegerField(default=0)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "credential", "day"], name="one_use_per_credential_and_day")]

    def __str__(self) -> str:
        return f"{self.credential_id} {self.day}"
