"""The categories of the catalogue: all of them on one page, which is saved at once."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django import forms
from django.forms import BoundField
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from apis.actions.catalogue import LONGEST_CATEGORY, change_categories
from apis.models import Category
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking
from tenants.access import TenantRequest, tenant_view
from tenants.models import Event


class CategoriesForm(PageForm):
    """A field for each that there is, by its id, and one for new ones."""

    new = Text(
        most=1000, lines=3, empty=True, label=gettext_lazy("New categories"), help_text=gettext_lazy("One in a line, such as Commerce.")
    )

    def __init__(self, *args: Any, there: list[Category], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.there = there
        for each in there:
            attrs = {"class": "input", "aria-label": _("Name of “%(category)s”") % {"category": each}}
            self.fields[str(each.pk)] = Text(most=LONGEST_CATEGORY, empty=True, initial=each.name, widget=forms.TextInput(attrs=attrs))

    @property
    def rows(self) -> Iterator[tuple[Category, BoundField]]:
        return ((each, self[str(each.pk)]) for each in self.there)


@tenant_view("settings.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def console_settings_categories(request: TenantRequest) -> HttpResponse:
    form = CategoriesForm(given(request), there=list(Category.objects.for_list()))

    def change(typed: dict[str, Any]) -> Event | None:
        # A field that was not sent says nothing; one that was emptied takes the category away.
        names: dict[UUID, str] = {each.pk: typed[str(each.pk)] if str(each.pk) in form.data else each.name for each in form.there}
        new = [line for line in typed["new"].split("\n") if line.strip()]
        return change_categories({pk: name for pk, name in names.items() if name.strip()}, new=new, by=request.user)

    if done := asking.carried_out(request, form, change):
        said = _("The categories are changed.") if done.result else _("Nothing was changed.")
        back = reverse("console-settings-categories", args=[request.tenant.slug])
        return asking.finished(request, back=back, said=said, event=done.result)
    return render(request, "settings/categories.html", {"form": form}, status=form.http_status)


urlpatterns = [path("t/<str:tenant>/console/settings/categories/", console_settings_categories, name="console-settings-categories")]
