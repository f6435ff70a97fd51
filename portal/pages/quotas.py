"""What an approver adds to a quota, and where each who hears of one may see more of it."""

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from apis.actions import quotas
from apis.models import Subscription
from apis.quotas import MOST_CALLS
from portal import words
from portal.forms import ReasonForm
from portal.kept import given
from portal.pages import asking
from portal.pages.plans import number
from tenants.access import TenantRequest, tenant_view
from tenants.models import Event


class TopUpForm(ReasonForm):
    calls = number(1, MOST_CALLS, label=gettext_lazy("Calls more"))

    field_order = ["calls", "reason"]


@tenant_view("subscriptions.decide")
@require_http_methods(["GET", "HEAD", "POST"])
def top_up(request: TenantRequest, pk: UUID) -> HttpResponse:
    """More calls, in the period that now is."""
    subscription: Subscription = get_object_or_404(Subscription.objects.visible_to(request.user, request.permissions).for_list(), pk=pk)
    standing = quotas.standing(subscription)
    names = {"application": subscription.application, "api": subscription.api}
    back, none = reverse("console-subscription", args=[request.tenant.slug, pk]), _("Its plan has no quota, so there is nothing to add to.")
    if standing is None and request.method != "POST":
        return asking.nothing_to_ask(request, back=back, says=none)
    question = asking.Question(
        title=_("Let more calls of %(application)s to %(api)s pass?") % names,
        says=_says(standing) if standing else none,
        button=_("Let them pass"),
        back=back,
        done=_("%(application)s may call %(api)s more often, until the quota begins anew.") % names,
    )

    def act(data: dict[str, Any]) -> Event:
        return quotas.top_up(subscription, calls=data["calls"], reason=data["reason"], by=request.user)

    return asking.ask(request, question, TopUpForm(given(request)), act)


def _says(standing: quotas.Standing) -> str:
    said = ngettext(
        "%(used)s of %(limit)s call is used. What you add holds until the quota begins anew: %(when)s.",
        "%(used)s of %(limit)s calls are used. What you add holds until the quota begins anew: %(when)s.",
        standing.limit,
    )
    many = {name: number_format(getattr(standing, name), force_grouping=True) for name in ("used", "limit")}
    return said % {**many, "when": words.day_and_time(standing.resets_at)}


@tenant_view("tenant.see")
@require_safe
def quota(request: TenantRequest, pk: UUID) -> HttpResponse:
    """From a mail to the page of a subscription that its reader may see."""
    subscription: Subscription = get_object_or_404(Subscription.objects.select_related("application", "api"), pk=pk)
    slug = request.tenant.slug
    if "applications.own" in request.permissions and subscription.application.belongs_to(request.user):
        return HttpResponseRedirect(reverse("app", args=[slug, subscription.application_id]) + "?tab=subscriptions")
    if "subscriptions.see_all" in request.permissions:
        return HttpResponseRedirect(reverse("console-subscription", args=[slug, pk]))
    if "apis.see_all" in request.permissions:
        return HttpResponseRedirect(f"{reverse('console-plans', args=[slug])}?api={subscription.api.slug}")
    raise Http404


urlpatterns = [
    path("t/<str:tenant>/console/subscriptions/<uuid:pk>/top-up/", top_up, name="console-subscription-top-up"),
    path("t/<str:tenant>/quotas/<uuid:pk>/", quota, name="quota"),
]
