"""Where mails go that no mail server takes: a folder of files, each one mail, for a trial and for tests."""

import os
import secrets
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone

KEPT = timedelta(days=7)


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


def prune() -> int:
    """Remove what is older than a week. Returns how many."""
    old = [path for path in Path(settings.MAIL_FOLDER).glob("*.eml") if path.stat().st_mtime < time.time() - KEPT.total_seconds()]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)
