"""Mini-auctions (reverse). Producer: auctions. Until the close a bidder is only a participant number, in every event."""

from datetime import datetime

import msgspec

from events.bounds import Exact, Key, Label, Many, PolicyText, Prose
from events.codec import Event, event
from events.values import Category, Line, Place, Refusal, Source


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One answer to a criterion: ``value`` is a weight (0.05 for 5 %) in quality scoring, a cost in life-cycle scoring."""

    title: Label
    value: Exact


class Criterion(msgspec.Struct, frozen=True, kw_only=True):
    """A property, besides the price, by which bids are scored. Every bidder chooses one option with its first bid."""

    criterion_id: Key
    title: Label
    options: Many[Option]


class Scoring(msgspec.Struct, frozen=True, kw_only=True):
    """How bids are ranked: ``by`` is price, quality (price divided by a coefficient) or life-cycle (price plus its
    cost)."""

    by: Key = "price"
    criteria: Many[Criterion] = ()


class OpeningRules(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of the policy that determine the verdicts and the end (:class:`catalogue.policy.AuctionRules`
    explains each)."""

    whole_steps: bool
    improve_on: Key
    floor_percent: Exact
    extension_window_seconds: int
    extension_seconds: int
    settle_seconds: int
    delete_seconds: int = 0
    autobid_seconds: int | None = None
    restart_gap_percent: Exact | None = None
    restart_seconds: int = 0
    outage_margin_seconds: int = 0
    outage_lost_end_seconds: int = 0
    turn_seconds: int = 0
    pauses_seconds: Many[int] = ()
    """One value for each round; empty in continuous auctions."""


@event(key="auction_id")
class AuctionOpened(Event, frozen=True, kw_only=True):
    """Bidding runs from ``opens_at`` to ``closes_at``. ``step`` is an amount: the fixed percentage of the initial price.

    ``kind`` is goods, works or services. ``lines`` carry initial unit prices. ``policy`` names the preset whose numbers
    were frozen with the auction, and ``rules`` are those of these numbers that verdicts depend on (None in events that
    are older than the field). ``reference_ids`` are the price snapshots that limited the initial price; empty if there
    were none. If ``equivalents`` is true, the winner may propose equivalent goods.
    """

    auction_id: Key
    buyer_id: Key
    buyer_name: Label
    title: Label
    kind: Key
    category: Category
    place: Place
    currency: Key
    initial_price: Exact
    step: Exact
    lines: Many[Line]
    policy: Prose
    opens_at: datetime
    closes_at: datetime
    reference_ids: Many[Key] = ()
    pool_id: Key | None = None
    rules: OpeningRules | None = None
    scoring: Scoring = Scoring()
    equivalents: bool = False
    policy_text: PolicyText = ""


@event(key="pool_id")
class AuctionOpeningRefused(Event, frozen=True, kw_only=True):
    """A pool asked for a mini-auction that the rules do not allow."""

    pool_id: Key
    buyer_id: Key
    refusal: Refusal


@event(key="auction_id")
class BidAccepted(Event, frozen=True, kw_only=True):
    """``sequence`` counts the auction's accepted bids from 1; ``closes_at`` is the effective end after it.

    ``choices`` are the bidder's options (their index from 0, by criterion) if bids are scored; ``score`` is then the
    value by which the bid is ranked, an exact fraction such as ``1900/21``.
    """

    auction_id: Key
    sequence: int
    participant: int
    amount: Exact
    arrived_at: datetime
    closes_at: datetime
    extended: bool
    choices: Many[int] = ()
    score: Key = ""


@event(key="auction_id")
class BidRefused(Event, frozen=True, kw_only=True):
    """``participant`` is None if the bidder has no number yet (a number comes with the first accepted bid).

    ``standing`` is what was known about the bidder at the decision: active, another state of its organisation, or
    buyer.
    """

    auction_id: Key
    participant: int | None
    amount: Exact
    arrived_at: datetime
    refusal: Refusal
    choices: Many[int] = ()
    standing: Key = "active"


@event(key="auction_id")
class BidDeleted(Event, frozen=True, kw_only=True):
    """A bidder deleted its own last bid, number ``sequence``; its previous bid, if it had one, is valid again."""

    auction_id: Key
    participant: int
    sequence: int
    deleted_at: datetime


@event(key="auction_id")
class AuctionExtended(Event, frozen=True, kw_only=True):
    """The end moved without a bid. ``reason`` is outage (nobody could bid from ``since`` to ``until``) or restart."""

    auction_id: Key
    reason: Prose
    since: datetime
    until: datetime
    closes_at: datetime


@event(key="auction_id")
class RoundBegan(Event, frozen=True, kw_only=True):
    """Turns follow, one for each of ``order`` (participants, the worst first). ``closes_at`` is the end of the last round."""

    auction_id: Key
    number: int
    order: Many[int]
    begins_at: datetime
    closes_at: datetime


@event(key="auction_id")
class TurnEnded(Event, frozen=True, kw_only=True):
    """From now on, what was bid in this turn is public."""

    auction_id: Key
    number: int
    participant: int
    ended_at: datetime


@event(key="auction_id")
class BidDisclosed(Event, frozen=True, kw_only=True):
    """After the close: who bid how much. There is one event for the last bid of each participant, and one for each
    imported bid of a closed tender.

    ``process_id`` is the auction or the imported tender. It is meant for services that need the names (cascade,
    recommender); public documents name only the winner. ``rank`` 1 is the best; imported bids without a rank have None.
    """

    auction_id: Key
    bid_id: Key
    supplier_id: Key
    participant: int | None = None
    rank: int | None = None
    amount: Exact | None = None
    currency: Key | None = None
    lines: Many[Line] = ()
    status: Key = "valid"
    bid_at: datetime | None = None
    buyer_id: Key | None = None
    category: Category | None = None
    place: Place = Place()
    source: Source | None = None


@event(key="auction_id")
class AuctionClosed(Event, frozen=True, kw_only=True):
    """``outcome`` is successful, unsuccessful, withdrawn (by the buyer) or cancelled (by a moderator), the latter two
    with a ``reason``. ``lines`` carry the final unit prices and amounts, whose sum is exact. ``winner`` is the
    participant number.

    Published after the auction's BidDisclosed events, so a reader of this event already has the ranking.
    """

    auction_id: Key
    buyer_id: Key
    title: Label
    kind: Key
    category: Category
    place: Place
    currency: Key
    initial_price: Exact
    outcome: Key
    amount: Exact | None
    winner_id: Key | None
    participants: int
    bids: int
    lines: Many[Line]
    policy: Prose
    opened_at: datetime
    closed_at: datetime
    pool_id: Key | None = None
    winner: int | None = None
    reason: Prose = ""


@event(key="auction_id")
class ComplaintFiled(Event, frozen=True, kw_only=True):
    """An organisation complains about an auction. Its name stays hidden while the auction runs, as the bidders' names
    do."""

    auction_id: Key
    complaint_id: Key
    buyer_id: Key
    grounds: Prose
    filed_at: datetime


@event(key="auction_id")
class ComplaintDecided(Event, frozen=True, kw_only=True):
    """``decision`` is upheld (the auction is cancelled) or rejected."""

    auction_id: Key
    complaint_id: Key
    buyer_id: Key
    decision: Key
    reason: Prose
    decided_at: datetime


@event(key="auction_id")
class MarketLogSigned(Event, frozen=True, kw_only=True):
    """A checkpoint of the market's Merkle log: its first ``size`` leaves have this root, in hexadecimal. ``auction_id``
    is that of the last leaf."""

    auction_id: Key
    size: int
    root: Key
    key: Key
    signature: Key
    signed_at: datetime
