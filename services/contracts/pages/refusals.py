"""Pages of disputed refusals: the other side's dispute, and the moderators' queue."""

from typing import cast, get_args

from litestar import Controller, get, post
from litestar.response import Redirect, Template

from catalogue.rules import RuleBroken
from infra.service import Ground
from infra.tokens import ADMINISTRATOR, BUYER_OFFICER, MODERATOR, SUPPLIER_AGENT
from infra.web import (
    BLANK,
    Filled,
    FromGround,
    MemberVisit,
    PageNumber,
    PathId,
    allow,
    beside,
    clean,
    form_fields,
    leaf,
    page,
    redirect,
    refusal_of_state,
    text_in,
)
from infra.web.languages import gettext
from services.contracts.domain.refusals import Verdict
from services.contracts.handlers import refusals as handlers
from services.contracts.pages import contract_page, too_long
from services.contracts.views import QUEUE
from services.contracts.views.refusals import waiting


class RefusalPages(Controller):
    path = "/contracts"
    include_in_schema = False

    @post("/{contract_id:str}/refusal/dispute", opt=allow(SUPPLIER_AGENT, BUYER_OFFICER))
    async def dispute(self, ground: FromGround, request: MemberVisit, contract_id: PathId) -> Template | Redirect:
        values = await form_fields(request)
        if errors := too_long(values):
            instead = await refusal_of_state(
                ground.database,
                "contracts",
                lambda tx: handlers.dispute(tx, clean(contract_id), "", request.user),
            )
            return await contract_page(ground, request, contract_id, Filled(values, errors, instead))
        try:
            async with ground.database.transaction("contracts") as tx:
                await handlers.dispute(tx, clean(contract_id), text_in(values, "reasons"), request.user)
        except RuleBroken as broken:
            return await contract_page(ground, request, contract_id, Filled(values, beside(broken, values)))
        return redirect(f"/contracts/{contract_id}", gettext("You dispute the refusal. A moderator decides about it."))

    @get("/refusals", opt=allow(MODERATOR, ADMINISTRATOR))
    async def queue(self, ground: FromGround, request: MemberVisit, number: PageNumber = 1) -> Template:
        return await self._queue(ground, request, number)

    @post("/{contract_id:str}/refusal/decision", opt=allow(MODERATOR))
    async def decide(
        self, ground: FromGround, request: MemberVisit, contract_id: PathId, number: PageNumber = 1
    ) -> Template | Redirect:
        """Handle the form of a decision. ``page`` in the address is the page of the list that contains the form."""
        values = await form_fields(request)
        decision = values.get("decision", "")
        errors = too_long(values)
        if decision not in get_args(Verdict):
            errors = {"decision": gettext("Choose one of the two.")}
        if errors:
            instead = await refusal_of_state(
                ground.database,
                "contracts",
                lambda tx: handlers.decide(tx, clean(contract_id), "justified", ""),
            )
            return await self._queue(ground, request, number, contract_id, Filled(values, errors, instead))
        try:
            async with ground.database.transaction("contracts") as tx:
                await handlers.decide(tx, clean(contract_id), cast(Verdict, decision), text_in(values, "explanation"))
        except RuleBroken as broken:
            return await self._queue(ground, request, number, contract_id, Filled(values, beside(broken, values)))
        said = (
            gettext("The refusal was justified: no penalty.")
            if decision == "justified"
            else gettext("The refusal was not justified: it counts as a breach.")
        )
        return redirect("/contracts/refusals", said)

    async def _queue(
        self,
        ground: Ground,
        request: MemberVisit,
        number: int,
        contract_id: str = "",
        filled: Filled = BLANK,
    ) -> Template:
        found, number, pages = await leaf(request, number, QUEUE, lambda each: waiting(ground, each))
        return page(
            request,
            "contracts/refusals.html",
            status_code=422 if filled.errors else 200,
            refusals=found.rows,
            number=number,
            pages=pages,
            decides=request.user.may(MODERATOR),
            at_fault=contract_id,
            values=filled.values,
            errors=filled.errors,
            instead=filled.instead,
        )
