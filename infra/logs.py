"""Logs of all processes, in one form: one JSON object per line, or text for people.

No line contains a password or a token, or says who bids: an exception may quote a row, so ids in its message are
hidden.
"""

import logging
import re
import sys
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO

import msgspec

from infra.causality import cause_in_force

JSON, TEXT = "json", "text"
SECRETS = (
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), "(token)"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{16,}"), r"\1 (token)"),
    (re.compile(r"(\w://[^\s/:@]*):[^\s/@]+@"), r"\1:(password)@"),
    (
        re.compile(
            r"(?i)((?:password|passwd|secret|token|api[_-]?key)['\"]?\s*[:=]\s*)(?:'[^']*'|\"[^\"]*\"|[^\s,;&})]+)"
        ),
        r"\1(hidden)",
    ),
)
ROW_QUOTED = re.compile(r"(?m)^(DETAIL|CONTEXT): .*$|\[parameters: .*\]")
OFTEN = ("aiokafka", "faust", "mode")
"""Libraries that log the same message many times a second while no broker answers."""
REPEATED_AFTER = 60.0
"""Seconds in which an equal message is not logged again."""
REMEMBERED = 200
IDENTITY = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")


def configure(log_format: str | None, stream: TextIO | None = None) -> None:
    """Send the logs of this process, the libraries' too, to ``stream`` (stderr). Without a format: text at a terminal, else JSON."""
    stream = stream or sys.stderr
    chosen = log_format or (TEXT if stream.isatty() else JSON)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(AsJson() if chosen == JSON else AsText())
    handler.addFilter(Repeats())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("aiokafka").setLevel(logging.WARNING)
    # logged at each connection without TLS, which the operator chose
    logging.getLogger("aiokafka.conn").addFilter(
        lambda record: record.msg != "Sending username and password in the clear"
    )
    logging.captureWarnings(True)
    sys.excepthook = _say_what_ended_the_process


def without_secrets(text: str) -> str:
    for pattern, instead in SECRETS:
        text = pattern.sub(instead, text)
    return text


def without_identities(text: str) -> str:
    """The message of an exception without ids: it may quote the row of a bid, or name a bidder by its id."""
    return IDENTITY.sub("(id)", ROW_QUOTED.sub("(row hidden)", text))


class Repeats(logging.Filter):
    """A filter: a message that one of these libraries repeats within a minute is left out and counted; the next line of
    it shows the count."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, int, str], tuple[float, int]] = {}
        """When a line was written, and how many equal ones were left out since."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] not in OFTEN:
            return True
        line = (record.name, record.levelno, str(record.msg))
        written, left_out = self._said.pop(line, (0.0, 0))
        if 0 <= record.created - written < REPEATED_AFTER:
            self._said[line] = written, left_out + 1
            return False
        self._said[line] = record.created, 0
        if len(self._said) > REMEMBERED:
            del self._said[next(iter(self._said))]
        if left_out:
            record.msg = f"{record.msg} (said {left_out} more times since)"
        return True


class LogLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``correlation`` names the request or timer that all of its lines and events share."""

    time: datetime
    level: str
    logger: str
    message: str
    correlation: str = ""
    exception: str = ""


class AsJson(logging.Formatter):
    """One JSON object a record, on one line."""

    def format(self, record: logging.LogRecord) -> str:
        return msgspec.json.encode(_line(self, record)).decode()


class AsText(logging.Formatter):
    """``time level logger message``, then the correlation id if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line = _line(self, record)
        said = f"{line.time:%Y-%m-%d %H:%M:%S} {line.level} {line.logger} {line.message}"
        if line.correlation:
            said += f" [{line.correlation}]"
        return f"{said}\n{line.exception}" if line.exception else said


def _line(formatter: logging.Formatter, record: logging.LogRecord) -> LogLine:
    cause = cause_in_force()
    exception = formatter.formatException(record.exc_info) if record.exc_info else ""
    return LogLine(
        time=datetime.fromtimestamp(record.created, UTC),
        level=record.levelname.lower(),
        logger=record.name,
        message=without_secrets(_message(record)),
        correlation=cause.correlationid if cause else "",
        exception=without_secrets(without_identities(exception)),
    )


def _message(record: logging.LogRecord) -> str:
    if isinstance(record.args, tuple) and any(isinstance(each, BaseException) for each in record.args):
        record.args = tuple(_Said(each) if isinstance(each, BaseException) else each for each in record.args)
    return record.getMessage()


class _Said:
    """An exception as an argument of a message."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __str__(self) -> str:
        return without_identities(str(self._error))

    def __repr__(self) -> str:
        return without_identities(repr(self._error))


def _say_what_ended_the_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("lonja").critical("the process ends: %s", kind.__name__, exc_info=(kind, error, trace))
