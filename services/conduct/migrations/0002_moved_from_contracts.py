"""breaches, sanctions and the public record move from contracts to conduct

The rows are not copied. The former release goes on reading and writing them by views of the old names, with the rights of the views'
owner: its role has none on the tables any more. All four are locked first, in the order in which the former release writes them, so that
nobody and this wait for each other. A release after this one drops the views, in this history.
"""

from infra.moved_tables import move_tables

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = dict.fromkeys(("facts", "breaches", "sanctions", "performed"), "*")


def upgrade() -> None:
    move_tables(TABLES, former="contracts", service="conduct")
