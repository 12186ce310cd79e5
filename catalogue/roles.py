"""Roles: what a member may do for its organisation. Tokens contain these words."""

SUPPLIER_AGENT = "supplier_agent"
BUYER_OFFICER = "buyer_officer"
BUYER_APPROVER = "buyer_approver"
MODERATOR = "moderator"
OBSERVER = "observer"
ADMINISTRATOR = "administrator"
SEES_ALL = (OBSERVER, MODERATOR, ADMINISTRATOR)
"""Roles that supervise the market: they may read what is otherwise only for the two sides."""
ROLES = (SUPPLIER_AGENT, BUYER_OFFICER, BUYER_APPROVER, MODERATOR, OBSERVER, ADMINISTRATOR)
