"""The content of a form that could not be accepted is not lost: it is shown again, to be sent again.

This happens if the login of the form's page has ended, if another login began meanwhile, or if the market was
unavailable. It is done only for forms of this site: a form that another site posted is never offered for sending with
our token.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from litestar import Request
from litestar.types import Empty
from litestar.utils.scope.state import ScopeState

from infra.ids import new_id
from infra.web.csrf import FIELD

PREFIX = "kept:"
"""The prefix of the names of such fields while they are carried in the login form."""
GOAL = "kept-goal"
A_FEW_WORDS = 3
MOST_KEPT = 256 * 1024
"""The most characters of a form that is shown again, so that nobody can request pages of several megabytes."""
REQUEST_KEY = "request_key"
SECRET = ("password", "current")
"""Fields that are never put into a page."""
NOT_WORTH_IT = ("/login", "/logout", "/language")


class KeptForm(NamedTuple):
    """The address of the form, and its fields; a name may occur several times."""

    goal: str
    fields: list[tuple[str, str]]

    @property
    def texts(self) -> list[str]:
        """The texts that a person wrote, for reading and copying; not the values that were chosen."""
        return [text for _, text in self.fields if len(text.split()) >= A_FEW_WORDS]


def kept(request: Request[Any, Any, Any], *, fresh_key: bool = False) -> KeptForm | None:
    """The form that this request posted from a page of this site; with ``fresh_key`` it gets a new request key."""
    posted = ScopeState.from_scope(request.scope).form
    path = request.url.path
    if request.method != "POST" or posted is Empty or path in NOT_WORTH_IT or not of_this_site(request):
        return None
    left_out = (FIELD, *SECRET)
    texts = [(name, text) for name, text in _pairs(posted) if isinstance(text, str) and name not in left_out]
    if fresh_key:
        texts = [(name, new_id() if name == REQUEST_KEY else text) for name, text in texts]
    return KeptForm(path + (f"?{request.url.query}" if request.url.query else ""), texts) if _fits(texts) else None


def kept_by_login(posted: Iterable[tuple[str, Any]]) -> KeptForm | None:
    """The same form, read from the login form that carried it."""
    fields = list(posted)
    goal = next((text for name, text in fields if name == GOAL), "")
    texts = [(name.removeprefix(PREFIX), text) for name, text in fields if name.startswith(PREFIX)]
    return KeptForm(goal, texts) if goal and _fits(texts) else None


def _fits(texts: list[tuple[str, str]]) -> bool:
    return sum(len(name) + len(text) for name, text in texts) <= MOST_KEPT


def _pairs(posted: Any) -> list[tuple[str, Any]]:
    return [
        (name, each)
        for name, values in dict(posted).items()
        for each in (values if isinstance(values, list) else [values])
    ]


def of_this_site(request: Request[Any, Any, Any]) -> bool:
    """Whether the request came from a page of this site, as browsers state with every POST. Without that statement it
    is False."""
    if said := request.headers.get("sec-fetch-site"):
        return said == "same-origin"
    return address(request.headers.get("origin", "")).netloc == request.headers.get("host", " ")


def address(said: str) -> SplitResult:
    """The parts of an address in a header; all are empty if it is not an address."""
    try:
        return urlsplit(said)
    except ValueError:
        return SplitResult("", "", "", "", "")
