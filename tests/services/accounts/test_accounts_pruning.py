"""Which invitations and API secrets are kept."""

from infra.config import Keep
from infra.ids import new_id
from infra.pruning import Pruner
from services.accounts.store.pruning import PRUNES
from tests.market import Market
from tests.services.accounts.test_accounts import registered


async def test_lapsed_invitations_and_revoked_secrets_go_and_those_in_use_stay(market: Market) -> None:
    ours = new_id()
    async with market.client() as client:
        _, joined = await registered(client)
    member = joined["member_id"]
    for name, lapsed in (("old", "31 days"), ("lapsed", "29 days"), ("open", "-2 days")):
        await market.fetch(
            "insert into accounts.invitations (digest, organisation_id, name, email, roles, language, expires_at)"
            f" values ($1, $2, '', '', '{{}}', 'en', now() - interval '{lapsed}')",
            f"{name}-{ours}",
            ours,
        )
    for name, revoked in (("old", "now() - interval '31 days'"), ("revoked", "now()"), ("used", "null")):
        await market.fetch(
            "insert into accounts.api_keys (key_id, member_id, name, digest, made_at, revoked_at)"
            f" values ($1, $2, '', $1, now() - interval '1 year', {revoked})",
            f"{name}-{ours}",
            member,
        )
    pruner = Pruner("accounts", [], Keep(), PRUNES)
    while True:
        async with market.resources.database.transaction("accounts") as tx:
            if not await pruner.step(tx):
                break
    kept = await market.fetch(
        "select digest from accounts.invitations where organisation_id = $1"
        " union all select digest from accounts.api_keys where member_id = $2",
        ours,
        member,
    )
    assert {row["digest"].removesuffix(f"-{ours}") for row in kept} == {"lapsed", "open", "revoked", "used"}
