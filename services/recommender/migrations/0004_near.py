"""openings are recommended when they end within the horizon"""

import sqlalchemy as sa
from alembic import op

from infra.large_tables import add_index

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "opportunities",
        sa.Column("near", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        schema="recommender",
        if_not_exists=True,
    )
    for name, which in (("ix_opportunities_near", "open and near"), ("ix_opportunities_ahead", "open and not near")):
        add_index(name, "opportunities", ["closes_at"], schema="recommender", postgresql_where=sa.text(which))
