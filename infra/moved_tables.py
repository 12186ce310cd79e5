"""Tables that another service owns from a release on, for migrations: the former release, which may run beside it, finds them where they
were."""

from collections.abc import Mapping

from alembic import op
from sqlalchemy import text

from infra.roles import role_of

RIGHTS = "select, insert, update, delete"
IN_USE = "select to_regclass('operations.processes') is not null"
"""Whether a release has run here: the table is made after all others, when a market is made."""


def move_tables(tables: Mapping[str, str], *, former: str, service: str) -> None:
    """Move tables from the schema of ``former`` to that of ``service``; no row is copied. ``tables``: by name, the columns of the view that
    takes the place of the table: "*", and system columns if the former release asks for them. All tables are locked first, in the order
    given: that in which the former release writes them.

    The view acts with the rights of its owner, so the role of ``former`` reaches the rows by it alone. A new market has no view: no
    former release ever worked there.
    """
    names = ", ".join(f"{former}.{table}" for table in tables)
    op.execute(f"lock table {names} in access exclusive mode")
    role = role_of(former)
    views = op.get_bind().scalar(text(IN_USE))
    for table, columns in tables.items():
        op.execute(f"alter table {former}.{table} set schema {service}")
        op.execute(
            f"do $$ begin if to_regrole('{role}') is not null then revoke all on {service}.{table} from {role}; end if; end $$"
        )
        if not views:
            continue
        op.execute(f"create view {former}.{table} as select {columns} from {service}.{table}")
        op.execute(
            f"do $$ begin if to_regrole('{role}') is not null then grant {RIGHTS} on {former}.{table} to {role}; end if; end $$"
        )
