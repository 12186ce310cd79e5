"""How a contract is carried out, as its reader may see it. The words of the sides are only for them and for those who
supervise the market."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

import msgspec

from catalogue.actors import Party
from catalogue.roles import SEES_ALL
from infra.denied import Missing
from infra.service import Resources
from infra.texts import clean
from infra.tokens import Principal
from services.fulfilment.domain.duties import Duty
from services.fulfilment.domain.state import (
    About,
    Balance,
    Delivery,
    Dispute,
    Execution,
    Invoice,
    Order,
    Outcome,
    ProposedEnding,
    balances,
)
from services.fulfilment.store import executions, replicas
from services.fulfilment.store.decoded import StoredExecution
from services.fulfilment.store.replicas import Named

SHORT = 300
"""How many characters of a text a summary has."""
OF_PAGE = 50
"""How many orders, deliveries, invoices or disputes one answer has."""
KINDS = ("orders", "deliveries", "invoices", "disputes")
T = TypeVar("T")


class DisputeSummary(msgspec.Struct, kw_only=True):
    """A dispute without its statements, which are in :class:`Dispute`. ``asked`` is what its opener wanted.
    ``buyer_asks`` and ``supplier_asks`` are the outcomes that each side asks for now, or None while it has made no
    statement. ``words`` are the beginning of the opening."""

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
    """``status`` is running, closed or terminated; ``how`` is fulfilled, agreement or the ground. ``paid`` is the
    settled part of ``amount``. ``due`` says what each side must do, the most urgent first, at most fifty duties of a
    side. Orders, deliveries, invoices and disputes are the newest fifty, in the order of their numbers. ``totals`` says
    how many there are of each, and ``more`` which of them have earlier ones, to be read at
    ``…/execution/KIND?before=NUMBER``. The words of the sides (delivery notes, invoice numbers, reasons) are only for
    them and those who supervise the market; for others they are ""."""

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
    ending: ProposedEnding | None
    due: tuple[Duty, ...]
    totals: dict[str, int]
    more: tuple[str, ...]


def insider(execution: Execution, principal: Principal | None) -> bool:
    """Return whether this is a member of one of the two sides, or somebody who supervises the market."""
    return principal is not None and (
        principal.organisation_id in (execution.buyer_id, execution.supplier_id) or principal.may(*SEES_ALL)
    )


async def found(resources: Resources, contract_id: str) -> StoredExecution:
    """Return the stored execution. Raise Missing if the contract is not concluded."""
    kept = await executions.get(resources.database.pool, clean(contract_id))
    if kept is None:
        raise Missing("concluded contract", contract_id)
    return kept


async def readable(resources: Resources, contract_id: str, principal: Principal | None) -> Execution:
    """Return the execution as the reader may see it. Raise Missing if the contract is not concluded."""
    execution = (await found(resources, contract_id)).execution
    return execution if insider(execution, principal) else execution.without_words


async def name_of(resources: Resources, contract_id: str) -> Named:
    """Return the names of the contract. Raise Missing if they are not announced yet."""
    named = (await replicas.named(resources.database.pool, [contract_id])).get(contract_id)
    if named is None:
        raise Missing("concluded contract", contract_id)
    return named


def of_page(parts: Sequence[T], before: int = 0) -> tuple[T, ...]:
    """Return the newest parts whose numbers are below ``before`` (0: the newest of all), in the order of their numbers."""
    end = min(before - 1, len(parts)) if before else len(parts)
    return tuple(parts[max(0, end - OF_PAGE) : end])


async def view(resources: Resources, contract_id: str, principal: Principal | None) -> ExecutionView:
    kept, now = await found(resources, contract_id), resources.clock()
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
