"""The stored form of the verdicts behind a reference: rulings, which do not change when other prices come, and the
terms of one version.

A new price changes the weights of all kept prices and the sentences of all dropped ones. Therefore rulings contain
neither: both follow from the terms, which are as small for 20,000 prices as for three. A ruling changes only if its
observation or the result for it changes.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any

import msgspec

from catalogue.numbers import digits
from events.values import Number, Refusal
from services.observatory.domain.observation import Observation
from services.observatory.domain.price import ARITHMETIC
from services.observatory.domain.reference import (
    ComputedReference,
    ObservationVerdict,
    OtherKind,
    OtherPlace,
    OtherUnit,
    Outlier,
    OutsideWindow,
)

SHARED = frozenset(rule.code for rule in (Outlier, OutsideWindow, OtherKind, OtherPlace, OtherUnit))
"""Rules whose sentences contain values of the version, not of the observation."""
_KEYS = frozenset({"item_key", "observation_id"})
_DEFAULTS = {field.name: field.default for field in msgspec.structs.fields(Observation)}


class Ruling(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The lasting part of a verdict. ``edition`` is the SHA-256 of the observation's :func:`body`. ``reason`` is the
    key of a reason in the terms, or the code of the rule if the ruling has its ``own`` reason, or "" if the price counts."""

    edition: bytes
    price: str | None
    reason: str = ""
    own: Refusal | None = None

    @property
    def rule(self) -> str:
        return self.reason.partition("/")[0]


class RulingTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What one version adds to its rulings. ``reasons`` have ``{price}`` or ``{date}`` in place of the observation's
    own value; a price has ``places`` decimals. ``weight`` is the weight of a price; ``weights`` has those suppliers whose
    prices have another weight. ``counts`` says how many prices each rule dropped; the key "" has the number of those
    that count."""

    reasons: dict[str, Refusal]
    weight: Decimal | None
    weights: dict[str, Decimal]
    places: int
    counts: dict[str, int]


class Divided(msgspec.Struct, frozen=True, kw_only=True):
    """The verdicts of a reference as terms and rulings, by the ids of the observations."""

    verdicts: dict[str, ObservationVerdict]
    rulings: dict[str, Ruling]
    terms: RulingTerms
    digest: str

    def body(self, observation_id: str) -> str:
        """The stored body of an observation, without the ids of the item and the observation, which are in other
        columns."""
        return body(self.verdicts[observation_id].observation, without=_KEYS).decode()


def divided(reference: ComputedReference, places: int) -> Divided:
    """Divide a reference. ``places`` is the number of published decimals."""
    weights = _weights(reference.verdicts)
    usual = Counter(weights.values()).most_common(1)[0][0] if weights else None
    reasons: dict[str, Refusal] = {}
    return Divided(
        verdicts={verdict.observation.observation_id: verdict for verdict in reference.verdicts},
        rulings={
            verdict.observation.observation_id: _ruling(verdict, reasons, places) for verdict in reference.verdicts
        },
        terms=RulingTerms(
            reasons=reasons,
            weight=usual,
            weights={supplier: weight for supplier, weight in weights.items() if weight != usual},
            places=places,
            counts=dict(Counter(each.dropped.rule if each.dropped else "" for each in reference.verdicts)),
        ),
        digest=digest(reference.verdicts),
    )


def verdict_of(ruling: Ruling, observation: Observation, terms: RulingTerms) -> ObservationVerdict:
    """Restore the whole verdict, in the version of these terms."""
    price = None if ruling.price is None else Decimal(ruling.price)
    if not ruling.reason:
        weight = terms.weights.get(observation.supplier_id or "", terms.weight)
        return ObservationVerdict(observation=observation, price=price, weight=weight)
    verdict = ObservationVerdict(observation=observation, price=price, dropped=ruling.own)
    if ruling.own is None:
        dropped = _put_in(terms.reasons[ruling.reason], _own_parts(ruling.rule, verdict, terms.places))
        verdict = msgspec.structs.replace(verdict, dropped=dropped)
    return verdict


def same_rulings(one: Divided, rulings: Mapping[str, Ruling], terms: RulingTerms) -> bool:
    """Whether both have the same observations with the same verdicts, apart from the sentences (see
    :func:`snapshot.same_snapshot`)."""
    return (
        one.rulings.keys() == rulings.keys()
        and (one.terms.weight, one.terms.weights) == (terms.weight, terms.weights)
        and all(_compared(ruling) == _compared(rulings[key]) for key, ruling in one.rulings.items())
    )


def digest(verdicts: Iterable[ObservationVerdict]) -> str:
    """SHA-256 over one line of JSON for each verdict, in the order of the ids. It covers only public values, so that
    everybody can compute it from the pages of the API (docs/rules.md, section 7)."""
    told = sha256()
    for verdict in sorted(verdicts, key=lambda each: each.observation.observation_id):
        seen, dropped = verdict.observation, verdict.dropped
        line = (
            seen.observation_id,
            seen.unit_price,
            seen.currency,
            seen.date,
            verdict.price,
            verdict.weight,
            dropped.rule if dropped else None,
            dropped.message if dropped else None,
        )
        told.update(msgspec.json.encode(line) + b"\n")
    return told.hexdigest()


def observation_of(item_key: str, observation_id: str, body: str) -> Observation:
    """Return the observation from its body and these two ids, which a body may leave out. If the body has them, they are
    the same."""
    keys = msgspec.json.encode({"item_key": item_key, "observation_id": observation_id})
    return msgspec.json.decode(keys[:-1] + b"," + body.encode()[1:], type=Observation)


def body(
    observation: Observation, *, without: frozenset[str] = frozenset(), always: frozenset[str] = frozenset()
) -> bytes:
    """The stored form. Fields with default values are left out, except those in ``always``: so a field that a later
    release adds does not change the edition of each observation."""
    said = {name: getattr(observation, name) for name in _DEFAULTS if name not in without}
    return msgspec.json.encode(
        {name: value for name, value in said.items() if name in always or not _is_usual(value, _DEFAULTS[name])}
    )


def _is_usual(value: Any, default: Any) -> bool:
    return bool(value == default and str(value) == str(default))


def _compared(ruling: Ruling) -> tuple[object, ...]:
    return ruling.edition, ruling.price, ruling.rule


def _weights(verdicts: Iterable[ObservationVerdict]) -> dict[str, Decimal]:
    """The weight of a price, by supplier: all prices of one supplier have the same weight."""
    return {verdict.observation.supplier_id or "": verdict.weight for verdict in verdicts if verdict.weight is not None}


def _ruling(verdict: ObservationVerdict, reasons: dict[str, Refusal], places: int) -> Ruling:
    """Make the ruling. A reason that others share is added to ``reasons``; if it could not be restored exactly, the
    ruling keeps its own reason."""
    edition = sha256(body(verdict.observation)).digest()
    price = None if verdict.price is None else str(verdict.price)
    dropped = verdict.dropped
    if dropped is None:
        return Ruling(edition=edition, price=price)
    if dropped.rule in SHARED:
        parts = _own_parts(dropped.rule, verdict, places)
        shared = _taken_out(dropped, parts)
        kind = f"/{verdict.observation.kind}" if dropped.rule == OutsideWindow.code else ""
        key = dropped.rule + kind
        if reasons.setdefault(key, shared) == shared and _put_in(shared, parts) == dropped:
            return Ruling(edition=edition, price=price, reason=key)
    return Ruling(edition=edition, price=price, reason=dropped.rule, own=dropped)


def _own_parts(rule: str, verdict: ObservationVerdict, places: int) -> tuple[tuple[str, str, str], ...]:
    """(name, text in the sentence, text among the numbers) of the values in the reason that belong to this
    observation."""
    if rule == Outlier.code and verdict.price is not None:
        shown = verdict.price.quantize(Decimal(1).scaleb(-places), context=ARITHMETIC)
        return (("price", digits(shown), str(shown)),)
    if rule == OutsideWindow.code:
        day = str(verdict.observation.date)
        return (("date", day, day),)
    return ()


def _taken_out(reason: Refusal, parts: tuple[tuple[str, str, str], ...]) -> Refusal:
    for name, said, _ in parts:
        numbers = _numbered(reason, name, f"{{{name}}}")
        reason = msgspec.structs.replace(
            reason, message=reason.message.replace(said, f"{{{name}}}", 1), numbers=numbers
        )
    return reason


def _put_in(reason: Refusal, parts: tuple[tuple[str, str, str], ...]) -> Refusal:
    for name, said, number in parts:
        numbers = _numbered(reason, name, number)
        reason = msgspec.structs.replace(
            reason, message=reason.message.replace(f"{{{name}}}", said, 1), numbers=numbers
        )
    return reason


def _numbered(reason: Refusal, name: str, value: str) -> tuple[Number, ...]:
    return tuple(Number(name=each.name, value=value) if each.name == name else each for each in reason.numbers)
