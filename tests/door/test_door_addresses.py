"""Paths and queries are bounded, have only known parameters, and are written in one way; otherwise the reader gets an
error."""

import re
from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.params import ParameterKwarg, QueryParameter
from litestar.routes import HTTPRoute
from msgspec import inspect

from infra.web.app import guarded
from infra.web.languages import COOKIE, speak
from tests.bounded import unbounded
from tests.door.outside import Outside, filled, roles_of


def parameters(app: Litestar) -> Iterator[tuple[str, inspect.Field]]:
    """(path, field) of all parameters of routes and their dependencies in path, query and headers."""
    for path, handler in guarded(app):
        if path.startswith("/static/"):
            continue  # a file of that name exists or not
        for model in (
            handler.signature_model,
            *(each.signature_model for each in handler.resolve_dependencies().values()),
        ):
            taken = model._fields
            shape = inspect.type_info(model)
            assert isinstance(shape, inspect.StructType)
            for field in shape.fields:
                in_path = f"{{{field.name}:" in path
                if in_path or isinstance(taken[field.name].kwarg_definition, ParameterKwarg):
                    yield path, field


def test_every_parameter_is_bounded(app: Litestar) -> None:
    found = list(parameters(app))
    assert len(found) > 200
    assert [f"{path}: {place}" for path, field in found for place in unbounded(field.type, field.name)] == []


def test_every_number_in_a_path_is_bounded(app: Litestar) -> None:
    numbers = [(path, field.type) for path, field in parameters(app) if f"{{{field.name}:int}}" in path]
    assert len(numbers) > 5
    assert [path for path, kind in numbers if bounded_int(kind) is None] == []


def bounded_int(kind: inspect.Type) -> int | None:
    found = kind.type if isinstance(kind, inspect.Metadata) else kind
    return found.le if isinstance(found, inspect.IntType) else None


@pytest.mark.parametrize(
    ("text", "rule"),
    [("x" * 10_000, "too-long"), ("a%00b", "not-as-written"), ("%E2%80%AEcba", "not-as-written"), ("x%0A", "not-as-written")],
)  # fmt: skip
async def test_what_can_be_no_id_is_refused_by_every_route(market: Outside, text: str, rule: str) -> None:
    wrong = []
    for path, handler in guarded(market.app):
        method = min(handler.http_methods - {"OPTIONS"})
        api = path.startswith(("/api/", "/ocds"))
        if ":str}" in path and (api or method == "GET"):
            async with market.client(roles_of(handler)) as client:
                headers = {"accept": "application/json" if api else "text/html"}
                answer = await client.request(method, filled(path, text), headers=headers)
            named = not api or (answer.json().get("rule") == rule and answer.json()["field"] in path)
            if answer.status_code not in (400, 422) or not named:
                wrong.append(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
    assert not wrong, "\n".join(wrong)


async def test_a_parameter_that_an_api_route_does_not_know_is_refused_by_name(market: Outside) -> None:
    wrong, tried = [], 0
    for path, handler in guarded(market.app):
        if path.startswith(("/api/", "/ocds")):
            method = min(handler.http_methods - {"OPTIONS"})
            async with market.client(roles_of(handler)) as client:
                answer = await client.request(method, filled(path, "x"), params={"stauts": "open", "utm_source": "x"})
            said, tried = answer.json(), tried + 1
            if (answer.status_code, said.get("rule"), said.get("field")) != (400, "unknown-parameter", "stauts"):
                wrong.append(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
    assert tried > 100 and not wrong, "\n".join(wrong)


REQUIRED = {
    "en": "The address of this page needs a value for “{}”.",
    "es": "La dirección de esta página necesita un valor para «{}».",
    "ru": "В адресе этой страницы нужно значение «{}».",
}


async def test_a_parameter_that_a_route_cannot_do_without_is_named_in_the_readers_language(market: Outside) -> None:
    routes = [each for each in market.app.routes if isinstance(each, HTTPRoute)]
    asked = [
        (route.path, handler, each.field_alias)
        for route in routes
        for handler, arguments in route.route_handler_map.values()
        for each in arguments.expected_query_params
        if each.is_required
    ]
    assert len(asked) >= 4
    for path, handler, name in asked:
        async with market.client(roles_of(handler)) as client:
            for query in ("", f"?{name}="):
                if path.startswith(("/api/", "/ocds")):
                    answer = await client.get(filled(path, "x") + query)
                    said = answer.json()
                    assert (answer.status_code, said["rule"], said["field"]) == (400, "missing", name), path
                    continue
                for language, words in REQUIRED.items():
                    headers = {"accept": "text/html", "cookie": f"{COOKIE}={language}"}
                    answer = await client.get(filled(path, "x") + query, headers=headers)
                    assert answer.status_code == 400 and words.format(name) in answer.text, path


@pytest.mark.parametrize("language", ["es", "ru"])
async def test_the_error_of_an_address_is_in_the_readers_language(market: Outside, language: str) -> None:
    wrong, tried = [], 0
    headers = {"accept": "text/html", "cookie": f"{COOKIE}={language}"}
    for path, handler in guarded(market.app):
        if "GET" not in handler.http_methods or path.startswith(("/api/", "/ocds", "/static/")):
            continue
        required = handler.opt["query_required"]
        numbers = sorted(whole_numbers(handler))
        queries = [f"{name}={text}" for name in numbers for text in ("%2B1", "abc", "-5", "9" * 12)]
        queries += [f"{name}=" for name in required] + ([""] if required else [])
        for query in queries:
            async with market.client(roles_of(handler)) as client:
                speak("en")  # as another request in the same context may have left it
                answer = await client.get(f"{filled(path, 'x')}?{query}", headers=headers)
            tried += 1
            told = f"«{query.partition('=')[0] or required[0]}»"
            said = f'<html lang="{language}">' in answer.text and told in answer.text
            if not said or answer.status_code not in (400, 422):
                wrong.append(f"{path}?{query}: {answer.status_code} {answer.text[:300]}")
    assert tried > 15 and not wrong, "\n".join(wrong)


async def test_the_address_of_a_form_leads_to_the_page_of_the_form(market: Outside) -> None:
    """For every form and every role that may send it, this is a page that the member may see."""
    by_path: dict[str, list[HTTPRouteHandler]] = {}
    for path, handler in guarded(market.app):
        if not path.startswith(("/api/", "/ocds")):
            by_path.setdefault(path, []).append(handler)
    led = {}
    for path, handlers in by_path.items():
        if all("GET" not in each.http_methods for each in handlers):
            async with market.client(roles_of(handlers[0])) as client:
                answer = await client.get(filled(path, "x"), headers={"accept": "text/html"})
                assert answer.status_code == 303, f"{path}: {answer.status_code}"
                led[path] = answer.headers["location"]
                there = await client.get(led[path], headers={"accept": "text/html"})
                assert there.status_code not in (403, 404, 405), f"{path}: {led[path]}: {there.status_code}"
                assert (await client.get(filled(path, "x"))).status_code == 405
    assert len(led) > 30 and led["/contracts/{contract_id:str}/execution/{action:str}"] == "/contracts/x/execution"
    assert led["/account/keys"] == "/account" and led["/logout"] == "/"


async def test_a_parameter_that_an_api_route_knows_is_taken(market: Outside) -> None:
    """This includes the parameters of its dependencies. Without a database the answer is that the database is away."""
    async with market.client() as client:
        for query in ("group=enrolling", "region=RU-MOW&category=30", ""):
            answer = await client.get(f"/api/pools?{query}")
            assert answer.status_code == 503, answer.text


async def test_a_parameter_that_comes_twice_is_refused_by_name(market: Outside) -> None:
    async with market.client() as client:
        answer = await client.get("/api/pools?group=enrolling&group=over")
    assert (answer.status_code, answer.json()["rule"], answer.json()["field"]) == (400, "twice", "group")


@pytest.mark.parametrize("text", ["+1", "01", "-0", "1_0", "%D9%A3", "%EF%BC%91", "1%20", "1.0"])
async def test_a_whole_number_in_an_address_is_written_in_one_way(market: Outside, text: str) -> None:
    wrong, tried = [], 0
    for path, handler in guarded(market.app):
        method = min(handler.http_methods - {"OPTIONS"})
        api = path.startswith(("/api/", "/ocds"))
        if not api and method != "GET":
            continue  # a form asks for its token first
        headers = {"accept": "application/json" if api else "text/html"}
        if ":int}" in path:
            async with market.client(roles_of(handler)) as client:
                answer = await client.request(method, path_with(path, text), headers=headers)
            tried += 1
            if answer.status_code != 404:
                wrong.append(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        for name in sorted(whole_numbers(handler)):
            async with market.client(roles_of(handler)) as client:
                answer = await client.request(method, f"{filled(path, 'x')}?{name}={text}", headers=headers)
            tried += 1
            if answer.status_code not in (400, 422):
                wrong.append(f"{method} {path}?{name}: {answer.status_code} {answer.text[:300]}")
    assert tried > 35 and not wrong, "\n".join(wrong)


def path_with(path: str, number: str) -> str:
    return re.sub(r"\{[^:}]+:([^}]*)\}", lambda found: number if found[1] == "int" else "1", path)


def whole_numbers(handler: HTTPRouteHandler) -> set[str]:
    """The names of the query parameters that are whole numbers."""
    found: set[str] = set()
    for model in (handler.signature_model, *(each.signature_model for each in handler.resolve_dependencies().values())):
        for name, field in model._fields.items():
            taken = field.kwarg_definition
            if isinstance(taken, QueryParameter) and field.annotation in (int, int | None):
                found.add(taken.name or name)
    return found


async def test_a_page_passes_over_what_links_from_elsewhere_carry(market: Outside) -> None:
    async with market.client() as client:
        for path in ("/login", "/register", "/auctions"):
            plain = await client.get(path, headers={"accept": "text/html"})
            tracked = await client.get(f"{path}?utm_source=letter&fbclid=x", headers={"accept": "text/html"})
            assert tracked.status_code == plain.status_code, tracked.text[:300]


@pytest.mark.parametrize(
    "path",
    [
        "/api/auctions?status=banana",
        "/auctions?status=banana",
        "/api/contracts?state=banana",
        "/contracts?state=banana",
        "/api/pools?group=banana",
        "/pools?group=banana",
        "/api/quotes?group=banana",
        "/quotes?group=banana",
        "/register?as=banana",
        "/api/observatory/items?grade=banana",
        *(f"/api/{listed}?category=banana" for listed in ("auctions", "pools", "quotes")),
        "/api/observatory/items?page=0",
        "/api/observatory/reference?sku=x&quantity=1e-400000000",
        "/api/observatory/reference?sku=x&quantity=1e400000000",
        "/api/catalogue/skus/x?quantity=1e-400000000",
        "/api/catalogue/skus?price_from=1e400000000",
        "/auctions?page=" + "9" * 5_000,
        "/pools?start=-1",
        "/pools/new?sku=" + "x" * 201,
        "/pools/new?" + "sku=x&" * 1_000,
        "/quotes/new?sku=" + "x" * 201,
        "/quotes/new?sku=x&quantity=" + "9" * 201,
        "/auctions/new?sku=" + "x" * 201,
        "/auctions/new?sku=x&quantity=" + "9" * 201,
        "/catalogue?region=" + "x" * 201,
        "/catalogue?attribute=colour%3D" + "x" * 701,
        *(
            f"{path}?attribute={text}"
            for path in ("/catalogue", "/api/catalogue/skus")
            for text in ("banana", "%3D", "colour%3D", "%20%3Dred", "colour%3D%20")
        ),
        "/catalogue/skus/x?region=" + "x" * 201,
    ],
)
async def test_a_query_out_of_bounds_is_refused(market: Outside, path: str) -> None:
    async with market.client("buyer_officer") as client:
        answer = await client.get(path, headers={"accept": "text/html,application/json"})
    assert answer.status_code in (400, 422), answer.text[:300]
    if path.startswith("/api/"):
        assert answer.json()["rule"] and answer.json()["field"] in path


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/auctions?status=banana&page=1", "In the address of this page, “status” is not one of the allowed values"),
        ("/pools?start=-1", "In the address of this page, “start” must be at least 0."),
        ("/auctions?page=two", "In the address of this page, “page” is not in the right form."),
        ("/quotes?group=banana", "“group”"),
    ],
)
async def test_a_page_with_a_wrong_address_names_the_parameter_and_links_to_itself_without(
    market: Outside, address: str, said: str
) -> None:
    async with market.client("buyer_officer") as client:
        answer = await client.get(address, headers={"accept": "text/html"})
    assert said in answer.text
    assert f'href="{address.partition("?")[0]}">Load the page without it</a>' in answer.text
    assert "send it again" not in answer.text and "Check what you entered" not in answer.text


async def test_a_page_that_is_away_loads_itself_again_and_says_what_is_away(market: Outside) -> None:
    async with market.client() as client:
        answer = await client.get("/pools?group=done&region=RU-MOW", headers={"accept": "text/html"})
    assert answer.status_code == 503
    assert f'<meta http-equiv="refresh" content="{answer.headers["retry-after"]}">' in answer.text
    assert 'href="/pools?group=done&amp;region=RU-MOW">Load it again</a>' in answer.text
    assert "The database of the market does not answer" in answer.text
    assert "send it again" not in answer.text
