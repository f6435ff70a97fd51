"""What was already done to the database, so that a later start need not load Django only to find nothing to do."""

import hashlib
import json
import sysconfig
from pathlib import Path

from portal.stack.postgres import Postgres
from portal.stack.roles import DATABASE, STATE_SQL


class Prepared:
    """Remembers in var/prepared.json what was migrated and seeded, and for which cluster."""

    def __init__(self, path: Path, *, project: Path, postgres: Postgres) -> None:
        self._path = path
        self._project = project
        self._postgres = postgres
        self._done: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}

    def is_migrated(self) -> bool:
        """Whether our migrations, the installed packages and the database's own list are as after the last run."""
        return self._done.get("migrated") == self._migrations()

    def is_seeded(self) -> bool:
        """Whether this very cluster got the demo data."""
        return self._done.get("seeded") == self._cluster()[0]

    def note_migrated(self) -> None:
        """Remember that `migrate` ran."""
        self._note("migrated", self._migrations())

    def note_seeded(self) -> None:
        """Remember that `seed` ran."""
        self._note("seeded", self._cluster()[0])

    def _note(self, what: str, value: str) -> None:
        self._done[what] = value
        self._path.write_text(json.dumps(self._done))

    def _cluster(self) -> list[str]:
        """The cluster's own number and, once there are migrations, a digest of those that were applied."""
        return self._postgres.psql(STATE_SQL, DATABASE).split()

    def _migrations(self) -> str:
        digest = hashlib.sha256(" ".join(self._cluster()).encode())
        for file in sorted(self._project.glob("*/migrations/*.py")):
            digest.update(f"{file.relative_to(self._project)}\n".encode() + file.read_bytes())
        # Packages bring migrations, too; the names of their metadata folders carry their versions.
        packages = Path(sysconfig.get_path("purelib")).glob("*.dist-info")
        digest.update("\n".join(sorted(folder.name for folder in packages)).encode())
        return digest.hexdigest()
