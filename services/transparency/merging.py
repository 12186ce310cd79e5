"""Merge the releases of one process into one: later wins, lists of things with ids merge by id (OCDS, merging reference).

Written for what publishers do: ids as numbers here and text there, ids missing or repeated within a list.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from services.transparency.tolerance import NotUnderstood, read_date


def in_order(releases: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """By date, those without a readable one first; equal dates keep their order."""
    unheard = NotUnderstood()

    def instant(release: Mapping[str, Any]) -> str:
        found = read_date(release.get("date"), "date", unheard)
        return found.isoformat() if found else ""

    return sorted(releases, key=instant)


def merge(releases: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One release with the latest of everything. ``null`` in a later release takes a value back, as the
    standard says; an empty text or list does not, because publishers write them for what they leave out."""
    merged: dict[str, Any] = {}
    for release in in_order(releases):
        merged = _object(merged, release)
    return merged


def _object(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(old)
    for key, value in new.items():
        if value is None:
            result.pop(key, None)
        elif value not in ("", [], {}) or key not in result:
            result[key] = _value(result.get(key), value)
    return result


def _value(old: Any, new: Any) -> Any:
    if isinstance(new, Mapping):
        return _object(old if isinstance(old, Mapping) else {}, new)
    if isinstance(new, list) and isinstance(old, list) and _have_ids(old) and _have_ids(new):
        return _by_id(old, new)
    return new


def _have_ids(values: Sequence[Any]) -> bool:
    """Every element is an object with an id of its own; a list that repeats one is a whole and replaces a whole."""
    if not values or not all(isinstance(one, Mapping) and one.get("id") not in (None, "") for one in values):
        return False
    return max(Counter(str(one["id"]) for one in values).values()) == 1


def _by_id(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> list[Any]:
    merged = {str(one["id"]): one for one in old}
    for one in new:
        merged[str(one["id"])] = _object(merged.get(str(one["id"]), {}), one)
    return list(merged.values())


_VERSION = frozenset({"releaseDate", "releaseID", "releaseTag", "value"})


def latest(value: Any) -> Any:
    """Rebuild a compiled release from a versioned one: of each field's versions the last by release date."""
    if isinstance(value, Mapping):
        return {key: found for key, one in value.items() if (found := latest(one)) is not None}
    if isinstance(value, list):
        if value and all(isinstance(one, Mapping) and "releaseDate" in one and set(one) <= _VERSION for one in value):
            return max(value, key=lambda one: str(one.get("releaseDate") or "")).get("value")
        return [found for one in value if (found := latest(one)) is not None]
    return value
