"""The market's web app without a database, and helpers for its tests."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from infra.tokens import Tokens
from tests.test_access import a_member

PROJECT = Path(__file__).parents[2]


class Outside(NamedTuple):
    """The market's web app without a database: a request that passes the door is answered that the database is away."""

    app: Litestar
    tokens: Tokens

    def client(self, role: str = "") -> httpx.AsyncClient:
        headers = {}
        if role:
            token = self.tokens.issue(a_member(role), datetime.now(UTC), hours=1)
            headers["authorization"] = f"Bearer {token}"
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://market", headers=headers)


def filled(path: str, text: str) -> str:
    """The path with ``text`` in place of each id."""
    return re.sub(r"\{[^:}]+:([^}]*)\}", lambda found: "1" if found[1] == "int" else text, path)


def roles_of(handler: HTTPRouteHandler) -> str:
    """A role that the route allows."""
    access = handler.opt["access"]
    return "" if access == "public" else sorted(access)[0]


REGISTRATION: Mapping[str, Any] = {
    "kind": "supplier",
    "organisation": "Oversized",
    "country": "RU",
    "region": "RU-MOW",
    "name": "Anna",
    "email": "oversized@example.org",
    "password": "a long walk in the dunes",
}
