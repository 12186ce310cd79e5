"""Loads policies from their files."""

from __future__ import annotations

import re
import tomllib
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from catalogue.policy.bounds import FieldNotValid
from catalogue.policy.jurisdiction import Policy
from catalogue.policy.reading import table
from catalogue.rules import RuleBroken, sentence

_SHIPPED = Path(__file__).parent.parent / "policies"
_own: Path | None = None
NAME = re.compile(r"[a-z][a-z0-9-]*")
"""The form of the name of a policy and of its file."""
Edited = tuple[int, int]
LONGEST_TEXT = 20_000
"""The most characters of a policy in JSON that an event can carry."""


class UnknownPolicy(RuleBroken):
    code = "unknown-policy"


class PolicyNotValid(RuleBroken):
    """The file is no TOML, or a field is missing, unknown, of the wrong type or out of bounds; the sentence says which."""

    code = "policy-not-valid"


class StoredPolicyUnreadable(PolicyNotValid):
    """The policy that is stored with a process is in a form that this release does not read."""

    code = "stored-policy-unreadable"


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
    path = found[0]
    base = _base_of(path)
    return _made(path, _edited(path), base, _edited(base) if base else None)


def is_shipped(name: str) -> bool:
    """Whether the policy of that name is a shipped preset, and not a file of this market's own."""
    return _own is None or not (_own / f"{name}.toml").is_file()


def text_of(policy: Policy) -> str:
    """The policy in JSON, which is stored with a process when it opens."""
    return msgspec.json.encode(policy).decode()


def of_process(text: str, name: str) -> Policy:
    """The policy that was stored with a process by :func:`text_of`. If the text is "" (the former release did not store
    it), the policy of that name as it is now. A stored policy is read as it is: the bounds of files do not apply to it,
    because a former release may have accepted wider ones, and fields that only a newer release has are ignored. Raise
    UnknownPolicy, PolicyNotValid."""
    if not text:
        return load(name)
    try:
        return msgspec.json.decode(text, type=Policy)
    except msgspec.DecodeError as error:
        raise StoredPolicyUnreadable(
            f"The policy {name!r} that was kept with the process cannot be read: {sentence(error)}"
        ) from error


def _base_of(path: Path) -> Path | None:
    """The file of the preset that a file is based on, None if there is none. Raise PolicyNotValid."""
    name = _read(path).get("based_on")
    if name is None:
        return None
    base = _SHIPPED / f"{name}.toml"
    if not (isinstance(name, str) and NAME.fullmatch(name) and base.is_file()):
        raise _refused(path, FieldNotValid("based_on", f"must be the name of a shipped preset, not {name!r}"))
    return base


def _edited(path: Path) -> Edited:
    """When the file was edited, and its size: two edits may have the same time."""
    told = path.stat()
    return told.st_mtime_ns, told.st_size


@lru_cache(maxsize=64)
def _made(path: Path, edited: Edited, base: Path | None, base_edited: Edited | None) -> Policy:
    """The policy of a file. It is made again only when one of the two files was edited, because pages load it for each
    request. Raise PolicyNotValid."""
    numbers = _read(path)
    try:
        if base is not None:
            del numbers["based_on"]
            numbers = _merged(_without(_read(base), numbers.pop("without", [])), numbers)
        policy = table({**numbers, "name": path.stem}, Policy)
    except FieldNotValid as error:
        raise _refused(path, error) from error
    if (length := len(text_of(policy))) > LONGEST_TEXT:
        raise PolicyNotValid(
            f"{path.name} has {length} characters as JSON; the policy that is stored with a process may have at most {LONGEST_TEXT}.",
            file=path.name,
        )
    return policy


def _refused(path: Path, error: FieldNotValid) -> PolicyNotValid:
    return PolicyNotValid(f"{path.name}: {error}.", field=error.field, file=path.name)


def _read(path: Path) -> dict[str, Any]:
    """The content of a file. The caller may change the dictionary itself but not the values in it, which are shared. A
    changed file is read again."""
    return dict(_parsed(path, _edited(path)))


@lru_cache(maxsize=64)
def _parsed(path: Path, edited: Edited) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (ValueError, ArithmeticError) as error:  # a number may be too long for Python
        raise PolicyNotValid(f"{path.name} is not valid TOML: {sentence(error)}", file=path.name) from error


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    both = dict(base)
    for key, value in changes.items():
        inner = isinstance(value, dict) and isinstance(base.get(key), dict)
        both[key] = _merged(base[key], value) if inner else value
    return both


def _without(base: dict[str, Any], absent: object) -> dict[str, Any]:
    """A copy of the preset without the parts that ``absent`` names by dotted paths. Raise FieldNotValid."""
    if not isinstance(absent, list) or not all(isinstance(each, str) for each in absent):
        raise FieldNotValid("without", 'must be a list of paths, such as ["auction.restart"]')
    for path in absent:
        first, _, rest = path.partition(".")
        if first not in base or (rest and not isinstance(base[first], dict)):
            raise FieldNotValid("without", f"names {path!r}, which the preset does not have")
        inner = {first: _without(base[first], [rest])} if rest else {}
        base = {key: value for key, value in base.items() if key != first} | inner
    return base
