"""Which ends of a contract are a breach, and by whom. Conduct judges what a breach leads to."""

from datetime import datetime

from catalogue.actors import Party
from catalogue.policy import Policy, text_of
from events.contracts import ContractBreached, ContractEnded, RefusalDisputeDecided


def breach_of(event: ContractEnded | RefusalDisputeDecided) -> tuple[Party, str] | None:
    """Return the side in breach and its organisation, or None if nobody is in breach. A refusal on a justified ground
    is a breach only if a moderator decides in a dispute that the ground did not hold."""
    if isinstance(event, RefusalDisputeDecided):
        breach, by_buyer = event.decision == "unjustified", event.refused_by == "buyer"
    else:
        by_buyer = event.by == "buyer" and event.reason in ("refused", "lapsed") and not event.justified
        breach = event.evasion or by_buyer
    if not breach:
        return None
    return ("buyer", event.buyer_id) if by_buyer else ("supplier", event.supplier_id)


def contract_breached(
    event: ContractEnded | RefusalDisputeDecided, breached: tuple[Party, str], policy: Policy, ended_at: datetime
) -> ContractBreached:
    """Return the event of the breach. A refusal whose ground did not hold counts from the time of the refusal, but
    the market knows of the breach only from the decision on (``known_at``)."""
    party, organisation_id = breached
    return ContractBreached(
        process_id=event.process_id,
        contract_id=event.contract_id,
        organisation_id=organisation_id,
        side=party,
        at=event.refused_at if isinstance(event, RefusalDisputeDecided) else ended_at,
        known_at=event.decided_at if isinstance(event, RefusalDisputeDecided) else None,
        policy=policy.name,
        policy_text=text_of(policy),
    )
