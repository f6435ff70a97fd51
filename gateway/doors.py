"""What control knows of tenants' own host names: whose each is, and which certificate a gateway is given when a handshake names it."""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from gateway import register
from gateway.ads import Stream
from gateway.database import Database
from gateway.envoy.doors import is_host
from gateway.envoy.resources import SECRET
from keys.envelope import Unavailable, Unreadable

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Doors:
    """`hosts`: all that there are, so that a name which nobody has costs no question to PostgreSQL."""

    database: Database
    hosts: dict[str, UUID] = field(default_factory=dict)

    async def read(self, tenant_id: UUID | None = None) -> Iterable[str]:
        """Look which there are, of one tenant or of all; returns those that are gone, or another tenant's."""
        found, before = await self.database.ask(register.hosts, tenant_id), self.hosts
        others = {host: of for host, of in before.items() if tenant_id is not None and of != tenant_id}
        self.hosts = others | found
        return [host for host, of in before.items() if self.hosts.get(host) != of]

    def to_look_at(self, stream: Stream, tenant_id: UUID | None) -> Iterator[str]:
        """What a gateway has, or waits for: of one tenant, or of all. What is nobody's any more is always among them."""
        for name in stream.subscribed.get(SECRET, set()).copy():
            if is_host(name) and (tenant_id is None or self.hosts.get(name) in {None, tenant_id}):
                yield name

    async def answer(self, stream: Stream, name: str, *, serves: Callable[[UUID], bool]) -> None:
        """Its certificate, if there is one that the gateway has not; else that there is none, which ends the handshake.

        Of a name in capitals there is none: a gateway would keep it once more for each spelling. Nor is there one of a tenant that is not
        there: whoever connects to a gateway says which names it asks for, and a private key goes nowhere for that.

        :param serves: whether a tenant may be called at this gateway; where it may not be, its keys are no matter of it.
        :raises gateway.ads.Refused: the gateway does not take it. :raises TimeoutError: it says nothing.
        """
        tenant_id = self.hosts.get(name)
        there = tenant_id is not None and serves(tenant_id)
        try:
            found = await self.database.ask(register.door, name, tenant_id) if there and tenant_id is not None else None
        except (Unreadable, Unavailable) as error:
            log.warning("The key of the domain %s can't be read: %s", name, error)
            if name in stream.known.get(SECRET, {}):
                # It goes on with what it has.
                return
            found = None
        # It may have been moved meanwhile.
        if found is None or tenant_id is None or not serves(tenant_id):
            await stream.send(SECRET, removed=[name])
        elif not stream.has(found):
            await stream.send(SECRET, [found])
