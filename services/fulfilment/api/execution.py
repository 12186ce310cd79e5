"""JSON of contracts that are carried out: their state, and what each side may do."""

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

import msgspec
from litestar import Controller, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import JSONBody, QueryParameter
from msgspec import UNSET

from events.bounds import ByLine, Count, Days, Few, Id, Instant, Name, Quantity, Reason
from infra.ids import new_id
from infra.service import Resources
from infra.tokens import Principal
from infra.web import (
    PUBLIC,
    FromResources,
    IdempotencyKey,
    MemberVisit,
    PathId,
    PathNumber,
    Visit,
    allow,
    clean,
)
from infra.web.errors import NotFound
from services.fulfilment import handlers
from services.fulfilment.domain import Command, Withdraw
from services.fulfilment.domain.endings import AnswerEnding, EndingGround, EndingKind, ProposeEnding, WithdrawEnding
from services.fulfilment.domain.invoices import ConfirmReceipt, PayInvoice, SubmitInvoice
from services.fulfilment.domain.orders import AssessDelivery, PlaceOrder, ReportDelivery
from services.fulfilment.domain.state import Delivery, Invoice, Order
from services.fulfilment.views.execution import DisputeSummary, ExecutionView, of_page, readable, summary, view
from services.market.places import delivered_to

PARTIES = allow(*handlers.ACTS)
Quantities = ByLine[Quantity]
"""Quantities by line id."""


BeforeNumber = Annotated[int, QueryParameter(name="before", ge=0, le=10**9)]
"""0 means the newest."""


class OrderIn(msgspec.Struct, kw_only=True):
    """``days`` are working days until the delivery. It goes to the contract's place, unless a region (ISO 3166-2) or a
    locality is given."""

    lines: Quantities
    days: Days
    region: Name = ""
    locality: Name = ""


class DeliveryIn(msgspec.Struct, kw_only=True):
    """Without ``delivered_on`` the delivery was made today, in the buyer's time zone."""

    order: Count
    lines: Quantities
    note: Id
    delivered_on: date | None = None


class AssessmentIn(msgspec.Struct, kw_only=True):
    """``lines`` are the accepted quantities. ``reasons`` are required if they are not everything."""

    lines: Quantities
    reasons: Reason = ""


class InvoiceIn(msgspec.Struct, kw_only=True):
    """An invoice for everything that was accepted of these deliveries. ``reference`` is the supplier's own number."""

    deliveries: Few[Count]
    reference: Id


class ExecutionWithdrawalIn(msgspec.Struct, kw_only=True):
    about: Literal["order", "delivery", "invoice"]
    number: Count


class EndingIn(msgspec.Struct, kw_only=True):
    """A closure needs agreement. A termination needs agreement, or a breach of the other side that exists now."""

    kind: EndingKind
    reasons: Reason
    ground: EndingGround = "agreement"


class EndingAnswerIn(msgspec.Struct, kw_only=True):
    """``proposed_at`` is that of the proposal that was read. If it is given, another proposal is not answered."""

    agrees: bool
    words: Reason = ""
    proposed_at: Instant | None = None


class EndingWithdrawalIn(msgspec.Struct, kw_only=True):
    """``proposed_at`` is as in an answer. The body may be left out."""

    proposed_at: Instant | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """What a member does about one contract. The answer is the state of the contract after the act."""

    resources: Resources
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
        async with self.resources.database.transaction("fulfilment") as tx:
            await handlers.act(tx, clean(self.contract_id), command, self.principal, clean(self.key) or new_id())
        return await view(self.resources, self.contract_id, self.principal)


def acting(request: MemberVisit, resources: FromResources, contract_id: PathId, key: IdempotencyKey = "") -> Act:
    return Act(resources, contract_id, request.user, key)


class ExecutionApi(Controller):
    path = "/api/contracts"
    tags = ["contracts"]
    dependencies = {"act": Provide(acting, sync_to_thread=False)}

    @get("/{contract_id:str}/execution", opt=PUBLIC, raises=[NotFound])
    async def read_execution(self, request: Visit, resources: FromResources, contract_id: PathId) -> ExecutionView:
        """Return how far a concluded contract is carried out. Everybody may read it."""
        return await view(resources, contract_id, request.scope.get("user"))

    @get("/{contract_id:str}/execution/orders", opt=PUBLIC, raises=[NotFound])
    async def list_orders(
        self, request: Visit, resources: FromResources, contract_id: PathId, before: BeforeNumber = 0
    ) -> tuple[Order, ...]:
        """Return the newest fifty orders with numbers below ``before``. Everybody may read this list and the following
        ones."""
        return of_page((await readable(resources, contract_id, request.scope.get("user"))).orders, before)

    @get("/{contract_id:str}/execution/deliveries", opt=PUBLIC, raises=[NotFound])
    async def list_deliveries(
        self, request: Visit, resources: FromResources, contract_id: PathId, before: BeforeNumber = 0
    ) -> tuple[Delivery, ...]:
        return of_page((await readable(resources, contract_id, request.scope.get("user"))).deliveries, before)

    @get("/{contract_id:str}/execution/invoices", opt=PUBLIC, raises=[NotFound])
    async def list_invoices(
        self, request: Visit, resources: FromResources, contract_id: PathId, before: BeforeNumber = 0
    ) -> tuple[Invoice, ...]:
        return of_page((await readable(resources, contract_id, request.scope.get("user"))).invoices, before)

    @get("/{contract_id:str}/execution/disputes", opt=PUBLIC, raises=[NotFound])
    async def list_disputes_of_one(
        self, request: Visit, resources: FromResources, contract_id: PathId, before: BeforeNumber = 0
    ) -> tuple[DisputeSummary, ...]:
        execution = await readable(resources, contract_id, request.scope.get("user"))
        return tuple(map(summary, of_page(execution.disputes, before)))

    @post("/{contract_id:str}/orders", opt=PARTIES, raises=[NotFound])
    async def place_order(self, act: NamedDependency[Act], data: JSONBody[OrderIn]) -> ExecutionView:
        contract = await readable(act.resources, act.contract_id, act.principal)
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
        """Accept a delivery in full or in part. If ``lines`` is empty, the delivery is refused."""
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
        """State that the buyer paid the invoice."""
        return await act(PayInvoice(**act.by, invoice=number))

    @post("/{contract_id:str}/invoices/{number:int}/receipt", opt=PARTIES, raises=[NotFound])
    async def confirm_receipt(self, act: NamedDependency[Act], number: PathNumber) -> ExecutionView:
        """Confirm that the supplier received the money. If everything is accepted, the last confirmation closes the
        contract."""
        command = ConfirmReceipt(organisation_id=act.organisation_id, invoice=number)
        return await act(command)

    @post("/{contract_id:str}/withdrawals", opt=PARTIES, raises=[NotFound])
    async def withdraw(self, act: NamedDependency[Act], data: JSONBody[ExecutionWithdrawalIn]) -> ExecutionView:
        """Withdraw an own order, delivery or invoice that nobody has answered yet."""
        command = Withdraw(organisation_id=act.organisation_id, about=data.about, number=data.number)
        return await act(command)

    @post("/{contract_id:str}/ending", opt=PARTIES, raises=[NotFound])
    async def propose_ending(self, act: NamedDependency[Act], data: JSONBody[EndingIn]) -> ExecutionView:
        command = ProposeEnding(**act.by, kind=data.kind, ground=data.ground, reasons=clean(data.reasons))
        return await act(command)

    @post("/{contract_id:str}/ending/answer", opt=PARTIES, raises=[NotFound])
    async def answer_ending(self, act: NamedDependency[Act], data: JSONBody[EndingAnswerIn]) -> ExecutionView:
        """Answer a proposal to end the contract. Agreement ends it at once."""
        command = AnswerEnding(
            organisation_id=act.organisation_id,
            agrees=data.agrees,
            words=clean(data.words),
            proposed_at=data.proposed_at or UNSET,
        )
        return await act(command)

    @post("/{contract_id:str}/ending/withdrawal", opt=PARTIES, raises=[NotFound])
    async def withdraw_ending(
        self, act: NamedDependency[Act], data: JSONBody[EndingWithdrawalIn | None] = None
    ) -> ExecutionView:
        command = WithdrawEnding(
            organisation_id=act.organisation_id, proposed_at=(data.proposed_at if data else None) or UNSET
        )
        return await act(command)
