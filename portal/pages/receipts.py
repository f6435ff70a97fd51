"""The receipt of a decision: where it is enforced by now."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path
from django.views.decorators.http import require_safe

from gateway import receipts
from portal.words import added, happened, subject_of
from tenants.access import TenantRequest, tenant_view
from tenants.models import Event


@tenant_view("tenant.see")
@require_safe
def receipt(request: TenantRequest, number: int) -> HttpResponse:
    """The whole page; with `?part=1` what other pages show of it, `step` being how often they have asked."""
    event = get_object_or_404(receipts.visible_to(request.user, request.permissions), number=number)
    found = receipts.as_told_to(request.permissions, receipts.receipt(event))
    shown = {"receipt": found, "step": _step(request)}
    if request.GET.get("part") == "1":
        return render(request, "components/receipt.html", shown)
    subject = subject_of(event)
    sentence = happened(event.kind, event.data, actor=event.actor_name, subject=subject, by_a_person=bool(event.actor_id))
    told = {"event": event, "subject": subject, "sentence": sentence, "said": _said(request, event)}
    return render(request, "receipts/receipt.html", {**shown, **told})


def _said(request: TenantRequest, event: Event) -> str:
    """What was said with it: about an application, for its owner and those who see such things, not for who sees gateways alone."""
    said, theirs = added(event.data), request.permissions - {"gateways.see"}
    if not said or event.subject_type not in {"subscription", "credential", "application"} or "audit.read" in theirs:
        return said
    return said if receipts.visible_to(request.user, theirs).filter(pk=event.pk).exists() else ""


def _step(request: TenantRequest) -> int:
    step = request.GET.get("step", "")
    return int(step) if step.isascii() and step.isdigit() and len(step) < 6 else 0


urlpatterns = [path("t/<str:tenant>/receipts/<int:number>/", receipt, name="receipt-page")]
