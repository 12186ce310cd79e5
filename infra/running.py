"""What is said when a server that is needed does not run."""


class NotRunning(Exception):
    """A server that the command or process needs does not answer."""

    code = "not-running"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} does not answer: start Lonja with `make run` or `lonja up`")
