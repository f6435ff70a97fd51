"""`manage.py mock_provider`: a provider of AI models that answers in the real ones' formats."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from portal.demo.provider import __main__ as mock


class Command(BaseCommand):
    help = "A provider of AI models for demos and tests, which fails as it is asked to. It listens on this machine alone."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        mock.options(parser)

    def handle(self, **options: Any) -> None:
        mock.run(port=options["port"], pause=options["pause"], late=options["late"])
