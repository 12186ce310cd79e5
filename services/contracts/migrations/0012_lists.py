"""lists, counts and the cheapest offers are answered from indexes"""

from sqlalchemy import text

from infra.large_tables import add_index
from infra.listing import OF_WORDS

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

WORDS = (
    "to_tsvector('simple', coalesce(drafted->>'title', '') || ' ' || coalesce(drafted->>'buyer_name', '')"
    " || ' ' || coalesce(drafted->>'supplier_name', ''))"
)
NUMBER = r"case when {0} ~ '^\d+(\.\d+)?(E[+-]?\d+)?$' then ({0})::numeric end"
PRICE, TIER, VAT = (NUMBER.format(f"(body #>> '{{{path}}}')") for path in ("price", "tiers,-1,price", "vat_rate"))
LEAST = f"least({PRICE}, {TIER}) * case body->>'vat_included' when 'true' then 1 else 1 + {VAT} / 100 end"


def upgrade() -> None:
    latest = [text("coalesce(over_at, drafted_at) desc"), "contract_id"]
    for name, columns in (
        ("ix_contracts_latest", ["state", *latest]),
        ("ix_contracts_of_buyer", ["buyer_id", "state", *latest]),
        ("ix_contracts_of_supplier", ["supplier_id", "state", *latest]),
    ):
        add_index(name, "contracts", columns, schema="contracts")
    turn = ["waits_for", "due_at", "drafted_at", "contract_id"]
    add_index("ix_contracts_turn", "contracts", turn, schema="contracts", postgresql_where=text("waits_for <> ''"))
    add_index("ix_contracts_words", "contracts", [text(WORDS)], schema="contracts", **OF_WORDS)

    for side in ("buyer", "supplier"):
        columns = [f"{side}_id", "due_at", text("requested_at desc"), "process_id"]
        add_index(f"ix_purchases_of_{side}", "purchases", columns, schema="contracts")
        waits = text(f"{side}_waits")
        columns = [f"{side}_id", "due_at", "contract_id"]
        add_index(f"ix_executions_due_from_{side}", "executions", columns, schema="contracts", postgresql_where=waits)
    for status in ("closed", "terminated"):
        where = text(f"state->>'status' = '{status}'")
        add_index(f"ix_executions_{status}", "executions", ["contract_id"], schema="contracts", postgresql_where=where)

    kinds = ["organisation_id", "side", "kind"]
    add_index("ix_facts_of_kind", "facts", [*kinds, text("at desc"), "contract_id"], schema="contracts")
    add_index("ix_performed_of_kind", "performed", kinds, schema="contracts")

    cheapest = ["sku_id", text(f"({LEAST})")]
    add_index("ix_offers_cheapest", "offers", cheapest, schema="contracts", postgresql_where=text("not archived"))
