"""items are found and listed from indexes: the grade of each, and the words of those with prices in a table of their own

Triggers maintain both, so they are right whichever release writes an item. An item changes with each price, but its
words do not: in a separate table, the index of words is written only once.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import text

from infra.large_tables import add_index
from infra.listing import OF_WORDS

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

AT_ONCE = 2_000
"""Items that are locked at a time while items of a former release are completed."""

KEEP_GRADE = """
create or replace function observatory.keep_grade() returns trigger language plpgsql as $$
begin
    new.grade := (select grade from observatory.snapshots where reference_id = new.reference_id);
    return new;
end $$
"""
GRADED = """
create or replace trigger keep_grade before update of reference_id on observatory.items for each row
when (new.reference_id is distinct from old.reference_id or (new.grade is null and new.reference_id is not null))
execute function observatory.keep_grade()
"""
KEEP_LISTED = """
create or replace function observatory.keep_listed() returns trigger language plpgsql as $$
begin
    if new.observations > 0 then
        insert into observatory.listed (item_key, words, category_code) values (new.item_key, new.words, new.category_code)
        on conflict (item_key) do update set words = excluded.words, category_code = excluded.category_code;
    else
        delete from observatory.listed where item_key = new.item_key;
    end if;
    return null;
end $$
"""
LISTED_FIRST = """
create or replace trigger keep_listed_first after insert on observatory.items for each row
when (new.observations > 0) execute function observatory.keep_listed()
"""
LISTED = """
create or replace trigger keep_listed after update of words, category_code, observations on observatory.items for each row
when ((old.observations > 0) <> (new.observations > 0) or (new.observations > 0
and (new.words <> old.words or new.category_code <> old.category_code)))
execute function observatory.keep_listed()
"""
GRADE_SOME = """
with portion as (
    select item_key from observatory.items where item_key > :after and item_key <= :last
    and reference_id is not null and grade is null order by item_key for update
)
update observatory.items i set reference_id = i.reference_id from portion where i.item_key = portion.item_key
"""
LIST_SOME = """
insert into observatory.listed (item_key, words, category_code)
select item_key, words, category_code from observatory.items
where item_key > :after and item_key <= :last and observations > 0 on conflict do nothing
"""
LAST_OF_SOME = """
select max(item_key) from (
    select item_key from observatory.items where item_key > :after order by item_key limit :most
) portion
"""


def upgrade() -> None:
    op.add_column("items", sa.Column("grade", sa.Text()), schema="observatory", if_not_exists=True)
    op.create_table(
        "listed",
        sa.Column("item_key", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("category_code", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("item_key", name=op.f("pk_listed")),
        schema="observatory",
        if_not_exists=True,
    )
    for statement in (KEEP_GRADE, GRADED, KEEP_LISTED, LISTED_FIRST, LISTED):
        op.execute(statement)
    with op.get_context().autocommit_block():
        _catch_up()
    with_prices = text("observations > 0")
    order = [text("observations desc"), "item_key"]
    add_index(
        "ix_items_listed",
        "items",
        [text("(reference_id is null)"), *order],
        schema="observatory",
        postgresql_where=with_prices,
    )
    add_index("ix_items_of_grade", "items", ["grade", *order], schema="observatory", postgresql_where=with_prices)
    add_index("ix_listed_words", "listed", [text("to_tsvector('simple', words)")], schema="observatory", **OF_WORDS)
    add_index("ix_listed_category", "listed", [text("category_code text_pattern_ops")], schema="observatory")
    with op.get_context().autocommit_block():
        op.drop_index("ix_items_size", "items", schema="observatory", if_exists=True, postgresql_concurrently=True)


def _catch_up() -> None:
    """Give existing items what the triggers give to new ones, in portions, so that no item is locked for long."""
    database = op.get_bind()
    after = ""
    while last := database.scalar(text(LAST_OF_SOME), {"after": after, "most": AT_ONCE}):
        for statement in (GRADE_SOME, LIST_SOME):
            database.execute(text(statement), {"after": after, "last": last})
        after = last
