"""A contract from its draft to both signatures, or to its end without signatures."""

from datetime import date, datetime
from decimal import Decimal

import msgspec

from events.bounds import Exact, Key, Label, Many, Prose
from events.codec import Event, event
from events.values import Category, Line, Place, Source


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """What the draft says on one subject, for the whole contract or for one line. ``code`` is delivery-time (then
    ``text`` is a date, the end of performance), delivery-place, acceptance, payment, requisites or wording."""

    code: Key
    text: Prose
    line_id: Key = ""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One point of a protocol of disagreement: what the supplier wants a term to say, and why. ``number`` counts from 1."""

    number: int
    code: Key
    wanted: Prose
    reason: Prose
    line_id: Key = ""


class PointAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """``reason`` is why the draft stays as it is; an accepted point needs no reason."""

    number: int
    accepted: bool
    reason: Prose = ""


class Equivalent(msgspec.Struct, frozen=True, kw_only=True):
    """Equivalent goods that replace ``quantity`` of a line, in its unit and at its unit price. ``refused`` is the
    reason why the buyer does not accept them: then the original goods are due."""

    line_id: Key
    quantity: Exact
    description: Prose
    sku_id: Key | None = None
    refused: Prose = ""


class Security(msgspec.Struct, frozen=True, kw_only=True):
    """The performance security: ``kind`` is bank-guarantee or deposit, ``reference`` is the number of the guarantee or
    payment. The amount is in the contract's currency."""

    kind: Key
    reference: Prose
    amount: Exact
    valid_until: date


class _Drafted(Event, frozen=True, kw_only=True):
    """The fields that all versions of ContractDrafted have."""

    process_id: Key
    contract_id: Key
    award_id: Key
    origin: Key
    pool_id: Key | None = None
    buyer_id: Key
    buyer_name: Label
    supplier_id: Key
    supplier_name: Label
    rank: int
    title: Label
    category: Category | None
    place: Place
    currency: Key
    amount: Exact
    lines: Many[Line]
    step: Key
    due_at: datetime
    kind: Key = ""
    security_due: Exact = Decimal(0)


@event(key="process_id", version=2)
class ContractDrafted(_Drafted, frozen=True, kw_only=True):
    """A contract waits for signatures. ``rank`` is the supplier's place in the ranking: if it is above 1, the contract
    follows from the cascade.

    ``due_at`` is the end of the running step ``step`` (supplier-offer, buyer-draft, supplier-signature). ``kind`` is
    goods, works or services ("" if the origin does not say); ``security_due`` is the smallest performance security, 0
    for none. If ``equivalents_allowed`` is true, the supplier may name equivalents when it signs the offer.
    """

    equivalents_allowed: bool = False


@event(key="process_id")
class ContractDraftedV1(_Drafted, frozen=True, kw_only=True):
    """ContractDrafted, with its flag named ``equivalents``, which in the other events is the list of equivalents that
    were named."""

    equivalents: bool = False

    def upcast(self) -> ContractDrafted:
        same = {name: getattr(self, name) for name in _Drafted.__struct_fields__}
        return ContractDrafted(**same, equivalents_allowed=self.equivalents)


@event(key="process_id")
class ContractStepTaken(Event, frozen=True, kw_only=True):
    """A side did its part in time: the step taken, and the next one with its end (both None if no step is left).

    ``equivalents`` are those the supplier names with its offer, and later as the buyer's draft accepts or refuses them;
    ``terms`` are those of the buyer's draft, of which those with the codes ``left_out`` were not written by the buyer:
    they apply because the buyer wrote none (None: it is not known which). ``security`` is the one that the supplier
    named with its signature.
    """

    process_id: Key
    contract_id: Key
    step: Key
    party: Key
    member_id: Key
    next_step: Key | None
    due_at: datetime | None
    equivalents: Many[Equivalent] = ()
    terms: Many[Term] = ()
    security: Security | None = None
    left_out: Many[Key] | None = None


@event(key="process_id")
class StepExtended(Event, frozen=True, kw_only=True):
    """A side took more time for its running ``step``: until ``due_at`` instead of ``was_due_at``."""

    process_id: Key
    contract_id: Key
    step: Key
    party: Key
    member_id: Key
    was_due_at: datetime
    due_at: datetime


@event(key="process_id")
class ObjectionFiled(Event, frozen=True, kw_only=True):
    """A protocol of disagreement: instead of signing version ``version`` of the draft the supplier names points; the buyer
    answers by ``due_at``. ``number`` counts the contract's protocols from 1."""

    process_id: Key
    contract_id: Key
    number: int
    version: int
    member_id: Key
    points: Many[Point]
    due_at: datetime


@event(key="process_id")
class ObjectionAnswered(Event, frozen=True, kw_only=True):
    """The buyer accepted or refused each point. ``version`` and ``terms`` are those of the draft as it is now: a new
    version if a point was accepted, and ``changed`` then says what differs from before. The supplier signs or refuses
    by ``due_at``."""

    process_id: Key
    contract_id: Key
    number: int
    member_id: Key
    answers: Many[PointAnswer]
    version: int
    terms: Many[Term]
    changed: Many[Term]
    due_at: datetime


@event(key="process_id")
class ContractConcluded(Event, frozen=True, kw_only=True):
    """The contract was signed by both sides, or imported. Prices, records and training are based on this event.

    ``terms`` are the signed draft's, ``equivalents`` those that both sides accepted; ``kind`` is goods, works or
    services, or "" if it is not known. ``security`` is None if none was due.
    """

    process_id: Key
    contract_id: Key
    award_id: Key | None
    origin: Key
    pool_id: Key | None = None
    buyer_id: Key
    buyer_name: Label
    supplier_id: Key
    supplier_name: Label
    title: Label
    category: Category | None
    method: Key
    place: Place
    currency: Key | None
    amount: Exact | None
    lines: Many[Line]
    signed_at: datetime
    source: Source | None = None
    kind: Key = ""
    terms: Many[Term] = ()
    equivalents: Many[Equivalent] = ()
    security: Security | None = None


@event(key="process_id")
class ContractEnded(Event, frozen=True, kw_only=True):
    """The contract will not be signed, or was cancelled after its signature. ``reason`` is lapsed (no signature in
    time), refused or cancelled.

    ``by`` is buyer or supplier; ``evasion`` is true if this counts towards a suspension of the supplier. ``ground`` is
    the code of a ground on the policy's list ("" for none), ``ground_title`` its words, ``evidence`` where proof of it
    can be seen. A ``justified`` refusal is no breach, unless the other side disputes the ground before
    ``dispute_until`` and a moderator decides against the ground.
    """

    process_id: Key
    contract_id: Key
    supplier_id: Key
    buyer_id: Key
    pool_id: Key | None = None
    reason: Prose
    by: Key
    evasion: bool
    explanation: Prose = ""
    ground: Key = ""
    ground_title: Label = ""
    evidence: Prose = ""
    justified: bool = False
    dispute_until: datetime | None = None
