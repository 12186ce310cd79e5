"""JSON of contracts that are carried out: how one stands, and what each side does next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal, TypeVar

import msgspec
from litestar import Controller, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import JSONBody, QueryParameter

from events.bounds import ByLine, Count, Days, Few, Id, Name, Quantity, Reason
from infra.denied import Missing
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
from services.contracts.domain.execution.duties import Duty
from services.contracts.domain.execution.endings import AnswerEnding, EndingGround, Kind, ProposeEnding, WithdrawEnding
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
from services.contracts.store.decoded import StoredExecution

PARTIES = allow(*handlers.ACTS)
Quantities = ByLine[Quantity]
"""By line id."""


SHORT = 300
"""Letters of a text in a summary."""
OF_PAGE = 50
"""Orders, deliveries, invoices or disputes in one answer."""
KINDS = ("orders", "deliveries", "invoices", "disputes")
T = TypeVar("T")
BeforeNumber = Annotated[int, QueryParameter(name="before", ge=0, le=10**9)]
"""0: the newest."""


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
    ``amount``. ``due`` says what is for whom to do, the most urgent first, fifty things of a side at most. Of orders, deliveries, invoices
    and disputes the newest fifty are here, in the order of their numbers; ``totals`` says how many there are of each, and ``more`` of
    which there are earlier ones, to be read at ``…/execution/KIND?before=NUMBER``. Words of the sides (delivery notes, invoice numbers,
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
    totals: dict[str, int]
    more: tuple[str, ...]


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


async def found(ground: Ground, contract_id: str) -> StoredExecution:
    """Raises Missing where the contract is not concluded."""
    kept = await handlers.find(ground.database.pool, clean(contract_id))
    if kept is None:
        raise Missing("concluded contract", contract_id)
    return kept


async def readable(ground: Ground, contract_id: str, principal: Principal | None) -> Execution:
    """As the reader may see it. Raises Missing where the contract is not concluded."""
    execution = (await found(ground, contract_id)).execution
    return execution if insider(execution, principal) else execution.without_words


def of_page(parts: Sequence[T], before: int = 0) -> tuple[T, ...]:
    """The newest whose numbers are below ``before`` (0: the newest of all), in the order of their numbers."""
    end = min(before - 1, len(parts)) if before else len(parts)
    return tuple(parts[max(0, end - OF_PAGE) : end])


async def view(ground: Ground, contract_id: str, principal: Principal | None) -> ExecutionView:
    kept, now = await found(ground, contract_id), ground.clock()
    execution = kept.execution if insider(kept.execution, principal) else kept.execution.without_words
    same = "contract_id status how over_at term_until currency amount ending"
    return ExecutionView(
        **{name: getattr(execution, name) for name in same.split()},
        paid=execution.settled,
        lines=balances(execution),
        orders=of_page(execution.orders),
        deliveries=of_page(execution.deliveries),
        invoices=of_page(execution.invoices),
        disputes=tuple(map(summary, of_page(execution.disputes))),
        due=kept.agenda.duties(now),
        totals={kind: len(getattr(execution, kind)) for kind in KINDS},
        more=tuple(kind for kind in KINDS if len(getattr(execution, kind)) > OF_PAGE),
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

    @get("/{contract_id:str}/execution/orders", opt=PUBLIC, raises=[NotFound])
    async def list_orders(
        self, request: Visit, ground: FromGround, contract_id: PathId, before: BeforeNumber = 0
    ) -> tuple[Order, ...]:
        """The newest fifty with numbers below ``before``: public, as all of these lists."""
        return of_page((await readable(ground, contract_id, request.scope.get("user"))).orders, before)

    @get("/{contract_id:str}/execution/deliveries", opt=PUBLIC, raises=[NotFound])
    async def list_deliveries(
        self, request: Visit, ground: FromGround, contract_id: PathId, before: BeforeNumber = 0
    ) -> tuple[Delivery, ...]:
        return of_page((await readable(ground, contract_id, request.scope.get("user"))).deliveries, before)

    @get("/{contract_id:str}/execution/invoices", opt=PUBLIC, raises=[NotFound])
    async def list_invoices(
        self, request: Visit, ground: FromGround, contract_id: PathId, before: BeforeNumber = 0
    ) -> tuple[Invoice, ...]:
        return of_page((await readable(ground, contract_id, request.scope.get("user"))).invoices, before)

    @get("/{contract_id:str}/execution/disputes", opt=PUBLIC, raises=[NotFound])
    async def list_disputes_of_one(
        self, request: Visit, ground: FromGround, contract_id: PathId, before: BeforeNumber = 0
    ) -> tuple[DisputeSummary, ...]:
        execution = await readable(ground, contract_id, request.scope.get("user"))
        return tuple(map(summary, of_page(execution.disputes, before)))

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
