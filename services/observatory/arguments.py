"""Parameter types shared by pages and API."""

from typing import Annotated

from litestar.params import QueryParameter

PlaceCode = Annotated[
    str,
    QueryParameter(
        description="country, region or region/locality: BR, BR-SE, BR-SE/Aracaju",
        max_length=200,
    ),
]
PageNumber = Annotated[
    int, QueryParameter(name="page", ge=1, le=100_000, description="From 1; behind the last page the list is empty.")
]
ShortWords = Annotated[str, QueryParameter(max_length=200)]
Grade = Annotated[str, QueryParameter(description="A, B, C, or - for none yet", pattern="^[ABC-]?$")]
