"""Rows of accounts that are deleted after a time."""

from datetime import timedelta

from infra.service import Prune

DAYS = timedelta(days=30)
"""The time since an invitation lapsed or was used, or an API secret was revoked."""

PRUNES = (
    Prune("invitations", "expires_at < now() - $3::interval", lambda keep: DAYS),
    Prune("joinings", "joined_at < now() - $3::interval", lambda keep: DAYS),
    Prune("api_keys", "revoked_at < now() - $3::interval", lambda keep: DAYS),
)
