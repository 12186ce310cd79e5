"""lists read from a replica which contracts are closed or terminated"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "carried_out",
        sa.Column("contract_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("contract_id", name=op.f("pk_carried_out")),
        schema="contracts",
    )
    op.execute(
        "insert into contracts.carried_out (contract_id, status) "
        + " union all ".join(
            f"select contract_id, '{status}' from contracts.executions where state->>'status' = '{status}'"
            for status in ("closed", "terminated")
        )
    )
