"""The person who acts, and its organisation; the two parties of a contract."""

from dataclasses import dataclass
from typing import Literal

Party = Literal["buyer", "supplier"]
"""The part that an organisation has in a contract. The same organisation may be the buyer of one and the supplier of
another. Texts for people say "side"; so do the published names that words.md lists."""
OTHER_PARTY: dict[Party, Party] = {"buyer": "supplier", "supplier": "buyer"}


@dataclass(frozen=True, slots=True)
class Actor:
    """A member who acts for its organisation. Rules check the organisation; events also record the member."""

    organisation_id: str
    member_id: str
