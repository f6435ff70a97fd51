"""Where things lie: folders under var/, sockets whose path fits, secrets, and the wheels' programs."""

import hashlib
import importlib.util
import os
import secrets
import shutil
import stat
import tempfile
from pathlib import Path

from portal.stack.errors import StackError
from portal.stack.processes import Account

# A unix socket's path ends at 104 bytes on macOS and 108 on Linux, its closing zero included.
LONGEST_SOCKET = 100
LONGEST_NAME = ".s.PGSQL.5432"


class Places:
    """The folders of one stack. All but `var` itself are closed to other users."""

    def __init__(self, var: Path) -> None:
        self.var = var.absolute()
        self.secrets = self.var / "secrets"
        self.logs = self.var / "log"
        self.state = self.var / "run"
        self.environment = self.state / "environment.json"
        self.book = self.state / "processes.json"

    def make(self) -> None:
        """Make the folders that are missing. Raises StackError when they can't be ours."""
        try:
            self.var.mkdir(parents=True, exist_ok=True)
            for folder in (self.secrets, self.logs, self.state):
                private(folder)
        except OSError as error:
            raise StackError(f"Portico can't keep its data in {self.var} ({error}). Choose with PORTICO_VAR.") from error

    @property
    def run(self) -> Path:
        """Where the sockets of our own processes lie."""
        return short(self.state)

    def log(self, name: str) -> Path:
        """The log of a process."""
        return self.logs / f"{name}.log"

    def secret(self, name: str) -> str:
        """A secret kept in var/secrets, made on first use."""
        path = self.secrets / name
        if not path.exists():
            write_private(path, secrets.token_hex(32))
        return path.read_text().strip()


def private(folder: Path, account: Account | None = None) -> Path:
    """Make a folder only its owner may enter. Raises StackError when somebody else owns it or others may enter."""
    folder.mkdir(mode=0o700, exist_ok=True)
    owner = account.uid if account else os.geteuid()
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {owner, os.geteuid()}:
        raise StackError(f"{folder} should be a folder of this stack's own, but it belongs to somebody else. Remove it.")
    folder.chmod(0o700)
    if account:
        os.chown(folder, account.uid, account.gid)
    return folder


def short(folder: Path, account: Account | None = None) -> Path:
    """`folder` itself, made private, or, where a socket's path in it would be too long, one in the temporary folder."""
    if len(os.fsencode(folder / LONGEST_NAME)) > LONGEST_SOCKET:
        name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"portico-{name}"
    return private(folder, account)


def write_private(path: Path, text: str) -> None:
    """Replace a file by one that only we can read."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    new.replace(path)


def wheel(package: str) -> Path | None:
    """The folder of an installed package, without importing it: what it runs at import is not wanted here."""
    found = importlib.util.find_spec(package)
    folders = found.submodule_search_locations if found else None
    return Path(next(iter(folders))) if folders else None


def executable(package: str, pattern: str, *, title: str, instead: str) -> Path:
    """An executable in a wheel, else one of that name on the PATH. Raises StackError with both cures."""
    folder = wheel(package)
    inside = next(iter(sorted(folder.glob(pattern))), None) if folder else None
    on_path = shutil.which(Path(pattern).name)
    if inside:
        return inside
    if on_path:
        return Path(on_path)
    raise StackError(f'{title} is not installed. Run `pip install "portico[embedded]"`, or set {instead}.')
