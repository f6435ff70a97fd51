"""The job that asks DNS whether a domain is its tenant's: outside every lock and transaction, for DNS may take its time."""

from collections.abc import Callable, Collection
from uuid import UUID

import dns.exception
import dns.resolver

from gateway import domains
from gateway.models import Domain
from tenants import due, events
from tenants.scope import tenant_scope

# The texts at a name; raises DnsAway where nobody answers, which says nothing about the domain.
Resolver = Callable[[str], Collection[str]]
SECONDS = 4.0
AT_ONCE = 20


class DnsAway(Exception):  # noqa: N818  (reads as the sentence it is)
    pass


def look_up(name: str) -> list[str]:
    """
    :raises DnsAway: the name servers do not answer, or answer nonsense.
    """
    try:
        answer = dns.resolver.resolve(name, "TXT", lifetime=SECONDS, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.DNSException as error:
        raise DnsAway(str(error)) from error
    return [b"".join(each.strings).decode("ascii", "replace") for each in answer]


def check_domains(resolver: Resolver = look_up) -> int:
    return due.serve(domains.CHECK_JOB, lambda tenant_id, _until: _check(tenant_id, resolver), seconds=15.0)


def _check(tenant_id: UUID, resolver: Resolver) -> int:
    with tenant_scope(tenant_id):
        rows = list(Domain.objects.filter(next_at__lte=due.now()).order_by("next_at", "id")[:AT_ONCE])
    found = {row.pk: _says(row, resolver) for row in rows}
    with tenant_scope(tenant_id):
        events.lock()
        # Those that are still there.
        for row in Domain.objects.filter(pk__in=found).order_by("id"):
            domains.looked(row, found=found[row.pk])
        due.settle(domains.CHECK_JOB, Domain.objects.order_by("next_at").values_list("next_at", flat=True).first())
    return len(rows)


def _says(domain: Domain, resolver: Resolver) -> bool | None:
    try:
        return domain.record_says in resolver(domain.record)
    except DnsAway:
        return None
