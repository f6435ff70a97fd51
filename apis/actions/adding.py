"""A subscription that nobody asked for: who decides puts it there."""

from django.db import transaction
from django.utils.translation import gettext as _

from apis.actions import approval_rules, terms, two_people
from apis.actions.subscriptions import has_to_be_free, has_to_be_offered, has_to_begin
from apis.models import Api, Plan, Subscription
from keys.actions.applications import check_active
from keys.models import Application
from tenants import events
from tenants.errors import NotAllowed
from tenants.models import Event, User
from tenants.people import delegations
from tenants.people.members import held_now

ADDED = "subscription.added"


@transaction.atomic
def add(application: Application, *, api: Api, plan: Plan, reason: str, by: User) -> tuple[Subscription, Event]:
    """Give an application the right to call an API, at once and without a request. What the API asks of applicants is not asked.

    :param reason: stands with the subscription as what it is for; the application's people read it.
    :raises NotAllowed: the application is their own: four eyes; or they may not see the API or the plan themselves.
    """
    lock = events.lock()
    check_active(application)
    has_to_begin(api)
    held = held_now(by)
    if not Api.objects.readable_by(by, held).filter(pk=api.pk).exists():
        raise NotAllowed(_("%(api)s is not open to you, so you can't add a subscription to it.") % {"api": api})
    if application.is_own_of(by):
        raise NotAllowed(_("You can't add a subscription for an application of your own; ask for it, and another approver decides."))
    for person in delegations.behind(by):
        if application.is_own_of(person):
            raise NotAllowed(_("You decide in the place of %(person)s, whose own application this is.") % {"person": person})
    has_to_be_offered(plan, api, to=by, permissions=held)
    has_to_be_free(application, api)
    subscription = Subscription(
        application=application,
        api=api,
        plan=plan,
        purpose=reason,
        added=True,
        status=Subscription.Status.ACTIVE,
        requested_by=by,
        decided_by=by,
        decided_at=lock.now,
        **terms.settled_new(plan, lock.now),
    )
    if two_people.needed(plan, approval_rules.rule_for(subscription), application.environment) > 1:
        raise NotAllowed(_("Two people have to approve a subscription under %(plan)s, so it can't be added by one.") % {"plan": plan})
    subscription.save(force_insert=True)
    return subscription, events.record(ADDED, subscription, by=by, api=api.slug, plan=plan.name, reason=reason)
