"""The processes of a simulated market, each with the market's own code, and the requests to them over a bad network."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from catalogue.calendar import RegionCalendar
from catalogue.policy import load
from events.auctions import AuctionClosed, AuctionOpened, BidAccepted, BidDisclosed
from events.codec import Event
from events.contracts import ContractDrafted
from infra.away import is_away
from infra.consumer import Consumer
from infra.database import Transaction
from infra.ids import derive_id
from infra.inbox import Inbox
from infra.outbox import Relay
from infra.reactions import Reactions
from infra.signing import Signer
from services.auctions.judging import WaitingBid
from services.auctions.lane import Lane, LaneBlocked
from services.auctions.timers import clock
from services.contracts.domain import awards, deals, signing
from services.contracts.domain.deciding import Deciding, RankedBid
from tests.simulation.broker import Kafka, PlayedProducer
from tests.simulation.database import PlayedDatabase, Postgres
from tests.simulation.faults import Address, Process, SeededChoices

T = TypeVar("T")
SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
CALENDAR = RegionCalendar("Europe/Moscow", "RU")
WEBS, WORKERS = ("web 1", "web 2"), ("worker 1", "worker 2")
TICK = 1.0
preset = lru_cache(load)


class Unanswered(Exception):
    """The caller does not know what became of the request."""


class Web:
    """A web process: the lane, and a database for everything else."""

    def __init__(self, market: "Market", name: str) -> None:
        self.process = Process(name, market.seeded)
        self.database = PlayedDatabase(market.postgres, self.process)
        self.lane = Lane(Address(self.process), self.process.clock, SIGNER)
        self.process.spawn(self._run())

    async def _run(self) -> None:
        async with self.lane.running():
            await self.process.died.wait()

    async def bid(self, asked: Callable[[], WaitingBid]) -> Any:
        return await self.lane.place(asked())


class Worker:
    """A worker process: relays, consumers, the timer of auctions."""

    def __init__(self, market: "Market", name: str) -> None:
        self.process = process = Process(name, market.seeded)
        self.database = PlayedDatabase(market.postgres, process)
        self._kafka = PlayedProducer(market.kafka, process)
        for service in ("auctions", "contracts"):
            process.spawn(Relay(service, Address(process), self._kafka).run())  # type: ignore[arg-type]
        self._consume("contracts", CONTRACTS)
        self._consume("ledger", LEDGER)
        process.spawn(self._clock())

    def _consume(self, service: str, reactions: Reactions) -> None:
        inbox = Inbox(service, reactions, self.database, self._kafka)  # type: ignore[arg-type]
        self.process.spawn(Consumer(inbox, reactions.topics, Address(self.process)).run())

    async def _clock(self) -> None:
        """Run the timer like :func:`infra.runtime.keep`, but raise errors other than an unavailable server."""
        run_clock = clock()
        while True:
            try:
                async with self.database.transaction("auctions") as tx:
                    done = await run_clock(tx)
                assert not run_clock.troubles, run_clock.troubles
            except Exception as error:
                if not is_away(error):
                    raise
                done = 0
            if not done:
                await asyncio.sleep(TICK)


class Market:
    """A market with two processes of each kind. ``call`` sends a request to one of the web processes that are alive."""

    def __init__(self, seeded: SeededChoices) -> None:
        self.seeded = seeded
        self.postgres = Postgres(seeded)
        self.kafka = Kafka(seeded)
        self.running: dict[str, Web | Worker] = {}
        self.held: dict[str, float] = {}
        """The time before which each process is not started again."""

    async def keep_alive(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while (wait := self.held.get(name, 0.0) - loop.time()) > 0:
                await asyncio.sleep(wait)
            self.seeded.say(f"{name} starts")
            machine: Web | Worker = Web(self, name) if name in WEBS else Worker(self, name)
            self.running[name] = machine
            await machine.process.died.wait()
            await asyncio.sleep(self.seeded.rng.random() * self.seeded.faults.latency_seconds * 100)

    def take_down(self, names: tuple[str, ...], seconds: float) -> None:
        until = asyncio.get_running_loop().time() + seconds
        for name in names:
            self.held[name] = until
            if name in self.running:
                self.running[name].process.kill("an outage")

    def webs(self) -> list[Web]:
        found = [self.running[name] for name in WEBS if name in self.running and self.running[name].process.alive]
        return [each for each in found if isinstance(each, Web)]

    async def call(self, work: Callable[[Web], Awaitable[T]]) -> T:
        """Send a request. Raise Unanswered, or what the request raises if its answer arrives."""
        seeded = self.seeded
        await seeded.wait()
        webs = self.webs()
        if not webs or seeded.chance("request_lost"):
            raise Unanswered
        web = seeded.rng.choice(webs)
        if seeded.chance("request_doubled"):
            twin = seeded.rng.choice(webs)
            twin.process.spawn(_asked(work, twin))
        task = web.process.spawn(_asked(work, web))
        await asyncio.wait({task}, timeout=0.5 + seeded.rng.random() * 6)
        if not task.done() or task.cancelled() or seeded.chance("answer_lost"):
            seeded.counts["unanswered"] += 1
            raise Unanswered
        try:
            return task.result()
        except Exception as error:
            if isinstance(error, LaneBlocked) or is_away(error):
                raise Unanswered from error
            raise


async def _asked(work: Callable[[Web], Awaitable[T]], web: Web) -> T:
    return await work(web)


# The consumers


CONTRACTS, LEDGER = Reactions(), Reactions()


@CONTRACTS.on(AuctionOpened)
async def on_opened(tx: Transaction, event: AuctionOpened) -> None:
    db: Any = await tx.raw()
    db.put("contracts.auctions", event.auction_id, event)


@CONTRACTS.on(BidDisclosed)
async def on_disclosed(tx: Transaction, event: BidDisclosed) -> None:
    db: Any = await tx.raw()
    assert event.rank is not None and event.amount is not None
    bid = RankedBid(rank=event.rank, supplier_id=event.supplier_id, supplier_name="", amount=event.amount)
    db.put("contracts.bids", (event.auction_id, event.rank), bid)


@CONTRACTS.on(AuctionClosed)
async def on_closed(tx: Transaction, closed: AuctionClosed) -> None:
    """Offer the contract to the winner, with the domain of contracts."""
    db: Any = await tx.raw()
    opened = db.get("contracts.auctions", closed.auction_id)
    if opened is None:
        raise LookupError(f"auction {closed.auction_id} closed and was never opened")
    found = awards.of_auction(opened, closed, winner_name="The winner", policy=preset(closed.policy), calendar=CALENDAR)
    if found is None:
        return
    deal, award = found
    await db.lock("contracts.deals", deal.process_id)
    deal = db.get("contracts.deals", deal.process_id) or deal
    ranking = []
    while (bid := db.get("contracts.bids", (closed.auction_id, len(ranking) + 1))) is not None:
        ranking.append(bid)
    for event in signing.decide(deal, award, Deciding(now=tx.now, derive_id=derive_id, ranking=ranking)):
        deal = deals.apply(deal, event)
        tx.emit(event)
    db.put("contracts.deals", deal.process_id, deal)
    db.put("contracts.rankings", closed.auction_id, ranking)


@LEDGER.on(BidAccepted, AuctionClosed, ContractDrafted)
async def count(tx: Transaction, event: Event) -> None:
    """Count the event. Repeating it counts again, which shows whether anything was repeated."""
    db: Any = await tx.raw()
    name = type(event).__name__
    await db.lock("ledger", name)
    db.put("ledger", name, (db.get("ledger", name) or 0) + 1)
