"""Login and API tokens: checks who a caller is, limits the attempts, and issues the token for all services."""

from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

import msgspec

from infra.database import Transaction
from infra.ids import new_id
from infra.once import Once
from infra.service import Resources
from infra.tokens import SESSION_HOURS, Principal
from services.accounts import passwords, store
from services.accounts.domain import Member, PasswordWrong, checked_password
from services.accounts.turns import TooMany, in_turn, under_way

WINDOW = timedelta(minutes=1)
TRIES = 10
"""The most failed logins per minute for one e-mail address from one network address, so that attempts from elsewhere do
not lock out a member."""
TRIES_PER_EMAIL = 100
"""The same from all network addresses together. An attacker then has 144,000 attempts a day, and common passwords are
not allowed."""
TRIES_PER_ADDRESS = 30
"""The same for one network address and all e-mail addresses. It is higher, because many people of an office may share a
network address."""
KEY_TOKEN_HOURS = 1


class LoginRefused(Exception):
    """One answer for an unknown address, a wrong password, a revoked secret and a closed organisation."""


class TooManyTries(Exception):
    """The caller has to wait a minute."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """``token`` goes into the cookie, or into the header ``Authorization: Bearer``."""

    token: str
    expires_at: datetime
    principal: Principal


async def log_in(resources: Resources, email: str, password: str, address: str) -> Session:
    """Log in. Raise LoginRefused, TooManyTries.

    The attempt is stored before the password is checked, and deleted if it was right: so the limit also holds for a
    thousand simultaneous attempts, and right passwords are not counted. An attempt that would exceed the limit together
    with those in progress is refused at once, so that no login waits behind a thousand attempts for one member.
    """
    email = email.strip().lower()[:254]
    by_email, by_address = ("e-mail", email), ("address", address)
    most = ((("both", email, address), TRIES), (by_email, TRIES_PER_EMAIL), (by_address, TRIES_PER_ADDRESS))
    try:
        with under_way(most):
            async with in_turn(by_address, by_email):
                found, this_try = await _count_try(resources, email, address)
            right = await passwords.matches(password, found[1] if found else None)
    except TooMany:
        raise TooManyTries from None
    if not right or found is None:
        raise LoginRefused
    async with resources.database.transaction("accounts") as tx:
        await store.forgive_try(tx, this_try)
        return await _session(resources, tx, found[0], new_id(), SESSION_HOURS)


async def _count_try(resources: Resources, email: str, address: str) -> tuple[tuple[Member, str] | None, int]:
    """Store the attempt. Return the member with that address, the hash of its password, and the number of the attempt.
    Raise TooManyTries."""
    async with resources.database.transaction("accounts") as tx:
        # two name spaces, because an e-mail address can look like a network address; they are locked in this order
        # everywhere
        await store.hold(tx, "try of e-mail", email)
        await store.hold(tx, "try from address", address)
        failed = await store.tries(tx, email, address, tx.now - WINDOW)
        if failed.of_both >= TRIES or failed.by_email >= TRIES_PER_EMAIL or failed.by_address >= TRIES_PER_ADDRESS:
            raise TooManyTries
        this_try = await store.add_try(tx, email, address)
        return await store.member_by_email(tx, email), this_try


async def token_for_secret(resources: Resources, secret: str) -> Session:
    """A token for the holder of an API secret. Raise LoginRefused."""
    async with resources.database.transaction("accounts") as tx:
        key = await store.use_key(tx, passwords.digest(secret))
        member = await store.member(tx, key.member_id) if key else None
        if key is None or member is None:
            raise LoginRefused
        return await _session(resources, tx, member, key.key_id, KEY_TOKEN_HOURS)


async def change_password(
    resources: Resources, principal: Principal, current: str, password: str, address: str, request_key: str = ""
) -> None:
    """Raise PasswordWrong, TooManyTries, KeyReused and the errors of a bad password. Open sessions remain valid until
    they expire."""

    def keyed(tx: Transaction) -> AbstractAsyncContextManager[Once[bool]]:
        body = (current, password)
        return tx.once("password", request_key, caller=principal.member_id, body=body, answer=bool)

    async with resources.database.transaction("accounts") as tx, keyed(tx) as once:
        if once.answered:
            return
        member = await store.member(tx, principal.member_id)
    if member is None:
        raise PasswordWrong("This is not your current password.", field="current")
    checked_password(password, member.email, member.name)
    try:
        await log_in(resources, member.email, current, address)
    except LoginRefused:
        raise PasswordWrong("This is not your current password.", field="current") from None
    password_hash = await passwords.hashed(password)
    async with resources.database.transaction("accounts") as tx, keyed(tx) as once:
        if once.first:
            await store.save_password(tx, member.member_id, password_hash)
            once.answer = True


async def _session(resources: Resources, tx: Transaction, member: Member, token_id: str, hours: int) -> Session:
    organisation = await store.organisation(tx, member.organisation_id)
    assert organisation is not None, "a member's organisation is there by foreign key"
    if organisation.state == "closed":
        raise LoginRefused
    principal = Principal(
        member_id=member.member_id,
        name=member.name,
        organisation_id=organisation.organisation_id,
        organisation_name=organisation.name,
        roles=member.roles,
        country=organisation.place.country or "",
        region=organisation.place.region or "",
        language=member.language,
        token_id=token_id,
    )
    return Session(
        token=resources.tokens.issue(principal, tx.now, hours=hours),
        expires_at=tx.now + timedelta(hours=hours),
        principal=principal,
    )
