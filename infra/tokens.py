"""Signed tokens (Ed25519), which identify callers. Accounts issues them; every service checks them with the public
key."""

from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from catalogue.actors import Actor
from infra.signing import signing_key

ISSUER = "lonja"
SESSION_HOURS = 12
REMEMBERED = 10_000
"""The most verified tokens that are remembered, so that they need not be verified again."""


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """A member of an organisation, as the token says. ``region`` is ISO 3166-2, "" if unknown."""

    member_id: str
    name: str
    organisation_id: str
    organisation_name: str
    roles: tuple[str, ...]
    country: str = ""
    region: str = ""
    language: str = "en"
    token_id: str = ""

    @property
    def actor(self) -> Actor:
        return Actor(self.organisation_id, self.member_id)

    def may(self, *roles: str) -> bool:
        return any(role in self.roles for role in roles)


class InvalidToken(Exception):
    """The token is expired, changed, or not from this market."""


class Tokens:
    """Signs and checks tokens. The key is made once and is readable only by its owner."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public: Ed25519PublicKey = private.public_key()
        self._verified = lru_cache(REMEMBERED)(self._verify)  # verification costs as much as the rest of a bid's path

    @classmethod
    def load(cls, folder: Path) -> "Tokens":
        return cls(signing_key(folder, "token-key.pem"))

    def issue(self, principal: Principal, now: datetime, *, hours: float = SESSION_HOURS) -> str:
        claims = msgspec.to_builtins(principal)
        claims |= {"iss": ISSUER, "sub": principal.member_id, "iat": now, "exp": now + timedelta(hours=hours)}
        return jwt.encode(claims, self._private, algorithm="EdDSA")

    def check(self, token: str, now: datetime) -> Principal:
        """Raise :class:`InvalidToken`. A token that was verified before is recognised by its text: then only its
        expiry is checked."""
        principal, ends = self._verified(token)
        if ends <= now.timestamp():
            raise InvalidToken("the session has ended; log in again")
        return principal

    def _verify(self, token: str) -> tuple[Principal, float]:
        try:
            claims = jwt.decode(
                token,
                self.public,
                algorithms=["EdDSA"],
                issuer=ISSUER,
                options={"verify_exp": False, "verify_iat": False},
            )
            return msgspec.convert(claims, Principal), float(claims["exp"])
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, msgspec.ValidationError) as error:
            raise InvalidToken(str(error)) from error
