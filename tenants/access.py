"""Who may enter. Every view says so on its first line; check E004 finds the one that does not."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from tenants import throttle
from tenants.models import Membership, ServiceAccount, Tenant, User
from tenants.roles import PERMISSIONS, permissions_held, permissions_of
from tenants.scope import in_scope, tenant_scope

if TYPE_CHECKING:
    # The REST framework's views import this module by the name in the settings.
    from rest_framework.views import APIView

P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., Any])
SIGNED_IN = "signed in"


class SignInNeeded(Exception):  # noqa: N818  (reads as the sentence it is)
    """A page was asked for by nobody in particular (401)."""


class TenantRequest(HttpRequest):
    """A request inside one tenant, by one of its members."""

    tenant: Tenant
    user: User
    permissions: frozenset[str]


def permissions_in_scope(user: User | AnonymousUser) -> frozenset[str]:
    """What this person may do in the tenant in scope.

    :raises Http404: not a member. To an outsider the tenant looks as if it did not exist.
    """
    # A slug that names no tenant opens no scope, and looks the same from outside.
    if not in_scope() or not isinstance(user, User):
        raise Http404
    if user.is_service:
        return _of_service(user)
    membership = Membership.objects.filter(user_id=user.pk).with_custom_permissions().only("roles").first()
    if membership is None:
        raise Http404
    return permissions_held(membership)


def _of_service(user: User) -> frozenset[str]:
    account = ServiceAccount.objects.filter(user_id=user.pk, status=ServiceAccount.Status.ACTIVE, expires_at__gt=Now()).first()
    if account is None:
        raise Http404
    return permissions_of([], account.permissions)


def allowed(user: User | AnonymousUser, permission: str) -> frozenset[str]:
    """All of the person's permissions, once `permission` is among them.

    :raises Http404: not a member. :raises PermissionDenied: a member without it.
    """
    held = permissions_in_scope(user)
    if permission not in held:
        raise PermissionDenied(_("Your roles here don't include “%(permission)s”.") % {"permission": permission})
    return held


def tenant_view(
    permission: str,
) -> Callable[[Callable[Concatenate[TenantRequest, P], HttpResponse]], Callable[Concatenate[HttpRequest, P], HttpResponse]]:
    """A page inside a tenant, for members with `permission`."""
    assert permission in PERMISSIONS, permission

    def decorate(
        view: Callable[Concatenate[TenantRequest, P], HttpResponse],
    ) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if not request.user.is_authenticated:
                raise SignInNeeded
            tenant: Tenant | None = getattr(request, "tenant", None)
            with nullcontext() if tenant is None or in_scope() else tenant_scope(tenant.pk):
                request.permissions = allowed(request.user, permission)  # type: ignore[attr-defined]
                _count(request, at=tenant)
            kwargs.pop("tenant", None)
            return view(request, *args, **kwargs)  # type: ignore[arg-type]

        guarded.access = permission  # type: ignore[attr-defined]
        return guarded

    return decorate


def _count(request: HttpRequest, *, at: Tenant | None) -> None:
    """What pages send counts with what REST does, refused forms too: people send few."""
    if request.method not in SAFE_METHODS:
        assert isinstance(request.user, User)
        throttle.change(request.user.pk, at=at.pk if at else None)


def own_scope(view: F) -> F:
    """For a page that works outside any transaction for a while: the middleware leaves the scope to it, see `inside`."""
    view.opens_its_own_scope = True  # type: ignore[attr-defined]
    return transaction.non_atomic_requests(view)


@contextmanager
def inside(request: TenantRequest, permission: str) -> Iterator[None]:
    """The tenant's scope, in a page that opens it itself, for as long as the person still may: seconds may have passed."""
    with tenant_scope(request.tenant.pk):
        request.permissions = allowed(request.user, permission)
        yield


def signed_in(view: Callable[Concatenate[HttpRequest, P], HttpResponse]) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """A page outside every tenant, for any signed-in person."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not request.user.is_authenticated:
            raise SignInNeeded
        _count(request, at=None)
        return view(request, *args, **kwargs)

    guarded.access = SIGNED_IN  # type: ignore[attr-defined]
    return guarded


def open_to_all(reason: str) -> Callable[[F], F]:
    """A view without a gate, and why that is right. Works on functions and on REST views."""
    assert reason

    def decorate(view: F) -> F:
        view.access = reason  # type: ignore[attr-defined]
        return view

    return decorate


# Views of libraries, which can't carry a decorator of ours.
OPEN_VIEWS: dict[str, str] = {
    "drf_spectacular.views.SpectacularAPIView": "the schema of the REST API is public documentation",
    "drf_spectacular.views.SpectacularSwaggerSplitView": "the REST documentation is public",
    "allauth.account.views.LogoutView": "it ends the session that there is, and does nothing without one",
}


class Allowed(BasePermission):
    """The REST door: `access` on the view maps a method to the permission it needs, or names who may enter at all.

    `"signed in"` admits any signed-in person, for what lies outside every tenant.
    """

    def has_permission(self, request: Request, view: "APIView") -> bool:
        needed = view.access  # type: ignore[attr-defined]
        if isinstance(needed, dict):
            # A method that the view lacks is 405 for members only: to an outsider nothing here exists.
            needed = needed.get("GET" if request.method == "HEAD" else request.method, "tenant.see")
        if not request.user.is_authenticated:
            return False
        if needed != SIGNED_IN:
            request.permissions = allowed(request.user, needed)  # type: ignore[attr-defined]
        return True
