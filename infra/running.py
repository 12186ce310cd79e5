"""Errors: a required server does not run, or its tables or rows are not as required."""


class NotRunning(Exception):
    """A server that the command or process needs does not answer."""

    code = "not-running"

    def __init__(self, what: str, why: str = "") -> None:
        """``why``: the message of the server, if it gave one."""
        self.what = f"{what} does not answer" + (f" as it should ({why})" if why else "")
        self.remedy = "start Lonja with `make run` or `lonja up`"
        if why:
            self.remedy = f"correct what it reports, or {self.remedy} if it does not run; then run the command again"
        super().__init__(f"{self.what}: {self.remedy}")


class Frozen(NotRunning):
    """A server accepts connections and then does not answer."""

    def __init__(self, what: str) -> None:
        self.what = f"{what} takes connections and gives no answer: it is frozen or overloaded"
        self.remedy = (
            "wait: `lonja up` starts a server of its own again that stays silent; for another one look what its processes do"
            " (in `ps` the state T says that a signal stopped them)"
        )
        Exception.__init__(self, f"{self.what}; {self.remedy}")


class TablesMissing(Exception):
    """The database has none of the tables that the command needs."""

    code = "tables-missing"


class TablesBehind(Exception):
    """The tables are those of a former release and lack columns of this one."""

    code = "tables-behind"


class Outdated(Exception):
    """The state on which a decision was based has changed; nothing was written. The caller must decide again."""


def in_words(error: BaseException | None) -> str:
    """What failed, for people: without the system's error number, and with the file concerned."""
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there"
    if not isinstance(error, OSError) or not error.strerror:
        return str(error) or type(error).__name__
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
