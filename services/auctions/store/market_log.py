"""The market's Merkle log: leaves, the hashes of its subtrees, and checkpoints. SQL is written by hand here for lists,
arrays and reads without a transaction."""

from collections.abc import Collection, Sequence
from datetime import datetime

import asyncpg
import msgspec

from events.auctions import AuctionClosed
from infra.database import Transaction
from services.auctions.domain import chain, merkle
from services.auctions.store.rows import CheckpointRow


class Checkpoint(msgspec.Struct, frozen=True):
    """The market's signature under the root of its log's first ``size`` leaves. Root, key and signature are
    hexadecimal."""

    size: int
    root: str
    signed_at: datetime
    key: str
    signature: str


async def lock_missing(tx: Transaction, limit: int) -> list[tuple[str, int, bytes]]:
    """Return (auction id, number of lines, root) of closed auctions that the log does not have yet. Only one process
    does this at a time.

    The root is that of the closing line, because an auction's head moves on with every bid that arrives too late.
    """
    await tx.lock_name("lonja/market-log")
    db = await tx.raw()
    rows = await db.fetch(
        "select a.auction_id, f.line, f.previous, f.data from auctions.auctions a"
        " join auctions.facts f on f.auction_id = a.auction_id and f.type = $2"
        " where a.result is not null and a.leaf is null order by a.auction_id limit $1",
        limit,
        AuctionClosed.TYPE,
    )
    return [
        (
            row["auction_id"],
            row["line"] + 1,
            chain.link(row["previous"], chain.line(AuctionClosed.TYPE, row["data"])),
        )
        for row in rows
    ]


async def leaves(db: asyncpg.Connection, *, after: int = 0, limit: int | None = None) -> list[str]:
    """Return the texts of the leaves in order, beginning after number ``after``."""
    rows = await db.fetch("select text from auctions.leaves where leaf > $1 order by leaf limit $2", after, limit)
    return [row["text"] for row in rows]


async def append(tx: Transaction, first: int, new: Sequence[tuple[str, str]]) -> None:
    """Append leaves. ``new`` are (auction id, text) of the leaves from number ``first`` on."""
    db = await tx.raw()
    numbers = list(range(first, first + len(new)))
    ids, texts = (list(column) for column in zip(*new, strict=True))
    await db.execute(
        "insert into auctions.leaves (leaf, auction_id, text) select * from unnest($1::bigint[], $2::text[], $3::text[])",
        numbers,
        ids,
        texts,
    )
    await db.execute(
        "update auctions.auctions a set leaf = n.leaf from unnest($1::bigint[], $2::text[]) n (leaf, auction_id)"
        " where a.auction_id = n.auction_id",
        numbers,
        ids,
    )


async def sign(tx: Transaction, signed: Checkpoint) -> None:
    tx.session.add(CheckpointRow(**msgspec.structs.asdict(signed)))
    await tx.session.flush()


async def blocks(db: asyncpg.Connection) -> int:
    """Return how many whole blocks of leaves have their subtree: the first ones, without a gap."""
    last: int | None = await db.fetchval(
        "select number from auctions.subtrees where level = $1 order by number desc limit 1", merkle.LEVEL
    )
    return 0 if last is None else last + 1


async def subtrees(db: asyncpg.Connection, places: Collection[merkle.Place]) -> dict[merkle.Place, bytes]:
    """Return the hashes that are stored of these places."""
    rows = await db.fetch(
        "select level, number, hash from auctions.subtrees where (level, number) in"
        " (select * from unnest($1::smallint[], $2::bigint[]))",
        [level for level, _ in places],
        [number for _, number in places],
    )
    return {(row["level"], row["number"]): row["hash"] for row in rows}


async def put_subtrees(tx: Transaction, new: merkle.Hashes) -> None:
    db = await tx.raw()
    await db.execute(
        "insert into auctions.subtrees (level, number, hash) select * from unnest($1::smallint[], $2::bigint[], $3::bytea[])",
        [level for level, _ in new],
        [number for _, number in new],
        list(new.values()),
    )


async def checkpoint(db: asyncpg.Connection, *, holding: int = 0) -> Checkpoint | None:
    """Return the first checkpoint that has leaf number ``holding``, or the latest if that is 0."""
    row = await db.fetchrow(
        "select size, root, signed_at, key, signature from auctions.checkpoints where size >= $1"
        f" order by size {'asc' if holding else 'desc'} limit 1",
        holding,
    )
    return Checkpoint(**row) if row else None


async def leaf_of(db: asyncpg.Connection, auction_id: str) -> int | None:
    found: int | None = await db.fetchval("select leaf from auctions.leaves where auction_id = $1", auction_id)
    return found
