"""The system user PostgreSQL runs as when the stack is started by root, which PostgreSQL refuses to be."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

from portal.stack.errors import StackError
from portal.stack.processes import Account, Say

NAME = "portico-postgres"
# Present on every system, but shared: whatever else runs as it could read the database's files.
LAST_RESORT = "nobody"
LASTING = (Path("/var/lib"), Path("/var/db"))


def for_postgres(say: Say) -> Account | None:
    """None for a normal user, who runs PostgreSQL as itself; for root a user without rights, made if missing."""
    if os.geteuid() != 0:
        return None
    found = _find(NAME)
    if found is None and shutil.which("useradd"):
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", NAME]
        subprocess.run(command, check=False, capture_output=True)  # nosec B603  (words of ours)
        found = _find(NAME)
        if found:
            say(f"PostgreSQL refuses to run as root, so the system user {NAME} was made for it")
    found = found or _find(LAST_RESORT)
    if found is None:
        raise StackError(f"PostgreSQL refuses to run as root. Make a user for it: useradd --system {NAME}")
    return found


def may_enter(account: Account, folder: Path) -> bool:
    """Whether the account can reach a folder. The system is asked: modes, groups and access lists all count."""
    command = ["/bin/sh", "-c", 'test -x "$1"', "sh", str(folder)]
    done = subprocess.run(command, cwd="/", user=account.uid, group=account.gid, extra_groups=[], check=False)  # nosec B603  (the folder is quoted)
    return done.returncode == 0


def folder_elsewhere() -> Path:
    """A new folder that any user can reach and that outlives a restart of the machine where there is such a place."""
    parent = next((place for place in LASTING if place.is_dir()), Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix="portico-", dir=parent))
    # Traversable, so that the account reaches its own closed folders inside; the folder itself stays ours.
    folder.chmod(0o711)
    return folder


def _find(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(name, entry.pw_uid, entry.pw_gid)
