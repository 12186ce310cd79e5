"""letters take turns by their cause, and those of one kind to one reader go within a list"""

import sqlalchemy as sa
from alembic import op

from infra.large_tables import add_index

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

WAITING = "state in ('claimed', 'sending')"
QUEUED = f"turn is not null and {WAITING}"
INDEXES = {
    "ix_letters_queue": (["urgency", "turn"], QUEUED),
    "ix_letters_of_a_cause": (["urgency", "cause", "turn"], QUEUED),
    "ix_letters_put_off": (["retry_at"], f"turn is null and {WAITING}"),
    "ix_letters_alike": (["member_id", "kind", "claimed_at"], "state = 'claimed' and attempts = 0 and within is null"),
    "ix_letters_within": (["within"], "within is not null"),
    "ix_letters_latest": (["member_id", "claimed_at"], "within is null"),
}


def upgrade() -> None:
    """A former release writes letters without these columns: a letter without a turn gets one when it is due. All steps
    can be repeated: the indexes are made beside writers, after a commit."""
    op.execute(
        "alter table notifications.letters add column if not exists kind text not null default '',"
        " add column if not exists cause text not null default '', add column if not exists urgency smallint not null default 1,"
        " add column if not exists turn bigint, add column if not exists within text"
    )
    op.create_table(
        "lately",
        sa.Column("member_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("letters", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("member_id", "kind", name=op.f("pk_lately")),
        schema="notifications",
        if_not_exists=True,
    )
    for name, (columns, where) in INDEXES.items():
        add_index(name, "letters", columns, schema="notifications", postgresql_where=sa.text(where))
