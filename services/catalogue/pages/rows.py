"""Forms with repeated rows, whose fields are named ``<prefix><place>``."""

from collections.abc import Mapping

from infra.web import whole

MOST = 60


def rows(values: Mapping[str, str], prefix: str, least: int) -> range:
    """The rows of such a form: those that are filled in, and at least ``least`` rows."""
    places = [name.removeprefix(prefix) for name, text in values.items() if name.startswith(prefix) and text]
    filled = [number + 1 for place in places if (number := whole(place)) is not None]
    return range(min(MOST, max([least, *filled])))
