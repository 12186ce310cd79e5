"""The person who acts, and its organisation."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """A member who acts for its organisation. Rules check the organisation; events also record the member."""

    organisation_id: str
    member_id: str
