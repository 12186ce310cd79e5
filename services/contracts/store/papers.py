"""The paper of a contract: drafts, protocols and extensions as pages and the API show them, collected from the events."""

from datetime import datetime

import msgspec
from msgspec import structs

from events.codec import Event
from events.contracts import (
    ContractStepTaken,
    Equivalent,
    ObjectionAnswered,
    ObjectionFiled,
    Point,
    PointAnswer,
    Security,
    StepExtended,
    Term,
)


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """``changed`` has the terms that differ from the version before."""

    version: int
    at: datetime
    terms: tuple[Term, ...]
    changed: tuple[Term, ...] = ()


class Objection(msgspec.Struct, frozen=True, kw_only=True):
    """While the buyer has not answered, ``answers`` is empty and the fields after it are None."""

    number: int
    version: int
    points: tuple[Point, ...]
    filed_at: datetime
    member_name: str
    answers: tuple[PointAnswer, ...] = ()
    answered_at: datetime | None = None
    answered_by: str | None = None


class Extension(msgspec.Struct, frozen=True, kw_only=True):
    step: str
    party: str
    was_due_at: datetime
    due_at: datetime
    at: datetime
    member_name: str


class Paper(msgspec.Struct, frozen=True, kw_only=True):
    """``equivalents`` are all that were named; the refused ones have the buyer's reason."""

    drafts: tuple[Draft, ...] = ()
    objections: tuple[Objection, ...] = ()
    extensions: tuple[Extension, ...] = ()
    equivalents: tuple[Equivalent, ...] = ()
    security: Security | None = None

    @property
    def terms(self) -> tuple[Term, ...]:
        return self.drafts[-1].terms if self.drafts else ()

    @property
    def version(self) -> int:
        return self.drafts[-1].version if self.drafts else 0

    @property
    def open_objection(self) -> Objection | None:
        return next((each for each in self.objections if each.answered_at is None), None)


def written(paper: Paper, event: Event, at: datetime, member_name: str) -> Paper:
    """Return the paper after the event. It is unchanged if the event says nothing about it."""
    match event:
        case ContractStepTaken(step="supplier-offer"):
            return structs.replace(paper, equivalents=event.equivalents)
        case ContractStepTaken(step="buyer-draft"):
            return structs.replace(
                paper, equivalents=event.equivalents, drafts=(Draft(version=1, at=at, terms=event.terms),)
            )
        case ContractStepTaken():
            return structs.replace(paper, security=event.security)
        case StepExtended():
            extension = Extension(
                step=event.step,
                party=event.party,
                was_due_at=event.was_due_at,
                due_at=event.due_at,
                at=at,
                member_name=member_name,
            )
            return structs.replace(paper, extensions=(*paper.extensions, extension))
        case ObjectionFiled():
            objection = Objection(
                number=event.number, version=event.version, points=event.points, filed_at=at, member_name=member_name
            )
            return structs.replace(paper, objections=(*paper.objections, objection))
        case ObjectionAnswered():
            *before, open_one = paper.objections
            answered = structs.replace(open_one, answers=event.answers, answered_at=at, answered_by=member_name)
            drafts = paper.drafts
            if event.version > paper.version:
                drafts = (*drafts, Draft(version=event.version, at=at, terms=event.terms, changed=event.changed))
            return structs.replace(paper, objections=(*before, answered), drafts=drafts)
    return paper


def as_published(paper: Paper) -> Paper:
    """Return what everybody may read of a concluded contract: the signed draft without requisites, and the accepted
    equivalents."""
    drafts = tuple(
        Draft(
            version=draft.version, at=draft.at, terms=tuple(term for term in draft.terms if term.code != "requisites")
        )
        for draft in paper.drafts[-1:]
    )
    return Paper(drafts=drafts, equivalents=tuple(each for each in paper.equivalents if not each.refused))
