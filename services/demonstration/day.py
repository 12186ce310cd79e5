"""A seeded market day through the JSON API: agencies open mini-auctions and a pool, suppliers bid at a rate, contracts are signed.

All choices of the day are random but follow from one seed: who buys what, who bids how much and with which errors. The
same seed has the same organisations, which remain; the auctions are new each time.
"""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from infra.ids import new_id
from services.demonstration.cast import Player, cast
from services.demonstration.client import CallRefused, Client, NotAnswered, sign, when_heard
from services.demonstration.report import Tally
from services.demonstration.seed import VAT, initial_price, register, together

Say = Callable[[str], None]

DOMAIN = "day.example"
STEP_PERCENT = "0.5"
AUCTION_AMOUNT = 80_000
"""The approximate value of an auction: below the limit of the shortest auctions."""
BIDS_PER_AUCTION = 60
"""The number of auctions is chosen so that each gets about this many bids."""
MOST_AUCTIONS = 300
LOWEST = Decimal("0.5")
"""No bid is below this part of the initial price."""
MISTAKES = 0.1
CUTS = (1, 1, 1, 1, 1, 1, 2, 2, 3)
"""Steps of a reasonable bid, with their frequencies."""
IN_FLIGHT = 300
LAST_SECONDS = 15
"""One more bid comes this close to the end, and extends the auction."""


class EmptyCatalogue(Exception):
    """There is nothing to buy."""

    code = "empty-catalogue"

    def __init__(self) -> None:
        super().__init__("the catalogue has no goods that are offered: run `lonja demo` first")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """``minutes`` is how long an auction lasts; with ``finish`` the day ends when all are closed and their contracts signed."""

    seed: int = 1
    seconds: float = 30
    bids_per_second: float = 20
    suppliers: int = 8
    agencies: int = 4
    minutes: int = 3
    finish: bool = True
    patience: float = 60


@dataclass
class Running:
    """An auction as the bidders see it. ``buyer`` opened it, for itself or for the pool that it leads."""

    auction_id: str
    title: str
    buyer: Client
    initial: Decimal
    step: Decimal
    price: Decimal
    leader: str = ""
    pool_id: str = ""

    def note(self, verdict: dict[str, Any], supplier_id: str) -> None:
        """Store a verdict. Verdicts come in any order; the lowest price is the latest."""
        if verdict["verdict"] == "accepted" and Decimal(verdict["amount"]) < self.price:
            self.price, self.leader = Decimal(verdict["amount"]), supplier_id


class Day:
    """A market day; call :meth:`play` once."""

    def __init__(self, visitor: Client, plan: Plan, password: str, tally: Tally, say: Say) -> None:
        self._visitor = visitor
        self._plan = plan
        self._password = password
        self.tally = tally
        self._say = say
        self._chance = random.Random(plan.seed)
        self._agencies: list[Client] = []
        self._suppliers: list[Client] = []
        self._auctions: list[Running] = []
        self._ahead = timedelta()
        """How far the market's clock is ahead of this process's clock."""

    async def play(self) -> dict[str, Any]:
        """Play the day. Return the summary. Raise EmptyCatalogue, and CallRefused for unexpected refusals."""
        await self._gather()
        await self._open()
        began = time.monotonic()
        await self._bid_for_a_while()
        seconds = time.monotonic() - began
        if self._plan.finish:
            self._say(f"waiting for the close of {len(self._auctions)} auctions")
            await together([self._finish(auction) for auction in self._auctions], at_once=len(self._auctions))
        return {"seed": self._plan.seed, "seconds": round(seconds, 1)} | self.tally.summary(seconds)

    def _now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    async def _gather(self) -> None:
        plan, players = self._plan, cast()

        def extras(kind: str, number: int, models: tuple[Player, ...]) -> list[Player]:
            return [
                Player(
                    key=f"{kind}{one}",
                    name=f"{kind.title()} {one + 1} of day {plan.seed}",
                    person=f"{kind.title()} {one + 1}",
                    region=(model := models[one % len(models)]).region,
                    locality=model.locality,
                    categories=model.categories,
                    domain=f"{plan.seed}.{DOMAIN}",
                )
                for one in range(number)
            ]

        agencies = extras("agency", plan.agencies, players.agencies)
        suppliers = extras("supplier", plan.suppliers, players.suppliers)
        self._say(f"{plan.agencies} agencies and {plan.suppliers} suppliers")
        await register(self._visitor, "buyer", agencies, self._password)
        await register(self._visitor, "supplier", suppliers, self._password)
        self._agencies = await together([self._visitor.login(each.email, self._password) for each in agencies])
        self._suppliers = await together([self._visitor.login(each.email, self._password) for each in suppliers])

    async def _open(self) -> None:
        plan = self._plan
        found = await self._visitor.get("/api/catalogue/skus")
        goods = [card for card in found["results"] if card["best_price"]]
        if not goods:
            raise EmptyCatalogue
        wanted = max(plan.agencies, round(plan.bids_per_second * plan.seconds / BIDS_PER_AUCTION))
        pairs = [
            (self._agencies[number % plan.agencies], self._chance.choice(goods))
            for number in range(min(wanted, MOST_AUCTIONS))
        ]
        self._auctions = list(await together([self._open_auction(buyer, card) for buyer, card in pairs]))
        self._auctions.append(await self._open_pool(self._chance.choice(goods)))
        await together([self._send_first_bid(supplier) for supplier in self._suppliers])

    async def _open_auction(self, buyer: Client, card: dict[str, Any]) -> Running:
        price = await initial_price(buyer, card["sku_id"], buyer.me["region"])
        wanted = {
            "title": card["name"],
            "lines": [
                {
                    "sku_id": card["sku_id"],
                    "quantity": str(max(1, int(AUCTION_AMOUNT / price))),
                    "unit_price": str(price),
                }
            ],
            "duration_minutes": self._plan.minutes,
            "vat_rate": str(VAT),
            "step_percent": STEP_PERCENT,
        }
        key = new_id()
        made = await when_heard(lambda: buyer.post("/api/auctions", wanted, key=key))
        return await self._opened(made["auction_id"], buyer)

    async def _opened(self, auction_id: str, buyer: Client, pool_id: str = "") -> Running:
        auction = await when_heard(lambda: buyer.get(f"/api/auctions/{auction_id}"))
        self.tally.opened += 1
        self._ahead = datetime.fromisoformat(auction["opens_at"]) - datetime.now(UTC)
        self._say(f"{auction['buyer_name']} opens {auction['title']} at {auction['initial_price']}")
        return Running(
            auction_id=auction_id,
            title=auction["title"],
            buyer=buyer,
            initial=Decimal(auction["initial_price"]),
            step=Decimal(auction["step"]),
            price=Decimal(auction["price"]),
            pool_id=pool_id,
        )

    async def _open_pool(self, card: dict[str, Any]) -> Running:
        """Open a pool in which all agencies enrol; it is frozen and sourced at once."""
        lead = self._agencies[0]
        price = await initial_price(lead, card["sku_id"], lead.me["region"])
        firm = max(1, int(AUCTION_AMOUNT / price / len(self._agencies))) * Decimal(card["pack_size"])
        wanted = {
            "title": f"{card['name']}, together",
            "lines": [{"sku_id": card["sku_id"], "unit_price": str(price), "vat_rate": str(VAT)}],
            "minimum_quantity": str(firm),
            "enrolment_ends_at": (self._now() + timedelta(hours=1)).isoformat(),
            "duration_minutes": self._plan.minutes,
        }
        key = new_id()
        pool = await when_heard(lambda: lead.post("/api/pools", wanted, key=key))
        path = f"/api/pools/{pool['pool_id']}"
        demand = {"demands": [{"line_id": pool["lines"][0]["line_id"], "firm": str(firm)}]}

        async def enrol(agency: Client) -> None:
            await when_heard(lambda: agency.post(f"{path}/enrolment", demand))

        await together([enrol(agency) for agency in self._agencies])
        await lead.post(f"{path}/freeze")
        pool = await lead.post(f"{path}/source", {"step_percent": STEP_PERCENT})
        self.tally.pools += 1
        self._say(f"{len(self._agencies)} agencies pool their demand of {card['name']}")
        async with asyncio.timeout(self._plan.patience):
            while not pool["auction_id"]:
                await asyncio.sleep(0.2)
                pool = await lead.get(path)
        return await self._opened(pool["auction_id"], lead, pool["pool_id"])

    async def _send_first_bid(self, supplier: Client) -> None:
        """Send a first bid that cannot lead, until the auctions service knows the supplier."""
        auction = self._auctions[0]
        async with asyncio.timeout(self._plan.patience):
            while (await self._bid(auction, supplier, auction.initial))["rule"] == "supplier-not-active":
                await asyncio.sleep(0.2)

    async def _bid_for_a_while(self) -> None:
        plan = self._plan
        self._say(f"bidding for {plan.seconds:.0f} s at {plan.bids_per_second:g} a second")
        gate = asyncio.Semaphore(IN_FLIGHT)
        async with asyncio.TaskGroup() as bids:
            began = time.monotonic()
            for number in range(int(plan.seconds * plan.bids_per_second)):
                await asyncio.sleep(max(0.0, began + number / plan.bids_per_second - time.monotonic()))
                if time.monotonic() - began > plan.seconds:
                    break
                await gate.acquire()
                task = bids.create_task(self._chance_bid())
                task.add_done_callback(lambda _: gate.release())

    def _chance_bid(self) -> Coroutine[Any, Any, None]:
        """Choose and send the next bid of a random supplier."""
        auction = self._chance.choice(self._auctions)
        rivals = [one for one in self._suppliers if one.me["organisation_id"] != auction.leader]
        erring = self._chance.random() < MISTAKES or auction.price < auction.initial * LOWEST
        supplier = self._chance.choice(self._suppliers if erring else rivals or self._suppliers)
        steps = self._chance.choice((Decimal(0), Decimal("0.5"), Decimal(1))) if erring else self._chance.choice(CUTS)
        return self._try(auction, supplier, auction.price - steps * auction.step)

    async def _try(self, auction: Running, supplier: Client, amount: Decimal) -> None:
        try:
            await self._bid(auction, supplier, amount.quantize(Decimal("0.01")))
        except NotAnswered as failure:
            self.tally.unanswered += 1
            self._say(str(failure))

    async def _bid(self, auction: Running, supplier: Client, amount: Decimal) -> dict[str, Any]:
        """Send a bid. Return the verdict, accepted or refused. Raise NotAnswered."""
        key, began, who = new_id(), time.monotonic(), supplier.me["organisation_id"]
        path = f"/api/auctions/{auction.auction_id}/bids"
        try:
            verdict: dict[str, Any] = {"rule": ""} | await supplier.post(path, {"amount": str(amount)}, key=key)
        except CallRefused as refused:
            if "verdict" not in refused.problem:
                raise
            verdict = refused.problem
        self.tally.verdict(key, who, verdict, time.monotonic() - began)
        auction.note(verdict, who)
        if verdict["verdict"] == "accepted" and verdict["extended"]:
            self._say(f"{auction.title}: extended by a bid of {verdict['amount']}")
        return verdict

    async def _finish(self, auction: Running) -> None:
        """Send one more bid at the last moment, wait for the close, and sign the contracts."""
        late_bid_made = False
        while True:
            seen = await auction.buyer.get(f"/api/auctions/{auction.auction_id}")
            if seen["status"] == "closed":
                break
            left = (datetime.fromisoformat(seen["closes_at"]) - self._now()).total_seconds()
            if left < LAST_SECONDS and not late_bid_made and seen["status"] == "open":
                late_bid_made = True
                rival = next(one for one in self._suppliers if one.me["organisation_id"] != auction.leader)
                await self._try(auction, rival, Decimal(seen["price"]) - auction.step)
            await asyncio.sleep(min(5.0, max(0.5, left - LAST_SECONDS)))
        self.tally.closed += 1
        if seen["outcome"] != "successful":
            self._say(f"{auction.title}: nobody bid")
            return
        self.tally.won += 1
        self._say(f"{auction.title}: {seen['winner']} wins at {seen['price']}, from {seen['initial_price']}")
        for contract in await self._contracts(auction):
            await self._sign(auction, contract, Decimal(seen["price"]))

    async def _contracts(self, auction: Running) -> list[dict[str, Any]]:
        """The contracts of the auction: one, or one for each member of the pool."""
        expected = len(self._agencies) if auction.pool_id else 1
        process = auction.pool_id or auction.auction_id
        found: dict[str, dict[str, Any]] = {}
        async with asyncio.timeout(self._plan.patience):
            while len(found) < expected:
                for agency in self._agencies if auction.pool_id else [auction.buyer]:
                    page = await agency.get("/api/contracts", process=process, mine="true")
                    found |= {contract["contract_id"]: contract for contract in page["contracts"]}
                await asyncio.sleep(0.3)
        return list(found.values())

    async def _sign(self, auction: Running, contract: dict[str, Any], price: Decimal) -> None:
        sides = {one.me["organisation_id"]: one for one in (*self._agencies, *self._suppliers)}
        signed = await sign(contract["contract_id"], sides[contract["buyer_id"]], sides[contract["supplier_id"]])
        if signed["state"] == "concluded":
            self.tally.contract(signed, Decimal(signed["amount"]) * auction.initial / price)
            self._say(f"{signed['buyer_name']} and {signed['supplier_name']} sign for {signed['amount']}")
