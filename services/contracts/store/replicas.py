"""What other services told: kept as small as contracts needs it."""

import asyncio
from collections.abc import Iterable, Sequence

import asyncpg
import msgspec
from msgspec import structs

from catalogue.offers import EcoLabel, Offer, Tier
from catalogue.places import Place
from events.auctions import AuctionOpened, BidDisclosed
from events.catalogue import OfferArchived, OfferPublished
from events.pools import PoolOpened
from events.quotes import QuoteDisclosed
from events.values import Line
from infra.database import Transaction
from infra.replicas import Organisations, Skus
from services.contracts.domain.cascade import RankedBid
from services.contracts.store.rows import Row

organisations = Organisations(Row.metadata)
skus = Skus(Row.metadata)


async def put_offers(tx: Transaction, events: Sequence[OfferPublished]) -> None:
    await (await tx.raw()).execute(
        "insert into contracts.offers (offer_id, sku_id, archived, body)"
        " select id, sku_id, false, body::jsonb from unnest($1::text[], $2::text[], $3::text[]) as told (id, sku_id, body)"
        " on conflict (offer_id) do nothing",
        [event.offer_id for event in events],
        [event.sku_id for event in events],
        [msgspec.json.encode(event).decode() for event in events],
    )


async def archive_offers(tx: Transaction, events: Sequence[OfferArchived]) -> None:
    await (await tx.raw()).execute(
        "update contracts.offers set archived = true where offer_id = any($1::text[])",
        [event.offer_id for event in events],
    )


async def offer(db: asyncpg.Connection, offer_id: str) -> Offer | None:
    """None where there is none, or it was archived."""
    body = await db.fetchval("select body::text from contracts.offers where offer_id = $1 and not archived", offer_id)
    return _offer(msgspec.json.decode(body, type=OfferPublished)) if body else None


async def rivals(db: asyncpg.Connection, offer: Offer, buyer_id: str) -> list[Offer]:
    """The other standing offers of its SKU that this buyer could take: of active suppliers, not its own."""
    rows = await db.fetch(
        "select offer_id, body::text from contracts.offers where sku_id = $1 and offer_id <> $2 and not archived",
        offer.sku_id,
        offer.offer_id,
    )
    found = await asyncio.to_thread(_offers, rows)
    states = await organisations.states(db, {one.supplier_id for one in found} - {buyer_id})
    return [one for one in found if states.get(one.supplier_id) == "active"]


def _offers(rows: Iterable[asyncpg.Record]) -> list[Offer]:
    return [_offer(msgspec.json.decode(row["body"], type=OfferPublished)) for row in rows]


def _offer(event: OfferPublished) -> Offer:
    """The event as the catalogue's rules take it."""
    stock = structs.asdict(event.stock)
    fields = {name: getattr(event, name) for name in Offer.__struct_fields__}
    fields["stock"] = Place(**{**stock, "country": stock["country"] or ""})
    fields["tiers"] = tuple(Tier(tier.from_quantity, tier.price) for tier in event.tiers)
    fields["eco_labels"] = tuple(EcoLabel(each.label, each.certificate, each.expires) for each in event.eco_labels)
    return Offer(**fields)


async def put_auction(tx: Transaction, event: AuctionOpened) -> None:
    await (await tx.raw()).execute(
        "insert into contracts.auctions (auction_id, body) values ($1, $2::text::jsonb) on conflict (auction_id) do nothing",
        event.auction_id,
        msgspec.json.encode(event).decode(),
    )


async def auction(db: asyncpg.Connection, auction_id: str) -> AuctionOpened | None:
    body = await db.fetchval("select body::text from contracts.auctions where auction_id = $1", auction_id)
    return msgspec.json.decode(body, type=AuctionOpened) if body else None


async def close_auction(db: asyncpg.Connection, auction_id: str) -> None:
    await db.execute("update contracts.auctions set closed = true where auction_id = $1", auction_id)


async def put_bid(tx: Transaction, event: BidDisclosed) -> None:
    await (await tx.raw()).execute(
        "insert into contracts.bids (auction_id, supplier_id, rank, amount) values ($1, $2, $3, $4)"
        " on conflict (auction_id, supplier_id) do update set rank = excluded.rank, amount = excluded.amount",
        event.auction_id,
        event.supplier_id,
        event.rank,
        event.amount,
    )


async def put_quote(tx: Transaction, event: QuoteDisclosed) -> None:
    """Beside the bids, for the ranking of whom the buyer may ask if its choice does not sign; its lines have prices of their own."""
    await (await tx.raw()).execute(
        "insert into contracts.bids (auction_id, supplier_id, rank, amount, lines) values ($1, $2, $3, $4, $5::text::jsonb)"
        " on conflict (auction_id, supplier_id) do nothing",
        event.request_id,
        event.supplier_id,
        event.rank,
        event.amount,
        msgspec.json.encode(event.lines).decode(),
    )


async def ranking(db: asyncpg.Connection, auction_id: str | None) -> tuple[RankedBid, ...]:
    """Every bidder by rank, with its name and whether it is active now; empty where there was no auction, and until it closed:
    bids arrive one by one before the close, and for a pool's members after its allocation."""
    rows = await db.fetch(
        "select rank, b.supplier_id, coalesce(body->>'name', b.supplier_id) as supplier_name, amount,"
        " coalesce(state, 'active') = 'active' as active, lines::text as lines from contracts.bids b"
        " left join contracts.organisations o on o.organisation_id = b.supplier_id where auction_id = $1"
        " and (select closed from contracts.auctions where auction_id = $1) is not false order by rank",
        auction_id,
    )
    return tuple(
        RankedBid(**(dict(row) | {"lines": msgspec.json.decode(row["lines"] or "[]", type=tuple[Line, ...])}))
        for row in rows
    )


async def put_pool(tx: Transaction, event: PoolOpened) -> None:
    await (await tx.raw()).execute(
        "insert into contracts.pools (pool_id, policy) values ($1, $2) on conflict (pool_id) do nothing",
        event.pool_id,
        event.policy,
    )


async def pool_policy(db: asyncpg.Connection, pool_id: str) -> str | None:
    found: str | None = await db.fetchval("select policy from contracts.pools where pool_id = $1", pool_id)
    return found
