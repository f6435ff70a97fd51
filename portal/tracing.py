"""Traces over OTLP, where the operator asks for them: requests, jobs and statements, as OpenTelemetry's own packages make them.

Statements are told with their placeholders, never with what was put there; addresses without their queries, which may hold codes of a
sign-in, and without secrets. https://opentelemetry.io/docs/specs/otlp/
"""

from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from portal import logs

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import Span

# Under the old names and the stable ones: https://opentelemetry.io/docs/specs/semconv/http/http-spans/
_ADDRESSES, _QUERY = ("http.url", "http.target", "url.full", "url.path"), "url.query"


def begin(service: str) -> None:
    """Once per process, before it serves. Nothing is loaded where no endpoint is set.

    :raises ImproperlyConfigured: an endpoint is set, and the packages are not there.
    """
    if not settings.OTLP_ENDPOINT:
        return
    try:
        # Extra packages, which only who traces installs.
        from opentelemetry import trace  # noqa: PLC0415
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.instrumentation.celery import CeleryInstrumentor  # noqa: PLC0415
        from opentelemetry.instrumentation.django import DjangoInstrumentor  # noqa: PLC0415
        from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise ImproperlyConfigured(f"PORTICO_OTLP_ENDPOINT is set, and {error.name} is missing: pip install portico[otel]") from error
    provider = TracerProvider(resource=Resource.create({"service.name": f"portico-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{settings.OTLP_ENDPOINT}/v1/traces")))
    trace.set_tracer_provider(provider)
    DjangoInstrumentor().instrument(request_hook=_hide)
    CeleryInstrumentor().instrument()  # type: ignore[no-untyped-call]
    PsycopgInstrumentor().instrument()


def _hide(span: "Span", request: HttpRequest) -> None:  # noqa: ARG001
    if not span.is_recording():
        return
    told = span.attributes or {}
    for name in _ADDRESSES:
        if name in told:
            span.set_attribute(name, logs.without_secrets(str(told[name]).partition("?")[0]))
    if _QUERY in told:
        span.set_attribute(_QUERY, "")
