from django.db import models


class Due(models.Model):
    """When a tenant's job has something to do next. Shared, so that a job finds it without seeing into any tenant: no names, no secrets."""

    tenant = models.ForeignKey("tenants.Tenant", models.CASCADE, related_name="+")
    job = models.CharField(max_length=40)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "job"], name="one_due_per_job")]
        indexes = [models.Index(fields=["job", "at"], name="due_next")]

    def __str__(self) -> str:
        return f"{self.job} at {self.at}"
