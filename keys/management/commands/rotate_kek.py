"""`manage.py rotate_kek`: seal every secret under the key-encryption key that the settings name first."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from keys import authenticators
from keys.envelope import Unavailable
from keys.kek import kek
from keys.rewrapping import Unread, rewrap, tenants
from tenants.models import Tenant

WIDTH = 30
# Between two lines where there is no terminal.
SECONDS = 10.0


class Command(BaseCommand):
    help = (
        "Re-seal every secret under the key-encryption key of the settings. Nothing is interrupted; run it again whenever it ended early."
    )

    def handle(self, *_: Any, **__: Any) -> None:
        """Exits 1 if a secret can't be read, or no key-encryption key can be asked."""
        total, done, resealed = Tenant.objects.count(), 0, 0
        unread = _Unread(self)
        said = time.monotonic()
        try:
            current_id = kek().current_id
            for count in authenticators.rewrap(kek(), current_id=current_id, unread=unread):
                resealed += count
            unread.slug = "platform"
            for count in rewrap(None, kek(), current_id=current_id, unread=unread):
                resealed += count
            for done, (tenant_id, slug) in enumerate(tenants(), start=1):
                unread.slug = slug
                for count in rewrap(tenant_id, kek(), current_id=current_id, unread=unread):
                    resealed += count
                if self.stdout.isatty():
                    self._bar(done, max(total, done), resealed)
                elif time.monotonic() - said >= SECONDS:
                    said = time.monotonic()
                    self.stdout.write(f"{done:,} of {max(total, done):,} tenants, {resealed:,} secrets re-sealed.")
        except Unavailable as error:
            raise CommandError(f"{error} {resealed:,} secrets were re-sealed before. Run rotate_kek again to go on.") from error
        if unread.count:
            raise CommandError(f"{unread.count:,} secrets can't be read and stay as they are; {resealed:,} others were re-sealed.")
        self.stdout.write(f"All secrets of {done:,} tenants are sealed under {current_id}; {resealed:,} were re-sealed now.")

    def _bar(self, done: int, total: int, resealed: int) -> None:
        full = WIDTH * done // total
        bar = "█" * full + "░" * (WIDTH - full)
        self.stdout.write(f"\r\x1b[K{bar} {done:,} of {total:,} tenants, {resealed:,} secrets", ending="\n" if done == total else "")
        self.stdout.flush()


class _Unread:
    """Tells each secret that can't be read at once, however many there are."""

    def __init__(self, command: Command) -> None:
        self.command, self.slug, self.count = command, "people", 0

    def __call__(self, found: Unread) -> None:
        self.count += 1
        clear = "\r\x1b[K" if self.command.stdout.isatty() else ""
        self.command.stderr.write(f"{clear}{self.slug} {found.table} {found.row_id}: {found.why}")
