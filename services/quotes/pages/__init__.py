"""Pages of quick quotes."""

from services.quotes.pages.compose import ComposePages
from services.quotes.pages.request import RequestPages

__all__ = ["ComposePages", "RequestPages"]
