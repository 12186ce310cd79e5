"""The rules of joint purchases (docs/rules.md section 5), without side effects.

``pool`` the state and how events change it · ``terms`` opening · ``enrolment`` members, freeze, minimum, cancelling ·
``allocation`` who gets how many packs · ``sourcing`` the mini-auction, the division of its result, the close ·
``weight`` how large the events of a pool may become.

``open_pool`` begins a pool; ``decide(state, command, now)`` answers everything after it. Both raise the RuleBroken
named after the rule. A command that is repeated after it took effect gives no events.
"""

from collections.abc import Sequence
from datetime import datetime

from events.codec import Event
from services.pools.domain.allocation import Want, allocate, wanted
from services.pools.domain.enrolment import (
    CancelPool,
    EndEnrolment,
    Enrol,
    Freeze,
    WithdrawEnrolment,
    cancel,
    end,
    enrol,
    freeze,
)
from services.pools.domain.enrolment import withdraw as _withdraw
from services.pools.domain.pool import BelowMinimum, Past, Pool, PoolStage, apply
from services.pools.domain.sourcing import (
    CloseContracting,
    RecordResult,
    RecordSourcingRefused,
    RequestSourcing,
    close,
    record_refused,
    record_result,
    request,
)
from services.pools.domain.terms import OpenPool, open_pool

Command = (
    Enrol
    | WithdrawEnrolment
    | Freeze
    | EndEnrolment
    | CancelPool
    | RequestSourcing
    | RecordSourcingRefused
    | RecordResult
    | CloseContracting
)


def decide(pool: Pool, command: Command, now: datetime) -> Sequence[Event]:
    """Return the events of the command, none if it took effect already. ``now`` is aware, in UTC."""
    match command:
        case Enrol():
            return enrol(pool, command, now)
        case WithdrawEnrolment():
            return _withdraw(pool, command)
        case Freeze():
            return freeze(pool, command)
        case EndEnrolment():
            return end(pool, command, now)
        case CancelPool():
            return cancel(pool, command)
        case RequestSourcing():
            return request(pool, command)
        case RecordSourcingRefused():
            return record_refused(pool, command)
        case RecordResult():
            return record_result(pool, command)
        case CloseContracting():
            return close(pool, command)


__all__ = [
    "BelowMinimum",
    "CancelPool",
    "CloseContracting",
    "Command",
    "EndEnrolment",
    "Enrol",
    "Freeze",
    "OpenPool",
    "Past",
    "Pool",
    "PoolStage",
    "RecordResult",
    "RecordSourcingRefused",
    "RequestSourcing",
    "Want",
    "WithdrawEnrolment",
    "allocate",
    "apply",
    "decide",
    "open_pool",
    "wanted",
]
