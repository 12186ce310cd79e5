"""breaches, sanctions and the public record move from contracts to conduct

The rows are not copied. The former release goes on reading and writing them through views with the old names. The views
have the rights of their owner, because the role of the former release no longer has rights on the tables. All four
tables are locked first, in the order in which the former release writes them, to avoid a deadlock. A later release
drops the views in this history.
"""

from infra.moved_tables import move_tables

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = dict.fromkeys(("facts", "breaches", "sanctions", "performed"), "*")


def upgrade() -> None:
    move_tables(TABLES, former="contracts", service="conduct")
