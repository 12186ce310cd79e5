"""the numbers by which items were judged last: if the policy has others, all are judged again"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "numbers",
        sa.Column("only", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.Column("marked_to", sa.Text()),
        sa.PrimaryKeyConstraint("only", name=op.f("pk_numbers")),
        schema="observatory",
        if_not_exists=True,
    )
