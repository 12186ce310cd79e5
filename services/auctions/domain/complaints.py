"""Complaints: a supplier files a complaint about an auction; a moderator decides, and may cancel the auction
(docs/rules.md section 3)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from catalogue.policy import AuctionRules
from catalogue.rules import DecisionUnexplained, EvidenceMissing, RuleBroken
from events.auctions import AuctionClosed, ComplaintDecided, ComplaintFiled
from services.auctions.domain.auction import AuctionState
from services.auctions.domain.closing import require_not_stopped
from services.auctions.domain.remedies import cancel


class GroundsMissing(RuleBroken):
    code = "grounds-missing"


class TooLateToComplain(RuleBroken):
    """After the close, disputes are about the contract."""

    code = "too-late-to-complain"


class ComplaintWaits(RuleBroken):
    """A supplier may have only one undecided complaint about an auction."""

    code = "complaint-waits"


class TooManyComplaints(RuleBroken):
    code = "too-many-complaints"


class DecidedBefore(RuleBroken):
    code = "decided-before"


class Complaint(msgspec.Struct, frozen=True, kw_only=True):
    """``organisation_id`` is the complainant. Only the moderator and the complainant see this name and the evidence."""

    complaint_id: str
    auction_id: str
    organisation_id: str
    grounds: str
    evidence: str
    filed_at: datetime
    decision: Literal["", "upheld", "rejected"] = ""
    reason: str = ""
    decided_at: datetime | None = None


def require_open(state: AuctionState) -> None:
    """Raise TooLateToComplain, or AuctionWithdrawn or AuctionCancelled: then there is no contract."""
    require_not_stopped(state)
    if state.closed:
        raise TooLateToComplain("The mini-auction is closed. Complaints are now about its contract.")


def file(
    state: AuctionState, complaint: Complaint, *, rules: AuctionRules, earlier: int, waiting: int
) -> ComplaintFiled:
    """Return the event of a new complaint. ``earlier`` is how many complaints this supplier filed about this auction
    before, ``waiting`` how many of them are undecided.

    Raise what :func:`require_open` raises, ComplaintWaits, TooManyComplaints, GroundsMissing or EvidenceMissing.
    """
    require_open(state)
    if waiting:
        raise ComplaintWaits(
            "A moderator has not decided your earlier complaint about this mini-auction yet. Wait for that decision; then you can"
            " file another."
        )
    least, most = rules.complaint_characters, rules.complaints_per_supplier
    if earlier >= most:
        raise TooManyComplaints(
            f"You filed {earlier} complaints about this mini-auction, and {most} is the most. After the mini-auction is"
            " closed, complaints are about its contract.",
            filed=earlier,
            most=most,
        )
    if len(complaint.grounds.strip()) < least:
        raise GroundsMissing(f"Say what is wrong, in at least {least} characters.", field="grounds", least=least)
    if len(complaint.evidence.strip()) < least:
        raise EvidenceMissing(
            f"Say where this can be seen (addresses, documents, lines), in at least {least} characters.",
            field="evidence",
            least=least,
        )
    return ComplaintFiled(
        auction_id=complaint.auction_id,
        complaint_id=complaint.complaint_id,
        buyer_id=state.opened.buyer_id,
        grounds=complaint.grounds.strip(),
        filed_at=complaint.filed_at,
    )


def decide(
    state: AuctionState,
    complaint: Complaint,
    decision: Literal["upheld", "rejected"],
    reason: str,
    now: datetime,
    *,
    rules: AuctionRules,
) -> tuple[ComplaintDecided, AuctionClosed | None]:
    """Return the decision, and also the cancellation if the complaint is upheld and the auction still runs.

    Raise DecisionUnexplained or DecidedBefore.
    """
    if complaint.decision:
        raise DecidedBefore(f"It was {complaint.decision} already.", decision=complaint.decision)
    least = rules.complaint_characters
    if len(reason.strip()) < least:
        raise DecisionUnexplained(
            f"Say why, in at least {least} characters: both sides read it.", field="reason", least=least
        )
    decided = ComplaintDecided(
        auction_id=complaint.auction_id,
        complaint_id=complaint.complaint_id,
        buyer_id=state.opened.buyer_id,
        decision=decision,
        reason=reason.strip(),
        decided_at=now,
    )
    cancels = decision == "upheld" and not state.closed
    return decided, cancel(state, reason, now) if cancels else None
