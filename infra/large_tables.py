"""Changes of tables that can be large, for migrations: whoever reads and writes beside them goes on.

An index that is made in the usual way keeps all writers out until it is whole: bids, for as long as the table is large.
"""

from collections.abc import Sequence
from typing import Any

from alembic import op
from sqlalchemy import TextClause

PATIENCE = "10min"
"""How long such a change waits for transactions that began before it. Nobody waits for it meanwhile."""


def add_index(name: str, table: str, columns: Sequence[str | TextClause], *, schema: str, **options: Any) -> None:
    """Make an index beside writers. What the migration did before is committed first, so a migration that was interrupted begins
    again: it contains nothing that cannot be done twice. Half an index, as an interrupted try leaves it, is replaced."""
    with op.get_context().autocommit_block():
        op.execute(f"set lock_timeout = '{PATIENCE}'")
        op.drop_index(name, table, schema=schema, if_exists=True, postgresql_concurrently=True)
        op.create_index(name, table, columns, schema=schema, postgresql_concurrently=True, **options)
