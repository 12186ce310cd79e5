"""breaches, sanctions and the public record move from contracts to conduct

The rows are not copied. The former release goes on reading and writing them through views with the old names. The views
have the rights of their owner, because the role of the former release no longer has rights on the tables. All four
tables are locked first, in the order in which the former release writes them, to avoid a deadlock. A later release
drops the views in this history.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = ("facts", "breaches", "sanctions", "performed")
FORMER = "lonja_contracts"
RIGHTS = "select, insert, update, delete"


def upgrade() -> None:
    op.execute(f"lock table {', '.join(f'contracts.{table}' for table in TABLES)} in access exclusive mode")
    for table in TABLES:
        op.execute(f"alter table contracts.{table} set schema conduct")
        op.execute(f"create view contracts.{table} as select * from conduct.{table}")
        op.execute(
            f"do $$ begin if exists (select from pg_roles where rolname = '{FORMER}') then"
            f" revoke all on conduct.{table} from {FORMER}; grant {RIGHTS} on contracts.{table} to {FORMER};"
            " end if; end $$"
        )
