from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from gateway import receipts
from gateway.envoy.refusals import REFUSALS
from tenants.access import TenantRequest, open_to_all, tenant_view
from tenants.models import Event


@open_to_all("every refusal links to its explanation, and callers have no account")
@require_safe
def refusal(request: HttpRequest, code: str) -> HttpResponse:
    """What a refusal means and how to mend it: where the `type` of the gateway's answers leads."""
    found = next((each for each in REFUSALS if each.code == code), None)
    if found is None:
        raise Http404
    return render(request, "gateway/refusal.html", {"refusal": found})


@tenant_view("gateways.see")
@require_safe
def receipt(request: TenantRequest, number: int) -> HttpResponse:
    """Where a decision is enforced by now."""
    event = get_object_or_404(Event, number=number)
    return render(request, "gateway/receipt.html", {"receipt": receipts.receipt(event), "tenant": request.tenant})
