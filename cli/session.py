"""Who is signed in where: kept in a file that nobody else can read. A service account's key comes from the environment, and is kept
nowhere.
"""

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from cli.refusals import Refused, Usage

URL, TENANT, KEY = "PORTICO_URL", "PORTICO_TENANT", "PORTICO_KEY"
_HERE = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class Session:
    """`access` lives five minutes, `refresh` a day; a service account's session has only `access`, its key."""

    url: str
    tenant: str = ""
    email: str = ""
    access: str = ""
    refresh: str = ""


def folder() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "portico"


def _file() -> Path:
    return folder() / "session.json"


def checked(url: str) -> str:
    """
    :raises Usage: it is no address, or one to which passwords would go in the clear.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise Usage(f"“{url}” is not the address of a portal; write for example https://portal.example.com.")
    if parts.scheme == "http" and parts.hostname not in _HERE:
        raise Usage("Passwords and keys are sent by https only, but to this machine itself.")
    return url.rstrip("/")


def current(*, tenant: str = "") -> Session:
    """By the environment, where it has a key; else as somebody signed in.

    :raises Usage: neither, or no tenant is named.
    """
    tenant = tenant or os.environ.get(TENANT, "")
    if key := os.environ.get(KEY):
        if not (url := os.environ.get(URL)):
            raise Usage(f"{KEY} is set; set {URL}, too, to the address of the portal.")
        return Session(checked(url), tenant, access=key)
    found = kept()
    if found is None:
        raise Refused("Nobody is signed in here. Sign in with: portico sign-in --url https://…, or set PORTICO_URL and PORTICO_KEY.")
    return replace(found, tenant=tenant or found.tenant)


def kept() -> Session | None:
    try:
        told = json.loads(_file().read_text())
        return Session(**{name: str(told.get(name, "")) for name in ("url", "tenant", "email", "access", "refresh")})
    except (FileNotFoundError, ValueError, AttributeError):
        return None


def keep(session: Session) -> None:
    """As a whole or not at all, and readable by nobody else at any moment."""
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    # Made with 0600.
    handle, name = tempfile.mkstemp(dir=folder(), prefix=".session")
    with os.fdopen(handle, "w") as file:
        json.dump(asdict(session), file)
    Path(name).replace(_file())


def forget() -> None:
    _file().unlink(missing_ok=True)


@contextmanager
def alone() -> Iterator[None]:
    """A refresh token is used once, so two commands at the same time must not use the same."""
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder() / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
