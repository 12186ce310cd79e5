"""A member's request that changes something: with its ``Idempotency-Key`` it takes effect only once.

A route of the API takes ``keyed: FromKeyed`` and uses it in a transaction of its service::

    async with resources.database.transaction("catalogue") as tx:
        return await keyed.once(tx, Standing, lambda: offers.withdraw(tx, offer_id, request.user))

If a form sends the same act with its own key, the use case takes the key and calls
:meth:`infra.database.Transaction.once`.
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
    """One request. Its method and path identify the act and its object."""

    request: MemberVisit
    key: str
    body: Any

    async def once(self, tx: Transaction, answer: type[A], act: Callable[[], Awaitable[A]]) -> A:
        """Return the answer of ``act``, or its first answer if the request is a repeat. If the act fails, its key stays
        unused.

        ``answer`` is the type of the answer, which must be encodable as JSON. Raise KeyReused and the errors of the
        act.
        """
        request = self.request
        what = f"{request.method} {request.url.path}"
        async with tx.once(what, self.key, caller=request.user.member_id, body=self.body, answer=answer) as once:
            if once.first:
                once.answer = await act()
        return once.answer

    async def do(self, tx: Transaction, act: Callable[[], Awaitable[object]]) -> None:
        """The same for an act without an answer."""

        async def run() -> None:
            await act()

        await self.once(tx, NoneType, run)


FromKeyed = NamedDependency[Keyed]
"""The type of the argument ``keyed`` (see :func:`infra.web.routes`)."""


async def keyed(request: MemberVisit, idempotency_key: IdempotencyKey = "") -> Keyed:
    """Read the request with its body before the route begins, and so before the route takes a database connection,
    because a body may take a minute to arrive. Raise ClientException if the body cannot be read, which no other code
    checks for routes without a body."""
    try:
        return Keyed(request, idempotency_key, await request.json() if idempotency_key else None)
    except SerializationException as error:
        raise ClientException(str(error)) from error
