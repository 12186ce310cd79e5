"""Who acts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """A member in the name of its organisation: a rule asks which organisation it is, and the event keeps which member it was."""

    organisation_id: str
    member_id: str
