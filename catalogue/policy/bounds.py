"""Types and errors that the parts of a policy share."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

KINDS = frozenset({"goods", "works", "services"})
"""OCDS ``mainProcurementCategory``."""

Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]


class FieldNotValid(ValueError):
    """A number is wrong in relation to other fields. The error names the field and says what the number has to be."""

    def __init__(self, field: str, what: str) -> None:
        super().__init__(f"{field} {what}")
        self.field = field


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass
