"""Where mails go that no mail server takes: a folder of files, each one mail, for a trial and for tests."""

import os
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage as Message
from email.parser import BytesParser
from email.policy import default
from itertools import islice
from pathlib import Path

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone

KEPT = timedelta(days=7)
# What settings name it by.
BACKEND = f"{__name__}.EmailBackend"
_NAME = re.compile(r"\d{8}T\d{6}\.\d{6}-[0-9a-f]{8}")


class EmailBackend(BaseEmailBackend):
    """Writes mails to MAIL_FOLDER (0700, files 0600), named by their time. They hold people's addresses and one-time links."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        folder = Path(settings.MAIL_FOLDER)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for message in email_messages:
            path = folder / f"{timezone.now():%Y%m%dT%H%M%S.%f}-{secrets.token_hex(4)}.eml"
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
                target.write(message.message().as_bytes())
        return len(email_messages)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that is a file: its text part alone, and not even that in a list."""

    name: str
    at: datetime
    to: str
    subject: str
    text: str


def newest(most: int) -> list[Mail]:
    names = sorted((path.stem for path in Path(settings.MAIL_FOLDER).glob("*.eml")), reverse=True)
    return list(islice(_read_all(names), most))


def _read_all(names: list[str]) -> Iterator[Mail]:
    for name in names:
        # One may have been pruned meanwhile.
        if found := read(name, whole=False):
            yield found


def read(name: str, *, whole: bool = True) -> Mail | None:
    """None where there is no such mail; a name with a path in it is none."""
    path = Path(settings.MAIL_FOLDER) / f"{name}.eml"
    if not _NAME.fullmatch(name) or not path.is_file():
        return None
    message: Message = BytesParser(policy=default).parsebytes(path.read_bytes(), headersonly=not whole)
    text = message.get_body(("plain",)) if whole else None
    at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return Mail(name, at, str(message["To"] or ""), str(message["Subject"] or ""), str(text.get_content()) if text else "")


def prune() -> int:
    """Remove what is older than a week. Returns how many."""
    old = [path for path in Path(settings.MAIL_FOLDER).glob("*.eml") if path.stat().st_mtime < time.time() - KEPT.total_seconds()]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)
