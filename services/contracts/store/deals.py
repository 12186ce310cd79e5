"""Deals: read under a lock, written with their version. SQL is written by hand here for arrays."""

from collections.abc import Sequence

import asyncpg
import msgspec

from infra.database import Reader, Transaction, json_text
from infra.states import States
from services.contracts.domain.deals import Deal
from services.contracts.store.rows import DealRow


class StoredDeal(msgspec.Struct, frozen=True, kw_only=True):
    """A deal and its version. Version 0 means that it is not stored yet. ``auction_id`` says where its ranking comes
    from."""

    deal: Deal
    auction_id: str | None
    version: int = 0


def _stored(row: asyncpg.Record) -> StoredDeal:
    return StoredDeal(
        deal=msgspec.json.decode(row["state"], type=Deal), auction_id=row["auction_id"], version=row["version"]
    )


_deals = States(DealRow, "deal", _stored, columns="auction_id")
get, lock, lock_due = _deals.get, _deals.lock, _deals.lock_due


async def buyers_of(db: Reader, process_id: str, among: Sequence[str]) -> set[str]:
    """Return which of these buyers have a deal of the process."""
    rows = await db.fetch(
        "select buyer_id from contracts.deals where process_id = $1 and buyer_id = any($2::text[])", process_id, among
    )
    return {row["buyer_id"] for row in rows}


def key_of(kept: StoredDeal) -> str:
    """Return the key by which ``but`` of :func:`lock_due` leaves out a deal."""
    return f"{kept.deal.process_id}/{kept.deal.buyer_id}"


async def save(tx: Transaction, *kept: StoredDeal) -> None:
    """Save the deals. Their versions are those that were read. Raise Outdated."""
    await _deals.save(tx, *map(_values, kept))


def _values(kept: StoredDeal) -> dict[str, object]:
    return {
        "process_id": kept.deal.process_id,
        "buyer_id": kept.deal.buyer_id,
        "auction_id": kept.auction_id,
        "due_at": kept.deal.contract.due_at if kept.deal.contract else None,
        "state": json_text(kept.deal),
        "version": kept.version,
    }
