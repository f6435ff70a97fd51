from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apis.models.api import LARGE, Revision
from tenants.models import ServiceAccount, Steps, TenantManager, TenantModel, User


class ReviewQuerySet(models.QuerySet["Review"]):
    def waiting(self) -> Self:
        return self.filter(status=Review.Status.PENDING)

    def usable(self) -> Self:
        """Approvals by which nothing has gone live yet."""
        return self.filter(status=Review.Status.APPROVED, used_at=None)

    def for_list(self) -> Self:
        rows = self.select_related("revision__version__api", "against", "requested_by", "decided_by")
        return rows.defer(*(f"{revision}__{name}" for revision in ("revision", "against") for name in LARGE))


ReviewManager = TenantManager.from_queryset(ReviewQuerySet)


class Review(TenantModel):
    """A second person looks at a revision before callers get it: at exactly this one, against what callers had then."""

    class Status(models.TextChoices):
        PENDING = "pending", pgettext_lazy("review", "Waiting")
        APPROVED = "approved", pgettext_lazy("review", "Approved")
        REJECTED = "rejected", pgettext_lazy("review", "Rejected")
        WITHDRAWN = "withdrawn", pgettext_lazy("review", "Withdrawn")

    THIS: ClassVar = _("this review")
    STEPS: ClassVar[Steps] = {
        (Status.PENDING, Status.APPROVED): "approved",
        (Status.PENDING, Status.REJECTED): "rejected",
        (Status.PENDING, Status.WITHDRAWN): "withdrawn",
    }

    revision = models.ForeignKey(Revision, models.CASCADE, related_name="reviews")
    # What callers had when it was asked for; None where they had nothing.
    against = models.ForeignKey(Revision, models.CASCADE, null=True, related_name="+")
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    note = models.CharField(max_length=500, blank=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    # Why it was rejected.
    reason = models.CharField(max_length=500, blank=True)
    # When the revision went live by it; an approval counts once.
    used_at = models.DateTimeField(null=True)

    objects: ClassVar[ReviewManager["Review"]] = ReviewManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "revision"], condition=models.Q(status="pending"), name="one_review_at_a_time"),
            models.CheckConstraint(
                condition=~models.Q(status__in=("approved", "rejected")) | models.Q(decided_by__isnull=False),
                name="somebody_decided_a_review",
            ),
            models.CheckConstraint(
                condition=~models.Q(status="approved") | ~models.Q(decided_by=models.F("requested_by")), name="nobody_approves_their_own"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.revision.version} {self.revision}"

    def is_own_of(self, user: User) -> bool:
        """Whether this person asked for it, also through a service account: four eyes see each approval."""
        return ServiceAccount.objects.person_behind(user).pk in ServiceAccount.objects.people_behind(self.requested_by)
