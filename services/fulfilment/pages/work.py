"""What the page of a contract that is carried out shows: the duties, the sums of its lines, the forms of each side, its
history."""

from datetime import datetime
from typing import Any

import msgspec
from markupsafe import escape

from infra.ids import new_id
from infra.listing import PAGES, last_page
from infra.service import Ground
from infra.tokens import MODERATOR, Principal
from infra.web.forms import Filled
from infra.web.languages import pgettext
from services.fulfilment.domain.disputes import WORDS, may_dispute
from services.fulfilment.domain.duties import Duty, duties
from services.fulfilment.domain.endings import grounds
from services.fulfilment.domain.invoices import priced
from services.fulfilment.domain.orders import longest_order
from services.fulfilment.domain.state import (
    About,
    Execution,
    Matter,
    Party,
    balances,
    disputed,
    invoiceable,
    outstanding,
    unordered,
)
from services.fulfilment.handlers import PARTY_ROLES
from services.fulfilment.pages import parts
from services.fulfilment.pages.history import GROUNDS, OUTCOMES, told
from services.fulfilment.store import executions, replicas
from services.fulfilment.store.executions import Waiting
from services.fulfilment.views.execution import insider, readable, summary

AT_MOST = 50
"""How many contracts have their duties listed at once."""
OF_HISTORY = 50
"""How many lines of the history are on one page."""
USUAL_DAYS = 5
"""The number of working days in a new order form, if the term has so many."""
DUE = {
    "order": ("Order what is left in the contract", "order"),
    "rest": ("The term is over: agree to close the contract with less", "end"),
    "deliver": ("Deliver order {}", "deliver-{}"),
    "assess": ("Accept or refuse delivery {}", "assess-{}"),
    "invoice": ("Invoice what was accepted", "invoice"),
    "pay": ("Pay invoice {}", "pay-{}"),
    "confirm": ("Confirm that you received the money for invoice {}", "confirm-{}"),
    "answer-dispute": ("Answer dispute {}", "answer-{}"),
    "answer-ending": ("Answer the proposal to end the contract", "end-answer"),
}
"""The words of a duty, and the form for it."""
ASKED = {
    ("delivery", "reported"): ("This delivery counts as accepted in full", "This delivery was never made"),
    ("delivery", "assessed"): (
        "This delivery stands as the buyer answered it",
        "The buyer answers this delivery again",
    ),
    ("invoice", "submitted"): ("This invoice is to be paid", "This invoice is void"),
    ("invoice", "paid"): ("This payment counts as received", "This payment was never made, and is due"),
}
"""The outcome if a word stands, and the outcome if it is set aside, by what is disputed."""


class Acted(Filled, frozen=True, kw_only=True):
    """A form that was sent and refused. ``form`` says which form of the page it is."""

    form: str = ""

    def head(self, shown: str) -> dict[str, str]:
        """Return the errors for the head of a page whose content is ``shown``: by the field on that page, and under ""
        the error of the form as a whole. The form may be missing, because the other side or a colleague acted
        meanwhile: then the first error is under ""."""
        noted, loose = {}, []
        for name, said in self.errors.items():
            field = f"{self.form}-{name}"
            if f'id="{escape(field)}-note"' in shown:
                noted[field] = said
            else:
                loose.append(said)
        return {"": self.errors.get("", loose[0]), **noted} if loose else noted


NOTHING = Acted()


def party_of(execution: Execution | Waiting, principal: Principal | None) -> Party | None:
    if principal is None:
        return None
    sides: dict[str, Party] = {execution.buyer_id: "buyer", execution.supplier_id: "supplier"}
    side = sides.get(principal.organisation_id)
    return side if side is not None and principal.may(*PARTY_ROLES[side]) else None


async def section(
    ground: Ground,
    contract_id: str,
    principal: Principal | None,
    acted: Acted = NOTHING,
    number: int = 1,
    part: int = 0,
) -> dict[str, Any]:
    """Return what ``fulfilment/execution.html`` shows of a concluded contract. ``party`` is the side for which the
    reader may act, ``number`` the page of the history. ``part`` is the part of the orders and invoices (see
    :mod:`parts`), unless a refused form is in another part."""
    execution, now = await readable(ground, contract_id, principal), ground.clock()
    part = parts.part_with(execution, acted.form) or part
    orders, invoices = parts.of(execution.orders, part), parts.of(execution.invoices, part)
    shown: list[tuple[About, Any]] = [
        ("delivery", each) for order in orders for each in execution.deliveries_of.get(order.number, ())
    ]
    shown += [("invoice", each) for each in invoices]
    due = duties(execution, now)
    inside = insider(execution, principal)
    by_forms = forms(execution, principal, acted)
    party = by_forms["party"]
    days = longest_order(execution, now) if party == "buyer" and execution.status == "running" else 0
    ready = invoiceable(execution)[: parts.PER_PART] if party == "supplier" else ()
    before = OF_HISTORY * (number - 1)
    history = await executions.history(ground.database.pool, execution.contract_id, limit=OF_HISTORY + 1, offset=before)
    pages = number
    if number > 1 and not history:
        pages = last_page(await executions.happened(ground.database.pool, execution.contract_id, before), OF_HISTORY)
    return {
        **by_forms,
        "execution": execution,
        "inside": inside,
        "disputes": [summary(each) for each in execution.disputes],
        "orders": orders,
        "invoices": invoices,
        "part": part,
        "parts": parts.count(max(len(execution.orders), len(execution.invoices)), parts.PER_PART),
        "due": [_duty(execution, duty, party, now) for duty in due[: parts.DUE_AT_ONCE]],
        "due_later": max(0, len(due) - parts.DUE_AT_ONCE),
        "lines": balances(execution),
        "names": {line.line_id: line.description for line in execution.lines},
        "unordered": unordered(execution),
        "days": days,
        "usual_days": min(days, USUAL_DAYS),
        "outstanding": {order.number: outstanding(execution, order) for order in orders if not order.withdrawn},
        "ready": ready,
        "ready_amount": sum(line.amount for line in priced(execution, tuple(each.number for each in ready))),
        "invoice_of": execution.invoice_of,
        "deliveries_of": execution.deliveries_of,
        "disputed": {(about, each.number): disputed(execution, Matter(about, each.number)) for about, each in shown},
        "disputable": {
            (about, each.number)
            for about, each in shown
            if party and may_dispute(execution, Matter(about, each.number), party, now)
        },
        "whose": WORDS,
        "asked": ASKED,
        "grounds": [(ground_, GROUNDS[ground_]) for ground_ in grounds(execution, party)] if party else [],
        "ground_words": GROUNDS,
        "outcomes": OUTCOMES,
        "today": execution.calendar.local(now).date().isoformat(),
        "now": now,
        "history": [
            (each.at, told(each.event), each.member_name if inside else "")
            for each in history[:OF_HISTORY]
            if told(each.event)
        ],
        "number": number,
        "pages": pages,
        "more": len(history) > OF_HISTORY and number < PAGES,
    }


def forms(execution: Execution, principal: Principal | None, acted: Acted) -> dict[str, Any]:
    """Return what the forms of a page need to know about their reader, and about the form that was refused."""
    return {
        "party": party_of(execution, principal),
        "decides": principal is not None and principal.may(MODERATOR),
        "acted": acted,
        "request_key": new_id(),
    }


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """A duty of the reader's organisation in a contract. Its ``form`` is in the ``part`` of the contract's page.
    ``partner`` is the other side."""

    contract_id: str
    title: str
    partner: str
    words: str
    form: str
    part: int
    due_at: datetime | None
    overdue: bool


async def due_of(ground: Ground, principal: Principal) -> list[Due]:
    """Return what waits for this member in contracts that are carried out, the most urgent first."""
    pool, now = ground.database.pool, ground.clock()
    found = await executions.waiting(pool, principal.organisation_id, AT_MOST)
    told = await replicas.named(pool, [each.contract_id for each in found])
    due = []
    for waiting in found:
        party, contract = party_of(waiting, principal), told.get(waiting.contract_id)
        if party is None or contract is None:
            continue
        partner = contract.supplier_name if party == "buyer" else contract.buyer_name
        for duty in waiting.agenda.of(party, now):
            words, form = due_words(duty.what, duty.number)
            due.append(
                Due(
                    contract_id=waiting.contract_id,
                    title=contract.title,
                    partner=partner,
                    words=words,
                    form=form,
                    part=parts.part_of(waiting.agenda.things, duty.place),
                    due_at=duty.due_at,
                    overdue=duty.due_at is not None and now >= duty.due_at,
                )
            )
    return sorted(due, key=lambda each: (each.due_at is None, each.due_at or now))[: parts.DUE_AT_ONCE]


def due_words(what: str, number: int) -> tuple[str, str]:
    """Return the words of the duty and the form's id."""
    words, form = DUE[what]
    return pgettext("contract", words).format(number), form.format(number)


def _duty(execution: Execution, duty: Duty, party: str | None, now: datetime) -> dict[str, Any]:
    words, form = due_words(duty.what, duty.number)
    return {
        "part": parts.part_with(execution, form),
        "words": words,
        "form": form,
        "party": duty.party,
        "mine": duty.party == party,
        "due_at": duty.due_at,
        "overdue": duty.overdue(now),
    }
