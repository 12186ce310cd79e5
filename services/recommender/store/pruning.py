"""Rows of the recommender that are deleted after a time."""

from datetime import timedelta

from infra.service import Prune

DAYS = timedelta(days=30)
"""The time since a list or a ranking was made. If it is asked for again, it is made again."""

PRUNES = (
    Prune(
        "lists",
        # A supplier of this market has one row, which is replaced. The list of another supplier is made when it is
        # asked for.
        "made_at < now() - $3::interval and not exists ("
        " select from recommender.suppliers one where one.supplier_id = lists.supplier_id and one.native)",
        lambda keep: DAYS,
    ),
    # while an opportunity is open, its ranking is made again each hour
    Prune("invitees", "made_at < now() - $3::interval", lambda keep: DAYS),
    Prune(
        "dismissals",
        "dismissed_at < now() - $3::interval and not exists ("
        " select from recommender.opportunities one where one.opportunity_id = dismissals.opportunity_id and one.open)",
        lambda keep: timedelta(days=keep.letters_days),
    ),
)
