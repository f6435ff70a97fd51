"""The web process: granian serves `portal.wsgi:application`."""

import os

from django.core.wsgi import get_wsgi_application
from django.db import connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
application = get_wsgi_application()

# Only with Django set up can the check be loaded.
from tenants.checks import insist_on_row_security  # noqa: E402

insist_on_row_security()
connection.close()
