"""A member's request that changes something: under its ``Idempotency-Key`` it takes effect once.

A route of the API takes ``keyed: FromKeyed`` and acts through it, in a transaction of its service::

    async with ground.database.transaction("catalogue") as tx:
        return await keyed.once(tx, Standing, lambda: offers.withdraw(tx, offer_id, request.user))

Where a form sends the same with a key of its own, the use case takes the key, with :meth:`infra.database.Transaction.once`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import NoneType
from typing import Any, TypeVar

from litestar.di import NamedDependency
from litestar.exceptions import ClientException, SerializationException

from infra.database import Transaction
from infra.web.arguments import IdempotencyKey, MemberVisit

A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Keyed:
    """One request. Its method and path say what is done, and to which thing."""

    request: MemberVisit
    key: str
    body: Any

    async def once(self, tx: Transaction, answer: type[A], act: Callable[[], Awaitable[A]]) -> A:
        """What ``act`` answers, or answered when the request came before. The key of an act that fails stays free.

        ``answer`` is its type: what JSON can tell. Raises KeyReused and what the act raises.
        """
        request = self.request
        what = f"{request.method} {request.url.path}"
        async with tx.once(what, self.key, caller=request.user.member_id, body=self.body, answer=answer) as once:
            if once.first:
                once.answer = await act()
        return once.answer

    async def do(self, tx: Transaction, act: Callable[[], Awaitable[object]]) -> None:
        """The same of an act whose answer nobody needs."""

        async def run() -> None:
            await act()

        await self.once(tx, NoneType, run)


FromKeyed = NamedDependency[Keyed]
"""The type of the argument ``keyed`` (see :func:`infra.web.routes`)."""


async def keyed(request: MemberVisit, idempotency_key: IdempotencyKey = "") -> Keyed:
    """The body has come before the route begins, and so before it takes a connection to the database: a body may take a minute.
    Raises ClientException: where a route takes no body, nobody else has looked at what came."""
    try:
        return Keyed(request, idempotency_key, await request.json() if idempotency_key else None)
    except SerializationException as error:
        raise ClientException(str(error)) from error
