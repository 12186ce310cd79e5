"""what a member did in a pool is read from an index, so the state need not keep all that withdrew"""

from sqlalchemy import text

from infra.large_tables import add_index

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_index(
        "ix_log_of_member",
        "log",
        ["pool_id", text("(data->>'member_id')"), "position"],
        schema="pools",
        postgresql_where=text("type in ('PoolMemberEnrolled', 'PoolMemberWithdrew')"),
    )
