"""Every list with a place or category filter refuses values that do not exist, in the API and on the page, in every
language. An existing value without matches gives an empty list."""

import html
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar

from infra.web.app import guarded
from infra.web.languages import COOKIE
from tests.market import Market
from tests.test_access import composed
from tests.test_openapi import DOCUMENT

NAMES = {"region", "place", "country", "category", "currency", "unit"}
KNOWN = {
    "region": ["MN", "mn-035", "Mongolia"],
    "place": ["MN", "MN-035", "mn"],
    "category": ["98", "98390000-3", "9839"],
}
"""A place without anything of the tests."""
UNKNOWN = {
    "region": ["banana", "ZZ", "RU-ZZZ", "RU-", "-", "MOW"],
    "place": ["banana", "ZZ", "RU-ZZZ", "/Moscow", "ZZ/Moscow"],
    "category": ["banana", "99", "3", "30197642-1", "301976420"],
}
RULES = {
    "region": {"unknown-region"},
    "place": {"unknown-region"},
    "category": {"malformed-category", "unknown-division", "category-check-digit"},
}
OF_FORMS = {
    ("/register/regions", "country"),
    ("/catalogue/new/attributes", "category"),
    ("/contracts/purchases/new", "region"),
}
"""Parts of forms, and initial values of forms: they filter no list, and errors are shown when the form is sent."""
PAGES = {
    *((path, name) for path in ("/auctions", "/catalogue", "/pools", "/quotes") for name in ("category", "region")),
    ("/catalogue/skus/{sku_id:str}", "region"),
    ("/observatory", "category"),
    ("/observatory/items/{item_key:str}", "place"),
}
"""Lists that belong to one thing, which are tested with its service."""
SAID = {
    "region": {
        "en": "is neither a country nor a region",
        "es": "no es un país ni una región",
        "ru": "не страна и не регион",
    },
    "category": {"en": "is not a CPV code", "es": "no es un código CPV", "ru": "не код CPV"},
}
SAID["place"] = SAID["region"]
LISTED = {"en": "is not in the list", "es": "no está en la lista", "ru": "нет в списке"}
"""Beside a list of choices: nobody types a region there."""


def filters(app: Litestar) -> Iterator[tuple[str, str]]:
    """(path, parameter) of the pages that take one of these in their query."""
    for path, handler in guarded(app):
        if not path.startswith("/api/") and "GET" in handler.http_methods:
            taken = handler.signature_model._fields.keys() & NAMES
            yield from ((path, name) for name in taken if f"{{{name}:" not in path)


@pytest.fixture(scope="module")
async def lists(market: Market) -> list[tuple[str, str]]:
    """(path, parameter) of the lists of the API, by its document."""
    async with market.client() as visitor:
        document: dict[str, Any] = (await visitor.get(DOCUMENT)).json()
    found = [
        (path, each["name"])
        for path, operations in document["paths"].items()
        for each in operations.get("get", {}).get("parameters", [])
        if each["in"] == "query" and each["name"] in NAMES
    ]
    assert len(found) >= 11
    assert {name for _, name in found} <= UNKNOWN.keys(), "a filter of a new kind: say here what it takes, and read it"
    return found


def query_of(path: str, name: str, value: str) -> tuple[str, dict[str, str]]:
    needed = {"sku": "unheard-of"} if path.endswith("/reference") else {}
    for part in ("sku_id", "item_key"):
        path = path.replace(f"{{{part}}}", "unheard-of")
    return path, {name: value} | needed


async def test_no_list_of_the_api_takes_what_does_not_exist(market: Market, lists: list[tuple[str, str]]) -> None:
    wrong = []
    async with market.client() as visitor:
        for path, name in lists:
            for value in UNKNOWN[name]:
                address, query = query_of(path, name, value)
                answer = await visitor.get(address, params=query)
                said = answer.json()
                fits = answer.status_code == 422 and said["field"] == name and said["rule"] in RULES[name]
                if not fits:
                    wrong.append(f"{path}?{name}={value}: {answer.status_code} {answer.text[:200]}")
    assert not wrong, "\n".join(wrong)


async def test_a_valid_filter_without_hits_gives_an_empty_list(market: Market, lists: list[tuple[str, str]]) -> None:
    async with market.client() as visitor:
        for path, name in lists:
            for value in ["", *KNOWN[name]]:
                address, query = query_of(path, name, value)
                answer = await visitor.get(address, params=query)
                assert answer.status_code == (404 if "unheard-of" in f"{address}{query}" else 200), (
                    address,
                    answer.text,
                )


async def test_every_page_with_a_filter_says_beside_it_what_is_wrong_and_keeps_it(
    market: Market, tmp_path: Path
) -> None:
    found = set(filters(composed(tmp_path))) | {("/catalogue", "category")}  # it is read with the rest of its form
    assert found - OF_FORMS == PAGES and found >= OF_FORMS
    async with market.client() as visitor:
        for path, name in sorted(each for each in PAGES if "{" not in each[0]):
            listed = path == "/catalogue" and name == "region"
            for language, words in (LISTED if listed else SAID[name]).items():
                headers = {"accept": "text/html", "cookie": f"{COOKIE}={language}"}
                answer = await visitor.get(path, params={name: "banana"}, headers=headers)
                text = html.unescape(answer.text)
                assert answer.status_code == 422, (path, name, text[:300])
                assert '="&#34;' not in answer.text, (path, "an attribute was quoted twice")
                assert f'id="{name}-note"' in text and words in text, (path, name, language)
                assert "banana</option>" in text or 'value="banana"' in text or path == "/catalogue", (path, name)
            for value in ["", *KNOWN[name]]:
                answer = await visitor.get(path, params={name: value}, headers={"accept": "text/html"})
                assert answer.status_code == 200, (path, name, value)
