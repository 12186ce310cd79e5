"""Pages of suspensions: why the reader's organisation is suspended, its appeal, and the moderators' queue."""

from typing import cast, get_args

from litestar import Controller, get, post
from litestar.response import Redirect, Template

from catalogue.rules import RuleBroken
from infra.service import Ground
from infra.tokens import ADMINISTRATOR, MODERATOR
from infra.web import (
    BLANK,
    MEMBERS,
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
    misfits,
    page,
    redirect,
    refusal_of_state,
)
from infra.web.languages import gettext
from services.conduct import handlers
from services.conduct.domain.sanctions import Decision
from services.conduct.views.sanctions import QUEUE, appealed, as_seen, own_sanctions


class SanctionPages(Controller):
    path = "/contracts"
    include_in_schema = False

    @get("/sanctions", opt=MEMBERS)
    async def own(self, ground: FromGround, request: MemberVisit, number: PageNumber = 1) -> Template:
        return await self._own(ground, request, number)

    @post("/sanctions/{sanction_id:str}/appeal", opt=allow(*handlers.APPEALS))
    async def appeal(
        self, ground: FromGround, request: MemberVisit, sanction_id: PathId, number: PageNumber = 1
    ) -> Template | Redirect:
        """Handle the form of an appeal. ``page`` in the address is the page of the list that contains the form."""
        values = await form_fields(request)
        if errors := misfits({"reasons": values.get("reasons", "")}):
            instead = await refusal_of_state(
                ground.database, "conduct", lambda tx: handlers.appeal(tx, clean(sanction_id), "", request.user)
            )
            return await self._own(ground, request, number, sanction_id, Filled(values, errors, instead))
        try:
            async with ground.database.transaction("conduct") as tx:
                await handlers.appeal(tx, clean(sanction_id), values.get("reasons", ""), request.user)
        except RuleBroken as broken:
            return await self._own(ground, request, number, sanction_id, Filled(values, beside(broken, values)))
        return redirect("/contracts/sanctions", gettext("Your appeal is filed. A moderator decides about it."))

    @get("/appeals", opt=allow(MODERATOR, ADMINISTRATOR))
    async def appeals(self, ground: FromGround, request: MemberVisit, number: PageNumber = 1) -> Template:
        return await self._queue(ground, request, number)

    @post("/appeals/{sanction_id:str}/decision", opt=allow(MODERATOR))
    async def decide(
        self, ground: FromGround, request: MemberVisit, sanction_id: PathId, number: PageNumber = 1
    ) -> Template | Redirect:
        """Handle the form of a decision. ``page`` in the address is the page of the list that contains the form."""
        values = await form_fields(request)
        decision, errors = values.get("decision", ""), misfits({"explanation": values.get("explanation", "")})
        if decision not in get_args(Decision):
            errors = {"decision": gettext("Choose one of the two.")}
        if errors:
            instead = await refusal_of_state(
                ground.database, "conduct", lambda tx: handlers.decide(tx, clean(sanction_id), "upheld", "")
            )
            return await self._queue(ground, request, number, sanction_id, Filled(values, errors, instead))
        try:
            async with ground.database.transaction("conduct") as tx:
                await handlers.decide(tx, clean(sanction_id), cast(Decision, decision), values.get("explanation", ""))
        except RuleBroken as broken:
            return await self._queue(ground, request, number, sanction_id, Filled(values, beside(broken, values)))
        said = gettext("The suspension is lifted.") if decision == "lifted" else gettext("The suspension stands.")
        return redirect("/contracts/appeals", said)

    async def _own(
        self,
        ground: Ground,
        request: MemberVisit,
        number: int,
        sanction_id: str = "",
        filled: Filled = BLANK,
    ) -> Template:
        own = request.user.organisation_id
        found, number, pages = await leaf(request, number, QUEUE, lambda each: own_sanctions(ground, own, each))
        return page(
            request,
            "conduct/sanctions.html",
            status_code=422 if filled.errors else 200,
            sanctions=await as_seen(ground, found.rows, request.user),
            number=number,
            pages=pages,
            appeals=request.user.may(*handlers.APPEALS),
            at_fault=sanction_id,
            values=filled.values,
            errors=filled.errors,
            instead=filled.instead,
        )

    async def _queue(
        self,
        ground: Ground,
        request: MemberVisit,
        number: int,
        sanction_id: str = "",
        filled: Filled = BLANK,
    ) -> Template:
        found, number, pages = await leaf(request, number, QUEUE, lambda each: appealed(ground, each))
        return page(
            request,
            "conduct/appeals.html",
            status_code=422 if filled.errors else 200,
            sanctions=await as_seen(ground, found.rows, request.user),
            number=number,
            pages=pages,
            decides=request.user.may(MODERATOR),
            at_fault=sanction_id,
            values=filled.values,
            errors=filled.errors,
            instead=filled.instead,
        )
