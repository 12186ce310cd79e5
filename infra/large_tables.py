"""Changes of tables that can be large, for migrations. Other processes can read and write meanwhile.

An index that is made in the usual way blocks all writers until it is complete, for instance bids, and on a large table
that takes long.
"""

from collections.abc import Sequence
from typing import Any

from alembic import op
from sqlalchemy import TextClause

PATIENCE = "10min"
"""How long such a change waits for transactions that began before it. Nothing else waits meanwhile."""


def add_index(name: str, table: str, columns: Sequence[str | TextClause], *, schema: str, **options: Any) -> None:
    """Make an index while others write. The earlier steps of the migration are committed first, and an interrupted
    migration is repeated from its beginning: so all its steps must be repeatable. An incomplete index of an interrupted
    try is replaced."""
    with op.get_context().autocommit_block():
        op.execute(f"set lock_timeout = '{PATIENCE}'")
        op.drop_index(name, table, schema=schema, if_exists=True, postgresql_concurrently=True)
        op.create_index(name, table, columns, schema=schema, postgresql_concurrently=True, **options)
