"""What the page of a contract that is carried out shows: the duties, the sums of its lines, the forms of each side, its
history."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode

import msgspec

from catalogue.actors import Party
from catalogue.roles import MODERATOR
from infra.ids import new_id
from infra.listing import PAGES, last_page
from infra.reading import UnreadableKey
from infra.service import Resources
from infra.tokens import Principal
from infra.web.forms import Filled
from infra.web.languages import gettext, pgettext
from services.fulfilment.domain.disputes import STATED_BY, may_dispute
from services.fulfilment.domain.duties import Duty, duties
from services.fulfilment.domain.endings import grounds
from services.fulfilment.domain.invoices import priced
from services.fulfilment.domain.orders import longest_order
from services.fulfilment.domain.state import (
    About,
    Execution,
    Matter,
    balances,
    disputed,
    invoiceable,
    outstanding,
    unordered,
)
from services.fulfilment.handlers import PARTY_ROLES
from services.fulfilment.pages import parts
from services.fulfilment.pages.history import GROUNDS, OUTCOMES, history_line
from services.fulfilment.store import executions, replicas
from services.fulfilment.store.executions import ExecutionEvent, WaitingExecution
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
        "The buyer's answer to this delivery is valid",
        "The buyer answers this delivery again",
    ),
    ("invoice", "submitted"): ("This invoice is to be paid", "This invoice is void"),
    ("invoice", "paid"): ("This payment counts as received", "This payment was never made, and is due"),
}
"""The result if the disputed status is valid, and the result if it no longer counts, by what is disputed."""


class Acted(Filled, frozen=True, kw_only=True):
    """A form that was sent and refused. ``form`` says which form of the page it is."""

    form: str = ""

    def on_page(self) -> dict[str, str]:
        """Return the errors by the field on the page, on which each form has its own fields."""
        return {f"{self.form}-{name}" if name else "": said for name, said in self.errors.items()}


NOTHING = Acted()


def party_of(execution: Execution | WaitingExecution, principal: Principal | None) -> Party | None:
    if principal is None:
        return None
    sides: dict[str, Party] = {execution.buyer_id: "buyer", execution.supplier_id: "supplier"}
    party = sides.get(principal.organisation_id)
    return party if party is not None and principal.may(*PARTY_ROLES[party]) else None


async def section(
    resources: Resources,
    contract_id: str,
    principal: Principal | None,
    acted: Acted = NOTHING,
    asked: parts.WantedPages = parts.NEWEST,
) -> dict[str, Any]:
    """Return what ``fulfilment/execution.html`` shows of a concluded contract. ``party`` is the side for which the
    reader may act. Each part shows the page that is ``asked`` for, or the last; a refused form is shown on its own
    page."""
    execution, now = await readable(resources, contract_id, principal), resources.clock()
    pages = parts.pages_of(execution)
    asked = pages.with_form(msgspec.structs.replace(asked, at=acted.form or asked.at))
    at = {name: min(getattr(asked, name), len(getattr(pages, name))) for name in pages._fields}
    orders, invoices = pages.orders[at["orders"] - 1], pages.invoices[at["invoices"] - 1]
    shown: list[tuple[About, Any]] = [("delivery", each) for piece in orders for each in piece.deliveries]
    shown += [("invoice", each) for each in invoices]
    due = duties(execution, now)
    inside = insider(execution, principal)
    by_forms = forms(execution, principal, acted)
    party = by_forms["party"]
    days = longest_order(execution, now) if party == "buyer" and execution.status == "running" else 0
    ready = invoiceable(execution)[: parts.READY_AT_ONCE] if party == "supplier" else ()
    most_due = parts.DUE_AT_ONCE if party else parts.DUE_TO_OTHERS
    number = asked.history
    before = OF_HISTORY * (number - 1)
    history = await executions.history(
        resources.database.pool, execution.contract_id, limit=OF_HISTORY + 1, offset=before
    )
    last = number
    if number > 1 and not history:
        last = last_page(await executions.happened(resources.database.pool, execution.contract_id, before), OF_HISTORY)
    return {
        **by_forms,
        "execution": execution,
        "inside": inside,
        "disputes": [summary(each) for each in pages.disputes[at["disputes"] - 1]],
        "orders": orders,
        "invoices": invoices,
        "at": at,
        "leaf": partial(_leaf, {**at, "page": number}),
        "pages": {name: len(getattr(pages, name)) for name in pages._fields},
        "due": [_duty(duty, party, now) for duty in due[:most_due]],
        "due_later": max(0, len(due) - most_due),
        "proposed_at": execution.ending.proposed_at.isoformat() if execution.ending else "",
        "lines": balances(execution),
        "names": {line.line_id: line.description for line in execution.lines},
        "unordered": unordered(execution),
        "days": days,
        "usual_days": min(days, USUAL_DAYS),
        "outstanding": {order.number: outstanding(execution, order) for order, *_ in orders if not order.withdrawn},
        "ready": ready,
        "ready_amount": sum(line.amount for line in priced(execution, tuple(each.number for each in ready))),
        "invoice_of": execution.invoice_of,
        "deliveries_of": execution.deliveries_of,
        "waits_for_a_dispute": bool(execution.open_disputes),
        "disputed": {(about, each.number): disputed(execution, Matter(about, each.number)) for about, each in shown},
        "disputable": {
            (about, each.number)
            for about, each in shown
            if party and may_dispute(execution, Matter(about, each.number), party, now)
        },
        "void": {
            (each.about, each.subject)
            for each in execution.disputes
            if each.outcome == "set-aside" and each.word in ("reported", "submitted")
        },
        "whose": STATED_BY,
        "asked": ASKED,
        "grounds": [(ground_, GROUNDS[ground_]) for ground_ in grounds(execution, party)] if party else [],
        "ground_words": GROUNDS,
        "outcomes": OUTCOMES,
        "today": execution.calendar.local(now).date().isoformat(),
        "now": now,
        "history": [line for each in history[:OF_HISTORY] if (line := _line(each, inside))[1]],
        "number": number,
        "last": last,
        "more": len(history) > OF_HISTORY and number < PAGES,
    }


def _line(each: ExecutionEvent | UnreadableKey[int], inside: bool) -> tuple[datetime | None, str, str]:
    """Return when, what and who. The text is "" if another line describes the event. A newer release may have written
    an event that this one has no words for."""
    if isinstance(each, UnreadableKey):
        return None, gettext("This line cannot be read just now."), ""
    try:
        said = history_line(each.event)
    except KeyError:
        said = gettext("This line cannot be read just now.")
    return each.at, said, each.member_name if inside else ""


def forms(execution: Execution, principal: Principal | None, acted: Acted) -> dict[str, Any]:
    """Return what the forms of a page need to know about their reader, and about the form that was refused."""
    return {
        "party": party_of(execution, principal),
        "decides": principal is not None and principal.may(MODERATOR),
        "acted": acted,
        "request_key": new_id(),
    }


def _leaf(shown: Mapping[str, int], part: str, number: int) -> str:
    """Return the query of the page with another page of one part; the other parts keep their pages."""
    return urlencode({name: page for name, page in {**shown, part: number}.items() if page > 1 or name == part})


class DueDuty(msgspec.Struct, frozen=True, kw_only=True):
    """A duty of the reader's organisation in a contract, at the ``form`` of its page. ``partner`` is the other side."""

    contract_id: str
    title: str
    partner: str
    words: str
    form: str
    due_at: datetime | None
    overdue: bool


async def due_of(resources: Resources, principal: Principal) -> list[DueDuty]:
    """Return what waits for this member in contracts that are carried out, the most urgent first."""
    pool, now = resources.database.pool, resources.clock()
    found = await executions.waiting_for(pool, principal.organisation_id, AT_MOST)
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
                DueDuty(
                    contract_id=waiting.contract_id,
                    title=contract.title,
                    partner=partner,
                    words=words,
                    form=form,
                    due_at=duty.due_at,
                    overdue=duty.due_at is not None and now >= duty.due_at,
                )
            )
    return sorted(due, key=lambda each: (each.due_at is None, each.due_at or now))[: parts.DUE_AT_ONCE]


def due_words(what: str, number: int) -> tuple[str, str]:
    """Return the words of the duty and the form's id."""
    words, form = DUE[what]
    return pgettext("contract", words).format(number), form.format(number)


def _duty(duty: Duty, party: str | None, now: datetime) -> dict[str, Any]:
    words, form = due_words(duty.what, duty.number)
    return {
        "words": words,
        "form": form,
        "party": duty.party,
        "mine": duty.party == party,
        "due_at": duty.due_at,
        "overdue": duty.overdue(now),
    }
