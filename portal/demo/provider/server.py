"""The server: it checks the key, remembers what came, and behaves as the key or the model's name says."""

import asyncio
import json
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from portal.demo.provider import answers
from portal.demo.provider.asked import ENDPOINTS, Asked, Unreadable, read

HOST = "127.0.0.1"
# What every key begins with that it accepts. Behind it may stand how to behave, and whatever else: sk-mock-429-a1b2.
KEY = "sk-mock"
MODELS = ("mock-small", "mock-large", "mock-embedding")
STATUSES = {"400", "401", "403", "404", "429", "500", "502", "503", "529"}
BEHAVIOURS = {
    **{status: f"answers {status}" for status in sorted(STATUSES)},
    "slow": "takes its time before the first byte",
    "hang": "takes the call and never answers",
    "reset": "ends the connection in place of an answer",
    "half": "ends the connection in the middle of an answer",
    "silent": "stops in the middle of a stream, and keeps the connection",
    "html": "answers 200 with a web page",
    "broken": "answers 200 with what is no JSON",
    "unmetered": "tells no usage",
    "cached": "tells that half of what it was sent was remembered",
}
# A call that nobody ends is forgotten after so long.
_FOR_EVER = 600.0
_MOST_BODY = 64 * 1024 * 1024
_MOST_HEAD = 256 * 1024
_KEYS = ("x-api-key", "api-key", "x-goog-api-key")


@dataclass(frozen=True, slots=True)
class Seen:
    """A call as it came; `headers` with names in lower case."""

    method: str
    path: str
    headers: dict[str, str] = field(repr=False)
    body: bytes

    @property
    def key(self) -> str:
        """In whichever header it came."""
        bearer = self.headers.get("authorization", "")
        return bearer[7:] if bearer[:7].lower() == "bearer " else next((self.headers[name] for name in _KEYS if name in self.headers), "")


@dataclass
class Provider:
    """It listens as long as it is entered, in a thread of its own.

    :param port: 0 for a free one. :param pause: seconds between two pieces of a stream. :param late: seconds before the first byte of what
        is slow. :param behaviour: whatever key and model say; "" for what they say.
    """

    port: int = 0
    pause: float = 0.02
    late: float = 2.0
    behaviour: str = ""
    seen: deque[Seen] = field(default_factory=lambda: deque(maxlen=10_000))
    # How many calls came.
    calls: int = 0
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop, repr=False)
    _thread: threading.Thread | None = field(default=None, repr=False)
    _open: set[asyncio.Task[None]] = field(default_factory=set, repr=False)
    _server: asyncio.Server | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def __enter__(self) -> "Provider":
        asyncio.set_event_loop(None)
        self._loop.run_until_complete(self._listen())
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        if self._thread is not None:
            self._thread.join()
        self._loop.close()

    def stop(self) -> None:
        """Be down: calls under way end, and nothing listens, until `start`."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)

    def start(self) -> None:
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def serve(self, ready: Callable[[], None]) -> None:
        """Until the process is told to end."""
        self._loop.run_until_complete(self._listen())
        ready()
        with suppress(KeyboardInterrupt):
            self._loop.run_forever()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, HOST, self.port, limit=_MOST_HEAD, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        if self._server is not None:
            # What is being accepted has to be done first: Python 3.11 would forget it, still open, with the server.
            for each in self._server.sockets:
                self._loop.remove_reader(each.fileno())
            for _ in range(3):
                await asyncio.sleep(0)
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
                while await self._answered(await _read(reader), writer):
                    await writer.drain()
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._open.discard(task)
            writer.close()

    async def _answered(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        """Whether another call may come on the connection."""
        self.seen.append(seen)
        self.calls += 1
        path = seen.path.partition("?")[0]
        endpoint = next((each for each in ENDPOINTS if path.endswith(each)), "")
        anthropic = endpoint == "/messages" or "anthropic-version" in seen.headers
        if not _knows(seen.key):
            return _refused(writer, 401, "Incorrect API key provided.", anthropic=anthropic)
        listing = seen.method == "GET" and path.endswith("/models")
        if not listing and (seen.method != "POST" or not endpoint):
            return _refused(writer, 404, f"Invalid URL ({seen.method} {path})", anthropic=anthropic)
        asked: Asked | None = None
        if not listing:
            try:
                asked = read(endpoint, seen.body)
            except Unreadable as error:
                return _refused(writer, 400, str(error), anthropic=anthropic)
        behaviour = self.behaviour or _behaviour(seen.key) or _behaviour(asked.model if asked else "")
        if (kept := await self._misbehaved(behaviour, writer, anthropic=anthropic)) is not None:
            return kept
        now = int(time.time())
        if asked is None:
            return _written(writer, 200, json.dumps(answers.models(MODELS, now)).encode())
        call = answers.Call(asked, uuid.uuid4().hex[:24], now, cached=behaviour == "cached", silent=behaviour == "unmetered")
        if asked.stream and endpoint != "/embeddings":
            return await self._streamed(answers.events(call), behaviour, writer)
        told = json.dumps(answers.whole(call), ensure_ascii=False).encode()
        if behaviour == "half":
            _written(writer, 200, told[: len(told) // 2], {"content-length": str(len(told))})
            return False
        return _written(writer, 200, told)

    async def _misbehaved(self, behaviour: str, writer: asyncio.StreamWriter, *, anthropic: bool) -> bool | None:
        """None if it answers as it should, perhaps late."""
        if behaviour in STATUSES:
            status = int(behaviour)
            more = {"retry-after": "1"} if status == 429 else {}
            return _refused(writer, status, f"This mock was asked to answer {status}.", anthropic=anthropic, more=more)
        if behaviour == "slow":
            await asyncio.sleep(self.late)
        elif behaviour == "hang":
            await asyncio.sleep(_FOR_EVER)
            return False
        elif behaviour == "reset":
            writer.transport.abort()
            return False
        elif behaviour == "html":
            return _written(writer, 200, b"<!doctype html><title>We will be back soon</title>", {"content-type": "text/html"})
        elif behaviour == "broken":
            return _written(writer, 200, b'{"id": "chatcmpl-', {})
        return None

    async def _streamed(self, events: Iterable[bytes], behaviour: str, writer: asyncio.StreamWriter) -> bool:
        head = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", "transfer-encoding": "chunked"}
        writer.write(_head(200, head))
        told = list(events)
        for number, event in enumerate(told):
            if behaviour in {"half", "silent"} and number == len(told) // 2:
                await asyncio.sleep(_FOR_EVER if behaviour == "silent" else 0)
                writer.transport.abort()
                return False
            writer.write(b"%x\r\n%b\r\n" % (len(event), event))
            await writer.drain()
            if self.pause:
                await asyncio.sleep(self.pause)
        writer.write(b"0\r\n\r\n")
        return True


def _knows(key: str) -> bool:
    return key == KEY or key.startswith(f"{KEY}-")


def _behaviour(name: str) -> str:
    return next((part for part in name.split("-") if part in BEHAVIOURS), "")


def _refused(writer: asyncio.StreamWriter, status: int, message: str, *, anthropic: bool, more: Mapping[str, str] | None = None) -> bool:
    return _written(writer, status, json.dumps(answers.error(status, message=message, anthropic=anthropic)).encode(), more)


def _written(writer: asyncio.StreamWriter, status: int, body: bytes, more: Mapping[str, str] | None = None) -> bool:
    writer.write(_head(status, {"content-type": "application/json", "content-length": str(len(body)), **(more or {})}) + body)
    return True


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {'OK' if status == 200 else 'Refused'}", *(f"{name}: {value}" for name, value in headers.items())]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")


async def _read(reader: asyncio.StreamReader) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *rest = head.rstrip("\r\n").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (each.partition(":") for each in rest)}
    method, path, _ = line.split(" ", 2)
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = await _chunks(reader)
    else:
        body = await reader.readexactly(_bounded(int(headers.get("content-length", "0"))))
    return Seen(method, path, headers, body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    found = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        found += await reader.readexactly(size)
        _bounded(len(found))
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")
    return bytes(found)


def _bounded(length: int) -> int:
    if not 0 <= length <= _MOST_BODY:
        raise ValueError(length)
    return length
