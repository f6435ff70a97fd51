"""Teams: who is in them, and what they own. Everyone sees their own; who manages members makes and changes them."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.db.models import Count, IntegerField, Model, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from apis.models import Api
from keys.actions import applications
from keys.models import Application
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.application_tabs import owns, page_address
from portal.pages.leaving import PROPOSED, Proposing
from portal.pages.listing import page_of, sought
from tenants.access import TenantRequest, tenant_view
from tenants.errors import Invalid
from tenants.models import Membership, Team, TeamMember
from tenants.people import teams


@dataclass(frozen=True, slots=True)
class Owned:
    """Something of a team's; `address` leads there, "" for who may not see it."""

    name: str
    says: str
    address: str


def _counted(rows: QuerySet[Team]) -> QuerySet[Team]:
    """With `applications` and `apis`: how many of each a team has."""
    return rows.annotate(applications=_many(Application), apis=_many(Api))


def _many(of: type[Model]) -> Coalesce:
    theirs = of.objects.filter(team=OuterRef("pk")).order_by().values("team")  # type: ignore[attr-defined]
    return Coalesce(Subquery(theirs.annotate(many=Count("pk")).values("many"), output_field=IntegerField()), 0)


def seen(request: TenantRequest) -> QuerySet[Team]:
    return Team.objects.visible_to(request.user, request.permissions).for_list()


@tenant_view("tenant.see")
@require_safe
def all_teams(request: TenantRequest) -> HttpResponse:
    """One's own, or all of them."""
    q, rows = sought(request), _counted(seen(request))
    page = page_of(request, rows.filter(name__icontains=q) if q else rows)
    context = {
        "page": page,
        "q": q,
        "everyones": bool({"members.see", "members.manage"} & request.permissions),
        "may_manage": "members.manage" in request.permissions,
    }
    return render(request, "teams/list.html", context)


@tenant_view("tenant.see")
@require_safe
def team(request: TenantRequest, team: UUID) -> HttpResponse:
    """One team: who is in it, and what is theirs together."""
    found = get_object_or_404(seen(request), pk=team)
    context = {
        "team": found,
        "people": [each.membership for each in found.people.select_related("membership__user").order_by("membership__user__name", "pk")],
        "applications": [_application(request, each) for each in Application.objects.standing().filter(team=found).order_by("name")],
        "apis": [_api(request, each) for each in _apis(request, found)],
        "may_manage": "members.manage" in request.permissions,
    }
    return render(request, "teams/team.html", context)


def _application(request: TenantRequest, application: Application) -> Owned:
    may_see = owns(request, application) or "applications.see_all" in request.permissions
    return Owned(application.name, application.purpose, page_address(request, application) if may_see else "")


def _apis(request: TenantRequest, found: Team) -> QuerySet[Api]:
    rows = Api.objects.all() if "apis.see_all" in request.permissions else Api.objects.readable_by(request.user, request.permissions)
    return rows.filter(team=found).order_by("name")


def _api(request: TenantRequest, api: Api) -> Owned:
    page = "console-api" if "apis.see_all" in request.permissions else "catalogue-api"
    return Owned(api.name, api.slug, reverse(page, args=[request.tenant.slug, api.slug]))


class TeamForm(PageForm):
    name = Text(most=80, label=gettext_lazy("Name"))
    description = Text(most=200, empty=True, label=gettext_lazy("Description"), help_text=gettext_lazy("What it looks after."))


class MemberForm(PageForm):
    email = Text(
        most=254,
        label=gettext_lazy("E-mail address"),
        help_text=gettext_lazy("Of somebody who is a member here."),
        widget=Proposing(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].widget.proposals = proposed(Membership.objects.all())

    def member(self) -> Membership:
        """
        :raises Invalid: nobody here has this address.
        """
        found = Membership.objects.select_related("user").filter(user__email=self.cleaned_data["email"].strip().lower()).first()
        if found is None:
            raise Invalid({"email": [_("Nobody here has this address. Invite them first.")]})
        return found


def proposed(people: QuerySet[Membership]) -> list[tuple[str, str]]:
    return list(people.order_by("user__name", "user__email").values_list("user__email", "user__name")[:PROPOSED])


class NewTeamForm(TeamForm, MemberForm):
    field_order = ("name", "description", "email")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].label = _("Lead")
        self.fields["email"].help_text = _("The e-mail address of the member who answers for what the team owns.")


def _page(request: TenantRequest, found: Team) -> str:
    return reverse("team", args=[request.tenant.slug, found.pk])


@tenant_view("members.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def team_new(request: TenantRequest) -> HttpResponse:
    form = NewTeamForm(given(request), initial={"email": request.user.email})
    if done := asking.carried_out(
        request,
        form,
        lambda typed: teams.create_team(name=typed["name"], description=typed["description"], lead=form.member(), by=request.user),
    ):
        made = done.result
        return asking.finished(request, back=_page(request, made), said=_("The team %(team)s is there.") % {"team": made})
    return render(request, "teams/new.html", {"form": form}, status=form.http_status)


@tenant_view("members.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def team_edit(request: TenantRequest, team: UUID) -> HttpResponse:
    found: Team = get_object_or_404(Team, pk=team)
    question = asking.Question(
        title=_("Change the team %(team)s") % {"team": found},
        says=_("What it owns and who is in it stay as they are."),
        button=_("Save"),
        back=_page(request, found),
        done=_("The team is changed."),
    )
    form = TeamForm(given(request), initial={"name": found.name, "description": found.description})

    def act(data: dict[str, Any]) -> None:
        teams.change_team(found, name=data["name"], description=data["description"], by=request.user)

    return asking.ask(request, question, form, act)


@tenant_view("members.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def team_delete(request: TenantRequest, team: UUID) -> HttpResponse:
    found: Team = get_object_or_404(Team, pk=team)
    question = asking.Question(
        title=_("Delete the team %(team)s?") % {"team": found},
        says=_("Its members stay members here. A team that owns something can't be deleted."),
        button=_("Delete it"),
        back=reverse("teams", args=[request.tenant.slug]),
        done=_("The team %(team)s is deleted.") % {"team": found},
        danger=True,
    )

    def act(_data: dict[str, Any]) -> None:
        teams.delete_team(found, by=request.user)

    return asking.ask(request, question, PageForm(given(request)), act)


@tenant_view("members.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def team_add(request: TenantRequest, team: UUID) -> HttpResponse:
    found: Team = get_object_or_404(Team, pk=team)
    question = asking.Question(
        title=_("Add somebody to %(team)s") % {"team": found},
        says=_("All applications of the team are theirs, too: they see them, and make and revoke their secrets."),
        button=_("Add them"),
        back=_page(request, found),
        done=_("They are in the team."),
    )
    form = MemberForm(given(request))

    def act(_data: dict[str, Any]) -> None:
        teams.add_to_team(found, form.member(), by=request.user)

    return asking.ask(request, question, form, act)


@tenant_view("members.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def team_remove(request: TenantRequest, team: UUID, member: UUID) -> HttpResponse:
    rows = TeamMember.objects.select_related("team", "membership__user")
    place: TeamMember = get_object_or_404(rows, team=team, membership=member)
    named = {"person": place.membership.user, "team": place.team}
    question = asking.Question(
        title=_("Take %(person)s out of %(team)s?") % named,
        says=_("%(person)s no longer sees the team's applications and their secrets, and stays a member here. Nothing stops working.")
        % named,
        button=_("Take them out"),
        back=_page(request, place.team),
        done=_("%(person)s is not in %(team)s any more.") % named,
        danger=True,
        note=_who_knows_a_secret(),
    )

    def act(_data: dict[str, Any]) -> None:
        teams.remove_from_team(place.team, place.membership, by=request.user)

    return asking.ask(request, question, PageForm(given(request)), act)


def _who_knows_a_secret() -> asking.Note:
    return asking.Note(_("Who has copied a secret can go on using it. Roll those that should not be known."), "wait")


class LeadForm(PageForm):
    lead = forms.ChoiceField(label=gettext_lazy("Lead"), error_messages={"invalid_choice": gettext_lazy("Choose one of the team.")})

    def __init__(self, *args: Any, people: dict[str, Membership], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["lead"].choices = [(pk, str(each.user)) for pk, each in people.items()]  # type: ignore[attr-defined]


@tenant_view("members.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def team_lead(request: TenantRequest, team: UUID) -> HttpResponse:
    found: Team = get_object_or_404(Team.objects.select_related("lead__user"), pk=team)
    places = found.people.exclude(membership=found.lead).select_related("membership__user").order_by("membership__user__name", "pk")
    people = {str(each.membership_id): each.membership for each in places}
    question = asking.Question(
        title=_("Who leads %(team)s?") % {"team": found},
        says=_("Whoever leads answers for what the team owns, and may give its applications away. Now that is %(person)s.")
        % {"person": found.lead.user},
        button=_("Let them lead"),
        back=_page(request, found),
        done=_("%(team)s has another lead.") % {"team": found},
        note=None if people else asking.Note(_("Nobody else is in the team. Add somebody first."), "wait"),
    )

    def act(data: dict[str, Any]) -> None:
        applications.change_lead(found, to=people[data["lead"]], by=request.user)

    return asking.ask(request, question, LeadForm(given(request), people=people), act)


urlpatterns = [
    path("t/<str:tenant>/teams/", all_teams, name="teams"),
    path("t/<str:tenant>/teams/new/", team_new, name="team-new"),
    path("t/<str:tenant>/teams/<uuid:team>/", team, name="team"),
    path("t/<str:tenant>/teams/<uuid:team>/edit/", team_edit, name="team-edit"),
    path("t/<str:tenant>/teams/<uuid:team>/delete/", team_delete, name="team-delete"),
    path("t/<str:tenant>/teams/<uuid:team>/add/", team_add, name="team-add"),
    path("t/<str:tenant>/teams/<uuid:team>/lead/", team_lead, name="team-lead"),
    path("t/<str:tenant>/teams/<uuid:team>/members/<uuid:member>/remove/", team_remove, name="team-remove"),
]
