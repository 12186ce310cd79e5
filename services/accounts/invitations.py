"""Invitations to become a member of an organisation, by a link that works once."""

from collections.abc import Sequence

from catalogue.rules import RuleBroken
from infra.database import Transaction
from infra.denied import Missing
from services.accounts import passwords, store
from services.accounts.domain import (
    INVITATION_HOLDS,
    MOST_INVITATIONS,
    MOST_MEMBERS,
    Member,
    Organisation,
    Person,
    checked_email,
    checked_language,
    checked_member_roles,
    checked_name,
)
from services.accounts.handlers import join, require_free


class InvitationOver(RuleBroken):
    code = "invitation-over"


class TooManyInvitations(RuleBroken):
    """The request can be sent again after an invitation was used, was withdrawn or has lapsed."""

    code = "too-many-invitations"


class InvitedAlready(RuleBroken):
    """The person has an open invitation. With two links it would be unclear which one is valid, so the first must be
    withdrawn."""

    code = "invited-already"


class TooManyMembers(RuleBroken):
    code = "too-many-members"


async def invite(tx: Transaction, organisation_id: str, person: Person, *, by: str, request_key: str = "") -> str:
    """Return the secret of the link, which is not stored; the invited person sets a password with it, once. A repeat
    of the request ``by`` the same member gets the same link. Raise Missing, KeyReused, TooManyInvitations,
    TooManyMembers, InvitedAlready and the errors of :mod:`domain`."""
    body = [organisation_id, person.name, person.email, person.roles, person.language]
    async with tx.once("invitation", request_key, caller=by, body=body, answer=str) as once:
        secret = passwords.secret_of("join", once.random)
        if once.first:
            organisation = await store.organisation(tx, organisation_id)
            if organisation is None:
                raise Missing("organisation", organisation_id)
            waiting = await _require_room(tx, organisation_id)
            invitation = store.Invitation(
                organisation_id=organisation_id,
                name=checked_name(person.name, "name"),
                email=checked_email(person.email),
                roles=checked_member_roles(person.roles, organisation.roles),
                language=checked_language(person.language),
                expires_at=tx.now + INVITATION_HOLDS,
            )
            _require_first(waiting, invitation.email)
            await require_free(tx, invitation.email)
            store.add_invitation(tx, passwords.digest(secret), invitation)
            once.answer = invitation.email
    return secret


async def _require_room(tx: Transaction, organisation_id: str) -> list[store.OpenInvitation]:
    """Check the limits of open invitations and members. Invited persons count as members, so that an invitation can
    always be accepted."""
    await store.hold(tx, "invitations of", organisation_id)
    invitations = await store.open_invitations(tx, organisation_id)
    waiting = len(invitations)
    if waiting >= MOST_INVITATIONS:
        raise TooManyInvitations(
            f"{waiting} invitations of this organisation are open, and at most {MOST_INVITATIONS} can be:"
            " withdraw one, or wait until one is used or lapses.",
            field="email",
            invitations=waiting,
            most=MOST_INVITATIONS,
        )
    members = await store.count_members(tx, organisation_id)
    if members + waiting >= MOST_MEMBERS:
        raise TooManyMembers(
            f"This organisation has {members} members and {waiting} open invitations, and at most {MOST_MEMBERS} together"
            " are possible: withdraw an invitation.",
            field="email",
            members=members,
            invitations=waiting,
            most=MOST_MEMBERS,
        )
    return invitations


def _require_first(waiting: Sequence[store.OpenInvitation], email: str) -> None:
    for one in waiting:
        if one.email == email:
            raise InvitedAlready(
                f"{email} is invited to this organisation already, until {one.expires_at:%Y-%m-%d %H:%M} UTC. If the link is lost,"
                " withdraw that invitation and make another.",
                field="email",
                email=email,
                until=one.expires_at,
            )


async def withdraw_invitation(tx: Transaction, organisation_id: str, invitation_id: str) -> None:
    """Withdraw an invitation: its link becomes invalid. Raise Missing if it does not belong to this organisation or is
    over."""
    if not await store.withdraw_invitation(tx, organisation_id, invitation_id):
        raise Missing("invitation", invitation_id)


async def invited(tx: Transaction, secret: str, *, take: bool = False) -> tuple[store.Invitation, Organisation]:
    """The invitation with that secret. Raise InvitationOver if it is unknown, used, withdrawn or lapsed."""
    invitation = await store.invitation(tx, passwords.digest(secret), take=take)
    organisation = await store.organisation(tx, invitation.organisation_id) if invitation else None
    if invitation is None or organisation is None:
        raise InvitationOver("This invitation was used or withdrawn, or is older than 7 days. Ask for a new one.")
    return invitation, organisation


async def accept_invitation(tx: Transaction, secret: str, password_hash: str) -> Member:
    """Make the invited person a member. Raise InvitationOver and the errors of :mod:`domain`."""
    invitation, organisation = await invited(tx, secret, take=True)
    person = Person(name=invitation.name, email=invitation.email, roles=invitation.roles, language=invitation.language)
    member = await join(tx, organisation, person, password_hash)
    store.add_joining(tx, passwords.digest(secret), member)
    return member


async def used(tx: Transaction, secret: str) -> store.Joining | None:
    """Who joined by this link; None if nobody did, or if it was long ago."""
    return await store.joining(tx, passwords.digest(secret))
