from typing import ClassVar, Self

from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from keys.models import Application
from tenants.models import TenantManager, TenantModel


class ApprovalRuleQuerySet(models.QuerySet["ApprovalRule"]):
    def for_list(self) -> Self:
        """Those that are on first, by name."""
        return self.order_by("-enabled", Lower("name"))


ApprovalRuleManager = TenantManager.from_queryset(ApprovalRuleQuerySet)


class ApprovalRule(TenantModel):
    """Who decides requests of a kind: the rule itself, or people although a plan would approve by itself.

    A request that fits all conditions of a rule is decided by it; of several that fit, the strictest wins. What is left empty asks
    nothing.
    """

    class Outcome(models.TextChoices):
        AUTOMATIC = "automatic", _("Approve by itself")
        PEOPLE = "people", _("Ask a person")
        TWO_PEOPLE = "two_people", _("Ask two people")

    name = models.CharField(max_length=80)
    outcome = models.CharField(max_length=10, choices=Outcome)
    enabled = models.BooleanField(default=False)
    # Of the application.
    environment = models.CharField(max_length=4, choices=Application.Environment, blank=True)
    # The most calls a minute that the plan may allow.
    most_per_minute = models.PositiveIntegerField(null=True)
    # Whether each operation of the API that can be called is one that only reads (RFC 9110 §9.2.1).
    reads_only = models.BooleanField(default=False)
    # Whether the application belongs to the team that looks after the API.
    own_team = models.BooleanField(default=False)
    # The API bears one of these.
    tags = models.JSONField(default=list)

    objects: ClassVar[ApprovalRuleManager["ApprovalRule"]] = ApprovalRuleManager()

    class Meta:
        verbose_name = "approval rule"
        constraints = [
            models.UniqueConstraint("tenant", Lower("name"), name="one_approval_rule_per_name"),
            models.CheckConstraint(condition=models.Q(outcome__in=["automatic", "people", "two_people"]), name="an_outcome_of_the_three"),
        ]

    def __str__(self) -> str:
        return self.name
