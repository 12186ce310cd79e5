"""open invitations of an organisation are counted by an index"""

from infra.large_tables import add_index

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    columns = ["organisation_id", "expires_at"]
    add_index("ix_invitations_organisation_id_expires_at", "invitations", columns, schema="accounts")
