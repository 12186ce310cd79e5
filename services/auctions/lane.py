"""The hot path: bids of all auctions are decided in micro-batches. Each web process has one lane.

The bids that arrive while a commit runs are the next batch: decided in memory, written and committed in one trip, answered. Two web
processes coordinate only through row locks, taken in the order of ids; the closing timer takes the same locks.

The lane remembers the states of auctions with their versions, and the standings of bidders. It decides a batch on these. The writing
statement changes nothing unless the remembered versions and standings are still current under the locks and none of the request keys was
used before. If that fails, or if another process writes to these auctions, the lane first locks the rows, reads them and decides on them.
Nothing is remembered before its commit.

If the row of an auction is locked by someone else, the auction is left out of the batch: its bids wait separately, for a bounded time,
and all others are decided. Auctions get lost time back (:mod:`services.auctions.outages`) before the lane decides a bid on them.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import NamedTuple

import asyncpg
import msgspec

from catalogue.rules import KeyReused
from infra.away import is_away
from infra.clock import Clock
from infra.database import LOST
from infra.deadline import Deadline, in_use
from infra.denied import Missing
from infra.running import Outdated
from infra.signing import Signer
from infra.tasks import background
from services.auctions import metrics, receipts
from services.auctions.domain.auction import Verdict
from services.auctions.journal import write
from services.auctions.judging import JudgedBids, WaitingBid, judge
from services.auctions.outages import FAILING, Pulse, give_back, looks_over
from services.auctions.receipts import Receipt
from services.auctions.store import auctions, bids, blocked
from services.auctions.store.auctions import StoredAuction, Unchanged

log = logging.getLogger(__name__)
BATCH = 2000
PATIENCE = 10.0
"""How many seconds a batch may take, including lock waits, before its bids are answered with "send again"."""
REST = 0.008
"""The seconds between two batches, so that many arriving bids make few commits. The first bid after a quiet time never
waits."""
LOCKED_PATIENCE = 5.0
"""How many seconds a bid waits for a locked auction before it is answered with "send again"."""
RETRY = 0.05
"""The seconds between two attempts to lock such an auction."""
SETTINGS = {
    "plan_cache_mode": "force_generic_plan",
    "lock_timeout": "250ms",
    "idle_in_transaction_session_timeout": "5s",
}
"""Settings of the lane's connection. Its statements take arrays: a plan for the values of one batch is no better, and
costs as much as writing eight bids. Another lane or the closing timer locks a row for a few milliseconds; a longer lock
must not delay the bids on other auctions. A process that freezes must not keep its locks."""
REMEMBERED = 10_000
"""How many auctions and bidders the lane remembers at most. Above that it forgets all and reads them again."""


class LaneBlocked(Exception):
    """The batch did not commit, or it is not known whether it did. The client may send the bid again with the same
    request key: if the bid was decided after all, the answer is that verdict."""


class BidAnswer(msgspec.Struct, frozen=True):
    """A bid's one verdict, and the market's signature under it."""

    verdict: Verdict
    receipt: Receipt


class PlacedBid(NamedTuple):
    """``since`` is the loop's time at which the bid was placed."""

    asked: WaitingBid
    answer: "asyncio.Future[BidAnswer]"
    since: float


class Lane:
    """``place`` a bid and await its verdict. :meth:`running` runs as long as the web process."""

    def __init__(self, url: str, clock: Clock, signer: Signer) -> None:
        self._url = url
        self.clock = clock
        self.pulse = Pulse(url, clock)
        self._signer = signer
        self._waiting: list[PlacedBid] = []
        self._arrived = asyncio.Event()
        self._on_locked: list[PlacedBid] = []
        """Bids on locked auctions."""
        self._in_hand: list[PlacedBid] = []
        """Bids that are being decided now."""
        self._rested_at = 0.0
        """The loop's time from which the next batch may be decided."""
        self._looked = 0.0
        """The loop's time at which the bids on locked auctions were last tried."""
        self._connection: asyncpg.Connection | None = None
        self._remembered: dict[str, StoredAuction] = {}
        self._standings: dict[str, str] = {}
        self._shared: set[str] = set()
        """Auctions that another process changed after this lane last wrote to them."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        try:
            with suppress(*LOST):  # the database is unavailable: later heartbeats tell when it is back
                await self.pulse.beat()
            async with (
                background(self._run(), name="bidding lane"),
                background(self.pulse.live(), name="pulse"),
                background(self.pulse.resume(), name="lost time"),
            ):
                yield
        finally:
            self._fail([*self._in_hand, *self._waiting, *self._on_locked], "the process is stopping")
            self._hang_up()
            self.pulse.hang_up()

    async def place(self, asked: WaitingBid) -> BidAnswer:
        """Return the bid's one verdict, stored, with its receipt. Raise Missing, LaneBlocked or KeyReused."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[BidAnswer] = loop.create_future()
        self._waiting.append(PlacedBid(asked, answer, loop.time()))
        self._arrived.set()
        return await answer

    async def _run(self) -> None:
        while True:
            try:
                await self._take_a_batch()
            except Exception:
                # _decide handles errors of the decision. No other error may end the lane, because nothing restarts it.
                log.exception("the bidding lane failed, and continues")
                self._hang_up()
                self.pulse.away = True  # nobody could bid meanwhile: the next heartbeat records the lost time
                self._fail(self._in_hand, "deciding it failed; the verdict may stand")
                await asyncio.sleep(RETRY)

    async def _take_a_batch(self) -> None:
        clock = asyncio.get_running_loop().time
        await self._work()
        await asyncio.sleep(max(0.0, self._rested_at - clock()))
        self._waiting = [
            each for each in self._waiting if not each.answer.done()
        ]  # without those that were already answered with "send again"
        batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        if not self._waiting:
            self._arrived.clear()
        if self._on_locked:
            locked = {each.asked.auction_id for each in self._on_locked}
            self._on_locked += [each for each in batch if each.asked.auction_id in locked]
            batch = [each for each in batch if each.asked.auction_id not in locked]
        if batch:
            self._in_hand = batch
            await self._decide(batch, wait=True)
        if self._on_locked and clock() - self._looked >= RETRY:
            self._looked = clock()
            self._in_hand, self._on_locked = self._on_locked[:BATCH], self._on_locked[BATCH:]
            await self._decide(self._in_hand, wait=False)
        self._in_hand = []
        self._rested_at = clock() + REST

    async def _work(self) -> None:
        """Return when there is a bid to decide, or when it is time to try the locked auctions again."""
        with suppress(TimeoutError):
            async with asyncio.timeout(RETRY if self._on_locked else None):
                await self._arrived.wait()

    async def _decide(self, batch: list[PlacedBid], *, wait: bool) -> None:
        """Answer the batch. Bids on locked auctions go to ``_on_locked``, or are answered with "send again" after LOCKED_PATIENCE."""
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with Deadline(PATIENCE):
                judged = await self._commit([each.asked for each in batch], wait=wait)
        except Exception as error:  # noqa: BLE001 - whatever it is, the bids are answered
            self._hang_up()
            await self._give_up(batch, error, wait=wait)
            return
        except asyncio.CancelledError:
            self._fail(batch, "the process is stopping")
            raise
        metrics.LANE_BATCH.observe(len(batch))
        metrics.LANE_SECONDS.observe(clock() - began)
        signed = receipts.issue(self._signer, list(judged.answers.values()))
        receipt_of = dict(zip(judged.answers, signed, strict=True))
        patience = clock() - LOCKED_PATIENCE
        for each in batch:
            asked, answer, since = each
            if answer.done():  # the client left; the verdict stands
                continue
            kept = judged.answers.get(asked.bid_id)
            if kept is not None:
                answer.set_result(BidAnswer(kept.verdict, receipt_of[asked.bid_id]))
            elif asked.bid_id in judged.reused:
                answer.set_exception(KeyReused())
            elif asked.auction_id in judged.failed:
                self._fail([each], "deciding bids on this auction failed")
            elif asked.auction_id not in judged.locked | judged.late:
                answer.set_exception(Missing("auction", asked.auction_id))
            elif since > patience:
                self._on_locked.append(each)
            else:
                self._fail([each], "the row of the auction is locked")

    async def _give_up(self, batch: list[PlacedBid], error: Exception, *, wait: bool) -> None:
        """Leave bids of a batch that did not commit undecided. If the error is not that of an unavailable server, split the batch first,
        until only the bids on the auction at fault are left undecided."""
        auction_ids = sorted({each.asked.auction_id for each in batch})
        at_fault = not is_away(error)
        if at_fault and len(auction_ids) > 1:
            first = set(auction_ids[: len(auction_ids) // 2])
            await self._decide([each for each in batch if each.asked.auction_id in first], wait=wait)
            await self._decide([each for each in batch if each.asked.auction_id not in first], wait=wait)
            return
        metrics.LANE_FAILURES.inc()
        log.error("a batch of %d bids did not commit: %r", len(batch), error, exc_info=error if at_fault else None)
        if at_fault:
            with suppress(*LOST):
                async with Deadline(PATIENCE):
                    with in_use(db := await self._connected()):
                        await self._block(db, [each.asked for each in batch], failed=set(auction_ids))
        else:
            self.pulse.away = True  # the next heartbeat finds out whether bids can be decided
        self._fail(batch, f"{type(error).__name__}: {error}")

    async def _commit(self, batch: list[WaitingBid], *, wait: bool) -> JudgedBids:
        """Decide the batch, in one transaction. Without ``wait`` auctions that are locked now are left out."""
        await self.pulse.ready()
        db = await self._connected()
        with in_use(db):
            judged = await self._judged(db, batch, wait=wait)
            for written in judged.written:
                self._remembered[written.after.opened.auction_id] = written.after
            metrics.bids_decided(kept.verdict.accepted is not None for each in judged.written for kept in each.kept)
            if judged.locked or judged.failed:
                with suppress(asyncpg.LockNotAvailableError):  # another lane blocks them now; the verdicts stand
                    await self._block(db, batch, judged.locked, judged.failed)
        return judged

    async def _judged(self, db: asyncpg.Connection, batch: list[WaitingBid], *, wait: bool) -> JudgedBids:
        if wait:
            try:
                guessed = None if self.pulse.resuming else await self._guess(db, batch)
                return guessed or await self._under_lock(db, batch)
            except asyncpg.LockNotAvailableError:
                pass
        return await self._under_lock(db, batch, wait=False)

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self._url, server_settings=SETTINGS)
        return self._connection

    async def _block(
        self,
        db: asyncpg.Connection,
        batch: list[WaitingBid],
        locked: Collection[str] = (),
        failed: Collection[str] = (),
    ) -> None:
        """Record which auctions lose time now and since when, for the closing timer and the other lanes; they do not touch these auctions
        for the given time."""
        for auction_ids, patience in ((locked, timedelta(seconds=LOCKED_PATIENCE)), (failed, FAILING)):
            bids_there = sorted((a for a in batch if a.auction_id in auction_ids), key=lambda asked: asked.arrived_at)
            if bids_there:
                first = {asked.auction_id: asked.arrived_at for asked in reversed(bids_there)}
                await blocked.block(db, first, bids_there[-1].arrived_at + patience)

    async def _guess(self, db: asyncpg.Connection, batch: list[WaitingBid]) -> JudgedBids | None:
        """Decide on the remembered states. If these are missing or outdated, nothing is written and the result is None."""
        auction_ids, suppliers = {asked.auction_id for asked in batch}, {asked.supplier_id for asked in batch}
        remembered = auction_ids <= self._remembered.keys() and suppliers <= self._standings.keys()
        if not remembered or not self._shared.isdisjoint(auction_ids):
            return None
        current = {each: self._remembered[each] for each in auction_ids}
        standings = {each: self._standings[each] for each in suppliers}
        now = self.clock()
        judged = judge(batch, current, {}, standings, now)
        if judged.failed:
            return None
        unchanged = Unchanged({each: stored.version for each, stored in current.items()}, standings)
        try:
            await write(db, judged.written, now, only_if=unchanged)
        except (Outdated, asyncpg.UniqueViolationError):
            return None
        return judged

    async def _under_lock(self, db: asyncpg.Connection, batch: list[WaitingBid], *, wait: bool = True) -> JudgedBids:
        wanted = sorted({asked.auction_id for asked in batch})
        locked: set[str] = set()
        late: set[str] = set()
        async with db.transaction():
            if wait:
                versions = await auctions.lock_versions(db, wanted)
            else:
                versions, locked = await auctions.lock_free(db, wanted)
            current = await self._current(db, versions)
            known, standings = await bids.asked(db, {asked.key for asked in batch})
            self._standings |= standings
            now = self.clock()
            if not wait or self.pulse.resuming:
                current |= await give_back(db, await blocked.unblock(db, versions), now)
                late = {each for each in await blocked.resuming(db, versions) if looks_over(current[each], now)}
                current = {each: stored for each, stored in current.items() if each not in late}
            judged = judge(batch, current, known, standings, now)
            if judged.written:
                await write(db, judged.written, now)
        return msgspec.structs.replace(judged, locked=locked, late=late)

    async def _current(self, db: asyncpg.Connection, versions: Mapping[str, int]) -> dict[str, StoredAuction]:
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
        """Close the connection, which may be in the middle of a statement; the next batch makes a new one."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    def _fail(self, batch: Iterable[PlacedBid], reason: str) -> None:
        for each in batch:
            if not each.answer.done():
                each.answer.set_exception(LaneBlocked(reason))
