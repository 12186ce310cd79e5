"""JSON of disputes: one with all that was said, what its sides and the moderator do, and the moderators' list."""

import msgspec
from litestar import Controller, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import JSONBody
from msgspec import UNSET

from events.bounds import Code, Count, Reason
from infra.tokens import ADMINISTRATOR, MODERATOR
from infra.web import PUBLIC, FromGround, FromKeyed, MemberVisit, PageNumber, PathId, PathNumber, Visit, allow, clean
from infra.web.errors import NotFound
from services.fulfilment import handlers
from services.fulfilment.api.execution import PARTIES, Act, acting
from services.fulfilment.domain.disputes import AnswerDispute, DecideDispute, OpenDispute
from services.fulfilment.domain.state import About, Dispute, Outcome
from services.fulfilment.views.disputes import OpenDisputeView, disputed, open_disputes, the_dispute
from services.fulfilment.views.execution import ExecutionView, view


class DisputeIn(msgspec.Struct, kw_only=True):
    """``number`` is the delivery's or invoice's; ``asks`` that the last word on it stands, or is set aside.
    ``word`` is the status that was read of it; where it has another one, nothing is disputed."""

    about: About
    number: Count
    asks: Outcome
    reasons: Reason
    word: Code = ""


class DisputeAnswerIn(msgspec.Struct, kw_only=True):
    """Where both sides ask the same, the dispute ends so."""

    asks: Outcome
    words: Reason


class DisputeDecisionIn(msgspec.Struct, kw_only=True):
    outcome: Outcome
    explanation: Reason


class DisputesApi(Controller):
    path = "/api/contracts"
    tags = ["contracts"]
    dependencies = {"act": Provide(acting, sync_to_thread=False)}

    @post("/{contract_id:str}/disputes", opt=PARTIES, raises=[NotFound])
    async def open_dispute(self, act: NamedDependency[Act], data: JSONBody[DisputeIn]) -> ExecutionView:
        command = OpenDispute(
            **act.by,
            about=data.about,
            number=data.number,
            asks=data.asks,
            reasons=clean(data.reasons),
            word=data.word or UNSET,
        )
        return await act(command)

    @get("/{contract_id:str}/disputes/{number:int}", opt=PUBLIC, raises=[NotFound])
    async def read_dispute(
        self, request: Visit, ground: FromGround, contract_id: PathId, number: PathNumber
    ) -> Dispute:
        """All that was said in it; the words are for the two sides and whoever watches over the market."""
        return (await the_dispute(ground, contract_id, number, request.scope.get("user")))[1]

    @post("/{contract_id:str}/disputes/{number:int}/answer", opt=PARTIES, raises=[NotFound])
    async def answer_dispute(
        self, act: NamedDependency[Act], number: PathNumber, data: JSONBody[DisputeAnswerIn]
    ) -> ExecutionView:
        command = AnswerDispute(**act.by, dispute=number, asks=data.asks, words=clean(data.words))
        return await act(command)

    @post("/{contract_id:str}/disputes/{number:int}/decision", opt=allow(MODERATOR), raises=[NotFound])
    async def decide_dispute(
        self,
        request: MemberVisit,
        ground: FromGround,
        keyed: FromKeyed,
        contract_id: PathId,
        number: PathNumber,
        data: JSONBody[DisputeDecisionIn],
    ) -> ExecutionView:
        command = DecideDispute(dispute=number, outcome=data.outcome, explanation=clean(data.explanation))
        async with ground.database.transaction("fulfilment") as tx:
            await keyed.do(tx, lambda: handlers.decide_dispute(tx, clean(contract_id), command))
        return await view(ground, contract_id, request.user)

    @get("/disputes", opt=allow(MODERATOR, ADMINISTRATOR))
    async def list_disputes(
        self, request: MemberVisit, ground: FromGround, number: PageNumber = 1
    ) -> list[OpenDisputeView]:
        """Summaries of open disputes, of 20 contracts at a time and five of each: earliest deadline first."""
        return open_disputes((await disputed(ground, number)).rows, ground.clock())
