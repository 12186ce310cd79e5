"""When a digest is due and what it contains (docs/rules.md section 8), and who has to act by when (section 4). Pure."""

from collections.abc import Collection, Iterable
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from catalogue.rules import AnyOf, RuleBroken
from events.bounds import Code, Count, Few
from events.recommender import Recommendation

AT_MOST = 10
"""The most items in one digest."""
TOPICS = ("digest", "duties")
"""What a member can unsubscribe from: letters about opportunities, and letters about duties of its organisation. Each letter names its
topic."""
PERIODS = ("daily", "weekly")
LANGUAGES = ("en", "es", "ru")
GIVE_UP_AFTER = timedelta(days=2)
"""A letter that no server accepts for this time is given up."""
TO_A_CONTRACT = ("supplier-offer", "buyer-draft", "buyer-answer", "supplier-signature", "next-bidder")
"""Steps between an award and a contract: an organisation that is late here loses the award, or is suspended."""
URGENT, USUAL, PATIENT = 0, 1, 2
"""Priority of a letter's kind, highest first: steps to a contract, other duties, digests."""
TURNS = (
    (URGENT, USUAL, PATIENT),
    (USUAL, URGENT, PATIENT),
    (URGENT, USUAL, PATIENT),
    (PATIENT, URGENT, USUAL),
)
"""For each letter in turn, the order in which the urgencies are tried: so each urgency gets its share, however many letters wait."""
AT_ONCE = 5
GATHERING = timedelta(minutes=10)
"""A reader gets AT_ONCE letters of one kind at once in the time GATHERING; later ones in that time are combined into one letter."""
_FIRST_RETRY = timedelta(seconds=30)
_LAST_RETRY = timedelta(hours=1)
_UTC = ZoneInfo("UTC")


class UnknownPeriod(RuleBroken):
    code = "unknown-period"


class NoSuchHour(RuleBroken):
    code = "no-such-hour"


class UnknownTopic(RuleBroken):
    code = "unknown-topic"


class Preferences(msgspec.Struct, frozen=True, kw_only=True):
    """``hour`` is of the organisation's local day; weekly digests come on Mondays."""

    period: Code = "daily"
    hour: Count = 8
    topics: Few[Code] = TOPICS

    def check(self) -> None:
        if self.period not in PERIODS:
            raise UnknownPeriod(
                f"A digest comes {AnyOf(PERIODS)}, not {self.period!r}.",
                field="period",
                periods=AnyOf(PERIODS),
                period=self.period,
            )
        if not 0 <= self.hour <= 23:
            raise NoSuchHour(f"The hour must be from 0 to 23, not {self.hour}.", field="hour", hour=self.hour)
        if unknown := set(self.topics) - set(TOPICS):
            raise UnknownTopic(f"There is no topic {sorted(unknown)[0]!r}.", field="topics", topic=sorted(unknown)[0])

    def next_after(self, instant: datetime, zone: str) -> datetime:
        """The first due hour after the instant, in UTC. If the clock skips that hour (summer time), it is one hour
        later."""
        day = instant.astimezone(ZoneInfo(zone)).date()
        while (due := self._on(day, zone)) <= instant or (self.period == "weekly" and day.weekday() != 0):
            day += timedelta(days=1)
        return due

    def _on(self, day: date, zone: str) -> datetime:
        return datetime.combine(day, time(self.hour), ZoneInfo(zone)).astimezone(_UTC)


class LetterDuty(msgspec.Struct, frozen=True, kw_only=True):
    """``organisation_id``, a contract's ``party``, has to do ``what`` by ``due_at`` (None: no deadline), at ``path``. ``cause`` is the
    organisation whose action triggered the duty ("" in letters of a former release); letters of different causes alternate."""

    party: str
    what: str
    organisation_id: str
    partner: str
    title: str
    path: str
    due_at: datetime | None
    cause: str = ""

    @property
    def urgency(self) -> int:
        return URGENT if self.what in TO_A_CONTRACT else USUAL

    def stands(self, now: datetime) -> bool:
        return self.due_at is None or self.due_at > now


def slot(period: str, due: datetime, zone: str) -> str:
    """The name of the period that this due hour belongs to: one digest a member and slot."""
    day = due.astimezone(ZoneInfo(zone)).date()
    return f"{day:%G-W%V}" if period == "weekly" else day.isoformat()


def choose(items: Iterable[Recommendation], mailed: Collection[str], now: datetime) -> tuple[Recommendation, ...]:
    """The first items that are open and were never mailed to this member, each once, in the order of the list. The list
    begins with the best items and limits those of one buyer, so no buyer fills a letter while others have something
    new."""
    fresh: dict[str, Recommendation] = {}
    for item in items:
        if item.opportunity_id not in mailed and (item.closes_at is None or item.closes_at > now):
            fresh.setdefault(item.opportunity_id, item)
    return tuple(fresh.values())[:AT_MOST]


def gathered_until(since: datetime, now: datetime, due_at: datetime | None) -> datetime:
    """When the gathered letters of a kind are sent to a reader that already had AT_ONCE of them since ``since``. At the latest a quarter of
    the time to the deadline has passed then."""
    usual = max(now, since + GATHERING)
    return min(usual, now + max(due_at - now, timedelta()) / 4) if due_at else usual


def spoken(language: str) -> str:
    """The language of a member's letters."""
    return language if language in LANGUAGES else "en"


def retry_after(attempts: int) -> timedelta:
    """The delay after this many attempts: it doubles from half a minute to an hour."""
    return min(_LAST_RETRY, _FIRST_RETRY * (1 << min(attempts - 1, 10)))
