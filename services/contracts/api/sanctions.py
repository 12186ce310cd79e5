"""JSON of suspensions: one's own with their appeals, and the moderators' queue."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

import msgspec
from litestar import Controller, get, post
from litestar.params import JSONBody

from events.bounds import Reason
from infra.listing import Listed
from infra.service import Ground
from infra.tokens import ADMINISTRATOR, MODERATOR
from infra.web import MEMBERS, FromGround, FromKeyed, MemberVisit, PageNumber, PathId, allow, clean
from infra.web.errors import NotFound
from services.contracts.api import QUEUE
from services.contracts.api.record import Mentioned, mentioned
from services.contracts.domain.deals import Party
from services.contracts.domain.sanctions import Decision, Sanction
from services.contracts.handlers import sanctions as handlers
from services.contracts.store import record, replicas, sanctions


class SanctionView(msgspec.Struct, kw_only=True):
    """To its organisation and to moderators. ``state`` is in-force, past or lifted. ``appeal_until`` is the last moment to
    appeal; once there is an appeal it is decided by ``decide_by``, and ``overdue`` where it was not."""

    sanction_id: str
    organisation_id: str
    organisation_name: str
    side: Party
    level: int
    contracts: list[Mentioned]
    since: datetime
    until: datetime
    state: str
    appeal_until: datetime
    may_appeal: bool
    reasons: str
    decide_by: datetime | None
    overdue: bool
    decision: Decision | None
    explanation: str
    decided_at: datetime | None


class AppealIn(msgspec.Struct, kw_only=True):
    reasons: Reason


class DecisionIn(msgspec.Struct, kw_only=True):
    """``upheld``: the suspension stands. ``lifted``: it ends at once."""

    decision: Decision
    explanation: Reason


async def own_sanctions(ground: Ground, request: MemberVisit, number: int) -> Listed[Sanction]:
    """A page of those of the reader's organisation."""
    return await sanctions.of_organisation(
        ground.database.pool, request.user.organisation_id, limit=QUEUE, offset=QUEUE * (number - 1)
    )


async def appealed(ground: Ground, number: int) -> Listed[Sanction]:
    """A page of those whose appeal waits for a decision."""
    return await sanctions.appealed(ground.database.pool, limit=QUEUE, offset=QUEUE * (number - 1))


async def views(ground: Ground, found: Sequence[Sanction], request: MemberVisit) -> list[SanctionView]:
    now = ground.clock()
    async with ground.database.pool.acquire() as db:
        ids = {each.sanctioned.organisation_id for each in found}
        names = {each: known.name for each in ids if (known := await replicas.organisations.get(db, each))}
        contracts = await record.mentions(db, {one for each in found for one in each.sanctioned.contract_ids})
    return [
        SanctionView(
            sanction_id=told.sanction_id,
            organisation_id=told.organisation_id,
            organisation_name=names.get(told.organisation_id, told.organisation_id),
            side=cast(Party, told.side),
            level=told.level,
            contracts=[
                mentioned(contracts[one], cast(Party, told.side), contracts[one].over_at, request.user)
                for one in told.contract_ids
            ],
            since=told.since,
            until=told.until,
            state=each.state(now),
            appeal_until=told.appeal_until,
            may_appeal=each.may_be_appealed(now),
            reasons=each.appealed.reasons if each.appealed else "",
            decide_by=each.appealed.due_at if each.appealed else None,
            overdue=each.overdue(now),
            decision=cast(Decision, each.decided.decision) if each.decided else None,
            explanation=each.decided.explanation if each.decided else "",
            decided_at=each.decided.decided_at if each.decided else None,
        )
        for each in found
        for told in (each.sanctioned,)
    ]


class SanctionsApi(Controller):
    path = "/api/contracts"
    tags = ["contracts"]

    @get("/sanctions", opt=MEMBERS)
    async def list_sanctions(
        self, request: MemberVisit, ground: FromGround, number: PageNumber = 1
    ) -> list[SanctionView]:
        """Of one's own organisation, 20 at a time: the latest first."""
        return await views(ground, (await own_sanctions(ground, request, number)).rows, request)

    @post("/sanctions/{sanction_id:str}/appeal", opt=allow(*handlers.APPEALS), raises=[NotFound])
    async def appeal(
        self, request: MemberVisit, ground: FromGround, keyed: FromKeyed, sanction_id: PathId, data: JSONBody[AppealIn]
    ) -> SanctionView:
        """Once for each suspension; the same reasons again are answered with the appeal as it stands."""
        async with ground.database.transaction("contracts") as tx:
            await keyed.do(tx, lambda: handlers.appeal(tx, clean(sanction_id), clean(data.reasons), request.user))
        return await _view(ground, sanction_id, request)

    @get("/appeals", opt=allow(MODERATOR, ADMINISTRATOR))
    async def list_appeals(
        self, request: MemberVisit, ground: FromGround, number: PageNumber = 1
    ) -> list[SanctionView]:
        """Those that wait for a decision, 20 at a time: what is due first first."""
        return await views(ground, (await appealed(ground, number)).rows, request)

    @post("/appeals/{sanction_id:str}/decision", opt=allow(MODERATOR), raises=[NotFound])
    async def decide(
        self,
        request: MemberVisit,
        ground: FromGround,
        keyed: FromKeyed,
        sanction_id: PathId,
        data: JSONBody[DecisionIn],
    ) -> SanctionView:
        async with ground.database.transaction("contracts") as tx:
            await keyed.do(tx, lambda: handlers.decide(tx, clean(sanction_id), data.decision, clean(data.explanation)))
        return await _view(ground, sanction_id, request)


async def _view(ground: Ground, sanction_id: str, request: MemberVisit) -> SanctionView:
    found = await sanctions.get(ground.database.pool, clean(sanction_id))
    assert found is not None, "it was decided about just now"
    return (await views(ground, [found], request))[0]
