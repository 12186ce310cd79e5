"""Bids and their verdicts: the log. They are written with the states of their auctions (:func:`auctions.save`). SQL is
written by hand here for lists, arrays, aggregates and reads without a transaction."""

from collections.abc import Collection, Mapping, Sequence
from operator import itemgetter

import asyncpg
import msgspec

from events.auctions import BidAccepted, BidRefused
from infra.database import columns
from infra.reading import UnreadableKey, lines, read_one
from services.auctions.domain.auction import Bid, Verdict

BidKey = tuple[str, str, str]
"""(auction id, supplier id, request key)."""
Logged = tuple[int, BidAccepted | BidRefused | UnreadableKey[int]]
"""(line of the log, verdict); a verdict that this release cannot read has its line."""
_BID = (
    "bid_id, auction_id, supplier_id, request_key, amount, arrived_at, standing, sequence, extended, verdict, line,"
    " previous, choices, automatic, withheld"
)


class StoredVerdict(msgspec.Struct, frozen=True):
    """A verdict as it is in the log: the number of its line, the hash before it, and the event's bytes."""

    verdict: Verdict
    line: int
    previous: bytes
    data: bytes
    withheld: bool = False


async def asked(db: asyncpg.Connection, keys: Collection[BidKey]) -> tuple[dict[BidKey, StoredVerdict], dict[str, str]]:
    """Return the earlier verdicts on these requests, and the known states of the organisations that sent them."""
    rows = await db.fetch(
        "select o.organisation_id, o.state, b.* from unnest($1::text[], $2::text[], $3::text[]) k (auction, supplier, key)"
        " left join auctions.organisations o on o.organisation_id = k.supplier"
        f" left join (select {_BID} from auctions.bids) b on b.auction_id = k.auction and b.supplier_id = k.supplier"
        " and b.request_key = k.key",
        *columns(keys),
    )
    known = {(row["auction_id"], row["supplier_id"], row["request_key"]): _read(row) for row in rows if row["bid_id"]}
    return known, {row["organisation_id"]: row["state"] for row in rows if row["organisation_id"]}


def row(kept: StoredVerdict) -> tuple[object, ...]:
    """Return the row as in the type ``auctions.saved_bid``."""
    bid, accepted = kept.verdict.bid, kept.verdict.accepted
    return (
        bid.bid_id,
        kept.verdict.event.auction_id,
        bid.supplier_id,
        bid.request_key,
        bid.amount,
        bid.arrived_at,
        bid.standing,
        accepted.sequence if accepted else None,
        accepted is not None and accepted.extended,
        kept.data,
        kept.line,
        kept.previous,
        bid.choices,
        bid.automatic,
        kept.withheld,
    )


async def publish_withheld(db: asyncpg.Connection, auction_ids: Sequence[str]) -> list[StoredVerdict]:
    """Publish the verdicts that were hidden from the public, and return them in the order of the log."""
    rows = await db.fetch(
        f"update auctions.bids set withheld = false where auction_id = any($1::text[]) and withheld returning {_BID}",
        list(auction_ids),
    )
    return sorted((_read(row) for row in rows), key=lambda kept: (kept.verdict.event.auction_id, kept.line))


async def of_line(db: asyncpg.Connection, auction_id: str, line: int) -> StoredVerdict | None:
    row = await db.fetchrow(f"select {_BID} from auctions.bids where auction_id = $1 and line = $2", auction_id, line)
    return _read(row) if row else None


async def standing(db: asyncpg.Connection, sequences: Mapping[str, Collection[int]]) -> dict[str, list[Verdict]]:
    """Return the accepted bids with these numbers, by auction."""
    wanted = [(auction_id, number) for auction_id, numbers in sequences.items() for number in numbers]
    found: dict[str, list[Verdict]] = {auction_id: [] for auction_id in sequences}
    if wanted:
        rows = await db.fetch(
            f"select {_BID} from unnest($1::text[], $2::int[]) w (auction_id, sequence)"
            " join auctions.bids using (auction_id, sequence)",
            *columns(wanted),
        )
        for row in rows:
            found[row["auction_id"]].append(_read(row).verdict)
    return found


async def public_log(db: asyncpg.Connection, auction_id: str, *, limit: int, before: int | None = None) -> list[Logged]:
    """Return the log, the latest first, as anybody may read it. With ``before``, only earlier lines are returned."""
    rows = await db.fetch(
        "select line, sequence, verdict from auctions.bids where auction_id = $1 and not withheld"
        " and ($2::int is null or line < $2)"
        " order by line desc limit $3",
        auction_id,
        before,
        limit,
    )
    return _log(auction_id, rows)


async def own_log(db: asyncpg.Connection, auction_id: str, supplier_id: str, *, limit: int) -> list[Logged]:
    """Return one supplier's bids, the latest first. While turns are sealed only that supplier may read them."""
    rows = await db.fetch(
        "select line, sequence, verdict from auctions.bids where auction_id = $1 and supplier_id = $2"
        " order by line desc limit $3",
        auction_id,
        supplier_id,
        limit,
    )
    return _log(auction_id, rows)


async def price_path(db: asyncpg.Connection, auction_id: str, last: int, *, points: int) -> list[BidAccepted]:
    """Return accepted bids up to number ``last`` in sequence for a picture, thinned to about ``points``. The last is
    always included."""
    every = max(1, last // points)
    rows = await db.fetch(
        "select line, sequence, verdict from auctions.bids where auction_id = $1 and sequence = any($2::int[]) and not withheld"
        " order by sequence",
        auction_id,
        [*range(every, last, every), last],
    )
    return [event for _, event in _log(auction_id, rows) if isinstance(event, BidAccepted)]


async def first_withheld(db: asyncpg.Connection, auction_id: str) -> int | None:
    """Return the first line of the log that is hidden from the public, or None."""
    found: int | None = await db.fetchval(
        "select min(line) from auctions.bids where auction_id = $1 and withheld", auction_id
    )
    return found


async def last_extension(db: asyncpg.Connection, auction_id: str) -> BidAccepted | None:
    """Return the bid that last moved the end, or None."""
    row = await db.fetchrow(
        "select line, sequence, verdict from auctions.bids where auction_id = $1 and extended and not withheld"
        " order by sequence desc limit 1",
        auction_id,
    )
    return next((event for _, event in _log(auction_id, [row] if row else []) if isinstance(event, BidAccepted)), None)


def _log(auction_id: str, rows: Sequence[asyncpg.Record]) -> list[Logged]:
    found = lines(f"line of the log of auction {auction_id}", rows, itemgetter("line"), _event)
    return [(row["line"], event) for row, event in zip(rows, found, strict=True)]


def _read(row: asyncpg.Record) -> StoredVerdict:
    """Read a verdict to decide by. Raise UnreadableRow."""
    return read_one("bid", row["bid_id"], _kept, row)


def _event(row: asyncpg.Record) -> BidAccepted | BidRefused:
    if row["sequence"] is None:
        return msgspec.json.decode(row["verdict"], type=BidRefused)
    return msgspec.json.decode(row["verdict"], type=BidAccepted)


def _kept(row: asyncpg.Record) -> StoredVerdict:
    bid = Bid(
        row["bid_id"],
        row["supplier_id"],
        row["request_key"],
        row["amount"],
        row["arrived_at"],
        row["standing"],
        tuple(row["choices"]),
        row["automatic"],
    )
    return StoredVerdict(Verdict(bid, _event(row)), row["line"], row["previous"], row["verdict"], row["withheld"])
