"""JSON of quick quotes: everybody reads what is not sealed, suppliers send quotes, the buyer chooses."""

from typing import Annotated, Literal

import msgspec
from litestar import Controller, delete, get, post
from litestar.params import JSONBody, QueryParameter

from catalogue.policy import load as load_policy
from catalogue.roles import BUYER_OFFICER, SUPPLIER_AGENT
from events.bounds import Clause, Count
from infra.ids import new_id
from infra.web import (
    PUBLIC,
    FromKeyed,
    FromResources,
    IdempotencyKey,
    MemberVisit,
    PageNumber,
    PathId,
    PathNumber,
    Visit,
    allow,
    clean,
)
from infra.web.arguments import CategoryCode, Region
from infra.web.errors import NotFound
from infra.web.filters import category_in, region_in
from services.quotes import handlers
from services.quotes.handlers import NewQuote, NewRequest
from services.quotes.store.listing import ListedRequest, RequestFilter, search
from services.quotes.views import PER_PAGE, QuoteParticipant, RequestDetails, read, read_participant

OFFICERS = allow(BUYER_OFFICER)
AGENTS = allow(SUPPLIER_AGENT)
Short = Annotated[str, QueryParameter(max_length=100)]


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """``justification`` is required unless no quote is cheaper. It is published."""

    participant: Count
    justification: Clause = ""


class PublishedReason(msgspec.Struct, frozen=True, kw_only=True):
    """``reason`` is published."""

    reason: Clause


class RequestPage(msgspec.Struct, frozen=True, kw_only=True):
    """``total`` counts the requests that match, up to 1,000; ``more`` says that there are more than that."""

    total: int
    more: bool
    page: int
    requests: list[ListedRequest]


class QuotesApi(Controller):
    path = "/api/quotes"
    tags = ["quotes"]

    @get(opt=PUBLIC)
    async def list_requests(
        self,
        resources: FromResources,
        group: Annotated[Literal["", "open", "choosing", "closed"], QueryParameter(description="Empty for all")] = "",
        category: CategoryCode = "",
        region: Region = "",
        q: Short = "",
        page: PageNumber = 1,
    ) -> RequestPage:
        """List requests: open ones by the nearest deadline, others by the latest. ``category`` is the beginning of a
        code, ``region`` an ISO 3166-2 code or a country; ``q`` has words of the title, or beginnings of words."""
        wanted = RequestFilter(group=group, category=category_in(category), region=region_in(region), words=clean(q))
        async with resources.database.transaction("quotes") as tx:
            found = await search(tx, wanted, limit=PER_PAGE, offset=PER_PAGE * (page - 1))
        return RequestPage(total=found.total, more=found.more, page=page, requests=list(found.rows))

    @get("/{request_id:str}", opt=PUBLIC, raises=[NotFound])
    async def read_request(
        self, request: Visit, resources: FromResources, request_id: PathId, page: PageNumber = 1
    ) -> RequestDetails:
        """Return the request as the reader may see it. Quotes are sealed until the deadline; then only the buyer sees
        them, and everybody after the choice. ``page`` is the page of participants, 50 on each. Here each participant
        has no ``lines`` and only the beginning of its ``comment``; the lines of one participant have their own address.
        """
        async with resources.database.transaction("quotes") as tx:
            return await read(tx, request_id, request.scope.get("user"), part=page)

    @get("/{request_id:str}/participants/{number:int}", opt=PUBLIC, raises=[NotFound])
    async def read_one_participant(
        self, request: Visit, resources: FromResources, request_id: PathId, number: PathNumber
    ) -> QuoteParticipant:
        """Return one quote without a name; for the buyer with all its lines and the whole comment. The answer is Not
        Found while quotes are sealed for the reader."""
        async with resources.database.transaction("quotes") as tx:
            return await read_participant(tx, request_id, number, request.scope.get("user"))

    @post(opt=OFFICERS)
    async def open_request(
        self, request: MemberVisit, resources: FromResources, data: JSONBody[NewRequest], key: IdempotencyKey = ""
    ) -> RequestDetails:
        policy = load_policy(resources.config.policy)
        async with resources.database.transaction("quotes") as tx:
            request_id = await handlers.open_for_buyer(tx, data, request.user, policy, key or new_id())
            await tx.flush()
            return await read(tx, request_id, request.user)

    @post("/{request_id:str}/mine", opt=AGENTS, status_code=200, raises=[NotFound])
    async def submit(
        self,
        request: MemberVisit,
        resources: FromResources,
        request_id: PathId,
        data: JSONBody[NewQuote],
        key: IdempotencyKey = "",
    ) -> RequestDetails:
        """Send the caller's sealed quote, or its next version. The time of arrival decides whether it is in time.
        Sending the same ``Idempotency-Key`` again changes nothing."""
        arrived_at = resources.clock()
        async with resources.database.transaction("quotes") as tx:
            await handlers.submit(tx, request_id, data, request.user, arrived_at, key or new_id())
            return await read(tx, request_id, request.user)

    @delete("/{request_id:str}/mine", opt=AGENTS, status_code=200, raises=[NotFound])
    async def withdraw(
        self, request: MemberVisit, resources: FromResources, keyed: FromKeyed, request_id: PathId
    ) -> RequestDetails:
        """Withdraw the caller's quote before the deadline. A new quote may follow."""
        arrived_at = resources.clock()
        async with resources.database.transaction("quotes") as tx:
            await keyed.do(tx, lambda: handlers.withdraw(tx, request_id, request.user, arrived_at))
            return await read(tx, request_id, request.user)

    @post("/{request_id:str}/choice", opt=OFFICERS, status_code=200, raises=[NotFound])
    async def choose(
        self,
        request: MemberVisit,
        resources: FromResources,
        keyed: FromKeyed,
        request_id: PathId,
        data: JSONBody[Choice],
    ) -> RequestDetails:
        """Choose a participant's quote. The contract with it follows."""
        async with resources.database.transaction("quotes") as tx:
            await keyed.do(
                tx,
                lambda: handlers.choose(tx, request_id, data.participant, data.justification, request.user),
            )
            return await read(tx, request_id, request.user)

    @post("/{request_id:str}/rejection", opt=OFFICERS, status_code=200, raises=[NotFound])
    async def reject_all(
        self,
        request: MemberVisit,
        resources: FromResources,
        keyed: FromKeyed,
        request_id: PathId,
        data: JSONBody[PublishedReason],
    ) -> RequestDetails:
        """Choose no quote. The reason is published."""
        async with resources.database.transaction("quotes") as tx:
            await keyed.do(tx, lambda: handlers.reject_all(tx, request_id, data.reason, request.user))
            return await read(tx, request_id, request.user)

    @post("/{request_id:str}/withdrawal", opt=OFFICERS, status_code=200, raises=[NotFound])
    async def withdraw_request(
        self,
        request: MemberVisit,
        resources: FromResources,
        keyed: FromKeyed,
        request_id: PathId,
        data: JSONBody[PublishedReason],
    ) -> RequestDetails:
        """Withdraw the request before the deadline. The quotes stay sealed."""
        async with resources.database.transaction("quotes") as tx:
            await keyed.do(tx, lambda: handlers.withdraw_request(tx, request_id, data.reason, request.user))
            return await read(tx, request_id, request.user)
