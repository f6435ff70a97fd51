"""`manage.py verify_audit FILE [--keys JWKS_FILE]`: needs the export and the public keys, neither a database nor a running stack."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from keys import audit_proof


class Command(BaseCommand):
    help = "Verify an export of the audit: recompute every digest, the chain, and what Portico signed."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="an export as JSON lines")
        parser.add_argument("--keys", type=Path, help="the public keys, as they stand at /.well-known/portico-audit-keys")

    def handle(self, *_: Any, file: Path, keys: Path | None, **__: Any) -> None:
        """Exits 1 if anything is wrong, with where and how."""
        try:
            public = audit_proof.read_keys(keys.read_text()) if keys else None
            with file.open("rb") as export:
                report = audit_proof.verify(export, public)
        except (OSError, ValueError) as error:
            raise CommandError(str(error)) from error
        if report.count:
            raise CommandError(str(report))
        self.stdout.write(str(report))
