"""Where one comes in: the tenants to choose from."""

from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_safe

from keys.actions.tenants import may_found
from portal.pages.listing import sought
from portal.words import ROLES
from tenants.access import even_by_provider, signed_in
from tenants.models import Membership, Tenant, User
from tenants.scope import user_scope

# More than these are looked through by name.
MANY = 8


def tenants_of(user: User) -> QuerySet[Tenant]:
    """The tenants that a person is a member of, by name."""
    return Tenant.objects.filter(pk__in=_roles_of(user)).order_by("name")


def _roles_of(user: User) -> dict[UUID, list[str]]:
    with user_scope(user.pk):
        found = dict(Membership.mine.filter(user=user).values_list("tenant_id", "roles"))
    return {tenant: roles for tenant, roles in found.items() if user.only_in in {None, tenant}}


@signed_in
@even_by_provider
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Straight to the one tenant there is, else to the choice."""
    assert isinstance(request.user, User)
    found = list(tenants_of(request.user))
    return redirect("catalogue", found[0].slug) if len(found) == 1 else redirect("tenants-page")


@signed_in
@even_by_provider
@require_safe
def tenants(request: HttpRequest) -> HttpResponse:
    """Choose a tenant; `?q=` seeks one by its name."""
    assert isinstance(request.user, User)
    roles = _roles_of(request.user)
    rows, q = Tenant.objects.filter(pk__in=roles).order_by("name", "slug"), sought(request)
    found = [(tenant, [ROLES[role] for role in roles[tenant.pk]]) for tenant in (rows.filter(name__icontains=q) if q else rows)]
    context = {
        "found": found,
        "q": q,
        "total": len(roles),
        "many": len(roles) > MANY,
        "may_make": request.user.only_in is None and may_found(request.user),
    }
    return render(request, "start/tenants.html", context)


urlpatterns = [
    path("", home, name="home"),
    path("tenants/", tenants, name="tenants-page"),
]
