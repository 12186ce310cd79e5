"""Auctions: stored once at the opening, then only their small state is rewritten, under the row lock."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

import asyncpg
import msgspec

from catalogue.policy import Policy
from events.auctions import AuctionClosed, AuctionOpened
from services.auctions.domain.auction import AuctionState

_STATE = (
    "auction_id, opened::text as opened, policy::text as policy, price, closes_at, leader_id, sequence,"
    " participants::text as participants, verdicts, result::text as result, version"
)


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """An auction as it stands at a version. ``verdicts`` counts all bids, refused ones too."""

    state: AuctionState
    policy: Policy
    verdicts: int
    result: AuctionClosed | None
    version: int

    @property
    def opened(self) -> AuctionOpened:
        return self.state.opened


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """``status`` is open, closed or "" for both; ``category`` a code's beginning; ``region`` ISO 3166-2 or a country."""

    status: str = ""
    category: str = ""
    region: str = ""
    buyer_id: str = ""
    q: str = ""


async def insert(db: asyncpg.Connection, state: AuctionState, policy: Policy) -> bool:
    """False if there is one of that id already: the same opening, come again."""
    opened = state.opened
    done = await db.execute(
        "insert into auctions.auctions (auction_id, buyer_id, pool_id, title, category, country, region, opens_at, opened,"
        " policy, price, closes_at, settles_at, sequence, participants, verdicts, version) values ($1, $2, $3, $4, $5, $6,"
        " $7, $8, $9::text::jsonb, $10::text::jsonb, $11, $12, $13, 0, '{}', 0, 0) on conflict (auction_id) do nothing",
        opened.auction_id,
        opened.buyer_id,
        opened.pool_id,
        opened.title,
        opened.category.code,
        opened.place.country or "",
        opened.place.region or "",
        opened.opens_at,
        msgspec.json.encode(opened).decode(),
        msgspec.json.encode(policy).decode(),
        state.price,
        state.closes_at,
        state.settles_at,
    )
    return bool(done.endswith(" 1"))


async def versions_under_lock(db: asyncpg.Connection, auction_ids: Sequence[str]) -> dict[str, int]:
    """Lock the rows, always in the order of their ids, so that two processes cannot deadlock."""
    rows = await db.fetch(
        "select auction_id, version from auctions.auctions where auction_id = any($1::text[]) order by auction_id for update",
        list(auction_ids),
    )
    return {row["auction_id"]: row["version"] for row in rows}


async def load(db: asyncpg.Connection, auction_ids: Sequence[str]) -> dict[str, Stored]:
    rows = await db.fetch(
        f"select {_STATE} from auctions.auctions where auction_id = any($1::text[])", list(auction_ids)
    )
    return {row["auction_id"]: _stored(row) for row in rows}


async def get(db: asyncpg.Connection, auction_id: str) -> Stored | None:
    return (await load(db, [auction_id])).get(auction_id)


async def version(db: asyncpg.Connection, auction_id: str) -> int | None:
    found: int | None = await db.fetchval("select version from auctions.auctions where auction_id = $1", auction_id)
    return found


async def save(db: asyncpg.Connection, changed: Iterable[Stored]) -> None:
    """Write the states back, one statement for all."""
    rows = [
        (
            each.opened.auction_id,
            each.state.price,
            each.state.closes_at,
            each.state.settles_at,
            each.state.leader_id,
            each.state.sequence,
            msgspec.json.encode(each.state.participants).decode(),
            each.verdicts,
            msgspec.json.encode(each.result).decode() if each.result else None,
            each.version,
        )
        for each in changed
    ]
    await db.execute(
        "update auctions.auctions a set price = n.price, closes_at = n.closes_at, settles_at = n.settles_at,"
        " leader_id = n.leader_id, sequence = n.sequence, participants = n.participants::jsonb, verdicts = n.verdicts,"
        " result = n.result::jsonb, version = n.version"
        " from unnest($1::text[], $2::numeric[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::int[], $7::text[],"
        " $8::int[], $9::text[], $10::bigint[])"
        " n (auction_id, price, closes_at, settles_at, leader_id, sequence, participants, verdicts, result, version)"
        " where a.auction_id = n.auction_id",
        *(list(column) for column in zip(*rows, strict=True)),
    )


async def lock_due(db: asyncpg.Connection, now: datetime, limit: int) -> list[Stored]:
    """Auctions to be closed, skipping those that somebody decides about just now: they come with the next tick."""
    rows = await db.fetch(
        f"select {_STATE} from auctions.auctions where result is null and settles_at <= $1"
        " order by settles_at limit $2 for update skip locked",
        now,
        limit,
    )
    return [_stored(row) for row in rows]


async def listing(
    db: asyncpg.Connection, wanted: Filter, *, now: datetime, limit: int, offset: int
) -> tuple[list[Stored], int]:
    """One page and the number of all. Running ones by the end that is nearest, then closed ones, the latest first."""
    where, values = ["true"], []

    def add(condition: str, value: object) -> None:
        values.append(value)
        where.append(condition.format(f"${len(values)}"))

    if wanted.status == "open":
        add("result is null and closes_at > {}", now)
    elif wanted.status == "closed":
        add("(result is not null or closes_at <= {})", now)
    if wanted.category:
        add("starts_with(category, {})", wanted.category)
    if wanted.region:
        add("{} in (region, country)", wanted.region)
    if wanted.buyer_id:
        add("buyer_id = {}", wanted.buyer_id)
    if wanted.q:
        add("strpos(lower(title || ' ' || (opened->>'buyer_name')), lower({})) > 0", wanted.q)
    condition = " and ".join(where)
    total = await db.fetchval(f"select count(*) from auctions.auctions where {condition}", *values)
    rows = await db.fetch(
        f"select {_STATE} from auctions.auctions where {condition} order by result is not null,"
        " case when result is null then closes_at end, closes_at desc, auction_id"
        f" limit {int(limit)} offset {int(offset)}",
        *values,
    )
    return [_stored(row) for row in rows], total


def _stored(row: asyncpg.Record) -> Stored:
    opened = msgspec.json.decode(row["opened"], type=AuctionOpened)
    policy = msgspec.json.decode(row["policy"], type=Policy)
    result = msgspec.json.decode(row["result"], type=AuctionClosed) if row["result"] else None
    price: Decimal = row["price"]
    return Stored(
        state=AuctionState(
            opened,
            policy.auction,
            price=price,
            closes_at=row["closes_at"],
            leader_id=row["leader_id"],
            sequence=row["sequence"],
            participants=msgspec.json.decode(row["participants"], type=dict[str, int]),
            closed=result is not None,
        ),
        policy=policy,
        verdicts=row["verdicts"],
        result=result,
        version=row["version"],
    )
