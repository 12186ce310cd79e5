"""which topics each consumer group of a process reads, and the stopped consumers that a person lets go on"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "processes",
        sa.Column("reads", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        schema="operations",
    )
    op.create_table(
        "resumes",
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("part", name=op.f("pk_resumes")),
        schema="operations",
    )
    op.execute("grant select, insert, update, delete on operations.resumes to public")


def downgrade() -> None:
    op.drop_table("resumes", schema="operations")
    op.drop_column("processes", "reads", schema="operations")
