"""Mini-auctions (reverse). Producer: auctions. Until the close a bidder is only a participant number, in every event."""

from datetime import datetime
from decimal import Decimal

from events.codec import Event, event
from events.values import Category, Line, Place, Refusal, Source


@event(key="auction_id")
class AuctionOpened(Event, frozen=True, kw_only=True):
    """Bidding runs from ``opens_at`` to ``closes_at``. ``step`` is an amount: the fixed percentage of the initial price.

    ``kind`` is goods, works or services. ``lines`` carry initial unit prices. ``policy`` names the preset whose numbers were
    frozen with the auction. ``reference_ids`` are the price snapshots that bounded the initial price, none where none were published.
    """

    auction_id: str
    buyer_id: str
    buyer_name: str
    title: str
    kind: str
    category: Category
    place: Place
    currency: str
    initial_price: Decimal
    step: Decimal
    lines: tuple[Line, ...]
    policy: str
    opens_at: datetime
    closes_at: datetime
    reference_ids: tuple[str, ...] = ()
    pool_id: str | None = None


@event(key="pool_id")
class AuctionOpeningRefused(Event, frozen=True, kw_only=True):
    """A pool asked for a mini-auction that the rules do not allow."""

    pool_id: str
    buyer_id: str
    refusal: Refusal


@event(key="auction_id")
class BidAccepted(Event, frozen=True, kw_only=True):
    """``sequence`` counts the auction's accepted bids from 1; ``closes_at`` is the effective end after it."""

    auction_id: str
    sequence: int
    participant: int
    amount: Decimal
    arrived_at: datetime
    closes_at: datetime
    extended: bool


@event(key="auction_id")
class BidRefused(Event, frozen=True, kw_only=True):
    """``participant`` is None where the bidder has no number yet (a number comes with the first accepted bid)."""

    auction_id: str
    participant: int | None
    amount: Decimal
    arrived_at: datetime
    refusal: Refusal


@event(key="auction_id")
class BidDisclosed(Event, frozen=True, kw_only=True):
    """After the close: who bid what, the last bid of each participant, and imported bids of closed tenders.

    ``process_id`` is the auction or the imported tender. For services that need it (cascade, recommender); public
    documents name only the winner. ``rank`` 1 is the lowest; imports without ranks have None.
    """

    auction_id: str
    bid_id: str
    supplier_id: str
    participant: int | None = None
    rank: int | None = None
    amount: Decimal | None = None
    currency: str | None = None
    lines: tuple[Line, ...] = ()
    status: str = "valid"
    bid_at: datetime | None = None
    buyer_id: str | None = None
    category: Category | None = None
    place: Place = Place()
    source: Source | None = None


@event(key="auction_id")
class AuctionClosed(Event, frozen=True, kw_only=True):
    """``outcome`` is successful or unsuccessful. ``lines`` carry the final unit prices and amounts, sum exact.

    Published after the auction's BidDisclosed events, so that whoever reads it has the ranking already.
    """

    auction_id: str
    buyer_id: str
    title: str
    kind: str
    category: Category
    place: Place
    currency: str
    initial_price: Decimal
    outcome: str
    amount: Decimal | None
    winner_id: str | None
    participants: int
    bids: int
    lines: tuple[Line, ...]
    policy: str
    opened_at: datetime
    closed_at: datetime
    pool_id: str | None = None
