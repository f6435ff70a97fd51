"""Who may enter. Every view says so on its first line; check E004 finds the one that does not."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.utils.translation import gettext as _
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from tenants import second_factors, throttle
from tenants.errors import NotAllowed
from tenants.models import Membership, Tenant, TenantSettings, User
from tenants.roles import PERMISSIONS, permissions_held, permissions_of_service
from tenants.scope import current_tenant_id, in_scope, tenant_scope

if TYPE_CHECKING:
    # The REST framework's views import this module by the name in the settings.
    from rest_framework.views import APIView

P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., Any])
V = TypeVar("V")
SIGNED_IN = "signed in"
# Of the platform, outside every tenant; to everybody else what they alone enter does not exist.
OPERATOR = "platform operator"
# What those may do who are no members, where a tenant's catalogue is public.
VISITORS = frozenset({"apis.see_published"})


class SignInNeeded(Exception):  # noqa: N818  (reads as the sentence it is)
    """A page was asked for by nobody in particular (401)."""


class SecondFactorNeeded(PermissionDenied):
    """The tenant asks for a second factor, and who is here has not shown one (403)."""

    code = "second_factor_needed"

    def __init__(self, *, has_one: bool) -> None:
        super().__init__(
            _("This tenant asks for a second factor. Sign in again, with yours.")
            if has_one
            else _("This tenant asks for a second factor. Set one up in your profile, then sign in with it.")
        )


class PasswordNeeded(PermissionDenied):
    """Who is here was signed in by a tenant's identity provider, whose word counts in that tenant alone (403)."""

    code = "password_needed"

    def __init__(self) -> None:
        super().__init__(_("Sign in with your password to change this."))


class TenantRequest(HttpRequest):
    """A request inside one tenant, by one of its members."""

    tenant: Tenant
    user: User
    permissions: frozenset[str]


def permissions_in_scope(user: User | AnonymousUser, *, second_factor: bool = False) -> frozenset[str]:
    """What this person may do in the tenant in scope.

    :param second_factor: whether they have shown one, see tenants.second_factors.shown.
    :raises Http404: not a member. To an outsider the tenant looks as if it did not exist.
    :raises SecondFactorNeeded: a member, of a tenant that asks for more than a password.
    """
    # A slug that names no tenant opens no scope, and looks the same from outside.
    if not in_scope() or not isinstance(user, User):
        raise Http404
    if user.is_service:
        held = permissions_of_service(user)
        if held is None:
            raise Http404
        return held
    if user.only_in not in {None, current_tenant_id()}:
        raise Http404
    asked = Exists(TenantSettings.objects.filter(mfa_required=True))
    has_one = Exists(second_factors.held_by(OuterRef("user_id")))
    members = Membership.objects.filter(user_id=user.pk).with_delegated_permissions().annotate(asked=asked, has_one=has_one)
    membership = members.only("roles").first()
    if membership is None:
        raise Http404
    # A tenant's own provider asks for what the tenant wants. One that was taken away since is none any more.
    if membership.asked and user.only_in is None and not (membership.has_one and second_factor):  # type: ignore[attr-defined]
        raise SecondFactorNeeded(has_one=membership.has_one)  # type: ignore[attr-defined]
    return permissions_held(membership)


def allowed(user: User | AnonymousUser, permission: str, *, second_factor: bool = False) -> frozenset[str]:
    """All of the person's permissions, once `permission` is among them.

    :raises Http404: not a member. :raises PermissionDenied: a member without it.
    """
    held = permissions_in_scope(user, second_factor=second_factor)
    if permission not in held:
        raise PermissionDenied(_("Your roles here don't include “%(permission)s”.") % {"permission": permission})
    return held


def tenant_view(
    permission: str, *, public: bool = False
) -> Callable[[Callable[Concatenate[TenantRequest, P], HttpResponseBase]], Callable[Concatenate[HttpRequest, P], HttpResponseBase]]:
    """A page inside a tenant, for members with `permission`.

    :param public: visitors, too, may read it where the tenant shows its catalogue to everybody; their `permissions` are VISITORS.
    """
    assert permission in PERMISSIONS, permission
    assert not public or permission in VISITORS, permission

    def decorate(
        view: Callable[Concatenate[TenantRequest, P], HttpResponseBase],
    ) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            tenant: Tenant | None = getattr(request, "tenant", None)
            if public and not request.user.is_authenticated and shows_its_catalogue(tenant):
                request.permissions = VISITORS  # type: ignore[attr-defined]
                kwargs.pop("tenant", None)
                return view(request, *args, **kwargs)  # type: ignore[arg-type]
            if not request.user.is_authenticated:
                raise SignInNeeded
            with nullcontext() if tenant is None or in_scope() else tenant_scope(tenant.pk):
                try:
                    request.permissions = allowed(request.user, permission, second_factor=second_factors.shown(request))  # type: ignore[attr-defined]
                except Http404:
                    if not (public and shows_its_catalogue(tenant)):
                        raise
                    request.permissions = VISITORS  # type: ignore[attr-defined]
                _count(request, at=tenant)
                _check_standstill(request, view)
            kwargs.pop("tenant", None)
            return view(request, *args, **kwargs)  # type: ignore[arg-type]

        guarded.access = permission  # type: ignore[attr-defined]
        return guarded

    return decorate


def shows_its_catalogue(tenant: Tenant | None) -> bool:
    """Whether the tenant in scope lets everybody read its catalogue."""
    if tenant is None or tenant.status != Tenant.Status.ACTIVE or not in_scope():
        return False
    return TenantSettings.objects.filter(catalogue=TenantSettings.Catalogue.PUBLIC).exists()


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
        request.permissions = allowed(request.user, permission, second_factor=second_factors.shown(request))
        yield


def signed_in(view: Callable[Concatenate[HttpRequest, P], HttpResponse]) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """A page outside every tenant, for any signed-in person; not for whom a tenant's provider signed in, see `even_by_provider`."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not isinstance(request.user, User):
            raise SignInNeeded
        if request.user.only_in is not None and not getattr(view, "even_by_provider", False):
            raise PasswordNeeded
        _count(request, at=None)
        return view(request, *args, **kwargs)

    guarded.access = SIGNED_IN  # type: ignore[attr-defined]
    return guarded


def even_by_provider(view: V) -> V:
    """For a page below `signed_in` that gives nothing away of what lies outside the one tenant, and changes nothing there."""
    view.even_by_provider = True  # type: ignore[attr-defined]
    return view


def even_suspended(view: V) -> V:
    """For what is of use while a tenant is suspended or closing: on a page below `tenant_view`, or on a REST view."""
    view.even_suspended = True  # type: ignore[attr-defined]
    return view


def standstill(tenant: Tenant) -> str:
    """Why nothing changes in a tenant; "" while it is active."""
    if tenant.status == Tenant.Status.ACTIVE:
        return ""
    said = (
        _("This tenant is suspended: %(reason)s.") if tenant.status == Tenant.Status.SUSPENDED else _("This tenant is closing: %(reason)s.")
    )
    return said % {"reason": tenant.status_why.rstrip(".")}


def _check_standstill(request: HttpRequest | Request, view: object) -> None:
    """
    :raises NotAllowed: a change, in a tenant that is suspended or closing.
    """
    tenant: Tenant | None = getattr(request, "tenant", None)
    if tenant is None or request.method in SAFE_METHODS or getattr(view, "even_suspended", False):
        return
    if why := standstill(tenant):
        raise NotAllowed(why)


def operator_view(view: Callable[Concatenate[HttpRequest, P], HttpResponse]) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """A page of the platform, for its operators; to others nothing is there. It reads shared tables alone."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not request.user.is_authenticated:
            raise SignInNeeded
        if not (isinstance(request.user, User) and request.user.operates):
            raise Http404
        _count(request, at=None)
        return view(request, *args, **kwargs)

    guarded.access = OPERATOR  # type: ignore[attr-defined]
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

    `"signed in"` admits any signed-in person, for what lies outside every tenant; `"platform operator"` operators alone.
    """

    def has_permission(self, request: Request, view: "APIView") -> bool:
        needed = view.access  # type: ignore[attr-defined]
        if isinstance(needed, dict):
            # A method that the view lacks is 405 for members only: to an outsider nothing here exists.
            needed = needed.get("GET" if request.method == "HEAD" else request.method, "tenant.see")
        if not request.user.is_authenticated:
            return False
        to_services = request.method in SAFE_METHODS and getattr(view, "open_to_services", False)
        if needed == SIGNED_IN and request.user.is_service and not to_services:
            raise PermissionDenied(_("This is for people; a service account works inside its tenant."))
        if needed == OPERATOR:
            if not request.user.operates:
                raise Http404
        elif needed != SIGNED_IN:
            request.permissions = allowed(request.user, needed, second_factor=second_factors.shown(request))  # type: ignore[attr-defined]
            _check_standstill(request, view)
        return True
