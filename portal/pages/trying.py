"""Trying an operation in the browser: the page calls the gateway itself, with a token that it gets here for one call."""

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from apis.actions.trying import issue_to_try
from apis.models import Api, Operation, Subscription
from portal.pages.catalogue import offered
from tenants import throttle
from tenants.access import TenantRequest, tenant_view
from tenants.errors import Invalid

# Per person and minute: as fast as somebody presses a button.
RATE = 30


@tenant_view("applications.own")
@require_http_methods(["GET", "HEAD", "POST"])
def catalogue_try(request: TenantRequest, api: str, version: str) -> HttpResponse:
    """A token for one call of `operation` as `application`. Asked for with GET, it leads to the page that asks."""
    found = get_object_or_404(offered(request), slug=api)
    of = get_object_or_404(found.versions.offered(), name=version)
    if request.method != "POST":
        page = reverse("catalogue-api", args=[request.tenant.slug, found.slug])
        return HttpResponseRedirect(f"{page}?{urlencode({'tab': 'reference', 'version': of.name})}")
    operation = get_object_or_404(Operation, revision__live_in=of, operation_id=_given(request, "operation"))
    subscription = _subscription(found, request)
    throttle.attempt(f"try {request.tenant.pk} {request.user.pk}", limit=RATE, seconds=60)
    issued = issue_to_try(operation, subscription=subscription, by=request.user)
    told: dict[str, Any] = {"access_token": issued.token, "token_type": "Bearer", "expires_in": issued.lifetime, "scope": issued.scope}  # nosec B105
    return JsonResponse(told, headers={"Cache-Control": "private, no-store"})


def _subscription(api: Api, request: TenantRequest) -> Subscription:
    """The last of one of the reader's own applications; whether it stands, the action says.

    :raises Http404: there is none, or the application is somebody else's.
    """
    try:
        application = UUID(_given(request, "application"))
    except ValueError:
        raise Http404 from None
    found = Subscription.objects.owned_by(request.user).filter(api=api, application=application).order_by("-id").first()
    if found is None:
        raise Http404
    return found


def _given(request: TenantRequest, name: str) -> str:
    """
    :raises Invalid: nothing is. :raises Http404: what nothing can be called.
    """
    text = request.POST.get(name, "")
    if not text:
        raise Invalid({name: [_("Fill this in.")]})
    if "\x00" in text:
        raise Http404
    return text


urlpatterns = [path("t/<str:tenant>/apis/<str:api>/<str:version>/try/", catalogue_try, name="catalogue-try")]
