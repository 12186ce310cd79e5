"""Decide a batch of bids in memory, one auction after the other, and make the lines that their logs gain."""

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

import msgspec

from infra.causality import Cause, current_cause
from infra.ids import new_id
from services.auctions.domain.auction import Bid
from services.auctions.domain.bids import decide
from services.auctions.journal import JournalFact, Written, chained
from services.auctions.store.auctions import StoredAuction
from services.auctions.store.bids import BidKey, StoredVerdict

log = logging.getLogger(__name__)
UNKNOWN = "unknown"
"""The standing of an organisation that accounts has not announced yet. It cannot bid."""


class WaitingBid(msgspec.Struct, frozen=True):
    """A bid that waits for its decision. ``arrived_at`` is the time when the request arrived."""

    auction_id: str
    supplier_id: str
    request_key: str
    amount: Decimal
    arrived_at: datetime
    choices: tuple[int, ...] = ()
    bid_id: str = msgspec.field(default_factory=new_id)
    cause: Cause = msgspec.field(default_factory=current_cause)

    @property
    def key(self) -> BidKey:
        return self.auction_id, self.supplier_id, self.request_key


class JudgedBids(msgspec.Struct, frozen=True):
    """``answers`` are by bid id, as they are in the log. ``written`` are the new entries of the log. The bids in
    ``reused`` have the key of another bid. Nothing was decided on the auctions in ``locked`` (somebody else locks the
    row), ``failed`` (deciding raised an error) and ``late`` (another process is extending them now, and until then they
    appear to be over)."""

    answers: dict[str, StoredVerdict]
    written: list[Written]
    reused: set[str] = msgspec.field(default_factory=set)
    locked: set[str] = msgspec.field(default_factory=set)
    failed: set[str] = msgspec.field(default_factory=set)
    late: set[str] = msgspec.field(default_factory=set)


def judge(
    batch: Iterable[WaitingBid],
    current: Mapping[str, StoredAuction],
    known: Mapping[BidKey, StoredVerdict],
    standings: Mapping[str, str],
    now: datetime,
) -> JudgedBids:
    """Decide a batch auction by auction, each auction's bids in the order in which they came. Bids on unknown auctions
    are left out. An auction on which this fails does not prevent the verdicts on others."""
    by_auction: dict[str, list[WaitingBid]] = {}
    for asked in batch:
        by_auction.setdefault(asked.auction_id, []).append(asked)
    judged = JudgedBids({}, [])
    for auction_id, there in by_auction.items():
        stored = current.get(auction_id)
        if stored is None:
            continue
        try:
            answers, written = _judge_one(stored, there, known, standings, now)
        except Exception:
            log.exception("bids on auction %s cannot be decided", auction_id)
            judged.failed.add(auction_id)
            continue
        judged.answers.update(answers)
        judged.reused.update(asked.bid_id for asked in there if asked.bid_id not in answers)
        if written is not None:
            judged.written.append(written)
    return judged


def _judge_one(
    stored: StoredAuction,
    there: list[WaitingBid],
    known: Mapping[BidKey, StoredVerdict],
    standings: Mapping[str, str],
    now: datetime,
) -> tuple[dict[str, StoredVerdict], Written | None]:
    wanted = [
        Bid(
            a.bid_id,
            a.supplier_id,
            a.request_key,
            a.amount,
            a.arrived_at,
            standings.get(a.supplier_id, UNKNOWN),
            a.choices,
        )
        for a in there
    ]
    before = {asked.key[1:]: kept for asked in there if (kept := known.get(asked.key))}
    decided = decide(stored.state, wanted, {key: kept.verdict for key, kept in before.items()})
    causes = {asked.bid_id: asked.cause for asked in there}
    in_log = {kept.verdict.bid.bid_id: kept for kept in before.values()}
    written = None
    if decided.new:
        new = [JournalFact(verdict, causes[verdict.bid.bid_id]) for verdict in decided.new]
        written = chained(stored, new, decided.state, now)
        in_log |= {kept.verdict.bid.bid_id: kept for kept in written.kept}
    answers = {
        bid_id: in_log[verdict.bid.bid_id]
        for bid_id, verdict in zip(causes, decided.answers, strict=True)
        if verdict is not None
    }
    return answers, written
