"""What a gateway's refusal means and how to mend it, for callers: the `type` of its answers leads here."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from gateway.envoy.refusals import REFUSALS
from tenants.access import open_to_all


@open_to_all("every refusal links to its explanation, and callers have no account")
@require_safe
def refusal(request: HttpRequest, code: str) -> HttpResponse:
    # One code may be told apart in several ways, and mean two things.
    meanings = {each.sentence: each for each in REFUSALS if each.code == code}
    if not meanings:
        raise Http404
    told = [{"status": each.status, "sentence": _(each.sentence), "fix": _(each.fix)} for each in meanings.values()]
    statuses = list(dict.fromkeys(each["status"] for each in told))
    return render(request, "refusals/refusal.html", {"code": code, "meanings": told, "statuses": statuses})


urlpatterns = [path("refusals/<str:code>/", refusal, name="refusal-page")]
