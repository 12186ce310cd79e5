"""Pages of quick quotes."""

from services.quotes.pages.compose import QuoteComposePages
from services.quotes.pages.request import RequestPages

__all__ = ["QuoteComposePages", "RequestPages"]
