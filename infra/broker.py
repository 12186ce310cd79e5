"""How to reach Kafka: one text has the address and the login, and one function makes the arguments of clients from it.

``host:port,host:port`` is for a broker without login; else the security protocol comes first:
``sasl+plaintext://user:password@host:port``,
``sasl+ssl://user:password@host:port,host:port?mechanism=SCRAM-SHA-512&ca=FILE``, ``ssl://host:port``. The mechanism is
PLAIN by default; ``ca`` is a file of certificates, for a broker whose certificate the system does not know.
"""

from ssl import create_default_context
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
PROTOCOLS = ("sasl+plaintext", "sasl+ssl", "ssl")


class Broker(NamedTuple):
    """A broker's address and login. ``protocol`` "" means no TLS and no login; ``user`` "" means no login."""

    hosts: str
    protocol: str = ""
    user: str = ""
    password: str = ""
    mechanism: str = "PLAIN"
    ca: str | None = None


def parsed(bootstrap: str) -> Broker:
    """Parse the text. Raise ValueError with the rule that is broken."""
    if "://" not in bootstrap:
        return Broker(_checked(bootstrap))
    parts = urlsplit(bootstrap)
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    more = dict(parse_qsl(parts.query))
    mechanism, ca = more.pop("mechanism", "PLAIN"), more.pop("ca", None)
    if parts.scheme not in PROTOCOLS:
        raise ValueError(f"must begin with one of {', '.join(PROTOCOLS)}")
    if parts.scheme.startswith("sasl") != bool(user and password):
        raise ValueError("must have user and password for SASL, and none without it")
    if mechanism not in MECHANISMS or more or parts.path.strip("/"):
        raise ValueError(f"may have only mechanism ({', '.join(MECHANISMS)}) and ca")
    return Broker(_checked(hosts), parts.scheme, unquote(user), unquote(password), mechanism, ca)


def access(bootstrap: str) -> dict[str, Any]:
    """The arguments with which every client of aiokafka is made."""
    broker = parsed(bootstrap)
    settings: dict[str, Any] = {"bootstrap_servers": broker.hosts}
    if broker.protocol:
        settings["security_protocol"] = broker.protocol.upper().replace("+", "_")
    if broker.user:
        settings |= {
            "sasl_mechanism": broker.mechanism,
            "sasl_plain_username": broker.user,
            "sasl_plain_password": broker.password,
        }
    if broker.protocol.endswith("ssl"):
        settings["ssl_context"] = create_default_context(cafile=broker.ca)
    return settings


def where(bootstrap: str) -> str:
    """Return only the hosts, for people and logs."""
    return parsed(bootstrap).hosts


def _checked(hosts: str) -> str:
    for address in hosts.split(","):
        host, _, port = address.strip().rpartition(":")
        if not host or not port.isdecimal():
            raise ValueError("must be host:port, several separated by commas")
    return hosts
