"""What a concluded contract tells the service that carries it out."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from catalogue.calendar import RegionCalendar
from catalogue.policy import Policy, text_of
from events.contracts import ContractConcluded, ExecutionDue


def execution_due(concluded: ContractConcluded, policy: Policy, calendar: RegionCalendar) -> ExecutionDue:
    """Return the event for a concluded contract of this market. Its term ends with the day that the draft names for
    delivery, or else after the policy's number of days from the signature."""
    assert concluded.source is None and concluded.currency and concluded.amount is not None, (
        "imports are not carried out here"
    )
    named = next((term.text for term in concluded.terms if term.code == "delivery-time" and not term.line_id), "")
    days = policy.purchase.contract_days if concluded.origin == "purchase" else policy.contract.performance_days
    return ExecutionDue(
        process_id=concluded.process_id,
        contract_id=concluded.contract_id,
        pool_id=concluded.pool_id,
        buyer_id=concluded.buyer_id,
        supplier_id=concluded.supplier_id,
        place=concluded.place,
        currency=concluded.currency,
        amount=concluded.amount,
        lines=concluded.lines,
        signed_at=concluded.signed_at,
        term_until=_end_of(date.fromisoformat(named), calendar)
        if named
        else policy.due(concluded.signed_at, days, calendar),
        time_zone=calendar.zone,
        country=calendar.country or "",
        subdivision=calendar.subdivision or "",
        policy=policy.name,
        policy_text=text_of(policy),
    )


def _end_of(day: date, calendar: RegionCalendar) -> datetime:
    """Return the midnight after the day, on the buyer's clock."""
    return datetime.combine(day + timedelta(days=1), time(0), ZoneInfo(calendar.zone)).astimezone(UTC)
