"""What lies in MAIL_FOLDER, as people read it."""

import re
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from portal import tasks


@dataclass(frozen=True)
class Letter:
    to: str
    subject: str
    text: str
    html: str
    # By file name.
    attached: dict[str, bytes]

    @property
    def link(self) -> str:
        """The one link in it, as a path of the portal."""
        [found] = set(re.findall(r"https?://\S+", self.text))
        assert found.startswith(settings.PORTAL_URL)
        assert f'href="{found}"'.replace("&", "&amp;") in self.html
        parts = urlsplit(found)
        return f"{parts.path}?{parts.query}" if parts.query else parts.path


@pytest.fixture
def folder(settings: pytest.FixtureRequest, tmp_path: Path) -> Path:
    settings.EMAIL_BACKEND = "portal.outbox.EmailBackend"  # type: ignore[attr-defined]
    settings.MAIL_FOLDER = tmp_path / "mail"  # type: ignore[attr-defined]
    return tmp_path / "mail"


def letters(folder: Path) -> list[Letter]:
    """What the job sends now."""
    tasks.send_account_mails()
    found = []
    for path in sorted(folder.glob("*.eml")):
        message = BytesParser(policy=default).parsebytes(path.read_bytes())
        text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
        assert text is not None
        assert html is not None
        attached = {each.get_filename() or "": each.get_content() for each in message.iter_attachments()}
        found.append(Letter(message["To"], message["Subject"], text.get_content(), html.get_content(), attached))
        path.unlink()
    return found
