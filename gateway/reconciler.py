"""Once in a while, whatever the events say: are a tenant's rows what its gateways have, and do these serve what they acknowledged?

One tenant after the other, spread over the cycle, so that five thousand cost no more at any moment than fifty.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.boards import Board
from gateway.database import AWAY, RETRY_SECONDS, first_line
from gateway.keeper import Keeper
from tenants.models import Tenant

log = logging.getLogger(__name__)

# So many canaries are under way at once; one that hangs takes a second.
CANARIES = 16


@dataclass(slots=True)
class Reconciler:
    """:param every: seconds in which each loaded tenant is looked at once; longer where that would take more than half of the time."""

    boards: Callable[[], Sequence[Board]]
    keepers_of: Callable[[Board], Iterable[Keeper]]
    every: float
    _canaries: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CANARIES))
    _looks: set[asyncio.Task[Any]] = field(default_factory=set)

    async def cycle(self) -> None:
        """Every tenant that some gateway has loaded, once."""
        clock = asyncio.get_running_loop().time
        loaded = [board for board in self.boards() if board.watchers]
        began = clock()
        for done, board in enumerate(loaded, start=1):
            started = clock()
            await self._look_at(board)
            took = clock() - started
            await asyncio.sleep(max(began + self.every * done / len(loaded) - clock(), took))
        if not loaded:
            await asyncio.sleep(min(self.every, RETRY_SECONDS))

    async def _look_at(self, board: Board) -> None:
        for keeper in self.keepers_of(board):
            task = asyncio.create_task(self._canary(keeper))
            self._looks.add(task)
            task.add_done_callback(self._looks.discard)
        try:
            await board.look()
        except AWAY as error:
            log.warning("PostgreSQL does not answer (%s), so %s is looked at later.", first_line(error), board.slug)
            await asyncio.sleep(RETRY_SECONDS)
        except Tenant.DoesNotExist:
            log.info("%s was erased.", board.slug)
        except Exception:
            # Whatever it was: the others have to be looked at.
            log.exception("Looking at %s failed.", board.slug)

    async def _canary(self, keeper: Keeper) -> None:
        async with self._canaries:
            try:
                await keeper.look()
            except AWAY:
                log.info("PostgreSQL is away, so what a canary answered is written down later.")
            except Exception:
                log.exception("Calling the canary of %s on %s failed.", keeper.board.slug, keeper.node.name)
