"""Agreeing for an application that an API keeps what it asks and is answered, and withdrawing that."""

from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from apis.actions import content_logging
from apis.actions.content_logging import Standing
from apis.models import Subscription
from portal.forms import PageForm
from portal.kept import given
from portal.pages import asking, consent
from portal.pages.application_tabs import page_address
from tenants.access import TenantRequest, tenant_view
from tenants.models import Event


class AgreeForm(PageForm):
    """`version`: of the text that stood on the page."""

    version = forms.IntegerField(widget=forms.HiddenInput, required=False)


def _own(request: TenantRequest, pk: UUID) -> tuple[Subscription, Standing, str]:
    """With how it stands, and where it is shown."""
    rows = Subscription.objects.owned_by(request.user).for_list()
    found: Subscription = get_object_or_404(rows, pk=pk)
    return found, content_logging.standing(found), page_address(request, found.application, "subscriptions")


def _names(subscription: Subscription) -> dict[str, object]:
    return {"application": subscription.application, "api": subscription.api}


@tenant_view("applications.own")
@require_http_methods(["GET", "HEAD", "POST"])
def agree(request: TenantRequest, pk: UUID) -> HttpResponse:
    subscription, standing, back = _own(request, pk)
    logging = standing.logging
    if request.method != "POST" and not standing.asked:
        return redirect(back)
    form = AgreeForm(given(request), initial={"version": logging.version if logging else None})
    question = asking.Question(
        title=_("May %(api)s keep what %(application)s asks and is answered?") % _names(subscription),
        says=consent.sentence(logging) if logging else _("%(api)s keeps nothing of what is asked and answered.") % _names(subscription),
        button=_("I agree"),
        back=back,
        done=_("%(api)s keeps what %(application)s asks and is answered from now on.") % _names(subscription),
        more=render_to_string("applications/_agreeing.html", {"logging": logging}) if logging else "",
    )

    def act(typed: dict[str, Any]) -> Event | None:
        version = typed["version"] or 0
        if logging is not None:
            # An old page is drawn with the text that there is now.
            form.put("version", str(logging.version))
        return content_logging.agree(subscription, version=version, by=request.user)

    return _carried_out(request, question, form, act)


@tenant_view("applications.own")
@require_http_methods(["GET", "HEAD", "POST"])
def withdraw(request: TenantRequest, pk: UUID) -> HttpResponse:
    subscription, standing, back = _own(request, pk)
    if request.method != "POST" and not standing.agreed:
        return redirect(back)
    stays = ngettext(
        "What was kept before is deleted %(days)s day after its call.",
        "What was kept before is deleted %(days)s days after its call.",
        standing.logging.days if standing.logging else 0,
    )
    question = asking.Question(
        title=_("Shall %(api)s keep nothing of %(application)s any more?") % _names(subscription),
        says=_("From now on nothing that it asks and is answered is kept. Calls pass as before."),
        button=_("Withdraw the consent"),
        back=back,
        done=_("%(api)s keeps nothing of %(application)s any more.") % _names(subscription),
        note=asking.Note(stays % {"days": standing.logging.days}) if standing.logging else None,
    )
    form = PageForm(given(request))
    return _carried_out(request, question, form, lambda _typed: content_logging.withdraw(subscription, by=request.user))


def _carried_out(request: TenantRequest, question: asking.Question, form: PageForm, act: Any) -> HttpResponse:
    """No gateway enforces it, so there is no receipt to show."""
    if done := asking.carried_out(request, form, act):
        return asking.finished(request, back=question.back, said=question.done if done.result else _("Nothing was changed."))
    return asking.asked(request, question, form, status=form.http_status)


_AT = "t/<str:tenant>/apps/subscriptions/<uuid:pk>/logging"
urlpatterns = [
    path(f"{_AT}/agree/", agree, name="app-subscription-logging-agree"),
    path(f"{_AT}/withdraw/", withdraw, name="app-subscription-logging-withdraw"),
]
