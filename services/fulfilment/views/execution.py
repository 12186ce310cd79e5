"""How a contract is carried out, as its reader may see it: the words of the sides are for them and for whoever watches over the market."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

import msgspec

from catalogue.roles import SEES_ALL
from infra.denied import Missing
from infra.service import Ground
from infra.texts import clean
from infra.tokens import Principal
from services.fulfilment.domain.duties import Duty
from services.fulfilment.domain.state import (
    About,
    Balance,
    Delivery,
    Dispute,
    Ending,
    Execution,
    Invoice,
    Order,
    Outcome,
    Party,
    balances,
)
from services.fulfilment.store import executions, replicas
from services.fulfilment.store.decoded import StoredExecution
from services.fulfilment.store.replicas import Named

SHORT = 300
"""Letters of a text in a summary."""
OF_PAGE = 50
"""Orders, deliveries, invoices or disputes in one answer."""
KINDS = ("orders", "deliveries", "invoices", "disputes")
T = TypeVar("T")


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


def insider(execution: Execution, principal: Principal | None) -> bool:
    """One of the two sides, or who watches over the market."""
    return principal is not None and (
        principal.organisation_id in (execution.buyer_id, execution.supplier_id) or principal.may(*SEES_ALL)
    )


async def found(ground: Ground, contract_id: str) -> StoredExecution:
    """Raises Missing where the contract is not concluded."""
    kept = await executions.get(ground.database.pool, clean(contract_id))
    if kept is None:
        raise Missing("concluded contract", contract_id)
    return kept


async def readable(ground: Ground, contract_id: str, principal: Principal | None) -> Execution:
    """As the reader may see it. Raises Missing where the contract is not concluded."""
    execution = (await found(ground, contract_id)).execution
    return execution if insider(execution, principal) else execution.without_words


async def name_of(ground: Ground, contract_id: str) -> Named:
    """Raises Missing where that was not told yet."""
    named = (await replicas.named(ground.database.pool, [contract_id])).get(contract_id)
    if named is None:
        raise Missing("concluded contract", contract_id)
    return named


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
