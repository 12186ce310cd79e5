"""The documentation agrees with the tree: links lead to files, sections exist, lists of modules are complete."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.names import parsed

PROJECT = Path(__file__).parent.parent
PAGES = (PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md")))
ROOMS = ("catalogue", "events", "infra", "recommender", "services", "tests")
LINK = re.compile(r"\]\(([^)\s]+)\)")
SECTION = re.compile(r"\bsections? (\d+)(?: and (\d+))?")
OF_A_SERVICE = {
    "agents",
    "api",
    "arguments",
    "cli",
    "domain",
    "handlers",
    "pages",
    "service",
    "store",
    "timers",
    "views",
}
"""Modules that a service of the common shape has, as docs/architecture.md says."""
TICKED = r"(?<![`:])`{1,2}([a-z_]+)(?:\.py)?`{1,2}(?!`)"
"""A module's name in a docstring, in single backticks or double ones."""
LISTED_FROM = 3
"""A docstring that names at least this many modules of its package counts as a list of them; that of a service lists
the modules that it has besides the common shape."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_or_a_heading(page: Path) -> None:
    broken = [link for link in LINK.findall(page.read_text()) if not leads(page, link)]
    assert not broken


def leads(page: Path, link: str) -> bool:
    if re.match(r"https?://", link):
        return True
    file, _, heading = link.partition("#")
    found = (page.parent / file) if file else page
    return found.exists() and (not heading or heading in anchors(found))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def sources() -> Iterator[Path]:
    for room in ROOMS:
        yield from sorted((PROJECT / room).rglob("*.py"))


def test_every_section_that_the_code_names_is_in_the_rules() -> None:
    sections = set(re.findall(r"^## Section (\d+)\.", (PROJECT / "docs/rules.md").read_text(), re.MULTILINE))
    assert len(sections) > 5
    missing = {
        f"{path.relative_to(PROJECT)}: section {number}"
        for path in sources()
        for numbers in SECTION.findall(path.read_text())
        for number in numbers
        if number and number not in sections
    }
    assert not missing


LOOKED_UP = (
    *("extension", "whole steps", "cascade", "pack filling", "outlier fences", "idempotency keys", "dead letters"),
    *("unsubscribe", "choice of reference", "policy snapshot"),
)
"""Rules that readers look up most often, under these words."""


def test_a_rule_that_is_looked_up_is_found_under_its_word_and_in_one_file() -> None:
    table = (PROJECT / "docs/rules.md").read_text().partition("## Find a rule")[2].partition("## Section")[0]
    rows = re.findall(r"^\| ([^|]+) \| \d \| (.+) \|$", table, re.MULTILINE)
    assert len(rows) > 40
    for rule in LOOKED_UP:
        places = [code for named, code in rows if rule in named]
        assert len(places) == 1, rule
        assert len(LINK.findall(places[0])) == 1, rule


def test_the_code_cites_the_rules_of_this_repository_and_no_other_document() -> None:
    """Sections are those of docs/rules.md. Code may have a constant named DOMAIN; prose may not use the word."""
    elsewhere = re.compile(r"\bDOMAIN(?:\.md|\b,? (?:sections?|head)\b)")
    pages = {path: path.read_text() for path in (*PAGES, *sources())}
    assert elsewhere.search("Rules: DOMAIN " + "section 2.") and elsewhere.search("(DOMAIN" + ", head)")
    assert not [str(path.relative_to(PROJECT)) for path, text in pages.items() if elsewhere.search(text)]


def test_a_list_of_modules_in_a_docstring_is_whole() -> None:
    lists = [each for each in map(listed, sources()) if each]
    assert len(lists) > 3
    assert not [f"{path}: {', '.join(sorted(wrong))}" for path, wrong in lists if wrong]


def listed(path: Path) -> tuple[str, set[str]] | None:
    """The modules that are missing in a package's docstring, and those that it names but do not exist; None if it has
    no list."""
    if path.name != "__init__.py":
        return None
    return wrong_in(ast.get_docstring(parsed(path.read_text())) or "", path)


def test_a_list_that_forgets_or_names_too_much_is_found() -> None:
    package = PROJECT / "services/market/__init__.py"
    whole = "``replicas`` · ``lines`` · ``form_lines`` · ``places`` · ``reasons``"
    for text in (whole, whole.replace("``", "`")):
        assert wrong_in(text, package) == ("services/market/__init__.py", set())
        assert wrong_in(text.replace("lines", "gone", 1), package) == ("services/market/__init__.py", {"lines", "gone"})
    assert wrong_in("Nothing but prose.", package) == (
        "services/market/__init__.py",
        {"replicas", "lines", "form_lines", "places", "reasons"},
    )
    assert (
        wrong_in("Modules named in passing: :mod:`faults`, ``story``.", PROJECT / "tests/simulation/__init__.py")
        is None
    )


def wrong_in(text: str, path: Path) -> tuple[str, set[str]] | None:
    """Like :func:`listed`; ``text`` is the docstring."""
    there = {each.stem for each in path.parent.iterdir() if each.suffix == ".py" and not each.stem.startswith("_")}
    there |= {each.name for each in path.parent.iterdir() if (each / "__init__.py").exists()}
    shape = OF_A_SERVICE if path.parent.parent == PROJECT / "services" else set()
    heads = set(re.findall(r"^([a-z_]+)  +\S", text, re.MULTILINE)) | set(re.findall(rf" · {TICKED}", text))
    named = heads | set(re.findall(TICKED, text))
    own = there - shape
    if not own or (not shape and len(own & named) < LISTED_FROM):
        return None
    return str(path.relative_to(PROJECT)), (own - named) | (heads - there)
