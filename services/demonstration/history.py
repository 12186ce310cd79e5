"""A year of contracts before the market opened, so that prices have a history, as if imported from the agencies'
archives.

They are published through the outbox of transparency, as imports are, because no route of the API makes contracts of
the past.
"""

import random
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from catalogue import places
from catalogue.categories import normalise, short_cpv
from events.contracts import ContractConcluded
from events.values import Category, Line, Place, Source
from infra.database import Database
from infra.ids import derive_id
from services.demonstration.cast import COUNTRY, Good, Player
from services.demonstration.demo_market import DemoMarket

VAT = Decimal(20)
CONTRACTS_OF_A_GOOD = 14
DAYS_BETWEEN = 26
RISE = Decimal("0.09")
"""The part by which prices were lower a year ago."""
NOISE = 0.05
QUANTITIES = (10, 20, 40, 60, 100)
SOURCE = Source(publisher="Archive of the demonstration", document="contracts of last year")


async def tell(database: Database, market: DemoMarket) -> None:
    """Publish the contracts, once per market."""
    async with (
        database.transaction("transparency") as tx,
        tx.once("demo", "history", caller="", body="", answer=str) as once,
    ):
        if not once.first:
            return
        for good in market.players.skus:
            for number in range(CONTRACTS_OF_A_GOOD):
                tx.emit(_contract(market, good, number, tx.now))
        once.answer = "told"


def _contract(market: DemoMarket, good: Good, number: int, now: datetime) -> ContractConcluded:
    """Contract number ``number``, counted back from now."""
    players, members = market.players, market.members
    chance = random.Random(f"{good.name}/{number}")
    buyer = members[chance.choice(players.agencies).key].me
    sellers = players.sellers(good)
    # in turn, and not with the same first one for every good
    seller = sellers[(number + len(good.name)) % len(sellers)]
    days = DAYS_BETWEEN * number + chance.randint(1, DAYS_BETWEEN)
    level = seller.price_level * (1 - RISE * days / 365) * Decimal(str(round(chance.uniform(1 - NOISE, 1 + NOISE), 4)))
    price = (good.price * level).quantize(Decimal("0.01"))
    quantity = Decimal(chance.choice(QUANTITIES) if good.price < 10_000 else chance.randint(1, 5))
    category = Category(code=normalise(good.category), title=short_cpv().name(good.category))
    process = derive_id("demo history", good.name, str(number))
    line = Line(
        line_id="1",
        description=good.name,
        category=category,
        sku_id=market.sku_ids[good.name],
        quantity=quantity,
        unit=good.unit,
        pack_size=good.pack,
        unit_price=price,
        amount=price * quantity,
        vat_rate=VAT,
        vat_included=True,
    )
    return ContractConcluded(
        process_id=process,
        contract_id=derive_id("demo history contract", process),
        award_id=None,
        origin="import",
        buyer_id=buyer["organisation_id"],
        buyer_name=buyer["organisation_name"],
        supplier_id=members[seller.key].me["organisation_id"],
        supplier_name=seller.name,
        title=good.name,
        category=category,
        method="open",
        place=_place(chance.choice((*players.agencies, *players.suppliers))),
        currency=market.currency,
        amount=line.amount,
        lines=(line,),
        signed_at=now - timedelta(days=days),
        source=SOURCE,
    )


def _place(player: Player) -> Place:
    """Return a place of delivery: the town in which this player has its seat. Buyers have branches in the whole country."""
    found = places.locate(COUNTRY, player.region, player.locality)
    assert found is not None, "the cast sits in known towns"
    return msgspec.convert(msgspec.to_builtins(found), Place)
