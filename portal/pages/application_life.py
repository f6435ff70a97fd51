"""The life of an application in the browser: changing it, suspending and resuming it, and its end."""

from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import path
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from apis.actions import applications as endings
from gateway.models import GatewayNode, serving
from keys.actions import application_life
from keys.models import Application
from portal import words
from portal.forms import OptionalReasonForm, PageForm, ReasonForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.application_tabs import page_address
from portal.pages.applications import ENVIRONMENTS, DescribedForm, own
from portal.pages.credential_kinds import WORDS
from portal.templatetags.ui import STATES
from tenants.access import TenantRequest, tenant_view
from tenants.errors import Invalid
from tenants.models import Event


def _visible(request: TenantRequest, pk: UUID) -> Application:
    rows = Application.objects.visible_to(request.user, request.permissions).select_related("owner", "team", "suspended_by")
    found: Application = get_object_or_404(rows, pk=pk)
    return found


def _not_theirs(application: Application) -> PermissionDenied:
    return PermissionDenied(_("%(application)s belongs to %(whose)s.") % {"application": application, "whose": application.whose})


@tenant_view("applications.own")
@require_http_methods(["GET", "HEAD", "POST"])
def app_edit(request: TenantRequest, pk: UUID) -> HttpResponse:
    """Change what it is called, what it is for, and whom to ask about it."""
    application = get_object_or_404(own(request), pk=pk)
    question = asking.Question(
        title=_("Change %(application)s") % {"application": application},
        says=_("Its environment (%(environment)s) stays as it was registered, for approvers decide by it.")
        % {"environment": dict(ENVIRONMENTS)[application.environment]},
        button=_("Save"),
        back=page_address(request, application),
        done=_("%(application)s is changed.") % {"application": application},
    )
    shown = {name: getattr(application, name) for name in ("name", "purpose", "contact")}

    def act(typed: dict[str, Any]) -> None:
        application_life.change_application(application, by=request.user, **{name: typed[name] for name in shown})

    return asking.ask(request, question, DescribedForm(given(request), initial=shown), act)


@tenant_view("tenant.see")
@require_http_methods(["GET", "HEAD", "POST"])
def app_suspend(request: TenantRequest, pk: UUID) -> HttpResponse:
    """Ask, then refuse its calls: of one's own application, or anybody's for who may."""
    application = _visible(request, pk)
    if not application_life.may_suspend(application, request.user, request.permissions):
        raise _not_theirs(application)
    note = None
    if not application.is_own_of(request.user):
        note = asking.Note(_("Its own people can't resume it then: you can, or somebody else who may suspend applications."), "wait")
    question = asking.Question(
        title=_("Suspend %(application)s?") % {"application": application},
        says=f"{_at_gateways(application)} {_('They get 403 APPLICATION_SUSPENDED until it is resumed; what it has stays.')}",
        note=note,
        button=_("Suspend"),
        danger=True,
        back=page_address(request, application),
        done=_("%(application)s is suspended.") % {"application": application},
    )
    form = ReasonForm(given(request))
    return asking.ask(request, question, form, lambda data: application_life.suspend(application, reason=data["reason"], by=request.user))


@tenant_view("tenant.see")
@require_http_methods(["GET", "HEAD", "POST"])
def app_resume(request: TenantRequest, pk: UUID) -> HttpResponse:
    application = _visible(request, pk)
    if not application_life.may_suspend(application, request.user, request.permissions):
        raise _not_theirs(application)
    says = _("Its calls pass again within a second, as far as its subscriptions and credentials let them.")
    if application.reason:
        says = f"{says} {_('It was suspended because: %(reason)s') % {'reason': application.reason}}"
    question = asking.Question(
        title=_("Resume %(application)s?") % {"application": application},
        says=says,
        button=_("Resume"),
        back=page_address(request, application),
        done=_("%(application)s is active again.") % {"application": application},
    )
    form = PageForm(given(request))
    return asking.ask(request, question, form, lambda _data: application_life.resume(application, by=request.user))


class DeleteForm(OptionalReasonForm):
    name = Text(most=80, label=gettext_lazy("The application's name"), help_text=gettext_lazy("Type it: what stops can't be got back."))


@tenant_view("tenant.see")
@require_http_methods(["GET", "HEAD", "POST"])
def app_delete(request: TenantRequest, pk: UUID) -> HttpResponse:
    """Say by name what stops, ask, then end it for good. Its name has to be typed where anything works until then."""
    application = _visible(request, pk)
    if not application_life.may_delete(application, request.user, request.permissions):
        raise _not_theirs(application)
    stops = endings.what_stops(application)
    question = asking.Question(
        title=_("Delete %(application)s?") % {"application": application},
        says=_what_deleting_does(application, stops),
        lists=_named(stops),
        note=_who_calls(application, stops),
        button=_("Delete it for good"),
        danger=True,
        # Its page stays, for those whose it was and who see everyone's.
        back=page_address(request, application),
        done=_("%(application)s is deleted.") % {"application": application},
    )
    form = DeleteForm(given(request))
    if stops.works:
        form.order_fields(["name", "reason"])
    else:
        del form.fields["name"]

    def act(data: dict[str, Any]) -> Event:
        if stops.works and data["name"].strip() != application.name:
            raise Invalid({"name": [_("This is not its name.")]})
        return endings.delete(application, reason=data["reason"], by=request.user)

    return asking.ask(request, question, form, act)


def _what_deleting_does(application: Application, stops: endings.Stops) -> str:
    after = _("This can't be undone; its name is free again.")
    if not stops.subscriptions and not stops.credentials:
        return f"{_('It has no open subscription and no working credential, so nothing stops.')} {after}"
    return f"{_at_gateways(application)} {after}"


def _at_gateways(application: Application) -> str:
    many = GatewayNode.objects.connected().filter(serving()).count()
    said = ngettext(
        "All calls of %(application)s are refused on %(many)s gateway within a second.",
        "All calls of %(application)s are refused on %(many)s gateways within a second.",
        many,
    )
    if not many:
        said = _("All calls of %(application)s are refused; no gateway is connected now, and each learns it when it connects.")
    return said % {"application": application, "many": many}


def _named(stops: endings.Stops) -> list[asking.Listed]:
    """What ends, by name: subscriptions with their states, credentials with their kinds."""
    subscriptions = [f"{each.api} ({each.plan}): {STATES[each.status][0]}" for each in stops.subscriptions]
    credentials = [f"{words.credential(each)} ({WORDS[each.kind].name})" for each in stops.credentials]
    found = [
        asking.Listed(_("These subscriptions are cancelled:"), subscriptions),
        asking.Listed(_("These credentials are revoked:"), credentials),
    ]
    return [each for each in found if each.names]


def _who_calls(application: Application, stops: endings.Stops) -> asking.Note | None:
    if not stops.calls:
        return None
    said = ngettext(
        "%(application)s made %(many)s call in the last seven days.",
        "%(application)s made %(many)s calls in the last seven days.",
        stops.calls,
    )
    return asking.Note(said % {"application": application, "many": number_format(stops.calls, force_grouping=True)}, "wait")


urlpatterns = [
    path("t/<str:tenant>/apps/<uuid:pk>/edit/", app_edit, name="app-edit"),
    path("t/<str:tenant>/apps/<uuid:pk>/suspend/", app_suspend, name="app-suspend"),
    path("t/<str:tenant>/apps/<uuid:pk>/resume/", app_resume, name="app-resume"),
    path("t/<str:tenant>/apps/<uuid:pk>/delete/", app_delete, name="app-delete"),
]
