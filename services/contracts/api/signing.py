"""JSON of what a side may do instead of signing at once: take more time, object to the draft, answer an objection."""

from typing import Annotated, ClassVar

import msgspec
from litestar import Controller, post
from litestar.params import JSONBody
from msgspec import Meta

from catalogue.roles import BUYER_OFFICER, SUPPLIER_AGENT
from events.bounds import Clause, Code
from events.contracts import Point, PointAnswer
from infra.answered import Answered
from infra.web import FromKeyed, FromResources, MemberVisit, PathId, allow, clean, clean_all
from infra.web.errors import NotFound
from services.contracts import handlers
from services.contracts.views import ContractView, shown


class ExtensionIn(msgspec.Struct, kw_only=True):
    """``step`` is the running step, which must be the reader's own."""

    step: Code


class PointIn(msgspec.Struct, kw_only=True):
    """``code`` is one of ``choices.changeable``; ``line_id`` is "" for the whole contract. A delivery-time is a date.
    The number of a point is its place in the list, even if the point is copied from an answer that gives it another
    number."""

    AS_ANSWERED: ClassVar = Answered(Point)

    code: Code
    wanted: Clause
    reason: Clause
    line_id: Code = ""


class ObjectionIn(msgspec.Struct, kw_only=True):
    points: Annotated[list[PointIn], Meta(max_length=50)]


class PointAnswerIn(msgspec.Struct, kw_only=True):
    number: int
    accepted: bool
    reason: Clause = ""


class ObjectionAnswerIn(msgspec.Struct, kw_only=True):
    """``number`` is the number of the protocol. Every point of the protocol needs an answer."""

    number: int
    answers: Annotated[list[PointAnswerIn], Meta(max_length=50)]


class SigningApi(Controller):
    path = "/api/contracts/{contract_id:str}"
    tags = ["contracts"]

    @post("/extension", opt=allow(SUPPLIER_AGENT, BUYER_OFFICER), raises=[NotFound])
    async def extend(
        self,
        request: MemberVisit,
        resources: FromResources,
        keyed: FromKeyed,
        contract_id: PathId,
        data: JSONBody[ExtensionIn],
    ) -> ContractView:
        """Take more time for the reader's own step. If the step was extended before, the answer is the contract as it
        is now."""
        async with resources.database.transaction("contracts") as tx:
            await keyed.do(tx, lambda: handlers.extend(tx, clean(contract_id), clean(data.step), request.user))
        return await shown(resources, contract_id, request.user)

    @post("/objection", opt=allow(SUPPLIER_AGENT), raises=[NotFound])
    async def file_objection(
        self,
        request: MemberVisit,
        resources: FromResources,
        keyed: FromKeyed,
        contract_id: PathId,
        data: JSONBody[ObjectionIn],
    ) -> ContractView:
        """File a protocol of disagreement instead of signing. If the same points are sent again, the answer is the
        contract as it is now."""
        wanted = clean_all(data)
        points = tuple(
            Point(number=number, code=each.code, wanted=each.wanted, reason=each.reason, line_id=each.line_id)
            for number, each in enumerate(wanted.points, start=1)
        )
        async with resources.database.transaction("contracts") as tx:
            await keyed.do(tx, lambda: handlers.file_objection(tx, clean(contract_id), points, request.user))
        return await shown(resources, contract_id, request.user)

    @post("/objection/answer", opt=allow(BUYER_OFFICER), raises=[NotFound])
    async def answer_objection(
        self,
        request: MemberVisit,
        resources: FromResources,
        keyed: FromKeyed,
        contract_id: PathId,
        data: JSONBody[ObjectionAnswerIn],
    ) -> ContractView:
        """Answer a protocol. Accepted points make a new version of the draft; the supplier then signs or refuses."""
        answers = tuple(
            PointAnswer(number=each.number, accepted=each.accepted, reason=clean(each.reason)) for each in data.answers
        )
        async with resources.database.transaction("contracts") as tx:
            await keyed.do(
                tx,
                lambda: handlers.answer_objection(tx, clean(contract_id), data.number, answers, request.user),
            )
        return await shown(resources, contract_id, request.user)
