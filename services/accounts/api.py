"""JSON of accounts: registration, tokens for programs, the public card, members and states."""

import msgspec
from litestar import Controller, get, post
from litestar.exceptions import NotAuthorizedException, TooManyRequestsException
from litestar.params import JSONBody

from catalogue.roles import ADMINISTRATOR
from events import bounds
from events.bounds import Code, Few, Name
from infra.service import Resources
from infra.tokens import Principal
from infra.web import MEMBERS, PUBLIC, FromKeyed, FromResources, IdempotencyKey, MemberVisit, PathId, Visit, allow
from infra.web.limits import address_of
from services.accounts import handlers, invitations, keys, login, passwords, store
from services.accounts.domain import MANAGERS, Member, Organisation, Person
from services.accounts.handlers import NewState
from services.accounts.login import LoginRefused, Session, TooManyTries
from services.accounts.views import OrganisationCard, card

REFUSED = NotAuthorizedException("E-mail address and password do not match.")
SLOW_DOWN = TooManyRequestsException("Too many failed logins. Wait a minute.", headers={"retry-after": "60"})


class Credentials(msgspec.Struct, frozen=True):
    email: Name
    password: bounds.Secret


class Secret(msgspec.Struct, frozen=True):
    secret: bounds.Secret


class KeyName(msgspec.Struct, frozen=True):
    name: Name


class NewKey(msgspec.Struct, frozen=True):
    """A new API key. ``secret`` is shown only this once."""

    secret: str


class Passwords(msgspec.Struct, frozen=True):
    current: bounds.Secret
    password: bounds.Password


class Invite(msgspec.Struct, frozen=True, kw_only=True):
    name: Name
    email: Name
    roles: Few[Code]
    language: Code = "en"


class Invited(msgspec.Struct, frozen=True):
    """An invitation. ``path`` is the page on which the invited person sets a password, once, within 7 days."""

    path: str


class AccountsApi(Controller):
    path = "/api"
    tags = ["accounts"]

    @post("/login", opt=PUBLIC, status_code=200)
    async def log_in(self, resources: FromResources, request: Visit, data: JSONBody[Credentials]) -> Session:
        """Log in a member. Return a token that is valid for 12 hours."""
        try:
            return await login.log_in(resources, data.email, data.password, address_of(request))
        except LoginRefused:
            raise REFUSED from None
        except TooManyTries:
            raise SLOW_DOWN from None

    @post("/token", opt=PUBLIC, status_code=200)
    async def token(self, resources: FromResources, data: JSONBody[Secret]) -> Session:
        """Exchange the API secret of a program for a token that is valid for one hour."""
        try:
            return await login.token_for_secret(resources, data.secret)
        except LoginRefused:
            raise NotAuthorizedException("This API secret is unknown or was revoked.") from None

    @post("/register", opt=PUBLIC)
    async def register(
        self, resources: FromResources, data: JSONBody[handlers.Registration], idempotency_key: IdempotencyKey = ""
    ) -> Member:
        """Register an organisation with its first member."""
        password_hash = await passwords.hashed(handlers.checked_new_password(data))
        async with resources.database.transaction("accounts") as tx:
            return await handlers.register(tx, data, password_hash, idempotency_key)

    @get("/me", opt=MEMBERS)
    async def me(self, request: MemberVisit) -> Principal:
        return request.user

    @post("/me/password", opt=MEMBERS, status_code=204)
    async def change_password(
        self,
        resources: FromResources,
        request: MemberVisit,
        data: JSONBody[Passwords],
        idempotency_key: IdempotencyKey = "",
    ) -> None:
        try:
            await login.change_password(
                resources, request.user, data.current, data.password, address_of(request), idempotency_key
            )
        except TooManyTries:
            raise SLOW_DOWN from None

    @get("/me/keys", opt=MEMBERS)
    async def own_keys(self, resources: FromResources, request: MemberVisit) -> list[store.ApiKey]:
        async with resources.database.transaction("accounts") as tx:
            return await store.keys_of(tx, request.user.member_id)

    @post("/me/keys", opt=MEMBERS)
    async def make_key(
        self,
        resources: FromResources,
        request: MemberVisit,
        data: JSONBody[KeyName],
        idempotency_key: IdempotencyKey = "",
    ) -> NewKey:
        try:
            async with resources.database.transaction("accounts") as tx:
                return NewKey(await keys.make_key(tx, request.user, data.name, idempotency_key))
        except keys.MemberUnknown as unknown:
            raise NotAuthorizedException(str(unknown)) from None

    @post("/me/keys/{key_id:str}/revoke", opt=MEMBERS, status_code=204)
    async def revoke_key(
        self, resources: FromResources, keyed: FromKeyed, request: MemberVisit, key_id: PathId
    ) -> None:
        async with resources.database.transaction("accounts") as tx:
            await keyed.do(tx, lambda: keys.revoke_key(tx, request.user, key_id))

    @get("/members", opt=MEMBERS)
    async def members(self, resources: FromResources, request: MemberVisit) -> list[Member]:
        """The members of the caller's organisation."""
        async with resources.database.transaction("accounts") as tx:
            return await store.members_of(tx, request.user.organisation_id)

    @post("/members", opt=allow(*MANAGERS))
    async def invite(
        self,
        resources: FromResources,
        request: MemberVisit,
        data: JSONBody[Invite],
        idempotency_key: IdempotencyKey = "",
    ) -> Invited:
        """Invite a person into the caller's organisation."""
        return await _invite(resources, request, request.user.organisation_id, data, idempotency_key)

    @get("/invitations", opt=allow(*MANAGERS))
    async def invitations(self, resources: FromResources, request: MemberVisit) -> list[store.OpenInvitation]:
        """The open invitations into the caller's organisation."""
        async with resources.database.transaction("accounts") as tx:
            return await store.open_invitations(tx, request.user.organisation_id)

    @post("/invitations/{invitation_id:str}/withdraw", opt=allow(*MANAGERS), status_code=204)
    async def withdraw_invitation(
        self, resources: FromResources, keyed: FromKeyed, request: MemberVisit, invitation_id: PathId
    ) -> None:
        """Withdraw an invitation, also one of another member: its link becomes invalid."""
        async with resources.database.transaction("accounts") as tx:
            await keyed.do(tx, lambda: invitations.withdraw_invitation(tx, request.user.organisation_id, invitation_id))

    @get("/organisations/{organisation_id:str}", opt=PUBLIC)
    async def organisation(self, resources: FromResources, organisation_id: PathId) -> OrganisationCard:
        async with resources.database.transaction("accounts") as tx:
            return await card(tx, organisation_id)

    @post("/organisations/{organisation_id:str}/state", opt=allow(ADMINISTRATOR), status_code=200)
    async def set_state(
        self, resources: FromResources, keyed: FromKeyed, organisation_id: PathId, data: JSONBody[NewState]
    ) -> Organisation:
        async with resources.database.transaction("accounts") as tx:
            return await keyed.once(tx, Organisation, lambda: handlers.set_state(tx, organisation_id, data))

    @post("/organisations/{organisation_id:str}/members", opt=allow(ADMINISTRATOR))
    async def invite_into(
        self,
        resources: FromResources,
        request: MemberVisit,
        organisation_id: PathId,
        data: JSONBody[Invite],
        idempotency_key: IdempotencyKey = "",
    ) -> Invited:
        """Invite a person into any organisation."""
        return await _invite(resources, request, organisation_id, data, idempotency_key)


async def _invite(resources: Resources, request: MemberVisit, organisation_id: str, data: Invite, key: str) -> Invited:
    person = Person(**msgspec.structs.asdict(data))
    async with resources.database.transaction("accounts") as tx:
        secret = await invitations.invite(tx, organisation_id, person, by=request.user.member_id, request_key=key)
    return Invited(f"/join/{secret}")
