"""What somebody wrote in a form that could not be taken is not lost: it is shown again, to be sent again.

So it is where the login of the form's page has ended, or another began meanwhile, and where the market was away. Only a page of this
site gets that: a form that another site posted is never offered to be sent under a token of ours.
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
"""Of the names of such fields while they travel in the form of the login."""
GOAL = "kept-goal"
A_FEW_WORDS = 3
MOST_KEPT = 256 * 1024
"""Characters of a form: a longer one would make a page of some megabytes, for whoever cares to send it."""
REQUEST_KEY = "request_key"
SECRET = ("password", "current")
"""Fields that go into no page."""
NOT_WORTH_IT = ("/login", "/logout", "/language")


class KeptForm(NamedTuple):
    """Where the form goes, and its fields: a name may come several times."""

    goal: str
    fields: list[tuple[str, str]]

    @property
    def texts(self) -> list[str]:
        """What a person wrote, rather than chose: it can be read, and copied."""
        return [text for _, text in self.fields if len(text.split()) >= A_FEW_WORDS]


def kept(request: Request[Any, Any, Any], *, fresh_key: bool = False) -> KeptForm | None:
    """The form that this request posted from a page of this site; with a ``fresh_key`` to be sent again as another request."""
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
    """The same, out of the form of the login that carried it on."""
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
    """As browsers say it of every POST; who says nothing is not believed."""
    if said := request.headers.get("sec-fetch-site"):
        return said == "same-origin"
    return address(request.headers.get("origin", "")).netloc == request.headers.get("host", " ")


def address(said: str) -> SplitResult:
    """The parts of what a header says is an address; they are all empty where it is none."""
    try:
        return urlsplit(said)
    except ValueError:
        return SplitResult("", "", "", "", "")
