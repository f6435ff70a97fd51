"""When a subscription starts and ends: what an approver says about it, and how it is shown."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from apis.actions import dates
from apis.models import Subscription
from portal.forms import PageForm
from portal.kept import given
from portal.pages import asking
from portal.pages.version_life import Moment
from tenants.access import TenantRequest, tenant_view
from tenants.models import Event


class DatesForm(PageForm):
    """The end, and the start while it is to come. A page knows minutes: what nobody touched stays as it was to the second."""

    starts_at = Moment(
        required=False,
        label=gettext_lazy("Starts"),
        help_text=gettext_lazy("Before that its calls are refused. Empty: as soon as it is approved."),
    )
    ends_at = Moment(
        required=False,
        label=gettext_lazy("Ends"),
        help_text=gettext_lazy("From then on its calls are refused; it can be renewed before. Empty: never by itself."),
    )

    def __init__(self, *args: Any, subscription: Subscription, **kwargs: Any) -> None:
        self.had = {name: getattr(subscription, name) for name in ("starts_at", "ends_at")}
        super().__init__(*args, initial=self.had, **kwargs)
        if subscription.status in Subscription.GRANTED and not subscription.is_to_start(timezone.now()):
            del self.fields["starts_at"]

    @property
    def chosen(self) -> dict[str, datetime | None]:
        return {name: untouched(at, self.had[name]) for name, at in self.cleaned_data.items() if name in self.had}


def untouched(typed: datetime | None, had: datetime | None) -> datetime | None:
    """What it was, where the page showed just that."""
    return had if typed and had and typed == had.replace(second=0, microsecond=0) else typed


@tenant_view("subscriptions.decide")
@require_http_methods(["GET", "HEAD", "POST"])
def change_dates(request: TenantRequest, pk: UUID) -> HttpResponse:
    """Say from when to when a subscription holds; of one that waits before it is approved, and of one that goes on."""
    rows = Subscription.objects.visible_to(request.user, request.permissions).for_list()
    subscription = get_object_or_404(rows, pk=pk)
    names = {"application": subscription.application, "api": subscription.api}
    page = "console-request" if subscription.status == Subscription.Status.PENDING else "console-subscription"
    form = DatesForm(given(request), subscription=subscription)
    question = asking.Question(
        title=_("When does the subscription of %(application)s to %(api)s end?") % names,
        says=_("The times are in your time zone, %(zone)s. Its people hear of it.") % {"zone": timezone.get_current_timezone_name()},
        button=_("Save the dates"),
        back=reverse(page, args=[request.tenant.slug, subscription.pk]),
        done=_("The dates of %(application)s at %(api)s are changed.") % names,
        note=asking.Note(_("It ends as a trial does; another end counts instead."), "wait") if subscription.ends_as_a_trial else None,
    )

    def act(_data: dict[str, Any]) -> Event | None:
        return dates.change_dates(subscription, by=request.user, **form.chosen)

    if done := asking.carried_out(request, form, act):
        said = question.done if done.result else _("The dates of %(application)s at %(api)s stay as they were.") % names
        # Of a request nothing is enforced yet.
        event = done.result if subscription.status != Subscription.Status.PENDING else None
        return asking.finished(request, back=question.back, said=said, event=event)
    return asking.asked(request, question, form, status=form.http_status)


urlpatterns = [path("t/<str:tenant>/console/subscriptions/<uuid:pk>/dates/", change_dates, name="console-subscription-dates")]
