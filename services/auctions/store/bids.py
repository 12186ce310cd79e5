"""Bids and their verdicts: the log. Written by the lane with one statement for a whole batch."""

from collections.abc import Iterable, Sequence

import asyncpg
import msgspec

from events.auctions import BidAccepted, BidRefused
from services.auctions.domain.auction import Bid, Verdict

BidKey = tuple[str, str, str]
"""(auction id, supplier id, request key)."""
_BID = "bid_id, auction_id, supplier_id, request_key, amount, arrived_at, standing, sequence, extended, verdict"


async def known(db: asyncpg.Connection, keys: Iterable[BidKey]) -> dict[BidKey, Verdict]:
    """The verdicts that these requests got before."""
    rows = await db.fetch(
        f"select {_BID} from auctions.bids where (auction_id, supplier_id, request_key) in"
        " (select * from unnest($1::text[], $2::text[], $3::text[]))",
        *(list(column) for column in zip(*keys, strict=True)),
    )
    return {(row["auction_id"], row["supplier_id"], row["request_key"]): _verdict(row) for row in rows}


async def insert(db: asyncpg.Connection, verdicts: Sequence[tuple[Verdict, bytes]]) -> None:
    """Append to the log. Each comes with its event as JSON, which goes to the outbox too."""
    rows = [
        (
            verdict.bid.bid_id,
            verdict.event.auction_id,
            verdict.bid.supplier_id,
            verdict.bid.request_key,
            verdict.bid.amount,
            verdict.bid.arrived_at,
            verdict.bid.standing,
            verdict.accepted.sequence if verdict.accepted else None,
            verdict.accepted is not None and verdict.accepted.extended,
            data,
        )
        for verdict, data in verdicts
    ]
    await db.execute(
        f"insert into auctions.bids ({_BID}) select * from unnest($1::text[], $2::text[], $3::text[], $4::text[],"
        " $5::numeric[], $6::timestamptz[], $7::text[], $8::int[], $9::boolean[], $10::bytea[])",
        *(list(column) for column in zip(*rows, strict=True)),
    )


async def last_of_each(db: asyncpg.Connection, auction_id: str) -> list[Verdict]:
    """Each participant's last accepted bid, in sequence."""
    rows = await db.fetch(
        f"select * from (select distinct on (supplier_id) {_BID} from auctions.bids"
        " where auction_id = $1 and sequence is not null order by supplier_id, sequence desc) last order by sequence",
        auction_id,
    )
    return [_verdict(row) for row in rows]


async def public_log(
    db: asyncpg.Connection, auction_id: str, *, limit: int, before: int | None = None
) -> list[tuple[int, BidAccepted | BidRefused]]:
    """(position, verdict), the latest first: what anybody may read. ``before`` a position pages on."""
    rows = await db.fetch(
        "select position, sequence, verdict from auctions.bids where auction_id = $1 and ($2::bigint is null or position < $2)"
        " order by position desc limit $3",
        auction_id,
        before,
        limit,
    )
    return [(row["position"], _event(row)) for row in rows]


async def price_path(db: asyncpg.Connection, auction_id: str, *, points: int) -> list[BidAccepted]:
    """Accepted bids in sequence for a picture, thinned to about ``points``; the last is always there."""
    rows = await db.fetch(
        "select sequence, verdict from auctions.bids b, (select coalesce(max(sequence), 0) as n from auctions.bids"
        " where auction_id = $1) last where b.auction_id = $1 and b.sequence is not null"
        " and (b.sequence % greatest(1, last.n / $2) = 0 or b.sequence = last.n) order by b.sequence",
        auction_id,
        points,
    )
    return [event for row in rows if isinstance(event := _event(row), BidAccepted)]


async def last_extension(db: asyncpg.Connection, auction_id: str) -> BidAccepted | None:
    """The bid that moved the end to where it is."""
    row = await db.fetchrow(
        "select sequence, verdict from auctions.bids where auction_id = $1 and extended order by sequence desc limit 1",
        auction_id,
    )
    event = _event(row) if row else None
    return event if isinstance(event, BidAccepted) else None


def _event(row: asyncpg.Record) -> BidAccepted | BidRefused:
    if row["sequence"] is None:
        return msgspec.json.decode(row["verdict"], type=BidRefused)
    return msgspec.json.decode(row["verdict"], type=BidAccepted)


def _verdict(row: asyncpg.Record) -> Verdict:
    bid = Bid(row["bid_id"], row["supplier_id"], row["request_key"], row["amount"], row["arrived_at"], row["standing"])
    return Verdict(bid, _event(row))
