"""What every watcher of an auction sees, read once a version and process, however many watch."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

import asyncpg

from events.auctions import BidAccepted, BidRefused
from services.auctions.domain.picture import Staircase, staircase
from services.auctions.store import auctions, bids, replicas
from services.auctions.store.auctions import Stored

KEPT = 1000
"""Boards in memory; the one looked at longest ago goes first."""
LOG = 40
TREADS = 120


@dataclass
class Board:
    """``log`` are the latest verdicts, the newest first; ``fragments`` their HTML, once somebody rendered it."""

    stored: Stored
    log: list[BidAccepted | BidRefused]
    chart: Staircase
    extended_by: BidAccepted | None
    winner: str | None
    fragments: dict[str, str] = field(default_factory=dict)

    @property
    def version(self) -> int:
        return self.stored.version


class Boards:
    """The boards of one web process."""

    def __init__(self, db: asyncpg.Pool) -> None:
        self._db = db
        self._kept: OrderedDict[str, Board] = OrderedDict()
        self._reading: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def get(self, auction_id: str, version: int | None = None) -> Board | None:
        """The board at ``version`` or later; without one, as it stands now. None where there is no such auction."""
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

    async def _read(self, auction_id: str) -> Board | None:
        async with self._db.acquire() as db, db.transaction(isolation="repeatable_read", readonly=True):
            stored = await auctions.get(db, auction_id)
            if stored is None:
                return None
            log = [event for _, event in await bids.public_log(db, auction_id, limit=LOG)]
            path = await bids.price_path(db, auction_id, points=TREADS)
            extended_by = await bids.last_extension(db, auction_id)
            winner_id = stored.result.winner_id if stored.result else None
            winner = await replicas.organisations.get(db, winner_id) if winner_id else None
        chart = staircase(stored.opened.initial_price, [event.amount for event in path])
        return Board(stored, log, chart, extended_by, winner.name if winner else winner_id)
