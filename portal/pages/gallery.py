"""Every component in every state, for whoever builds pages; in development alone (PORTICO_DEBUG)."""

from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_safe

from apis.actions.quotas import Standing
from gateway.receipts import NodeReceipt, Receipt, State
from portal.forms import PageForm, Text
from portal.pages.asking import Listed, Question
from portal.pages.listing import Page
from portal.templatetags.ui import STATES
from tenants.access import open_to_all


class Sample(PageForm):
    name = Text(most=80, label="Name", help_text="People see it in lists.")
    purpose = Text(most=500, lines=3, empty=True, label="Purpose")
    environment = forms.ChoiceField(choices=[("live", "Live"), ("test", "Test")], widget=forms.RadioSelect, label="Environment")
    zone = forms.ChoiceField(choices=[("UTC", "UTC"), ("Europe/Berlin", "Europe/Berlin")], label="Time zone")
    agreed = forms.BooleanField(label="Tell me by mail", required=False, help_text="Once a day at most.")


@open_to_all("it shows the components with made-up content, and exists in development alone")
@require_safe
def gallery(request: HttpRequest) -> HttpResponse:
    if not settings.DEBUG:
        raise Http404
    now = timezone.now()
    wrong = Sample({"name": "x" * 90, "once": "1"})
    wrong.add_error(None, "Someone else has just changed this. Look again before you decide.")
    context: dict[str, Any] = {
        "states": list(STATES),
        "form": Sample(initial={"environment": "live"}),
        "wrong": wrong,
        "question": Question(
            title="Suspend Checkout's access to Orders?",
            says="Its calls are refused on 2 gateways within a second, until somebody resumes it.",
            button="Suspend",
            back=request.path,
            done="",
            danger=True,
            lists=[Listed("These are concerned:", ["checkout-web (gold)", "crm-sync (silver)"])],
        ),
        "receipts": [
            _receipt(NodeReceipt("gateway-1", State.ENFORCED, 41), NodeReceipt("gateway-2", State.ENFORCED, 38)),
            _receipt(NodeReceipt("gateway-1", State.ENFORCED, 41), NodeReceipt("gateway-2", State.WAITING)),
            _receipt(NodeReceipt("gateway-1", State.REFUSED, detail="Proto constraint validation failed: route 3")),
            _receipt(),
        ],
        "quotas": [_quota(0, 0), _quota(420, 0), _quota(850, 0), _quota(1_003, 0), _quota(1_003, 500)],
        "page": Page([], 61, "?after=1", "?before=2"),
        "times": [now, now - timedelta(minutes=3), now + timedelta(hours=23), now - timedelta(days=3), now - timedelta(days=90)],
        "sample": 'curl -H "Authorization: Bearer $TOKEN" \\\n  http://127.0.0.1:8080/acme/orders/v1/orders  # a call',
    }
    return render(request, "gallery.html", context)


def _quota(used: int, topped_up: int) -> Standing:
    now, limit = timezone.now(), 1_000 + topped_up
    counted_at = now - timedelta(seconds=3) if used else None
    return Standing(limit, used, "day", "UTC", now + timedelta(hours=5), topped_up, counted_at, is_passed=used >= limit)


def _receipt(*nodes: NodeReceipt) -> Receipt:
    return Receipt(12, "subscription.approved", timezone.now(), concerns_gateways=True, gateways=nodes, not_connected=())


urlpatterns = [path("_components/", gallery, name="gallery")]
