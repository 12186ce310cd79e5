"""API keys, and logins that failed. SQL is written by hand here for lists."""

from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
from sqlalchemy import delete, func, or_
from sqlmodel import col, select

from infra.database import Transaction
from infra.reading import listed, read_one
from services.accounts.store.rows import ApiKeyRow, TryRow, read


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    key_id: str
    member_id: str
    name: str
    made_at: datetime
    used_at: datetime | None


def add_key(tx: Transaction, key: ApiKey, digest: str) -> None:
    tx.session.add(ApiKeyRow(**msgspec.structs.asdict(key), digest=digest))


async def keys_of(tx: Transaction, member_id: str) -> list[ApiKey]:
    query = (
        select(ApiKeyRow)
        .where(ApiKeyRow.member_id == member_id, col(ApiKeyRow.revoked_at).is_(None))
        .order_by(col(ApiKeyRow.made_at))
    )
    return listed("API key", await tx.session.exec(query), lambda row: row.key_id, _key)


async def use_key(tx: Transaction, digest: str) -> ApiKey | None:
    row = (
        await tx.session.exec(select(ApiKeyRow).where(ApiKeyRow.digest == digest, col(ApiKeyRow.revoked_at).is_(None)))
    ).first()
    if row is None:
        return None
    row.used_at = tx.now
    return read_one("API key", row.key_id, _key, row)


def _key(row: ApiKeyRow) -> ApiKey:
    return read(row, ApiKey)


async def revoke_key(tx: Transaction, member_id: str, key_id: str) -> bool:
    row = await tx.session.get(ApiKeyRow, key_id)
    if row is None or row.member_id != member_id:
        return False
    row.revoked_at = row.revoked_at or tx.now
    return True


async def forget_revoked_keys(tx: Transaction, member_id: str, kept: int) -> None:
    """Delete all revoked keys of the member except the last ones."""
    await (await tx.raw()).execute(
        "delete from accounts.api_keys where key_id = any(select key_id from accounts.api_keys"
        " where member_id = $1 and revoked_at is not null order by revoked_at desc, key_id offset $2)",
        member_id,
        kept,
    )


class Tries(NamedTuple):
    """The numbers of failed logins since an instant."""

    of_both: int
    """For this e-mail address, from this network address."""
    by_email: int
    by_address: int


async def tries(tx: Transaction, email: str, address: str, since: datetime) -> Tries:
    query = select(
        func.count().filter(col(TryRow.email) == email, col(TryRow.address) == address),
        func.count().filter(col(TryRow.email) == email),
        func.count().filter(col(TryRow.address) == address),
    ).where(or_(col(TryRow.email) == email, col(TryRow.address) == address), col(TryRow.tried_at) > since)
    return Tries(*(await tx.session.exec(query)).one())


async def add_try(tx: Transaction, email: str, address: str) -> int:
    row = TryRow(email=email, address=address, tried_at=tx.now)
    tx.session.add(row)
    await tx.session.flush()
    assert row.try_id is not None
    return row.try_id


async def forgive_try(tx: Transaction, try_id: int) -> None:
    await tx.session.exec(delete(TryRow).where(col(TryRow.try_id) == try_id))


async def forget_tries(tx: Transaction, age: timedelta) -> None:
    await tx.session.exec(delete(TryRow).where(col(TryRow.tried_at) < tx.now - age))
