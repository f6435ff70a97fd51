"""`manage.py up`: start all of Portico on this machine, and stop it with Ctrl-C."""

import os
import sys
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    help = "Start PostgreSQL, Valkey, Envoy and every process of Portico on this machine; Ctrl-C stops them."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-demo", action="store_true", help="without demo data and its upstream")

    def handle(self, *, no_demo: bool, **_options: Any) -> NoReturn:
        """Become the supervisor, which stays in memory and so should not hold Django and every app in it."""
        environment = {**os.environ, "PORTICO_VAR": str(settings.VAR.absolute())}
        os.chdir(settings.BASE_DIR)
        arguments = [sys.executable, "-m", "portal.stack", *(["--no-demo"] if no_demo else [])]
        os.execve(sys.executable, arguments, environment)  # nosec B606  (of ours, and without a shell)
