"""A tenant is made: by operators, or by whoever the platform's settings let."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from keys.actions.tenants import found_tenant, may_found
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages.asking import carried_out, finished
from tenants.access import signed_in
from tenants.models import MAX_SLUG, User


class TenantForm(PageForm):
    name = Text(most=80, label=gettext_lazy("Name"), help_text=gettext_lazy("Of the organisation or team. It can be changed later."))
    slug = Text(
        most=MAX_SLUG,
        empty=True,
        label=gettext_lazy("Address"),
        help_text=gettext_lazy("Stands in every address and in tokens, so it never changes. Left empty, it is made of the name."),
    )

    def clean_slug(self) -> str:
        return str(self.cleaned_data["slug"]).strip() or slugify(self.cleaned_data.get("name", ""))[:MAX_SLUG].strip("-")


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def new_tenant(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    if not may_found(request.user):
        raise PermissionDenied(_("Operators of this portal make tenants. Ask one of them."))
    by, form = request.user, TenantForm(given(request))
    if done := carried_out(request, form, lambda typed: found_tenant(name=typed["name"], slug=typed["slug"], by=by)):
        said = _("%(tenant)s is there, and you administer it.") % {"tenant": done.result}
        return finished(request, back=reverse("catalogue", args=[done.result.slug]), said=said)
    if slug := form.http_status != 200 and form.cleaned_data.get("slug"):
        # Made of the name, it is shown where it can be changed.
        form.put("slug", slug)
    return render(request, "start/new_tenant.html", {"form": form}, status=form.http_status)


urlpatterns = [path("tenants/new/", new_tenant, name="tenant-new")]
