"""Where an API stands in the catalogue."""

from typing import Any

from django import forms
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from apis.actions.catalogue import place
from apis.models import Api, Category
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.apis import api_page
from tenants.access import TenantRequest, tenant_view
from tenants.models import Event, Team

VISIBILITIES = {
    Api.Visibility.PUBLIC: gettext_lazy("Whoever reads the catalogue"),
    Api.Visibility.TENANT: gettext_lazy("Members, also where the catalogue is open to everybody"),
    Api.Visibility.TEAMS: gettext_lazy("Members of some teams, and whoever may publish"),
}
CHINESE_COMMA = "\uff0c"


class PlacingForm(PageForm):
    category = forms.ChoiceField(
        required=False,
        label=gettext_lazy("Category"),
        help_text=gettext_lazy("Admins keep the list of them in the settings."),
        error_messages={"invalid_choice": gettext_lazy("Choose one of these categories.")},
    )
    tags = Text(
        most=1000,
        empty=True,
        label=gettext_lazy("Tags"),
        help_text=gettext_lazy("Separated by commas, such as: payments, personal data."),
    )

    visibility = forms.ChoiceField(
        required=False, choices=list(VISIBILITIES.items()), widget=forms.RadioSelect, label=gettext_lazy("Who sees it")
    )
    teams = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label=gettext_lazy("Teams that see it"),
        help_text=gettext_lazy("Where it is for some teams alone. Who subscribed before goes on calling it."),
        error_messages={"invalid_choice": gettext_lazy("Choose one of these teams.")},
    )

    def __init__(self, *args: Any, categories: dict[str, Category], teams: dict[str, Team], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["teams"].choices = [(pk, each.name) for pk, each in teams.items()]  # type: ignore[attr-defined]
        if not teams:
            self.fields["teams"].help_text = _("There is no team yet.")
        self.fields["category"].choices = [("", _("None")), *((pk, each.name) for pk, each in categories.items())]  # type: ignore[attr-defined]


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def console_api_placing(request: TenantRequest, api: str) -> HttpResponse:
    found: Api = get_object_or_404(Api.objects, slug=api)
    categories = {str(each.pk): each for each in Category.objects.for_list()}
    own = [each.team for each in found.audience.select_related("team")]
    seen = [*Team.objects.visible_to(request.user, request.permissions).order_by("name"), *own]
    teams = {str(each.pk): each for each in seen}
    now: dict[str, Any] = {"category": str(found.category_id or ""), "tags": ", ".join(found.tags)}
    now |= {"visibility": found.visibility, "teams": [str(each.pk) for each in own]}
    form = PlacingForm(given(request), categories=categories, teams=teams, initial=now)

    def change(typed: dict[str, Any]) -> Event | None:
        tags = typed["tags"].replace(CHINESE_COMMA, ",").replace("\n", ",").split(",")
        # What was not sent stays as it is.
        told = {"visibility": typed["visibility"], "teams": [teams[pk] for pk in typed["teams"]]} if typed["visibility"] else {}
        return place(found, category=categories.get(typed["category"], ""), tags=tags, **told, by=request.user)

    if done := asking.carried_out(request, form, change):
        said = _("%(api)s is changed.") % {"api": found} if done.result else _("Nothing was changed.")
        return asking.finished(request, back=api_page(request, found), said=said, event=done.result)
    title = _("%(name)s in the catalogue") % {"name": found.name}
    context = {"form": form, "api": found, "title": title, "here": _("In the catalogue")}
    return render(request, "apis/change.html", context, status=form.http_status)


urlpatterns = [path("t/<str:tenant>/console/apis/<str:api>/catalogue/", console_api_placing, name="console-api-placing")]
