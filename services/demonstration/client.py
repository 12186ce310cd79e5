"""A small client of the JSON API. Every write has an Idempotency-Key, so it can be sent again until it is answered."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

import httpx

from infra.ids import new_id

T = TypeVar("T")
TRY_AGAIN = frozenset({429, 500, 502, 503, 504})
"""Status codes after which a call is sent again: too many requests, or the server failed or is overloaded."""
PAUSE = 0.2
LONGEST_PAUSE = 2.0


class CallRefused(Exception):
    """The market refused the call. ``rule`` is the code of the broken rule, "" if none is named."""

    code = "call-refused"

    def __init__(self, call: str, status: int, problem: dict[str, Any]) -> None:
        self.status = status
        self.rule: str = problem.get("rule", "")
        self.field: str = problem.get("field") or ""
        self.detail: str = problem.get("detail", "")
        self.problem = problem
        super().__init__(f"{call}: {status} {self.rule} {self.detail} {problem.get('errors', '')}".rstrip())


class NotAnswered(Exception):
    """No final answer arrived within ``patience``."""

    code = "not-answered"

    def __init__(self, call: str, patience: float, last: str) -> None:
        super().__init__(f"{call}: no answer within {patience:.0f} s, at last {last}")


class Client:
    """A visitor of a market, or, from :meth:`login`, a member.

    ``patience``: for this many seconds a call is sent again, with the same key, while the server is away or overloaded.
    """

    def __init__(self, http: httpx.AsyncClient, patience: float = 15) -> None:
        self._http = http
        self._patience = patience
        self._headers: dict[str, str] = {}
        self.me: dict[str, Any] = {}
        """The member's data (GET /api/me); empty for a visitor."""

    @classmethod
    @asynccontextmanager
    async def visiting(cls, url: str, patience: float = 15) -> AsyncIterator[Self]:
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
        async with httpx.AsyncClient(base_url=url, timeout=30, limits=limits) as http:
            yield cls(http, patience)

    async def login(self, email: str, password: str) -> "Client":
        """Return another client, for that member, over the same connections."""
        member = type(self)(self._http, self._patience)
        answer = await self.post("/api/login", {"email": email, "password": password})
        member._headers = {"authorization": f"Bearer {answer['token']}"}
        member.me = await member.get("/api/me")
        return member

    async def get(self, path: str, **parameters: object) -> Any:
        """Return what the API answers; parameters that are None are left out. Raise CallRefused, NotAnswered."""
        wanted = {name: str(value) for name, value in parameters.items() if value is not None}
        return await self._call("GET", path, {"params": wanted})

    async def post(self, path: str, body: Any = None, key: str = "") -> Any:
        """The same ``key`` again gets the same answer; without a key each call is a new request. Raise CallRefused, NotAnswered."""
        headers = {"idempotency-key": key or new_id()}
        return await self._call("POST", path, {"json": body, "headers": headers})

    async def _call(self, method: str, path: str, request: dict[str, Any]) -> Any:
        call = f"{method} {path}"
        headers = {**self._headers, **request.pop("headers", {})}
        deadline, pause = time.monotonic() + self._patience, PAUSE
        while True:
            try:
                answer = await self._http.request(method, path, headers=headers, **request)
            except httpx.TransportError as error:
                last = f"{type(error).__name__} {error}"
            else:
                if answer.status_code not in TRY_AGAIN:
                    return _content(call, answer)
                last = f"{answer.status_code} {answer.text[:200]}"
            if time.monotonic() + pause > deadline:
                raise NotAnswered(call, self._patience, last)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)


def _content(call: str, answer: httpx.Response) -> Any:
    is_json = "json" in answer.headers.get("content-type", "")
    content = answer.json() if is_json and answer.content else {}
    if answer.is_error:
        raise CallRefused(call, answer.status_code, content if isinstance(content, dict) else {"detail": str(content)})
    return content


NOT_HEARD_YET = frozenset(
    {
        "not-a-supplier",
        "buyer-not-active",
        "not-an-active-buyer",
        "not-known-yet",
        "sku-not-published",
        "unknown-sku",
    }
)
"""Rules that a service names until it has received the event about a new organisation or SKU."""


async def when_heard(call: Callable[[], Awaitable[T]], within: float = 30) -> T:
    """Call, and call again while the answer is "not known yet", because the event of another service may not have arrived. After
    ``within`` seconds the refusal is raised."""
    deadline = time.monotonic() + within
    while True:
        try:
            return await call()
        except CallRefused as refused:
            not_yet = refused.rule in NOT_HEARD_YET or refused.status == 404
            if not not_yet or time.monotonic() > deadline:
                raise
        await asyncio.sleep(PAUSE)


async def sign(contract_id: str, buyer: Client, supplier: Client) -> dict[str, Any]:
    """Take all remaining steps, each as the side whose turn it is. Return the contract after the last step."""
    contract: dict[str, Any] = await when_heard(lambda: buyer.get(f"/api/contracts/{contract_id}"))
    while contract["waits_for"]:
        side = buyer if contract["waits_for"] == buyer.me["organisation_id"] else supplier
        contract = await side.post(f"/api/contracts/{contract_id}/steps", {"step": contract["step"]})
    return contract
