"""equivalents allowed"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STORED = (("contracts", "drafted"), ("deals", "state"))
"""The tables and their columns that say whether the supplier may name equivalents."""


def upgrade() -> None:
    _rename("equivalents", "equivalents_allowed")


def downgrade() -> None:
    _rename("equivalents_allowed", "equivalents")


def _rename(old: str, new: str) -> None:
    for table, column in STORED:
        op.execute(
            f"update contracts.{table} set {column} = ({column} - '{old}')"
            f" || jsonb_build_object('{new}', {column} -> '{old}') where {column} -> '{old}' is not null"
        )
