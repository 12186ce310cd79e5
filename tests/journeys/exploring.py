"""Finds every page of the market for each kind of reader by following links from the home page."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import parse_qsl, urldefrag, urljoin, urlsplit

import httpx
from litestar import Litestar

from infra.web.app import guarded

READERS = ("", "agency", "supplier2", "moderator", "observer", "administrator")
"""The readers: a visitor, and one player of the demonstration for each kind of member."""
OF_A_KIND = 4
"""The most pages of one route that differ in their ids; of pages that differ in the query, half as many are opened."""
_LINK = re.compile(r"""<(?:a|link|script|img)\b[^>]*?\s(?:href|src)=["']([^"'#][^"']*)["']""")
_CHANGES = re.compile(r'name="(?:_csrf_token|request_key)"[^>]*>|datetime="[^"]*"|data-server-now="[^"]*"|\d\d:\d\d')


@dataclass
class Found:
    """``path`` with its query, as found; ``html`` is empty if it is not a page."""

    path: str
    reader: str
    route: str
    status: int
    html: str
    linked_from: str

    @property
    def said(self) -> str:
        """The main part without values that differ between requests."""
        return _CHANGES.sub("", self.html.partition("<main")[2].partition("</main>")[0])


@dataclass
class Explorer:
    """Follows links as one reader."""

    client: httpx.AsyncClient
    reader: str
    routes: dict[str, re.Pattern[str]]
    found: dict[str, Found] = field(default_factory=dict)
    seen: Counter[tuple[str, ...]] = field(default_factory=Counter)
    heads: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    async def explore(self, begin: Iterable[str]) -> dict[str, Found]:
        """The found pages by path; it begins with some and continues until there is nothing new of any kind."""
        waiting = [(path, "") for path in begin]
        while waiting:
            path, linked_from = waiting.pop(0)
            if path in self.found or not self._wanted(path):
                continue
            here = await self._open(path, linked_from)
            self.found[path] = here
            waiting += [(link, path) for link in links_in(here.html, path)]
        return self.found

    def _wanted(self, path: str) -> bool:
        parts = urlsplit(path)
        route = route_of(parts.path, self.routes)
        asked = tuple(sorted({name for name, value in parse_qsl(parts.query) if value}))
        if parts.path not in self.heads[route] and len(self.heads[route]) >= OF_A_KIND:
            return False
        self.heads[route].add(parts.path)
        self.seen[route, *asked] += 1
        return self.seen[route, *asked] <= (OF_A_KIND if not asked else OF_A_KIND // 2)

    async def _open(self, path: str, linked_from: str) -> Found:
        async with self.client.stream("GET", path) as answer:
            is_page = answer.headers.get("content-type", "").startswith("text/html")
            html = (await answer.aread()).decode() if is_page else ""
        route = route_of(urlsplit(path).path, self.routes)
        return Found(path, self.reader, route, answer.status_code, html, linked_from)


def links_in(html: str, path: str) -> Iterator[str]:
    """The links inside the market, without fragments."""
    for link in _LINK.findall(html):
        there = urldefrag(urljoin(f"http://market{path}", unescape(link)))[0]
        if there.startswith("http://market/"):
            yield there.removeprefix("http://market")


def get_routes(app: Litestar) -> dict[str, re.Pattern[str]]:
    """Every GET route outside the API, with a pattern of its paths."""

    def shape(path: str) -> re.Pattern[str]:
        parts = (re.escape(part) if part[:1] != "{" else ".+" if ":path" in part else "[^/]+" for part in _parts(path))
        return re.compile("".join(parts))

    gets = (path for path, handler in guarded(app) if "GET" in handler.http_methods)
    return {path: shape(path) for path in gets if not path.startswith("/api/")}


def _parts(path: str) -> list[str]:
    return re.split(r"(\{[^}]*\})", path)


def route_of(path: str, routes: dict[str, re.Pattern[str]]) -> str:
    """The route of a path; routes without parameters come first. "" if there is none."""
    fits = [route for route, shape in routes.items() if shape.fullmatch(path)]
    return min(fits, key=lambda route: (route.count("{"), route), default="")
