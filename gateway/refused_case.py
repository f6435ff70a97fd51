"""What a refused call was about, as far as its path and what was verified tell; and what is said of it."""

from collections.abc import Iterable, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from uuid import UUID

from django.utils.formats import date_format
from django.utils.timezone import localtime

from apis.ai.offer import Offer
from apis.models import Api, ApiVersion, Operation, Subscription
from gateway.models import Refusal
from keys.models import Credential
from tenants.models import Event, User

# A decision is there before the refusal that it causes; their times are of two clocks.
CLOCKS = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Fact:
    """`event`: the decision that made it so, None where nobody decided anything."""

    says: str = ""
    event: Event | None = None


@dataclass
class Case:
    """What a refused call was about, as far as its path and what was verified tell."""

    refusal: Refusal
    user: User
    permissions: Set[str]

    @cached_property
    def api(self) -> Api | None:
        """None where the reader may not know that there is one."""
        mine = Subscription.objects.filter(application=self.refusal.application_id).values("api")
        open_ones = Api.objects.open_to(self.user, self.permissions)
        if "apis.see_all" not in self.permissions:
            # What was never published is its publishers' alone; what is retired was known.
            open_ones = open_ones.filter(pk__in=ApiVersion.objects.exclude(status=ApiVersion.Status.CREATED).values("api"))
        known = open_ones | Api.objects.filter(pk__in=mine)
        return known.filter(slug=self._segment(2)).first()

    @cached_property
    def version(self) -> ApiVersion | None:
        """None while it was never published."""
        if self.api is None:
            return None
        rows = ApiVersion.objects.filter(api=self.api, name=self._segment(3).partition("~")[0]).exclude(status=ApiVersion.Status.CREATED)
        return rows.select_related("live_revision__upstream", "successor").first()

    @cached_property
    def subscription(self) -> Subscription | None:
        """The newest that was asked for by then."""
        if self.api is None or self.refusal.application is None:
            return None
        rows = Subscription.objects.filter(application=self.refusal.application, api=self.api)
        return rows.filter(requested_at__lte=self.then).select_related("plan").order_by("-id").first()

    @cached_property
    def credential(self) -> Credential | None:
        try:
            named = UUID(self.refusal.credential)
        except ValueError:
            return None
        return Credential.objects.filter(pk=named, application=self.refusal.application_id).first()

    @cached_property
    def operation(self) -> Operation | None:
        """As it is in what is live now."""
        revision = self.version.live_revision_id if self.version else None
        return Operation.objects.filter(revision=revision, operation_id=self.refusal.operation).first() if revision else None

    @cached_property
    def offer(self) -> Offer | None:
        """Of an AI API what is live now."""
        revision = self.version.live_revision if self.version else None
        return Offer.of(revision.ai) if revision is not None and revision.ai is not None else None

    @property
    def then(self) -> datetime:
        return self.refusal.at + CLOCKS

    def _segment(self, number: int) -> str:
        return (self.refusal.path.split("/") + [""] * 4)[number]

    def last(self, kinds: Iterable[str], *subjects: UUID | None) -> Event | None:
        """The newest decision of these kinds about these, of those that there were when the call came."""
        known = [each for each in subjects if each is not None]
        rows = Event.objects.filter(kind__in=list(kinds), subject_id__in=known, at__lte=self.then)
        return rows.order_by("-number").first() if known else None


def moment(at: datetime) -> str:
    return date_format(localtime(at), "DATETIME_FORMAT")
