"""JSON of contracts that are carried out: how one stands, and what each side does next."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

import msgspec
from litestar import Controller, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import JSONBody

from events.bounds import ByLine, Count, Days, Few, Id, Name, Quantity, Reason
from infra.ids import new_id
from infra.places import delivered_to
from infra.service import Ground
from infra.tokens import Principal
from infra.web import (
    PUBLIC,
    FromGround,
    IdempotencyKey,
    MemberVisit,
    PathId,
    PathNumber,
    Visit,
    allow,
    clean,
)
from infra.web.errors import NotFound
from services.contracts.domain.deals import Party
from services.contracts.domain.execution import Command, Withdraw
from services.contracts.domain.execution.duties import Duty, duties
from services.contracts.domain.execution.endings import AnswerEnding, Kind, ProposeEnding, WithdrawEnding
from services.contracts.domain.execution.endings import Ground as EndingGround
from services.contracts.domain.execution.invoices import ConfirmReceipt, PayInvoice, SubmitInvoice
from services.contracts.domain.execution.orders import AssessDelivery, PlaceOrder, ReportDelivery
from services.contracts.domain.execution.state import (
    About,
    Balance,
    Delivery,
    Dispute,
    Ending,
    Execution,
    Invoice,
    Order,
    Outcome,
    balances,
)
from services.contracts.handlers import SEES_ALL
from services.contracts.handlers import execution as handlers

PARTIES = allow(*handlers.ACTS)
Quantities = ByLine[Quantity]
"""By line id."""


SHORT = 300
"""Letters of a text in a summary."""


class DisputeSummary(msgspec.Struct, kw_only=True):
    """A dispute without what was said in it: that is :class:`Dispute`'s. ``asked`` is what its opener wanted,
    ``buyer_asks`` and ``supplier_asks`` what each side would settle for now, None while it has said nothing. ``words`` are how the
    opening begins."""

    number: int
    about: About
    subject: int
    word: str
    by: Party
    asked: Outcome
    words: str
    statements: int
    buyer_asks: Outcome | None
    supplier_asks: Outcome | None
    opened_at: datetime
    answer_by: datetime
    decide_by: datetime
    outcome: str
    how: str
    ended_at: datetime | None


def summary(dispute: Dispute) -> DisputeSummary:
    same = "number about subject word by asked answer_by decide_by outcome how ended_at"
    first = dispute.said[0]
    return DisputeSummary(
        **{name: getattr(dispute, name) for name in same.split()},
        words=first.words if len(first.words) <= SHORT else f"{first.words[:SHORT]}…",
        statements=len(dispute.said),
        buyer_asks=dispute.asks("buyer"),
        supplier_asks=dispute.asks("supplier"),
        opened_at=first.at,
    )


class ExecutionView(msgspec.Struct, kw_only=True):
    """``status`` is running, closed or terminated; ``how`` fulfilled, agreement or the ground. ``paid`` is what was settled of
    ``amount``. ``due`` says what is for whom to do, the most urgent first. Words of the sides (delivery notes, invoice numbers,
    reasons) are for the two of them and whoever watches over the market; to others they are ""."""

    contract_id: str
    status: str
    how: str
    over_at: datetime | None
    term_until: datetime
    currency: str
    amount: Decimal
    paid: Decimal
    lines: tuple[Balance, ...]
    orders: tuple[Order, ...]
    deliveries: tuple[Delivery, ...]
    invoices: tuple[Invoice, ...]
    disputes: tuple[DisputeSummary, ...]
    ending: Ending | None
    due: tuple[Duty, ...]


class OrderIn(msgspec.Struct, kw_only=True):
    """``days`` are working days until it is delivered, to the contract's place unless a region (ISO 3166-2) or locality is given."""

    lines: Quantities
    days: Days
    region: Name = ""
    locality: Name = ""


class DeliveryIn(msgspec.Struct, kw_only=True):
    """``delivered_on`` is today, where the buyer is, unless it says otherwise."""

    order: Count
    lines: Quantities
    note: Id
    delivered_on: date | None = None


class AssessmentIn(msgspec.Struct, kw_only=True):
    """``lines`` are what is accepted; the rest needs reasons."""

    lines: Quantities
    reasons: Reason = ""


class InvoiceIn(msgspec.Struct, kw_only=True):
    """For all that was accepted of these deliveries; ``reference`` is the supplier's own number."""

    deliveries: Few[Count]
    reference: Id


class WithdrawalIn(msgspec.Struct, kw_only=True):
    about: Literal["order", "delivery", "invoice"]
    number: Count


class EndingIn(msgspec.Struct, kw_only=True):
    """A closure is by agreement; a termination too, or on a breach of the other side that is there now."""

    kind: Kind
    reasons: Reason
    ground: EndingGround = "agreement"


class EndingAnswerIn(msgspec.Struct, kw_only=True):
    agrees: bool
    words: Reason = ""


def insider(execution: Execution, principal: Principal | None) -> bool:
    """One of the two sides, or who watches over the market."""
    return principal is not None and (
        principal.organisation_id in (execution.buyer_id, execution.supplier_id) or principal.may(*SEES_ALL)
    )


def without_words(execution: Execution) -> Execution:
    """As everybody may read it."""
    ending = execution.ending
    return replace(
        execution,
        deliveries=tuple(replace(each, note="", reasons="") for each in execution.deliveries),
        invoices=tuple(replace(each, reference="") for each in execution.invoices),
        disputes=tuple(
            replace(each, explanation="", said=tuple(replace(said, words="") for said in each.said))
            for each in execution.disputes
        ),
        ending=replace(ending, reasons="", objection="") if ending else None,
    )


async def readable(ground: Ground, contract_id: str, principal: Principal | None) -> Execution:
    """As the reader may see it. Raises NotFound where the contract is not concluded."""
    kept = await handlers.find(ground.database.pool, clean(contract_id))
    if kept is None:
        raise NotFound("concluded contract", contract_id)
    return kept.execution if insider(kept.execution, principal) else without_words(kept.execution)


async def view(ground: Ground, contract_id: str, principal: Principal | None) -> ExecutionView:
    execution = await readable(ground, contract_id, principal)
    same = "contract_id status how over_at term_until currency amount orders deliveries invoices ending"
    return ExecutionView(
        **{name: getattr(execution, name) for name in same.split()},
        paid=execution.settled,
        lines=balances(execution),
        disputes=tuple(map(summary, execution.disputes)),
        due=duties(execution, ground.clock()),
    )


@dataclass(frozen=True, slots=True)
class Act:
    """What a member does about one contract; the answer is how it stands then."""

    ground: Ground
    contract_id: str
    principal: Principal
    key: str

    @property
    def organisation_id(self) -> str:
        return self.principal.organisation_id

    @property
    def by(self) -> dict[str, str]:
        return {"organisation_id": self.organisation_id, "member_id": self.principal.member_id}

    async def __call__(self, command: Command) -> ExecutionView:
        async with self.ground.database.transaction("contracts") as tx:
            await handlers.act(tx, clean(self.contract_id), command, self.principal, clean(self.key) or new_id())
        return await view(self.ground, self.contract_id, self.principal)


def acting(request: MemberVisit, ground: FromGround, contract_id: PathId, key: IdempotencyKey = "") -> Act:
    return Act(ground, contract_id, request.user, key)


class ExecutionApi(Controller):
    path = "/api/contracts"
    tags = ["contracts"]
    dependencies = {"act": Provide(acting, sync_to_thread=False)}

    @get("/{contract_id:str}/execution", opt=PUBLIC, raises=[NotFound])
    async def read_execution(self, request: Visit, ground: FromGround, contract_id: PathId) -> ExecutionView:
        """How far a concluded contract is carried out: public."""
        return await view(ground, contract_id, request.scope.get("user"))

    @post("/{contract_id:str}/orders", opt=PARTIES, raises=[NotFound])
    async def place_order(self, act: NamedDependency[Act], data: JSONBody[OrderIn]) -> ExecutionView:
        contract = await readable(act.ground, act.contract_id, act.principal)
        command = PlaceOrder(
            **act.by,
            lines=data.lines,
            days=data.days,
            place=delivered_to(clean(data.region), clean(data.locality), contract.place),
        )
        return await act(command)

    @post("/{contract_id:str}/deliveries", opt=PARTIES, raises=[NotFound])
    async def report_delivery(self, act: NamedDependency[Act], data: JSONBody[DeliveryIn]) -> ExecutionView:
        command = ReportDelivery(
            **act.by,
            order=data.order,
            lines=data.lines,
            note=clean(data.note),
            delivered_on=data.delivered_on,
        )
        return await act(command)

    @post("/{contract_id:str}/deliveries/{number:int}/assessment", opt=PARTIES, raises=[NotFound])
    async def assess_delivery(
        self, act: NamedDependency[Act], number: PathNumber, data: JSONBody[AssessmentIn]
    ) -> ExecutionView:
        """Accepted in full, in part, or refused where ``lines`` is empty."""
        command = AssessDelivery(
            organisation_id=act.organisation_id,
            delivery=number,
            lines=data.lines,
            reasons=clean(data.reasons),
        )
        return await act(command)

    @post("/{contract_id:str}/invoices", opt=PARTIES, raises=[NotFound])
    async def submit_invoice(self, act: NamedDependency[Act], data: JSONBody[InvoiceIn]) -> ExecutionView:
        command = SubmitInvoice(**act.by, deliveries=tuple(data.deliveries), reference=clean(data.reference))
        return await act(command)

    @post("/{contract_id:str}/invoices/{number:int}/payment", opt=PARTIES, raises=[NotFound])
    async def pay_invoice(self, act: NamedDependency[Act], number: PathNumber) -> ExecutionView:
        """The buyer says that it paid."""
        return await act(PayInvoice(**act.by, invoice=number))

    @post("/{contract_id:str}/invoices/{number:int}/receipt", opt=PARTIES, raises=[NotFound])
    async def confirm_receipt(self, act: NamedDependency[Act], number: PathNumber) -> ExecutionView:
        """The supplier says that the money came. The last one closes a contract of which all was accepted."""
        command = ConfirmReceipt(organisation_id=act.organisation_id, invoice=number)
        return await act(command)

    @post("/{contract_id:str}/withdrawals", opt=PARTIES, raises=[NotFound])
    async def withdraw(self, act: NamedDependency[Act], data: JSONBody[WithdrawalIn]) -> ExecutionView:
        """What nobody answered yet is taken back by its author."""
        command = Withdraw(organisation_id=act.organisation_id, about=data.about, number=data.number)
        return await act(command)

    @post("/{contract_id:str}/ending", opt=PARTIES, raises=[NotFound])
    async def propose_ending(self, act: NamedDependency[Act], data: JSONBody[EndingIn]) -> ExecutionView:
        command = ProposeEnding(**act.by, kind=data.kind, ground=data.ground, reasons=clean(data.reasons))
        return await act(command)

    @post("/{contract_id:str}/ending/answer", opt=PARTIES, raises=[NotFound])
    async def answer_ending(self, act: NamedDependency[Act], data: JSONBody[EndingAnswerIn]) -> ExecutionView:
        """A yes ends the contract at once."""
        command = AnswerEnding(organisation_id=act.organisation_id, agrees=data.agrees, words=clean(data.words))
        return await act(command)

    @post("/{contract_id:str}/ending/withdrawal", opt=PARTIES, raises=[NotFound])
    async def withdraw_ending(self, act: NamedDependency[Act]) -> ExecutionView:
        command = WithdrawEnding(organisation_id=act.organisation_id)
        return await act(command)
