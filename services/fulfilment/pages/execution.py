"""A contract that is carried out, with the forms by which that is done, what is due of all of them, and disputes.

The page is of its own, beside that of the contract: each is of one service, works without script, and is where a form that was refused
is shown again."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, cast, get_args

import msgspec
from litestar import Controller, get, post
from litestar.params import QueryParameter
from litestar.response import Redirect, Template
from msgspec import UNSET

from catalogue.rules import KeyReused, RuleBroken
from events.bounds import Count, Days, Id, Instant, Name, Quantity
from infra.denied import Missing
from infra.ids import new_id
from infra.listing import PAGES
from infra.places import delivered_to
from infra.service import Ground
from infra.tokens import ADMINISTRATOR, MODERATOR, Principal
from infra.web import (
    MEMBERS,
    PUBLIC,
    FromGround,
    MemberVisit,
    PageNumber,
    PathId,
    PathNumber,
    Short,
    Visit,
    allow,
    beside,
    clean,
    form_fields,
    leaf,
    leafed,
    page,
    read_form,
    redirect,
    refusal_of_state,
    ruled,
    text_in,
    whole,
)
from infra.web.forms import NotFitting
from infra.web.gone import WORDS, fitting_texts
from infra.web.languages import gettext, pgettext
from services.fulfilment import handlers
from services.fulfilment.domain import Command, Withdraw
from services.fulfilment.domain.disputes import AnswerDispute, DecideDispute, OpenDispute
from services.fulfilment.domain.endings import AnswerEnding, EndingGround, Kind, ProposeEnding, WithdrawEnding
from services.fulfilment.domain.invoices import ConfirmReceipt, PayInvoice, SubmitInvoice
from services.fulfilment.domain.orders import AssessDelivery, PlaceOrder, ReportDelivery
from services.fulfilment.domain.state import About, Execution, Outcome
from services.fulfilment.pages.parts import NEWEST, Asked
from services.fulfilment.pages.work import ASKED, NOTHING, Acted, due_of, forms, section
from services.fulfilment.store import replicas
from services.fulfilment.views.disputes import QUEUE, disputed, open_disputes, the_dispute
from services.fulfilment.views.execution import name_of, readable

Fields = dict[str, str]
PartPage = Annotated[int, QueryParameter(ge=1, le=PAGES)]


class NotUnderstood(Exception):
    """What is wrong with a form, by field, and something that would fit each of these."""

    def __init__(self, errors: Fields, fitting: Fields) -> None:
        super().__init__(errors)
        self.errors = errors
        self.fitting = fitting


class _Quantity(msgspec.Struct, kw_only=True):
    quantity: Quantity = Decimal(0)


class _OrderForm(msgspec.Struct, kw_only=True):
    days: Days
    region: Name = ""
    locality: Name = ""


class _DeliveryForm(msgspec.Struct, kw_only=True):
    order: Count
    note: Id
    delivered_on: date


class _NumberForm(msgspec.Struct, kw_only=True):
    number: Count


class _ProposalForm(msgspec.Struct, kw_only=True):
    """Which proposal to end the contract the page showed; pages of the former release do not say."""

    proposed_at: Instant | None = None


def _form(fields: Fields, shape: type[Any], lines: Execution | None = None) -> tuple[Any, dict[str, Decimal]]:
    """The fields, and with ``lines`` the quantities beside them. Raises NotUnderstood with all that is wrong."""
    form, errors = read_form(fields, shape)
    fitting = fitting_texts(errors, shape)
    quantities: dict[str, Decimal] = {}
    for line in lines.lines if lines else ():
        name = f"quantity-{line.line_id}"
        read, wrong = read_form({"quantity": fields.get(name, "")}, _Quantity)
        if read is None:
            errors[name], fitting[name] = wrong["quantity"], "1"
        else:
            quantities[line.line_id] = read.quantity
    if errors or form is None:
        raise NotUnderstood(errors, fitting)
    return form, quantities


def _choice(fields: Fields, name: str, choices: tuple[Any, ...]) -> Any:
    if fields.get(name) not in choices:
        raise NotUnderstood({name: gettext("Choose one of these.")}, {name: choices[0]})
    return fields[name]


def _order(fields: Fields, execution: Execution, by: Fields) -> Command:
    form, lines = _form(fields, _OrderForm, execution)
    place = delivered_to(form.region, form.locality, execution.place)
    return PlaceOrder(**by, lines=lines, days=form.days, place=place)


def _delivery(fields: Fields, execution: Execution, by: Fields) -> Command:
    form, lines = _form(fields, _DeliveryForm, execution)
    return ReportDelivery(**by, order=form.order, lines=lines, note=form.note, delivered_on=form.delivered_on)


def _assessment(fields: Fields, execution: Execution, by: Fields) -> Command:
    """Two buttons of the form say all of it or nothing; the third what is written in the fields."""
    form, lines = _form(fields, _NumberForm, execution)
    if not 1 <= form.number <= len(execution.deliveries):
        raise Missing("delivery", fields["number"])
    if fields.get("answer") == "all":
        lines = {line.line_id: line.quantity for line in execution.deliveries[form.number - 1].lines}
    elif fields.get("answer") == "none":
        lines = {}
    return AssessDelivery(
        organisation_id=by["organisation_id"], delivery=form.number, lines=lines, reasons=text_in(fields, "reasons")
    )


def _invoice(fields: Fields, execution: Execution, by: Fields) -> Command:
    chosen = tuple(each.number for each in execution.deliveries if fields.get(f"delivery-{each.number}"))
    return SubmitInvoice(**by, deliveries=chosen, reference=text_in(fields, "reference", Id))


def _payment(fields: Fields, execution: Execution, by: Fields) -> Command:
    return PayInvoice(**by, invoice=_form(fields, _NumberForm)[0].number)


def _receipt(fields: Fields, execution: Execution, by: Fields) -> Command:
    return ConfirmReceipt(organisation_id=by["organisation_id"], invoice=_form(fields, _NumberForm)[0].number)


def _withdrawal(fields: Fields, execution: Execution, by: Fields) -> Command:
    about = _choice(fields, "about", ("order", "delivery", "invoice"))
    number = _form(fields, _NumberForm)[0].number
    return Withdraw(organisation_id=by["organisation_id"], about=about, number=number)


def _dispute(fields: Fields, execution: Execution, by: Fields) -> Command:
    return OpenDispute(
        **by,
        about=_choice(fields, "about", get_args(About)),
        number=_form(fields, _NumberForm)[0].number,
        asks=_choice(fields, "asks", get_args(Outcome)),
        reasons=text_in(fields, "reasons"),
        word=fields.get("word") or UNSET,
    )


def _dispute_answer(fields: Fields, execution: Execution, by: Fields) -> Command:
    return AnswerDispute(
        **by,
        dispute=_form(fields, _NumberForm)[0].number,
        asks=_choice(fields, "asks", get_args(Outcome)),
        words=text_in(fields, "words"),
    )


def _ending(fields: Fields, execution: Execution, by: Fields) -> Command:
    """The choice is of both: a closure, or a termination on a ground."""
    wish = fields.get("wish", "")
    kind, _, ground = wish.partition("/")
    if kind not in get_args(Kind) or ground not in get_args(EndingGround):
        fitting = f"{get_args(Kind)[0]}/{get_args(EndingGround)[0]}"
        raise NotUnderstood({"wish": gettext("Choose one of these.")}, {"wish": fitting})
    return ProposeEnding(
        **by, kind=cast(Kind, kind), ground=cast(EndingGround, ground), reasons=text_in(fields, "reasons")
    )


def _ending_answer(fields: Fields, execution: Execution, by: Fields) -> Command:
    agrees = _choice(fields, "answer", ("yes", "no")) == "yes"
    words, read = text_in(fields, "words"), _form(fields, _ProposalForm)[0].proposed_at
    return AnswerEnding(organisation_id=by["organisation_id"], agrees=agrees, words=words, proposed_at=read or UNSET)


def _ending_withdrawal(fields: Fields, execution: Execution, by: Fields) -> Command:
    read = _form(fields, _ProposalForm)[0].proposed_at
    return WithdrawEnding(organisation_id=by["organisation_id"], proposed_at=read or UNSET)


ACTS: dict[str, tuple[Callable[[Fields, Execution, Fields], Command], str]] = {
    "order": (_order, "Ordered. The supplier sees it now."),
    "delivery": (_delivery, "Told. The buyer accepts or refuses it."),
    "assessment": (_assessment, "Answered. The supplier sees it now."),
    "invoice": (_invoice, "The invoice is sent."),
    "payment": (_payment, "Paid. The supplier confirms that the money came."),
    "receipt": (_receipt, "Confirmed: the invoice is settled."),
    "withdrawal": (_withdrawal, "Taken back."),
    "dispute": (_dispute, "The dispute is open. The other side is asked to answer."),
    "dispute-answer": (_dispute_answer, "Said. The other side sees it now."),
    "ending": (_ending, "Proposed. The other side is asked."),
    "ending-answer": (_ending_answer, "Answered."),
    "ending-withdrawal": (_ending_withdrawal, "Taken back."),
}
"""By the last part of the address: how a form is read, and what is said when it was taken."""


HIDDEN = {"form", "request_key", "about", "number", "order", "proposed_at", "word"}
GROUPS = {"deliveries", "wish", "asks", "outcome"}
"""Errors of choices, of which nothing may be sent."""


async def _forbidden(
    ground: Ground, contract_id: str, read: Callable[[Fields], Command], fields: Fields, principal: Principal
) -> str:
    """Which rule forbids the act of a form by now, whatever is wrong with its fields."""
    fields = fields | {name: WORDS for name in ("reasons", "words") if not fields.get(name, "").strip()}
    for _ in range(len(fields) + 1):
        try:
            command = read(fields)
        except NotUnderstood as wrong:
            fields = fields | wrong.fitting
        except NotFitting as wrong:
            fields = fields | {wrong.field or "": WORDS}
        except RuleBroken as broken:
            return ruled(broken)
        else:
            act = partial(
                handlers.act, contract_id=contract_id, command=command, principal=principal, request_key=new_id()
            )
            return await refusal_of_state(ground.database, "fulfilment", act)
    return ""


async def execution_page(
    ground: Ground, request: Visit, contract_id: str, acted: Acted = NOTHING, asked: Asked = NEWEST
) -> Template:
    """``acted`` is a form that was refused; for what is ``asked`` see :mod:`parts`. Raises Missing."""
    work = await section(ground, contract_id, request.scope.get("user"), acted, asked)
    leafed(request, asked.history, work["last"])
    for name, last in work["pages"].items():
        leafed(request, getattr(asked, name), last, name)
    return page(
        request,
        "fulfilment/execution.html",
        status_code=422 if acted.errors else 200,
        work=work,
        named=await name_of(ground, contract_id),
        errors=acted.on_page(),
        instead=acted.instead,
    )


async def dispute_page(
    ground: Ground, request: Visit, contract_id: str, number: int, acted: Acted = NOTHING
) -> Template:
    """All that was said in one dispute. ``acted`` is a form of it that was refused."""
    principal = request.scope.get("user")
    execution, dispute = await the_dispute(ground, contract_id, number, principal)
    return page(
        request,
        "fulfilment/dispute.html",
        status_code=422 if acted.errors else 200,
        contract_id=contract_id,
        named=await name_of(ground, contract_id),
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
        ground: FromGround,
        request: Visit,
        contract_id: PathId,
        number: PageNumber = 1,
        orders: PartPage = 1,
        invoices: PartPage = 1,
        disputes: PartPage = 1,
        at: Short = "",
    ) -> Template:
        """``page`` is of the history. ``at`` names a form, whose page is shown."""
        asked = Asked(history=number, orders=orders, invoices=invoices, disputes=disputes, at=clean(at))
        return await execution_page(ground, request, clean(contract_id), asked=asked)

    @get("/due", opt=MEMBERS)
    async def due(self, ground: FromGround, request: MemberVisit) -> Template:
        """The page of all contracts shows it as well."""
        return page(request, "fulfilment/due.html", due=await due_of(ground, request.user))

    @post("/{contract_id:str}/execution/{action:str}", opt=allow(*handlers.ACTS))
    async def act(
        self, ground: FromGround, request: MemberVisit, contract_id: PathId, action: PathId
    ) -> Template | Redirect:
        if action not in ACTS:
            raise Missing("form", action)
        read, said = ACTS[action]
        contract_id, fields = clean(contract_id), await form_fields(request)
        by = {"organisation_id": request.user.organisation_id, "member_id": request.user.member_id}
        execution = await readable(ground, contract_id, request.user)
        instead = ""
        try:
            command = read(fields, execution, by)
            async with ground.database.transaction("fulfilment") as tx:
                await handlers.act(tx, contract_id, command, request.user, fields.get("request_key") or new_id())
        except NotUnderstood as wrong:
            errors = wrong.errors
        except KeyReused:  # the form may not be on the page any more
            raise
        except RuleBroken as broken:
            errors = beside(broken, fields.keys() - HIDDEN | GROUPS)
        else:
            there = f"disputes/{fields['number']}" if action == "dispute-answer" else "execution#work"
            return redirect(f"/contracts/{contract_id}/{there}", pgettext("contract", said))
        if "" not in errors:
            instead = await _forbidden(
                ground, contract_id, lambda texts: read(texts, execution, by), fields, request.user
            )
        acted = Acted(form=fields.get("form", ""), values=fields, errors=errors, instead=instead)
        number = whole(fields.get("number", ""))
        if action == "dispute-answer" and number in {each.number for each in execution.disputes}:
            return await dispute_page(ground, request, contract_id, number, acted)
        return await execution_page(ground, request, contract_id, acted)

    @post("/{contract_id:str}/disputes/{number:int}/decision", opt=allow(MODERATOR))
    async def decide_dispute(
        self, ground: FromGround, request: MemberVisit, contract_id: PathId, number: PathNumber
    ) -> Template | Redirect:
        contract_id, fields = clean(contract_id), await form_fields(request)
        instead = ""
        try:
            outcome = _choice(fields, "outcome", get_args(Outcome))
            command = DecideDispute(dispute=number, outcome=outcome, explanation=text_in(fields, "explanation"))
            async with ground.database.transaction("fulfilment") as tx:
                await handlers.decide_dispute(tx, contract_id, command)
        except NotUnderstood as wrong:
            errors = wrong.errors
        except RuleBroken as broken:
            errors = beside(broken, fields.keys() - HIDDEN | GROUPS)
        else:
            return redirect(f"/contracts/{contract_id}/disputes/{number}", gettext("Decided. Both sides see it now."))
        if "" not in errors:
            tried = DecideDispute(dispute=number, outcome=get_args(Outcome)[0], explanation=WORDS)
            instead = await refusal_of_state(
                ground.database, "fulfilment", lambda tx: handlers.decide_dispute(tx, contract_id, tried)
            )
        acted = Acted(form=f"decide-{number}", values=fields, errors=errors, instead=instead)
        return await dispute_page(ground, request, contract_id, number, acted)

    @get("/{contract_id:str}/disputes/{number:int}", opt=PUBLIC)
    async def dispute(self, ground: FromGround, request: Visit, contract_id: PathId, number: PathNumber) -> Template:
        return await dispute_page(ground, request, clean(contract_id), number)

    @get("/disputes", opt=allow(MODERATOR, ADMINISTRATOR))
    async def disputes(self, ground: FromGround, request: MemberVisit, number: PageNumber = 1) -> Template:
        found, number, pages = await leaf(request, number, QUEUE, lambda each: disputed(ground, each))
        ids = [each.contract_id for each in found.rows]
        known = await replicas.named(ground.database.pool, ids)
        return page(
            request,
            "fulfilment/disputes.html",
            disputes=open_disputes([each for each in found.rows if each.contract_id in known], ground.clock()),
            known=known,
            number=number,
            pages=pages,
        )
