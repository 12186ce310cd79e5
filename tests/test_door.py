"""What people may send is bounded, everywhere: bodies, query parameters, headers and forms."""

import ast
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib import import_module
from pathlib import Path

import msgspec
import pytest
from litestar import Litestar
from litestar.params import ParameterKwarg, PathParameter
from msgspec import inspect

from events import bounds
from infra.web import read_form
from infra.web.app import guarded
from infra.web.exact import arriving
from infra.web.languages import speaking
from tests.bounded import unbounded
from tests.test_access import composed

PROJECT = Path(__file__).parent.parent
PAGES = sorted(path for path in PROJECT.glob("services/*/pages*/**/*.py")) + sorted(PROJECT.glob("services/*/pages.py"))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Litestar:
    return composed(tmp_path_factory.mktemp("home"))


def test_every_body_is_bounded(app: Litestar) -> None:
    bodies = [handler.parsed_fn_signature.parameters.get("data") for _, handler in guarded(app)]
    found = [place for body in bodies if body is not None for place in unbounded(body.annotation)]
    assert len([body for body in bodies if body is not None]) > 50
    assert sorted(set(found)) == []


def parameters(app: Litestar) -> Iterator[tuple[str, inspect.Field]]:
    """(path, field) of what routes take from query and headers. A path is as long as the server lets it be."""
    for path, handler in guarded(app):
        taken = handler.parsed_fn_signature.parameters
        model = inspect.type_info(handler.signature_model)
        assert isinstance(model, inspect.StructType)
        for field in model.fields:
            how = taken[field.name].kwarg_definition
            if (
                isinstance(how, ParameterKwarg)
                and not isinstance(how, PathParameter)
                and f"{{{field.name}:" not in path
            ):
                yield path, field


def test_every_query_parameter_is_bounded(app: Litestar) -> None:
    found = list(parameters(app))
    assert len(found) > 80
    assert [f"{path}: {place}" for path, field in found for place in unbounded(field.type, field.name)] == []


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


class Typed(msgspec.Struct):
    """A form."""

    name: bounds.Name = ""
    rate: bounds.Percent = Decimal(0)
    day: date | None = None


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("rate", "1e400000000", ("must lie between 0 and 100", "debe estar entre 0 y 100", "должно быть от 0 до 100")),
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
