"""Makes letters only from what was claimed, so that every attempt to send one has the same bytes."""

import tomllib
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from events.recommender import Recommendation
from infra.web.languages import moment, speaking
from infra.web.pages import money
from services.market.reasons import in_language
from services.notifications.domain import PATIENT, LetterDuty
from services.notifications.links import Links

HERE = Path(__file__).parent
KINDS = ("auction", "quote", "pool", "purchase")
SHOWN = 20
"""The most entries that a combined letter shows; for the others it says how many there are and links to them."""
# Headers stay on one line, because mail programs do not recognise a link that is folded or encoded. RFC 5322 allows 998
# characters.
_POLICY = SMTP.clone(max_line_length=990)


class _Claimed(msgspec.Struct, frozen=True, kw_only=True, tag_field="topic"):
    """The reader of a letter. ``organisation`` is the name of its organisation; ``claimed_at`` is the date of the
    letter."""

    letter_id: str
    member_id: str
    organisation_id: str
    name: str
    organisation: str
    email: str
    language: str
    zone: str
    claimed_at: datetime


class Digest(_Claimed, frozen=True, kw_only=True, tag="digest"):
    """A letter with opportunities."""

    topic: ClassVar[str] = "digest"
    template: ClassVar[str] = "digest"
    kind: ClassVar[str] = ""
    urgency: ClassVar[int] = PATIENT
    about: ClassVar[str] = ""
    period: str
    items: tuple[Recommendation, ...]

    @property
    def says(self) -> str:
        return str(words_of(self.language)["subject"]).format(organisation=self.organisation, count=len(self.items))

    @property
    def cause(self) -> str:
        return self.organisation_id

    def stands(self, now: datetime) -> bool:
        return True


class DutyLetter(_Claimed, frozen=True, kw_only=True, tag="duties"):
    """A letter about one duty of the organisation."""

    topic: ClassVar[str] = "duties"
    template: ClassVar[str] = "duties"
    duty: LetterDuty

    @property
    def kind(self) -> str:
        return self.duty.what

    @property
    def cause(self) -> str:
        return self.duty.cause

    @property
    def urgency(self) -> int:
        return self.duty.urgency

    @property
    def about(self) -> str:
        return self.duty.path

    @property
    def says(self) -> str:
        return str(words_of(self.language)["duty"][self.duty.what]["subject"]).format(title=self.duty.title)

    def stands(self, now: datetime) -> bool:
        return self.duty.stands(now)


class CombinedLetter(_Claimed, frozen=True, kw_only=True, tag="list"):
    """A letter about several duties of one kind, instead of one letter for each. It is claimed with the number of
    ``duties``, which come from the letters that it replaces, earliest deadline first."""

    topic: ClassVar[str] = "duties"
    template: ClassVar[str] = "list"
    about: ClassVar[str] = ""
    what: str
    count: int
    duties: tuple[LetterDuty, ...] = ()

    @classmethod
    def of(cls, letter: DutyLetter, letter_id: str, count: int, claimed_at: datetime) -> "CombinedLetter":
        """A combined letter that replaces that letter and others to the same reader."""
        same = {name: getattr(letter, name) for name in _Claimed.__struct_fields__}
        return cls(**same | {"letter_id": letter_id, "claimed_at": claimed_at}, what=letter.duty.what, count=count)

    @property
    def says(self) -> str:
        return str(words_of(self.language)["duty"][self.what]["many"]).format(count=self.count)

    def stands(self, now: datetime) -> bool:
        return bool(self.duties)


Letter = Digest | DutyLetter | CombinedLetter


def sender(smtp_url: str, public_url: str) -> str:
    """The address of the mail account if it has one, else an address at the market's host."""
    user = unquote(urlsplit(smtp_url).username or "")
    if "@" in user:
        return user
    host = urlsplit(public_url).hostname or "localhost"
    try:
        ip_address(host)
    except ValueError:
        return f"lonja@{host}"
    return "lonja@localhost"


def message_id(letter: Letter, from_address: str) -> str:
    return f"<{letter.topic}.{letter.letter_id}@{from_address.rpartition('@')[2]}>"


def mime(letter: Letter, links: Links, from_address: str, public_url: str) -> bytes:
    """The whole message for the mail server, in the reader's language."""
    with speaking(letter.language):
        return _written(letter, links, from_address, public_url)


def _written(letter: Letter, links: Links, from_address: str, public_url: str) -> bytes:
    words = words_of(letter.language)
    facts = {
        "language": letter.language,
        "subject": letter.says,
        "words": words,
        "name": letter.name,
        "organisation": letter.organisation,
        "footer": words[letter.topic]["footer"],
        "settings": words[letter.topic]["settings"],
        "settings_url": f"{public_url}/notifications",
        "unsubscribe_url": links.url(letter.member_id, letter.topic),
        **_told(letter, words, public_url),
    }
    mail = EmailMessage(_POLICY)
    mail["From"] = formataddr(("Lonja", from_address))
    mail["To"] = letter.email
    mail["Subject"] = " ".join(letter.says.split())
    mail["Date"] = format_datetime(letter.claimed_at)
    mail["Message-ID"] = message_id(letter, from_address)
    for name, value in links.headers(letter.member_id, letter.topic).items():
        mail[name] = value
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(
        _templates(html=False).get_template(f"{letter.template}.txt").render(facts), cte="quoted-printable"
    )
    mail.add_alternative(
        _templates(html=True).get_template(f"{letter.template}.html").render(facts),
        subtype="html",
        cte="quoted-printable",
    )
    mail.set_boundary(f"=_lonja_{letter.letter_id}")
    return mail.as_bytes()


def _told(letter: Letter, words: dict[str, Any], public_url: str) -> dict[str, object]:
    match letter:
        case Digest():
            return _opportunities(letter, words, public_url)
        case DutyLetter():
            return {"duty": words["duty"][letter.duty.what], **_duty(letter.duty, letter.zone, public_url)}
        case CombinedLetter():
            return {
                "duty": words["duty"][letter.what],
                "entries": [_duty(each, letter.zone, public_url) for each in letter.duties[:SHOWN]],
                "more": max(0, letter.count - SHOWN),
                "all_url": f"{public_url}/contracts",
            }


def _opportunities(digest: Digest, words: dict[str, Any], public_url: str) -> dict[str, object]:
    """The opportunities by kind, in the order of KINDS; within a kind in their rank."""
    sections: dict[str, list[dict[str, object]]] = {kind: [] for kind in (*KINDS, "other")}
    for item in digest.items:
        sections[item.kind if item.kind in KINDS else "other"].append(
            {
                "title": item.title,
                "url": public_url + item.path,
                "buyer_name": item.buyer_name,
                "amount": money(item.amount, item.currency) if item.amount is not None else "",
                "closes": _local(item.closes_at, digest.zone),
                "reasons": [in_language(reason) for reason in item.reasons],
            }
        )
    return {"sections": [(words[kind], items) for kind, items in sections.items() if items]}


def _duty(duty: LetterDuty, zone: str, public_url: str) -> dict[str, object]:
    return {
        "title": duty.title,
        "partner": duty.partner,
        "due": _local(duty.due_at, zone),
        "url": public_url + page_with(duty.path),
    }


def _local(instant: datetime | None, zone: str) -> str:
    return moment(instant, zone=zone) if instant else ""


@cache
def words_of(language: str) -> dict[str, Any]:
    path = HERE / "messages" / f"{language}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


@cache
def _templates(*, html: bool) -> Environment:
    return Environment(
        loader=FileSystemLoader(HERE / "templates" / "notifications"),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def page_with(path: str) -> str:
    """The page on which a duty is done. The forms for carrying out a contract are on a separate page; in the former
    release they were on the contract's page. Both releases identify a duty by the path of the contract's page; the
    address with a part leads to the forms in both."""
    page, _, form = path.partition("#")
    return f"{page}?part=0#{form}" if form else page
