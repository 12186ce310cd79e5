"""reference prices that a later version replaced in another place or currency end

A former release published the later version and withdrew nothing. An item has had one reference at a time, so only its
highest version is in force.
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "delete from auctions.reference_prices r using (select sku_id, max(version) as version"
        " from auctions.reference_prices group by sku_id having count(*) > 1) as newest"
        " where r.sku_id = newest.sku_id and r.version < newest.version"
    )
