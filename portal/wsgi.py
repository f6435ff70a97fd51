"""The web process: granian serves `portal.wsgi:application`."""

import gc
import os

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()

# Only with Django set up can these be loaded; traces begin before the first middleware is made.
from portal import tracing  # noqa: E402

tracing.begin("web")
application = get_wsgi_application()

from keys import uses  # noqa: E402
from portal import health  # noqa: E402
from portal.middleware import Utf8Request  # noqa: E402
from tenants import monitoring, patient  # noqa: E402
from tenants.checks import insist_on_row_security  # noqa: E402

application.request_class = Utf8Request
patient.wait_at_most(settings.DATABASE_SECONDS)
insist_on_row_security()
connection.close()
uses.keep_writing()
monitoring.begin(settings.METRICS_ADDRESS, health.parts)
# Every page is loaded now, before somebody waits for it; and what is loaded stays: to look through all of that for garbage takes a third of
# a second, in the middle of a request. What requests leave behind is looked through as ever, only less often.
_loaded = get_resolver().url_patterns
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 20)
