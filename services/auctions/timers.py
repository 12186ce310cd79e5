"""The timer of auctions: it does what becomes due, and at the end the close."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg
import msgspec

from events.auctions import BidDisclosed
from infra.database import Transaction
from infra.due import Due
from infra.ids import new_id
from infra.reading import UnreadableKey
from infra.service import Timer
from services.auctions.domain.auction import Verdict, apply, ranking
from services.auctions.domain.closing import close
from services.auctions.domain.due import Step, advance
from services.auctions.journal import Written, chained, entries, write
from services.auctions.store import auctions, bids, pulse, replicas
from services.auctions.store.auctions import StoredAuction

AT_ONCE = 100


async def lock_due(tx: Transaction, but: Sequence[str]) -> list[StoredAuction | UnreadableKey[str]]:
    """Return the auctions that are due. An auction is left out if no bids could be decided when it became due: after an
    outage a lane first gives the lost time back."""
    db = await tx.raw()
    beaten = await pulse.last(db)
    found = await auctions.lock_due(tx, tx.now, AT_ONCE, but)
    return [each for each in found if isinstance(each, UnreadableKey) or _watched_over(each, beaten)]


async def go_on(tx: Transaction, taken: Sequence[StoredAuction]) -> None:
    """Carry out cuts, turns, restarts and closes. The row lock keeps bids out until the commit."""
    db = await tx.raw()
    standings: dict[str, str] = {}
    if autobidders := {each for stored in taken for each in stored.autobids}:
        standings = await replicas.organisations.states(db, list(autobidders))
    written: list[Written] = []
    settled: list[StoredAuction] = []
    for stored in taken:
        state, steps = advance(stored.state, stored.autobids, tx.now, standings=standings, new_id=new_id)
        if steps:
            written.append(chained(_switch_off_refused(stored, steps), entries(steps), state, tx.now))
        elif tx.now >= stored.state.settles_at:
            settled.append(stored)
    closes, disclosed = await _closed(db, settled, tx.now)
    written += closes
    if written:
        await write(db, written, tx.now, disclosed)


def clock() -> Due[StoredAuction, str]:
    """Return the timer's work. An auction that cannot go on does not delay the others; it stays due."""
    return Due("auctions clock", lock_due, lambda stored: stored.opened.auction_id, go_on)


def _watched_over(stored: StoredAuction, beaten: datetime | None) -> bool:
    """Return whether bids could be decided when the auction fell due."""
    settle = timedelta(seconds=stored.state.rules.settle_seconds)
    return beaten is None or stored.due_at is None or beaten >= stored.due_at - settle


async def _closed(
    db: asyncpg.Connection, settled: Sequence[StoredAuction], now: datetime
) -> tuple[list[Written], list[BidDisclosed]]:
    """Return the closes, and who bid what."""
    places = {
        stored.opened.auction_id: [offered.sequence for _, _, offered in ranking(stored.state)] for stored in settled
    }
    logs = await bids.standing(db, places)
    written: list[Written] = []
    disclosed: list[BidDisclosed] = []
    for stored in settled:
        named, result = close(stored.state, logs[stored.opened.auction_id], now)
        written.append(chained(stored, entries([result]), apply(stored.state, result), now))
        disclosed += named
    return written, disclosed


def _switch_off_refused(stored: StoredAuction, steps: Sequence[Step]) -> StoredAuction:
    """Switch off the autobids whose automatic cut was refused, because their suppliers may not bid any more."""
    refused = {each.bid.supplier_id for each in steps if isinstance(each, Verdict) and each.accepted is None}
    if not refused:
        return stored
    autobids = {
        supplier_id: msgspec.structs.replace(autobid, on=autobid.on and supplier_id not in refused)
        for supplier_id, autobid in stored.autobids.items()
    }
    return msgspec.structs.replace(stored, autobids=autobids)


TIMERS = (Timer("clock", 0.25, clock()),)
