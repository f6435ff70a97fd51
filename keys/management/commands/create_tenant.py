from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from keys.actions.signing import create_tenant
from tenants.errors import Invalid, NotAllowed


class Command(BaseCommand):
    help = "Create a tenant, able to issue tokens at once. Give it an admin with add_member."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="stands in addresses, never changes: acme")
        parser.add_argument("name", help="what people read: 'Acme Inc.'")

    def handle(self, *_: Any, slug: str, name: str, **__: Any) -> None:
        try:
            tenant = create_tenant(slug=slug, name=name, by=None)
        except Invalid as error:
            sentences = [f"{field}: {sentence}" for field, found in error.problems.items() for sentence in found]
            raise CommandError("\n".join(sentences)) from error
        except NotAllowed as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Created {tenant} ({tenant.slug}).")
