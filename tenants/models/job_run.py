from django.db import models


class JobRun(models.Model):
    """How a job that is queued by the clock went: one row per job, for operators."""

    name = models.CharField(max_length=80, primary_key=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    # Of the last run, in seconds.
    took = models.FloatField(null=True)
    runs = models.PositiveBigIntegerField(default=0)
    failures = models.PositiveBigIntegerField(default=0)
    failed_at = models.DateTimeField(null=True)
    # The kind of error and where it was raised, never its text: that may hold what a tenant sent.
    error = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return self.name
