"""The members of a tenant, and what their roles let them do."""

from dataclasses import dataclass

from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from keys.models import Application
from portal.pages.listing import chosen, page_of, sought
from portal.words import ROLES
from tenants.access import TenantRequest, tenant_view
from tenants.models import Membership, Role
from tenants.roles import PERMISSIONS

# What each permission lets one do, in the order of tenants.roles.
LETS: dict[str, Promise] = {
    "tenant.see": _("See the tenant, one's own applications, and the receipts of one's own decisions"),
    "members.see": _("See the members and their roles"),
    "members.manage": _("Invite members, change their roles and teams, and remove them"),
    "service_accounts.manage": _("Make service accounts for automation, and end them"),
    "settings.manage": _("Change the tenant's settings, export its data, and close it"),
    "apis.see_published": _("Read the catalogue"),
    "apis.see_all": _("See APIs, versions and revisions that are not published"),
    "apis.publish": _("Make and change APIs and plans, and publish them"),
    "subscriptions.see_all": _("See everyone's subscriptions"),
    "subscriptions.decide": _("Approve, reject, suspend, resume and cancel subscriptions"),
    "applications.own": _("Register applications, handle their secrets, ask for subscriptions"),
    "applications.see_all": _("See everyone's applications and their refused calls"),
    "applications.revoke_any": _("Revoke anyone's secrets"),
    "keys.see": _("See the signing keys and the token policy"),
    "keys.manage": _("Rotate signing keys, give them up, and change the token policy"),
    "gateways.see": _("See the gateways, and what they said when they refused"),
    "audit.read": _("Read the audit"),
}


@dataclass(frozen=True, slots=True)
class Row:
    membership: Membership
    roles: list[str | Promise]


@dataclass(frozen=True, slots=True)
class Line:
    """One permission, and for each role whether it has it."""

    lets: str | Promise
    held: list[bool]


def matching(members: QuerySet[Membership], text: str) -> QuerySet[Membership]:
    return members.filter(Q(user__name__icontains=text) | Q(user__email__icontains=text))


@tenant_view("members.see")
@require_safe
def console_members(request: TenantRequest) -> HttpResponse:
    rows: QuerySet[Membership] = Membership.objects.select_related("user")
    q, role = sought(request), chosen(request, "role", Role.values)
    if q:
        rows = matching(rows, q)
    if role:
        rows = rows.filter(roles__contains=[role])
    page = page_of(request, _with_applications(rows))
    context = {
        "page": page,
        "rows": [Row(each, [word for name, word in ROLES.items() if name in each.roles]) for each in page.rows],
        "q": q,
        "role": role,
        "roles": ROLES,
        "lines": [Line(LETS[name], [each in holders for each in Role]) for name, holders in PERMISSIONS.items()],
        "may_see_applications": "applications.see_all" in request.permissions,
    }
    return render(request, "members/list.html", context)


def _with_applications(rows: QuerySet[Membership]) -> QuerySet[Membership]:
    """Annotate how many applications each owns."""
    owned = Application.objects.filter(owner=OuterRef("user")).order_by().values("owner").annotate(many=Count("pk")).values("many")
    return rows.annotate(applications=Coalesce(Subquery(owned, output_field=IntegerField()), 0))


urlpatterns = [
    path("t/<str:tenant>/console/members/", console_members, name="console-members"),
]
