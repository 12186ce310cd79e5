"""The hot path: bids of all auctions are decided in micro-batches, one lane a web process.

What arrived while the last commit ran is one batch: decided in memory, written and committed in one trip, answered. Two processes
meet at the row locks alone, taken in the order of their ids, and so does the closing timer.

The auctions' states are kept in memory by version, and so are the bidders' standings. A batch is decided on what is remembered, and
the trip that writes it writes nothing unless all of that still holds under the locks and no request in it came before. Where it does
not, or somebody else writes to these auctions, the rows are locked first and the batch is decided on what is there. Nothing enters
that memory before its commit.

While it can decide, the lane says so in the one row of ``pulse``, twice a second. A lane that starts, or could not say so for a
time, finds there how long nobody could bid, and gives the sessions that ran their time back before it takes a bid.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from decimal import Decimal

import asyncpg
import msgspec

from infra.causality import Cause, current_cause
from infra.clock import Clock
from infra.database import LOST, Outdated, database_is_away
from infra.ids import new_id
from infra.signing import Signer
from infra.tasks import background
from services.auctions import receipts
from services.auctions.domain.auction import Bid, Verdict, apply
from services.auctions.domain.bids import decide
from services.auctions.domain.remedies import resume
from services.auctions.journal import Entry, Written, chained, entries, write
from services.auctions.receipts import Receipt
from services.auctions.store import auctions, bids, pulse
from services.auctions.store.auctions import Stored, Unchanged
from services.auctions.store.bids import BidKey, Kept

log = logging.getLogger(__name__)
BATCH = 2000
PATIENCE = 10.0
"""Seconds a batch may take, waiting for locks included, before its bids are told to come again."""
REST = 0.008
"""Seconds between two batches: many bids on their way make few commits. The first bid after a quiet time never waits."""
BEAT = 0.5
"""Seconds between two signs of life."""
STALLED = 3.0
"""Seconds without one after which this process did not run, or not enough."""
SETTINGS = {"plan_cache_mode": "force_generic_plan"}
"""Of the lane's connection. Its statements take arrays: a plan made for the values of one batch is no better, and costs as much as
writing eight bids."""
REMEMBERED = 10_000
"""Auctions kept in memory, and bidders; when there are more, all are forgotten and read again."""
UNKNOWN = "unknown"
"""The standing of an organisation that accounts has not told of: it cannot bid yet."""


class NoSuchAuction(LookupError):
    pass


class LaneBlocked(Exception):
    """The batch did not commit, or nobody knows whether it did. The bid may be sent again with the same request key: if it was
    decided after all, that verdict is the answer."""


class Asked(msgspec.Struct, frozen=True):
    """A bid on its way. ``arrived_at`` was read from the clock when the request came in."""

    auction_id: str
    supplier_id: str
    request_key: str
    amount: Decimal
    arrived_at: datetime
    choices: tuple[int, ...] = ()
    bid_id: str = msgspec.field(default_factory=new_id)
    cause: Cause = msgspec.field(default_factory=current_cause)

    @property
    def key(self) -> BidKey:
        return self.auction_id, self.supplier_id, self.request_key


class Answer(msgspec.Struct, frozen=True):
    """A bid's one verdict, and the market's signature under it."""

    verdict: Verdict
    receipt: Receipt


class Judged(msgspec.Struct, frozen=True):
    """``answers`` by bid id, as they stand in the log; ``written`` what the log gains."""

    answers: dict[str, Kept]
    written: list[Written]


def judge(
    batch: Iterable[Asked],
    current: Mapping[str, Stored],
    known: Mapping[BidKey, Kept],
    standings: Mapping[str, str],
    now: datetime,
) -> Judged:
    """Decide a batch auction by auction, each auction's bids in the order they came. Bids on unknown auctions are left out."""
    by_auction: dict[str, list[Asked]] = {}
    for asked in batch:
        by_auction.setdefault(asked.auction_id, []).append(asked)
    judged = Judged({}, [])
    for auction_id, there in by_auction.items():
        stored = current.get(auction_id)
        if stored is None:
            continue
        wanted = [
            Bid(
                a.bid_id,
                a.supplier_id,
                a.request_key,
                a.amount,
                a.arrived_at,
                standings.get(a.supplier_id, UNKNOWN),
                a.choices,
            )
            for a in there
        ]
        before = {asked.key[1:]: kept for asked in there if (kept := known.get(asked.key))}
        decided = decide(stored.state, wanted, {key: kept.verdict for key, kept in before.items()})
        causes = {asked.bid_id: asked.cause for asked in there}
        in_log = {kept.verdict.bid.bid_id: kept for kept in before.values()}
        if decided.new:
            new = [Entry(verdict, causes[verdict.bid.bid_id]) for verdict in decided.new]
            written = chained(stored, new, decided.state, now)
            in_log |= {kept.verdict.bid.bid_id: kept for kept in written.kept}
            judged.written.append(written)
        for bid_id, verdict in zip(causes, decided.answers, strict=True):
            judged.answers[bid_id] = in_log[verdict.bid.bid_id]
    return judged


class Lane:
    """``place`` a bid, and await its verdict; :meth:`running` for the life of the web process."""

    def __init__(self, url: str, clock: Clock, signer: Signer) -> None:
        self._url = url
        self.clock = clock
        self._signer = signer
        self._waiting: list[tuple[Asked, asyncio.Future[Answer]]] = []
        self._arrived = asyncio.Event()
        self._connection: asyncpg.Connection | None = None
        self._remembered: dict[str, Stored] = {}
        self._standings: dict[str, str] = {}
        self._shared: set[str] = set()
        """Auctions to which somebody else wrote since this lane did."""
        self._pulse: asyncpg.Connection | None = None
        self._beating = asyncio.Lock()
        self._beaten = -STALLED
        self._away = True

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        try:
            with suppress(*LOST):  # the database is away: the pulse will tell when it is back
                await self._beat()
            async with background(self._run(), name="bidding lane"), background(self._live(), name="pulse"):
                yield
        finally:
            self._fail(self._waiting, "the process is stopping")
            self._hang_up()
            if self._pulse is not None:
                self._pulse.terminate()

    async def place(self, asked: Asked) -> Answer:
        """The bid's one verdict, stored, with its receipt. Raises NoSuchAuction, LaneBlocked."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, answer))
        self._arrived.set()
        return await answer

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        committed = -REST
        while True:
            await self._arrived.wait()
            await asyncio.sleep(max(0.0, committed + REST - clock()))
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
                found = answers.get(asked.bid_id)
                if found is None:
                    answer.set_exception(NoSuchAuction(asked.auction_id))
                else:
                    answer.set_result(found)
            committed = clock()

    async def _live(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            try:
                await self._beat()
            except Exception as error:  # whatever it is: while no lane beats, nothing is closed
                self._away = True
                log.error("bids cannot be decided now: %r", error, exc_info=not database_is_away(error))

    async def _beat(self) -> None:
        """Say that bids can be decided; where nobody could for a while, give the sessions of that time their time back.

        That a while passed counts only where this lane was not there: the clock itself may jump.
        """
        async with self._beating, asyncio.timeout(PATIENCE):
            running = asyncio.get_running_loop().time()
            away = self._away or running - self._beaten > STALLED
            if self._pulse is None or self._pulse.is_closed():
                self._pulse = await asyncpg.connect(self._url)
            async with self._pulse.transaction():
                now = self.clock()
                since = await pulse.beat(self._pulse, now)
                if since is not None and away:
                    await resume_sessions(self._pulse, since, now)
            self._away, self._beaten = False, running

    async def _commit(self, batch: list[Asked]) -> dict[str, Answer]:
        """Decide the batch, all of it in one transaction, and return its verdicts by bid id."""
        if self._away:
            await self._beat()
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self._url, server_settings=SETTINGS)
        judged = await self._guess(self._connection, batch) or await self._under_lock(self._connection, batch)
        for written in judged.written:
            self._remembered[written.after.opened.auction_id] = written.after
        signed = receipts.issue(self._signer, list(judged.answers.values()))
        return {
            bid_id: Answer(kept.verdict, receipt)
            for (bid_id, kept), receipt in zip(judged.answers.items(), signed, strict=True)
        }

    async def _guess(self, db: asyncpg.Connection, batch: list[Asked]) -> Judged | None:
        """Decide on what is remembered. None, and nothing done, where that is not enough or not so any more."""
        auction_ids, suppliers = {asked.auction_id for asked in batch}, {asked.supplier_id for asked in batch}
        remembered = auction_ids <= self._remembered.keys() and suppliers <= self._standings.keys()
        if not remembered or not self._shared.isdisjoint(auction_ids):
            return None
        current = {each: self._remembered[each] for each in auction_ids}
        standings = {each: self._standings[each] for each in suppliers}
        now = self.clock()
        judged = judge(batch, current, {}, standings, now)
        unchanged = Unchanged({each: stored.version for each, stored in current.items()}, standings)
        try:
            await write(db, judged.written, now, only_if=unchanged)
        except (Outdated, asyncpg.UniqueViolationError):
            return None
        return judged

    async def _under_lock(self, db: asyncpg.Connection, batch: list[Asked]) -> Judged:
        async with db.transaction():
            versions = await auctions.versions_under_lock(db, sorted({asked.auction_id for asked in batch}))
            current = await self._current(db, versions)
            known, standings = await bids.asked(db, {asked.key for asked in batch})
            self._standings |= standings
            now = self.clock()
            judged = judge(batch, current, known, standings, now)
            if judged.written:
                await write(db, judged.written, now)
        return judged

    async def _current(self, db: asyncpg.Connection, versions: Mapping[str, int]) -> dict[str, Stored]:
        if len(self._remembered) > REMEMBERED or len(self._standings) > REMEMBERED:
            self._remembered.clear()
            self._standings.clear()
            self._shared.clear()
        remembered = self._remembered
        stale = [
            each for each, version in versions.items() if each not in remembered or remembered[each].version != version
        ]
        self._shared = (self._shared - versions.keys()) | {each for each in stale if each in remembered}
        if stale:
            remembered.update(await auctions.load(db, stale))
        return {auction_id: remembered[auction_id] for auction_id in versions}

    def _hang_up(self) -> None:
        """The connection may be in the middle of something; the next batch makes a new one."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    def _fail(self, batch: list[tuple[Asked, "asyncio.Future[Answer]"]], reason: str) -> None:
        for _, answer in batch:
            if not answer.done():
                answer.set_exception(LaneBlocked(reason))


async def resume_sessions(db: asyncpg.Connection, since: datetime, until: datetime) -> int:
    """After an outage between the two: every session that it touched goes on for longer. How many there were."""
    written = []
    for stored in await auctions.lock_running(db, since, until):
        if until - since <= timedelta(seconds=stored.policy.auction.outage.after_seconds):
            continue
        extended = resume(stored.state, since, until)
        if extended is not None:
            written.append(chained(stored, entries([extended]), apply(stored.state, extended), until))
    if written:
        log.warning("nobody could bid from %s to %s: %d sessions go on for longer", since, until, len(written))
        await write(db, written, until)
    return len(written)
