"""How much each side may do in one contract. Each side can add orders or deliveries without asking the other, so each
has limits. They are above three years of weekly orders (156) that are delivered every working day (about 750). Every
act reads and writes the whole state, so its cost grows with the contract.

Acts that bring a contract closer to its end are never refused here: acceptance, payment, the moderator's decision, a
statement that agrees, a proposal to end the contract. Invoices need no limit of their own, because each contains an
accepted delivery and few are withdrawn.
"""

from collections.abc import Iterable

from catalogue.actors import OTHER_PARTY, Party
from catalogue.rules import RuleBroken
from events.contracts import LineQuantity
from services.fulfilment.domain.state import Dispute, Execution, ProposedEnding, total, unordered

MOST_ORDERS, MOST_ORDERED_LINES = 300, 3_000
MOST_DELIVERIES, MOST_DELIVERED_LINES = 800, 5_000
MOST_WITHDRAWALS = 50
"""How many acts one side may withdraw: orders, deliveries, invoices and proposals to end the contract."""
MOST_DISPUTES = 100
"""How many disputes one side may open."""
MOST_STATEMENTS, MOST_STATEMENTS_OF_ALL = 20, 250
"""How many statements one side may make, including the opening: in one dispute, and in all disputes of a contract."""
MOST_REFUSED_ENDINGS = 50
"""How many proposals to end the contract one side may refuse."""
CHARACTERS_OF_REASONS, CHARACTERS_THEN = 400_000, 300
"""How many characters the buyer's reasons for not accepting something may have in all. After that, each reason may have
only the second number."""


class TooManyOrders(RuleBroken):
    """It is always possible to order everything that is left at once."""

    code = "too-many-orders"


class TooManyDeliveries(RuleBroken):
    """The first delivery on an order is always possible."""

    code = "too-many-deliveries"


class TooManyWithdrawals(RuleBroken):
    code = "too-many-withdrawals"


class TooManyDisputes(RuleBroken):
    code = "too-many-disputes"


class TooManyStatements(RuleBroken):
    """A side's first answer is always possible, and so is a statement that agrees with the other side."""

    code = "too-many-statements"


class TooManyRefusals(RuleBroken):
    """A proposal that nobody answers lapses, and a breach that was corrected ends nothing."""

    code = "too-many-refused-endings"


class ReasonsTooLong(RuleBroken):
    code = "reasons-too-long"


def require_order(execution: Execution, lines: tuple[LineQuantity, ...]) -> None:
    """Raise TooManyOrders if the contract cannot have this order."""
    orders, held = len(execution.orders), _lines(order.lines for order in execution.orders)
    within = orders < MOST_ORDERS and held + len(lines) <= MOST_ORDERED_LINES
    if not within and total([lines]) != unordered(execution):
        raise TooManyOrders(
            f"This contract has {orders} orders with {held} lines; {MOST_ORDERS} with {MOST_ORDERED_LINES} are"
            " the most. Order everything that is left at once, or agree with the supplier to close the contract.",
            field="lines",
            orders=orders,
            lines=held,
            most=MOST_ORDERS,
            most_lines=MOST_ORDERED_LINES,
        )


def require_delivery(execution: Execution, order: int, lines: tuple[LineQuantity, ...]) -> None:
    """Raise TooManyDeliveries if the contract cannot have this delivery."""
    deliveries, held = len(execution.deliveries), _lines(each.lines for each in execution.deliveries)
    within = deliveries < MOST_DELIVERIES and held + len(lines) <= MOST_DELIVERED_LINES
    if not within and order in execution.deliveries_of:
        raise TooManyDeliveries(
            f"This contract has {deliveries} deliveries with {held} lines; {MOST_DELIVERIES} with {MOST_DELIVERED_LINES} are"
            " the most. Report a delivery on an order that has none yet, or agree with the buyer to close the contract.",
            field="order",
            deliveries=deliveries,
            lines=held,
            most=MOST_DELIVERIES,
            most_lines=MOST_DELIVERED_LINES,
        )


def require_withdrawal_allowed(execution: Execution, party: Party) -> None:
    """Raise TooManyWithdrawals if this side may not withdraw anything more."""
    acts = count_withdrawals(execution, party)
    if acts >= MOST_WITHDRAWALS:
        raise TooManyWithdrawals(
            f"You withdrew {acts} acts on this contract; {MOST_WITHDRAWALS} are the most. What you sent now waits"
            " for the other side's answer.",
            field="number",
            acts=acts,
            most=MOST_WITHDRAWALS,
        )


def count_withdrawals(execution: Execution, party: Party) -> int:
    """Return how many acts the side withdrew itself, without those that a dispute set aside."""
    proposals = execution.endings_withdrawn.get(party, 0)
    if party == "buyer":
        return proposals + sum(order.withdrawn for order in execution.orders)
    gone = [each for each in execution.deliveries if each.status == "withdrawn"]
    void = [each for each in execution.invoices if each.status == "withdrawn"]
    set_aside = sum(
        each.word in ("reported", "submitted") and each.outcome == "set-aside" for each in execution.disputes
    )
    return proposals + len(gone) + len(void) - set_aside


def require_dispute(execution: Execution, party: Party) -> None:
    """Raise TooManyDisputes if this side may not open another dispute."""
    opened = sum(each.by == party for each in execution.disputes)
    if opened >= MOST_DISPUTES:
        raise TooManyDisputes(
            f"You opened {opened} disputes on this contract; {MOST_DISPUTES} are the most. Settle the open"
            " disputes with the other side, or propose to end the contract.",
            field="reasons",
            disputes=opened,
            most=MOST_DISPUTES,
        )


def require_statement(execution: Execution, dispute: Dispute, party: Party, asks: str) -> None:
    """Raise TooManyStatements if this side may not make another statement."""
    said = _statements([dispute], party)
    if not said or dispute.asks(OTHER_PARTY[party]) == asks:
        return
    said_in_all = _statements(execution.disputes, party)
    if said >= MOST_STATEMENTS or said_in_all >= MOST_STATEMENTS_OF_ALL:
        raise TooManyStatements(
            f"You made {said} statements in this dispute and {said_in_all} in all disputes of this contract; {MOST_STATEMENTS} and"
            f" {MOST_STATEMENTS_OF_ALL} are the most. Ask for the same outcome as the other side, and the dispute"
            " ends; otherwise a moderator decides it.",
            field="words",
            said=said,
            most=MOST_STATEMENTS,
            said_in_all=said_in_all,
            most_in_all=MOST_STATEMENTS_OF_ALL,
        )


def require_refusal(execution: Execution, ending: ProposedEnding, party: Party) -> None:
    """Raise TooManyRefusals if this side may not refuse another proposal."""
    refused = execution.endings_refused.get(party, 0)
    if refused >= MOST_REFUSED_ENDINGS:
        raise TooManyRefusals(
            f"You refused {refused} times to end this contract; {MOST_REFUSED_ENDINGS} are the most. Agree, or leave the"
            f" proposal unanswered: its time is over {ending.due_at:%Y-%m-%d %H:%M} UTC. Then a proposal by"
            " agreement lapses, and one for a breach counts only if the breach is not corrected.",
            field="words",
            refused=refused,
            most=MOST_REFUSED_ENDINGS,
            due_at=ending.due_at,
        )


def require_reasons_within(execution: Execution, reasons: str) -> None:
    """Raise ReasonsTooLong. A few words are always possible."""
    letters = sum(len(each.reasons) for each in execution.deliveries)
    if len(reasons) > CHARACTERS_THEN and letters + len(reasons) > CHARACTERS_OF_REASONS:
        raise ReasonsTooLong(
            f"Your reasons on this contract have {letters} characters; after {CHARACTERS_OF_REASONS} each may have"
            f" {CHARACTERS_THEN}. Make this one shorter: it has {len(reasons)}.",
            field="reasons",
            letters=letters,
            most=CHARACTERS_OF_REASONS,
            most_now=CHARACTERS_THEN,
            length=len(reasons),
        )


def _lines(parts: Iterable[tuple[LineQuantity, ...]]) -> int:
    return sum(map(len, parts))


def _statements(disputes: Iterable[Dispute], party: Party) -> int:
    return sum(said.by == party for dispute in disputes for said in dispute.said)
