"""Who sees a plan, and so may ask for it."""

from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from apis.actions import audience
from apis.models import Plan
from portal.forms import PageForm
from portal.kept import given
from portal.pages import asking
from tenants.access import TenantRequest, tenant_view
from tenants.models import Event, Team


class AudienceForm(PageForm):
    visibility = forms.ChoiceField(
        choices=Plan.Visibility.choices,
        widget=forms.RadioSelect,
        label=gettext_lazy("Who sees it"),
        error_messages={"invalid_choice": gettext_lazy("Choose one of these.")},
    )
    teams = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label=gettext_lazy("Teams that see it"),
        help_text=gettext_lazy("Where it is for some teams alone. Who may publish sees it all the same."),
        error_messages={"invalid_choice": gettext_lazy("Choose one of these teams.")},
    )

    def __init__(self, *args: Any, teams: dict[str, Team], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["teams"].choices = [(pk, each.name) for pk, each in teams.items()]  # type: ignore[attr-defined]
        if not teams:
            self.fields["teams"].help_text = _("There is no team yet.")


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def plan_audience(request: TenantRequest, pk: UUID) -> HttpResponse:
    plan: Plan = get_object_or_404(Plan.objects.select_related("api"), pk=pk)
    own = [each.team for each in plan.audience.select_related("team")]
    teams = {str(each.pk): each for each in [*Team.objects.visible_to(request.user, request.permissions).order_by("name"), *own]}
    form = AudienceForm(given(request), teams=teams, initial={"visibility": plan.visibility, "teams": [str(each.pk) for each in own]})
    names = {"plan": plan, "api": plan.api}
    question = asking.Question(
        title=_("Who sees the plan %(plan)s of %(api)s?") % names,
        says=_("Others neither see it in the catalogue nor may ask for it. Who has it keeps it."),
        button=_("Save"),
        back=reverse("console-plans", args=[request.tenant.slug]),
        done=_("Who sees the plan %(plan)s of %(api)s is changed.") % names,
    )

    def act(typed: dict[str, Any]) -> Event | None:
        chosen = [teams[each] for each in typed["teams"]]
        return audience.show(plan, visibility=typed["visibility"], teams=chosen, by=request.user)

    return asking.ask(request, question, form, act)


urlpatterns = [path("t/<str:tenant>/console/plans/<uuid:pk>/audience/", plan_audience, name="console-plan-audience")]
