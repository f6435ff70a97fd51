"""Lines of the log: an error names the address that it happened at, and some addresses are secrets."""

import logging
import re

from pythonjsonlogger.json import JsonFormatter

from tenants.origin import origin
from tenants.scope import current_tenant_id, in_scope

_FEED = re.compile(r"ptc_feed_\w+")
_LINK = re.compile(r"(/accounts/(?:confirm-email|password/reset/key)/|/t/[^/\s]+/invitations/)[^/\s]+")


def without_secrets(text: str) -> str:
    """Addresses in it without the parts that let somebody in."""
    return _LINK.sub(r"\1…", _FEED.sub("ptc_feed_…", text))


class Line(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


class Where(logging.Filter):
    """Lets everything pass, with the request that it happened in and the tenant that it was about; "" for none."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = origin.get().request_id
        record.tenant = str(current_tenant_id()) if in_scope() else ""
        return True


class Json(JsonFormatter):
    """One object a line: `timestamp` (RFC 3339, UTC), `level`, `logger`, `message`, `request_id`, `tenant` (its id), `process`, and
    `exc_info` where something was raised."""

    def __init__(self, members: str) -> None:
        super().__init__(members, timestamp=True, rename_fields={"levelname": "level", "name": "logger"})

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))
