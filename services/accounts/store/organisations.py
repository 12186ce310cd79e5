"""Organisations, both registered and imported, and the reasons of suspensions. SQL is written by hand here for
upserts."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import text
from sqlmodel import col, select

from events.accounts import OrganisationRegistered, OrganisationStateChanged
from infra.database import Transaction, columns, not_among
from infra.listing import PLAN_FOR_VALUES, as_query
from infra.reading import UnreadableKey, listed, read_one, readable
from services.accounts.domain import BY_HAND, Organisation, SuspensionReason
from services.accounts.store.rows import WORDS, OrganisationRow, SuspensionRow, read


def _organisation(row: object) -> Organisation:
    return read(row, Organisation)


async def organisation(tx: Transaction, organisation_id: str, *, lock: bool = False) -> Organisation | None:
    row = await tx.session.get(OrganisationRow, organisation_id, with_for_update=lock or None)
    return read_one("organisation", row.organisation_id, _organisation, row) if row else None


async def own_organisation(
    tx: Transaction, *, name: str = "", identifier: tuple[str, str] = ("", ""), written: tuple[str, str] = ("", "")
) -> Organisation | None:
    """A registered (not imported) organisation by its identifier, or by its exact name. ``written``: the identifier as
    typed, because former releases stored it in this form."""
    schemes, numbers = {identifier[0], written[0]}, {identifier[1], written[1]} - {""}
    same = (
        col(OrganisationRow.identifier_scheme).in_(schemes) & col(OrganisationRow.identifier).in_(numbers)
        if numbers
        else OrganisationRow.name == name
    )
    query = select(OrganisationRow).where(same, col(OrganisationRow.imported).is_(False)).limit(1)
    row = (await tx.session.exec(query)).first()
    return read_one("organisation", row.organisation_id, _organisation, row) if row else None


async def find_organisations(tx: Transaction, words: str, limit: int) -> list[Organisation]:
    """Organisations whose name has these ``words``, or words that begin with them: first those of this market, then by
    name."""
    await (await tx.raw()).execute(PLAN_FOR_VALUES)
    query = select(OrganisationRow).order_by(col(OrganisationRow.imported), col(OrganisationRow.name)).limit(limit)
    if words:
        query = query.where(text(f"{WORDS} @@ to_tsquery('simple', :words)").bindparams(words=as_query(words)))
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
            state_reason="",
            reason_of=new.state,
        )
    )


async def save_state(tx: Transaction, changed: OrganisationStateChanged) -> None:
    row = await tx.session.get_one(OrganisationRow, changed.organisation_id)
    row.state, row.suspended_until = changed.state, changed.until
    row.state_reason, row.reason_of = changed.reason, changed.state


async def state_reason(tx: Transaction, organisation_id: str) -> str | None:
    """The reason of its state; "" if no state was set since its registration, None if a former release stored only the
    state."""
    row = await tx.session.get_one(OrganisationRow, organisation_id)
    return row.state_reason if row.reason_of == row.state else None


async def suspensions(tx: Transaction, organisation_id: str) -> list[SuspensionReason]:
    columns_of_one = select(SuspensionRow.suspension_id, SuspensionRow.reason, SuspensionRow.until)
    rows = await tx.session.exec(columns_of_one.where(SuspensionRow.organisation_id == organisation_id))
    return [SuspensionReason(suspension_id=key, reason=reason, until=until) for key, reason, until in rows]


async def put_suspension(tx: Transaction, organisation_id: str, suspension: SuspensionReason) -> None:
    """Store a suspension. The later one holds; a sanction that was lifted stays lifted."""
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
    """Delete a suspension. Return whether there was one."""
    row = await tx.session.get(SuspensionRow, (organisation_id, suspension_id), with_for_update=True)
    if row is None:
        return False
    await tx.session.delete(row)
    await tx.session.flush()
    return True


async def suspensions_over(
    tx: Transaction, limit: int, but: Sequence[str] = ()
) -> list[Organisation | UnreadableKey[str]]:
    query = (
        select(OrganisationRow)
        .where(
            OrganisationRow.state == "suspended",
            col(OrganisationRow.suspended_until) <= tx.now,
            not_among(OrganisationRow.organisation_id, but),
        )
        .with_for_update(skip_locked=True)
        .limit(limit)
    )
    rows = await tx.session.exec(query)
    return readable(rows, lambda row: row.organisation_id, _organisation)


async def put_imported(tx: Transaction, events: Sequence[OrganisationRegistered]) -> None:
    """Store imported organisations. Later data replace earlier data; roles are only added. An organisation that
    registered here is never overwritten."""
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
