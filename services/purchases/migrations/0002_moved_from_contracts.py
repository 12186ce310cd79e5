"""requests for purchases, and the offers that they are for, move from contracts to purchases

The rows are not copied. The former release goes on reading and writing them through views with the old names. The views
have the rights of their owner, because the role of the former release no longer has rights on the tables. An answer
that one release gave under a request key is also given by the other. A later release drops the views and the triggers
in this history.
"""

from alembic import op

from infra.moved_tables import move_tables

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = dict.fromkeys(("offers", "purchases"), "*")
ANSWERS = "request_key, answer, answered_at, caller, body_digest"


def upgrade() -> None:
    move_tables(TABLES, former="contracts", service="purchases")
    for here, there in (("contracts", "purchases"), ("purchases", "contracts")):
        op.execute(
            f"create function {here}.answer_alike() returns trigger language plpgsql security definer set search_path = '' as $$"
            f" begin insert into {there}.requests ({ANSWERS}) values"
            f" ({', '.join(f'new.{each}' for each in ANSWERS.split(', '))}) on conflict do nothing; return null; end $$"
        )
        op.execute(
            f"create trigger answer_alike after insert on {here}.requests for each row"
            f" when (new.request_key like 'purchase/%' and pg_trigger_depth() = 0) execute function {here}.answer_alike()"
        )
    op.execute(
        f"insert into purchases.requests ({ANSWERS}) select {ANSWERS} from contracts.requests where request_key like 'purchase/%'"
        " on conflict do nothing"
    )
