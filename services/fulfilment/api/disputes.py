"""JSON of disputes: one dispute with all its statements, what its sides and the moderator do, and the moderators' list."""

import msgspec
from litestar import Controller, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import JSONBody
from msgspec import UNSET

from catalogue.roles import ADMINISTRATOR, MODERATOR
from events.bounds import Code, Count, Reason
from infra.web import PUBLIC, FromKeyed, FromResources, MemberVisit, PageNumber, PathId, PathNumber, Visit, allow, clean
from infra.web.errors import NotFound
from services.fulfilment import handlers
from services.fulfilment.api.execution import PARTIES, Act, acting
from services.fulfilment.domain.disputes import AnswerDispute, DecideDispute, OpenDispute
from services.fulfilment.domain.state import About, Dispute, Outcome
from services.fulfilment.views.disputes import OpenDisputeView, disputed, get_dispute, open_disputes
from services.fulfilment.views.execution import ExecutionView, view


class FulfilmentDisputeIn(msgspec.Struct, kw_only=True):
    """``number`` is the number of the delivery or invoice. ``asks`` says whether its status should be valid or no longer
    count. ``word`` is that status as it was read; if the status is another one by now, the dispute is refused."""

    about: About
    number: Count
    asks: Outcome
    reasons: Reason
    word: Code = ""


class DisputeAnswerIn(msgspec.Struct, kw_only=True):
    """If both sides now ask for the same outcome, the dispute ends with it."""

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
    async def open_dispute(self, act: NamedDependency[Act], data: JSONBody[FulfilmentDisputeIn]) -> ExecutionView:
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
        self, request: Visit, resources: FromResources, contract_id: PathId, number: PathNumber
    ) -> Dispute:
        """Return one dispute with all its statements. Their words are only for the two sides and those who supervise
        the market."""
        return (await get_dispute(resources, contract_id, number, request.scope.get("user")))[1]

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
        resources: FromResources,
        keyed: FromKeyed,
        contract_id: PathId,
        number: PathNumber,
        data: JSONBody[DisputeDecisionIn],
    ) -> ExecutionView:
        command = DecideDispute(dispute=number, outcome=data.outcome, explanation=clean(data.explanation))
        async with resources.database.transaction("fulfilment") as tx:
            await keyed.do(tx, lambda: handlers.decide_dispute(tx, clean(contract_id), command))
        return await view(resources, contract_id, request.user)

    @get("/disputes", opt=allow(MODERATOR, ADMINISTRATOR))
    async def list_disputes(
        self, request: MemberVisit, resources: FromResources, number: PageNumber = 1
    ) -> list[OpenDisputeView]:
        """List summaries of open disputes, 20 contracts at a time and at most five disputes of each, the earliest
        deadline first."""
        return open_disputes((await disputed(resources, number)).rows, resources.clock())
