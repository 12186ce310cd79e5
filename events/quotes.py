"""Quick quotes (purchase by need). Producer: quotes. Before the deadline no event says who quotes or how much."""

from datetime import datetime

from events.bounds import Exact, Key, Label, Many, PolicyText, Prose
from events.codec import Event, event
from events.values import Category, Line, Place


@event(key="request_id")
class QuoteRequestOpened(Event, frozen=True, kw_only=True):
    """Suppliers may send sealed quotes until ``closes_at``, and change or withdraw them; then the buyer chooses until ``choose_by``.

    ``lines`` have no prices. ``kind`` is goods, works or services; ``policy`` names the preset whose numbers were frozen with
    the request.
    """

    request_id: Key
    buyer_id: Key
    buyer_name: Label
    title: Label
    kind: Key
    category: Category
    place: Place
    currency: Key
    lines: Many[Line]
    requirements: Prose
    policy: Prose
    opened_at: datetime
    closes_at: datetime
    choose_by: datetime
    policy_text: PolicyText = ""


@event(key="request_id")
class QuotingEnded(Event, frozen=True, kw_only=True):
    """The deadline passed, and this is the number of valid quotes. The buyer sees them now, each as a participant
    number."""

    request_id: Key
    buyer_id: Key
    title: Label
    quotes: int
    opened_at: datetime
    ended_at: datetime


@event(key="request_id")
class QuoteDisclosed(Event, frozen=True, kw_only=True):
    """After the close: who quoted how much. There is one event for each valid quote. It is meant for services that need
    the names (contracts, observatory, recommender); public documents name only the winner.

    ``amount`` is the sum of the ``lines``, VAT included. ``rank`` is the order in which the contract may be offered:
    the chosen quote is 1, the others follow, the cheapest first; of two at the same price the earlier one comes first.
    """

    request_id: Key
    quote_id: Key
    supplier_id: Key
    participant: int
    rank: int
    chosen: bool
    amount: Exact
    currency: Key
    lines: Many[Line]
    delivery_days: int
    quoted_at: datetime
    buyer_id: Key
    category: Category
    place: Place


@event(key="request_id")
class QuoteRequestClosed(Event, frozen=True, kw_only=True):
    """``outcome`` is awarded, rejected (by the buyer, with its ``reason``), lapsed (the buyer chose nobody in time),
    unsuccessful (nobody quoted) or withdrawn (by the buyer before the deadline, with its ``reason``; the quotes stay
    sealed for ever). ``winner`` is the participant number; ``lines`` and ``amount`` are the winner's.

    ``cheapest`` is the lowest amount quoted; if another quote was chosen, ``justification`` says why. Published after
    the request's QuoteDisclosed events, so a reader of this event already has the ranking.
    """

    request_id: Key
    buyer_id: Key
    buyer_name: Label
    title: Label
    kind: Key
    category: Category
    place: Place
    currency: Key
    outcome: Key
    quotes: int
    cheapest: Exact | None
    amount: Exact | None
    winner_id: Key | None
    winner: int | None
    lines: Many[Line]
    justification: Prose
    reason: Prose
    policy: Prose
    opened_at: datetime
    ended_at: datetime
    closed_at: datetime
    policy_text: PolicyText = ""
