"""The key-encryption key of this installation."""

from functools import cache

from django.conf import settings

from keys.envelope import FileKek, Kek, make_file


@cache
def kek() -> Kek:
    if settings.KEK_FILE_IS_OURS:
        make_file(settings.KEK_FILE)
    return FileKek(settings.KEK_FILE)
