"""HTTP/2 (RFC 9113) as no client library speaks it: frames one by one, in clear text or over TLS, for tests of the gateway's edge."""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import h2.exceptions
from h2.settings import SettingCodes
from hpack import Encoder
from hyperframe.frame import Frame, HeadersFrame

from tests.live import DEADLINE, HOST, Answer

RST_STREAM, GOAWAY = 3, 7
Headers = Sequence[tuple[str, str]]


@dataclass
class Talk:
    """One connection. `answers`: by stream, once whole; `resets`: by stream, the error code;"""

    socket: socket.socket
    connection: h2.connection.H2Connection
    authority: str
    answers: dict[int, Answer] = field(default_factory=dict)
    resets: dict[int, int] = field(default_factory=dict)
    closed: bool = False
    greeted: bool = False
    # Frames (type, stream, first bytes of what they hold) as they came, for streams that were begun by hand.
    came: list[tuple[int, int, bytes]] = field(default_factory=list)
    _rest: bytes = b""
    _started: dict[int, dict[str, str]] = field(default_factory=dict)
    _bodies: dict[int, bytes] = field(default_factory=dict)

    @property
    def settings(self) -> dict[int, int]:
        """What the gateway has said of itself."""
        codes = (SettingCodes.MAX_CONCURRENT_STREAMS, SettingCodes.INITIAL_WINDOW_SIZE, SettingCodes.ENABLE_CONNECT_PROTOCOL)
        return {code: value for code in codes if (value := self.connection.remote_settings.get(code)) is not None}

    def head(self, path: str, token: str = "", *, method: str = "GET", headers: Headers = (), authority: str = "") -> list[tuple[str, str]]:
        said = [(":method", method), (":scheme", "http"), (":path", path), (":authority", authority or self.authority)]
        return [*said, *([("authorization", f"Bearer {token}")] if token else []), *headers]

    def begin(self, head: Headers, *, ends: bool = True) -> int:
        stream = self.connection.get_next_available_stream_id()
        self.connection.send_headers(stream, list(head), end_stream=ends)
        self.flush()
        return stream

    def call(self, path: str, token: str = "", *, method: str = "GET", headers: Headers = (), authority: str = "") -> Answer:
        """
        :raises AssertionError: it was not answered.
        """
        stream = self.begin(self.head(path, token, method=method, headers=headers, authority=authority))
        self.until(lambda: stream in self.answers or stream in self.resets or self.closed)
        assert stream in self.answers, f"reset {self.resets.get(stream)}, GOAWAY {self.goodbye}, closed {self.closed}"
        return self.answers[stream]

    def flush(self) -> None:
        self.raw(self.connection.data_to_send())

    def raw(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except OSError:
            self.closed = True

    def frames(self, *frames: Frame) -> None:
        self.raw(b"".join(each.serialize() for each in frames))

    def until(self, check: Callable[[], bool], *, within: float = DEADLINE) -> None:
        """Read until it is so, the gateway has closed, or the time is over."""
        ends = time.monotonic() + within
        while not check() and not self.closed and time.monotonic() < ends:
            self.read(0.05)

    def read(self, wait: float) -> None:
        self.socket.settimeout(wait)
        try:
            data = self.socket.recv(65_536)
        except TimeoutError:
            return
        except OSError:
            data = b""
        self.socket.settimeout(DEADLINE)
        if not data:
            self.closed = True
            return
        self._look(data)
        try:
            happened = self.connection.receive_data(data)
        except h2.exceptions.ProtocolError:
            # What was sent by hand this end knows nothing of.
            return
        for each in happened:
            self._take(each)
        with suppress(h2.exceptions.ProtocolError):
            self.flush()

    def _look(self, data: bytes) -> None:
        self._rest += data
        while len(self._rest) >= 9 and len(self._rest) >= 9 + (length := int.from_bytes(self._rest[:3], "big")):
            self.came.append((self._rest[3], int.from_bytes(self._rest[5:9], "big"), self._rest[9 : 9 + min(length, 8)]))
            self._rest = self._rest[9 + length :]

    @property
    def goodbye(self) -> int | None:
        """The error code of GOAWAY, None before it came."""
        return next((int.from_bytes(held[4:8], "big") for kind, _, held in self.came if kind == GOAWAY), None)

    @property
    def reset(self) -> dict[int, int]:
        """By stream, also of those that were begun by hand, the error code."""
        return {stream: int.from_bytes(held[:4], "big") for kind, stream, held in self.came if kind == RST_STREAM}

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RemoteSettingsChanged():
                self.greeted = True
            case h2.events.ResponseReceived():
                self._started[event.stream_id] = {_text(name): _text(value) for name, value in event.headers}
            case h2.events.DataReceived():
                self._bodies[event.stream_id] = self._bodies.get(event.stream_id, b"") + event.data
                if event.flow_controlled_length:
                    self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded():
                headers = self._started[event.stream_id]
                code = headers.get("x-portico-refusal", "")
                body = self._bodies.get(event.stream_id, b"")
                self.answers[event.stream_id] = Answer(int(headers[":status"]), code, headers, body)
            case h2.events.StreamReset():
                self.resets[event.stream_id] = int(event.error_code)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


@contextmanager
def talk(port: int, *, authority: str = "", over: socket.socket | None = None) -> Iterator[Talk]:
    """A connection whose settings both sides know. `over`: one that stands, as after a TLS handshake."""
    found = over or socket.create_connection((HOST, port), timeout=DEADLINE)
    config = h2.config.H2Configuration(
        client_side=True, validate_outbound_headers=False, normalize_outbound_headers=False, validate_inbound_headers=False
    )
    made = Talk(found, h2.connection.H2Connection(config), authority or f"{HOST}:{port}")
    try:
        made.connection.initiate_connection()
        made.flush()
        made.until(lambda: made.greeted)
        yield made
    finally:
        found.close()


def headers_frame(
    stream: int, head: Headers, *, encoder: Encoder | None = None, flags: Sequence[str] = ("END_HEADERS", "END_STREAM")
) -> Frame:
    """By hand, for what the library would not send."""
    frame = HeadersFrame(stream, data=(encoder or Encoder()).encode(list(head)))
    for each in flags:
        frame.flags.add(each)
    return frame
