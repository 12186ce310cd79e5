"""A contract that is carried out, with the forms for it, the duties in all contracts, and disputes.

This page is separate from the page of the contract. Each page belongs to one service, works without scripts, and shows
a form again that was refused. :mod:`services.fulfilment.pages.acts` reads the forms.
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated, get_args

from litestar import Controller, get, post
from litestar.params import QueryParameter
from litestar.response import Redirect, Template

from catalogue.roles import ADMINISTRATOR, MODERATOR
from catalogue.rules import KeyReused, RuleBroken
from infra.denied import Missing
from infra.ids import new_id
from infra.listing import PAGES
from infra.service import Resources
from infra.tokens import Principal
from infra.web import (
    MEMBERS,
    PUBLIC,
    FromResources,
    MemberVisit,
    PageNumber,
    PathId,
    PathNumber,
    Short,
    Visit,
    allow,
    clean,
    errors_of_refusal,
    form_fields,
    leaf,
    leafed,
    page,
    redirect,
    refusal_of_state,
    ruled,
    text_in,
    whole,
)
from infra.web.forms import Fields, NotFitting
from infra.web.gone import WORDS
from infra.web.languages import gettext, pgettext
from services.fulfilment import handlers
from services.fulfilment.domain import Command
from services.fulfilment.domain.disputes import DecideDispute
from services.fulfilment.domain.state import Outcome
from services.fulfilment.pages.acts import ACTS, GROUPS, HIDDEN, WITHDRAWN, FormErrors, choice
from services.fulfilment.pages.parts import NEWEST, WantedPages
from services.fulfilment.pages.work import ASKED, NOTHING, Acted, due_of, forms, section
from services.fulfilment.store import replicas
from services.fulfilment.views.disputes import QUEUE, disputed, get_dispute, open_disputes
from services.fulfilment.views.execution import name_of, readable

PartPage = Annotated[int, QueryParameter(ge=1, le=PAGES)]


async def _forbidden(
    resources: Resources, contract_id: str, read: Callable[[Fields], Command], fields: Fields, principal: Principal
) -> str:
    """Return the rule that now forbids the act of a form, whatever the errors of its fields are, or ""."""
    fields = fields | {name: WORDS for name in ("reasons", "words") if not fields.get(name, "").strip()}
    for _ in range(len(fields) + 1):
        try:
            command = read(fields)
        except FormErrors as wrong:
            fields = fields | wrong.fitting
        except NotFitting as wrong:
            fields = fields | {wrong.field or "": WORDS}
        except RuleBroken as broken:
            return ruled(broken)
        else:
            act = partial(
                handlers.act, contract_id=contract_id, command=command, principal=principal, request_key=new_id()
            )
            return await refusal_of_state(resources.database, "fulfilment", act)
    return ""


async def execution_page(
    resources: Resources, request: Visit, contract_id: str, acted: Acted = NOTHING, asked: WantedPages = NEWEST
) -> Template:
    """Show a contract that is carried out. ``acted`` is a form that was refused; for ``asked`` see :mod:`parts`. Raise
    Missing."""
    work = await section(resources, contract_id, request.scope.get("user"), acted, asked)
    leafed(request, asked.history, work["last"])
    for name, last in work["pages"].items():
        leafed(request, getattr(asked, name), last, name)
    return page(
        request,
        "fulfilment/execution.html",
        status_code=422 if acted.errors else 200,
        work=work,
        named=await name_of(resources, contract_id),
        errors=acted.on_page(),
        instead=acted.instead,
    )


async def dispute_page(
    resources: Resources, request: Visit, contract_id: str, number: int, acted: Acted = NOTHING
) -> Template:
    """Show all statements in one dispute. ``acted`` is a form of this page that was refused."""
    principal = request.scope.get("user")
    execution, dispute = await get_dispute(resources, contract_id, number, principal)
    return page(
        request,
        "fulfilment/dispute.html",
        status_code=422 if acted.errors else 200,
        contract_id=contract_id,
        named=await name_of(resources, contract_id),
        dispute=dispute,
        work={**forms(execution, principal, acted), "asked": ASKED},
        errors=acted.on_page(),
        instead=acted.instead,
    )


class ExecutionPages(Controller):
    path = "/contracts"
    include_in_schema = False

    @get("/{contract_id:str}/execution", opt=PUBLIC)
    async def show(
        self,
        resources: FromResources,
        request: Visit,
        contract_id: PathId,
        number: PageNumber = 1,
        orders: PartPage = 1,
        invoices: PartPage = 1,
        disputes: PartPage = 1,
        at: Short = "",
    ) -> Template:
        """Show a contract that is carried out. ``page`` is the page of the history. ``at`` names a form, whose page is
        shown."""
        asked = WantedPages(history=number, orders=orders, invoices=invoices, disputes=disputes, at=clean(at))
        return await execution_page(resources, request, clean(contract_id), asked=asked)

    @get("/due", opt=MEMBERS)
    async def due(self, resources: FromResources, request: MemberVisit) -> Template:
        """Show the duties. The page of all contracts includes this list."""
        return page(request, "fulfilment/due.html", due=await due_of(resources, request.user))

    @post("/{contract_id:str}/execution/{action:str}", opt=allow(*handlers.ACTS))
    async def act(
        self, resources: FromResources, request: MemberVisit, contract_id: PathId, action: PathId
    ) -> Template | Redirect:
        if action not in ACTS:
            raise Missing("form", action)
        read, said = ACTS[action]
        contract_id, fields = clean(contract_id), await form_fields(request)
        by = {"organisation_id": request.user.organisation_id, "member_id": request.user.member_id}
        execution = await readable(resources, contract_id, request.user)
        instead = ""
        try:
            command = read(fields, execution, by)
            async with resources.database.transaction("fulfilment") as tx:
                await handlers.act(tx, contract_id, command, request.user, fields.get("request_key") or new_id())
        except FormErrors as wrong:
            errors = wrong.errors
        except KeyReused:  # the page may no longer have this form
            raise
        except RuleBroken as broken:
            errors = errors_of_refusal(broken, fields.keys() - HIDDEN | GROUPS)
        else:
            there = f"disputes/{fields['number']}" if action == "dispute-answer" else "execution#work"
            done = said or WITHDRAWN[fields["about"]]
            return redirect(f"/contracts/{contract_id}/{there}", pgettext("contract", done))
        if "" not in errors:
            instead = await _forbidden(
                resources, contract_id, lambda texts: read(texts, execution, by), fields, request.user
            )
        acted = Acted(form=fields.get("form", ""), values=fields, errors=errors, instead=instead)
        number = whole(fields.get("number", ""))
        if action == "dispute-answer" and number in {each.number for each in execution.disputes}:
            return await dispute_page(resources, request, contract_id, number, acted)
        return await execution_page(resources, request, contract_id, acted)

    @post("/{contract_id:str}/disputes/{number:int}/decision", opt=allow(MODERATOR))
    async def decide_dispute(
        self, resources: FromResources, request: MemberVisit, contract_id: PathId, number: PathNumber
    ) -> Template | Redirect:
        contract_id, fields = clean(contract_id), await form_fields(request)
        instead = ""
        try:
            outcome = choice(fields, "outcome", get_args(Outcome))
            command = DecideDispute(dispute=number, outcome=outcome, explanation=text_in(fields, "explanation"))
            async with resources.database.transaction("fulfilment") as tx:
                await handlers.decide_dispute(tx, contract_id, command)
        except FormErrors as wrong:
            errors = wrong.errors
        except RuleBroken as broken:
            errors = errors_of_refusal(broken, fields.keys() - HIDDEN | GROUPS)
        else:
            return redirect(
                f"/contracts/{contract_id}/disputes/{number}",
                gettext("Your decision was recorded."),
            )
        if "" not in errors:
            tried = DecideDispute(dispute=number, outcome=get_args(Outcome)[0], explanation=WORDS)
            instead = await refusal_of_state(
                resources.database, "fulfilment", lambda tx: handlers.decide_dispute(tx, contract_id, tried)
            )
        acted = Acted(form=f"decide-{number}", values=fields, errors=errors, instead=instead)
        return await dispute_page(resources, request, contract_id, number, acted)

    @get("/{contract_id:str}/disputes/{number:int}", opt=PUBLIC)
    async def dispute(
        self, resources: FromResources, request: Visit, contract_id: PathId, number: PathNumber
    ) -> Template:
        return await dispute_page(resources, request, clean(contract_id), number)

    @get("/disputes", opt=allow(MODERATOR, ADMINISTRATOR))
    async def disputes(self, resources: FromResources, request: MemberVisit, number: PageNumber = 1) -> Template:
        found, number, pages = await leaf(request, number, QUEUE, lambda each: disputed(resources, each))
        ids = [each.contract_id for each in found.rows]
        known = await replicas.named(resources.database.pool, ids)
        return page(
            request,
            "fulfilment/disputes.html",
            disputes=open_disputes([each for each in found.rows if each.contract_id in known], resources.clock()),
            known=known,
            number=number,
            pages=pages,
        )
