"""A proxy between two parts, which lets bytes pass or does to them what networks do: for tests of failures."""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

Address = Path | tuple[str, int]
# Closing a socket with bytes unsent and no time to linger is a reset.
_AT_ONCE = struct.pack("ii", 1, 0)


class Mode(StrEnum):
    PASS = "pass"  # nosec B105  (a name)
    # Nobody is there: connections end, and new ones are turned away.
    CUT = "cut"
    # The same, without a goodbye.
    RESET = "reset"
    # A cable that was pulled: whatever is sent goes nowhere, and nothing ends.
    STALL = "stall"
    # Each piece waits.
    DELAY = "delay"
    # What is asked arrives, and no answer comes back.
    HALF = "half"
    # The other end has forgotten what stands now, as when its machine started anew: that hangs for good, and what comes after passes.
    LOST = "lost"


# Where no connection can be.
ENDED = {Mode.CUT, Mode.RESET}


class FaultProxy:
    """From `listen` to `target`, each a unix socket's path or a host with a port; port 0 takes a free one."""

    DELAY_SECONDS = 0.2

    def __init__(self, listen: Address, target: Address) -> None:
        self.listen, self.target = listen, target
        self._mode = Mode.PASS
        self._loop = asyncio.new_event_loop()
        self._connections: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter | None]] = set()
        self._changed = asyncio.Event()
        self.accepted = 0
        # How often everything was lost; a connection of an earlier age hangs.
        self._age = 0
        self._awaited: tuple[bytes, bytes, Mode] | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._do(self._start)

    @property
    def mode(self) -> Mode:
        return self._mode

    def _do(self, work: Callable[[], Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work(), self._loop).result(10)

    async def _start(self) -> asyncio.Server:
        if isinstance(self.listen, Path):
            return await asyncio.start_unix_server(self._serve, self.listen)
        found = await asyncio.start_server(self._serve, *self.listen)
        self.listen = found.sockets[0].getsockname()[:2]
        return found

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        age = self._age
        if self._mode in ENDED:
            _end(writer, reset=self._mode is Mode.RESET)
            return
        pair: tuple[asyncio.StreamWriter, asyncio.StreamWriter | None] = (writer, None)
        self._connections.add(pair)
        try:
            # Where nothing passes, it is accepted and that is all: as a server does that hangs.
            await self._may_pass(age)
            opened = asyncio.open_unix_connection(self.target) if isinstance(self.target, Path) else asyncio.open_connection(*self.target)
            there_reader, there = await opened
            self._connections.discard(pair)
            pair = (writer, there)
            self._connections.add(pair)
            await asyncio.gather(self._pump(reader, there, age), self._pump(there_reader, writer, age, back=True))
        except OSError:
            pass
        finally:
            self._connections.discard(pair)
            for each in pair:
                if each is not None:
                    _end(each)

    def _hangs(self, age: int, *, back: bool) -> bool:
        return age < self._age or self._mode is Mode.STALL or (back and self._mode is Mode.HALF)

    async def _may_pass(self, age: int, *, back: bool = False) -> None:
        while self._mode not in ENDED and self._hangs(age, back=back):
            self._changed.clear()
            await self._changed.wait()
        if self._mode in ENDED:
            raise ConnectionAbortedError
        if self._mode is Mode.DELAY:
            await asyncio.sleep(self.DELAY_SECONDS)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, age: int, *, back: bool = False) -> None:
        begun = False
        while piece := await reader.read(64 * 1024):
            await self._may_pass(age, back=back)
            if self._awaited is not None and not back:
                first, then, mode = self._awaited
                begun = begun or first in piece
                if begun and then in piece:
                    self._awaited = None
                    # What follows goes there; no answer of it comes back.
                    await self._set(mode)
            writer.write(piece)
            await writer.drain()
        with suppress(OSError):
            writer.write_eof()

    def set(self, mode: Mode) -> None:
        """From now on; connections that there are end where none can be."""
        self._do(lambda: self._set(mode))

    def set_after(self, piece: bytes, mode: Mode, *, first: bytes = b"") -> None:
        """As soon as somebody sends this, which still arrives where `mode` lets it.

        :param first: what the same connection has to send before or with it.
        """
        self._awaited = (first, piece, mode)

    async def _set(self, mode: Mode) -> None:
        self._mode = mode
        if mode is Mode.LOST:
            self._age += 1
        self._changed.set()
        if mode in ENDED:
            for pair in list(self._connections):
                for each in pair:
                    if each is not None:
                        _end(each, reset=mode is Mode.RESET)

    @contextmanager
    def faulty(self, mode: Mode) -> Iterator[None]:
        self.set(mode)
        try:
            yield
        finally:
            self.set(Mode.PASS)

    def stop(self) -> None:
        self.set(Mode.CUT)
        self._do(self._stop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _stop(self) -> None:
        # Nobody is accepted any more; closed at once, the server would leave those open whom it accepted a moment ago (CPython asserts that
        # it is open as it takes them in).
        for each in self._server.sockets:
            self._loop.remove_reader(each.fileno())
        while serving := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(serving)
        self._server.close()
        # What was ended is closed by the loop's next turns.
        await asyncio.sleep(0.05)


def _end(writer: asyncio.StreamWriter, *, reset: bool = False) -> None:
    found = writer.get_extra_info("socket")
    if reset and found is not None and found.family in {socket.AF_INET, socket.AF_INET6}:
        with suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    writer.transport.abort()
