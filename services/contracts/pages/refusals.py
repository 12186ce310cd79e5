"""Pages of disputed refusals: the other side's dispute, and the moderators' queue."""

from collections.abc import Mapping, Sequence
from typing import Any, cast, get_args

from litestar import Controller, get, post
from litestar.response import Redirect, Template

from catalogue.roles import ADMINISTRATOR, BUYER_OFFICER, MODERATOR, SUPPLIER_AGENT
from catalogue.rules import RuleBroken
from infra.service import Resources
from infra.web import (
    Filled,
    FromResources,
    MemberVisit,
    PageNumber,
    PathId,
    allow,
    clean,
    errors_of_refusal,
    form_fields,
    redirect,
    refusal_of_state,
    text_in,
)
from infra.web.languages import gettext
from infra.web.queues import Queue
from services.contracts.domain.refusals import Verdict
from services.contracts.handlers import refusals as handlers
from services.contracts.pages import contract_page, too_long
from services.contracts.views import QUEUE
from services.contracts.views.refusals import DisputedRefusal, undecided


async def _disputed(_: Resources, request: MemberVisit, found: Sequence[DisputedRefusal]) -> Mapping[str, Any]:
    return {"refusals": found, "decides": request.user.may(MODERATOR)}


DISPUTED = Queue(
    service="contracts",
    address="/contracts/refusals",
    template="contracts/refusals.html",
    per_page=QUEUE,
    read=lambda resources, _, number: undecided(resources, number),
    shown=_disputed,
)


class RefusalPages(Controller):
    path = "/contracts"
    include_in_schema = False

    @post("/{contract_id:str}/refusal/dispute", opt=allow(SUPPLIER_AGENT, BUYER_OFFICER))
    async def dispute(self, resources: FromResources, request: MemberVisit, contract_id: PathId) -> Template | Redirect:
        values = await form_fields(request)
        if errors := too_long(values):
            instead = await refusal_of_state(
                resources.database,
                "contracts",
                lambda tx: handlers.dispute(tx, clean(contract_id), "", request.user),
            )
            return await contract_page(resources, request, contract_id, Filled(values, errors, instead))
        try:
            async with resources.database.transaction("contracts") as tx:
                await handlers.dispute(tx, clean(contract_id), text_in(values, "reasons"), request.user)
        except RuleBroken as broken:
            return await contract_page(
                resources, request, contract_id, Filled(values, errors_of_refusal(broken, values))
            )
        return redirect(f"/contracts/{contract_id}", gettext("You disputed the refusal."))

    @get("/refusals", opt=allow(MODERATOR, ADMINISTRATOR))
    async def queue(self, resources: FromResources, request: MemberVisit, number: PageNumber = 1) -> Template:
        return await DISPUTED.page(resources, request, number)

    @post("/{contract_id:str}/refusal/decision", opt=allow(MODERATOR))
    async def decide(
        self, resources: FromResources, request: MemberVisit, contract_id: PathId, number: PageNumber = 1
    ) -> Template | Redirect:
        """Handle the form of a decision. ``page`` in the address is the page of the list that contains the form."""

        async def act(values: Mapping[str, str]) -> str:
            decision = cast(Verdict, values["decision"])
            async with resources.database.transaction("contracts") as tx:
                await handlers.decide(tx, clean(contract_id), decision, text_in(values, "explanation"))
            if decision == "justified":
                return gettext("The refusal was justified: no penalty.")
            return gettext("The refusal was not justified: it counts as a breach.")

        return await DISPUTED.act(
            resources,
            request,
            number,
            contract_id,
            act,
            check=_misfits_of_decision,
            tried=lambda tx: handlers.decide(tx, clean(contract_id), "justified", ""),
        )


def _misfits_of_decision(values: Mapping[str, str]) -> dict[str, str]:
    known = values.get("decision") in get_args(Verdict)
    return too_long(values) if known else {"decision": gettext("Choose one of the two.")}
