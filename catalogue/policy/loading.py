"""Loads policies from their files."""

from __future__ import annotations

import re
import tomllib
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from catalogue.numbers import can_be_written_out
from catalogue.policy.bounds import FieldNotValid
from catalogue.policy.jurisdiction import Policy
from catalogue.rules import RuleBroken

_SHIPPED = Path(__file__).parent.parent / "policies"
_own: Path | None = None
NAME = re.compile(r"[a-z][a-z0-9-]*")
"""The form of the name of a policy and of its file."""
LONGEST_TEXT = 20_000
"""The most characters of a policy in JSON that an event can carry."""


class UnknownPolicy(RuleBroken):
    code = "unknown-policy"


class PolicyNotValid(RuleBroken):
    """The file is no TOML, or a field is missing, unknown, of the wrong type or out of bounds; the sentence says which."""

    code = "policy-not-valid"


def keep_own_in(folder: Path | None) -> None:
    """Set the folder of this market's own presets. It is called once, when a process starts, because all other code
    loads policies by name only."""
    global _own
    _own = folder


def load(name: str, folder: Path | None = None) -> Policy:
    """The policy of that name: from ``folder`` (the market's own) if it is there, else the shipped one.

    Raise UnknownPolicy, PolicyNotValid.
    """
    places = [place for place in (folder or _own, _SHIPPED) if place]
    found = [path for place in places if (path := place / f"{name}.toml").is_file()] if NAME.fullmatch(name) else []
    if not found:
        known = sorted({path.stem for place in places for path in place.glob("*.toml")})
        raise UnknownPolicy(f"There is no policy {name!r}; there are {', '.join(known)}.", field="policy", name=name)
    numbers = _read(found[0])
    if "based_on" in numbers:
        base = _SHIPPED / f"{numbers.pop('based_on')}.toml"
        if not base.is_file():
            raise PolicyNotValid(f"{found[0].name} is based on {base.stem!r}, which is not shipped.", field="based_on")
        absent = numbers.pop("without", [])
        numbers = _merged(_without(_read(base), absent, found[0]), numbers)
    _check_finite(numbers, "", found[0])
    try:
        policy = msgspec.convert({**numbers, "name": name}, Policy)
    except msgspec.ValidationError as error:
        raise PolicyNotValid(f"{found[0].name}: {error}.", field=_field(error), file=found[0].name) from error
    except ArithmeticError as error:  # "nan" in quotation marks
        raise PolicyNotValid(f"{found[0].name} has a value that is not a usable number.", file=found[0].name) from error
    if (length := len(text_of(policy))) > LONGEST_TEXT:
        raise PolicyNotValid(
            f"{found[0].name} has {length} characters as JSON; what goes with a process has {LONGEST_TEXT} at most.",
            file=found[0].name,
        )
    return policy


def text_of(policy: Policy) -> str:
    """The policy in JSON, which is stored with a process when it opens."""
    return msgspec.json.encode(policy).decode()


def of_process(text: str, name: str) -> Policy:
    """The policy that was stored with a process by :func:`text_of`. If the text is "" (the former release did not store
    it), the policy of that name as it is now. Raise UnknownPolicy, PolicyNotValid."""
    if not text:
        return load(name)
    try:
        return msgspec.json.decode(text, type=Policy)
    except msgspec.DecodeError as error:
        raise PolicyNotValid(f"The policy {name!r} that was kept with the process cannot be read: {error}.") from error


def _read(path: Path) -> dict[str, Any]:
    """The content of a file. The caller may change the dictionary itself but not the values in it, which are shared. A
    changed file is read again."""
    return dict(_parsed(path, path.stat().st_mtime_ns))


@lru_cache(maxsize=64)
def _parsed(path: Path, edited: int) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PolicyNotValid(f"{path.name}is not valid TOML: {error}.", file=path.name) from error


def _check_finite(value: object, field: str, file: Path) -> None:
    """Check that no number of a policy is "nan", "inf" or too long: such numbers cannot be compared."""
    if isinstance(value, dict):
        for key, inner in value.items():
            _check_finite(inner, f"{field}.{key}" if field else key, file)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            _check_finite(inner, f"{field}[{number}]", file)
    elif isinstance(value, Decimal) and not can_be_written_out(value):
        raise PolicyNotValid(
            f"{file.name}: {field} is {value}, which is not a usable number.", field=field, file=file.name
        )


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    both = dict(base)
    for key, value in changes.items():
        inner = isinstance(value, dict) and isinstance(base.get(key), dict)
        both[key] = _merged(base[key], value) if inner else value
    return both


def _without(base: dict[str, Any], absent: list[str], file: Path) -> dict[str, Any]:
    """A copy of the preset without the parts that ``absent`` names by dotted paths."""
    for path in absent:
        first, _, rest = path.partition(".")
        if first not in base or (rest and not isinstance(base[first], dict)):
            raise PolicyNotValid(f"{file.name} is without {path!r}, which its preset does not have.", field="without")
        inner = {first: _without(base[first], [rest], file)} if rest else {}
        base = {key: value for key, value in base.items() if key != first} | inner
    return base


def _field(error: msgspec.ValidationError) -> str | None:
    """The field that an error of msgspec names at its end: "Expected `int`, got `str` - at `$.auction.settle_seconds`".
    If the numbers of a part contradict each other, it is that part."""
    where = re.search(r"`\$\.?([^`]*)`$", str(error))
    named = error.__cause__.field if isinstance(error.__cause__, FieldNotValid) else ""
    return ".".join(part for part in (where[1] if where else "", named) if part) or None
