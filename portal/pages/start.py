"""Where one comes in: the tenants to choose from."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_safe

from tenants.access import signed_in
from tenants.models import Membership, Tenant, User
from tenants.scope import user_scope


def tenants_of(user: User) -> list[Tenant]:
    """The tenants that a person is a member of, by name."""
    with user_scope(user.pk):
        ids = list(Membership.mine.filter(user=user).values_list("tenant_id", flat=True))
    return list(Tenant.objects.filter(pk__in=ids).order_by("name"))


@signed_in
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Straight to the one tenant there is, else to the choice."""
    assert isinstance(request.user, User)
    found = tenants_of(request.user)
    return redirect("catalogue", found[0].slug) if len(found) == 1 else redirect("tenants-page")


@signed_in
@require_safe
def tenants(request: HttpRequest) -> HttpResponse:
    """Choose a tenant."""
    assert isinstance(request.user, User)
    return render(request, "start/tenants.html", {"found": tenants_of(request.user)})


urlpatterns = [
    path("", home, name="home"),
    path("tenants/", tenants, name="tenants-page"),
]
