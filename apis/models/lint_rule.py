from typing import ClassVar

from django.db import models

from apis.lint.rules import Choice, chosen
from tenants.models import TenantManager, TenantModel


class LintRuleQuerySet(models.QuerySet["LintRule"]):
    def chosen(self) -> dict[str, Choice]:
        """What holds for each rule there is, by its id."""
        return chosen(dict(self.values_list("rule", "choice")))


LintRuleManager = TenantManager.from_queryset(LintRuleQuerySet)


class LintRule(TenantModel):
    """What a tenant makes of a rule on documents, where that is not what holds unless somebody chooses."""

    rule = models.CharField(max_length=60)
    choice = models.CharField(max_length=6)

    objects: ClassVar[LintRuleManager["LintRule"]] = LintRuleManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "rule"], name="one_choice_per_rule"),
            models.CheckConstraint(condition=models.Q(choice__in=[each.value for each in Choice]), name="a_choice_of_the_three"),
        ]

    def __str__(self) -> str:
        return self.rule
