"""Members, their passwords, and invitations. SQL is written by hand here for lists."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg
import msgspec
from sqlalchemy import delete, func
from sqlmodel import col, select

from infra.database import Transaction
from infra.ids import derive_id
from infra.reading import listed, read_one
from services.accounts.domain import Member
from services.accounts.store.rows import InvitationRow, JoiningRow, MemberRow, read


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    organisation_id: str
    name: str
    email: str
    roles: tuple[str, ...]
    language: str
    expires_at: datetime


class OpenInvitation(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation as its organisation sees it: The link cannot be derived from ``invitation_id``."""

    invitation_id: str
    name: str
    email: str
    roles: tuple[str, ...]
    expires_at: datetime


def _member(row: object) -> Member:
    return read(row, Member)


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


async def count_members(tx: Transaction, organisation_id: str) -> int:
    query = select(func.count()).select_from(MemberRow).where(MemberRow.organisation_id == organisation_id)
    return (await tx.session.exec(query)).one()


async def all_members(connection: asyncpg.Connection, after: str, most: int) -> list[dict[str, Any]]:
    """Members of all organisations, by address, for the operator of the market."""
    rows = await connection.fetch(
        "select m.email, m.name, o.name as organisation, m.roles, m.language, m.joined_at, m.member_id, m.organisation_id"
        " from accounts.members m join accounts.organisations o using (organisation_id)"
        " where m.email > $1 order by m.email limit $2",
        after,
        most,
    )
    return [dict(row) for row in rows]


def add_member(tx: Transaction, new: Member, password_hash: str) -> None:
    tx.session.add(
        MemberRow(**msgspec.to_builtins(new) | {"roles": list(new.roles)}, password=password_hash, joined_at=tx.now)
    )


async def hold(tx: Transaction, kind: str, name: str) -> None:
    """Lock a name (an e-mail address or an identifier): other transactions that lock it wait until this one ends."""
    await tx.lock_name(f"accounts/{kind}/{name}")


class Joining(NamedTuple):
    """The organisation that somebody joined by an invitation, and the member; None if that was not stored."""

    organisation_id: str
    member_id: str | None


def add_invitation(tx: Transaction, digest: str, invitation: Invitation) -> None:
    tx.session.add(
        InvitationRow(digest=digest, **msgspec.structs.asdict(invitation) | {"roles": list(invitation.roles)})
    )


async def invitation(tx: Transaction, digest: str, *, take: bool = False) -> Invitation | None:
    """Return the invitation if it is still open. With ``take`` it is locked and deleted, because it can be used only once."""
    row = await tx.session.get(InvitationRow, digest, with_for_update=take or None)
    if row is None or row.expires_at <= tx.now:
        return None
    if take:
        await tx.session.delete(row)
    return read_one("invitation", digest, _invitation, row)


def _invitation(row: InvitationRow) -> Invitation:
    return read(row, Invitation)


def add_joining(tx: Transaction, digest: str, member: Member) -> None:
    tx.session.add(
        JoiningRow(digest=digest, organisation_id=member.organisation_id, member_id=member.member_id, joined_at=tx.now)
    )


async def joining(tx: Transaction, digest: str) -> Joining | None:
    row = await tx.session.get(JoiningRow, digest)
    return Joining(row.organisation_id, row.member_id) if row else None


async def open_invitations(tx: Transaction, organisation_id: str) -> list[OpenInvitation]:
    """Open invitations of an organisation, in the order in which they lapse."""
    return [
        OpenInvitation(
            invitation_id=_id_of(row),
            name=row.name,
            email=row.email,
            roles=tuple(row.roles),
            expires_at=row.expires_at,
        )
        for row in await _open(tx, organisation_id)
    ]


async def withdraw_invitation(tx: Transaction, organisation_id: str, invitation_id: str) -> bool:
    """Delete an open invitation. Return whether there was one."""
    for row in await _open(tx, organisation_id):
        if _id_of(row) == invitation_id:
            gone = await tx.session.exec(delete(InvitationRow).where(col(InvitationRow.digest) == row.digest))
            return bool(gone.rowcount)
    return False


async def _open(tx: Transaction, organisation_id: str) -> Sequence[InvitationRow]:
    query = (
        select(InvitationRow)
        .where(InvitationRow.organisation_id == organisation_id, InvitationRow.expires_at > tx.now)
        .order_by(col(InvitationRow.expires_at), col(InvitationRow.digest))
    )
    return (await tx.session.exec(query)).all()


def _id_of(row: InvitationRow) -> str:
    return derive_id("invitation", row.digest)
