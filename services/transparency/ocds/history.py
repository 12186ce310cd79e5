"""What the releases of processes say so far, as far as the next ones need it; those that are made are added. Pure.

Of a contract only what was said of the contract itself, one release that says that it is carried out, and what was said last of the
milestone: a contract has hundreds of milestones, a process hundreds of contracts, and each release would read what all before it said.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from services.transparency.ocds.parts import Json


class Asked(NamedTuple):
    """A contract of a process, and one milestone of it ("" for none)."""

    ocid: str
    contract_id: str
    milestone: str = ""

    @property
    def contract(self) -> "Asked":
        return Asked(self.ocid, self.contract_id)


class History:
    """``said`` are releases that hold one contract, oldest first: of a contract by itself, and of one milestone the last."""

    def __init__(self, said: Mapping[Asked, Sequence[Json]]) -> None:
        self._said = {asked: list(releases) for asked, releases in said.items()}

    def of(self, asked: Asked) -> list[Json]:
        found = self._said.get(asked.contract, [])
        return [*found, *self._said.get(asked, ())] if asked.milestone else found

    def add(self, release: Json) -> None:
        for contract in release.get("contracts", ()):
            bare = {"contracts": [{name: part for name, part in contract.items() if name != "items"}]}
            milestone = _milestone(contract)
            asked = Asked(release["ocid"], contract["id"], milestone)
            of_contract = self._said.setdefault(asked.contract, [])
            if milestone:
                self._said[asked] = [bare]
            if not milestone or not any(_milestone(one) for each in of_contract for one in each["contracts"]):
                of_contract.append(bare)


def _milestone(contract: Json) -> str:
    return next((str(each["id"]) for each in contract.get("implementation", {}).get("milestones", ())), "")


class Roles:
    """Merging replaces lists of words: a party that was tenderer and is supplier now says both. ``before`` are the roles that the
    releases gave a party so far, by (ocid, party)."""

    def __init__(self, before: Mapping[tuple[str, str], Sequence[str]]) -> None:
        self._given = {party: set(roles) for party, roles in before.items()}

    def all_in(self, release: Json) -> Json:
        """The release with all roles of its parties, which are remembered."""
        if "parties" not in release:
            return release
        parties = []
        for party in release["parties"]:
            given = self._given.setdefault((release["ocid"], party["id"]), set())
            given.update(party["roles"])
            parties.append({**party, "roles": sorted(given)})
        return {**release, "parties": parties}


class Dates:
    """OCDS merges the releases of a process by their dates, so no two have one date, and they are in the order of the feed: what
    happened at once, or was heard late, is dated a millisecond after the release before it. ``last`` are the dates of the last
    releases so far, by ocid."""

    def __init__(self, last: Mapping[str, str]) -> None:
        self._last = {ocid: datetime.fromisoformat(date) for ocid, date in last.items()}

    def next(self, ocid: str, at: datetime) -> datetime:
        """The date of the next release of this process, which is remembered. ``at`` is when happened what it says."""
        last = self._last.get(ocid)
        at = at.replace(microsecond=at.microsecond // 1000 * 1000)
        self._last[ocid] = at if last is None or at > last else last + timedelta(milliseconds=1)
        return self._last[ocid]
