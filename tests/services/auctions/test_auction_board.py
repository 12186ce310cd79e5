"""How boards reach their watchers: at each one's own pace, the newest first, and no watcher delays another."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.auctions.board import Board, Boards
from services.auctions.domain.chain import GENESIS
from services.auctions.domain.closing import closed
from services.auctions.store.auctions import StoredAuction
from tests.services.auctions.builders import MOSCOW, an_auction


def a_board(version: int, *, over: bool = False) -> Board:
    state = an_auction()
    result = closed(state, "unsuccessful", state.closes_at) if over else None
    stored = StoredAuction(state=state, policy=MOSCOW, lines=version, head=GENESIS, result=result, version=version)
    return Board(stored, version, [], None, None, None)  # type: ignore[arg-type]


class Announced:
    """Replaces the live channel: what is put here was announced."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[Any] = asyncio.Queue()

    async def watch(self, channel: str) -> AsyncIterator[Any]:
        yield None
        while True:
            yield await self.said.get()


class CountedBoards(Boards):
    """Boards that are set by a test. ``reads`` counts how often they were read."""

    def __init__(self) -> None:
        self.announced = Announced()
        super().__init__(None, self.announced)  # type: ignore[arg-type]
        self.now: Board | Exception | None = a_board(1)
        self.reads = 0

    async def get(self, auction_id: str, version: int | None = None) -> Board | None:
        self.reads += 1
        if isinstance(self.now, Exception):
            raise self.now
        return self.now

    def becomes(self, board: Board | Exception | None, version: int) -> None:
        self.now = board
        self.announced.said.put_nowait({"version": version})


@pytest.fixture
def boards(monkeypatch: pytest.MonkeyPatch) -> CountedBoards:
    monkeypatch.setattr("services.auctions.board.PAUSE", 0)
    return CountedBoards()


async def next_of(watching: AsyncIterator[Board]) -> int | None:
    """Return the next board's version, or None when there are no more."""
    board = await asyncio.wait_for(anext(watching, None), 5)
    return board.version if board else None


async def test_a_board_is_read_once_for_all_who_watch(boards: CountedBoards) -> None:
    watchers = [boards.watch("a") for _ in range(120)]
    assert {await next_of(each) for each in watchers} == {1}
    boards.becomes(a_board(2), 2)
    assert {await next_of(each) for each in watchers} == {2}
    assert boards.reads == 2


async def test_a_slow_watcher_holds_nobody_up_and_then_gets_the_newest(boards: CountedBoards) -> None:
    slow, quick = boards.watch("a"), boards.watch("a")
    assert (await next_of(slow), await next_of(quick)) == (1, 1)
    for version in (2, 3, 4):
        boards.becomes(a_board(version), version)
        assert await next_of(quick) == version
    assert await next_of(slow) == 4


async def test_what_is_known_is_not_read_again_and_comes_to_nobody(boards: CountedBoards) -> None:
    watching = boards.watch("a")
    assert await next_of(watching) == 1
    boards.becomes(a_board(3), 2)  # the reading was ahead of the announcement
    assert await next_of(watching) == 3
    boards.announced.said.put_nowait({"version": 3})
    boards.becomes(a_board(4), 4)
    assert await next_of(watching) == 4
    assert boards.reads == 3


async def test_streams_end_with_the_auction(boards: CountedBoards) -> None:
    watchers = [boards.watch("a") for _ in range(3)]
    for each in watchers:
        await next_of(each)
    boards.becomes(a_board(2, over=True), 2)
    assert [[await next_of(each), await next_of(each)] for each in watchers] == [[2, None]] * 3
    late = boards.watch("a")
    assert [await next_of(late), await next_of(late)] == [2, None]


async def test_what_cannot_be_read_ends_the_streams_and_who_comes_back_watches_on(boards: CountedBoards) -> None:
    waiting, sending = boards.watch("a"), boards.watch("a")
    assert (await next_of(waiting), await next_of(sending)) == (1, 1)
    heard = asyncio.create_task(next_of(waiting))
    await asyncio.sleep(0)
    boards.becomes(ConnectionError("the database is away"), 2)
    assert await heard is None
    assert await next_of(sending) is None
    boards.now = a_board(2)
    assert await next_of(boards.watch("a")) == 2


async def test_nobody_reads_for_watchers_who_are_gone(boards: CountedBoards) -> None:
    watching = boards.watch("a")
    await next_of(watching)
    await watching.aclose()  # type: ignore[attr-defined]
    boards.becomes(a_board(2), 2)
    await asyncio.sleep(0.01)
    assert boards.reads == 1


async def test_a_quiet_stream_repeats_the_board_as_a_sign_of_life(
    boards: CountedBoards, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.auctions.board.BEAT_SECONDS", 0.01)
    watching = boards.watch("a")
    assert [await next_of(watching) for _ in range(3)] == [1, 1, 1]
    assert boards.reads == 1, "a beat reads nothing"
    boards.becomes(a_board(2, over=True), 2)
    assert 2 in [await next_of(watching) for _ in range(3)]
    assert None in [await next_of(watching) for _ in range(3)], "and ends with the mini-auction"
