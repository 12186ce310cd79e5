"""Requests that a client may repeat: a request key belongs to one caller and one body.

A repeat of the request gets the first answer. Another body with the same key is refused. The same key of another caller is another key.
A request without a key is always new. Answers are kept for the days of the setting ``LONJA_KEEP_ANSWERS_DAYS``.
Of bodies only keyed digests are stored, so nobody can guess a password in a body from the table.
"""

import hmac
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from hashlib import blake2b, sha256
from typing import Any, Generic, TypeVar, cast

import asyncpg
import msgspec

from catalogue.rules import KeyReused
from events.topics import FORMER
from infra.running import Outdated

A = TypeVar("A")
LONGEST_KEY = 200
"""Characters of a stored key; of a longer key the digest is stored."""


class _NoAnswer:
    """A marker for "no answer yet"; None cannot be used, because many acts answer None."""


_NO_ANSWER = _NoAnswer()


class Once(Generic[A]):
    """A request. If it comes for the ``first`` time, the block does what it asks and sets ``answer``; else ``answer`` is the first answer.
    If the block sets no answer, nothing is stored, and a repeat runs the block again."""

    def __init__(self, random: bytes, before: "A | _NoAnswer" = _NO_ANSWER) -> None:
        self.random = random
        """32 bytes that nobody can guess, equal for all repeats of the same request: for secrets that are shown once and not stored."""
        self.first = before is _NO_ANSWER
        self._answer = before

    @property
    def answer(self) -> A:
        assert self.answered, "the first request must set the answer"
        return cast(A, self._answer)

    @answer.setter
    def answer(self, answer: A) -> None:
        self._answer = answer

    @property
    def answered(self) -> bool:
        return self._answer is not _NO_ANSWER


@asynccontextmanager
async def once(
    db: asyncpg.Connection,
    service: str,
    act: str,
    key: str,
    *,
    secret: bytes,
    body: object,
    caller: str,
    answer: type[A],
    former_bodies: Sequence[object] = (),
) -> AsyncIterator[Once[A]]:
    """See :meth:`infra.database.Transaction.once`."""
    if not key:
        yield Once(os.urandom(32))
        return
    name = "/".join(part for part in (act, caller, key.replace("\x00", "")) if part)
    if len(name) > LONGEST_KEY * 2:
        name = sha256(name.encode()).hexdigest()
    digest = _digest(body, secret)
    random = blake2b(f"{service}/{name}".encode() + digest, key=secret, digest_size=32, person=b"random").digest()
    locked = f"{FORMER.get(service, service)}/{name}"  # as the former release locks it
    await db.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", locked)
    found = await db.fetchrow(
        f"select answer, caller, body_digest from {service}.requests where request_key = $1", name
    )
    forms = [_digest(each, secret) for each in former_bodies]
    if found is not None:
        stored_digest: bytes = found["body_digest"]  # an early release wrote neither caller nor digest
        if forms and (
            sent := await db.fetchval(
                f"select body_digest from {service}.requests where request_key = $1", _of_sent(name)
            )
        ):
            forms, stored_digest = [digest], sent
        known = any(hmac.compare_digest(stored_digest, each) for each in forms or [digest])
        if stored_digest and not (found["caller"] == caller and known):
            raise KeyReused
        yield Once(random, _decoded(found["answer"], answer))
        return
    first: Once[A] = Once(random)
    yield first
    if not first.answered:
        return
    insert = f"insert into {service}.requests (request_key, answer, caller, body_digest) values ($1, $2, $3, $4) on conflict do nothing"
    encoded = first.answer.encode() if isinstance(first.answer, str) else msgspec.json.encode(first.answer)
    if await db.execute(insert, name, encoded, caller, forms[0] if forms else digest) == "INSERT 0 0":
        raise Outdated(f"a repeat of this request to {service} was answered meanwhile")
    if forms:
        await db.execute(insert, _of_sent(name), b"", caller, digest)


def _of_sent(name: str) -> str:
    """The key of a further row, which has the digest of what was sent. The row of the request itself has a form that the
    former release knows; other requests may have the same form. A later release stores only what was sent."""
    return sha256(f"sent: {name}".encode()).hexdigest()


def _digest(body: object, secret: bytes) -> bytes:
    return blake2b(msgspec.json.encode(body, order="deterministic"), key=secret, digest_size=32).digest()


def _decoded(answer: bytes, kind: type[A]) -> A:
    text: Any = answer.decode() if kind is str else msgspec.json.decode(answer, type=kind)
    return text  # type: ignore[no-any-return]
