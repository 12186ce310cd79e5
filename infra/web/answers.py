"""Stores the page that answers a form under its own address, so that Back and a reload show it again without sending
the form.

Browsers do not store personal pages. If such a page answered a POST, the browser has to send the form again to show it,
and warns of this. Therefore the answer to a form of our pages (a refusal with the typed values and the reason) is
stored for 15 minutes. The browser is redirected (303) to the page of the form, with the number of the answer in the
query: a GET of that address shows the answer (:mod:`infra.web.shown_again`). When the answer has expired, the same
address shows the current page of the form, and says so.

An answer belongs to the session whose token its forms have, and to its member; nobody else can see it. It is encrypted
with its number, which only the browser has. The stored data are limited in every respect (see :data:`LIMITS`). An
answer that does not fit or cannot be stored is sent at once, as are answers to programs and scripts, which have no
Back.
"""

import asyncio
import logging
import secrets
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from litestar import Request
from litestar.datastructures import Cookie, Headers
from litestar.exceptions import MethodNotAllowedException, NotFoundException
from litestar.types import Message
from litestar.utils.scope.state import ScopeState

from infra.database import LOST, Database
from infra.deadline import Deadline
from infra.tasks import background, stop_if_cancelled
from infra.tokens import Principal
from infra.web.compression import in_thread_if_large, zipped
from infra.web.exact import arrived
from infra.web.kept import address, of_this_site
from infra.web.lines import OfAddress
from infra.web.query import API
from infra.web.wire import network

log = logging.getLogger(__name__)
PARAMETER = "answer"
"""The query parameter with the number of the answer to show."""
ASKED = "lonja_answer"
"""The key of the scope with that number, which was taken out of the query."""
GONE = "lonja_answer_gone"
"""The key of the scope that says that the answer is not there any more; the page shows this."""
FRESH = "lonja_fresh_"
"""With the mark of an answer this is the name of a cookie, which exists until the answer is shown for the first time.
Each answer has its own cookie, because two tabs may wait for answers."""
LATER = timedelta(minutes=1)
"""After this time an answer counts as old, even when it is shown for the first time."""
MINUTES = 15
PRUNED_EVERY = 60.0
SHRINKS = 16
PATIENCE = 2.0
"""Seconds for storing an answer; after that it is sent at once."""


class AnswerLimits(NamedTuple):
    """A stored answer has at most ``bytes``. A session keeps its ``latest`` answers, up to ``session_bytes``: eight of
    the largest size, or, of pages of usual size, as many as a person sends in 15 minutes. A member, or all visitors of
    one network, have ``each`` in other sessions. All members together have ``all_bytes``, and all visitors together the
    same amount again, so that visitors cannot use up the members' part."""

    bytes: int = 256 * 1024
    session_bytes: int = 8 * 256 * 1024
    latest: int = 64
    each: int = 64
    all_bytes: int = 32 * 1024 * 1024


LIMITS = AnswerLimits()
KEEP = """
with over as (delete from operations.answers where kept_until <= now()),
old as (
    delete from operations.answers where answer in (
        select answer from (
            select answer, row_number() over latest as place, sum(bytes) over latest as together from operations.answers
            where owner = $2 window latest as (order by kept_until desc, answer rows unbounded preceding)
        ) as own where place >= $6 or together + length($5::bytea) > $10
    )
)
insert into operations.answers (answer, owner, sender, visitor, page, bytes, kept_until)
select $1, $2, $3, $4, $5::bytea, length($5::bytea), now() + make_interval(mins => $9)
where (select count(*) from operations.answers where sender = $3 and owner <> $2 and kept_until > now()) < $7
and (
    select coalesce(sum(bytes), 0) from operations.answers where visitor = $4 and kept_until > now()
) + length($5::bytea) <= $8
returning true
"""


class StoredAnswer(msgspec.Struct, frozen=True):
    """``body`` is compressed. ``sent_at``: when the form was sent; None if the former release stored the answer."""

    status: int
    content_type: str
    body: bytes
    sent_at: datetime | None = None


class Answers:
    """Stores answers in the database, for all web processes."""

    def __init__(self, database: Database, limits: AnswerLimits = LIMITS) -> None:
        self._database = database
        self._limits = limits

    def most(self, *, is_zipped: bool) -> int:
        """The most bytes of a page for which storing is tried: compression reduces pages to about a tenth."""
        return self._limits.bytes if is_zipped else SHRINKS * self._limits.bytes

    async def keep(self, scope: Any, answer: StoredAnswer) -> str | None:
        """Store the answer. Return its number, or None if it cannot be stored."""
        owner = _owner(scope)
        if owner is None or len(answer.body) > self._limits.bytes:
            return None
        number = secrets.token_hex(16)
        sealed = _cipher(number).encrypt(_ONCE, msgspec.msgpack.encode(answer), None)
        if len(sealed) > self._limits.bytes:
            return None
        member = scope.get("user")
        sender = f"member {member.member_id}" if member else f"network {_network(scope)}"
        try:
            async with Deadline(PATIENCE):
                kept = await self._database.pool.fetchval(
                    KEEP,
                    _row(number),
                    owner,
                    sender,
                    member is None,
                    sealed,
                    self._limits.latest,
                    self._limits.each,
                    self._limits.all_bytes,
                    MINUTES,
                    self._limits.session_bytes,
                )
        except (*LOST, TimeoutError) as error:
            _logger(scope).warning("the answer to a form is given at once, not kept: %r", error)
            return None
        return number if kept else None

    async def kept(self, scope: Any, number: str) -> StoredAnswer | None:
        owner = _owner(scope)
        if owner is None or len(number) > 64:
            return None
        try:
            async with Deadline(PATIENCE):
                sealed = await self._database.pool.fetchval(
                    "select page from operations.answers where answer = $1 and owner = $2 and kept_until > now()",
                    _row(number),
                    owner,
                )
        except (*LOST, TimeoutError) as error:
            _logger(scope).warning("the page of a form is shown without its answer: %r", error)
            return None
        return (
            msgspec.msgpack.decode(_cipher(number).decrypt(_ONCE, sealed, None), type=StoredAnswer) if sealed else None
        )

    async def prune(self) -> None:
        await self._database.pool.execute("delete from operations.answers where kept_until <= now()")

    def pruned(self) -> AbstractAsyncContextManager[None]:
        """Delete expired answers for as long as the block runs."""
        return background(self._prune_again(), name="pruning of the answers to forms")

    async def _prune_again(self) -> None:
        while True:
            await asyncio.sleep(PRUNED_EVERY)
            try:
                async with Deadline(PATIENCE):
                    await self.prune()
            except (*LOST, TimeoutError) as error:
                stop_if_cancelled()
                log.warning("old answers to forms could not be deleted, and are deleted later: %r", error)


_ONCE = bytes(12)
"""Each key encrypts only one text."""


def _network(scope: Any) -> str:
    return network((scope.get("client") or ("",))[0])


def _logger(scope: Any) -> OfAddress:
    return OfAddress(log, _network(scope))


def _row(number: str) -> bytes:
    return sha256(f"row {number}".encode()).digest()


def mark_of(number: str) -> str:
    """A mark of the answer for the name of a cookie. The number cannot be derived from it."""
    return sha256(f"mark {number}".encode()).hexdigest()[:32]


def fresh_cookie(mark: str, *, seconds: int) -> bytes:
    return (
        Cookie(key=FRESH + mark, value="1", path="/", httponly=True, samesite="lax", max_age=seconds)
        .to_header(header="")
        .encode()
    )


def _cipher(number: str) -> AESGCM:
    return AESGCM(sha256(f"key {number}".encode()).digest())


def _owner(scope: Any) -> bytes | None:
    """The session whose token the forms of this request's pages have, and its member; None if the request was refused
    before that."""
    token, member = ScopeState.from_scope(scope).csrf_token, scope.get("user")
    if not isinstance(token, str):
        return None
    return sha256(f"{token} {member.member_id if member else ''}".encode()).digest()


def without_number(query: str) -> tuple[str, str]:
    """(the query without the number of an answer, the number or "")."""
    if PARAMETER not in query:
        return query, ""
    pairs = parse_qsl(query, keep_blank_values=True)
    number = next((value for name, value in pairs if name == PARAMETER), "")
    return urlencode([pair for pair in pairs if pair[0] != PARAMETER]), number


def asked_for(scope: Any) -> Any:
    """The scope of a request for the page of the form. It says nothing about answers."""
    query, number = (
        ("", "") if scope["path"].startswith(API) else without_number(scope["query_string"].decode("latin-1"))
    )
    return {**scope, "query_string": query.encode("latin-1"), ASKED: number} if number else scope


def is_form_of_a_page(scope: Any) -> bool:
    """Whether a browser that will show the whole answer sent this form, not a program, and not a script that replaces a
    part of the page."""
    if scope["method"] != "POST" or scope["path"].startswith(API):
        return False
    request: Request[Any, Any, Any] = Request(scope)
    return "hx-request" not in request.headers and of_this_site(request)


def page_of_form(request: Request[Any, Any, Any]) -> str:
    """The address of the page that sent this form, without the number of a former answer."""
    page = address(request.headers.get("referer", "/"))
    query, _ = without_number(page.query)
    return (page.path or "/") + (f"?{query}" if query else "")


class AnswerToForm:
    """The answer to a form: if it is a page, it is stored and a redirect to its address is sent; any other answer is
    passed on.

    ``app`` is used to find out which addresses can be loaded.
    """

    def __init__(self, answers: Answers, app: Any, scope: Any, send: Any) -> None:
        self._answers = answers
        self._app = app
        self._scope = scope
        self._send = send
        self._start: Any = None
        self._body: list[bytes] = []

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_page(message):
            self._start = message
        elif self._start is None or message["type"] != "http.response.body":
            await self._send(message)
        else:
            self._body.append(message["body"])
            if not message.get("more_body"):
                await self._answer()

    async def _answer(self) -> None:
        start, body = self._start, b"".join(self._body)
        headers = Headers(start["headers"])
        is_zipped, place, number = headers.get("content-encoding") == "gzip", self._place(), None
        if place and len(body) <= self._answers.most(is_zipped=is_zipped):
            kept = body if is_zipped else await in_thread_if_large(zipped, body)
            answer = StoredAnswer(start["status"], headers.get("content-type", ""), kept, arrived())
            number = await self._answers.keep(self._scope, answer)
        if number is None:
            await self._send(start)
            await self._send({"type": "http.response.body", "body": body, "more_body": False})
            return
        cookies = [(name, value) for name, value in start["headers"] if name.lower() == b"set-cookie"]
        cookies.append((b"set-cookie", fresh_cookie(mark_of(number), seconds=LATER // timedelta(seconds=1))))
        shown_at = f"{place}{'&' if '?' in place else '?'}{PARAMETER}={number}"
        more = [(b"location", shown_at.encode("latin-1")), (b"content-length", b"0")]
        await self._send({"type": "http.response.start", "status": 303, "headers": [*cookies, *more]})
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def _place(self) -> str:
        """The address of the form's page if it is a page of this site, else of another page that can be loaded; "" if
        there is none."""
        request: Request[Any, Any, Any] = Request(self._scope)
        ours = address(request.headers.get("referer", "")).netloc == request.headers.get("host")
        for place in ([page_of_form(request)] if ours else []) + [quote(self._scope["path"]), "/"]:
            path, mark, query = place.partition("?")
            if can_be_loaded(self._app, path):
                return quote("/" + path.lstrip("/"), safe="/%:@") + mark + query
        return ""


def _is_page(message: Any) -> bool:
    """Whether it is a page with a status below 500. Failures are sent at once, so that they do not add load to a
    failing database."""
    kind = Headers(message["headers"]).get("content-type", "")
    return kind.startswith("text/html") and (message["status"] == 200 or 400 <= message["status"] < 500)


def can_be_loaded(app: Any, path: str, by: Principal | None = None) -> bool:
    """Whether there is a page at this path; with ``by``: one that this member may see."""
    try:
        handler = app.asgi_router.handle_routing(path=unquote(path), method="GET")[1]
    except (NotFoundException, MethodNotAllowedException):
        return False
    access = handler.opt.get("access", "public")
    return by is None or access == "public" or by.may(*access)
