"""The numbers of web and worker. Names and labels as Prometheus wants them: https://prometheus.io/docs/practices/naming/."""

import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from prometheus_client import Counter, Histogram

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

REQUESTS = Counter("portico_http_requests_total", "Requests that web answered.", ["method", "view", "status"])
TOOK = Histogram("portico_http_request_seconds", "From a request until its answer.", ["view"], buckets=_BUCKETS)
JOBS = Counter("portico_jobs_total", "Jobs that the worker ran.", ["job", "outcome"])
JOB_TOOK = Histogram("portico_job_seconds", "From the beginning of a job to its end.", ["job"], buckets=(*_BUCKETS, 30, 60, 300))

# Of methods that anybody may make up.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class MeasuringMiddleware:
    """Before all others. A view is known by its name, and never by its address, which may name somebody."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = self.get_response(request)
        view = _view_of(request)
        TOOK.labels(view).observe(time.perf_counter() - began)
        REQUESTS.labels(request.method if request.method in _METHODS else "other", view, str(response.status_code)).inc()
        return response


def _view_of(request: HttpRequest) -> str:
    """Its name; what clients ask without a route of Django's says so itself; "" where nothing is there."""
    found = request.resolver_match
    return found.view_name if found is not None else str(getattr(request, "view_name", ""))
