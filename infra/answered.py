"""A value that requests contain, and that answers contain with more members: clients may send back what the market
answered."""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct, inspect


class Answered:
    """How answers write a value of a request body: as a ``kind``, whose further members are ignored. A struct of bodies declares it::

        AS_ANSWERED: ClassVar = Answered(Line, category="code")

    ``parts``: members that an answer writes as an object; the body means the part of that object with the given name.
    """

    def __init__(self, kind: type[Struct], **parts: str) -> None:
        self.kind = kind
        self.parts = parts

    def taker(self, fields: Iterable[inspect.Field]) -> "Taker":
        """A function that reduces JSON of an answer to a struct of bodies with these fields."""
        fields = list(fields)
        further = frozenset(self.kind.__struct_encode_fields__) - {field.encode_name for field in fields}
        absent = frozenset(field.encode_name for field in fields if not field.required and not _may_be_none(field.type))
        return Taker(further, absent, self.parts)


class Taker:
    def __init__(self, further: frozenset[str], absent: frozenset[str], parts: Mapping[str, str]) -> None:
        self._further, self._absent, self._parts = further, absent, parts

    def reduce_to_body(self, written: dict[str, Any]) -> None:
        """Keep only the members that a body has. A null in an answer means that the body leaves the member out."""
        for name in self._further & written.keys():
            del written[name]
        for name in self._parts.keys() & written.keys():
            if isinstance(written[name], dict):
                written[name] = written[name].get(self._parts[name])
        for name in self._absent & written.keys():
            if written[name] is None:
                del written[name]


def _may_be_none(kind: inspect.Type) -> bool:
    kind = kind.type if isinstance(kind, inspect.Metadata) else kind
    return isinstance(kind, inspect.UnionType) and kind.includes_none
