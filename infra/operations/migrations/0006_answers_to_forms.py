"""the pages that answer forms, kept for 15 minutes: a reload and Back show them without sending the form again"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "answers",
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("owner", sa.LargeBinary(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("visitor", sa.Boolean(), nullable=False),
        sa.Column("page", sa.LargeBinary(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("kept_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("answer", name=op.f("pk_answers")),
        schema="operations",
        # unlogged: not in the write-ahead log or a backup, and lost after a crash, because they are deleted after
        # minutes anyway
        prefixes=["unlogged"],
    )
    for column in ("owner", "sender", "kept_until"):
        op.create_index(op.f(f"ix_answers_{column}"), "answers", [column], schema="operations")


def downgrade() -> None:
    op.drop_table("answers", schema="operations")
