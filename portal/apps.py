from allauth.usersessions.apps import UserSessionsConfig
from django.apps import AppConfig

# Loaded with Django, so that shared tasks find their Celery app; not in the package itself, which the supervisor imports.
from portal import job_runs
from portal.celery import app as celery_app

__all__ = ["PortalConfig", "celery_app", "job_runs"]


class PortalConfig(AppConfig):
    name = "portal"
    default = True


class Browsers(UserSessionsConfig):  # type: ignore[misc]
    """allauth's table of sessions alone: what it does at each sign-in takes more, the more browsers one has. See portal/browsers.py."""

    def ready(self) -> None:
        pass
