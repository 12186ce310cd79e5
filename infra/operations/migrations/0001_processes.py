"""processes, and the figures of all outboxes"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# A function with late binding, not a view, so that migrations of outboxes need not consider it. It runs with its
# owner's rights, so that a process can see the length of a queue without the right to read it.
OUTBOXES = """
create function operations.outboxes()
returns table (service text, waiting bigint, oldest timestamptz, set_aside bigint)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    for service in
        select n.nspname::text
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        join pg_attribute a on a.attrelid = c.oid and a.attname = 'set_aside_at' and not a.attisdropped
        where c.relname = 'outbox' and c.relkind in ('r', 'p')
        order by 1
    loop
        execute format(
            'select (select count(*) from (select from %1$I.outbox'
            ' where published_at is null and set_aside_at is null limit 10000) as counted),'
            ' (select (envelope::jsonb->>''time'')::timestamptz from %1$I.outbox'
            ' where published_at is null and set_aside_at is null order by position limit 1),'
            ' (select count(*) from %1$I.outbox where published_at is null and set_aside_at is not null)',
            service
        ) into waiting, oldest, set_aside;
        return next;
    end loop;
end
$$
"""


def upgrade() -> None:
    op.create_table(
        "processes",
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("groups", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("conditions", postgresql.JSONB(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("process", name=op.f("pk_processes")),
        schema="operations",
        postgresql_with={"fillfactor": 50},
    )
    op.execute(OUTBOXES)
    op.execute("grant usage on schema operations to public")
    op.execute("grant select, insert, update, delete on operations.processes to public")


def downgrade() -> None:
    op.execute("drop function operations.outboxes()")
    op.drop_table("processes", schema="operations")
