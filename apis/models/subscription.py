from collections.abc import Sequence, Set
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import ClassVar, Self
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models.functions import JSONObject, Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apis.models.api import Api, Plan
from apis.models.budget import BudgetUse
from apis.models.quota_use import QuotaUse
from keys.models import Application, owned_by
from tenants.models import ServiceAccount, Steps, TenantManager, TenantModel, User

# How long a gateway names the reason why a closed subscription no longer lets calls through.
REMEMBERED = timedelta(days=30)

# Of what a search fits: with more, there is a page of it soon, however it is read.
MOST_FITTING = 500


def _any_has(names: Sequence[str], text: str) -> models.Q:
    return reduce(or_, (models.Q(**{f"{name}__icontains": text}) for name in names))


class SubscriptionQuerySet(models.QuerySet["Subscription"]):
    def open(self) -> Self:
        return self.filter(status__in=Subscription.OPEN)

    def overdue(self, now: datetime, within: timedelta) -> Self:
        """Those that wait and were to be answered before now."""
        return self.filter(status=Subscription.Status.PENDING, requested_at__lte=now - within)

    def visible_to(self, user: User, permissions: Set[str]) -> Self:
        """Everyone's, for who may see that; else those of a person's own applications."""
        return self if "subscriptions.see_all" in permissions else self.owned_by(user)

    def owned_by(self, user: User | None) -> Self:
        """Those of a person's own applications, and of their teams'."""
        return self.filter(owned_by(user, via="application__"))

    def sought(self, text: str) -> Self:
        """Those whose API has this in its name or slug, or whose application, its owner or team in theirs.

        Of APIs and applications there are few. Where few of them fit, what they have is found by its indexes: a search that finds
        little would else read every subscription with all that it names.
        """
        names = ("name", "owner__name", "owner__email", "team__name")
        applications = Application.objects.filter(_any_has(names, text)).values_list("pk", flat=True)
        apis = Api.objects.filter(_any_has(("name", "slug"), text)).values_list("pk", flat=True)
        some, few = list(applications[: MOST_FITTING + 1]), list(apis[: MOST_FITTING + 1])
        if max(len(some), len(few)) > MOST_FITTING:
            return self.filter(models.Q(application__in=applications) | models.Q(api__in=apis))
        return self.filter(models.Q(application__in=some) | models.Q(api__in=few))

    def for_list(self) -> Self:
        people = ("requested_by", "decided_by", "first_approved_by")
        return self.select_related("application__owner", "application__team", "api", "plan", *people).with_quota_use()

    def with_quota_use(self) -> Self:
        """With `quota_use`: of the period that now is, what was counted for its plan's quota; see apis.actions.quotas.standing.

        And `budget_use`, of its plan's budget; see apis.actions.budgets.standing.
        """
        uses = QuotaUse.objects.at(Now()).filter(
            application=models.OuterRef("application"),
            api=models.OuterRef("api"),
            period=models.OuterRef("plan__quota_period"),
            time_zone=models.OuterRef("plan__quota_time_zone"),
        )
        told = JSONObject(calls="calls", topped_up="topped_up", refused_from="refused_from", counted_at="counted_at")
        spent = BudgetUse.objects.at(Now()).filter(
            application=models.OuterRef("application"),
            api=models.OuterRef("api"),
            period=models.OuterRef("plan__budget_period"),
            time_zone=models.OuterRef("plan__budget_time_zone"),
            currency=models.OuterRef("plan__budget_currency"),
        )
        names = ("tokens", "amount", "unpriced", "counted_at", "more_tokens", "more_amount", "refused_tokens", "refused_amount")
        of_budget = JSONObject(**{name: name for name in names})
        return self.annotate(
            quota_use=models.Subquery(uses.values(told=told)[:1]), budget_use=models.Subquery(spent.values(told=of_budget)[:1])
        )

    def enforced(self) -> Self:
        """What gateways know: those closed so lately that their reason is still told, oldest first, then the open ones."""
        recent = models.Q(ended_at__gt=Now() - REMEMBERED)
        standing = models.Q(status__in=Subscription.OPEN)
        return self.filter(standing | recent).order_by(models.F("ended_at").asc(nulls_last=True), "id")


SubscriptionManager = TenantManager.from_queryset(SubscriptionQuerySet)


class Subscription(TenantModel):
    """An application's right to call an API under a plan: the grant."""

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        ACTIVE = "active", _("Active")
        SUSPENDED = "suspended", _("Suspended")
        REJECTED = "rejected", _("Rejected")
        CANCELLED = "cancelled", _("Cancelled")
        EXPIRED = "expired", _("Expired")

    OPEN: ClassVar = (Status.PENDING, Status.ACTIVE, Status.SUSPENDED)
    # Those that were approved and go on.
    GRANTED: ClassVar = (Status.ACTIVE, Status.SUSPENDED)
    THIS: ClassVar = _("this subscription")
    STEPS: ClassVar[Steps] = {
        (Status.PENDING, Status.ACTIVE): "approved",
        (Status.PENDING, Status.REJECTED): "rejected",
        (Status.ACTIVE, Status.PENDING): "decision_undone",
        (Status.REJECTED, Status.PENDING): "decision_undone",
        (Status.ACTIVE, Status.SUSPENDED): "suspended",
        (Status.SUSPENDED, Status.ACTIVE): "resumed",
        (Status.PENDING, Status.CANCELLED): "cancelled",
        (Status.ACTIVE, Status.CANCELLED): "cancelled",
        (Status.SUSPENDED, Status.CANCELLED): "cancelled",
        (Status.ACTIVE, Status.EXPIRED): "expired",
        (Status.SUSPENDED, Status.EXPIRED): "expired",
    }

    application = models.ForeignKey(Application, models.CASCADE, related_name="subscriptions")
    api = models.ForeignKey(Api, models.PROTECT, related_name="subscriptions")
    plan = models.ForeignKey(Plan, models.PROTECT, related_name="subscriptions")
    purpose = models.CharField(max_length=500)
    # To the API's own questions, each with the words in which it was asked, as apis.actions.request_forms keeps them.
    answers = models.JSONField(default=list)
    # Who decides put it there by themselves, and nobody had asked.
    added = models.BooleanField(default=False)
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    # Why it was rejected, suspended or cancelled, in the words of who did it.
    reason = models.CharField(max_length=500, blank=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(auto_now_add=True)
    # How many people have to approve it, as plan and rules said when it was asked for; and the first of two.
    approvals_needed = models.PositiveSmallIntegerField(default=1)
    first_approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    first_approved_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    # Until when who approved or rejected may undo it; None where that was not the last that happened.
    undo_until = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    # When approvers were told that it is overdue, which they are once.
    escalated_at = models.DateTimeField(null=True)
    # From when to when it holds; None at once, or for as long as nobody ends it.
    starts_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)
    # When calls first passed by it; None while it is not approved, or its start is to come.
    started_at = models.DateTimeField(null=True)
    # Until when its application had the API for a trial; that stays known, for there is one trial.
    trial_until = models.DateTimeField(null=True)
    # How many days before its end its people were last told of it.
    warned_days = models.PositiveSmallIntegerField(null=True)
    # Since when an approver's question waits for an answer; None where none does.
    asked_at = models.DateTimeField(null=True)

    objects: ClassVar[SubscriptionManager["Subscription"]] = SubscriptionManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "application", "api"],
                condition=models.Q(status__in=["pending", "active", "suspended"]),
                name="one_open_subscription_per_application_and_api",
            ),
            # So every other step has to clear it: a subscription that was suspended and resumed is active, too.
            models.CheckConstraint(
                condition=models.Q(undo_until=None) | models.Q(status__in=["active", "rejected"], decided_by__isnull=False),
                name="only_a_decision_can_be_undone",
            ),
            models.CheckConstraint(
                condition=models.Q(asked_at=None) | models.Q(status="pending"), name="only_a_request_waits_for_an_answer"
            ),
            models.CheckConstraint(condition=models.Q(approvals_needed__in=[1, 2]), name="one_person_approves_or_two"),
            models.CheckConstraint(
                condition=models.Q(first_approved_by=None, first_approved_at=None)
                | models.Q(first_approved_by__isnull=False, first_approved_at__isnull=False, approvals_needed=2),
                name="only_what_needs_two_has_a_first_approval",
            ),
            models.CheckConstraint(
                condition=models.Q(approvals_needed=1)
                | models.Q(first_approved_by__isnull=False)
                | ~models.Q(status__in=["active", "suspended"]),
                name="nothing_is_active_with_one_of_two",
            ),
            models.CheckConstraint(
                condition=models.Q(starts_at=None) | models.Q(ends_at=None) | models.Q(ends_at__gt=models.F("starts_at")),
                name="a_subscription_ends_after_its_start",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "status", "id"], name="subscriptions_by_status"),
            models.Index(
                fields=["tenant", "decided_at", "id"], condition=models.Q(decided_at__isnull=False), name="subscriptions_by_decision"
            ),
            # What ends, soonest first.
            models.Index(
                fields=["tenant", "ends_at", "id"],
                condition=models.Q(ends_at__isnull=False, status__in=["pending", "active", "suspended"]),
                name="subscriptions_by_end",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.application} to {self.api}"

    @property
    def asked_by(self) -> set[UUID]:
        """Who asked for it; nobody, where who decides added it."""
        return set() if self.added else {self.requested_by_id}

    def is_own_of(self, user: User) -> bool:
        """Whether this person asked for it, or has a part in the application that it is for: four eyes see each decision."""
        person = ServiceAccount.objects.person_behind(user)
        if self.application.is_own_of(person):
            return True
        # Who added it decided, and asked for nothing.
        return not self.added and person.pk in ServiceAccount.objects.people_behind(self.requested_by)

    @property
    def waits_for_second(self) -> bool:
        """Whether one of two has approved it, and the other has not."""
        return self.status == self.Status.PENDING and self.first_approved_by_id is not None

    def is_to_start(self, now: datetime) -> bool:
        """Whether it is approved, and its start is to come."""
        return self.status == self.Status.ACTIVE and self.starts_at is not None and self.starts_at > now

    @property
    def standing(self) -> str:
        """Its state to the second, for people: the jobs that move it come a moment later. “scheduled”: its start is to come."""
        now = timezone.now()
        if self.status in self.GRANTED and self.ends_at is not None and self.ends_at <= now:
            return str(self.Status.EXPIRED)
        return "scheduled" if self.is_to_start(now) else self.status

    @property
    def ends_as_a_trial(self) -> bool:
        return self.trial_until is not None and self.ends_at == self.trial_until

    def undoable_by(self, user: User, now: datetime) -> bool:
        """Whether the last that happened is this person's approval or rejection, a moment ago."""
        return self.undo_until is not None and now <= self.undo_until and self.decided_by_id == user.pk
