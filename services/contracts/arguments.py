"""Arguments of the routes of contracts, for pages and for the API."""

from typing import Annotated, Literal

from litestar.params import QueryParameter

from services.contracts.store.listing import CURSOR

After = Annotated[str, QueryParameter(max_length=420, pattern=CURSOR)]
"""Where the page before this one ended."""
State = Annotated[Literal["", "running", "concluded", "ended"], QueryParameter(name="state")]
"""The parameter has another name in Python because ``state`` belongs to the framework."""
