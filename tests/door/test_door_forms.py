"""A form has the same bounds as the rules for its fields. A refused form is shown again with each error beside its
field."""

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


def form_structs() -> Iterator[type[msgspec.Struct]]:
    """Yield the structs into which pages read forms: the arguments of each call of ``read_form``."""
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
    found = set(form_structs())
    assert len(found) > 20
    assert [place for shape in found for place in unbounded(shape)] == []


def test_no_form_that_is_made_by_defstruct_has_a_field_without_bounds() -> None:
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
    """Yield (service, field, name of the type) of each text whose length a rule checks."""
    for path in sorted(PROJECT.glob("services/*/domain/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "within" and len(node.args) == 3:
                _, field, kind = node.args
                yield path.relative_to(PROJECT).parts[1], ast.literal_eval(field), ast.unparse(kind)
    yield "accounts", "password", "Password"


def longest_at_the_door(app: Litestar) -> Iterator[tuple[str, str, int | None]]:
    """Yield (service, field, greatest length) of each text in the bodies and forms of services. Credentials are left out:
    they are only compared with known values."""
    bodies = [handler.parsed_fn_signature.parameters.get("data") for _, handler in guarded(app)]
    for shape in {*form_structs(), *(body.annotation for body in bodies if body is not None)}:
        module = getattr(shape, "__module__", "")
        if module.startswith("services.") and shape.__name__ != "Credentials":
            for field in msgspec.structs.fields(shape):
                kind = inspect.type_info(field.type)
                while isinstance(kind, inspect.Metadata):
                    kind = kind.type
                if isinstance(kind, inspect.StrType):
                    yield module.split(".")[1], field.name, kind.max_length


def test_a_rule_allows_the_same_length_as_the_type_at_the_door(app: Litestar) -> None:
    """Otherwise a text could pass the door and be refused by the rule, with a different message."""
    at_the_door = set(longest_at_the_door(app))
    by_rule = set(lengths_of_rules())
    assert len(by_rule) > 5
    wrong = []
    for service, field, name in by_rule:
        allowed = bounds.longest(getattr(bounds, name))
        found = {length for of_service, of_field, length in at_the_door if (of_service, of_field) == (service, field)}
        if found != {allowed}:
            wrong.append(f"{service}: the rule allows {field} {allowed} letters, the door {found}")
    assert wrong == []


def test_no_rule_compares_the_length_of_a_text_with_a_number_of_its_own() -> None:
    """A rule takes the greatest length from the type of the text, with ``longest``."""
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
async def test_a_form_with_a_character_that_cannot_be_shown_is_shown_again_with_the_error_beside_its_field(
    market: Outside, forbidden: str
) -> None:
    fields = REGISTRANT | {"organisation": f"Firm{forbidden}Two"}
    async with market.client() as client:
        answer = await send_form(client, "/register", fields)
    assert answer.status_code == 422
    assert error_beside(answer.text, "organisation") == "has a character that cannot be shown"
    assert 'value="Firm\ufffdTwo"' in answer.text and 'value="Anna"' in answer.text
    assert forbidden not in answer.text


async def test_a_form_with_an_invisible_text_or_too_many_choices_is_shown_again_with_its_errors(
    market: Outside,
) -> None:
    async with market.client() as client:
        invisible = await send_form(client, "/register", REGISTRANT | {"organisation": "\u200b\u200b"})
        many = await send_form(client, "/register", REGISTRANT | {"organisation": "Firm", "divisions": ["30"] * 3_000})
    assert (invisible.status_code, many.status_code) == (422, 422)
    assert error_beside(invisible.text, "organisation") == "has no visible character"
    assert "has more than 1\u202f000 entries" in many.text and 'value="Firm"' in many.text


def error_beside(page: str, field: str) -> str:
    """Return the error beside the field, or ""."""
    found = re.search(rf'<p class="error" id="{field}-note">([^<]*)</p>', page)
    return found[1] if found else ""


async def send_form(client: httpx.AsyncClient, path: str, fields: Mapping[str, Any]) -> httpx.Response:
    """Send the form with the token of its page, as a browser does."""
    page = await client.get(path, headers={"accept": "text/html"})
    token = re.search(r'name="_csrf_token" value="([^"]*)"', page.text)
    assert token
    return await client.post(path, data={**fields, "_csrf_token": token[1]}, headers={"accept": "text/html"})
