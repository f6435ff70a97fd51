"""Upstreams that hang, reset, lie or never end: callers get the right code or a connection that ends, and nobody else's bytes."""

import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest

from tests import live
from tests.live import HOST, Client, Gateway, Shop, Upstream

TIMEOUT_MS = 3_000
OK = b"HTTP/1.1 200 OK\r\n"
# What an upstream says of one call, of which no other caller may see anything.
SECRET = b"of somebody else"
CUT = "cut"


def hang(to: socket.socket) -> None:
    """Nothing, for longer than anybody waits."""
    time.sleep(TIMEOUT_MS / 1000 + 3)


def reset(to: socket.socket) -> None:
    to.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def close(to: socket.socket) -> None:
    """Without an answer."""


def garbage(to: socket.socket) -> None:
    to.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


def no_status(to: socket.socket) -> None:
    to.sendall(b"HTTP/1.1 abc Whatever\r\ncontent-length: 2\r\n\r\nok")


def endless_headers(to: socket.socket) -> None:
    to.sendall(OK)
    with suppress(OSError):
        for number in range(100_000):
            to.sendall(f"x-{number}: {'y' * 1000}\r\n".encode())


def headers_that_drip(to: socket.socket) -> None:
    to.sendall(OK)
    with suppress(OSError):
        for number in range(100):
            to.sendall(f"x-{number}: y\r\n".encode())
            time.sleep(0.1)


def two_lengths(to: socket.socket) -> None:
    to.sendall(OK + b"content-length: 2\r\ncontent-length: 20\r\n\r\nok" + SECRET)


def shorter_than_it_says(to: socket.socket) -> None:
    to.sendall(OK + b"content-length: 100\r\n\r\nbeginning")


def shorter_and_hangs(to: socket.socket) -> None:
    shorter_than_it_says(to)
    hang(to)


def half_a_chunk(to: socket.socket) -> None:
    to.sendall(OK + b"transfer-encoding: chunked\r\n\r\n5\r\nwhole\r\n64\r\nhalf")


def half_a_chunk_and_hangs(to: socket.socket) -> None:
    half_a_chunk(to)
    hang(to)


def no_last_chunk(to: socket.socket) -> None:
    to.sendall(OK + b"transfer-encoding: chunked\r\n\r\n5\r\nwhole\r\n")


def chunk_of_no_size(to: socket.socket) -> None:
    to.sendall(OK + b"transfer-encoding: chunked\r\n\r\nzz\r\nwhole\r\n0\r\n\r\n")


def longer_than_it_says(to: socket.socket) -> None:
    to.sendall(OK + b"content-length: 2\r\n\r\nok" + SECRET)
    # Kept open, as a connection that could be used again.
    to.settimeout(0.5)
    with suppress(OSError):
        to.recv(1)


def an_answer_nobody_asked_for(to: socket.socket) -> None:
    to.sendall(OK + b"content-length: 2\r\n\r\nok" + OK + b"content-length: 16\r\n\r\n" + SECRET)
    to.settimeout(0.5)
    with suppress(OSError):
        to.recv(1)


def an_answer_after_a_while(to: socket.socket) -> None:
    """The same, once the connection waits to be used again. What comes while another call is on it can't be told from its answer."""
    to.sendall(OK + b"content-length: 2\r\n\r\nok")
    time.sleep(0.2)
    to.sendall(OK + b"content-length: 16\r\n\r\n" + SECRET)
    to.settimeout(0.5)
    with suppress(OSError):
        to.recv(1)


UNAVAILABLE, TIMED_OUT = "503 UPSTREAM_UNAVAILABLE", "504 UPSTREAM_TIMEOUT"
BAD: dict[Callable[[socket.socket], None], str] = {
    hang: TIMED_OUT,
    reset: UNAVAILABLE,
    close: UNAVAILABLE,
    garbage: UNAVAILABLE,
    no_status: UNAVAILABLE,
    endless_headers: UNAVAILABLE,
    headers_that_drip: TIMED_OUT,
    two_lengths: UNAVAILABLE,
    shorter_than_it_says: CUT,
    shorter_and_hangs: CUT,
    half_a_chunk: CUT,
    half_a_chunk_and_hangs: CUT,
    no_last_chunk: CUT,
    chunk_of_no_size: CUT,
    longer_than_it_says: "200 ok",
    an_answer_nobody_asked_for: "200 ok",
    an_answer_after_a_while: "200 ok",
}


class Bad:
    """Reads a call and lets `answer` do the rest; a connection carries one call."""

    def __init__(self) -> None:
        self.answer: Callable[[socket.socket], None] = close
        self.server = socket.create_server((HOST, 0))
        self.url = f"http://{HOST}:{self.server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.server.accept()
                threading.Thread(target=self._serve, args=[connection, self.answer], daemon=True).start()

    def _serve(self, connection: socket.socket, answer: Callable[[socket.socket], None]) -> None:
        with connection, suppress(OSError):
            read = b""
            while b"\r\n\r\n" not in read and (piece := connection.recv(64 * 1024)):
                read += piece
            answer(connection)

    def stop(self) -> None:
        self.server.close()


@dataclass
class World:
    gateway: Gateway
    shop: Shop
    carl: Client
    bad: Bad

    def call(self) -> tuple[str, float]:
        """What the caller gets in the end, and after how long."""
        began = time.monotonic()
        try:
            answer = live.call(self.gateway.port, self.shop.path(), self.carl.token())
            found = f"{answer.status} {answer.code or answer.body.decode('latin-1')}"
        except (http.client.HTTPException, ConnectionError):
            found = CUT
        return found, time.monotonic() - began


@pytest.fixture(scope="module")
def bad() -> Iterator[Bad]:
    made = Bad()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def _shops() -> dict[str, tuple[Shop, Client]]:
    """One tenant for all of them."""
    return {}


@pytest.fixture
def world(gateway: Gateway, upstream: Upstream, bad: Bad, _shops: dict[str, tuple[Shop, Client]]) -> World:
    if "" not in _shops:
        shop = live.shop(upstream, url=bad.url, timeout_ms=TIMEOUT_MS)
        _shops[""] = shop, shop.client()
    shop, carl = _shops[""]
    bad.answer = fine
    gateway.settles(200, "", shop.path(), carl.token())
    return World(gateway, shop, carl, bad)


def fine(to: socket.socket) -> None:
    to.sendall(OK + b"content-length: 4\r\nconnection: close\r\n\r\nfine")


@pytest.mark.parametrize("how", BAD, ids=[each.__name__ for each in BAD])
def test_what_callers_get(world: World, how: Callable[[socket.socket], None]) -> None:
    world.bad.answer = how
    for _ in range(2):
        found, took = world.call()
        assert found == BAD[how]
        # Never for longer than the operation's time limit, with what a busy machine takes.
        assert took < TIMEOUT_MS / 1000 + 2.5
        time.sleep(0.5 if how is an_answer_after_a_while else 0)
    # And whoever calls next, on whatever connection, gets what is theirs.
    world.bad.answer = fine
    for _ in range(5):
        assert world.call()[0] == "200 fine"


def test_one_that_hangs_holds_up_nobody_else(world: World, upstream: Upstream) -> None:
    """A hundred calls wait; another tenant's pass as ever."""
    other = live.shop(upstream)
    dora = other.client()
    world.gateway.settles(200, "", other.path(), dora.token())
    world.bad.answer = hang
    token = world.carl.token()
    answers: list[str] = []

    def one() -> None:
        answers.append(live.call(world.gateway.port, world.shop.path(), token).code)

    threads = [threading.Thread(target=one) for _ in range(100)]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    for _ in range(10):
        assert world.gateway.call(other.path(), dora.token()).status == 200
    assert time.monotonic() - began < 5
    for thread in threads:
        thread.join()
    assert set(answers) == {"UPSTREAM_TIMEOUT"}
