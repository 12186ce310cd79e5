"""JSON of suspensions: the reader's own with their appeals, and the moderators' queue."""

import msgspec
from litestar import Controller, get, post
from litestar.params import JSONBody

from catalogue.roles import ADMINISTRATOR, MODERATOR
from events.bounds import Reason
from infra.service import Resources
from infra.web import MEMBERS, FromKeyed, FromResources, MemberVisit, PageNumber, PathId, allow, clean
from infra.web.errors import NotFound
from services.conduct import handlers
from services.conduct.domain.sanctions import Decision
from services.conduct.store import sanctions
from services.conduct.views.sanctions import SanctionView, appealed, as_seen, own_sanctions


class AppealIn(msgspec.Struct, kw_only=True):
    reasons: Reason


class SanctionDecisionIn(msgspec.Struct, kw_only=True):
    """``upheld``: the suspension stays. ``lifted``: it ends at once."""

    decision: Decision
    explanation: Reason


class SanctionsApi(Controller):
    path = "/api/contracts"
    tags = ["contracts"]

    @get("/sanctions", opt=MEMBERS)
    async def list_sanctions(
        self, request: MemberVisit, resources: FromResources, number: PageNumber = 1
    ) -> list[SanctionView]:
        """Return a page of the suspensions of the reader's own organisation, 20 at a time, the latest first."""
        return await as_seen(
            resources, (await own_sanctions(resources, request.user.organisation_id, number)).rows, request.user
        )

    @post("/sanctions/{sanction_id:str}/appeal", opt=allow(*handlers.APPEALS), raises=[NotFound])
    async def appeal(
        self,
        request: MemberVisit,
        resources: FromResources,
        keyed: FromKeyed,
        sanction_id: PathId,
        data: JSONBody[AppealIn],
    ) -> SanctionView:
        """File the one appeal that a suspension may have. If the same reasons are sent again, the answer is the appeal
        as it is now."""
        async with resources.database.transaction("conduct") as tx:
            await keyed.do(tx, lambda: handlers.appeal(tx, clean(sanction_id), clean(data.reasons), request.user))
        return await _view(resources, sanction_id, request)

    @get("/appeals", opt=allow(MODERATOR, ADMINISTRATOR))
    async def list_appeals(
        self, request: MemberVisit, resources: FromResources, number: PageNumber = 1
    ) -> list[SanctionView]:
        """Return a page of the suspensions whose appeals wait for a decision, 20 at a time, the earliest deadline
        first."""
        return await as_seen(resources, (await appealed(resources, number)).rows, request.user)

    @post("/appeals/{sanction_id:str}/decision", opt=allow(MODERATOR), raises=[NotFound])
    async def decide(
        self,
        request: MemberVisit,
        resources: FromResources,
        keyed: FromKeyed,
        sanction_id: PathId,
        data: JSONBody[SanctionDecisionIn],
    ) -> SanctionView:
        async with resources.database.transaction("conduct") as tx:
            await keyed.do(tx, lambda: handlers.decide(tx, clean(sanction_id), data.decision, clean(data.explanation)))
        return await _view(resources, sanction_id, request)


async def _view(resources: Resources, sanction_id: str, request: MemberVisit) -> SanctionView:
    found = await sanctions.get(resources.database.pool, clean(sanction_id))
    assert found is not None, "it was decided about just now"
    return (await as_seen(resources, [found.sanction], request.user))[0]
