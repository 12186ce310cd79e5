"""Every setting of a running Lonja, read once from the environment and passed on as a value.

A setting that is absent has a default that works on a fresh machine; with a wrong setting the process does not start,
and the message says which variable broke which rule.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from infra.broker import parsed

MOST_BEHIND_DAYS = 15
"""Days that dead letters are kept. A dead letter is newer than its event by as much as its consumer was behind."""
FOR_ALL_HOMES = ("LONJA_HOME", "LONJA_CACHE")
PREFIX = "LONJA_"
SETTINGS = frozenset(
    f"{PREFIX}{name}"
    for name in (
        *(
            "HOME",
            "CACHE",
            "HOST",
            "PORT",
            "POLICY",
            "POLICIES",
            "DATABASE_URL",
            "KAFKA_BOOTSTRAP",
            "SMTP_URL",
            "PUBLIC_URL",
        ),
        *(
            "TRUSTED_PROXIES",
            "RATE_LIMIT",
            "CONNECTIONS",
            "CONNECTIONS_PER_ADDRESS",
            "SILENCE_LIMIT",
            "OPERATIONS_PORT",
        ),
        *(
            "KEEP_PUBLISHED_DAYS",
            "KEEP_CLAIMS_DAYS",
            "KEEP_ANSWERS_DAYS",
            "KEEP_LETTERS_DAYS",
            "METRICS_TOKEN",
            "LOG_FORMAT",
        ),
    )
)
NOT_OF_THE_MARKET = frozenset(("LONJA_HEARTBEAT", "LONJA_DATA", "LONJA_TEST_HOME", "LONJA_SCREENS", "LONJA_CHROMIUM"))
"""Variables that processes and their supervisor exchange, and variables of the tests."""
PROJECT = Path(__file__).resolve().parents[1]


class BadSetting(Exception):
    """An environment variable holds a value that breaks its rule."""

    code = "bad-setting"

    def __init__(self, variable: str, value: str, rule: str) -> None:
        super().__init__(f"{variable}={value!r}: {rule}")
        self.variable = variable
        self.value = value
        self.rule = rule


def mistakes(environ: Mapping[str, str]) -> list[str]:
    """A sentence about each variable that is set and not read, with the setting that was probably meant."""
    unknown = sorted(name for name in environ if name.startswith(PREFIX) and name not in SETTINGS | NOT_OF_THE_MARKET)
    found = []
    for name in unknown:
        near = get_close_matches(name[len(PREFIX) :], [each[len(PREFIX) :] for each in SETTINGS], n=1)
        meant = f"is {PREFIX}{near[0]} meant?" if near else "README lists the settings"
        found.append(f"{name} is set, and there is no such setting: {meant}")
    return found


@dataclass(frozen=True, kw_only=True)
class Keep:
    """How long rows that are no longer needed are kept: see docs/operating.md. Of the published events of a service
    only the newest ``published_rows`` are kept for that time."""

    published_days: int = 7
    published_rows: int = 100_000
    claims_days: int = 60
    answers_days: int = 30
    letters_days: int = 180


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings; None for a server's address means the embedded one of this home."""

    home: Path
    cache: Path
    port: int
    database_url: str | None
    kafka_bootstrap: str | None
    smtp_url: str | None
    public_url: str
    policy: str
    policies: Path | None = None
    """A folder with presets of this market, which take precedence over the shipped ones."""
    host: str = "127.0.0.1"
    """Address that the web process listens on."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks whose X-Forwarded-For and X-Forwarded-Proto are believed."""
    connections: int = 4096
    """Open HTTP connections in all."""
    connections_per_address: int = 256
    rate_limit: int = 600
    """Requests a minute from one member or address."""
    silence_limit: int = 15
    """Seconds without a sign of life after which a process is killed and started again."""
    keep: Keep = Keep()
    operations_port: int | None = None
    """The port of the worker's health and figures; that of the streams is the next one. None: free ports are chosen for
    this home."""
    metrics_token: str | None = None
    """The token that a caller of ``/metrics`` must send. None: only callers on this machine are allowed."""
    log_format: str | None = None
    """json or text. None: text at a terminal, else JSON."""

    @property
    def local_url(self) -> str:
        """The market's address for programs on this machine."""
        return f"http://{in_url(self.local_host)}:{self.port}"

    @property
    def local_host(self) -> str:
        """Where the web process can be reached from this machine."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)

    @property
    def behind_tls(self) -> bool:
        return self.public_url.startswith("https:")

    @property
    def secrets_dir(self) -> Path:
        return self.home / "secrets"

    @property
    def logs_dir(self) -> Path:
        return self.home / "logs"

    @property
    def mail_dir(self) -> Path:
        return self.home / "mail"

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ) -> "Config":
        """Raise BadSetting. An empty variable counts as absent."""
        given = {name: value for name, value in environ.items() if name.startswith("LONJA_") and value}
        home = Path(given.get("LONJA_HOME", ".lonja")).expanduser().absolute()
        if home.exists() and not home.is_dir():
            raise BadSetting("LONJA_HOME", str(home), "must be a directory, or absent so that it can be made")
        port = _port(given.get("LONJA_PORT", "8000"))
        public_url = _url(given, "LONJA_PUBLIC_URL", ("http", "https"))
        config = cls(
            home=home,
            cache=Path(given["LONJA_CACHE"]).expanduser().absolute() if "LONJA_CACHE" in given else _shared_cache(home),
            port=port,
            database_url=_url(given, "LONJA_DATABASE_URL", ("postgresql",)),
            kafka_bootstrap=_bootstrap(given.get("LONJA_KAFKA_BOOTSTRAP")),
            smtp_url=_url(given, "LONJA_SMTP_URL", ("smtp", "smtps")),
            public_url="",
            policy=_policy(given.get("LONJA_POLICY", "moscow")),
            policies=_folder("LONJA_POLICIES", given.get("LONJA_POLICIES")),
            host=_address("LONJA_HOST", given.get("LONJA_HOST", "127.0.0.1")),
            trusted_proxies=_networks("LONJA_TRUSTED_PROXIES", given.get("LONJA_TRUSTED_PROXIES", "")),
            connections=_positive("LONJA_CONNECTIONS", given.get("LONJA_CONNECTIONS", "4096")),
            connections_per_address=_positive(
                "LONJA_CONNECTIONS_PER_ADDRESS", given.get("LONJA_CONNECTIONS_PER_ADDRESS", "256")
            ),
            rate_limit=_positive("LONJA_RATE_LIMIT", given.get("LONJA_RATE_LIMIT", "600")),
            silence_limit=_positive("LONJA_SILENCE_LIMIT", given.get("LONJA_SILENCE_LIMIT", "15")),
            keep=_keep(given),
            operations_port=_port(given["LONJA_OPERATIONS_PORT"], "LONJA_OPERATIONS_PORT")
            if "LONJA_OPERATIONS_PORT" in given
            else None,
            metrics_token=given.get("LONJA_METRICS_TOKEN"),
            log_format=_log_format(given.get("LONJA_LOG_FORMAT")),
        )
        return replace(config, public_url=(public_url or config.local_url).rstrip("/"))

    @classmethod
    def running(cls, environ: Mapping[str, str] = os.environ) -> "Config":
        """The settings of the market that runs in this home, or ran last; a variable in ``environ`` takes precedence.

        It is for commands about that market, so that another terminal need not repeat its settings. Raise BadSetting.
        """
        path = _settings(cls.load(environ).home)
        remembered = json.loads(path.read_text()) if path.exists() else {}
        return cls.load({**remembered, **{name: value for name, value in environ.items() if value}})

    def remember(self, environ: Mapping[str, str] = os.environ) -> None:
        """Store the settings of this market for :meth:`running`. The file may hold a password, so only the owner can
        read it."""
        given = {
            name: value
            for name, value in environ.items()
            if value and name in self.environment() and name not in FOR_ALL_HOMES
        }
        path = _settings(self.home)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".part")
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(given))
        fresh.replace(path)

    def environment(self) -> dict[str, str]:
        """The variables that make a child process load an equal Config."""
        settings = {
            "LONJA_HOME": str(self.home),
            "LONJA_CACHE": str(self.cache),
            "LONJA_PORT": str(self.port),
            "LONJA_DATABASE_URL": self.database_url,
            "LONJA_KAFKA_BOOTSTRAP": self.kafka_bootstrap,
            "LONJA_SMTP_URL": self.smtp_url,
            "LONJA_PUBLIC_URL": self.public_url,
            "LONJA_POLICY": self.policy,
            "LONJA_POLICIES": str(self.policies) if self.policies else None,
            "LONJA_HOST": self.host,
            "LONJA_TRUSTED_PROXIES": ",".join(self.trusted_proxies) or None,
            "LONJA_CONNECTIONS": str(self.connections),
            "LONJA_CONNECTIONS_PER_ADDRESS": str(self.connections_per_address),
            "LONJA_RATE_LIMIT": str(self.rate_limit),
            "LONJA_SILENCE_LIMIT": str(self.silence_limit),
            "LONJA_KEEP_PUBLISHED_DAYS": str(self.keep.published_days),
            "LONJA_KEEP_CLAIMS_DAYS": str(self.keep.claims_days),
            "LONJA_KEEP_ANSWERS_DAYS": str(self.keep.answers_days),
            "LONJA_KEEP_LETTERS_DAYS": str(self.keep.letters_days),
            "LONJA_OPERATIONS_PORT": str(self.operations_port) if self.operations_port else None,
            "LONJA_METRICS_TOKEN": self.metrics_token,
            "LONJA_LOG_FORMAT": self.log_format,
        }
        return {name: value for name, value in settings.items() if value is not None}


def _settings(home: Path) -> Path:
    return home / "run" / "settings.json"


def _shared_cache(home: Path) -> Path:
    """In a checkout all homes share one cache, so that a test home does not download the jars again."""
    in_checkout = (PROJECT / "pyproject.toml").exists()
    return PROJECT / ".lonja" / "cache" if in_checkout else home / "cache"


def in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _address(variable: str, text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise BadSetting(variable, text, "must be an IP address, such as 0.0.0.0 for all of this machine") from None


def _networks(variable: str, text: str) -> tuple[str, ...]:
    try:
        return tuple(str(ip_network(part.strip())) for part in text.split(",") if part.strip())
    except ValueError:
        raise BadSetting(variable, text, "must be IP addresses or networks, separated by commas") from None


def _port(text: str, variable: str = "LONJA_PORT") -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise BadSetting(variable, text, "must be a whole number from 1 to 65535")
    return int(text)


def _log_format(text: str | None) -> str | None:
    if text not in (None, "json", "text"):
        raise BadSetting("LONJA_LOG_FORMAT", text, "must be json or text")
    return text


def _positive(variable: str, text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise BadSetting(variable, text, "must be a whole number from 1")
    return int(text)


def _keep(given: Mapping[str, str]) -> Keep:
    from events.topics import DEAD_LETTERS_DAYS

    usual, least = Keep(), DEAD_LETTERS_DAYS + MOST_BEHIND_DAYS
    claims = given.get("LONJA_KEEP_CLAIMS_DAYS", str(usual.claims_days))
    if _positive("LONJA_KEEP_CLAIMS_DAYS", claims) < least:
        rule = f"must be at least {least}: a dead letter may be sent again for {DEAD_LETTERS_DAYS} days"
        raise BadSetting("LONJA_KEEP_CLAIMS_DAYS", claims, rule)
    letters = given.get("LONJA_KEEP_LETTERS_DAYS", str(max(usual.letters_days, int(claims))))
    if _positive("LONJA_KEEP_LETTERS_DAYS", letters) < int(claims):
        rule = f"must be at least LONJA_KEEP_CLAIMS_DAYS ({claims}): an event that comes again must find its letter"
        raise BadSetting("LONJA_KEEP_LETTERS_DAYS", letters, rule)
    return Keep(
        published_days=_positive(
            "LONJA_KEEP_PUBLISHED_DAYS", given.get("LONJA_KEEP_PUBLISHED_DAYS", str(usual.published_days))
        ),
        claims_days=int(claims),
        answers_days=_positive(
            "LONJA_KEEP_ANSWERS_DAYS", given.get("LONJA_KEEP_ANSWERS_DAYS", str(usual.answers_days))
        ),
        letters_days=int(letters),
    )


def _url(given: Mapping[str, str], variable: str, schemes: tuple[str, ...]) -> str | None:
    text = given.get(variable)
    if text is None:
        return None
    parts = urlsplit(text)
    if parts.scheme not in schemes or not parts.hostname:
        raise BadSetting(variable, text, f"must be an address like {schemes[0]}://host:port/…")
    return text


def _bootstrap(text: str | None) -> str | None:
    if text is not None:
        try:
            parsed(text)
        except ValueError as broken:
            raise BadSetting("LONJA_KAFKA_BOOTSTRAP", text, str(broken)) from None
    return text


def _folder(variable: str, text: str | None) -> Path | None:
    if text is None:
        return None
    folder = Path(text).expanduser().absolute()
    if not folder.is_dir():
        raise BadSetting(variable, text, "must be a directory")
    return folder


def _policy(name: str) -> str:
    from catalogue.policy import NAME

    if not NAME.fullmatch(name):
        rule = "must be the name of a policy, in lower-case letters, digits and hyphens, such as moscow or demo"
        raise BadSetting("LONJA_POLICY", name, rule)
    return name
