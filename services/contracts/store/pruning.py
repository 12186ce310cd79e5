"""Rows of contracts that are deleted after a time."""

from datetime import timedelta

from infra.service import Prune

REQUESTS = timedelta(days=30)
"""The time after the end of a request's time to answer. It is in no list then."""
ANSWERED = timedelta(days=90)
"""The time after the event that a request no longer waits. It is longer than any supplier has to answer, so a late
event that the request waits comes after its end."""

PRUNES = (
    Prune("purchase_requests", "due_at < now() - $3::interval", lambda keep: REQUESTS),
    Prune("purchases_answered", "told_at < now() - $3::interval", lambda keep: ANSWERED),
)
