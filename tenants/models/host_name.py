from django.db import models
from django.db.models.functions import Lower

from tenants.models.tenant import Tenant


class HostName(models.Model):
    """A host name under which a tenant's gateway is called, proven to be the tenant's: a handshake names it before any tenant is known.

    One tenant's alone, for as long as the row is there. No row security: names only, which DNS tells everybody.
    """

    name = models.CharField(max_length=253, primary_key=True)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.CheckConstraint(name="host_name_is_lower", condition=models.Q(name=Lower("name")))]

    def __str__(self) -> str:
        return self.name
