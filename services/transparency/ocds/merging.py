"""Merge the releases of one process into one: the later value holds, and lists of objects with ids are merged by id
(OCDS, merging reference).

It accepts what publishers really write: ids as numbers or texts, and missing or repeated ids within a list.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from services.transparency.ocds.tolerance import NotUnderstood, read_date


def in_order(releases: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the releases, sorted by date. Releases without a readable date come first; releases of equal dates keep their order."""
    unheard = NotUnderstood()

    def instant(release: Mapping[str, Any]) -> str:
        found = read_date(release.get("date"), "date", unheard)
        return found.isoformat() if found else ""

    return sorted(releases, key=instant)


def merge(releases: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One release with the latest values. ``null`` in a later release removes a value, as the standard says; an empty
    text or list does not, because publishers write them for values that they leave out. The work is proportional to the
    content of the releases, even if many of them change the same list."""
    merged = _Object()
    for release in in_order(releases):
        _change(merged, release)
    return {key: _plain(value) for key, value in merged.items()}


class _Object(dict[str, Any]):
    """A copy that merging may change; input objects are never changed."""


class _Things:
    """A copy of a list of objects with ids that merging may change: by id as text, in the order of the list."""

    def __init__(self, listed: Sequence[Mapping[str, Any]]) -> None:
        self.by_id = {str(one["id"]): one for one in listed}

    def change(self, new: Sequence[Mapping[str, Any]]) -> None:
        for one in new:
            number = str(one["id"])
            self.by_id[number] = _change(_own(self.by_id.get(number)), one)


def _own(value: Any) -> _Object:
    return value if isinstance(value, _Object) else _Object(value if isinstance(value, Mapping) else {})


def _change(old: _Object, new: Mapping[str, Any]) -> _Object:
    for key, value in new.items():
        if value is None:
            old.pop(key, None)
        elif value not in ("", [], {}) or key not in old:
            old[key] = _value(old.get(key), value)
    return old


def _value(old: Any, new: Any) -> Any:
    if isinstance(new, Mapping):
        return _change(_own(old), new)
    if not isinstance(new, list):
        return new
    things = _Things(old) if isinstance(old, list) and _have_ids(old) else old
    if not isinstance(things, _Things) or not _have_ids(new):
        return new
    things.change(new)
    return things


def _plain(value: Any) -> Any:
    """Return a value with its copies as plain objects and lists again; any other value is returned as it was read."""
    if isinstance(value, _Object):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, _Things):
        return [_plain(one) for one in value.by_id.values()]
    return value


def _have_ids(values: Sequence[Any]) -> bool:
    """Whether every element is an object with a different id. A list that repeats an id is replaced as a whole."""
    if not values or not all(isinstance(one, Mapping) and one.get("id") not in (None, "") for one in values):
        return False
    return len({str(one["id"]) for one in values}) == len(values)


_VERSION = frozenset({"releaseDate", "releaseID", "releaseTag", "value"})


def latest(value: Any) -> Any:
    """Rebuild a compiled release from a versioned one: the last version of each field, by release date."""
    if isinstance(value, Mapping):
        return {key: found for key, one in value.items() if (found := latest(one)) is not None}
    if isinstance(value, list):
        if value and all(isinstance(one, Mapping) and "releaseDate" in one and set(one) <= _VERSION for one in value):
            return max(value, key=lambda one: str(one.get("releaseDate") or "")).get("value")
        return [found for one in value if (found := latest(one)) is not None]
    return value
