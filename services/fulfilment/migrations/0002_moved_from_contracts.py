"""executions and their history move from contracts to fulfilment

The rows are not copied. The former release goes on reading and writing them through views with the old names. The views
have the rights of their owner, because the role of the former release no longer has rights on the tables. The former
release compares the system columns of a row to see whether it was written since; a view has them if it names them. Both
tables are locked first, in the order in which the former release writes them, to avoid a deadlock. An answer that one
release gave under a request key is also given by the other. A later release drops the views and the triggers in this
history.
"""

from alembic import op

from infra.moved_tables import move_tables

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = {"executions": "*, xmin, ctid", "execution_events": "*"}
ANSWERS = "request_key, answer, answered_at, caller, body_digest"


def upgrade() -> None:
    move_tables(TABLES, former="contracts", service="fulfilment")
    for here, there in (("contracts", "fulfilment"), ("fulfilment", "contracts")):
        op.execute(
            f"create function {here}.answer_executions_alike() returns trigger language plpgsql security definer set search_path = ''"
            f" as $$ begin insert into {there}.requests ({ANSWERS}) values"
            f" ({', '.join(f'new.{each}' for each in ANSWERS.split(', '))}) on conflict do nothing; return null; end $$"
        )
        op.execute(
            f"create trigger answer_executions_alike after insert on {here}.requests for each row"
            " when (new.request_key like 'execution/%' and pg_trigger_depth() = 0)"
            f" execute function {here}.answer_executions_alike()"
        )
    op.execute(
        f"insert into fulfilment.requests ({ANSWERS}) select {ANSWERS} from contracts.requests where request_key like 'execution/%'"
        " on conflict do nothing"
    )
