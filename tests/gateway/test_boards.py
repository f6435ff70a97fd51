"""Who reads a tenant, and what a gateway that comes or goes meanwhile can't spoil. The database is played by a clock of the test's."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import uuid4

import pytest

from gateway import boards
from gateway.boards import Board
from gateway.canary import Answered
from gateway.database import Database
from gateway.delivery import Newest
from gateway.envoy.resources import compile_tenant
from gateway.keeper import Keeper
from gateway.register import NodeId
from tests.gateway.test_delivery import NEW, Gateway, newest


class Slow(Database):
    """Answers each read when the test says so, with the number of the newest event as it was when the read began."""

    def __init__(self) -> None:
        self.number = 1
        self.reads: list[tuple[int, asyncio.Future[None]]] = []

    async def ask(self, work: Callable[..., Any], *_: Any, **__: Any) -> Any:
        if work.__name__ != "newest":
            return None
        begun, done = self.number, asyncio.get_running_loop().create_future()
        self.reads.append((begun, done))
        await done
        return newest(NEW, begun)


def run(test: Callable[[Slow, Board], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        database = Slow()
        board = Board(uuid4(), "acme", database)
        try:
            await test(database, board)
        finally:
            board.close()

    asyncio.run(main())


async def turns() -> None:
    """Let everything happen that can."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_gateway_that_leaves_during_a_read_takes_nothing_with_it() -> None:
    async def test(database: Slow, board: Board) -> None:
        first, second = asyncio.Event(), asyncio.Event()
        board.watch(first)
        await turns()
        board.watch(second)
        board.leave(first)
        database.reads[0][1].set_result(None)
        await turns()
        # The second came after that read began, so it is read again for it.
        database.reads[1][1].set_result(None)
        await turns()
        assert second.is_set()
        for number in (2, 3):
            second.clear()
            database.number = number
            board.changed()
            await turns()
            database.reads[-1][1].set_result(None)
            await turns()
            assert second.is_set()
            assert board.newest is not None
            assert board.newest.desired.number == number

    run(test)


def test_many_changes_during_a_read_are_one_more_read() -> None:
    async def test(database: Slow, board: Board) -> None:
        board.watch(asyncio.Event())
        await turns()
        for number in range(2, 50):
            database.number = number
            board.changed()
        database.reads[0][1].set_result(None)
        await turns()
        assert [begun for begun, _ in database.reads] == [1, 49]

    run(test)


def test_a_read_that_fails_is_tried_again() -> None:
    async def test(database: Slow, board: Board) -> None:
        watcher = asyncio.Event()
        board.watch(watcher)
        await turns()
        database.reads[0][1].set_exception(ValueError("Whatever it was."))
        async with asyncio.timeout(5):
            while len(database.reads) < 2:
                await asyncio.sleep(0.05)
        database.reads[1][1].set_result(None)
        await turns()
        assert watcher.is_set()

    run(test)


def test_without_watchers_nothing_is_read() -> None:
    async def test(database: Slow, board: Board) -> None:
        board.changed()
        await turns()
        assert database.reads == []
        assert not await board.is_behind()

    run(test)


def test_what_a_developer_causes_waits_and_what_takes_away_does_not() -> None:
    async def test(database: Slow, board: Board) -> None:
        board.watch(asyncio.Event())
        await turns()
        database.reads[0][1].set_result(None)
        await turns()
        board.changed(soon=True)
        await turns()
        assert len(database.reads) == 1
        board.changed()
        await turns()
        assert len(database.reads) == 2

    run(test)


def test_what_only_adds_leaves_threads_to_what_takes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards, "GATHER_SECONDS", 0.01)

    async def test(database: Slow, board: Board) -> None:
        leisure = asyncio.Semaphore(2)
        many = [Board(uuid4(), f"t-{n}", database, leisure=leisure) for n in range(5)]
        for each in many:
            each.watch(asyncio.Event())
        await turns()
        for _, done in database.reads:
            done.set_result(None)
        await turns()
        for each in many:
            each.changed(soon=True)
        await asyncio.sleep(0.1)
        await turns()
        assert len(database.reads) == 5 + 2
        # The last has not had its turn, and does not wait for it when something is taken away.
        many[4].changed()
        await turns()
        assert len(database.reads) == 5 + 3
        while any(not done.done() for _, done in database.reads):
            for _, done in database.reads:
                if not done.done():
                    done.set_result(None)
            await turns()
        assert len(database.reads) == 5 + 5, "it was read once, for both"
        for each in many:
            each.close()

    run(test)


def test_an_older_read_never_replaces_what_the_gateway_has() -> None:
    """A gateway that comes over from another control process may have acknowledged more than was read here."""

    async def test(database: Slow, board: Board) -> None:
        gateway = Gateway()
        keeper = Keeper(NodeId(uuid4(), "gateway-1"), "", gateway.stream, board, database, nobody)
        keeper._access = 7
        board.watch(keeper.wake)
        await keeper._bring(newest(NEW, 6))
        assert gateway.got == []
        await keeper._bring(newest(NEW, 7))
        assert gateway.got

    run(test)


async def nobody(address: str, slug: str) -> Answered | None:
    return None


def test_a_resource_too_large_for_a_stream_is_refused_here() -> None:
    async def main() -> Newest:
        gateway = Gateway()
        found = newest(NEW, 1)
        assert found.compiled is not None
        routes = found.compiled.routes
        routes.body.value = b"x" * (64 * 1024 * 1024)
        try:
            await gateway.stream.send(routes.url, [routes])
        except Exception as error:  # noqa: BLE001
            assert "larger than a gateway takes" in str(error)  # noqa: PT017
        else:
            raise AssertionError("It was sent.")
        assert gateway.got == []
        return found

    assert asyncio.run(main()).compiled != compile_tenant(newest(NEW, 1).desired.tenant)
