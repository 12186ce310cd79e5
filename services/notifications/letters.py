"""The letter of a digest: made from what was claimed alone, so that every attempt to send it has the same bytes."""

import tomllib
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from events.recommender import Recommendation
from infra.web.pages import money
from services.notifications.links import Links

HERE = Path(__file__).parent
KINDS = ("auction", "quote", "pool", "purchase")
# Headers stay on one line: a link that is folded or encoded is no link for a mail program. RFC 5322 allows 998 characters.
_POLICY = SMTP.clone(max_line_length=990)


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """What was claimed. ``claimed_at`` dates the letter."""

    digest_id: str
    member_id: str
    organisation_id: str
    period: str
    name: str
    organisation: str
    email: str
    language: str
    zone: str
    items: tuple[Recommendation, ...]
    claimed_at: datetime


def sender(smtp_url: str, public_url: str) -> str:
    """The mail account's own address where it has one, else one at the market's host."""
    user = unquote(urlsplit(smtp_url).username or "")
    if "@" in user:
        return user
    host = urlsplit(public_url).hostname or "localhost"
    try:
        ip_address(host)
    except ValueError:
        return f"lonja@{host}"
    return "lonja@localhost"


def message_id(digest: Digest, from_address: str) -> str:
    return f"<digest.{digest.digest_id}@{from_address.rpartition('@')[2]}>"


def letter(digest: Digest, links: Links, from_address: str, public_url: str) -> bytes:
    words = _words(digest.language)
    unsubscribe = links.url(digest.member_id, "digest")
    subject = words["subject"].format(organisation=digest.organisation, count=len(digest.items))
    facts = {
        "language": digest.language,
        "subject": subject,
        "words": words,
        "name": digest.name,
        "organisation": digest.organisation,
        "sections": _sections(digest, words, public_url),
        "settings_url": f"{public_url}/notifications",
        "unsubscribe_url": unsubscribe,
    }
    mail = EmailMessage(_POLICY)
    mail["From"] = formataddr(("Lonja", from_address))
    mail["To"] = digest.email
    mail["Subject"] = " ".join(subject.split())
    mail["Date"] = format_datetime(digest.claimed_at)
    mail["Message-ID"] = message_id(digest, from_address)
    mail["List-Unsubscribe"] = f"<{unsubscribe}>"
    mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(_templates(html=False).get_template("digest.txt").render(facts), cte="quoted-printable")
    mail.add_alternative(
        _templates(html=True).get_template("digest.html").render(facts), subtype="html", cte="quoted-printable"
    )
    mail.set_boundary(f"=_lonja_{digest.digest_id}")
    return mail.as_bytes()


def _sections(digest: Digest, words: dict[str, str], public_url: str) -> list[tuple[str, list[dict[str, object]]]]:
    """By kind, in the order of KINDS; within one, as ranked."""
    zone = ZoneInfo(digest.zone)
    sections: dict[str, list[dict[str, object]]] = {kind: [] for kind in (*KINDS, "other")}
    for item in digest.items:
        closes = item.closes_at.astimezone(zone) if item.closes_at else None
        sections[item.kind if item.kind in KINDS else "other"].append(
            {
                "title": item.title,
                "url": public_url + item.path,
                "buyer_name": item.buyer_name,
                "amount": money(item.amount, item.currency) if item.amount is not None else "",
                "closes": f"{closes:%Y-%m-%d %H:%M} ({digest.zone})" if closes else "",
                "reasons": item.reasons,
            }
        )
    return [(words[kind], items) for kind, items in sections.items() if items]


@cache
def _words(language: str) -> dict[str, str]:
    path = HERE / "messages" / f"{language}.toml"
    words: dict[str, str] = tomllib.loads(path.read_text(encoding="utf-8"))
    return words


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
