"""The key-encryption keys of this installation."""

from functools import cache

from django.conf import settings
from django.utils.module_loading import import_string

from keys.envelope import Kek
from keys.keks.ring import Ring


@cache
def kek() -> Kek:
    """Those that settings name. A keeper is imported only where it is named: the libraries of some are not installed everywhere."""
    return Ring(tuple(each for named in settings.KEKS for each in import_string(f"keys.keks.{named.module}.keks")(named)))
