"""references that the former release replaced, or withdrew by the id of another version, are ended

A former release published the next reference of an item for another place without the end of the former one, and withdrew
a reference by the id of a version that was never published. Other services kept such references in force. Every item that
had a reference when this release began, or whose published reference ends, waits in ``ends_due`` until the ends of its
former references are published, and published again some time later: while both releases run, a worker of the former one
may get the first event, and it ends only the version that the event names.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

NOTE = """
create or replace function observatory.note_ends() returns trigger language plpgsql as $$
begin
    if not new.published
    or (select (currency, level, place_code) from observatory.snapshots where reference_id = new.reference_id)
    is distinct from (select (currency, level, place_code) from observatory.snapshots where reference_id = old.reference_id) then
        insert into observatory.ends_due (item_key) values (new.item_key)
        on conflict (item_key) do update set due_at = excluded.due_at, repeats = excluded.repeats;
    end if;
    return null;
end $$
"""
NOTED = """
create or replace trigger note_ends after update of reference_id, published on observatory.items for each row
when (new.sku_id is not null and old.published
and (new.reference_id, new.published) is distinct from (old.reference_id, old.published))
execute function observatory.note_ends()
"""
FORMER = """
insert into observatory.ends_due (item_key) select item_key from observatory.items i
where sku_id is not null and exists (select from observatory.snapshots s where s.item_key = i.item_key)
on conflict do nothing
"""


def upgrade() -> None:
    op.create_table(
        "ends_due",
        sa.Column("item_key", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("repeats", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("item_key", name=op.f("pk_ends_due")),
        schema="observatory",
        if_not_exists=True,
    )
    op.create_index("ix_ends_due", "ends_due", ["due_at"], schema="observatory", if_not_exists=True)
    for statement in (NOTE, NOTED, FORMER):
        op.execute(statement)
