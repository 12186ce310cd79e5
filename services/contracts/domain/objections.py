"""A protocol of disagreement: how the supplier wants to change the draft, and the buyer's answer (docs/rules.md section
4).

The supplier files it instead of signing. An accepted point makes a new version of the draft. The supplier then signs or
refuses, with a new deadline within the whole time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec import structs

from catalogue.actors import Actor
from catalogue.policy import TERMS
from catalogue.rules import RuleBroken, Several
from events.contracts import ObjectionAnswered, ObjectionFiled, Point, PointAnswer, Term
from services.contracts.domain import terms
from services.contracts.domain.deals import BUYER_ANSWER, SUPPLIER_SIGNATURE, Contract, Deal, due, step_days, total_end
from services.contracts.domain.turns import current, party_of, require_running, require_side, require_step

COMPETED: Mapping[str, str] = {"price": "The price", "quantity": "The quantity", "item": "The item"}


class CompetedNotChangeable(RuleBroken):
    """Price, quantity and item were fixed before the draft, so they cannot change."""

    code = "competed-not-changeable"


class TermNotChangeable(RuleBroken):
    code = "term-not-changeable"


class PointIncomplete(RuleBroken):
    """A point must say what is wanted instead, and why."""

    code = "point-incomplete"


class PointTwice(RuleBroken):
    code = "point-twice"


class PointChangesNothing(RuleBroken):
    code = "point-changes-nothing"


class ObjectionEmpty(RuleBroken):
    code = "objection-empty"


class ObjectionsUsedUp(RuleBroken):
    code = "objections-used-up"


class ObjectionTooLate(RuleBroken):
    """The whole time leaves no room for an answer and a signature after it."""

    code = "objection-too-late"


class NothingToAnswer(RuleBroken):
    code = "nothing-to-answer"


class AnswerIncomplete(RuleBroken):
    """Every point gets one answer."""

    code = "answer-incomplete"


class AnswerUnexplained(RuleBroken):
    """The answer must say why a point is not accepted."""

    code = "answer-unexplained"


class ObjectionAnsweredOtherwise(RuleBroken):
    code = "objection-answered-otherwise"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileObjection:
    """Points are numbered by their order, whatever numbers they have."""

    contract_id: str
    actor: Actor
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerObjection:
    contract_id: str
    number: int
    actor: Actor
    answers: tuple[PointAnswer, ...]


def file(deal: Deal, command: FileObjection, now: datetime) -> tuple[ObjectionFiled, ...]:
    """Return the event of the protocol, none if it repeats the last one. Raise a RuleBroken of this module, of terms or
    of turns."""
    contract = current(deal, command.contract_id)
    require_side(SUPPLIER_SIGNATURE, party_of(deal, contract, command.actor.organisation_id))
    points = tuple(_numbered(point, number) for number, point in enumerate(command.points, start=1))
    if contract.objections and points == contract.points:
        return ()
    require_running(contract, now)
    require_step(contract, SUPPLIER_SIGNATURE)
    require_allowed(deal, contract, now)
    if not points:
        raise ObjectionEmpty("A protocol needs at least one point.", field="points")
    seen: set[tuple[str, str]] = set()
    for point in points:
        _require_point(deal, contract, point, now)
        if (point.code, point.line_id) in seen:
            raise PointTwice(
                f"Point {point.number} is about the same as an earlier point.",
                field=f"wanted-{point.number}",
                point=point.number,
            )
        seen.add((point.code, point.line_id))
    return (
        ObjectionFiled(
            process_id=deal.process_id,
            contract_id=contract.contract_id,
            number=contract.objections + 1,
            version=contract.version,
            member_id=command.actor.member_id,
            points=points,
            due_at=due(deal, BUYER_ANSWER, now, deal.awarded_at or now),
        ),
    )


def require_allowed(deal: Deal, contract: Contract, now: datetime) -> None:
    """Raise ObjectionsUsedUp or ObjectionTooLate if the supplier may not object."""
    allowed = deal.policy.contract.objections_per_contract
    if contract.objections >= allowed:
        raise ObjectionsUsedUp(
            f"This contract takes {allowed} protocol{'s' if allowed != 1 else ''} of disagreement, and"
            f" {contract.objections} {'were' if contract.objections != 1 else 'was'} filed.",
            filed=contract.objections,
            allowed=allowed,
        )
    days = step_days(deal, BUYER_ANSWER) + step_days(deal, SUPPLIER_SIGNATURE)
    end = total_end(deal)
    if deal.policy.due(now, days, deal.calendar) > end:
        raise ObjectionTooLate(
            f"All steps end by {end}: the buyer's answer and your signature after it, {days} working days, would end later.",
            total_end=end,
            now=now,
            days=days,
        )


def answer(deal: Deal, command: AnswerObjection, now: datetime) -> tuple[ObjectionAnswered, ...]:
    """Return the event of the answer, none if it repeats the given answer. Raise a RuleBroken of this module or of
    turns."""
    contract = current(deal, command.contract_id)
    require_side(BUYER_ANSWER, party_of(deal, contract, command.actor.organisation_id))
    answers = tuple(sorted((_plain(each) for each in command.answers), key=lambda each: each.number))
    if command.number == contract.objections and contract.answers:
        if answers == contract.answers:
            return ()
        raise ObjectionAnsweredOtherwise("This protocol already has another answer.", number=command.number)
    if command.number != contract.objections or not contract.points:
        raise NothingToAnswer(f"There is no protocol {command.number} that waits for an answer.", number=command.number)
    require_running(contract, now)
    require_step(contract, BUYER_ANSWER)
    if [each.number for each in answers] != [point.number for point in contract.points]:
        raise AnswerIncomplete(
            f"Each point gets one answer: there are {len(contract.points)}.",
            field="answers",
            points=len(contract.points),
        )
    for each in answers:
        if not each.accepted and not each.reason:
            raise AnswerUnexplained(
                f"Say why the draft stays as it is on point {each.number}.",
                field=f"reason-{each.number}",
                point=each.number,
            )
    changes = _taken(contract.points, answers)
    return (
        ObjectionAnswered(
            process_id=deal.process_id,
            contract_id=contract.contract_id,
            number=contract.objections,
            member_id=command.actor.member_id,
            answers=answers,
            version=contract.version + (1 if changes else 0),
            terms=terms.changed(contract.terms, changes),
            changed=changes,
            due_at=due(deal, SUPPLIER_SIGNATURE, now, deal.awarded_at or now),
        ),
    )


def _taken(points: Sequence[Point], answers: Sequence[PointAnswer]) -> tuple[Term, ...]:
    return tuple(
        Term(code=point.code, text=point.wanted, line_id=point.line_id)
        for point, answer in zip(points, answers, strict=True)
        if answer.accepted
    )


def _require_point(deal: Deal, contract: Contract, point: Point, now: datetime) -> None:
    allowed = deal.policy.contract.changeable_terms
    may = Several(TERMS[code].lower() for code in allowed)
    if point.code in COMPETED:
        raise CompetedNotChangeable(
            f"{COMPETED[point.code]} was fixed before the draft: a protocol can change only {may}.",
            field=f"code-{point.number}",
            term=point.code,
            changeable=may,
        )
    if point.code not in allowed:
        raise TermNotChangeable(
            f"A protocol can change only {may}, not {point.code!r}.",
            field=f"code-{point.number}",
            term=point.code,
            changeable=may,
        )
    for name, text in (("wanted", point.wanted), ("reason", point.reason)):
        if not text:
            words = "what the draft should say instead" if name == "wanted" else "why"
            raise PointIncomplete(f"Say {words}.", field=f"{name}-{point.number}", point=point.number, missing=words)
    wanted = Term(code=point.code, text=point.wanted, line_id=point.line_id)
    terms.require_fits(deal, contract, wanted, now, field=f"wanted-{point.number}")
    if wanted in contract.terms:
        raise PointChangesNothing("The draft says so already.", field=f"wanted-{point.number}")


def _numbered(point: Point, number: int) -> Point:
    return structs.replace(
        point, number=number, wanted=point.wanted.strip(), reason=point.reason.strip(), line_id=point.line_id.strip()
    )


def _plain(answer: PointAnswer) -> PointAnswer:
    return structs.replace(answer, reason=answer.reason.strip())
