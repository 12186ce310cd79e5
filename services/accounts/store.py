"""Rows of accounts. Passwords and secrets are here as hashes, and nowhere else."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Numeric, Text, delete, func, or_, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, col, select

from events.accounts import OrganisationRegistered
from events.contracts import ContractConcluded, ContractEnded
from infra.database import Transaction, columns, schema_rows
from infra.reading import Unreadable, listed, read_one, readable
from services.accounts.domain import BY_HAND, Member, Organisation, Suspension

Row = schema_rows("accounts")
Value = TypeVar("Value", bound=msgspec.Struct)


class OrganisationRow(Row, table=True):
    __tablename__ = "organisations"
    __table_args__ = (
        Index(
            "uq_organisations_own_identifier",
            "identifier_scheme",
            "identifier",
            unique=True,
            postgresql_where=text("not imported and identifier <> ''"),
        ),
        Index(None, "imported", "name"),
    )

    organisation_id: str = Field(primary_key=True, sa_type=Text)
    name: str = Field(sa_type=Text)
    roles: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    state: str = Field(sa_type=Text)
    identifier_scheme: str = Field(sa_type=Text)
    identifier: str = Field(sa_type=Text)
    place: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    time_zone: str = Field(sa_type=Text)
    language: str = Field(sa_type=Text)
    categories: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    suspended_until: datetime | None = Field(default=None, sa_type=DateTime(timezone=True), index=True)
    imported: bool
    registered_at: datetime = Field(sa_type=DateTime(timezone=True))


class SuspensionRow(Row, table=True):
    """Why an organisation is suspended, each reason with its end; one that was lifted ends when it was."""

    __tablename__ = "suspensions"

    organisation_id: str = Field(primary_key=True, sa_type=Text)
    suspension_id: str = Field(primary_key=True, sa_type=Text)
    reason: str = Field(sa_type=Text)
    until: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))


class MemberRow(Row, table=True):
    __tablename__ = "members"

    member_id: str = Field(primary_key=True, sa_type=Text)
    organisation_id: str = Field(sa_type=Text, foreign_key="accounts.organisations.organisation_id", index=True)
    name: str = Field(sa_type=Text)
    email: str = Field(sa_type=Text, unique=True)
    roles: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    language: str = Field(sa_type=Text)
    password: str = Field(sa_type=Text)
    joined_at: datetime = Field(sa_type=DateTime(timezone=True))


class InvitationRow(Row, table=True):
    __tablename__ = "invitations"

    digest: str = Field(primary_key=True, sa_type=Text)
    organisation_id: str = Field(sa_type=Text)
    name: str = Field(sa_type=Text)
    email: str = Field(sa_type=Text)
    roles: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    language: str = Field(sa_type=Text)
    expires_at: datetime = Field(sa_type=DateTime(timezone=True))


class ApiKeyRow(Row, table=True):
    __tablename__ = "api_keys"

    key_id: str = Field(primary_key=True, sa_type=Text)
    member_id: str = Field(sa_type=Text, foreign_key="accounts.members.member_id", index=True)
    name: str = Field(sa_type=Text)
    digest: str = Field(sa_type=Text, unique=True)
    made_at: datetime = Field(sa_type=DateTime(timezone=True))
    used_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    revoked_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))


class TryRow(Row, table=True):
    __tablename__ = "tries"

    try_id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    email: str = Field(sa_type=Text, index=True)
    address: str = Field(sa_type=Text, index=True)
    tried_at: datetime = Field(sa_type=DateTime(timezone=True), index=True)


class ContractRow(Row, table=True):
    __tablename__ = "contracts"

    contract_id: str = Field(primary_key=True, sa_type=Text)
    process_id: str = Field(sa_type=Text)
    buyer_id: str = Field(sa_type=Text, index=True)
    buyer_name: str = Field(sa_type=Text)
    supplier_id: str = Field(sa_type=Text, index=True)
    supplier_name: str = Field(sa_type=Text)
    title: str = Field(sa_type=Text)
    currency: str | None = Field(default=None, sa_type=Text)
    amount: Decimal | None = Field(default=None, sa_type=Numeric)
    signed_at: datetime = Field(sa_type=DateTime(timezone=True))
    imported: bool


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    key_id: str
    member_id: str
    name: str
    made_at: datetime
    used_at: datetime | None


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    organisation_id: str
    name: str
    email: str
    roles: tuple[str, ...]
    language: str
    expires_at: datetime


class Deal(msgspec.Struct, frozen=True, kw_only=True):
    """A concluded contract as the public card of an organisation shows it."""

    contract_id: str
    title: str
    partner_id: str
    partner_name: str
    currency: str | None
    amount: Decimal | None
    signed_at: datetime
    imported: bool


def _read(row: object, shape: type[Value]) -> Value:
    """A row as a value: lists become tuples, JSON becomes structs."""
    return msgspec.convert(row, shape, from_attributes=True)


def _organisation(row: object) -> Organisation:
    return _read(row, Organisation)


def _member(row: object) -> Member:
    return _read(row, Member)


# Organisations


async def organisation(tx: Transaction, organisation_id: str, *, lock: bool = False) -> Organisation | None:
    row = await tx.session.get(OrganisationRow, organisation_id, with_for_update=lock or None)
    return read_one("organisation", row.organisation_id, _organisation, row) if row else None


async def own_organisation(
    tx: Transaction, *, name: str = "", identifier: tuple[str, str] = ("", "")
) -> Organisation | None:
    """A registered (not imported) organisation by its identifier, or by its exact name."""
    scheme, number = identifier
    same = (
        (OrganisationRow.identifier_scheme == scheme) & (OrganisationRow.identifier == number)
        if number
        else OrganisationRow.name == name
    )
    query = select(OrganisationRow).where(same, OrganisationRow.imported.is_(False)).limit(1)
    row = (await tx.session.exec(query)).first()
    return read_one("organisation", row.organisation_id, _organisation, row) if row else None


async def find_organisations(tx: Transaction, words: str, limit: int) -> list[Organisation]:
    """Own ones first, then by name. ``words`` is the beginning of the name, or of a word in it."""
    query = select(OrganisationRow).order_by(OrganisationRow.imported, OrganisationRow.name).limit(limit)
    if words:
        name = func.lower(OrganisationRow.name)
        query = query.where(
            or_(name.startswith(words.lower(), autoescape=True), name.contains(" " + words.lower(), autoescape=True))
        )
    rows = await tx.session.exec(query)
    return listed("organisation", rows, lambda row: row.organisation_id, _organisation)


def add_organisation(tx: Transaction, new: Organisation) -> None:
    tx.session.add(
        OrganisationRow(
            **{
                name: getattr(new, name)
                for name in ("organisation_id", "name", "state", "identifier_scheme", "identifier")
            },
            roles=list(new.roles),
            place=msgspec.to_builtins(new.place),
            time_zone=new.time_zone,
            language=new.language,
            categories=msgspec.to_builtins(new.categories),
            imported=False,
            registered_at=tx.now,
        )
    )


async def save_state(tx: Transaction, organisation_id: str, state: str, until: datetime | None) -> None:
    row = await tx.session.get_one(OrganisationRow, organisation_id)
    row.state, row.suspended_until = state, until


async def suspensions(tx: Transaction, organisation_id: str) -> list[Suspension]:
    rows = await (await tx.raw()).fetch(
        "select suspension_id, reason, until from accounts.suspensions where organisation_id = $1", organisation_id
    )
    return [Suspension(**dict(row)) for row in rows]


async def put_suspension(tx: Transaction, organisation_id: str, suspension: Suspension) -> None:
    """The later said holds; a sanction that was lifted stays lifted."""
    await (await tx.raw()).execute(
        "insert into accounts.suspensions as old (organisation_id, suspension_id, reason, until) values ($1, $2, $3, $4)"
        " on conflict (organisation_id, suspension_id) do update set reason = excluded.reason, until = excluded.until"
        " where old.suspension_id = $5 or excluded.until < old.until",
        organisation_id,
        suspension.suspension_id,
        suspension.reason,
        suspension.until,
        BY_HAND,
    )


async def end_suspension(tx: Transaction, organisation_id: str, suspension_id: str) -> bool:
    """Whether there was one."""
    ended = await (await tx.raw()).fetchval(
        "delete from accounts.suspensions where organisation_id = $1 and suspension_id = $2 returning true",
        organisation_id,
        suspension_id,
    )
    return bool(ended)


async def suspensions_over(
    tx: Transaction, limit: int, but: Sequence[str] = ()
) -> list[Organisation | Unreadable[str]]:
    query = (
        select(OrganisationRow)
        .where(
            OrganisationRow.state == "suspended",
            OrganisationRow.suspended_until <= tx.now,
            col(OrganisationRow.organisation_id).not_in(but),
        )
        .with_for_update(skip_locked=True)
        .limit(limit)
    )
    rows = await tx.session.exec(query)
    return readable(rows, lambda row: row.organisation_id, _organisation)


async def put_imported(tx: Transaction, events: Sequence[OrganisationRegistered]) -> None:
    """The later particulars hold, and the roles of all. An organisation that registered here is never overwritten."""
    last = {event.organisation_id: event for event in events}
    roles: dict[str, set[str]] = {}
    for event in events:
        roles.setdefault(event.organisation_id, set()).update(event.roles)
    if not last:
        return
    rows = [
        (
            event.organisation_id,
            event.name,
            ",".join(sorted(roles[event.organisation_id])),
            event.state,
            event.identifier_scheme,
            event.identifier,
            msgspec.json.encode(event.place).decode(),
            event.time_zone,
            event.language,
            msgspec.json.encode(event.categories).decode(),
        )
        for event in last.values()
    ]
    await (await tx.raw()).execute(
        """insert into accounts.organisations as old (organisation_id, name, roles, state, identifier_scheme, identifier,
               place, time_zone, language, categories, imported, registered_at)
           select id, name, string_to_array(roles, ','), state, scheme, identifier, place::jsonb, time_zone, language,
               categories::jsonb, true, $11
           from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
               $9::text[], $10::text[])
               as told (id, name, roles, state, scheme, identifier, place, time_zone, language, categories)
           on conflict (organisation_id) do update set name = excluded.name, identifier_scheme = excluded.identifier_scheme,
               identifier = excluded.identifier, place = excluded.place, time_zone = excluded.time_zone,
               language = excluded.language, categories = excluded.categories,
               roles = array(select distinct unnest(old.roles || excluded.roles) order by 1)
           where old.imported""",
        *columns(rows),
        tx.now,
    )


# Members, invitations, API keys


async def member(tx: Transaction, member_id: str) -> Member | None:
    row = await tx.session.get(MemberRow, member_id)
    return read_one("member", row.member_id, _member, row) if row else None


async def member_by_email(tx: Transaction, email: str) -> tuple[Member, str] | None:
    """The member and the hash of its password."""
    row = (await tx.session.exec(select(MemberRow).where(MemberRow.email == email))).first()
    return (read_one("member", row.member_id, _member, row), row.password) if row else None


async def password_of(tx: Transaction, member_id: str) -> str | None:
    row = await tx.session.get(MemberRow, member_id)
    return row.password if row else None


async def save_password(tx: Transaction, member_id: str, password_hash: str) -> None:
    (await tx.session.get_one(MemberRow, member_id)).password = password_hash


async def members_of(tx: Transaction, organisation_id: str) -> list[Member]:
    query = select(MemberRow).where(MemberRow.organisation_id == organisation_id).order_by(MemberRow.name)
    rows = await tx.session.exec(query)
    return listed("member", rows, lambda row: row.member_id, _member)


def add_member(tx: Transaction, new: Member, password_hash: str) -> None:
    tx.session.add(
        MemberRow(**msgspec.to_builtins(new) | {"roles": list(new.roles)}, password=password_hash, joined_at=tx.now)
    )


async def hold(tx: Transaction, kind: str, name: str) -> None:
    """Whoever else holds the same name (an e-mail address, an identifier) waits until this transaction ends."""
    await (await tx.raw()).execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", f"accounts/{kind}/{name}")


def add_invitation(tx: Transaction, digest: str, invitation: Invitation) -> None:
    tx.session.add(
        InvitationRow(digest=digest, **msgspec.structs.asdict(invitation) | {"roles": list(invitation.roles)})
    )


async def invitation(tx: Transaction, digest: str, *, take: bool = False) -> Invitation | None:
    """``take`` removes it: it serves once."""
    row = await tx.session.get(InvitationRow, digest, with_for_update=take or None)
    if row is None or row.expires_at <= tx.now:
        return None
    if take:
        await tx.session.delete(row)
    return _read(row, Invitation)


def add_key(tx: Transaction, key: ApiKey, digest: str) -> None:
    tx.session.add(ApiKeyRow(**msgspec.structs.asdict(key), digest=digest))


async def keys_of(tx: Transaction, member_id: str) -> list[ApiKey]:
    query = (
        select(ApiKeyRow)
        .where(ApiKeyRow.member_id == member_id, ApiKeyRow.revoked_at.is_(None))
        .order_by(ApiKeyRow.made_at)
    )
    return [_read(row, ApiKey) for row in await tx.session.exec(query)]


async def use_key(tx: Transaction, digest: str) -> ApiKey | None:
    row = (
        await tx.session.exec(select(ApiKeyRow).where(ApiKeyRow.digest == digest, ApiKeyRow.revoked_at.is_(None)))
    ).first()
    if row is None:
        return None
    row.used_at = tx.now
    return _read(row, ApiKey)


async def revoke_key(tx: Transaction, member_id: str, key_id: str) -> bool:
    row = await tx.session.get(ApiKeyRow, key_id)
    if row is None or row.member_id != member_id:
        return False
    row.revoked_at = row.revoked_at or tx.now
    return True


# Failed logins


async def tries(tx: Transaction, email: str, address: str, since: datetime) -> tuple[int, int]:
    """(for the e-mail address, from the network address) since then."""
    query = select(
        func.count().filter(TryRow.email == email),
        func.count().filter(TryRow.address == address),
    ).where(or_(TryRow.email == email, TryRow.address == address), TryRow.tried_at > since)
    counts: Sequence[int] = (await tx.session.exec(query)).one()
    return counts[0], counts[1]


async def add_try(tx: Transaction, email: str, address: str) -> int:
    row = TryRow(email=email, address=address, tried_at=tx.now)
    tx.session.add(row)
    await tx.session.flush()
    assert row.try_id is not None
    return row.try_id


async def forgive_try(tx: Transaction, try_id: int) -> None:
    await tx.session.exec(delete(TryRow).where(TryRow.try_id == try_id))


async def forget_tries(tx: Transaction, age: timedelta) -> None:
    await tx.session.exec(delete(TryRow).where(TryRow.tried_at < tx.now - age))


# Concluded contracts


async def add_contracts(tx: Transaction, events: Sequence[ContractConcluded]) -> None:
    if not events:
        return
    rows = [
        (
            event.contract_id,
            event.process_id,
            event.buyer_id,
            event.buyer_name,
            event.supplier_id,
            event.supplier_name,
            event.title,
            event.currency,
            event.amount,
            event.signed_at,
            event.source is not None,
        )
        for event in events
    ]
    await (await tx.raw()).execute(
        """insert into accounts.contracts (contract_id, process_id, buyer_id, buyer_name, supplier_id, supplier_name, title,
               currency, amount, signed_at, imported)
           select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
               $9::numeric[], $10::timestamptz[], $11::bool[])
           on conflict (contract_id) do nothing""",
        *columns(rows),
    )


async def drop_contracts(tx: Transaction, events: Sequence[ContractEnded]) -> None:
    """Cancelled after their conclusion they no longer count; those that never were concluded are not here."""
    if not events:
        return
    await (await tx.raw()).execute(
        "delete from accounts.contracts where contract_id = any($1::text[])", [event.contract_id for event in events]
    )


async def deals(tx: Transaction, organisation_id: str, *, side: str, limit: int) -> tuple[int, list[Deal]]:
    """(how many, the latest) contracts as ``buyer`` or ``supplier``."""
    own, partner = ("buyer", "supplier") if side == "buyer" else ("supplier", "buyer")
    mine = getattr(ContractRow, f"{own}_id") == organisation_id
    count = (await tx.session.exec(select(func.count()).select_from(ContractRow).where(mine))).one()
    latest = await tx.session.exec(select(ContractRow).where(mine).order_by(ContractRow.signed_at.desc()).limit(limit))
    return count, [
        Deal(
            contract_id=row.contract_id,
            title=row.title,
            partner_id=getattr(row, f"{partner}_id"),
            partner_name=getattr(row, f"{partner}_name"),
            currency=row.currency,
            amount=row.amount,
            signed_at=row.signed_at,
            imported=row.imported,
        )
        for row in latest
    ]
