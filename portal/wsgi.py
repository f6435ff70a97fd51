"""The web process: granian serves `portal.wsgi:application`."""

import os

from django.core.wsgi import get_wsgi_application
from django.db import connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
application = get_wsgi_application()

# Only with Django set up can these be loaded.
from keys import uses  # noqa: E402
from portal.middleware import Utf8Request  # noqa: E402
from tenants.checks import insist_on_row_security  # noqa: E402

application.request_class = Utf8Request
insist_on_row_security()
connection.close()
uses.keep_writing()
