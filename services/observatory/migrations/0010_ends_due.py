"""references that the former release replaced, or withdrew by the id of another version, are ended

A former release published the next reference of an item for another place without the end of the former one, and withdrew
a reference by the id of a version that was never published. Other services kept such references in force. Every item that
had a reference when this release began, or gets another one from the former release while both run, waits in ``ends_due``
until the ends of its former references are published.
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
    if coalesce(current_setting('observatory.publishes_ends', true), '') <> 'on' then
        insert into observatory.ends_due (item_key) values (new.item_key) on conflict do nothing;
    end if;
    return null;
end $$
"""
NOTED = """
create or replace trigger note_ends after update of reference_id, published on observatory.items for each row
when (new.sku_id is not null and (new.reference_id, new.published) is distinct from (old.reference_id, old.published))
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
        sa.PrimaryKeyConstraint("item_key", name=op.f("pk_ends_due")),
        schema="observatory",
        if_not_exists=True,
    )
    for statement in (NOTE, NOTED, FORMER):
        op.execute(statement)
