"""Errors as people and programs need them: RFC 9457 problem details in the API, a plain page with the remedy
elsewhere."""

import logging
from collections.abc import Callable, Mapping
from functools import wraps
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote

import asyncpg
import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.response import Redirect
from sqlalchemy.exc import DBAPIError

from catalogue.policy import PolicyNotValid
from catalogue.rules import KeyReused, RuleBroken, role_missing
from events.bounds import unfit
from events.limits import OutOfBounds
from infra.away import is_away, is_of_kafka, lacks_resources
from infra.clock import WrongClock
from infra.denied import Missing, NotAllowed
from infra.ids import new_id
from infra.reading import UnreadableRow
from infra.running import Outdated
from infra.web.answers import can_be_loaded
from infra.web.csrf import token_cookies
from infra.web.forms import bound_text
from infra.web.kept import kept
from infra.web.languages import ENGLISH, gettext, refusal_text, speak, spoken
from infra.web.limits import address_of
from infra.web.lines import LINES, OfAddress
from infra.web.pages import login_page, page
from infra.web.query import API, LongAddress, as_asked
from infra.web.readers import language_of
from infra.web.wire import LONG_ADDRESS, PARAMETERS, TARGET_BYTES

log = logging.getLogger(__name__)
E = TypeVar("E", bound=Exception)
PROBLEM = "application/problem+json"
AGAIN_SECONDS = 1
"""Seconds after which a program or a form may try again if something was away."""
RELOAD_SECONDS = 3
"""Seconds after which the page of such an error reloads itself: longer, so that its text can be read."""


def _words(status: int) -> tuple[str, str]:
    """The heading of the page of an error, and its remedy, in the reader's language."""
    said = {
        401: (gettext("Not logged in"), gettext("Log in and try again.")),
        403: (
            gettext("Not allowed"),
            gettext("Ask a member of your organisation with that role, or log in as another."),
        ),
        404: (
            gettext("Not found"),
            gettext("It may have been moved, or the address has a typing error. Start from the home page."),
        ),
        405: (
            gettext("Nothing can be sent to this address"),
            gettext("Nothing was done. Load the page and send its form from there."),
        ),
        409: (
            gettext("Not done"),
            gettext("Somebody changed it meanwhile. Load the page again and look before you repeat."),
        ),
        413: (gettext("Too long"), gettext("Shorten the texts, or send them in parts.")),
        422: (gettext("Refused by a rule"), gettext("Check what you entered and send it again.")),
        429: (gettext("Too many requests"), gettext("Wait a minute and try again.")),
        500: (
            gettext("Something went wrong"),
            gettext("This is our fault. Try again. If it happens again, tell us the number."),
        ),
        503: (
            gettext("Not available at the moment"),
            gettext("Nothing is lost. Wait a few seconds and send it again."),
        ),
    }
    return said.get(status, (gettext("This was not understood"), gettext("Check what you entered and send it again.")))


class NotFound(HTTPException):
    """The answer to :class:`infra.denied.Missing`, which routes name in ``raises``. It is never raised, because rules
    and stores do not depend on the web."""

    status_code = 404


def wants_page(request: Request[Any, Any, Any]) -> bool:
    return wants_page_of(request.url.path, request.headers)


def wants_page_of(path: str, headers: Mapping[str, str]) -> bool:
    return not path.startswith(API) and "text/html" in headers.get("accept", "")


def _to_the_reader(
    handler: Callable[[Request[Any, Any, Any], E], Response[Any]],
) -> Callable[[Request[Any, Any, Any], E], Response[Any]]:
    """Run the handler in the reader's language, which is not set if an error occurs before the route is reached."""

    @wraps(handler)
    def answer(request: Request[Any, Any, Any], error: E) -> Response[Any]:
        if wants_page(request):
            speak(language_of(request))
        return handler(request, error)

    return answer


@_to_the_reader
def on_rule_broken(request: Request[Any, Any, Any], error: RuleBroken) -> Response[Any]:
    """The answer to a broken rule: 422 with code, sentence, field and the numbers that were compared. If the rules
    themselves cannot be read, this is no fault of the caller: 503."""
    if isinstance(error, PolicyNotValid):
        return _on_invalid_policy(request, error)
    facts = error.as_dict()
    more = {"rule": facts.pop("code", error.code)} | facts
    fresh = isinstance(error, KeyReused)
    return _answer(request, 422, "refused by a rule", str(error), more, said=refusal_text(error), fresh_key=fresh)


NOT_UNDERSTOOD = {
    "wrong-type",
    "missing",
    "no-body",
    "not-as-written",
    "not-a-number",
    "not-a-date",
    "twice",
    "unknown-parameter",
}
"""Codes of bounds that concern the form of a value: 400 instead of 422."""


@_to_the_reader
def on_out_of_bounds(request: Request[Any, Any, Any], error: OutOfBounds) -> Response[Any]:
    """The answer to a value outside its bounds. It names the bound, as a refusal names its rule."""
    numbers = {name: str(value) for name, value in error.numbers.items()}
    status = 400 if error.code in NOT_UNDERSTOOD else 422
    more = {
        "rule": error.code,
        "field": error.field,
        "numbers": numbers,
        "errors": [{"field": error.field, "rule": error.code, "message": error.message}],
    }
    detail = f"{error.field}: {error.message}" if error.field else error.message
    if request.method != "POST" and wants_page(request):
        return _on_wrong_address(request, error, status, detail)
    said = gettext("Something that you entered %(said)s.", said=bound_text(error))
    return _answer(request, status, "out of bounds", detail, more, said=said)


def _on_wrong_address(request: Request[Any, Any, Any], error: OutOfBounds, status: int, detail: str) -> Response[Any]:
    """The page for a wrong parameter in an address. There is no form field to correct: it names the parameter, and
    links to the address without the query."""
    name = error.field.partition(".")[0]
    head = gettext("This was not understood")
    if error.code == "missing":
        said = gettext("The address of this page needs a value for “%(name)s”.", name=name)
        return _answer(
            request, status, "out of bounds", detail, {}, said=said, words=(head, gettext("Start from the home page."))
        )
    if name not in request.query_params:
        said = gettext("The address of this page has a part that cannot be right.")
        words = head, gettext("Start from the home page.")
        return _answer(request, status, "out of bounds", detail, {}, said=said, words=words)
    wrong = error if error.code != "wrong-type" else OutOfBounds("not-as-written")
    said = gettext(
        "In the address of this page, “%(name)s” %(said)s.",
        name=name,
        said=bound_text(wrong),
    )
    words = head, gettext("What follows the question mark in the address can be left out.")
    link = _address(request.url.path), gettext("Load the page without it")
    return _answer(request, status, "out of bounds", detail, {}, said=said, words=words, link=link)


def _address(path: str, query: str = "") -> str:
    """A path of this site, in the form for links."""
    return "/" + quote(path.lstrip("/")) + (f"?{query}" if query else "")


@_to_the_reader
def on_long_address(request: Request[Any, Any, Any], error: LongAddress) -> Response[Any]:
    """The answer to an address that is too long. It links to the page without the query, if the path is complete."""
    said = gettext(
        "It may have %(kilobytes)s KB at most, and %(parameters)s values after the question mark.",
        kilobytes=TARGET_BYTES // 1024,
        parameters=PARAMETERS,
    )
    fewer = gettext("Choose fewer things at once, or search for fewer words.")
    without = gettext("What follows the question mark in the address can be left out.")
    words = gettext("The address of this page is too long"), f"{fewer} {without}"
    path = request.url.path
    whole = request.scope[LONG_ADDRESS] and can_be_loaded(request.app, path)  # type: ignore[literal-required]
    link = (_address(path), gettext("Load the page without it")) if whole else None
    title = HTTPStatus(error.status_code).phrase
    return _answer(request, error.status_code, title, error.detail, {}, said=said, words=words, link=link)


@_to_the_reader
def on_denied(request: Request[Any, Any, Any], error: Missing | NotAllowed) -> Response[Any]:
    status = HTTPStatus.NOT_FOUND if isinstance(error, Missing) else HTTPStatus.FORBIDDEN
    return _answer(request, status, status.phrase, str(error), {})


@_to_the_reader
def on_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    if error.status_code == 401 and wants_page(request) and request.method == "GET":
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return Redirect(f"/login?next={quote(target, safe='')}")
    if error.status_code == 405 and wants_page(request) and request.method == "GET":
        return Redirect(_page_above(request), status_code=303)
    if error.status_code == 401 and wants_page(request) and (form := kept(request)):
        return _with_token(request, login_page(request, kept=form, status_code=401))
    if isinstance(error, ValidationException) and isinstance(error.extra, list) and error.extra:
        return on_out_of_bounds(request, _bound(request, error.extra[0]))
    inside = (
        error.extra if isinstance(error.extra, dict) else {}
    )  # "said" is the detail in the reader's language, "roles" those that may
    title, said, words = HTTPStatus(error.status_code).phrase, inside.get("said"), inside.get("words")
    if said is None and "roles" in inside:
        said = refusal_text(role_missing(*inside["roles"]))
    link = (
        (_page_above(request), gettext("Load the page")) if error.status_code == 405 and wants_page(request) else None
    )
    answer = _answer(request, error.status_code, title, error.detail, {}, said=said, words=words, link=link)
    answer.headers.update(error.headers or {})
    return answer


def _page_above(request: Request[Any, Any, Any]) -> str:
    """The address of a form's action has no page. The page of the form is the nearest page above it that the reader may
    see."""
    path = request.url.path.rstrip("/")
    while path and not can_be_loaded(request.app, path, request.scope.get("user")):
        path = path.rpartition("/")[0]
    return _address(path)


@_to_the_reader
def on_no_such_path(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The answer to a path that the file system cannot look up: it has a NUL, is too long, or uses a file as a
    folder."""
    return _answer(request, 400, "Bad Request", "There can be no file of that name.", {})


def _bound(request: Request[Any, Any, Any], found: dict[str, Any]) -> OutOfBounds:
    """The bound for a parameter error of Litestar. For a missing body Litestar gives only the name of the argument."""
    if found.get("message") == repr("data"):
        return OutOfBounds("no-body")
    bound = unfit(str(found.get("message", "")))
    return bound.inside(as_asked(request, found["key"])) if found.get("key") else bound


@_to_the_reader
def on_crash(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The answer to an unexpected error. It shows no internals; the number leads to the traceback in the log. A value
    that the database cannot store (a NUL character, a number out of range) is the sender's fault, wherever it was
    noticed."""
    driver = error.orig.__cause__ if isinstance(error, DBAPIError) and error.orig is not None else error
    if isinstance(driver, asyncpg.DataError):
        OfAddress(log, address_of(request)).warning("%s %s: %s", request.method, request.url.path, driver)
        detail = gettext("A value cannot be stored: a character or number in it is out of range.")
        return _answer(request, 400, "Bad Request", detail, {}, said=detail)
    if is_away(error):
        return _on_away(request, error, driver)
    if isinstance(error, UnreadableRow):
        return _on_unreadable(request, error)
    number = new_id()
    seldom = LINES.take(address_of(request))  # the number in the answer is in the log in either case
    log.error("%s %s failed, number %s", request.method, request.url.path, number, exc_info=error if seldom else None)
    detail = gettext("It was logged under the number %(number)s.", number=number)
    return _answer(request, 500, "Internal Server Error", detail, {"instance": f"urn:uuid:{number}"}, said=detail)


def _on_away(request: Request[Any, Any, Any], error: Exception, driver: BaseException | None) -> Response[Any]:
    """The answer if something is away. A form must be sent again by its sender; a page reloads itself."""
    said = "%s %s failed, since what it needs is away: %s"
    OfAddress(log, address_of(request)).warning(said, request.method, request.url.path, str(driver) or repr(driver))
    if isinstance(driver, WrongClock):
        detail = gettext("The clock of this part of the market is wrong. It decides nothing until the clock is right.")
    elif isinstance(driver, asyncpg.LockNotAvailableError | Outdated):
        detail = gettext("Somebody else has been changing this for some time.")
    elif is_of_kafka(error):
        detail = gettext("Kafka, which carries the messages of the market, does not answer at the moment.")
    elif lacks_resources(error):
        detail = gettext("The market has no memory or disk left at the moment.")
    else:
        detail = gettext("The database of the market does not answer at the moment.")
    read = wants_page(request) and request.method == "GET"
    words = link = None
    if read:
        words = (
            gettext("Not available at the moment"),
            gettext("Nothing is lost. This page reloads by itself every few seconds until it can be shown."),
        )
        link = _address(request.url.path, request.url.query), gettext("Load it again")
    seconds = RELOAD_SECONDS if read else AGAIN_SECONDS
    answer = _answer(
        request,
        503,
        "Service Unavailable",
        detail,
        {},
        said=detail,
        words=words,
        link=link,
        reload=seconds if read else 0,
    )
    answer.headers["retry-after"] = str(seconds)
    return answer


def _on_invalid_policy(request: Request[Any, Any, Any], error: PolicyNotValid) -> Response[Any]:
    """The answer while the file of the policy, or the policy that is stored with a process, cannot be read."""
    log.error("the policy is not valid: %s", error)
    detail = gettext("The rules of this market cannot be read at the moment. Nothing was changed.")
    words = (
        gettext("Cannot be read at the moment"),
        gettext("The operators of the market can see this fault. Try again later."),
    )
    return _answer(request, 503, "Service Unavailable", detail, {"rule": error.code}, said=detail, words=words)


def _on_unreadable(request: Request[Any, Any, Any], error: UnreadableRow) -> Response[Any]:
    """The answer for an unreadable row, which log and health already report."""
    detail = gettext(
        "What the market has stored about this cannot be read at the moment. Nothing is lost, and everything else works."
    )
    words = (
        gettext("Cannot be read at the moment"),
        gettext("The operators of the market can see this fault. Try again later."),
    )
    return _answer(request, 503, "Service Unavailable", detail, {"rule": error.code}, said=detail, words=words)


def _answer(
    request: Request[Any, Any, Any],
    status: int,
    title: str,
    detail: str,
    more: dict[str, Any],
    *,
    said: str | None = None,
    words: tuple[str, str] | None = None,
    link: tuple[str, str] | None = None,
    reload: int = 0,
    fresh_key: bool = False,
) -> Response[Any]:
    """``said`` is the detail in the reader's language. Without it, a page in another language than English shows
    everything except the detail. ``words``: heading and remedy of the page, if the status does not determine them.
    ``link``: address and text of a link. ``reload``: seconds after which the page reloads itself. ``fresh_key``: the
    form that is shown again gets a new request key."""
    if wants_page(request):
        head, remedy = words or _words(status)
        if said is None:
            said = detail if spoken() == ENGLISH and detail != title else ""
        answer = page(
            request,
            "error.html",
            status_code=status,
            title=head,
            detail=said,
            remedy=remedy,
            kept=kept(request, fresh_key=fresh_key),
            link=link,
            reload=reload,
        )
        return _with_token(request, answer)
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail} | more
    return Response(msgspec.json.encode(body), status_code=status, media_type=PROBLEM)


def _with_token(request: Request[Any, Any, Any], answer: Response[Any]) -> Response[Any]:
    """Add the token cookies, so that a form on this page can be sent although the request was refused before its
    route."""
    for cookie in token_cookies(request):
        answer.set_cookie(cookie)
    return answer
