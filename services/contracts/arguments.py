"""What routes of contracts take, those of pages and of the API."""

from typing import Annotated, Literal

from litestar.params import QueryParameter

from services.contracts.store.listing import CURSOR

After = Annotated[str, QueryParameter(max_length=420, pattern=CURSOR)]
"""Where the page before this one ended."""
State = Annotated[Literal["", "running", "concluded", "ended"], QueryParameter(name="state")]
"""The name ``state`` itself is the framework's."""
