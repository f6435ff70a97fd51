"""What a careful approver would want to know of a request: plain facts that stand out, from what Portico knows. They decide nothing."""

from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apis.actions.approval_rules import only_read
from apis.models import Plan, Subscription
from keys.models import Application
from tenants import second_factors
from tenants.models import Event

YOUNG = timedelta(days=1)
# So many times what the application's other plans allow is far more.
FAR_MORE = 10
# Tags of APIs with which people's data can be read; the catalogue has tags in small letters.
PERSONAL = frozenset({"personal data", "personal-data", "personal_data", "pii", "gdpr"})

NOTES: dict[str, Promise] = {
    "first_request": _("It is the applicant's first request here."),
    "young_application": _("The application was registered less than a day before it asked."),
    "no_second_factor": _("The application's owner has no second factor."),
    "suspended_before": _("The application, or a subscription of it, was suspended before."),
    "rejected_before": _("The application was rejected for this API before."),
    "no_contact": _("The application names no contact."),
    "live_and_writing": _("It is for live use, and the API has operations that change something."),
    "far_more": _("The plan allows %(times)s times as many calls as any other plan of the application."),
    "personal_data": _("The API is tagged as one with personal data."),
}


def notes(subscription: Subscription) -> dict[str, str]:
    """What stands out, each as a sentence by its name; empty where nothing does. Three queries, whatever there is."""
    application, api = subscription.application, subscription.api
    found, times = _looked_up(subscription), _times_as_much(subscription)
    stands_out = {
        "first_request": not found["asked_before"],
        "young_application": subscription.requested_at - application.created_at < YOUNG,
        "no_second_factor": not found["second_factor"],
        "suspended_before": found["suspended"],
        "rejected_before": found["rejected"],
        "no_contact": not application.contact,
        "live_and_writing": not only_read([api.pk]) and application.environment == Application.Environment.LIVE,
        "far_more": times >= FAR_MORE,
        "personal_data": not PERSONAL.isdisjoint(api.tags),
    }
    shown = {"times": number_format(times, force_grouping=True)}
    return {name: str(NOTES[name]) % shown for name, holds in stands_out.items() if holds}


def _looked_up(subscription: Subscription) -> dict[str, Any]:
    others = Subscription.objects.filter(application=subscription.application_id).exclude(pk=subscription.pk)
    asked = Subscription.objects.filter(requested_by=subscription.requested_by_id, pk__lt=subscription.pk)
    suspended = Event.objects.filter(
        Q(kind="subscription.suspended", subject_id__in=others.values("pk"))
        | Q(kind="application.suspended", subject_id=subscription.application_id)
    )
    rows = Subscription.objects.filter(pk=subscription.pk).annotate(
        asked_before=Exists(asked),
        second_factor=Exists(second_factors.held_by(OuterRef("application__owner_id"))),
        suspended=Exists(suspended),
        rejected=Exists(others.filter(api=subscription.api_id, status=Subscription.Status.REJECTED)),
    )
    return dict(rows.values("asked_before", "second_factor", "suspended", "rejected").get())


def _times_as_much(subscription: Subscription) -> int:
    """How many times the plan allows what the largest plan of the application's other subscriptions does; 0 where it has none."""
    open_ones = Subscription.objects.open().filter(application=subscription.application_id).exclude(pk=subscription.pk)
    plans = Plan.objects.filter(pk__in=open_ones.values("plan"))
    most = max((each.calls / each.seconds for each in plans), default=None)
    return 0 if most is None else int(subscription.plan.calls / subscription.plan.seconds / most)
