"""Alive, and ready: each part that web needs is named."""

import redis
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse

from gateway.models import ControlProcess
from tenants.access import open_to_all


@open_to_all("a probe has no account, and learns only that the process answers")
@transaction.non_atomic_requests
def healthz(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    return HttpResponse("ok\n", content_type="text/plain")


@open_to_all("a load balancer has no account, and learns only which parts answer")
@transaction.non_atomic_requests
def readyz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001
    """503 while the database is away: without it nothing can be decided. The others are named, and web works without them."""
    answers = database()
    parts = {"database": answers, "broker": broker(), "control": answers and ControlProcess.any_alive()}
    return JsonResponse(parts, status=200 if answers else 503)


def database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        connection.close()
        return False
    return True


def broker() -> bool:
    try:
        with redis.Redis.from_url(settings.VALKEY_URL, socket_timeout=0.2, socket_connect_timeout=0.2) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
