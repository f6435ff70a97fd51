"""Who may write access logs: a gateway with its token and, where control asks for certificates, with one of its name."""

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc

from gateway import register, tls
from gateway.database import AWAY
from gateway.register import NodeId

log = logging.getLogger(__name__)

# A token may be taken back while its gateway's stream goes on.
AGAIN_SECONDS = 60.0
Ask = Callable[[Callable[[tuple[str, str]], NodeId | None], tuple[str, str]], Awaitable[NodeId | None]]


@dataclass(slots=True)
class Caller:
    """Whoever writes on one stream. `needs_token`: without one nothing is taken; one that is sent has to be right in any case."""

    context: grpc.aio.ServicerContext[Any, Any]
    needs_token: bool
    _name: str = ""
    _until: float = 0.0

    async def insist(self, name: str, ask: Ask) -> None:
        """End the stream with a sentence if it is not the gateway `name`'s; looked up once a minute.

        :param ask: the database.
        """
        if name == self._name and time.monotonic() < self._until:
            return
        if said := tls.refusal(self.context.auth_context(), name):
            await self._refuse(said)
        sent = authorization(self.context)
        if sent or self.needs_token:
            try:
                known = await ask(_authenticated, (sent, name))
            except AWAY:
                if not self._name:
                    await self.context.abort(grpc.StatusCode.UNAVAILABLE, "PostgreSQL does not answer.")
                # It was the gateway a minute ago.
                return
            if known is None:
                await self._refuse(f"No token of the gateway “{name}”.")
        self._name, self._until = name, time.monotonic() + AGAIN_SECONDS

    async def _refuse(self, said: str) -> None:
        log.warning("An access log is refused: %s", said)
        await self.context.abort(grpc.StatusCode.UNAUTHENTICATED, said)


def authorization(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    """What a caller sent under this name, "" for nothing."""
    metadata = dict(context.invocation_metadata() or ())
    value = metadata.get("authorization", "")
    return value if isinstance(value, str) else value.decode("ascii", "replace")


def _authenticated(sent: tuple[str, str]) -> NodeId | None:
    return register.authenticate(*sent)
