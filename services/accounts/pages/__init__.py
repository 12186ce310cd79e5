"""Pages of accounts: login and registration, one's own account, and the public card of an organisation."""

from services.accounts.pages.account import AccountPages
from services.accounts.pages.entry import EntryPages
from services.accounts.pages.organisations import OrganisationPages

__all__ = ["AccountPages", "EntryPages", "OrganisationPages"]
