"""One seed is one story: a few auctions, suppliers that bid on them, and the faults that happen meanwhile."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from catalogue.policy import Policy
from catalogue.rules import KeyReused, RuleBroken
from events.auctions import AuctionOpened
from infra.tokens import Principal
from services.auctions import handlers, journal
from services.auctions.domain.auction import AuctionState, begin
from services.auctions.domain.bids import ladder
from services.auctions.domain.chain import GENESIS
from services.auctions.domain.rounds import turn_of
from services.auctions.judging import WaitingBid
from services.auctions.lane import BidAnswer
from services.auctions.store import auctions
from services.auctions.store.auctions import StoredAuction
from tests.simulation.broker import Record
from tests.simulation.database import Row, newest_beat
from tests.simulation.faults import Faults, SeededChoices
from tests.simulation.invariants import Broken, check
from tests.simulation.loop import Endless, NothingToWaitFor, play
from tests.simulation.market import WEBS, WORKERS, Market, Unanswered, Web
from tests.simulation.openings import opening
from tests.simulation.planted import PLANTED
from tests.simulation.played import played

FAULTY, PATIENCE = 20.0, 240.0
"""The seconds with faults, and the seconds after which the market must be at rest."""
ABSURD = tuple(map(Decimal, ("0", "-5", "1E-8", "1E+15", "0.005", "0.30000000000000004")))


class Failed(Exception):
    """A story failed. The text has the seed, what broke, and the steps before it."""

    def __init__(self, seed: int, bug: str, why: BaseException, last: list[str]) -> None:
        again = f"python -m tests.simulation --seed {seed}" + (f" --plant {bug}" if bug else "")
        told = "\n".join(last)
        super().__init__(f"seed {seed}: {type(why).__name__}: {why}\nits last steps:\n{told}\nonce more: {again}")
        self.seed, self.why = seed, why


@dataclass(frozen=True)
class Report:
    """``trace`` is a hash over every step and over the final state. ``counts`` says how often each thing happened."""

    seed: int
    trace: str
    counts: Counter[str]


BidKey = tuple[str, str, str]


@dataclass
class Seen:
    """What the clients saw, and what an observer of commits and of the wire saw."""

    answers: dict[BidKey, list[BidAnswer]] = field(default_factory=dict)
    committed: dict[tuple[str, int], float] = field(default_factory=dict)
    """When each line of a log was committed."""
    wire: list[tuple[float, Record]] = field(default_factory=list)
    beaten: dict[str, datetime] = field(default_factory=dict)
    """The newest heartbeat that was known at the close of each auction."""
    jumped: bool = False


class Story:
    def __init__(self, seed: int, faults: Faults | None = None) -> None:
        self.seeded = SeededChoices(seed, faults)
        self.rng = self.seeded.rng
        self.market = Market(self.seeded)
        self.seen = Seen()
        self.openings = [opening(self.rng, f"auction-{number}") for number in range(self.rng.randint(1, 2))]
        self.suppliers = [f"supplier-{letter}" for letter in "abcde"[: self.rng.randint(2, 5)]]
        self._keys = 0
        self.trace = ""
        self._tables = self.market.postgres.tables

    async def play(self) -> None:
        self.market.postgres.watch = self._committed
        self.market.kafka.watch = self._published
        self._tables["organisations"] |= dict.fromkeys(self.suppliers, "active")
        keeping = [asyncio.create_task(self.market.keep_alive(name)) for name in (*WEBS, *WORKERS)]
        faults = asyncio.create_task(self._cause_faults())
        try:
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*(self._auction(opened, policy) for opened, policy in self.openings))
                await faults
                while not self._at_rest():
                    await asyncio.sleep(0.5)
        except TimeoutError:
            raise Broken(f"the market did not come to rest: {self._unrest()}") from None
        finally:
            for task in (faults, *keeping):
                task.cancel()
        for auction_id, stored in sorted(self._tables["auctions"].items()):
            self.seeded.say(f"{auction_id} ends with {stored.head.hex()}")
        for name, number in sorted(self._tables["ledger"].items()):
            self.seeded.say(f"{number} {name}")
        self.trace = self.seeded.trace

    # Faults of the whole market

    async def _cause_faults(self) -> None:
        """Cause outages and clock jumps, until the faults end."""
        loop, rng = asyncio.get_running_loop(), self.rng
        if self.seeded.chance("jump"):
            self.seen.jumped = True
            for _ in range(rng.randint(1, 3)):
                loop.call_later(1 + rng.random() * (FAULTY - 1), self._jump)
        if self.seeded.chance("outage"):
            loop.call_later(2 + rng.random() * 15, self._outage, 1 + rng.random() * 9)
        await asyncio.sleep(FAULTY)
        self.seeded.end_faults()
        self.seeded.say("the faults end")

    def _jump(self) -> None:
        machine = self.rng.choice((*WEBS, *WORKERS))
        by = self.rng.uniform(-8, 8)
        self.seeded.skews[machine] = self.seeded.skews.get(machine, 0.0) + by
        self.seeded.counts["clock jumps"] += 1
        self.seeded.say(f"the clock of {machine} jumps by {by:.3f} s")

    def _outage(self, seconds: float) -> None:
        match self.rng.choice(("webs", "workers", "database")):
            case "webs":
                self.market.take_down(WEBS, seconds)
            case "workers":
                self.market.take_down(WORKERS, seconds)
            case _:
                self.seeded.say("the database goes down")
                self.market.postgres.go_down()
                asyncio.get_running_loop().call_later(seconds, self._database_back)

    def _database_back(self) -> None:
        self.seeded.say("the database is back")
        self.market.postgres.down = False

    def _at_rest(self) -> bool:
        return not any(self._unrest().values()) and not self.market.postgres.down

    def _unrest(self) -> dict[str, Any]:
        unpublished = {name: len(rows) for name, rows in self.market.postgres.unpublished.items() if rows}
        return {
            "open": [each.opened.auction_id for each in self._tables["auctions"].values() if each.result is None],
            "unpublished": unpublished,
            "unread": self.market.kafka.behind(),
            "complaints": self.seeded.complaints,
        }

    # What people do

    async def _auction(self, opened: AuctionOpened, policy: Policy) -> None:
        await self._until_done(lambda web: self._open(web, opened, policy))
        people = [self._supplier(opened.auction_id, supplier) for supplier in self.suppliers]
        if self.rng.random() < 0.15:
            people.append(self._withdrawal(opened.auction_id))
        if self.rng.random() < 0.2:
            people.append(self._suspension())
        await asyncio.gather(*people)

    async def _open(self, web: Web, opened: AuctionOpened, policy: Policy) -> None:
        """Open the auction like :func:`handlers._open`, after its rules were checked."""
        async with web.database.transaction("auctions") as tx:
            db: Any = await tx.raw()
            state = begin(opened)
            if await auctions.insert(tx, state, policy):
                fresh = StoredAuction(state=state, policy=policy, lines=0, head=GENESIS, result=None, version=-1)
                entries = journal.entries([opened])
                await journal.write(db, [journal.chained(fresh, entries, state, tx.now)], tx.now)

    async def _until_done(self, work: Callable[[Web], Awaitable[Any]]) -> Any:
        """Send the request again until there is an answer. A refusal is an answer."""
        while True:
            try:
                return await self.market.call(work)
            except Unanswered:
                self.seeded.counts["retries"] += 1
                await asyncio.sleep(0.1 + self.rng.random())
            except RuleBroken as refused:
                self.seeded.counts["refused acts"] += 1
                return refused

    async def _supplier(self, auction_id: str, supplier: str) -> None:
        rng = self.rng
        ended = asyncio.get_running_loop().time() + 60
        left = rng.randint(3, 10)
        choices = (rng.randrange(3),) if self._stored(auction_id).opened.scoring.criteria else ()
        await asyncio.sleep(rng.random() * 4)
        while left and asyncio.get_running_loop().time() < ended:
            await self._wait_for_a_good_moment(auction_id, supplier)
            stored = self._stored(auction_id)
            if stored.state.closed and rng.random() < 0.5:
                break
            left -= 1
            await self._act(stored, supplier, choices)

    async def _act(self, stored: StoredAuction, supplier: str, choices: tuple[int, ...]) -> None:
        rng, state, auction_id = self.rng, stored.state, stored.opened.auction_id
        drawn = rng.random()
        if drawn < 0.12 and state.rules.autobid_seconds and state.last_of(supplier):
            floor = max(state.price - state.opened.step * rng.randint(1, 12), state.opened.step)
            on = rng.random() < 0.9
            principal = _principal(supplier)
            await self._until_done(
                lambda web: _in_transaction(web, lambda tx: handlers.set_autobid(tx, auction_id, floor, on, principal))
            )
            self.seeded.counts["floors set"] += 1
        elif drawn < 0.2 and state.rules.delete_seconds and state.last_of(supplier):
            principal = _principal(supplier)
            await self._until_done(
                lambda web: _in_transaction(web, lambda tx: handlers.delete_last_bid(tx, auction_id, principal))
            )
        else:
            self._keys += 1
            key = (auction_id, supplier, f"request-{self._keys}")
            amount = self._amount(state, supplier)
            await self._bid(key, amount, choices)
            for _ in range(rng.choice((0, 0, 0, 1, 2))):
                await self._bid(key, amount if rng.random() < 0.5 else self._amount(state, supplier), choices)

    async def _bid(self, key: BidKey, amount: Decimal, choices: tuple[int, ...]) -> None:
        """Send the bid until it is answered, always with the same key. Another amount under an answered key is refused."""
        auction_id, supplier, request = key

        async def place(web: Web) -> BidAnswer:
            arrived_at = web.lane.clock()
            asked = WaitingBid(auction_id, supplier, request, amount, arrived_at, choices)
            return await web.lane.place(asked)

        answer = await self._until_done(place)
        if isinstance(answer, KeyReused):
            first = self.seen.answers[key][0].verdict.bid.amount
            assert first != amount, f"{request} was refused to its own bid"
            self.seeded.counts["keys refused"] += 1
            return
        # a repeated request may write the same amount differently: 2037.8 is 2037.80
        assert isinstance(answer, BidAnswer) and answer.verdict.bid.amount == amount, (amount, answer)
        self.seeded.say(f"{supplier} hears of {request}: {type(answer.verdict.event).__name__}")
        self.seen.answers.setdefault(key, []).append(answer)

    def _amount(self, state: AuctionState, supplier: str) -> Decimal:
        rng = self.rng
        steps = ladder(state, 4, supplier)
        drawn = rng.random()
        if drawn < 0.8 and steps:
            return rng.choice(steps)
        if drawn < 0.9:
            return state.price - rng.choice((Decimal(0), Decimal("0.01"), state.opened.step / 3))
        if drawn < 0.93 and state.floor:
            whole = (state.price - state.floor) // state.opened.step
            return state.price - whole * state.opened.step
        return rng.choice(ABSURD)

    async def _wait_for_a_good_moment(self, auction_id: str, supplier: str) -> None:
        """Wait for some time, until the last second, or for the supplier's turn."""
        rng, state = self.rng, self._stored(auction_id).state
        now = self.seeded.now("the clock on the wall")
        turn = turn_of(state)
        if turn is not None and rng.random() < 0.8:
            mine = turn.number == state.number_of(supplier)
            until = turn.begins_at if mine else turn.ends_at
            wait = (until - now).total_seconds() + rng.random() * 1.8
        elif rng.random() < 0.4:
            wait = (state.closes_at - now).total_seconds() - rng.random() * 1.2
        else:
            wait = rng.random() * 4
        await asyncio.sleep(min(max(wait, 0.05), 8))

    async def _withdrawal(self, auction_id: str) -> None:
        await asyncio.sleep(4 + self.rng.random() * 10)
        principal = _principal("the buyer")
        await self._until_done(
            lambda web: _in_transaction(
                web, lambda tx: handlers.withdraw(tx, auction_id, "The school was closed.", principal)
            )
        )

    async def _suspension(self) -> None:
        await asyncio.sleep(3 + self.rng.random() * 8)
        self._tables["organisations"][self.rng.choice(self.suppliers)] = "suspended"

    def _stored(self, auction_id: str) -> StoredAuction:
        stored: StoredAuction = self._tables["auctions"][auction_id]
        return stored

    # What is observed

    def _committed(self, writes: dict[Row, Any]) -> None:
        now = asyncio.get_running_loop().time()
        for (table, _), value in writes.items():
            if table == "bids":
                self.seen.committed.setdefault((value.verdict.event.auction_id, value.line), now)
            elif table == "facts":
                self.seen.committed.setdefault((value.auction_id, value.line), now)
            elif table == "auctions" and value.result is not None and (beaten := newest_beat(self._tables["beats"])):
                self.seen.beaten.setdefault(value.opened.auction_id, beaten)

    def _published(self, record: Record) -> None:
        self.seen.wire.append((asyncio.get_running_loop().time(), record))


def _principal(organisation_id: str) -> Principal:
    return Principal(
        member_id=organisation_id,
        name=organisation_id,
        organisation_id=organisation_id,
        organisation_name=organisation_id,
        roles=(),
    )


async def _in_transaction(web: Web, act: Callable[[Any], Awaitable[Any]]) -> Any:
    async with web.database.transaction("auctions") as tx:
        return await act(tx)


# One run


class _Complaints(logging.Handler):
    """Collect the errors that the market's code logs with a traceback, except those of unavailable servers."""

    def __init__(self, seeded: SeededChoices) -> None:
        super().__init__(logging.ERROR)
        self._seeded = seeded

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self._seeded.complaints.append(f"{record.getMessage()}: {record.exc_info[1]!r}")


@contextmanager
def _listening(seeded: SeededChoices) -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("services", "infra", "asyncio")]
    before = [(each.level, each.propagate) for each in loggers]
    heard = _Complaints(seeded)
    for each in loggers:
        each.addHandler(heard)
        each.setLevel(logging.ERROR)
        each.propagate = False
    try:
        yield
    finally:
        for each, (level, propagate) in zip(loggers, before, strict=True):
            each.removeHandler(heard)
            each.setLevel(level)
            each.propagate = propagate


def run(seed: int, bug: str = "", faults: Faults | None = None) -> Report:
    """Play the seed's story, with a bug of :data:`planted.PLANTED` in the market's code if one is named. Raise Failed."""
    story = Story(seed, faults)
    try:
        with _listening(story.seeded), played(story.market.postgres, story.market.kafka, seed):
            with PLANTED[bug](story.market) if bug else nullcontext():
                play(story.play())
            check(story)
    except (Broken, AssertionError, NothingToWaitFor, Endless) as why:
        raise Failed(seed, bug, why, list(story.seeded.last)) from why
    return Report(seed, story.trace, story.seeded.counts)
