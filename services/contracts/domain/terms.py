"""What a draft says besides its lines: terms that the buyer writes and a protocol of disagreement may change
(docs/rules.md section 4).

Price, quantity and item are no terms. The competition or the offer that was bought fixed them, and nobody changes them
afterwards.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from catalogue.policy import TERMS
from catalogue.rules import RuleBroken, Several
from events.contracts import Term
from events.values import Place
from services.contracts.domain.deals import Contract, Deal

DELIVERY_TIME, DELIVERY_PLACE = "delivery-time", "delivery-place"


class TermUnknown(RuleBroken):
    code = "term-unknown"


class TermTwice(RuleBroken):
    code = "term-twice"


class TermOfNoLine(RuleBroken):
    code = "term-of-no-line"


class DeliveryDateInvalid(RuleBroken):
    """It is not a date, or it is in the past."""

    code = "delivery-date-invalid"


class DeliveryTooLate(RuleBroken):
    """A contract of a direct purchase has a short term."""

    code = "delivery-too-late"


def drafted(deal: Deal, contract: Contract, written: Sequence[Term], now: datetime) -> tuple[Term, ...]:
    """Return the terms of the buyer's draft: those that the buyer wrote, and by default when and where everything is
    delivered. Raise a RuleBroken of this module."""
    found: dict[tuple[str, str], Term] = {}
    for term in (each for each in written if each.text.strip()):
        require_fits(deal, contract, term, now, field=term.code)
        if (term.code, term.line_id) in found:
            raise TermTwice(f"{TERMS[term.code]} occurs twice.", field=term.code, term=term.code)
        found[term.code, term.line_id] = Term(code=term.code, text=term.text.strip(), line_id=term.line_id)
    for term in defaults(deal, now):
        found.setdefault((term.code, ""), term)
    order = list(TERMS)
    return tuple(sorted(found.values(), key=lambda term: (order.index(term.code), term.line_id)))


def repeats(deal: Deal, contract: Contract, written: Sequence[Term], now: datetime) -> bool:
    """Return whether the buyer's draft had the same terms. If the place is left out, the default place is meant. If the
    time is left out, the time of the first draft is meant, provided that the first draft left it out too: the default
    time changes every day, and a repeat may come later."""
    first = {(term.code, term.line_id): term.text for term in contract.drafted or contract.terms}
    again = [((term.code, term.line_id), term.text.strip()) for term in written if term.text.strip()]
    time = (DELIVERY_TIME, "")
    meant = {(term.code, term.line_id): term.text for term in defaults(deal, now)} | dict(again)
    if time not in dict(again):
        wrote_time = contract.left_out is not None and DELIVERY_TIME not in contract.left_out
        meant[time] = "" if wrote_time else first.get(time, "")
    return meant == first and len(again) == len(dict(again))


def left_out(deal: Deal, written: Sequence[Term], now: datetime) -> tuple[str, ...]:
    """Return the codes of the terms that hold by default because the buyer did not write them."""
    wrote = {term.code for term in written if term.text.strip() and not term.line_id}
    return tuple(term.code for term in defaults(deal, now) if term.code not in wrote)


def described(contract: Contract) -> str:
    """Return the drafted terms in words, for the refusal of a repeat with other content."""
    return "; ".join(f"{TERMS[term.code]}: {term.text}" for term in contract.drafted or contract.terms)


def defaults(deal: Deal, now: datetime) -> tuple[Term, ...]:
    """Return the terms that hold if the buyer does not write them."""
    days = deal.policy.contract.performance_days
    if deal.origin == "purchase":
        days = min(days, deal.policy.purchase.contract_days)
    place = _words(deal.place)
    return (
        Term(code=DELIVERY_TIME, text=_day(deal, now, days).isoformat()),
        *((Term(code=DELIVERY_PLACE, text=place),) if place else ()),
    )


def require_fits(deal: Deal, contract: Contract, term: Term, now: datetime, *, field: str) -> None:
    """Raise TermUnknown, TermOfNoLine, DeliveryDateInvalid or DeliveryTooLate if the term does not fit."""
    if term.code not in TERMS:
        raise TermUnknown(
            f"A draft may have the terms {Several(TERMS)}, not {term.code!r}.",
            field=field,
            term=term.code,
            terms=Several(TERMS),
        )
    if term.line_id and term.line_id not in {line.line_id for line in contract.lines}:
        raise TermOfNoLine(f"There is no line {term.line_id!r}.", field=field, line=term.line_id)
    if term.code != DELIVERY_TIME:
        return
    today = deal.calendar.local(now).date()
    day = _date(term.text)
    if day is None or day < today:
        raise DeliveryDateInvalid(
            f"The end of performance must be a date from {today} on, such as {today}, not {term.text!r}.",
            field=field,
            today=today,
            text=term.text,
        )
    latest_day = _day(deal, now, deal.policy.purchase.contract_days)
    if deal.origin == "purchase" and day > latest_day:
        raise DeliveryTooLate(
            f"A direct purchase must be delivered within {deal.policy.purchase.contract_days} working days: by {latest_day}.",
            field=field,
            day=day,
            latest=latest_day,
        )


def performed_by(terms: Iterable[Term]) -> date | None:
    """Return the last day of performance, or None if no term says so."""
    days = (_date(term.text) for term in terms if term.code == DELIVERY_TIME)
    return max((day for day in days if day is not None), default=None)


def changed(terms: Sequence[Term], changes: Sequence[Term]) -> tuple[Term, ...]:
    """Return the terms with the changes: a changed term keeps its place, a new one is added at the end."""
    new = {(term.code, term.line_id): term for term in changes}
    return (*(new.pop((term.code, term.line_id), term) for term in terms), *new.values())


def _day(deal: Deal, now: datetime, days: int) -> date:
    return deal.calendar.local(deal.policy.due(now, days, deal.calendar)).date()


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        return None


def _words(place: Place) -> str:
    return ", ".join(part for part in (place.locality, place.region, place.country) if part)
