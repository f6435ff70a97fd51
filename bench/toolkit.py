"""The least project that issues tokens by django-oauth-toolkit, for `bench.tokens` to measure beside Portico.

Run as a program it makes its tables and two clients, and prints them. Its middleware is what `startproject` writes, as in the
toolkit's own tutorial; connections are kept, and not looked at a second time.
"""

import json
import os

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import path
from psycopg.conninfo import conninfo_to_dict

database = conninfo_to_dict(os.environ["DATABASE_URL"])
settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": database["dbname"],
            "USER": database["user"],
            "PASSWORD": database["password"],
            "HOST": database["host"],
            "CONN_MAX_AGE": None,
        }
    },
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "oauth2_provider",
    ],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of no use to anybody",
)
django.setup()

# Its models can be imported only once Django is set up.
from oauth2_provider.models import Application  # noqa: E402
from oauth2_provider.views import TokenView  # noqa: E402

urlpatterns = [path("token", TokenView.as_view())]
application = get_wsgi_application()


def new_client(name: str, *, hashed: bool) -> dict[str, str]:
    """A confidential client; its secret can be read here alone."""
    client = Application(
        name=name,
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
        hash_client_secret=hashed,
    )
    found = {"client_id": client.client_id, "client_secret": client.client_secret}
    client.save()
    return found


if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    print(json.dumps({"as shipped": new_client("As shipped", hashed=True), "plain secrets": new_client("Plain secrets", hashed=False)}))
