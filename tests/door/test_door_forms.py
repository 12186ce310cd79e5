"""Forms have the same bounds as the rules behind them, and are shown again with each error beside its field."""

import ast
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar
from msgspec import inspect

from events import bounds
from infra.web.app import guarded
from tests.bounded import unbounded
from tests.door.outside import PROJECT, REGISTRATION, Outside

PAGES = sorted(path for path in PROJECT.glob("services/*/pages*/**/*.py")) + sorted(PROJECT.glob("services/*/pages.py"))


def shapes() -> Iterator[type[msgspec.Struct]]:
    """The structs into which pages read forms, by name."""
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
    """(service, field, name of the type) of each text whose length a rule checks."""
    for path in sorted(PROJECT.glob("services/*/domain/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "within" and len(node.args) == 3:
                _, field, kind = node.args
                yield path.relative_to(PROJECT).parts[1], ast.literal_eval(field), ast.unparse(kind)
    yield "accounts", "password", "Password"


def longest_at_the_door(app: Litestar) -> Iterator[tuple[str, str, int | None]]:
    """(service, field, letters) of the texts in each body and form of a service, except those that are compared with
    known values."""
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
    """Otherwise a text within one bound would be refused by the other, with another message."""
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
    """It takes the length from the type, by ``longest``."""
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
    assert said_beside(unseen.text, "organisation") == "has no visible character"
    assert "has more than 1\u202f000 entries" in many.text and 'value="Firm"' in many.text


def said_beside(page: str, field: str) -> str:
    found = re.search(rf'<p class="error" id="{field}-note">([^<]*)</p>', page)
    return found[1] if found else ""


async def sent(client: httpx.AsyncClient, path: str, fields: Mapping[str, Any]) -> httpx.Response:
    """Send the form as from its page."""
    page = await client.get(path, headers={"accept": "text/html"})
    token = re.search(r'name="_csrf_token" value="([^"]*)"', page.text)
    assert token
    return await client.post(path, data={**fields, "_csrf_token": token[1]}, headers={"accept": "text/html"})
