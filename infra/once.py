"""Requests that may be sent again: a request key belongs to one caller and one body.

The same request again gets the first answer; another body under the key is refused, and another caller's equal key is another key.
Bodies are kept as keyed digests: a password in one cannot be guessed from the table.
"""

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import blake2b, sha256
from typing import Any, Generic, TypeVar, cast

import asyncpg
import msgspec

from catalogue.rules import KeyReused

A = TypeVar("A")
LONGEST_KEY = 200
"""Characters; of a longer key its digest is kept."""


class _NoAnswer:
    """Not None, which is what many an act answers."""


_NO_ANSWER = _NoAnswer()


class Once(Generic[A]):
    """A request. If it comes for the ``first`` time the block does what it asks and sets ``answer``; else ``answer`` is the first one.
    A block that sets none did nothing that a repeat may not do again."""

    def __init__(self, random: bytes, before: "A | _NoAnswer" = _NO_ANSWER) -> None:
        self.random = random
        """32 bytes, the same for every repeat of the request, which nobody can guess: of what is told once and stored nowhere."""
        self.first = before is _NO_ANSWER
        self._answer = before

    @property
    def answer(self) -> A:
        assert self.answered, "whoever comes first sets the answer"
        return cast(A, self._answer)

    @answer.setter
    def answer(self, answer: A) -> None:
        self._answer = answer

    @property
    def answered(self) -> bool:
        return self._answer is not _NO_ANSWER


@asynccontextmanager
async def once(
    db: asyncpg.Connection, service: str, secret: bytes, name: str, body: object, caller: str, kind: type[A]
) -> AsyncIterator[Once[A]]:
    """See :meth:`infra.database.Transaction.once`."""
    if len(name) > LONGEST_KEY * 2:
        name = sha256(name.encode()).hexdigest()
    digest = blake2b(_told(body), key=secret, digest_size=32).digest()
    random = blake2b(f"{service}/{name}".encode() + digest, key=secret, digest_size=32, person=b"random").digest()
    await db.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", f"{service}/{name}")
    found = await db.fetchrow(
        f"select answer, caller, body_digest from {service}.requests where request_key = $1", name
    )
    if found is not None:
        # The release before this one wrote neither caller nor digest.
        if found["body_digest"] and not (
            found["caller"] == caller and hmac.compare_digest(found["body_digest"], digest)
        ):
            raise KeyReused
        yield Once(random, _decoded(found["answer"], kind))
        return
    first: Once[A] = Once(random)
    yield first
    if not first.answered:
        return
    await db.execute(
        f"insert into {service}.requests (request_key, answer, caller, body_digest) values ($1, $2, $3, $4)",
        name,
        first.answer.encode() if isinstance(first.answer, str) else msgspec.json.encode(first.answer),
        caller,
        digest,
    )


def _told(body: object) -> bytes:
    return msgspec.json.encode(body, order="deterministic")


def _decoded(answer: bytes, kind: type[A]) -> A:
    text: Any = answer.decode() if kind is str else msgspec.json.decode(answer, type=kind)
    return text  # type: ignore[no-any-return]
