"""One-click unsubscribing (RFC 8058), by a signed link that works without login, for one member and topic, and does not
expire.

A letter carries the link in its text and in :meth:`Links.headers`. A POST to the link, by a mail program or by the button
of its page, ends the topic for that member; with ``again`` in the form it begins again. A GET shows the page and changes
nothing.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

from catalogue.rules import RuleBroken
from services.notifications.domain import TOPICS


class BadLink(RuleBroken):
    """The link is incomplete, or not from this market."""

    code = "bad-link"


class Links:
    def __init__(self, secret: str, public_url: str) -> None:
        self._secret = secret.encode()
        self._public_url = public_url

    def token(self, member_id: str, topic: str) -> str:
        body = f"{topic}/{member_id}".encode()
        return urlsafe_b64encode(self._signature(body) + body).decode().rstrip("=")

    def url(self, member_id: str, topic: str) -> str:
        return f"{self._public_url}/unsubscribe/{self.token(member_id, topic)}"

    def headers(self, member_id: str, topic: str) -> dict[str, str]:
        """The headers with which a mail program offers to unsubscribe."""
        return {
            "List-Unsubscribe": f"<{self.url(member_id, topic)}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }

    def read(self, token: str) -> tuple[str, str]:
        """The (member id, topic) of a link. Raise BadLink."""
        try:
            raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
            topic, _, member_id = raw[16:].decode().partition("/")
        except ValueError:
            raw, topic, member_id = b"", "", ""
        if topic not in TOPICS or not hmac.compare_digest(self._signature(raw[16:]), raw[:16]):
            raise BadLink(
                "This link is not complete. Copy all of it from the letter, or change your mail settings after login."
            )
        return member_id, topic

    def _signature(self, body: bytes) -> bytes:
        return hmac.digest(self._secret, body, hashlib.sha256)[:16]
