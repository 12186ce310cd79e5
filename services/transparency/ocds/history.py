"""The part of earlier releases that the next ones need. New releases are added to it. Pure.

For a contract this is only: the releases about the contract itself, one release about its carrying out, and the last
release about the milestone. A contract has hundreds of milestones and a process hundreds of contracts, so a release
cannot read all earlier ones.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from services.transparency.ocds.parts import Json


class AskedContract(NamedTuple):
    """A contract of a process, and one milestone of it ("" for none)."""

    ocid: str
    contract_id: str
    milestone: str = ""

    @property
    def contract(self) -> "AskedContract":
        return AskedContract(self.ocid, self.contract_id)


class ReleaseHistory:
    """The earlier releases about contracts and milestones. ``earlier`` has, for each contract, the releases about the
    contract itself, oldest first, and for each milestone the last release about it."""

    def __init__(self, earlier: Mapping[AskedContract, Sequence[Json]]) -> None:
        self._earlier = {asked: list(releases) for asked, releases in earlier.items()}

    def of(self, asked: AskedContract) -> list[Json]:
        """Return the releases about the contract, then the one about the milestone if one is asked for."""
        found = self._earlier.get(asked.contract, [])
        return [*found, *self._earlier.get(asked, ())] if asked.milestone else found

    def add(self, release: Json) -> None:
        for contract in release.get("contracts", ()):
            bare = {"contracts": [{name: part for name, part in contract.items() if name != "items"}]}
            milestone = _milestone(contract)
            asked = AskedContract(release["ocid"], contract["id"], milestone)
            of_contract = self._earlier.setdefault(asked.contract, [])
            if milestone:
                self._earlier[asked] = [bare]
            if not milestone or not any(_milestone(one) for each in of_contract for one in each["contracts"]):
                of_contract.append(bare)


def _milestone(contract: Json) -> str:
    return next((str(each["id"]) for each in contract.get("implementation", {}).get("milestones", ())), "")


class Roles:
    """The roles of parties. Merging replaces lists of words, so a party that was tenderer and is now supplier must have
    both. ``before`` has the roles in earlier releases, by (ocid, party)."""

    def __init__(self, before: Mapping[tuple[str, str], Sequence[str]]) -> None:
        self._given = {party: set(roles) for party, roles in before.items()}

    def all_in(self, release: Json) -> Json:
        """The release with all roles of its parties; these roles are added to ``before``."""
        if "parties" not in release:
            return release
        parties = []
        for party in release["parties"]:
            given = self._given.setdefault((release["ocid"], party["id"]), set())
            given.update(party["roles"])
            parties.append({**party, "roles": sorted(given)})
        return {**release, "parties": parties}


class Dates:
    """The dates of releases. OCDS merges the releases of a process by their dates, so dates are unique and in the order
    of the feed: if an event happened at the same time as the previous one, or came late, its release is dated a
    millisecond after the previous release. ``last`` has the date of the last release, by ocid."""

    def __init__(self, last: Mapping[str, str]) -> None:
        self._last = {ocid: datetime.fromisoformat(date) for ocid, date in last.items()}

    def next(self, ocid: str, at: datetime) -> datetime:
        """The date of the next release of this process; it is stored in ``last``. ``at`` is the time of the event."""
        last = self._last.get(ocid)
        at = at.replace(microsecond=at.microsecond // 1000 * 1000)
        self._last[ocid] = at if last is None or at > last else last + timedelta(milliseconds=1)
        return self._last[ocid]
