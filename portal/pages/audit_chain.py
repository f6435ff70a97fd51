"""The chain behind the audit: which of its heads was signed last, and whether the newest events hold."""

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils.formats import number_format
from django.views.decorators.http import require_http_methods

from keys.actions import heads
from keys.models import ChainHead
from tenants.access import TenantRequest, tenant_view


def last_head() -> ChainHead | None:
    return ChainHead.objects.order_by("-number").first()


def most() -> str:
    """How many are recomputed at once, for people."""
    return str(number_format(heads.CHECKED, force_grouping=True))


@tenant_view("audit.read")
@require_http_methods(["GET", "HEAD", "POST"])
def console_event_chain(request: TenantRequest) -> HttpResponse:
    """GET shows it; POST recomputes what is newest."""
    checked = heads.check_newest() if request.method == "POST" else None
    context = {"head": last_head(), "checked": checked, "most": most()}
    return render(request, "audit/chain.html", context)


urlpatterns = [path("t/<str:tenant>/console/audit/chain/", console_event_chain, name="console-event-chain")]
