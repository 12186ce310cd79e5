"""What of the rows of contracts is of no use any more after a time."""

from datetime import timedelta

from infra.service import Prune

REQUESTS = timedelta(days=30)
"""Since the time to answer a request was over: it is listed nowhere then."""
ANSWERED = timedelta(days=90)
"""Since it was told that a request waits no more. Longer than a supplier ever has to answer: told late that it waits, it is over."""

PRUNES = (
    Prune("purchase_requests", "due_at < now() - $3::interval", lambda keep: REQUESTS),
    Prune("purchases_answered", "told_at < now() - $3::interval", lambda keep: ANSWERED),
)
