"""The operator's word that a domain is a tenant's, in place of the proof in its DNS."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gateway import domains
from gateway.models import Domain
from tenants.errors import NotAllowed
from tenants.models import Tenant
from tenants.scope import tenant_scope


class Command(BaseCommand):
    help = "Confirm that a domain which a tenant has added is the tenant's. The daily look for its proof goes on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("tenant", help="the tenant's slug")
        parser.add_argument("domain", help="as it was added")

    def handle(self, *_: Any, tenant: str, domain: str, **__: Any) -> None:
        found = Tenant.objects.filter(slug=tenant).values_list("pk", flat=True).first()
        if found is None:
            raise CommandError(f"There is no tenant “{tenant}”.")
        with tenant_scope(found):
            row = Domain.objects.filter(name=domain).first()
            if row is None:
                raise CommandError(f"The tenant “{tenant}” has not added {domain}.")
            try:
                domains.confirm(row, by=None)
            except NotAllowed as refused:
                raise CommandError(str(refused)) from None
        self.stdout.write(f"{domain} is confirmed.")
