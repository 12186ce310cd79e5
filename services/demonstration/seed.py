"""Fills an empty market with the demonstration. Every write has a key derived from its purpose, so a second run, or a
run after an interruption, does only what is missing."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any, TypeVar

from catalogue.policy import Policy
from infra.config import Config
from infra.database import Database
from infra.secrets import secret
from services.demonstration import history
from services.demonstration.auctions import lengths
from services.demonstration.cast import COUNTRY, Cast, Good, Player, cast
from services.demonstration.client import CallRefused, Client, sign, when_heard
from services.demonstration.demo_market import DemoMarket

T = TypeVar("T")
Say = Callable[[str], None]

VAT = Decimal(20)
"""The rate of all prices of the demonstration. Each request names it, because the usual rate of the market's policy may be
another."""
NOISE = 0.06
"""The range of offers around a supplier's price level."""
POOL_TITLE = "School year paper, bought together"
RUNNING_TITLE = "Monitors for the computer classes"
UNSOLD_TITLE = "Whiteboards for two reading rooms"
BIDS = (("supplier2", 2), ("supplier6", 3), ("supplier7", 5), ("supplier2", 7))
"""The bidders in the running auction, with the number of steps below the initial price."""
QUOTE_TITLE = "Lever arch files for the reading rooms"
QUOTES = (("supplier", "1.02", 3, ""), ("supplier7", "0.95", 12, "Two pallets, unloaded by us"))
"""The quotes: supplier, distance from the market's price, days, comment."""
ENROLMENT_DAYS = 2
"""Or twice as many calendar days if the policy asks for working days."""
POOL_DEMAND = {"agency2": (Decimal(60), Decimal(20)), "agency3": (Decimal(45), Decimal(10))}
"""Firm packs and tolerance of the members."""


def demo_password(config: Config) -> str:
    """The password of all demo logins of this home."""
    return secret(config.secrets_dir, "demo-password")[:12]


KEY_REUSED = "idempotency-key-reused"


async def seed(url: str, database: Database, password: str, policy: Policy, say: Say = lambda line: None) -> bool:
    """Fill the market at ``url``, whose accounts are in ``database`` (staff cannot register itself). Return False if
    it was full already.

    Auctions have lengths of its ``policy``. Raise CallRefused, NotAnswered, NoAuctions.
    """
    shortest, longest = lengths(policy)
    async with Client.visiting(url, patience=20) as visitor:
        if any(pool["title"] == POOL_TITLE for pool in await visitor.get("/api/pools", limit=100)):
            return False
        players = cast()
        say("demo market: registering agencies, suppliers and staff")
        await ensure_staff(database, players.staff, password)
        await register(visitor, "buyer", players.agencies, password)
        await register(visitor, "supplier", players.suppliers, password)
        everybody = (*players.agencies, *players.suppliers, *players.staff)
        members = dict(
            zip(
                (player.key for player in everybody),
                await together([visitor.login(player.email, password) for player in everybody]),
                strict=True,
            )
        )
        say(f"demo market: {len(players.skus)} goods to the catalogue")
        sku_ids = await publish_goods(members, players)
        market = DemoMarket(players=players, members=members, sku_ids=sku_ids, currency=policy.currency)
        await history.tell(database, market)
        say("demo market: offers")
        offers = await publish_offers(market)
        say("demo market: a purchase, two mini-auctions, a quick quote and a pool")
        await _purchase(members, offers[(players.skus[0].name, "supplier")])
        now = await _open_auctions(market, shortest, longest)
        if policy.quote is not None:
            quoted = longest if longest > policy.quote.min_minutes else 2 * policy.quote.min_minutes
            await _open_quotes(market, now + timedelta(minutes=quoted))
        enrolled = now + timedelta(days=max(ENROLMENT_DAYS, 2 * policy.pool.min_enrolment_days))
        await _open_pool(members, sku_ids[players.skus[0].name], enrolled, shortest)
        return True


async def together(calls: Sequence[Awaitable[T]], at_once: int = 8) -> list[T]:
    """The results of all calls, in order; a few calls run at a time."""
    gate = asyncio.Semaphore(at_once)

    async def passed(call: Awaitable[T]) -> T:
        async with gate:
            return await call

    return await asyncio.gather(*(passed(call) for call in calls))


async def ensure_staff(database: Database, staff: Sequence[Player], password: str) -> None:
    """Add staff directly to accounts, as `lonja members add` does."""
    from services.accounts import handlers, passwords  # imported here, because only this function needs them

    hashed = await passwords.hashed(password)
    for player in staff:
        wanted = handlers.NewMember(
            email=player.email, name=player.person, roles=(player.role,), organisation=player.name, country=COUNTRY
        )
        async with database.transaction("accounts") as tx:
            await handlers.ensure_member(tx, wanted, hashed)


async def register(visitor: Client, kind: str, players: Sequence[Player], password: str) -> None:
    """Register players; ``kind`` is buyer or supplier. Registered ones are not changed."""

    async def one(player: Player) -> None:
        form = {
            "kind": kind,
            "organisation": player.name,
            "country": COUNTRY,
            "region": player.region,
            "locality": player.locality,
            "name": player.person,
            "email": player.email,
            "password": password,
            "categories": [{"code": code.ljust(8, "0")} for code in player.categories],
        }
        try:
            await visitor.post("/api/register", form, key=f"register/{player.email}")
        except CallRefused as refused:
            if refused.rule not in ("email-taken", KEY_REUSED):
                raise

    await together([one(player) for player in players])


async def publish_goods(members: dict[str, Client], players: Cast) -> dict[str, str]:
    """Publish the goods: the first supplier that sells each proposes it, and the moderator publishes it. Return the
    SKU ids by name."""
    moderator = members["moderator"]

    async def one(good: Good) -> str:
        card = {
            "name": good.name,
            "category": good.category,
            "base_unit": good.unit,
            "pack_size": str(good.pack),
            "attributes": [dict(zip(("name", "value", "unit"), facts, strict=True)) for facts in good.attributes],
            "none_of_these": True,
        }
        proposer = members[players.sellers(good)[0].key]
        proposed = await proposer.post("/api/catalogue/skus", card, key=f"demo/{good.name}")
        sku_id: str = proposed["sku"]["sku_id"]
        await moderator.post(f"/api/catalogue/skus/{sku_id}/publish")
        return sku_id

    ids = await together([one(good) for good in players.skus])
    return {good.name: sku_id for good, sku_id in zip(players.skus, ids, strict=True)}


async def publish_offers(market: DemoMarket) -> dict[tuple[str, str], str]:
    """Publish an offer of every supplier that deals in the good's division. Return the offer ids by (name of the good,
    key of the supplier)."""
    members, players = market.members, market.players

    async def one(good: Good, supplier: Player) -> str:
        terms = offer_terms(good, supplier, players.regions) | {"sku_id": market.sku_ids[good.name]}
        key = f"demo/{good.name}"
        standing = await when_heard(lambda: members[supplier.key].post("/api/catalogue/offers", terms, key=key))
        return str(standing["offer"]["offer_id"])

    pairs = [(good, supplier) for good in players.skus for supplier in players.sellers(good)]
    ids = await together([one(good, supplier) for good, supplier in pairs])
    return {(good.name, supplier.key): offer for (good, supplier), offer in zip(pairs, ids, strict=True)}


def offer_terms(good: Good, supplier: Player, regions: Sequence[str]) -> dict[str, Any]:
    """The terms of this supplier: about its level of the good's price, with a lower price from a dozen on."""
    chance = random.Random(f"{supplier.key}/{good.name}")
    noise = Decimal(round(chance.uniform(1 - NOISE, 1 + NOISE), 4))
    price = (good.price * supplier.price_level * noise).quantize(Decimal("0.01"))
    most = 2000 if good.price < 1000 else 500 if good.price < 10_000 else 60
    tiers = [(most // 20, Decimal("0.97")), (most // 5, Decimal("0.93"))]
    return {
        "price": str(price),
        "vat_rate": str(VAT),
        "regions": list(dict.fromkeys((*regions, supplier.region))),
        "delivery_days": chance.randint(2, 9),
        "min_quantity": "1",
        "max_quantity": str(most),
        "tiers": [
            {"from_quantity": str(quantity), "price": str((price * part).quantize(Decimal("0.01")))}
            for quantity, part in tiers
        ],
    }


async def initial_price(buyer: Client, sku_id: str, region: str, within: float = 30) -> Decimal:
    """The initial price of one pack with VAT: a little below the reference price, for which it waits; if there is none,
    the price of the cheapest offer."""
    deadline = asyncio.get_running_loop().time() + within
    while True:
        page = await when_heard(lambda: buyer.get(f"/api/catalogue/skus/{sku_id}", region=region))
        card = page["sku"]
        if card["reference"] and card["reference"]["per_unit"]:
            per_pack = Decimal(card["reference"]["per_unit"]) * Decimal(card["pack_size"]) * (1 + VAT / 100)
            return (per_pack * Decimal("0.995")).quantize(Decimal(1), rounding=ROUND_DOWN)
        if asyncio.get_running_loop().time() > deadline:
            return Decimal(card["best_price"])
        await asyncio.sleep(0.3)


async def open_auction(buyer: Client, region: str, title: str, sku_id: str, quantity: int, minutes: int) -> str:
    """Open an auction for ``quantity`` packs with an initial price near the reference. Return its id."""
    wanted = {
        "title": title,
        "lines": [
            {
                "sku_id": sku_id,
                "quantity": str(quantity),
                "unit_price": str(await initial_price(buyer, sku_id, region)),
            }
        ],
        "duration_minutes": minutes,
        "vat_rate": str(VAT),
        "step_percent": "0.5",
    }
    try:
        made = await when_heard(lambda: buyer.post("/api/auctions", wanted, key=f"demo/{title}"))
    except CallRefused as refused:
        if refused.rule != KEY_REUSED:
            raise
        # It was opened when the market was filled before, with the price of that time.
        found = await buyer.get("/api/auctions", q=title)
        made = next(each for each in found["auctions"] if each["title"] == title)
    return str(made["auction_id"])


async def _purchase(members: dict[str, Client], offer_id: str) -> None:
    buyer, supplier = members["agency"], members["supplier"]
    wanted = {"offer_id": offer_id, "quantity": "20"}
    made = await when_heard(lambda: buyer.post("/api/contracts/purchases", wanted, key="demo/purchase"))
    path = f"/api/contracts/purchases/{made['purchase_id']}"
    answered = await supplier.post(f"{path}/answer", {"accept": True})
    await _carry_out(await sign(answered["contract_id"], buyer, supplier), buyer, supplier)


async def _carry_out(contract: dict[str, Any], buyer: Client, supplier: Client) -> None:
    """Order everything, deliver a part, accept it except for one pack, and invoice it: the visitor can do the rest."""
    path, line_id = f"/api/contracts/{contract['contract_id']}", contract["lines"][0]["line_id"]
    for side, what, body in (
        (buyer, "orders", {"lines": {line_id: "20"}, "days": 10}),
        (supplier, "deliveries", {"order": 1, "lines": {line_id: "12"}, "note": "TN-218"}),
        (buyer, "deliveries/1/assessment", {"lines": {line_id: "11"}, "reasons": "One pack was torn"}),
        (supplier, "invoices", {"deliveries": [1], "reference": "INV-77"}),
    ):
        await when_heard(lambda side=side, what=what, body=body: side.post(f"{path}/{what}", body, key=f"demo/{what}"))  # type: ignore[misc]


async def _open_auctions(market: DemoMarket, shortest: int, longest: int) -> datetime:
    """Open an auction with bids, and a short one without. Return the market's time when the first one opened."""
    members, players = market.members, market.players
    goods = {good.name: good for good in players.skus}

    async def opened(agency: str, title: str, words: str, quantity: int, minutes: int) -> str:
        name = next(name for name in goods if words in name)
        region = next(player.region for player in players.agencies if player.key == agency)
        return await open_auction(members[agency], region, title, market.sku_ids[name], quantity, minutes)

    await opened("agency2", UNSOLD_TITLE, "Whiteboard", 4, shortest)
    auction_id = await opened("agency", RUNNING_TITLE, "Monitor", 30, longest)
    auction = await members["agency"].get(f"/api/auctions/{auction_id}")
    for number, (supplier, steps) in enumerate(BIDS):
        amount = Decimal(auction["initial_price"]) - steps * Decimal(auction["step"])
        await members[supplier].post(
            f"/api/auctions/{auction_id}/bids", {"amount": str(amount)}, key=f"demo/bid/{number}"
        )
    return datetime.fromisoformat(auction["opens_at"])


async def _open_quotes(market: DemoMarket, closes_at: datetime) -> None:
    """Open a request of the libraries with two sealed quotes; the visitor can send a third."""
    members = market.members
    good = next(good for good in market.players.skus if "Lever arch" in good.name)
    wanted = {
        "title": QUOTE_TITLE,
        "lines": [{"sku_id": market.sku_ids[good.name], "quantity": "240"}],
        "closes_at": closes_at.isoformat(),
        "requirements": "Delivered in one go, to the ground floor, on a working day before noon.",
    }
    made = await when_heard(lambda: members["agency3"].post("/api/quotes", wanted, key="demo/quotes"))
    for supplier, level, days, comment in QUOTES:
        price = (good.price * Decimal(level)).quantize(Decimal("0.01"))
        quote = {"prices": {"1": str(price)}, "vat_rate": str(VAT), "delivery_days": days, "comment": comment}
        await when_heard(
            lambda supplier=supplier, quote=quote: members[supplier].post(  # type: ignore[misc]
                f"/api/quotes/{made['request_id']}/mine", quote, key=f"demo/quote/{supplier}"
            )
        )


async def _open_pool(members: dict[str, Client], sku_id: str, enrolment_ends_at: datetime, minutes: int) -> None:
    """Open a pool that the first agency leads, with two other members; the visitor can enrol the first agency."""
    wanted = {
        "title": POOL_TITLE,
        "lines": [
            {
                "sku_id": sku_id,
                "unit_price": str(await initial_price(members["agency"], sku_id, members["agency"].me["region"])),
                "vat_rate": str(VAT),
            }
        ],
        "minimum_quantity": "100",
        "enrolment_ends_at": enrolment_ends_at.isoformat(),
        "duration_minutes": minutes,
    }
    pool = await when_heard(lambda: members["agency"].post("/api/pools", wanted, key="demo/pool"))
    for agency, (firm, tolerance) in POOL_DEMAND.items():
        demand = {"line_id": pool["lines"][0]["line_id"], "firm": str(firm), "tolerance": str(tolerance)}
        await when_heard(
            lambda agency=agency, demand=demand: members[agency].post(  # type: ignore[misc]
                f"/api/pools/{pool['pool_id']}/enrolment", {"demands": [demand]}
            )
        )
