"""items that an import made due wait until those with live prices are judged"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "items", sa.Column("in_bulk", sa.Boolean(), nullable=False, server_default=sa.false()), schema="observatory"
    )
    op.create_index(
        "ix_items_due_in_turn",
        "items",
        ["in_bulk", "due_at"],
        schema="observatory",
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.drop_index("ix_items_due", table_name="items", schema="observatory")
