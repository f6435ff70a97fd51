from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from portal import translations


class Command(BaseCommand):
    help = "Gather the texts of pages into locale/, and compile what is translated."
    requires_system_checks = []

    def handle(self, *_: Any, **__: Any) -> None:
        for language, name in settings.LANGUAGES:
            if language == settings.LANGUAGE_CODE:
                continue
            catalog = translations.update(language)
            missing = translations.missing(catalog)
            self.stdout.write(f"{name}: {len(catalog)} texts, {len(missing)} without a translation.")
            for text in missing:
                self.stdout.write(f"  {text!r}")
