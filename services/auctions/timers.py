"""The clock: what is due in a session by itself, and at its end the close."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg
import msgspec

from catalogue.rules import RuleBroken
from events.auctions import AuctionClosed, BidDisclosed
from infra.database import Transaction
from infra.ids import new_id
from infra.service import Timer
from services.auctions.domain.auction import Verdict, apply, ranking
from services.auctions.domain.closing import close
from services.auctions.domain.due import Step, advance
from services.auctions.journal import Written, chained, entries, write
from services.auctions.store import auctions, bids, pulse, replicas
from services.auctions.store.auctions import Stored

log = logging.getLogger(__name__)
AT_ONCE = 100


async def run_clock(tx: Transaction) -> int:
    """Take what is due: cuts, turns, restarts, closes. The row lock keeps bids out until the commit.

    Nothing is taken unless bids could be decided when it fell due: after an outage the lane comes first, and gives time back.
    """
    db = await tx.raw()
    beaten = await pulse.last(db)
    standings: dict[str, str] = {}
    due = await auctions.lock_due(db, tx.now, AT_ONCE)
    if autobidders := {each for stored in due for each in stored.autobids}:
        standings = await replicas.organisations.states(db, list(autobidders))
    written: list[Written] = []
    disclosed: list[BidDisclosed] = []
    for stored in due:
        settle = timedelta(seconds=stored.state.rules.settle_seconds)
        if beaten is not None and stored.due_at is not None and beaten < stored.due_at - settle:
            continue
        try:
            one, named = await _taken(db, stored, standings, tx.now)
        except RuleBroken:
            log.exception("the clock cannot go on with auction %s; it stays due", stored.opened.auction_id)
            continue
        if one is not None:
            written.append(one)
            disclosed += named
    if written:
        await write(db, written, tx.now, disclosed)
    return len(written)


async def _taken(
    db: asyncpg.Connection, stored: Stored, standings: dict[str, str], now: datetime
) -> tuple[Written | None, list[BidDisclosed]]:
    """The auction with everything due, up to its close, and who bid what if it closed."""
    state, steps = advance(stored.state, stored.autobids, now, standings=standings, new_id=new_id)
    named: list[BidDisclosed] = []
    if steps:
        return chained(_without_refused(stored, steps), entries(steps), state, now), named
    if now < state.settles_at:
        return None, named
    places = ranking(state)
    log_of = await bids.standing(db, stored.opened.auction_id, [offered.sequence for _, _, offered in places])
    for fact in close(state, log_of, now):
        if isinstance(fact, AuctionClosed):
            return chained(stored, entries([fact]), apply(state, fact), now), named
        named.append(fact)
    raise AssertionError("a close ends with the result")


def _without_refused(stored: Stored, steps: Sequence[Step]) -> Stored:
    """Whose automatic cut was refused is switched off: its supplier may not bid any more."""
    refused = {each.bid.supplier_id for each in steps if isinstance(each, Verdict) and each.accepted is None}
    if not refused:
        return stored
    autobids = {
        supplier_id: msgspec.structs.replace(autobid, on=autobid.on and supplier_id not in refused)
        for supplier_id, autobid in stored.autobids.items()
    }
    return msgspec.structs.replace(stored, autobids=autobids)


TIMERS = (Timer("clock", 0.25, run_clock),)
