"""What people may send is bounded, everywhere: bodies, query parameters, headers and forms."""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import httpx
import msgspec
import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.params import ParameterKwarg, QueryParameter
from litestar.routes import HTTPRoute
from msgspec import inspect

from catalogue.numbers import unambiguous
from events import bounds
from events.documents import sample
from events.limits import OutOfBounds
from infra.tokens import Tokens
from infra.web import CHOSEN, instant_in, misfits, read_form, read_instant, text_in
from infra.web.app import guarded
from infra.web.exact import arriving
from infra.web.forms import NotFitting
from infra.web.languages import COOKIE, speak, speaking
from infra.web.members import members_of
from tests.bounded import unbounded
from tests.market import unconnected
from tests.test_access import a_member, composed

PROJECT = Path(__file__).parent.parent
PAGES = sorted(path for path in PROJECT.glob("services/*/pages*/**/*.py")) + sorted(PROJECT.glob("services/*/pages.py"))


class Outside(NamedTuple):
    """The market's web without a database: who gets past the door is told that it is away."""

    app: Litestar
    tokens: Tokens

    def client(self, role: str = "") -> httpx.AsyncClient:
        headers = {}
        if role:
            token = self.tokens.issue(a_member(role), datetime.now(UTC), hours=1)
            headers["authorization"] = f"Bearer {token}"
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://market", headers=headers)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Outside:
    home = tmp_path_factory.mktemp("home")
    return Outside(composed(home), unconnected(home).tokens)


@pytest.fixture(scope="module")
def app(market: Outside) -> Litestar:
    return market.app


def test_every_body_is_bounded(app: Litestar) -> None:
    bodies = [handler.parsed_fn_signature.parameters.get("data") for _, handler in guarded(app)]
    found = [place for body in bodies if body is not None for place in unbounded(body.annotation)]
    assert len([body for body in bodies if body is not None]) > 50
    assert sorted(set(found)) == []


async def test_a_member_that_a_body_does_not_have_is_refused_by_name(market: Outside) -> None:
    wrong, tried = [], 0
    for path, handler in guarded(market.app):
        data = handler.parsed_fn_signature.parameters.get("data")
        if data is None:
            continue
        method, tried = min(handler.http_methods - {"OPTIONS"}), tried + 1
        async with market.client(roles_of(handler)) as client:
            for place, body in unknown_members(data.annotation):
                answer = await client.request(method, filled(path, "x"), json=body)
                said = answer.json()
                if (answer.status_code, said.get("rule"), said.get("field")) != (422, "unknown-member", place):
                    wrong.append(f"{method} {path} {place}: {answer.status_code} {answer.text[:300]}")
                assert "known are" in said["detail"] or wrong
    assert tried > 50 and not wrong, "\n".join(wrong)


def test_a_value_is_taken_back_as_an_answer_tells_it(app: Litestar) -> None:
    """A place, a line, a point: what a body and an answer of one service call alike. Such a body is checked and fitted, whether the
    answer knows all of the value or only what it must."""
    asked: dict[str, dict[str, set[type[msgspec.Struct]]]] = {}
    told: dict[str, dict[str, set[type[msgspec.Struct]]]] = {}
    for path, handler in guarded(app):
        service = handler.fn.__module__.split(".")[1]
        signature = handler.parsed_fn_signature
        if (data := signature.parameters.get("data")) is not None:
            add_nested(inspect.type_info(data.annotation), asked.setdefault(service, {}))
        if path.startswith("/api/"):
            add_nested(inspect.type_info(signature.return_type.annotation), told.setdefault(service, {}))
    wrong, tried = [], 0
    for service, names in asked.items():
        for name in names.keys() - {""}:
            for kind, answer in product(names[name], told.get(service, {}).get(name, ())):
                for whole in (True, False):
                    tried += 1
                    value = answered(inspect.type_info(answer), name, whole)
                    try:
                        walk = members_of(kind)
                        assert walk is not None
                        walk(value, None)
                        bounds.fitted(value, kind, None)
                    except (OutOfBounds, msgspec.ValidationError) as error:
                        wrong.append(f"{service} {name}: {answer.__name__} → {kind.__name__}: {error}")
    assert tried > 20 and not wrong, "\n".join(wrong)


def add_nested(kind: inspect.Type, found: dict[str, set[type[msgspec.Struct]]], name: str = "") -> None:
    """The structs that stand as members, or in lists that do, by the member's name."""
    match kind:
        case inspect.Metadata():
            add_nested(kind.type, found, name)
        case inspect.UnionType():
            for each in kind.types:
                add_nested(each, found, name)
        case inspect.VarTupleType() | inspect.ListType():
            add_nested(kind.item_type, found, name)
        case inspect.DictType():
            add_nested(kind.value_type, found, name)
        case inspect.StructType() if kind.cls not in found.setdefault(name, set()):
            found[name].add(kind.cls)
            for field in kind.fields:
                add_nested(field.type, found, field.encode_name)


def answered(kind: inspect.Type, name: str, whole: bool) -> Any:
    """As JSON of an answer has it: every member, those that may be null as null where it is not whole."""
    match kind:
        case inspect.Metadata():
            return answered(kind.type, name, whole)
        case inspect.UnionType():
            known = [each for each in kind.types if not isinstance(each, inspect.NoneType)]
            return answered(known[0], name, whole) if whole or len(known) == len(kind.types) else None
        case inspect.StructType():
            # what a body must have, an answer to it has
            must = {"sku_id", "country", "unit_price", "quantity"} if not whole else set()
            return {
                each.encode_name: answered(each.type, each.encode_name, whole or each.encode_name in must)
                for each in kind.fields
            }
        case inspect.VarTupleType() | inspect.ListType():
            return [answered(kind.item_type, name, whole)]
    return "20" if name == "vat_rate" else sample(name, kind)


def unknown_members(kind: Any) -> Iterator[tuple[str, Any]]:
    """(place, value) with one member that no such value has: in the value itself, and in all that it is made of."""

    def within(kind: inspect.Type) -> Iterator[tuple[str, Any]]:
        match kind:
            case inspect.Metadata():
                yield from within(kind.type)
            case inspect.UnionType():
                for each in kind.types:
                    yield from within(each)
            case inspect.VarTupleType():
                yield from ((f"1.{place}", [{}, value]) for place, value in within(kind.item_type))
            case inspect.DictType():
                yield from ((f"any.{place}", {"any": value}) for place, value in within(kind.value_type))
            case inspect.StructType():
                yield "vat_rtae", {"vat_rtae": 20}
                for field in kind.fields:
                    yield from (
                        (f"{field.encode_name}.{place}", {field.encode_name: value})
                        for place, value in within(field.type)
                    )

    return within(inspect.type_info(kind))


def test_a_time_in_a_body_is_a_text(app: Litestar) -> None:
    """A number is no time, as such or as a text: msgspec reads both as seconds."""
    places = set()
    for _, handler in guarded(app):
        data = handler.parsed_fn_signature.parameters.get("data")
        for place, body, kind in times(data.annotation) if data is not None else ():
            for number in (1796005000, 1796005000.5, "1796005000", True):
                with pytest.raises(OutOfBounds) as refusal:
                    bounds.fitted(body(number), kind)
                assert (refusal.value.code, refusal.value.field) in (("not-a-date", place), ("wrong-type", place)), (
                    number
                )
            places.add((kind.__name__, place))
    assert {("NewAuction", "opens_at"), ("NewState", "until"), ("NewRequest", "closes_at")} <= places, places


def times(kind: Any) -> Iterator[tuple[str, Callable[[Any], Any], Any]]:
    """(field, value → body, struct) of each time of it, and of the structs within, each by itself with nothing else required."""
    seen: set[Any] = set()

    def within(kind: inspect.Type) -> Iterator[tuple[str, Callable[[Any], Any], Any]]:
        match kind:
            case inspect.Metadata():
                yield from within(kind.type)
            case inspect.UnionType():
                for each in kind.types:
                    yield from within(each)
            case inspect.VarTupleType():
                yield from within(kind.item_type)
            case inspect.DictType():
                yield from within(kind.value_type)
            case inspect.StructType() if kind.cls not in seen:
                seen.add(kind.cls)
                for field in kind.fields:
                    if is_time(field.type):
                        alone = msgspec.defstruct(kind.cls.__name__, [(field.name, types_of(kind.cls)[field.name])])
                        yield field.encode_name, partial(lambda name, value: {name: value}, field.encode_name), alone
                    yield from within(field.type)

    yield from within(inspect.type_info(kind))


def types_of(cls: type[msgspec.Struct]) -> dict[str, Any]:
    return {field.name: field.type for field in msgspec.structs.fields(cls)}


def is_time(kind: inspect.Type) -> bool:
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    if isinstance(kind, inspect.UnionType):
        return any(is_time(each) for each in kind.types)
    return isinstance(kind, inspect.DateTimeType | inspect.DateType)


def test_a_time_in_a_form_is_written_as_a_date() -> None:
    class Fields(msgspec.Struct):
        day: date

    for written in ("1796005000", "1796005000.5", "20270131"):
        value, errors = read_form({"day": written}, Fields)
        assert value is None and list(errors) == ["day"], written
        with pytest.raises((ValueError, OutOfBounds)):
            instant_in(written, "UTC")
    assert read_form({"day": "2027-01-31"}, Fields)[0] == Fields(date(2027, 1, 31))


def parameters(app: Litestar) -> Iterator[tuple[str, inspect.Field]]:
    """(path, field) of what routes, and what they depend on, take from path, query and headers."""
    for path, handler in guarded(app):
        if path.startswith("/static/"):
            continue  # a file of that name is there, or is not
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


def filled(path: str, text: str) -> str:
    """The path with this in the place of each id."""
    return re.sub(r"\{[^:}]+:([^}]*)\}", lambda found: "1" if found[1] == "int" else text, path)


def roles_of(handler: HTTPRouteHandler) -> str:
    """One that is let in."""
    access = handler.opt["access"]
    return "" if access == "public" else sorted(access)[0]


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
async def test_an_address_that_is_not_understood_is_told_in_the_readers_language(
    market: Outside, language: str
) -> None:
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
                speak("en")  # as another request of the same context may have left it
                answer = await client.get(f"{filled(path, 'x')}?{query}", headers=headers)
            tried += 1
            told = f"«{query.partition('=')[0] or required[0]}»"
            said = f'<html lang="{language}">' in answer.text and told in answer.text
            if not said or answer.status_code not in (400, 422):
                wrong.append(f"{path}?{query}: {answer.status_code} {answer.text[:300]}")
    assert tried > 15 and not wrong, "\n".join(wrong)


async def test_the_address_of_a_form_leads_to_the_page_of_the_form(market: Outside) -> None:
    """Of every form, whoever is let in by it: a page that this member may see."""
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
    """Its own and those of what it depends on: without a database they are answered that it is away."""
    async with market.client() as client:
        for query in ("group=enrolling", "region=RU-MOW&category=30", ""):
            answer = await client.get(f"/api/pools?{query}")
            assert answer.status_code == 503, answer.text


async def test_a_parameter_that_comes_twice_is_refused_by_name(market: Outside) -> None:
    async with market.client() as client:
        answer = await client.get("/api/pools?group=enrolling&group=over")
    assert (answer.status_code, answer.json()["rule"], answer.json()["field"]) == (400, "twice", "group")


@pytest.mark.parametrize("written", ["1_5", "٣", "１", "1e5", "1E2"])
def test_a_number_in_a_form_is_written_as_people_write_it(written: str) -> None:
    class Fields(msgspec.Struct):
        amount: bounds.Amount

    value, errors = read_form({"amount": written}, Fields)
    assert value is None and list(errors) == ["amount"]
    assert read_form({"amount": "1\u00a0250,40"}, Fields)[0] == Fields(Decimal("1250.40"))


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
    """The names of the parameters of the query that are whole numbers."""
    found: set[str] = set()
    for model in (handler.signature_model, *(each.signature_model for each in handler.resolve_dependencies().values())):
        for name, field in model._fields.items():
            taken = field.kwarg_definition
            if isinstance(taken, QueryParameter) and field.annotation in (int, int | None):
                found.add(taken.name or name)
    return found


@pytest.mark.parametrize("written", ["1.0", "1e2", "+1", "01", "1_0", "٣"])
def test_a_whole_number_in_a_form_has_digits_alone(written: str) -> None:
    class Fields(msgspec.Struct):
        days: bounds.Days

    assert read_form({"days": written}, Fields) == (None, {"days": "must be a whole number"})
    assert read_form({"days": "10"}, Fields)[0] == Fields(10)


async def test_a_page_passes_over_what_links_from_elsewhere_carry(market: Outside) -> None:
    async with market.client() as client:
        for path in ("/login", "/register", "/auctions"):
            plain = await client.get(path, headers={"accept": "text/html"})
            tracked = await client.get(f"{path}?utm_source=letter&fbclid=x", headers={"accept": "text/html"})
            assert tracked.status_code == plain.status_code, tracked.text[:300]


def shapes() -> Iterator[type[msgspec.Struct]]:
    """The structs by name that pages read forms into."""
    for path in PAGES:
        module = import_module(".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("read_form", "_form")
            ):
                yield from (
                    kind
                    for name in node.args
                    if isinstance(name, ast.Name) and isinstance(kind := getattr(module, name.id, None), type)
                )


def test_every_form_is_bounded() -> None:
    found = set(shapes())
    assert len(found) > 20
    assert [place for shape in found for place in unbounded(shape)] == []


def test_no_form_that_is_made_up_for_a_page_has_a_field_without_bounds() -> None:
    loose = [
        f"{path.name}:{name.lineno}: {name.id}"
        for path in PAGES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "msgspec.defstruct"
        for name in ast.walk(node)
        if isinstance(name, ast.Name) and name.id in ("str", "Decimal", "datetime")
    ]
    assert loose == []


def lengths_of_rules() -> Iterator[tuple[str, str, str]]:
    """(service, field, name of the type) of each text whose length a rule holds."""
    for path in sorted(PROJECT.glob("services/*/domain/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "within" and len(node.args) == 3:
                _, field, kind = node.args
                yield path.relative_to(PROJECT).parts[1], ast.literal_eval(field), ast.unparse(kind)
    yield "accounts", "password", "Password"


def longest_at_the_door(app: Litestar) -> Iterator[tuple[str, str, int | None]]:
    """(service, field, letters) of the texts of each body and form of a service, but what is compared with what is known."""
    bodies = [handler.parsed_fn_signature.parameters.get("data") for _, handler in guarded(app)]
    for shape in {*shapes(), *(body.annotation for body in bodies if body is not None)}:
        module = getattr(shape, "__module__", "")
        if module.startswith("services.") and shape.__name__ != "Credentials":
            for field in msgspec.structs.fields(shape):
                kind = inspect.type_info(field.type)
                while isinstance(kind, inspect.Metadata):
                    kind = kind.type
                if isinstance(kind, inspect.StrType):
                    yield module.split(".")[1], field.name, kind.max_length


def test_a_length_that_a_rule_holds_is_that_of_the_type_at_the_door(app: Litestar) -> None:
    """Else a text within the one bound is refused by the other, in other words."""
    doors = set(longest_at_the_door(app))
    held = set(lengths_of_rules())
    assert len(held) > 5
    wrong = []
    for service, field, name in held:
        letters = bounds.longest(getattr(bounds, name))
        there = {most for of, at, most in doors if (of, at) == (service, field)}
        if there != {letters}:
            wrong.append(f"{service}: {field} has {letters} by its rule, {there} at the door")
    assert wrong == []


def test_no_rule_counts_the_letters_of_a_text_by_itself() -> None:
    """It takes them from the type, by ``longest``."""
    counted = [
        f"{path.relative_to(PROJECT)}:{node.lineno}: {ast.unparse(node)}"
        for path in sorted({*PROJECT.glob("services/*/domain/**/*.py"), *PROJECT.glob("services/*/domain.py")})
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Compare)
        and isinstance(node.ops[0], ast.Gt | ast.GtE)
        and re.fullmatch(r"len\((\w*(text|words|reason|comment|title|explanation|name|password)(\.strip\(\))?)\)", ast.unparse(node.left))
        and not re.fullmatch(r"most|PASSWORD_MAXIMUM", ast.unparse(node.comparators[0]))
    ]  # fmt: skip
    assert counted == []


class Typed(msgspec.Struct):
    """A form."""

    name: bounds.Name = ""
    rate: bounds.Percent = Decimal(0)
    day: date | None = None
    amount: bounds.Amount = Decimal(0)
    minutes: Annotated[bounds.Minutes, CHOSEN] = 0
    days: bounds.Days = 0


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("rate", "1e400000000", ("must lie between 0 and 100", "debe estar entre 0 y 100", "должно быть от 0 до 100")),
        ("amount", "1e16", ("must be at most 1\u202f000\u202f000\u202f000\u202f000\u202f000", "como máximo 1", "не больше 1")),
        ("amount", "-1e16", ("must be above zero", "mayor que cero", "больше нуля")),
        ("minutes", "99999999", ("must be one of the choices", "una de las opciones", "один из вариантов")),
        ("days", "99999999", ("must be at most 3\u202f660", "como máximo 3\u202f660", "не больше 3\u202f660")),
        ("rate", "NaN", ("is not a finite number", "no es un número finito", "не является конечным числом")),
        ("rate", "120", ("must lie between 0 and 100", "debe estar entre 0 y 100", "должно быть от 0 до 100")),
        ("name", "\x1b[2J", ("has a character that", "contiene un carácter", "содержит символ")),
        ("name", "\u200b", ("has no letter", "no tiene ninguna letra", "не содержит видимых")),
        ("name", "n" * 301, ("at most 300 characters", "300", "300")),
        ("day", "9999-12-31", ("must lie within 10 years", "10 años", "10 лет")),
    ],
)  # fmt: skip
def test_a_form_says_beside_its_field_what_is_out_of_bounds(field: str, typed: str, said: tuple[str, str, str]) -> None:
    for language, words in zip(("en", "es", "ru"), said, strict=True):
        with speaking(language), arriving(datetime(2026, 11, 28, tzinfo=UTC)):
            form, errors = read_form({field: typed}, Typed)
        assert form is None and words in errors[field]


LONG = "я" * 100_000
REGISTRATION: Mapping[str, Any] = {
    "kind": "supplier",
    "organisation": "Oversized",
    "country": "RU",
    "region": "RU-MOW",
    "name": "Anna",
    "email": "oversized@example.org",
    "password": "a long walk in the dunes",
}
LINE = {"description": "Paper", "category": "30197630", "unit": "piece", "quantity": "10", "unit_price": "10"}
AUCTION: Mapping[str, Any] = {"title": "Paper", "lines": [LINE], "duration_minutes": 24, "step_percent": "1"}
POOL: Mapping[str, Any] = {
    "title": "Paper",
    "lines": [{"sku_id": "s", "unit_price": "10", "vat_rate": "20"}],
    "minimum_quantity": "10",
    "enrolment_ends_at": "2030-01-01T00:00:00Z",
}
BOMB = {"sku_id": "s", "unit_price": "1e400000000"}
OFFER: Mapping[str, Any] = {
    "sku_id": "s",
    "price": "10",
    "vat_rate": "20",
    "regions": ["RU"],
    "delivery_days": 3,
    "max_quantity": "100",
}
QUOTES: Mapping[str, Any] = {"title": "Paper", "lines": [], "closes_at": "2026-12-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("who", "path", "body", "field", "rule"),
    [
        ("", "/api/register", REGISTRATION | {"organisation": LONG}, "organisation", "too-long"),
        ("", "/api/register", REGISTRATION | {"name": LONG}, "name", "too-long"),
        ("", "/api/register", REGISTRATION | {"locality": LONG}, "locality", "too-long"),
        ("", "/api/register", REGISTRATION | {"categories": [{"code": "30"}] * 9_000}, "categories", "too-many"),
        ("", "/api/register", REGISTRATION | {"name": "\u200b\u200b"}, "name", "invisible-text"),
        ("", "/api/register", REGISTRATION | {"name": "a\u0000b"}, "name", "control-character"),
        ("buyer_officer", "/api/auctions", AUCTION | {"title": LONG}, "title", "too-long"),
        ("buyer_officer", "/api/auctions", AUCTION | {"lines": [LINE] * 1_000}, "lines", "too-many"),
        ("buyer_officer", "/api/auctions", AUCTION | {"vat_rate": "1e400000000"}, "vat_rate", "out-of-range"),
        ("buyer_officer", "/api/auctions", AUCTION | {"vat_rate": "NaN"}, "vat_rate", "not-finite"),
        ("buyer_officer", "/api/auctions", AUCTION | {"vat_rate": "101"}, "vat_rate", "out-of-range"),
        ("buyer_officer", "/api/auctions", AUCTION | {"opens_at": "2026-12-01T09:00:00"}, "opens_at", "no-zone"),
        ("buyer_officer", "/api/auctions", AUCTION | {"opens_at": "9999-12-31T00:00:00Z"}, "opens_at", "too-far"),
        ("buyer_officer", "/api/auctions", AUCTION | {"place": {"country": LONG}}, "place.country", "too-long"),
        ("buyer_officer", "/api/pools", POOL | {"title": LONG}, "title", "too-long"),
        ("buyer_officer", "/api/pools", POOL | {"minimum_quantity": "1e400000000"}, "minimum_quantity", "out-of-range"),
        ("buyer_officer", "/api/pools", POOL | {"lines": [BOMB]}, "lines.0.unit_price", "out-of-range"),
        ("buyer_officer", "/api/pools", POOL | {"enrolment_ends_at": "2030-01-01T00:00:00"}, "enrolment_ends_at", "no-zone"),
        ("buyer_officer", "/api/pools/x/cancel", {"reason": LONG}, "reason", "too-long"),
        ("buyer_officer", "/api/quotes", QUOTES | {"closes_at": "2026-12-01T00:00:00"}, "closes_at", "no-zone"),
        ("supplier_agent", "/api/quotes/x/mine", {"prices": {"1": "1e-400000000"}, "delivery_days": 1}, "prices.1", "too-many-decimals"),
        ("supplier_agent", "/api/catalogue/offers", OFFER | {"vat_rate": "NaN"}, "vat_rate", "not-finite"),
        ("supplier_agent", "/api/catalogue/offers", OFFER | {"price": "1e400000000"}, "price", "out-of-range"),
        ("supplier_agent", "/api/catalogue/offers", OFFER | {"regions": ["RU"] * 30_000}, "regions", "too-many"),
        ("supplier_agent", "/api/auctions/x/bids", {"amount": "1e400000000"}, "amount", "out-of-range"),
    ],
)  # fmt: skip
async def test_a_body_out_of_bounds_is_refused_by_field_and_rule(
    market: Outside, who: str, path: str, body: dict[str, Any], field: str, rule: str
) -> None:
    async with market.client(who) as client:
        answer = await client.post(path, json=body)
    said = answer.json()
    assert (answer.status_code, said["field"], said["rule"]) == (422, field, rule), answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json" and len(answer.content) < 2_000


async def test_a_name_of_two_million_letters_is_too_large_to_be_read_at_all(market: Outside) -> None:
    async with market.client() as client:
        answer = await client.post("/api/register", json=REGISTRATION | {"name": "я" * 2_000_000})
    assert answer.status_code in (413, 422), answer.text[:300]


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
        "/catalogue?region=banana",
        "/catalogue?attribute=" + "x" * 701,
        "/catalogue/skus/x?region=banana",
    ],
)
async def test_a_query_out_of_bounds_is_refused(market: Outside, path: str) -> None:
    async with market.client("buyer_officer") as client:
        answer = await client.get(path, headers={"accept": "text/html,application/json"})
    assert answer.status_code in (400, 422), answer.text[:300]
    if path.startswith("/api/"):
        assert answer.json()["rule"] and answer.json()["field"] in path


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 50_000, b"[" + b"1," * 70_000 + b"1]"])
async def test_a_body_with_more_than_any_of_ours_is_refused_before_it_is_read(market: Outside, body: bytes) -> None:
    async with market.client() as client:
        answer = await client.post("/api/login", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 413, answer.text[:300]


@pytest.mark.parametrize("body", [b"[" * 9_000, b'{"a":' * 9_000, b"\xff", b'{"email": "\\ud800"}', b"9" * 5_000])
async def test_what_is_no_body_of_ours_is_answered_400(market: Outside, body: bytes) -> None:
    async with market.client() as client:
        answer = await client.post("/api/login", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400, answer.text[:300]


def test_a_wall_clock_is_read_in_its_zone_and_within_ten_years() -> None:
    with arriving(datetime(2026, 11, 28, tzinfo=UTC)):
        assert instant_in("2027-01-31T18:00", "Europe/Moscow") == datetime(2027, 1, 31, 15, tzinfo=UTC)
        for far in ("9999-12-31T23:59", "0001-01-01T00:00", "2037-01-01T00:00"):
            with pytest.raises(OutOfBounds, match="10 years"):
                instant_in(far, "Europe/Moscow")
        for text in ("", "tomorrow", "2027-02-31T18:00"):
            with pytest.raises(ValueError):
                instant_in(text, "Europe/Moscow")


@pytest.mark.parametrize("headers", [{}, {"content-type": "application/json"}])
async def test_a_request_without_a_body_is_told_that_it_needs_one(market: Outside, headers: dict[str, str]) -> None:
    async with market.client() as client:
        answer = await client.post("/api/login", headers=headers)
    told = answer.json()
    assert (answer.status_code, told["rule"], told["detail"]) == (400, "no-body", "The request needs a JSON body.")


@pytest.mark.parametrize(
    ("typed", "words"), [("x" * 10_001, "characters"), ("x" * 500_000, "characters"), ("a\x00b", "cannot be shown")]
)
def test_a_text_that_does_not_fit_is_refused_at_its_field(typed: str, words: str) -> None:
    fields = {"reason": typed, "other": "is kept"}
    with pytest.raises(NotFitting) as refused:
        text_in(fields, "reason")
    assert refused.value.field == "reason"
    assert words in refused.value.message
    assert misfits(fields) == {"reason": refused.value.message}
    assert text_in(fields, "other") == "is kept"


@pytest.mark.parametrize("far", ["2101-01-31T09:00", "12026-01-31T09:00", "+12026-01-31T09:00"])
def test_a_far_time_is_told_how_far_it_may_be(far: str) -> None:
    with arriving(datetime(2026, 11, 29, tzinfo=UTC)):
        found, errors = read_instant({"at": far}, "at", "Europe/Moscow")
    assert found is None
    assert errors == {"at": "must lie within 10 years"}


REGISTRANT = {name: REGISTRATION[name] for name in ("kind", "country", "region", "name", "email", "password")}


@pytest.mark.parametrize("forbidden", ["\u2028", "\u000b", "\u202e", "\x00", "\x1f"])
async def test_a_form_with_a_character_that_cannot_be_shown_comes_back_with_the_error_beside_its_field(
    market: Outside, forbidden: str
) -> None:
    fields = REGISTRANT | {"organisation": f"Firm{forbidden}Two"}
    async with market.client() as client:
        answer = await sent(client, "/register", fields)
    assert answer.status_code == 422
    assert said_beside(answer.text, "organisation") == "has a character that cannot be shown"
    assert 'value="Firm\ufffdTwo"' in answer.text and 'value="Anna"' in answer.text
    assert forbidden not in answer.text


async def test_a_form_with_letters_that_nobody_can_see_or_too_many_choices_comes_back_with_its_errors(
    market: Outside,
) -> None:
    async with market.client() as client:
        unseen = await sent(client, "/register", REGISTRANT | {"organisation": "\u200b\u200b"})
        many = await sent(client, "/register", REGISTRANT | {"organisation": "Firm", "divisions": ["30"] * 3_000})
    assert (unseen.status_code, many.status_code) == (422, 422)
    assert said_beside(unseen.text, "organisation") == "has no letter that can be seen"
    assert "has more than 1\u202f000 entries" in many.text and 'value="Firm"' in many.text


def said_beside(page: str, field: str) -> str:
    found = re.search(rf'<p class="error" id="{field}-note">([^<]*)</p>', page)
    return found[1] if found else ""


async def sent(client: httpx.AsyncClient, path: str, fields: Mapping[str, Any]) -> httpx.Response:
    """As from the page of the form."""
    page = await client.get(path, headers={"accept": "text/html"})
    token = re.search(r'name="_csrf_token" value="([^"]*)"', page.text)
    assert token
    return await client.post(path, data={**fields, "_csrf_token": token[1]}, headers={"accept": "text/html"})


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/auctions?status=banana&page=1", "In the address of this page, “status” is none of the values"),
        ("/pools?start=-1", "In the address of this page, “start” must be at least 0."),
        ("/auctions?page=two", "In the address of this page, “page” is not written as it should be."),
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


@pytest.mark.parametrize("typed", ["1 234,50", "1\u00a0234.50", "1\u202f234.50"])
def test_a_number_is_read_as_our_pages_write_it(typed: str) -> None:
    form, errors = read_form({"amount": typed}, Typed)
    assert errors == {} and form is not None and form.amount == Decimal("1234.50")


@pytest.mark.parametrize("typed", ["1,200", "1.200", "-1.200", "120,000", " 1,200 "])
def test_a_number_that_could_be_a_thousand_times_as_large_is_refused_with_both_readings(typed: str) -> None:
    for language, sign in (("en", "."), ("es", ","), ("ru", ",")):
        with speaking(language):
            form, errors = read_form({"amount": typed}, Typed)
        large = typed.strip().replace(",", "").replace(".", "")
        small = {"1200": "1.2", "-1200": "-1.2", "120000": "120"}[large].replace(".", sign)
        assert form is None and f"{large} " in errors["amount"] and f" {small}:" in errors["amount"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("1,5", "1.5"), ("1 200", "1200"), ("0,125", "0.125"), ("1234,567", "1234.567"), ("1 234,567", "1234.567"),
     ("1.2340", "1.234"), ("1,20", "1.20")],
)  # fmt: skip
def test_a_number_with_one_meaning_is_taken(typed: str, meant: str) -> None:
    form, errors = read_form({"amount": typed}, Typed)
    assert errors == {} and form is not None and form.amount == Decimal(meant)


def test_a_number_whose_thousandfold_is_out_of_bounds_has_one_meaning() -> None:
    form, errors = read_form({"rate": "1,234"}, Typed)
    assert errors == {} and form is not None and form.rate == Decimal("1.234")


@pytest.mark.parametrize(
    "number", ["1.234", "999.001", "-1.234", "1200", "1.2", "0.125", "1234.567", "1.2345", "1000", "1.200"]
)
def test_what_a_page_fills_in_is_read_as_it_was(number: str) -> None:
    form, errors = read_form({"amount": unambiguous(Decimal(number))}, Typed)
    assert errors == {} and form is not None and form.amount == Decimal(number)


def test_a_form_that_asks_again_takes_a_decimal() -> None:
    form, _ = read_form({"amount": "985.001"}, Typed, asks=True)
    assert form is not None and form.amount == Decimal("985.001")
