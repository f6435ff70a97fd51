"""Stopping mails by the link in them, without a sign-in: the token in it says whose and which."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from portal import inbox
from portal.mails import read_stop_token
from portal.news import GROUPS
from tenants.access import open_to_all
from tenants.models import Tenant, User


@csrf_exempt
@open_to_all("the token in the address is the proof; mail programs can't sign in")
@require_http_methods(["GET", "HEAD", "POST"])
def stop_mails(request: HttpRequest, tenant: str, token: str) -> HttpResponse:  # noqa: ARG001
    """GET asks, POST does it (RFC 8058 §3.2). Whatever is wrong with the address is 404."""
    at: Tenant | None = getattr(request, "tenant", None)
    found = read_stop_token(token)
    person = User.objects.filter(pk=found[1]).first() if found and at and found[0] == at.pk else None
    if at is None or found is None or person is None or found[2] not in {"", *GROUPS}:
        raise Http404
    group = GROUPS.get(found[2])
    if request.method == "POST":
        inbox.stop_mails(person, found[2])
    context = {"called": at.name, "group": group.name if group else "", "done": request.method == "POST"}
    return render(request, "inbox/stop.html", context)
