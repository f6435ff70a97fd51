"""Roles: what the built-in ones let one do, and those of the tenant's own."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.forms import BoundField
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.listing import page_of, sought
from portal.pages.members import LETS
from portal.words import ROLES
from tenants.access import TenantRequest, tenant_view
from tenants.models import CustomRole, Role
from tenants.people import custom_roles
from tenants.roles import EVERYONES, NEEDS, PERMISSIONS, permissions_of

# What a role may be made of; everyone has the rest.
GROUPS = {
    "apis": (gettext_lazy("APIs"), ("apis.see_all", "apis.publish", "providers.see", "providers.manage", "usage.see")),
    "subscriptions": (gettext_lazy("Subscriptions"), ("subscriptions.see_all", "subscriptions.decide")),
    "applications": (
        gettext_lazy("Applications"),
        ("applications.own", "applications.see_all", "applications.suspend", "applications.revoke_any"),
    ),
    "keys": (gettext_lazy("Keys and gateways"), ("keys.see", "keys.manage", "gateways.see")),
    "people": (
        gettext_lazy("People and settings"),
        ("members.see", "members.manage", "service_accounts.manage", "webhooks.manage", "settings.manage"),
    ),
    "audit": (gettext_lazy("Audit"), ("audit.read",)),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A role of the tenant's own, and what it lets one do beyond what everyone may."""

    role: CustomRole
    lets: list[Promise]


@dataclass(frozen=True, slots=True)
class Line:
    """One permission, and for each built-in role whether it has it."""

    lets: Promise
    held: list[bool]


@tenant_view("members.see")
@require_safe
def console_member_roles(request: TenantRequest) -> HttpResponse:
    q = sought(request)
    roles = CustomRole.objects.with_holders()
    page = page_of(request, roles.filter(name__icontains=q) if q else roles)
    context = {
        "page": page,
        "rows": [Row(each, [LETS[name] for name in LETS if name in each.permissions and name not in EVERYONES]) for each in page.rows],
        "q": q,
        "roles": ROLES,
        "lines": [Line(LETS[name], [each in holders for each in Role]) for name, holders in PERMISSIONS.items()],
        "may_manage": "members.manage" in request.permissions,
    }
    return render(request, "roles/list.html", context)


class RoleForm(PageForm):
    """Offers what its reader holds; what the role has beyond that is shown, and only whoever holds it can take it out."""

    name = Text(most=40, label=gettext_lazy("Name"), help_text=gettext_lazy("It stands beside people's names."))
    description = Text(most=200, empty=True, label=gettext_lazy("Description"), help_text=gettext_lazy("Who it is for."))

    def __init__(self, *args: Any, offered: frozenset[str], chosen: frozenset[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for group, (label, names) in GROUPS.items():
            choices = [(name, _sentence(name)) for name in names if name in offered | chosen]
            if choices:
                self.fields[group] = forms.MultipleChoiceField(
                    choices=choices,
                    widget=forms.CheckboxSelectMultiple,
                    required=False,
                    label=label,
                    initial=[name for name in names if name in chosen],
                )

    @property
    def groups(self) -> list[BoundField]:
        return [self[group] for group in GROUPS if group in self.fields]

    @property
    def typed(self) -> dict[str, Any]:
        """What the actions take."""
        chosen = {name for group in GROUPS for name in self.cleaned_data.get(group, ())}
        return {"name": self.cleaned_data["name"], "description": self.cleaned_data["description"], "permissions": chosen}


def _sentence(name: str) -> str:
    if name not in NEEDS:
        return str(LETS[name])
    return format_html('{} <span class="sub">({})</span>', LETS[name], _("brings “%(lets)s”") % {"lets": LETS[NEEDS[name]]})


@tenant_view("members.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def role_new(request: TenantRequest) -> HttpResponse:
    """Make one; `?from=` begins with a copy of a role that there is."""
    begin = request.GET.get("from", "")
    form = RoleForm(given(request), offered=request.permissions, chosen=_begun_with(begin) & request.permissions)
    if done := asking.carried_out(request, form, lambda _typed: custom_roles.create_role(**form.typed, by=request.user)):
        return asking.finished(request, back=_list(request), said=_("The role %(role)s is there.") % {"role": done.result})
    begins = [*ROLES.items(), *((str(pk), name) for pk, name in CustomRole.objects.order_by("name").values_list("pk", "name")[:20])]
    context = {"form": form, "begins": begins, "begin": begin, "everyones": _everyones()}
    return render(request, "roles/new.html", context, status=form.http_status)


def _begun_with(begin: str) -> frozenset[str]:
    if begin in Role.values:
        return permissions_of([begin])
    try:
        found = CustomRole.objects.filter(pk=UUID(begin)).first()
    except ValueError:
        return frozenset()
    return frozenset(found.permissions) if found else frozenset()


def _everyones() -> list[Promise]:
    return [LETS[name] for name in PERMISSIONS if name in EVERYONES]


def _list(request: TenantRequest) -> str:
    return reverse("console-member-roles", args=[request.tenant.slug])


@tenant_view("members.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def role_edit(request: TenantRequest, role: UUID) -> HttpResponse:
    found: CustomRole = get_object_or_404(CustomRole.objects.with_holders(), pk=role)
    now, name = frozenset(found.permissions), found.name
    initial = {"name": name, "description": found.description}
    form = RoleForm(given(request), offered=request.permissions, chosen=now, initial=initial)
    if done := asking.carried_out(request, form, lambda _typed: custom_roles.change_role(found, **form.typed, by=request.user)):
        said = _("The role %(role)s is changed.") % {"role": found} if done.result else _("Nothing was changed.")
        return asking.finished(request, back=_list(request), said=said)
    context = {"form": form, "role": found, "name": name, "everyones": _everyones()}
    return render(request, "roles/edit.html", context, status=form.http_status)


@tenant_view("members.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def role_delete(request: TenantRequest, role: UUID) -> HttpResponse:
    found: CustomRole = get_object_or_404(CustomRole, pk=role)
    question = asking.Question(
        title=_("Delete the role %(role)s?") % {"role": found},
        says=_("Nobody may hold it any more. What was done with it stays in the audit."),
        button=_("Delete it"),
        back=_list(request),
        done=_("The role %(role)s is deleted.") % {"role": found},
        danger=True,
    )

    def act(_data: dict[str, Any]) -> None:
        custom_roles.delete_role(found, by=request.user)

    return asking.ask(request, question, PageForm(given(request)), act)


urlpatterns = [
    path("t/<str:tenant>/console/members/roles/", console_member_roles, name="console-member-roles"),
    path("t/<str:tenant>/console/members/roles/new/", role_new, name="console-member-role-new"),
    path("t/<str:tenant>/console/members/roles/<uuid:role>/", role_edit, name="console-member-role"),
    path("t/<str:tenant>/console/members/roles/<uuid:role>/delete/", role_delete, name="console-member-role-delete"),
]
