"""Organisations and members: the combinations of roles, the changes of state, the rules for passwords (docs/rules.md
section 1)."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import msgspec

from catalogue.roles import ADMINISTRATOR, BUYER_APPROVER, BUYER_OFFICER, MODERATOR, OBSERVER, SUPPLIER_AGENT
from catalogue.rules import AllOf, AnyOf, NameMissing, RuleBroken, Several, require_repeat
from events.accounts import OrganisationStateChanged
from events.bounds import Password
from events.bounds import longest as longest_of
from events.values import Category, Place

MEMBER_ROLES = {
    "supplier": (SUPPLIER_AGENT,),
    "buyer": (BUYER_OFFICER, BUYER_APPROVER),
    "observer": (OBSERVER,),
    "operator": (ADMINISTRATOR, MODERATOR, OBSERVER),
}
"""Roles of an organisation → what its members may be. An operator runs the market; only it and the CLI add staff."""
SELF_REGISTERED = ("supplier", "buyer")
MANAGERS = (SUPPLIER_AGENT, BUYER_OFFICER, ADMINISTRATOR)
"""Members who may invite others into their own organisation."""
LANGUAGES = ("en", "es", "ru")
NEXT_STATES = {
    "pending": ("active", "closed"),
    "active": ("suspended", "closed"),
    "suspended": ("active", "closed"),
    "closed": (),
}
PASSWORD_MINIMUM = 10
PASSWORD_MAXIMUM = longest_of(Password)
BY_HAND = "by-hand"
"""The id of the suspension that an administrator imposed; an organisation has at most one."""
INVITATION_HOLDS = timedelta(days=7)
MOST_KEYS = 20
"""The most valid API secrets of one member: one for each of its programs, and another while a program changes to it."""
MOST_INVITATIONS = 50
"""The most open invitations of one organisation."""
MOST_MEMBERS = 1_000
"""The most members of one organisation, including invited persons."""
_ATOM = r"[\w!#$%&'*+/=?^`{|}~-]+"
_LABEL = r"[^\W_](?:(?:[^\W_]|-){0,61}[^\W_])?"
_EMAIL = re.compile(rf"(?!.*=\?)(?P<local>{_ATOM}(?:\.{_ATOM})*)@(?P<host>{_LABEL}(?:\.{_LABEL})+)")
"""A local part of atoms and a host by its name (RFC 5321 and 5322, in the letters of any language): without comments,
quotes, groups, encoded words (RFC 2047) or IP addresses, with which a mail program would read an address other than the
one that is shown."""
_LONGEST_LOCAL = 64


class EmailTaken(RuleBroken):
    code = "email-taken"


class EmailNotValid(RuleBroken):
    code = "email-not-valid"


class IdentifierTaken(RuleBroken):
    """Another organisation of this market registered with the same identifier."""

    code = "identifier-taken"


class PasswordTooShort(RuleBroken):
    code = "password-too-short"


class PasswordTooLong(RuleBroken):
    code = "password-too-long"


class PasswordGuessable(RuleBroken):
    code = "password-guessable"


class PasswordWrong(RuleBroken):
    code = "password-wrong"


class LanguageNotSpoken(RuleBroken):
    code = "language-not-spoken"


class NotSelfRegistered(RuleBroken):
    code = "not-self-registered"


class RoleNotOfOrganisation(RuleBroken):
    code = "role-not-of-organisation"


class StateChangeNotAllowed(RuleBroken):
    code = "state-change-not-allowed"


class SuspensionInThePast(RuleBroken):
    """The end of a suspension must be in the future; otherwise the organisation would be free at once."""

    code = "suspension-in-the-past"


class SanctionInForce(StateChangeNotAllowed):
    """A sanction ends by its time or by an appeal, not by an administrator."""

    code = "sanction-in-force"


class SuspensionReason(msgspec.Struct, frozen=True, kw_only=True):
    """One reason why an organisation is suspended. ``suspension_id`` is the sanction's id, or :data:`BY_HAND`; ``until`` None: until
    an administrator ends it."""

    suspension_id: str
    reason: str
    until: datetime | None = None


class Organisation(msgspec.Struct, frozen=True, kw_only=True):
    """An organisation. If it is suspended and ``suspended_until`` is None, an administrator must end the suspension."""

    organisation_id: str
    name: str
    roles: tuple[str, ...]
    state: str = "active"
    identifier_scheme: str = ""
    identifier: str = ""
    place: Place = Place()
    time_zone: str = "UTC"
    language: str = "en"
    categories: tuple[Category, ...] = ()
    suspended_until: datetime | None = None
    imported: bool = False


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A person who is to become a member, as entered: nothing is checked yet."""

    name: str
    email: str
    roles: tuple[str, ...]
    language: str


class Member(msgspec.Struct, frozen=True, kw_only=True):
    member_id: str
    organisation_id: str
    name: str
    email: str
    roles: tuple[str, ...]
    language: str = "en"


def checked_name(text: str, field: str) -> str:
    """The name as one line without surrounding blanks."""
    name = " ".join(text.split())
    if not name:
        raise NameMissing("A name is needed.", field=field)
    return name


def checked_email(text: str) -> str:
    """The address in lower case, so that the same address always finds the same member."""
    email = text.strip().lower()
    found = _EMAIL.fullmatch(email)
    if found is None or len(email) > 254 or len(found["local"]) > _LONGEST_LOCAL:
        raise EmailNotValid("This is not an e-mail address, such as ana@agency.example.", field="email")
    return email


def checked_password(password: str, *known: str) -> str:
    """Check that the password is long enough and is none of the known facts about its owner (NIST SP 800-63B asks for
    length, not for kinds of characters)."""
    if len(password) < PASSWORD_MINIMUM:
        raise PasswordTooShort(
            f"A password must have at least {PASSWORD_MINIMUM} characters; this one has {len(password)}.",
            field="password",
            minimum=PASSWORD_MINIMUM,
            length=len(password),
        )
    if len(password) > PASSWORD_MAXIMUM:
        raise PasswordTooLong(
            f"A password may have at most {PASSWORD_MAXIMUM} characters.", field="password", maximum=PASSWORD_MAXIMUM
        )
    if len(set(password)) < 4 or password.casefold() in {fact.casefold() for fact in known}:
        raise PasswordGuessable("This password is too easy to guess.", field="password")
    return password


def checked_language(language: str) -> str:
    if language not in LANGUAGES:
        spoken = Several(LANGUAGES)
        raise LanguageNotSpoken(
            f"Lonja speaks {spoken}, not {language!r}.", field="language", language=language, spoken=spoken
        )
    return language


def checked_member_roles(roles: Iterable[str], organisation_roles: Iterable[str]) -> tuple[str, ...]:
    """The member's roles in the standard order. The organisation must allow each of them."""
    wanted, owned = set(roles), tuple(organisation_roles)
    possible = tuple(dict.fromkeys(role for kind in owned for role in MEMBER_ROLES[kind]))
    if not wanted or not wanted <= set(possible):
        allowed = AnyOf(possible or ("nobody",))
        raise RoleNotOfOrganisation(
            f"Members of this organisation are {allowed}.",
            field="roles",
            allowed=allowed,
            wanted=AllOf(sorted(wanted)),
        )
    return tuple(role for role in possible if role in wanted)


def organisation_roles(member_roles: Iterable[str]) -> tuple[str, ...]:
    """The roles that an organisation needs so that a member may have these roles. Staff roles belong to an operator."""
    wanted = set(member_roles)
    kinds = [kind for kind in ("supplier", "buyer", "operator") if wanted & (set(MEMBER_ROLES[kind]) - {OBSERVER})]
    return tuple(kinds) or (("observer",) if OBSERVER in wanted else ())


def change_state(
    organisation: Organisation, state: str, reason: str, until: datetime | None = None
) -> OrganisationStateChanged:
    """The organisation in another state. ``until`` is used only for a suspension. Raise StateChangeNotAllowed."""
    if state not in NEXT_STATES.get(organisation.state, ()):
        raise StateChangeNotAllowed(
            f"An organisation that is {organisation.state} cannot become {state}.",
            field="state",
            state=organisation.state,
            wanted=state,
        )
    return OrganisationStateChanged(
        organisation_id=organisation.organisation_id,
        state=state,
        reason=checked_name(reason, "reason"),
        until=until if state == "suspended" else None,
    )


def longest(suspensions: Iterable[SuspensionReason], now: datetime) -> SuspensionReason | None:
    """The suspension in force that ends last; None if none is in force."""
    held = [each for each in suspensions if each.until is None or each.until > now]
    return max(held, key=lambda each: (each.until is None, each.until or now, each.suspension_id), default=None)


def require_end_to_come(until: datetime | None, now: datetime) -> None:
    """Raise SuspensionInThePast unless ``until`` is in the future."""
    if until is not None and until <= now:
        raise SuspensionInThePast(
            f"A suspension must end later than now, {now:%Y-%m-%d %H:%M} UTC, not at {until.astimezone(UTC):%Y-%m-%d %H:%M} UTC.",
            field="until",
            until=until,
            now=now,
        )


def require_same_reason(suspensions: Iterable[SuspensionReason], wanted: SuspensionReason, now: datetime) -> None:
    """Raise DoneOtherwise if a suspension with the same end and another reason is in force: the reason is not silently
    replaced."""
    for held in suspensions:
        if (held.suspension_id, held.until) == (wanted.suspension_id, wanted.until) and longest([held], now):
            require_repeat(held.reason == wanted.reason, held.reason)


def restate(
    organisation: Organisation, suspensions: Iterable[SuspensionReason], now: datetime
) -> OrganisationStateChanged | None:
    """The organisation in the state that follows from its suspensions, if that differs. An organisation that is pending
    or closed cannot be suspended."""
    if organisation.state not in ("active", "suspended"):
        return None
    held = longest(suspensions, now)
    if held is None:
        over = "the suspension is over"
        return change_state(organisation, "active", over) if organisation.state == "suspended" else None
    if organisation.state == "suspended" and organisation.suspended_until == held.until:
        return None
    return OrganisationStateChanged(
        organisation_id=organisation.organisation_id, state="suspended", reason=held.reason, until=held.until
    )


def local_path(target: str) -> str:
    """The page after the login: a path of this site, else the home page. Browsers read ``//x`` and ``/\\x`` as other
    sites."""
    if not re.fullmatch(r"/(?![/\\])[!-~]*", target) or "\\" in target:
        return "/"
    return target
