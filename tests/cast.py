"""The people of most tests, and how they come on quickly."""

import re
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from keys.actions import signing
from keys.kek import kek
from tenants.models import PlatformCounter, Role, Tenant, User
from tests import make

# Of what was recorded, this reads and leaves nothing behind, or is Django's own.
_LEFT_OUT = re.compile(r"SELECT (?!set_config)|SAVEPOINT |RELEASE ")


@dataclass(frozen=True)
class Cast:
    """Pam publishes at Acme, Ada approves and administers at Acme, Carl develops at Acme, Olga operates the platform, Eve is at Globex
    and sees nothing.
    """

    acme: Tenant
    globex: Tenant
    pam: User
    ada: User
    carl: User
    eve: User
    olga: User

    def read(self) -> Self:
        """The same from the database, whatever became of these objects."""
        tenants = Tenant.objects.in_bulk([self.acme.pk, self.globex.pk])
        users = User.objects.in_bulk([each.pk for each in vars(self).values() if isinstance(each, User)])
        rows: dict[UUID, Any] = {**tenants, **users}
        return type(self)(**{name: rows[each.pk] for name, each in vars(self).items()})


def make_cast(suffix: str = "") -> Cast:
    acme, globex = make.tenant(f"acme{suffix}", "Acme"), make.tenant(f"globex{suffix}", "Globex")
    return Cast(
        acme=acme,
        globex=globex,
        pam=make.member(acme, f"pam{suffix}@acme.example", Role.PUBLISHER),
        ada=make.member(acme, f"ada{suffix}@acme.example", Role.ADMIN, Role.APPROVER),
        carl=make.member(acme, f"carl{suffix}@acme.example", Role.DEVELOPER),
        eve=make.member(globex, f"eve{suffix}@globex.example", *Role),
        olga=make.user(f"olga{suffix}@portico.example", is_staff=True),
    )


@dataclass(frozen=True)
class _Recording:
    """What making the cast wrote, in SQL, where the platform's chain of events was at `chain`."""

    cast: Cast
    chain: tuple[int, str]
    sql: str


_recorded: _Recording | None = None


def cast_of_a_test() -> Cast:
    """For a transaction that is rolled back: made once, and then written as it was, in a tenth of the time."""
    global _recorded  # noqa: PLW0603
    if vars(signing)["kek"] is not kek:
        # Sealed by keys that a test has to itself.
        return make_cast()
    chain = PlatformCounter.objects.values_list("number", "digest").get()
    if _recorded is None or _recorded.chain != chain:
        began = timezone.now()
        with CaptureQueriesContext(connection) as found:
            cast = make_cast()
        written = [each["sql"] for each in found.captured_queries if not _LEFT_OUT.match(each["sql"])]
        # What jobs do for new tenants is due as long after the test begins as it was then.
        tenants = f"'{cast.acme.pk}', '{cast.globex.pk}'"
        written.append(f"UPDATE tenants_due SET at = at + (now() - '{began.isoformat()}') WHERE tenant_id IN ({tenants})")
        _recorded = _Recording(cast, chain, ";\n".join(written))
        return cast
    with connection.cursor() as cursor:
        cursor.execute(_recorded.sql)
    return _recorded.cast.read()
