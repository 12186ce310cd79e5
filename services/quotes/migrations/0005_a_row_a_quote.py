"""each quote has a row of its own, and is no longer in the request's state

The former release knows only quotes in the state. A request that it opened stays readable in that form (``kept_apart``
is null), through the view ``sealed``, which shows both forms alike. The first act of this release on such a request
moves its quotes into rows. After that the former release's timer does not see the request (``attend_at`` takes the
place of ``due_at``), and its writes are refused as if the row were locked: it tries again, or answers 503, until a
process of this release does the act. So no release ends a request without its quotes.
"""

import sqlalchemy as sa
from alembic import op

from infra.large_tables import add_index

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SEALED = """
create or replace view quotes.sealed as
select q.request_id, q.supplier_id, q.quote_id, q.version, q.amount, q.vat_rate, q.delivery_days, q.arrived_at, q.withdrawn, q.number,
       v.body
from quotes.quotes q left join quotes.versions v using (request_id, supplier_id, version)
union all
select r.request_id, each.key, each.value->>'quote_id', (each.value->>'version')::int, (each.value->>'amount')::numeric,
       (each.value->>'vat_rate')::numeric, (each.value->>'delivery_days')::int, (each.value->>'arrived_at')::timestamptz,
       coalesce((each.value->>'withdrawn')::boolean, false), (r.state->'numbers'->>each.key)::int, each.value
from quotes.quote_requests r cross join lateral jsonb_each(r.state->'quotes') each
where r.kept_apart is null
"""
WAIT_FOR_THE_NEWER = """
create or replace function quotes.wait_for_the_newer_release() returns trigger language plpgsql as $$
begin
    raise exception 'the quotes of request % are kept by a newer release, which alone may change it', old.request_id
        using errcode = 'lock_not_available';
end $$
"""


def upgrade() -> None:
    op.execute("alter table quotes.quote_requests add column if not exists attend_at timestamptz")
    op.execute("alter table quotes.quote_requests add column if not exists quoted integer not null default 0")
    op.execute("alter table quotes.quote_requests add column if not exists kept_apart bigint")
    op.create_table(
        "quotes",
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("supplier_id", sa.Text(), nullable=False),
        sa.Column("quote_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("vat_rate", sa.Numeric(), nullable=False),
        sa.Column("delivery_days", sa.Integer(), nullable=False),
        sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["request_id"], ["quotes.quote_requests.request_id"], name=op.f("fk_quotes_request_id")
        ),
        sa.PrimaryKeyConstraint("request_id", "supplier_id", name=op.f("pk_quotes")),
        schema="quotes",
        if_not_exists=True,
    )
    op.execute(SEALED)
    op.execute(WAIT_FOR_THE_NEWER)
    op.execute(
        "create or replace trigger kept_by_the_newer_release before update of state on quotes.quote_requests for each row"
        " when (old.kept_apart is not null and new.kept_apart is not distinct from old.kept_apart and new.version <> old.version)"
        " execute function quotes.wait_for_the_newer_release()"
    )
    add_index(
        "ix_quote_requests_attend",
        "quote_requests",
        ["attend_at"],
        schema="quotes",
        postgresql_where=sa.text("attend_at is not null"),
    )
