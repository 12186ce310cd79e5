"""For migrations: moves tables to another service. The former release, which may run beside this one, still finds them
in their former place."""

from collections.abc import Mapping

from alembic import op
from sqlalchemy import text

from infra.roles import role_of

RIGHTS = "select, insert, update, delete"
IN_USE = "select to_regclass('operations.processes') is not null"
"""Tells whether a release has run here: when a market is made, this table is made after all others."""


def move_tables(tables: Mapping[str, str], *, former: str, service: str) -> None:
    """Move tables from the schema of ``former`` to that of ``service``; no row is copied. ``tables``: by name, the
    columns of the view that replaces the table: "*", and system columns if the former release asks for them. All tables
    are locked first, in the order given, in which the former release writes them.

    The view acts with the rights of its owner, so the role of ``former`` reaches the rows only through it. A new market
    has no view, because no former release ever ran in it.
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
