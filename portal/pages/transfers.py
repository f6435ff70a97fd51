"""Giving an application away: to another member, or to a team."""

from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from keys.actions import applications
from keys.models import Application
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.leaving import PROPOSED, Proposing
from portal.pages.teams import proposed
from tenants.access import TenantRequest, tenant_view
from tenants.errors import Invalid
from tenants.models import Membership, Team, User
from tenants.roles import who_may


class TransferForm(PageForm):
    to = Text(
        most=254,
        label=gettext_lazy("To whom it goes"),
        help_text=gettext_lazy("The e-mail address of a member, or the name of a team."),
        widget=Proposing(attrs={"autocomplete": "off"}),
    )


@tenant_view("tenant.see")
@require_http_methods(["GET", "HEAD", "POST"])
def app_transfer(request: TenantRequest, pk: UUID) -> HttpResponse:
    application: Application = get_object_or_404(applications.in_reach(request.user, request.permissions), pk=pk)
    if not applications.may_transfer(application, request.user, request.permissions):
        raise PermissionDenied(
            _("%(application)s belongs to %(whose)s. %(owner)s can give it away, or who manages members.")
            % {"application": application, "whose": application.whose, "owner": application.owner}
        )
    question = asking.Question(
        title=_("Give %(application)s away?") % {"application": application},
        says=_what_it_does(application, request.user),
        button=_("Give it away"),
        back=_afterwards(request),
        done=_("%(application)s is given away.") % {"application": application},
        danger=True,
        note=asking.Note(_("Who knows a secret of it can go on using it, until its new owner rolls it."), "wait"),
    )
    form = TransferForm(given(request))
    form.fields["to"].widget.proposals = _proposals(request)

    def act(data: dict[str, Any]) -> None:
        applications.transfer(application, to=_receiver(request, data["to"].strip()), by=request.user)

    return asking.ask(request, question, form, act)


def _what_it_does(application: Application, user: User) -> str:
    if application.team is None and application.owner_id == user.pk:
        before = _("You no longer see its secrets and can't change it.")
    elif application.team is None:
        before = _("%(whose)s no longer sees its secrets and can't change it.") % {"whose": application.whose}
    else:
        before = _("The team %(whose)s no longer sees its secrets and can't change it.") % {"whose": application.whose}
    return f"{before} {_('Nothing stops working: its client id, secrets and subscriptions stay.')}"


def _afterwards(request: TenantRequest) -> str:
    """Where the person sees applications: it may be out of their sight by then."""
    for permission, page in (("applications.own", "apps"), ("applications.see_all", "console-applications")):
        if permission in request.permissions:
            return reverse(page, args=[request.tenant.slug])
    return reverse("teams", args=[request.tenant.slug])


def _teams(request: TenantRequest) -> Any:
    return Team.objects.visible_to(request.user, request.permissions)


def _proposals(request: TenantRequest) -> list[tuple[str, str]]:
    """Teams that the person sees; and people, for who sees those."""
    teams = [(each.name, _("Team")) for each in _teams(request).order_by("name")[:PROPOSED]]
    if "members.see" not in request.permissions:
        return teams
    return teams + proposed(Membership.objects.filter(who_may("applications.own"), user__is_active=True))


def _receiver(request: TenantRequest, text: str) -> User | Team:
    if "@" in text:
        return applications.receiver_called(text)
    found: Team | None = _teams(request).filter(name__iexact=text).first()
    if found is None:
        raise Invalid({"to": [_("You see no team of this name. Of a member give the e-mail address.")]})
    return found


urlpatterns = [path("t/<str:tenant>/apps/<uuid:pk>/transfer/", app_transfer, name="app-transfer")]
