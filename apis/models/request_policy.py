from datetime import timedelta

from django.db import models

from tenants.models import TenantModel

# Thirty days.
MOST_HOURS = 720


class RequestPolicy(TenantModel):
    """Within how many hours requests are to be answered: one row, none until somebody has said so."""

    answer_hours = models.PositiveSmallIntegerField(null=True)

    class Meta:
        verbose_name = "request policy"
        constraints = [
            models.UniqueConstraint(fields=["tenant"], name="one_request_policy_per_tenant"),
            models.CheckConstraint(
                condition=models.Q(answer_hours=None) | models.Q(answer_hours__gte=1, answer_hours__lte=MOST_HOURS),
                name="an_answer_within_a_month",
            ),
        ]

    def __str__(self) -> str:
        return "Requests"

    @property
    def within(self) -> timedelta | None:
        return None if self.answer_hours is None else timedelta(hours=self.answer_hours)
