from django.apps import AppConfig

# Loaded with Django, so that shared tasks find their Celery app; not in the package itself, which the supervisor imports.
from portal.celery import app as celery_app

__all__ = ["PortalConfig", "celery_app"]


class PortalConfig(AppConfig):
    name = "portal"
