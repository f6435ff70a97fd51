"""`manage.py seed_scale`: a portal as full as it may become, to measure with."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.scale import run
from portal.scale.sizes import sizes
from tenants.models import Tenant

WIDTH = 30
# Between two lines where there is no terminal.
SECONDS = 10.0


class Command(BaseCommand):
    help = "Make many tenants, people and events, for measuring. Nothing that is there is changed; run it again to go on after a stop."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenants", type=int, default=10_000)
        parser.add_argument("--people", type=int, default=100_000)
        parser.add_argument("--events", type=int, default=1_000_000, help="of all tenants and the platform together")
        parser.add_argument("--seed", type=int, default=1, help="another number makes others")
        parser.add_argument("--yes", action="store_true", help="even where there are other tenants")

    def handle(self, *_: Any, tenants: int, people: int, events: int, seed: int, yes: bool, **__: Any) -> None:
        if tenants < 1:
            raise CommandError("Make at least one tenant.")
        self._look_around(tenants, seed, yes=yes)
        try:
            wanted = sizes(tenants, people, events)
        except ValueError as error:
            raise CommandError(str(error)) from None
        started = said = time.monotonic()
        told = 0
        for done, told in run.make(wanted, seed=seed):
            if self.stdout.isatty():
                self._bar(told, events, done)
            elif time.monotonic() - said >= SECONDS:
                said = time.monotonic()
                self.stdout.write(f"{done:,} of {tenants:,} tenants, {told:,} of {events:,} events.")
        took = time.monotonic() - started
        self.stdout.write(f"{tenants:,} tenants with {people:,} people and {told:,} events are there, after {took:.0f} s.")

    def _look_around(self, tenants: int, seed: int, *, yes: bool) -> None:
        """Among tenants that people use these would only be in the way, and nothing takes them out again but closing each."""
        ours = run.ours(tenants, seed)
        others = Tenant.objects.exclude(pk__in=ours)
        if Tenant.objects.filter(slug=run.BIGGEST).exclude(pk=ours[0]).exists():
            raise CommandError(f"There is a tenant “{run.BIGGEST}” already, as the biggest would be called. Take an empty database.")
        if not yes and (many := others.count()):
            raise CommandError(f"There are {many:,} other tenants here. Take an empty database, or say --yes.")

    def _bar(self, told: int, events: int, done: int) -> None:
        full = min(WIDTH, WIDTH * told // max(events, 1))
        bar = "█" * full + "░" * (WIDTH - full)
        self.stdout.write(f"\r\x1b[K{bar} {told:,} of {events:,} events, {done:,} tenants", ending="\n" if full == WIDTH else "")
        self.stdout.flush()
