"""Alive, and ready: each part that web needs is named."""

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse

from gateway.models import ControlProcess
from portal.answering import broker, database
from tenants.access import open_to_all


@open_to_all("a probe has no account, and learns only that the process answers")
@transaction.non_atomic_requests
def healthz(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    return HttpResponse("ok\n", content_type="text/plain")


@open_to_all("a load balancer has no account, and learns only which parts answer")
@transaction.non_atomic_requests
def readyz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001
    """503 while the database is away: without it nothing can be decided. The others are named, and web works without them."""
    found = parts()
    return JsonResponse(found, status=200 if found["database"] else 503)


def parts() -> dict[str, bool]:
    answers = database()
    return {"database": answers, "broker": broker(), "control": answers and ControlProcess.any_alive()}
