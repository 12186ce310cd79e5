"""What of the recommender's rows is of no use any more after a time."""

from datetime import timedelta

from infra.service import Prune

DAYS = timedelta(days=30)
"""Since a list or a ranking was made. What is asked for again is made again."""

PRUNES = (
    Prune(
        "lists",
        # The list of a supplier of this market is one row, and is replaced; other suppliers' lists are made when somebody asks.
        "made_at < now() - $3::interval and not exists ("
        " select from recommender.suppliers one where one.supplier_id = lists.supplier_id and one.native)",
        lambda keep: DAYS,
    ),
    Prune(
        "invitees", "made_at < now() - $3::interval", lambda keep: DAYS
    ),  # while it is open it is made anew each hour
    Prune(
        "dismissals",
        "dismissed_at < now() - $3::interval and not exists ("
        " select from recommender.opportunities one where one.opportunity_id = dismissals.opportunity_id and one.open)",
        lambda keep: timedelta(days=keep.letters_days),
    ),
)
