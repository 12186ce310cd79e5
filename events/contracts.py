"""Awards, contracts and direct purchases. Producer: contracts; imports bring awards and contracts of other markets."""

from datetime import date, datetime
from decimal import Decimal

import msgspec

from events.codec import Event, event
from events.values import Category, Line, Place, Source


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """What the draft says on one matter, of the whole contract or of one line. ``code`` is delivery-time (then ``text`` is a
    date, the end of performance), delivery-place, acceptance, payment, requisites or wording."""

    code: str
    text: str
    line_id: str = ""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One point of a protocol of disagreement: what the supplier wants a term to say, and why. ``number`` counts from 1."""

    number: int
    code: str
    wanted: str
    reason: str
    line_id: str = ""


class PointAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """``reason`` is why the draft stays as it is; an accepted point needs none."""

    number: int
    accepted: bool
    reason: str = ""


class Equivalent(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in for ``quantity`` of a line, in its unit and at its unit price. ``refused`` is the buyer's reason not to
    take it: then the original is due."""

    line_id: str
    quantity: Decimal
    description: str
    sku_id: str | None = None
    refused: str = ""


class Security(msgspec.Struct, frozen=True, kw_only=True):
    """What secures performance: ``kind`` is bank-guarantee or deposit, ``reference`` the guarantee's or payment's number;
    in the contract's currency."""

    kind: str
    reference: str
    amount: Decimal
    valid_until: date


@event(key="process_id")
class AwardMade(Event, frozen=True, kw_only=True):
    """A supplier was chosen. ``process_id`` is the auction, quote request, pool, purchase or imported tender; ``origin`` says
    which of ``auction``, ``quote``, ``pool``, ``purchase``, ``import``. The recommender learns from it. An amount that is not
    known is None."""

    process_id: str
    award_id: str
    origin: str
    buyer_id: str
    buyer_name: str
    supplier_ids: tuple[str, ...]
    supplier_names: tuple[str, ...]
    title: str
    category: Category | None
    method: str
    place: Place
    currency: str | None
    amount: Decimal | None
    lines: tuple[Line, ...] = ()
    awarded_at: datetime
    cancelled: bool = False
    source: Source | None = None


class _Drafted(Event, frozen=True, kw_only=True):
    """What all versions of ContractDrafted say."""

    process_id: str
    contract_id: str
    award_id: str
    origin: str
    pool_id: str | None = None
    buyer_id: str
    buyer_name: str
    supplier_id: str
    supplier_name: str
    rank: int
    title: str
    category: Category | None
    place: Place
    currency: str
    amount: Decimal
    lines: tuple[Line, ...]
    step: str
    due_at: datetime
    kind: str = ""
    security_due: Decimal = Decimal(0)


@event(key="process_id", version=2)
class ContractDrafted(_Drafted, frozen=True, kw_only=True):
    """A contract waits for signatures. ``rank`` is the supplier's place in the ranking: above 1, the cascade brought it.

    ``due_at`` is the end of the running step ``step`` (supplier-offer, buyer-draft, supplier-signature). ``kind`` is goods,
    works or services ("" where the origin does not tell); ``security_due`` is the least performance security, 0 for none.
    With ``equivalents_allowed`` the supplier may name some when it signs the offer.
    """

    equivalents_allowed: bool = False


@event(key="process_id")
class ContractDraftedV1(_Drafted, frozen=True, kw_only=True):
    """ContractDrafted with ``equivalents`` for its flag, a name that its other events have for those that were named."""

    equivalents: bool = False

    def upcast(self) -> ContractDrafted:
        same = {name: getattr(self, name) for name in _Drafted.__struct_fields__}
        return ContractDrafted(**same, equivalents_allowed=self.equivalents)


@event(key="process_id")
class ContractStepTaken(Event, frozen=True, kw_only=True):
    """A side did its part in time: the step taken, and the next one with its end (both None when nothing is left).

    ``equivalents`` are those the supplier names with its offer, and again as the buyer's draft takes or refuses them;
    ``terms`` are those of the buyer's draft, ``security`` the one named with the supplier's signature.
    """

    process_id: str
    contract_id: str
    step: str
    party: str
    member_id: str
    next_step: str | None
    due_at: datetime | None
    equivalents: tuple[Equivalent, ...] = ()
    terms: tuple[Term, ...] = ()
    security: Security | None = None


@event(key="process_id")
class StepExtended(Event, frozen=True, kw_only=True):
    """A side took more time for its running ``step``: until ``due_at`` instead of ``was_due_at``."""

    process_id: str
    contract_id: str
    step: str
    party: str
    member_id: str
    was_due_at: datetime
    due_at: datetime


@event(key="process_id")
class ObjectionFiled(Event, frozen=True, kw_only=True):
    """A protocol of disagreement: instead of signing version ``version`` of the draft the supplier names points; the buyer
    answers by ``due_at``. ``number`` counts the contract's protocols from 1."""

    process_id: str
    contract_id: str
    number: int
    version: int
    member_id: str
    points: tuple[Point, ...]
    due_at: datetime


@event(key="process_id")
class ObjectionAnswered(Event, frozen=True, kw_only=True):
    """The buyer took or refused each point. ``version`` and ``terms`` are the draft's as it is now: a new version where a point
    was taken, with ``changed`` saying what it says else than before. The supplier signs or refuses by ``due_at``."""

    process_id: str
    contract_id: str
    number: int
    member_id: str
    answers: tuple[PointAnswer, ...]
    version: int
    terms: tuple[Term, ...]
    changed: tuple[Term, ...]
    due_at: datetime


@event(key="process_id")
class ContractConcluded(Event, frozen=True, kw_only=True):
    """Signed by both sides, or imported: the fact that prices, records and learning build on.

    ``terms`` are the signed draft's, ``equivalents`` those that both sides took; ``kind`` is goods, works or services, ""
    where it is not known. ``security`` is None where none was due.
    """

    process_id: str
    contract_id: str
    award_id: str | None
    origin: str
    pool_id: str | None = None
    buyer_id: str
    buyer_name: str
    supplier_id: str
    supplier_name: str
    title: str
    category: Category | None
    method: str
    place: Place
    currency: str | None
    amount: Decimal | None
    lines: tuple[Line, ...]
    signed_at: datetime
    source: Source | None = None
    kind: str = ""
    terms: tuple[Term, ...] = ()
    equivalents: tuple[Equivalent, ...] = ()
    security: Security | None = None


@event(key="process_id")
class ContractEnded(Event, frozen=True, kw_only=True):
    """It will not be signed, or was cancelled after. ``reason``: lapsed (no signature in time), refused, cancelled.

    ``by`` is buyer or supplier; ``evasion`` marks what counts towards a supplier's suspension. ``ground`` is the code of a ground
    on the policy's list ("" for none), ``ground_title`` what it says, ``evidence`` where it can be seen. A ``justified`` refusal
    is no breach, unless the other side disputes the ground before ``dispute_until`` and a moderator does not uphold it.
    """

    process_id: str
    contract_id: str
    supplier_id: str
    buyer_id: str
    pool_id: str | None = None
    reason: str
    by: str
    evasion: bool
    explanation: str = ""
    ground: str = ""
    ground_title: str = ""
    evidence: str = ""
    justified: bool = False
    dispute_until: datetime | None = None


@event(key="process_id")
class RefusalDisputed(Event, frozen=True, kw_only=True):
    """The other side says that the ground of a refusal does not hold; a moderator decides by ``due_at``. ``by`` is who disputes."""

    process_id: str
    contract_id: str
    by: str
    organisation_id: str
    member_id: str
    reasons: str
    due_at: datetime


@event(key="process_id")
class RefusalDisputeDecided(Event, frozen=True, kw_only=True):
    """``decision`` is justified, or unjustified: then the refusal by ``refused_by`` (buyer or supplier) counts as the breach that
    it was, from ``refused_at``."""

    process_id: str
    contract_id: str
    supplier_id: str
    buyer_id: str
    refused_by: str
    refused_at: datetime
    decision: str
    explanation: str
    decided_at: datetime


@event(key="process_id")
class CascadeAwaitsBuyer(Event, frozen=True, kw_only=True):
    """The supplier left, and the bidder of ``next_rank`` is asked only when the buyer wants it. ``contract_id`` is the one that ended."""

    process_id: str
    contract_id: str
    pool_id: str | None = None
    buyer_id: str
    next_rank: int


@event(key="process_id")
class PurchaseRequested(Event, frozen=True, kw_only=True):
    """A buyer wants to buy straight from an offer; the supplier has until ``due_at``. ``process_id`` is the purchase."""

    process_id: str
    buyer_id: str
    buyer_name: str
    supplier_id: str
    offer_id: str
    sku_id: str
    title: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    currency: str
    place: Place
    due_at: datetime


@event(key="process_id")
class PurchaseAnswered(Event, frozen=True, kw_only=True):
    """``answer`` is accepted, refused or lapsed."""

    process_id: str
    buyer_id: str
    supplier_id: str
    answer: str
    reason: str = ""


# Sanctions


@event(key="organisation_id")
class OrganisationSanctioned(Event, frozen=True, kw_only=True):
    """An organisation is suspended: ``contract_ids`` are the contracts that it evaded as ``side`` supplier, or refused without
    ground as buyer, each counted once. ``level`` is 1 for the first time. Until ``appeal_until`` it may appeal."""

    sanction_id: str
    organisation_id: str
    side: str
    level: int
    contract_ids: tuple[str, ...]
    since: datetime
    until: datetime
    appeal_until: datetime


@event(key="organisation_id")
class SanctionAppealed(Event, frozen=True, kw_only=True):
    """The sanctioned organisation says why it should not be suspended; a moderator decides by ``due_at``."""

    sanction_id: str
    organisation_id: str
    member_id: str
    reasons: str
    due_at: datetime


@event(key="organisation_id")
class SanctionAppealDecided(Event, frozen=True, kw_only=True):
    """``decision`` is upheld, or lifted: then the suspension ends at once and does not count for the next one's length."""

    sanction_id: str
    organisation_id: str
    decision: str
    explanation: str
    decided_at: datetime


# Execution: orders, deliveries, invoices and disputes are numbered from 1 within their contract


class LineQuantity(msgspec.Struct, frozen=True, kw_only=True):
    """So much of one line of the contract, in that line's unit."""

    line_id: str
    quantity: Decimal


class InvoicedLine(msgspec.Struct, frozen=True, kw_only=True):
    """``amount`` is the line's share of the contract's amount for the quantity, to the minor unit."""

    line_id: str
    quantity: Decimal
    amount: Decimal


@event(key="process_id")
class OrderPlaced(Event, frozen=True, kw_only=True):
    """The buyer asks for a part of the contract, or for all of it, at ``place`` by ``due_at``."""

    process_id: str
    contract_id: str
    order: int
    buyer_id: str
    supplier_id: str
    member_id: str
    lines: tuple[LineQuantity, ...]
    place: Place
    placed_at: datetime
    due_at: datetime


@event(key="process_id")
class DeliveryReported(Event, frozen=True, kw_only=True):
    """The supplier says that it delivered on an order; the buyer accepts or refuses by ``due_at``. ``late``: told after the
    order's end. ``delivered_on`` and ``note``, the delivery note's number, are the supplier's words."""

    process_id: str
    contract_id: str
    delivery: int
    order: int
    buyer_id: str
    supplier_id: str
    member_id: str
    lines: tuple[LineQuantity, ...]
    note: str
    delivered_on: date
    reported_at: datetime
    due_at: datetime
    late: bool


@event(key="process_id")
class DeliveryAssessed(Event, frozen=True, kw_only=True):
    """``outcome`` is accepted, partly or refused; ``lines`` are what was accepted, and ``reasons`` say why the rest was not.
    ``by`` is buyer, dispute (it ended so) or silence (where the policy takes that for a yes). ``order_met``: all that was ordered is
    accepted now."""

    process_id: str
    contract_id: str
    delivery: int
    order: int
    buyer_id: str
    supplier_id: str
    outcome: str
    lines: tuple[LineQuantity, ...]
    reasons: str = ""
    by: str
    late: bool
    order_met: bool
    assessed_at: datetime


@event(key="process_id")
class InvoiceSubmitted(Event, frozen=True, kw_only=True):
    """The supplier asks for what was accepted of ``deliveries``; the buyer pays or disputes by ``due_at``."""

    process_id: str
    contract_id: str
    invoice: int
    buyer_id: str
    supplier_id: str
    member_id: str
    reference: str
    deliveries: tuple[int, ...]
    lines: tuple[InvoicedLine, ...]
    currency: str
    amount: Decimal
    submitted_at: datetime
    due_at: datetime


@event(key="process_id")
class InvoicePaid(Event, frozen=True, kw_only=True):
    """The buyer says that it paid; the supplier confirms by ``due_at``."""

    process_id: str
    contract_id: str
    invoice: int
    buyer_id: str
    supplier_id: str
    member_id: str
    currency: str
    amount: Decimal
    late: bool
    paid_at: datetime
    due_at: datetime


@event(key="process_id")
class InvoiceSettled(Event, frozen=True, kw_only=True):
    """The supplier has the money, or a dispute ended so: ``by`` is supplier or dispute."""

    process_id: str
    contract_id: str
    invoice: int
    buyer_id: str
    supplier_id: str
    currency: str
    amount: Decimal
    by: str
    settled_at: datetime


@event(key="process_id")
class ExecutionWithdrawn(Event, frozen=True, kw_only=True):
    """An order, delivery or invoice (``about``) that nobody answered yet was taken back by its author; or, ``by`` dispute, it
    is as if it had not been."""

    process_id: str
    contract_id: str
    about: str
    number: int
    by: str
    at: datetime


@event(key="process_id")
class ExecutionOverdue(Event, frozen=True, kw_only=True):
    """The ``party``, buyer or supplier, let a deadline pass: it counts in its public record. ``about`` is order (not delivered),
    delivery (not answered) or invoice (not paid)."""

    process_id: str
    contract_id: str
    about: str
    number: int
    party: str
    due_at: datetime


@event(key="process_id")
class DisputeOpened(Event, frozen=True, kw_only=True):
    """A side disputes the last word on a delivery or invoice (``about``). ``asks`` is what it wants: that word ``stands``, or is
    ``set-aside``. The other side answers by ``answer_by``; a moderator decides by ``decide_by`` where the two do not agree."""

    process_id: str
    contract_id: str
    dispute: int
    about: str
    number: int
    buyer_id: str
    supplier_id: str
    by: str
    member_id: str
    asks: str
    reasons: str
    opened_at: datetime
    answer_by: datetime
    decide_by: datetime


@event(key="process_id")
class DisputeAnswered(Event, frozen=True, kw_only=True):
    """A side says more, and what it would settle for: ``asks`` stands or set-aside. Where both ask the same the dispute ends."""

    process_id: str
    contract_id: str
    dispute: int
    by: str
    member_id: str
    asks: str
    words: str
    at: datetime


@event(key="process_id")
class DisputeEnded(Event, frozen=True, kw_only=True):
    """``outcome`` stands or set-aside, ``how`` agreed or decided, by a moderator with an ``explanation``. ``resume_by`` is the new
    deadline of what runs on."""

    process_id: str
    contract_id: str
    dispute: int
    about: str
    number: int
    buyer_id: str
    supplier_id: str
    opened_by: str
    asked: str
    outcome: str
    how: str
    explanation: str
    ended_at: datetime
    resume_by: datetime


@event(key="process_id")
class EndingProposed(Event, frozen=True, kw_only=True):
    """A side wants the contract to end before all is done: ``kind`` closure (content with less) or termination. ``ground`` is
    agreement, or a breach of the other side (delivery-overdue, acceptance-overdue, payment-overdue) on which it ends at ``due_at``
    unless mended until then."""

    process_id: str
    contract_id: str
    buyer_id: str
    supplier_id: str
    kind: str
    ground: str
    by: str
    member_id: str
    reasons: str
    proposed_at: datetime
    due_at: datetime


@event(key="process_id")
class EndingAnswered(Event, frozen=True, kw_only=True):
    """``answer`` is agreed, objected, withdrawn (by who proposed it) or lapsed (nobody answered, or the breach was mended)."""

    process_id: str
    contract_id: str
    by: str
    answer: str
    words: str
    at: datetime


@event(key="process_id")
class ContractClosed(Event, frozen=True, kw_only=True):
    """Carried out: ``how`` fulfilled (all was accepted and paid) or agreement (both sides are content with less, for ``reasons``).
    ``paid`` of ``amount`` was."""

    process_id: str
    contract_id: str
    pool_id: str | None = None
    buyer_id: str
    supplier_id: str
    how: str
    reasons: str
    currency: str
    amount: Decimal
    paid: Decimal
    closed_at: datetime


@event(key="process_id")
class ContractTerminated(Event, frozen=True, kw_only=True):
    """Ended before it was carried out, ``by`` the side that wanted it, on a ``ground`` (see EndingProposed). ContractEnded with
    reason cancelled comes with it. What was delivered before is still assessed, invoiced and paid."""

    process_id: str
    contract_id: str
    pool_id: str | None = None
    buyer_id: str
    supplier_id: str
    by: str
    ground: str
    reasons: str
    currency: str
    amount: Decimal
    paid: Decimal
    terminated_at: datetime
