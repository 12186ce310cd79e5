"""The hot path: bids of all auctions are decided in micro-batches, one lane a web process.

What arrived while the last commit ran is one batch: rows locked in the order of their ids, decided in memory, written with one
statement a table, committed, answered. Two processes meet at the row lock alone, and so does the closing timer.

An auction's state is kept in memory by version and used again when the version under the lock is the same: nothing is read
twice, and whatever another process wrote is seen. Nothing enters that memory before its commit.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import asyncpg
import msgspec

from infra.causality import Cause, current_cause
from infra.clock import Clock
from infra.database import database_is_away, outbox_row, write_outbox
from infra.ids import new_id
from infra.tasks import background
from services.auctions.domain.auction import Bid, Verdict
from services.auctions.domain.bids import decide
from services.auctions.store import auctions, bids, replicas
from services.auctions.store.auctions import Stored
from services.auctions.store.bids import BidKey

log = logging.getLogger(__name__)
BATCH = 2000
PATIENCE = 10.0
"""Seconds a batch may take, waiting for locks included, before its bids are told to come again."""
REMEMBERED = 10_000
"""Auctions kept in memory; when there are more, all are forgotten and read again."""
UNKNOWN = "unknown"
"""The standing of an organisation that accounts has not told of: it cannot bid yet."""


class NoSuchAuction(LookupError):
    pass


class LaneBlocked(Exception):
    """The batch did not commit, or nobody knows whether it did. The bid may be sent again with the same request key: if it was
    decided after all, that verdict is the answer."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A bid on its way. ``arrived_at`` was read from the clock when the request came in."""

    auction_id: str
    supplier_id: str
    request_key: str
    amount: Decimal
    arrived_at: datetime
    bid_id: str = field(default_factory=new_id)
    cause: Cause = field(default_factory=current_cause)

    @property
    def key(self) -> BidKey:
        return self.auction_id, self.supplier_id, self.request_key


@dataclass(frozen=True, slots=True)
class Judged:
    """``answers`` by bid id; ``new`` verdicts with the cause of each; ``changed`` auctions as they stand after them."""

    answers: dict[str, Verdict]
    new: list[tuple[Verdict, Cause]]
    changed: list[Stored]


def judge(
    batch: Iterable[Asked],
    current: Mapping[str, Stored],
    known: Mapping[BidKey, Verdict],
    standings: Mapping[str, str],
) -> Judged:
    """Decide a batch auction by auction, each auction's bids in the order they came. Bids on unknown auctions are left out."""
    by_auction: dict[str, list[Asked]] = {}
    for asked in batch:
        by_auction.setdefault(asked.auction_id, []).append(asked)
    judged = Judged({}, [], [])
    for auction_id, there in by_auction.items():
        stored = current.get(auction_id)
        if stored is None:
            continue
        wanted = [
            Bid(a.bid_id, a.supplier_id, a.request_key, a.amount, a.arrived_at, standings.get(a.supplier_id, UNKNOWN))
            for a in there
        ]
        before = {asked.key[1:]: verdict for asked in there if (verdict := known.get(asked.key))}
        decided = decide(stored.state, wanted, before)
        causes = {asked.bid_id: asked.cause for asked in there}
        judged.answers.update(zip(causes, decided.answers, strict=True))
        judged.new.extend((verdict, causes[verdict.bid.bid_id]) for verdict in decided.new)
        if decided.new:
            judged.changed.append(
                msgspec.structs.replace(
                    stored,
                    state=decided.state,
                    verdicts=stored.verdicts + len(decided.new),
                    version=stored.version + 1,
                )
            )
    return judged


class Lane:
    """``place`` a bid, and await its verdict; :meth:`running` for the life of the web process."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._waiting: list[tuple[Asked, asyncio.Future[Verdict]]] = []
        self._arrived = asyncio.Event()
        self._connection: asyncpg.Connection | None = None
        self._remembered: dict[str, Stored] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        try:
            async with background(self._run(), name="bidding lane"):
                yield
        finally:
            self._fail(self._waiting, "the process is stopping")
            self._hang_up()

    async def place(self, asked: Asked) -> Verdict:
        """The bid's one verdict, stored. Raises NoSuchAuction, LaneBlocked."""
        answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, answer))
        self._arrived.set()
        return await answer

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            if not self._waiting:
                self._arrived.clear()
            try:
                async with asyncio.timeout(PATIENCE):
                    answers = await self._commit([asked for asked, _ in batch])
            except Exception as error:
                log.error(
                    "a batch of %d bids did not commit: %r", len(batch), error, exc_info=not database_is_away(error)
                )
                self._hang_up()
                self._fail(batch, f"{type(error).__name__}: {error}")
                continue
            except asyncio.CancelledError:
                self._fail(batch, "the process is stopping")
                raise
            for asked, answer in batch:
                if answer.done():  # the client went away; the verdict stands
                    continue
                verdict = answers.get(asked.bid_id)
                if verdict is None:
                    answer.set_exception(NoSuchAuction(asked.auction_id))
                else:
                    answer.set_result(verdict)

    async def _commit(self, batch: list[Asked]) -> dict[str, Verdict]:
        """Decide the batch in one transaction and return its verdicts by bid id."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self._url)
        db = self._connection
        async with db.transaction():
            versions = await auctions.versions_under_lock(db, sorted({asked.auction_id for asked in batch}))
            current = await self._current(db, versions)
            known = await bids.known(db, {asked.key for asked in batch})
            standings = await replicas.organisations.states(db, list({asked.supplier_id for asked in batch}))
            judged = judge(batch, current, known, standings)
            if judged.new:
                await self._write(db, judged)
        for stored in judged.changed:
            self._remembered[stored.opened.auction_id] = stored
        return judged.answers

    async def _current(self, db: asyncpg.Connection, versions: Mapping[str, int]) -> dict[str, Stored]:
        if len(self._remembered) > REMEMBERED:
            self._remembered.clear()
        remembered = self._remembered
        stale = [
            each for each, version in versions.items() if each not in remembered or remembered[each].version != version
        ]
        if stale:
            remembered.update(await auctions.load(db, stale))
        return {auction_id: remembered[auction_id] for auction_id in versions}

    async def _write(self, db: asyncpg.Connection, judged: Judged) -> None:
        now = self._clock()
        outgoing = [
            outbox_row("auctions", verdict.event, at=now, cause=cause, event_id=verdict.bid.bid_id)
            for verdict, cause in judged.new
        ]
        await bids.insert(db, [(verdict, row[3]) for (verdict, _), row in zip(judged.new, outgoing, strict=True)])
        await write_outbox(db, "auctions", outgoing)
        await auctions.save(db, judged.changed)
        await db.execute(
            "select pg_notify('lonja_live', said) from unnest($1::text[]) said",
            [announcement(stored) for stored in judged.changed],
        )

    def _hang_up(self) -> None:
        """The connection may be in the middle of something; the next batch makes a new one."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    def _fail(self, batch: list[tuple[Asked, "asyncio.Future[Verdict]"]], reason: str) -> None:
        for _, answer in batch:
            if not answer.done():
                answer.set_exception(LaneBlocked(reason))


def channel(auction_id: str) -> str:
    """The live channel of an auction; what is said there is ``{"version": n}``."""
    return f"auction:{auction_id}"


def announcement(stored: Stored) -> str:
    """As :meth:`infra.database.Transaction.announce` would say it."""
    said = {"channel": channel(stored.opened.auction_id), "data": {"version": stored.version}}
    return msgspec.json.encode(said).decode()
