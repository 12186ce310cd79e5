"""Use cases and reactions of accounts."""

import asyncio
from collections.abc import Sequence

import msgspec

from catalogue.categories import CPV
from catalogue.identifiers import read_identifier
from catalogue.rules import require_repeat
from events.accounts import MemberJoined, OrganisationRegistered, OrganisationStateChanged
from events.bounds import Code, Few, Instant, Name, Password, Reason
from events.contracts import ContractConcluded, ContractEnded, OrganisationSanctioned, SanctionAppealDecided
from events.imports import OrganisationImported, ProcessImported, organisations_of, processes_of
from events.values import Category
from infra.database import Transaction
from infra.denied import Missing
from infra.ids import new_id
from infra.reactions import Reactions
from services.accounts import places, store
from services.accounts.categories import category
from services.accounts.domain import (
    BY_HAND,
    MEMBER_ROLES,
    SELF_REGISTERED,
    EmailTaken,
    IdentifierTaken,
    Member,
    NotSelfRegistered,
    Organisation,
    Person,
    SanctionInForce,
    SuspensionReason,
    change_state,
    checked_email,
    checked_language,
    checked_member_roles,
    checked_name,
    checked_password,
    longest,
    organisation_roles,
    require_end_to_come,
    require_same_reason,
    restate,
)


class Registrant(msgspec.Struct, frozen=True, kw_only=True):
    """An organisation with its first member, as entered in a form. ``kind`` is supplier or buyer; ``region`` is an ISO
    3166-2 code or a name; ``time_zone`` is derived from the place if it is not given."""

    kind: Code
    organisation: Name
    country: Name
    name: Name
    email: Name
    password: Password
    region: Name = ""
    locality: Name = ""
    identifier_scheme: Code = ""
    identifier: Code = ""
    time_zone: Code = ""
    language: Code = "en"


class Registration(Registrant, frozen=True, kw_only=True):
    """A registration by the API. ``categories`` are CPV codes, or their first digits, in which a supplier works."""

    categories: Few[Category] = ()


class NewState(msgspec.Struct, frozen=True, kw_only=True):
    """``state`` is active, suspended or closed; A suspension ends by itself at ``until``."""

    state: Code
    reason: Reason
    until: Instant | None = None


class NewMember(msgspec.Struct, frozen=True, kw_only=True):
    """A member that is made, with its organisation, if it does not exist: for staff, demonstrations and the command
    line."""

    email: str
    name: str
    roles: tuple[str, ...]
    organisation: str
    country: str
    region: str = ""
    locality: str = ""
    language: str = "en"
    time_zone: str = ""
    identifier_scheme: str = ""
    identifier: str = ""
    categories: tuple[Category, ...] = ()


async def register(tx: Transaction, wanted: Registration, password_hash: str, request_key: str) -> Member:
    """Register an organisation, which is active at once. A repeat of the request with the same password returns the
    same member. Raise KeyReused and the errors of :mod:`domain` and :mod:`places`."""
    async with tx.once("registration", request_key, caller="", body=wanted, answer=Member) as once:
        if once.first:
            once.answer = await _register(tx, wanted, password_hash)
    return once.answer


async def _register(tx: Transaction, wanted: Registration, password_hash: str) -> Member:
    if wanted.kind not in SELF_REGISTERED:
        raise NotSelfRegistered(
            "Register as a supplier or as a buyer; an administrator adds the staff of the market.", field="kind"
        )
    organisation = await _create_organisation(tx, wanted, wanted.organisation, (wanted.kind,))
    person = Person(name=wanted.name, email=wanted.email, roles=MEMBER_ROLES[wanted.kind], language=wanted.language)
    return await join(tx, organisation, person, password_hash)


async def ensure_member(tx: Transaction, wanted: NewMember, password_hash: str) -> Member:
    """The member with that address, unchanged if it exists; else a new one, if necessary with a new organisation (which
    is searched by identifier or name)."""
    email = checked_email(wanted.email)
    await store.hold(tx, "email", email)
    if found := await store.member_by_email(tx, email):
        return found[0]
    roles = organisation_roles(wanted.roles)
    organisation = await store.own_organisation(
        tx,
        name=checked_name(wanted.organisation, "organisation"),
        identifier=read_identifier(wanted.identifier_scheme, wanted.identifier),
        written=_written(wanted),
    ) or await _create_organisation(tx, wanted, wanted.organisation, roles)
    person = Person(name=wanted.name, email=email, roles=wanted.roles, language=wanted.language)
    return await join(tx, organisation, person, password_hash)


def _written(wanted: Registration | NewMember) -> tuple[str, str]:
    return wanted.identifier_scheme.strip(), wanted.identifier.strip()


async def _create_organisation(
    tx: Transaction, wanted: Registration | NewMember, name: str, roles: tuple[str, ...]
) -> Organisation:
    """Make and announce a new organisation."""
    place, zone = await asyncio.to_thread(
        places.resolve, wanted.country, wanted.region, wanted.locality, wanted.time_zone
    )
    identifier = read_identifier(wanted.identifier_scheme, wanted.identifier)
    if identifier[1]:
        await store.hold(tx, "identifier", "/".join(identifier))
        if await store.own_organisation(tx, identifier=identifier, written=_written(wanted)):
            raise IdentifierTaken(
                "An organisation with this identifier is registered already; ask one of its members to invite you.",
                field="identifier",
            )
    organisation = Organisation(
        organisation_id=new_id(),
        name=checked_name(name, "organisation"),
        roles=roles,
        identifier_scheme=identifier[0],
        identifier=identifier[1],
        place=place,
        time_zone=zone,
        language=checked_language(wanted.language),
        categories=tuple(
            category(each.code, "categories") if each.scheme == CPV else each for each in wanted.categories
        ),
    )
    store.add_organisation(tx, organisation)
    await tx.session.flush()
    fields = {field: getattr(organisation, field) for field in Organisation.__struct_fields__}
    tx.emit(OrganisationRegistered(**{k: v for k, v in fields.items() if k not in ("suspended_until", "imported")}))
    return organisation


async def join(tx: Transaction, organisation: Organisation, person: Person, password_hash: str) -> Member:
    """Add the person to the organisation. Raise EmailTaken and the errors of :mod:`domain`."""
    email = checked_email(person.email)
    await require_free(tx, email)
    member = Member(
        member_id=new_id(),
        organisation_id=organisation.organisation_id,
        name=checked_name(person.name, "name"),
        email=email,
        roles=checked_member_roles(person.roles, organisation.roles),
        language=checked_language(person.language),
    )
    store.add_member(tx, member, password_hash)
    await tx.session.flush()
    tx.emit(MemberJoined(**msgspec.structs.asdict(member)))
    return member


async def require_free(tx: Transaction, email: str) -> None:
    """Lock the address: other transactions that want it wait. Raise EmailTaken."""
    await store.hold(tx, "email", email)
    if await store.member_by_email(tx, email):
        raise EmailTaken("Somebody is registered with this address already; log in instead.", field="email")


async def set_state(tx: Transaction, organisation_id: str, wanted: NewState) -> Organisation:
    """An administrator suspends, activates or closes an organisation. A repeat publishes no event. A suspension by an
    administrator and a sanction may hold at the same time; the administrator can end only the former.

    Raise StateChangeNotAllowed, SuspensionInThePast, SanctionInForce, Missing, and DoneOtherwise if the same was done
    for another reason.
    """
    state, reason, until = wanted.state, wanted.reason, wanted.until
    organisation = await store.organisation(tx, organisation_id, lock=True)
    if organisation is None:
        raise Missing("organisation", organisation_id)
    if state == "suspended" and organisation.state in ("active", "suspended"):
        require_end_to_come(until, tx.now)
        held = SuspensionReason(suspension_id=BY_HAND, reason=checked_name(reason, "reason"), until=until)
        require_same_reason(await store.suspensions(tx, organisation_id), held, tx.now)
        await store.put_suspension(tx, organisation_id, held)
        return await _restate(tx, organisation)
    if organisation.state == state and (stands := await store.state_reason(tx, organisation_id)) != "":
        require_repeat(stands is None or checked_name(reason, "reason") == stands, stands or "")
        return organisation
    if state == "active" and organisation.state == "suspended":
        ended = await store.end_suspension(tx, organisation_id, BY_HAND)
        sanction = longest(await store.suspensions(tx, organisation_id), tx.now)
        if sanction is not None and ended:
            return await _restate(tx, organisation)
        if sanction is not None:
            raise SanctionInForce(
                f"A sanction suspends it until {sanction.until}: that ends by itself, or by an appeal.",
                field="state",
                until=sanction.until,
            )
    return await _change(tx, organisation, change_state(organisation, state, reason, until))


async def _restate(tx: Transaction, organisation: Organisation) -> Organisation:
    """Set the state of the organisation, which is locked, to the one that follows from its suspensions now."""
    changed = restate(organisation, await store.suspensions(tx, organisation.organisation_id), tx.now)
    return await _change(tx, organisation, changed) if changed else organisation


async def _change(tx: Transaction, organisation: Organisation, changed: OrganisationStateChanged) -> Organisation:
    await store.save_state(tx, changed)
    tx.emit(changed)
    return msgspec.structs.replace(organisation, state=changed.state, suspended_until=changed.until)


async def end_suspensions(tx: Transaction, over: Sequence[Organisation]) -> None:
    """End the suspensions of these organisations whose time is over."""
    for organisation in over:
        await _restate(tx, organisation)


def checked_new_password(wanted: Registration) -> str:
    return checked_password(wanted.password, wanted.email, wanted.name, wanted.organisation)


# Reactions to events of other services

reactions = Reactions()
reactions.many(ContractConcluded, store.add_contracts)
reactions.many(ContractEnded, store.drop_contracts)


async def put_foreign(tx: Transaction, events: Sequence[OrganisationRegistered]) -> None:
    """Store organisations of other markets. Those of this market come on the same topic and are skipped, because they
    are stored already."""
    await store.put_imported(tx, [event for event in events if event.source is not None])


async def put_imported(tx: Transaction, events: Sequence[OrganisationImported]) -> None:
    await store.put_imported(tx, list(organisations_of(events)))


async def put_contracts(tx: Transaction, events: Sequence[ProcessImported]) -> None:
    told = list(processes_of(events))
    await store.add_contracts(tx, [contract for process in told for contract in process.contracts])
    await store.drop_contracts(tx, [ended for process in told for ended in process.endings])


reactions.many(OrganisationRegistered, put_foreign)
reactions.many(OrganisationImported, put_imported)
reactions.many(ProcessImported, put_contracts)


@reactions.on(OrganisationSanctioned)
async def suspend(tx: Transaction, event: OrganisationSanctioned) -> None:
    counted = len(event.contract_ids)
    breach = "won and not signed" if event.side == "supplier" else "awarded and not signed by the buyer"
    held = SuspensionReason(
        suspension_id=event.sanction_id,
        reason=f"{counted} contract{'s' if counted != 1 else ''} {breach}; suspension number {event.level}",
        until=event.until,
    )
    await _suspend(tx, event.organisation_id, held)


@reactions.on(SanctionAppealDecided)
async def lift_suspension(tx: Transaction, event: SanctionAppealDecided) -> None:
    """A suspension that was lifted on appeal ends at the time of the decision."""
    if event.decision == "lifted":
        ended = SuspensionReason(suspension_id=event.sanction_id, reason="lifted on appeal", until=event.decided_at)
        await _suspend(tx, event.organisation_id, ended)


async def _suspend(tx: Transaction, organisation_id: str, suspension: SuspensionReason) -> None:
    """Suspend the organisation. If it is not known here, no state is published."""
    organisation = await store.organisation(tx, organisation_id, lock=True)
    await store.put_suspension(tx, organisation_id, suspension)
    if organisation is not None:
        await _restate(tx, organisation)
