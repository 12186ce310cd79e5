"""A value that stands in bodies, and in answers with more members: what the market tells can be sent back to it."""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct, inspect


class Answered:
    """How answers tell what a body's value says: as a ``kind``, whose further members are passed over. A struct of bodies declares it::

        AS_ANSWERED: ClassVar = Answered(Line, category="code")

    ``parts`` are members that an answer tells with more around them; meant is the part of that name.
    """

    def __init__(self, kind: type[Struct], **parts: str) -> None:
        self.kind = kind
        self.parts = parts

    def taker(self, fields: Iterable[inspect.Field]) -> "Taker":
        """For a struct of bodies with these fields."""
        fields = list(fields)
        further = frozenset(self.kind.__struct_encode_fields__) - {field.encode_name for field in fields}
        absent = frozenset(field.encode_name for field in fields if not field.required and not _may_be_none(field.type))
        return Taker(further, absent, self.parts)


class Taker:
    def __init__(self, further: frozenset[str], absent: frozenset[str], parts: Mapping[str, str]) -> None:
        self._further, self._absent, self._parts = further, absent, parts

    def take_back(self, written: dict[str, Any]) -> None:
        """Leaves of JSON's members what a body has. A null stands in answers for what a body leaves out."""
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
