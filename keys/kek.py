"""The key-encryption key of this installation."""

from functools import cache

from django.conf import settings

from keys.envelope import FileKek, Kek


@cache
def kek() -> Kek:
    return FileKek(settings.KEK_FILE)
