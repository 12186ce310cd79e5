"""an observation that was judged is stored packed

The former release does not read the table. Unpacked rows are still read.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("judged", sa.Column("packed", sa.LargeBinary()), schema="observatory", if_not_exists=True)
    op.alter_column("judged", "body", nullable=True, schema="observatory")
