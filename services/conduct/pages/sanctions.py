"""Pages of suspensions: why the reader's organisation is suspended, its appeal, and the moderators' queue."""

from collections.abc import Mapping, Sequence
from typing import Any, cast, get_args

from litestar import Controller, get, post
from litestar.response import Redirect, Template

from catalogue.roles import ADMINISTRATOR, MODERATOR
from infra.service import Resources
from infra.web import MEMBERS, FromResources, MemberVisit, PageNumber, PathId, allow, clean, misfits
from infra.web.languages import gettext
from infra.web.queues import Queue
from services.conduct import handlers
from services.conduct.domain.sanctions import Decision, Sanction
from services.conduct.views.sanctions import QUEUE, appealed, as_seen, own_sanctions


async def _own(resources: Resources, request: MemberVisit, found: Sequence[Sanction]) -> Mapping[str, Any]:
    appeals = request.user.may(*handlers.APPEALS)
    return {"sanctions": await as_seen(resources, found, request.user), "appeals": appeals}


async def _appealed(resources: Resources, request: MemberVisit, found: Sequence[Sanction]) -> Mapping[str, Any]:
    return {"sanctions": await as_seen(resources, found, request.user), "decides": request.user.may(MODERATOR)}


OWN = Queue(
    service="conduct",
    address="/contracts/sanctions",
    template="conduct/sanctions.html",
    per_page=QUEUE,
    read=lambda resources, request, number: own_sanctions(resources, request.user.organisation_id, number),
    shown=_own,
)
APPEALED = Queue(
    service="conduct",
    address="/contracts/appeals",
    template="conduct/appeals.html",
    per_page=QUEUE,
    read=lambda resources, _, number: appealed(resources, number),
    shown=_appealed,
)


class SanctionPages(Controller):
    path = "/contracts"
    include_in_schema = False

    @get("/sanctions", opt=MEMBERS)
    async def own(self, resources: FromResources, request: MemberVisit, number: PageNumber = 1) -> Template:
        return await OWN.page(resources, request, number)

    @post("/sanctions/{sanction_id:str}/appeal", opt=allow(*handlers.APPEALS))
    async def appeal(
        self, resources: FromResources, request: MemberVisit, sanction_id: PathId, number: PageNumber = 1
    ) -> Template | Redirect:
        """Handle the form of an appeal. ``page`` in the address is the page of the list that contains the form."""

        async def act(values: Mapping[str, str]) -> str:
            async with resources.database.transaction("conduct") as tx:
                await handlers.appeal(tx, clean(sanction_id), values.get("reasons", ""), request.user)
            return gettext("Your appeal was filed.")

        return await OWN.act(
            resources,
            request,
            number,
            sanction_id,
            act,
            check=lambda values: misfits({"reasons": values.get("reasons", "")}),
            tried=lambda tx: handlers.appeal(tx, clean(sanction_id), "", request.user),
        )

    @get("/appeals", opt=allow(MODERATOR, ADMINISTRATOR))
    async def appeals(self, resources: FromResources, request: MemberVisit, number: PageNumber = 1) -> Template:
        return await APPEALED.page(resources, request, number)

    @post("/appeals/{sanction_id:str}/decision", opt=allow(MODERATOR))
    async def decide(
        self, resources: FromResources, request: MemberVisit, sanction_id: PathId, number: PageNumber = 1
    ) -> Template | Redirect:
        """Handle the form of a decision. ``page`` in the address is the page of the list that contains the form."""

        async def act(values: Mapping[str, str]) -> str:
            decision = cast(Decision, values["decision"])
            async with resources.database.transaction("conduct") as tx:
                await handlers.decide(tx, clean(sanction_id), decision, values.get("explanation", ""))
            return (
                gettext("The suspension was lifted.") if decision == "lifted" else gettext("The suspension was upheld.")
            )

        return await APPEALED.act(
            resources,
            request,
            number,
            sanction_id,
            act,
            check=_misfits_of_decision,
            tried=lambda tx: handlers.decide(tx, clean(sanction_id), "upheld", ""),
        )


def _misfits_of_decision(values: Mapping[str, str]) -> dict[str, str]:
    known = values.get("decision") in get_args(Decision)
    return (
        misfits({"explanation": values.get("explanation", "")})
        if known
        else {"decision": gettext("Choose one of the two.")}
    )
