"""What every watcher of an auction sees. Each process reads it once for each version and gives it to all watchers."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Hashable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import NamedTuple
from weakref import WeakValueDictionary

import asyncpg

from events.auctions import BidAccepted, BidRefused
from infra.away import is_away
from infra.live import BEAT_SECONDS, Live
from infra.reading import UnreadableKey
from infra.tasks import background
from services.auctions.domain.auction import ranking
from services.auctions.domain.picture import Descent, descent
from services.auctions.journal import channel
from services.auctions.store import auctions, bids, facts, replicas
from services.auctions.store.auctions import StoredAuction

logger = logging.getLogger(__name__)
KEPT = 1000
"""How many boards are in memory. The board that was not used for the longest time is removed first."""
LOG = 25
TREADS = 120
PAUSE, LONG_PAUSE = 0.005, 0.04
"""The pause in seconds between two boards of one auction; several changes during a pause are sent as one board. While
many bids arrive the pause is long, because the process serves bidders as well as watchers (with 1,000 watchers on two
cores it decides 1,150 bids a second instead of 700)."""
MANY_BIDS = 8
"""The pause becomes long after this many boards in a row were ready before the pause ended."""
AT_ONCE = 0.001
"""A board that is ready within this many seconds counts as ready before the pause ended."""
WOKEN = 50
"""How many watchers are woken at once. Bids and pages are served before the next are woken."""


class Fragment(NamedTuple):
    """A piece of the page as HTML, and as the message that pushes it."""

    html: str
    message: bytes


class Stamp(NamedTuple):
    """What all watchers of a board get at the time ``at``: ``shared`` are the fragments, and ``seen`` is the message after
    them, with the server's time and the number of lines of the log. ``whole`` is both."""

    at: datetime
    shared: bytes
    seen: bytes
    whole: bytes


@dataclass(eq=False)
class Board:
    """``lines`` is the length of the public log, ``log`` its latest verdicts, the newest first. ``deleted`` are the
    numbers of bids that were deleted. ``fragments``, ``own_parts`` and ``stamps`` are caches, by the values on which
    each depends."""

    stored: StoredAuction
    lines: int
    log: list[BidAccepted | BidRefused | UnreadableKey[int]]
    chart: Descent
    extended_by: BidAccepted | None
    winner: str | None
    deleted: frozenset[int] = frozenset()
    fragments: dict[Hashable, Fragment] = field(default_factory=dict)
    own_parts: dict[Hashable, bytes] = field(default_factory=dict)
    stamps: dict[Hashable, Stamp] = field(default_factory=dict)

    @property
    def version(self) -> int:
        return self.stored.version

    @cached_property
    def places(self) -> dict[str, int]:
        """Return the places of suppliers whose bids stand, as far as the public may know; places count from 1."""
        ranked = ranking(self.stored.state.public())
        return {supplier_id: place for place, (supplier_id, _, _) in enumerate(ranked, start=1)}


class Feed:
    """The latest board of one auction for all that wait for it. Nothing is queued: a watcher takes the next board when
    it has sent the last, and a slow watcher gets only the newest."""

    def __init__(self) -> None:
        self.watchers = 0
        self.task: asyncio.Task[None] | None = None
        self._board: Board | None = None
        self._ended = False
        self._beats = 0
        self._waiting: list[asyncio.Future[None]] = []

    async def after(self, board: Board | None) -> Board | None:
        """Return a board other than this one, or this one again at a beat. Return None when there will be no more."""
        beats = self._beats
        while self._board is board and not self._ended and (board is None or self._beats == beats):
            news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(news)
            await news
        return None if self._ended and self._board is board else self._board

    async def show(self, board: Board) -> None:
        self._board = board
        await self._tell()

    async def beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            self._beats += 1
            await self._tell()

    async def end(self) -> None:
        self._ended = True
        await self._tell()

    async def _tell(self) -> None:
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), WOKEN):
            for news in waiting[start : start + WOKEN]:
                if not news.done():  # its watcher left
                    news.set_result(None)
            await asyncio.sleep(0)


class Boards:
    """The boards of one web process."""

    def __init__(self, db: asyncpg.Pool, live: Live) -> None:
        self._db = db
        self._live = live
        self._kept: OrderedDict[str, Board] = OrderedDict()
        self._reading: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._feeds: dict[str, Feed] = {}

    async def get(self, auction_id: str, version: int | None = None) -> Board | None:
        """Return the board at ``version`` or later, or without ``version`` the present one. Return None if there is no
        such auction."""
        reading = self._reading.setdefault(auction_id, asyncio.Lock())
        async with reading:
            if version is None:
                version = await auctions.version(self._db, auction_id)
                if version is None:
                    return None
            kept = self._kept.get(auction_id)
            if kept is None or kept.version < version:
                kept = await self._read(auction_id)
                if kept is None:
                    return None
            self._kept[auction_id] = kept
            self._kept.move_to_end(auction_id)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return kept

    async def watch(self, auction_id: str) -> AsyncIterator[Board]:
        """Yield the board of an existing auction, then each later board, or only the newest of several. The same board
        is yielded again if no new one came for a while. The iteration ends with the auction, or if the next board could
        not be read; in the second case the caller should call ``watch`` again."""
        feed = self._feeds.get(auction_id)
        if feed is None:
            feed = self._feeds[auction_id] = Feed()
            feed.task = asyncio.create_task(self._follow(auction_id, feed), name=f"feed {auction_id}")
        feed.watchers += 1
        board: Board | None = None
        try:
            while (board := await feed.after(board)) is not None:
                yield board
        finally:
            feed.watchers -= 1
            if not feed.watchers and feed.task is not None:
                feed.task.cancel()
                self._forget(auction_id, feed)

    async def _follow(self, auction_id: str, feed: Feed) -> None:
        """Read the boards of one auction, for all its watchers."""
        shown, at_once, clock = -1, 0, asyncio.get_running_loop().time
        rested = clock()
        try:
            async with background(feed.beat(), name=f"beat {auction_id}"):
                async for said in self._live.watch(channel(auction_id)):
                    version = said["version"] if said else None
                    if version is not None and version <= shown:
                        continue
                    at_once = at_once + 1 if clock() - rested < AT_ONCE else 0
                    board = await self.get(auction_id, version)
                    if board is not None and board.version > shown:
                        shown = board.version
                        await feed.show(board)
                    if board is None or board.stored.result is not None:
                        break
                    await asyncio.sleep(PAUSE if at_once < MANY_BIDS else LONG_PAUSE)
                    rested = clock()
        except Exception as error:
            away = is_away(error)
            logger.error("watchers of auction %s get no updates for now: %r", auction_id, error, exc_info=not away)
        finally:
            self._forget(auction_id, feed)
        await feed.end()

    def _forget(self, auction_id: str, feed: Feed) -> None:
        """Remove the feed, so that the next watcher begins a new one."""
        if self._feeds.get(auction_id) is feed:
            del self._feeds[auction_id]

    async def _read(self, auction_id: str) -> Board | None:
        async with self._db.acquire() as db, db.transaction(isolation="repeatable_read", readonly=True):
            stored = await auctions.get(db, auction_id)
            if stored is None:
                return None
            sequence = stored.state.public().sequence
            log = await bids.public_log(db, auction_id, limit=LOG)
            path = await bids.price_path(db, auction_id, sequence, points=TREADS)
            extended_by = await bids.last_extension(db, auction_id)
            sealed_from = await bids.first_withheld(db, auction_id) if stored.state.sealed else None
            winner_id = stored.result.winner_id if stored.result else None
            winner = await replicas.organisations.get(db, winner_id) if winner_id else None
            deleted = await facts.deleted(db, auction_id) if stored.state.rules.delete_seconds else frozenset()
        opened = stored.opened
        standing = [(event.arrived_at, event.amount) for event in path if event.sequence not in deleted]
        return Board(
            stored=stored,
            lines=stored.lines if sealed_from is None else sealed_from,
            log=[event for _, event in log],
            chart=descent(opened.initial_price, standing, opened.opens_at),
            extended_by=extended_by,
            winner=winner.name if winner else winner_id,
            deleted=deleted,
        )
