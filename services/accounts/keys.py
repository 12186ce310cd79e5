"""API secrets of programs: they are made, shown once, and revoked."""

from catalogue.rules import RuleBroken
from infra.database import Transaction
from infra.denied import Missing
from infra.ids import new_id
from infra.tokens import Principal
from services.accounts import passwords, store
from services.accounts.domain import MOST_KEYS, checked_name

REVOKED_KEPT = 50
"""The most revoked secrets that are kept for one member. Older ones are deleted when it makes a new one, so that their
number stays bounded."""


class MemberUnknown(Exception):
    """The token is valid, but its member does not exist in this market: it was made by another market with the same
    keys."""

    def __init__(self) -> None:
        super().__init__("This token is of a member that is not known here. Log in again.")


class TooManyKeys(RuleBroken):
    """The request can be sent again after a secret was revoked."""

    code = "too-many-api-secrets"


async def make_key(tx: Transaction, principal: Principal, name: str, request_key: str = "") -> str:
    """Make the secret of a program. It is returned only now, and to a repeat of the request. Raise MemberUnknown,
    KeyReused, TooManyKeys."""
    if await store.member(tx, principal.member_id) is None:
        raise MemberUnknown
    async with tx.once("key", request_key, caller=principal.member_id, body=name, answer=str) as once:
        secret = passwords.secret_of("lonja", once.random)
        if once.first:
            await _require_room(tx, principal.member_id)
            key = store.ApiKey(
                key_id=new_id(),
                member_id=principal.member_id,
                name=checked_name(name, "key_name"),
                made_at=tx.now,
                used_at=None,
            )
            store.add_key(tx, key, passwords.digest(secret))
            await store.forget_revoked_keys(tx, principal.member_id, REVOKED_KEPT)
            once.answer = key.key_id
    return secret


async def _require_room(tx: Transaction, member_id: str) -> None:
    await store.hold(tx, "keys of", member_id)
    keys = len(await store.keys_of(tx, member_id))
    if keys >= MOST_KEYS:
        raise TooManyKeys(
            f"You have {keys} API secrets, and at most {MOST_KEYS} are possible: revoke one that no program uses any more.",
            field="key_name",
            keys=keys,
            most=MOST_KEYS,
        )


async def revoke_key(tx: Transaction, principal: Principal, key_id: str) -> None:
    """Revoke one of the member's own keys. A repeat changes nothing. Raise Missing."""
    if not await store.revoke_key(tx, principal.member_id, key_id):
        raise Missing("API key", key_id)
