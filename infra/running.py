"""What is said when a server that is needed does not run, or its tables are not those that are needed."""


class NotRunning(Exception):
    """A server that the command or process needs does not answer."""

    code = "not-running"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} does not answer: start Lonja with `make run` or `lonja up`")


class TablesBehind(Exception):
    """The tables are those of a former release, and this one has columns that they lack."""

    code = "tables-behind"


def in_words(error: Exception) -> str:
    """What failed, for people: without the system's number of the error, and with the file that it is about."""
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there"
    if not isinstance(error, OSError) or not error.strerror:
        return str(error) or type(error).__name__
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
