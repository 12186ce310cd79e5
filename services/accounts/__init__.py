"""Organisations and their members: registration, login, API tokens, the public card of an organisation.

Only this service stores passwords (argon2id) and signs tokens; every other service checks tokens with the public key. A
session token is valid for 12 hours. A program has an API secret, which is stored as a hash and can be revoked, and
exchanges it at ``POST /api/token`` for a token of one hour: so a revocation takes effect within an hour, although
tokens are checked without asking accounts.

In:  lonja.accounts (organisations that imports bring), lonja.contracts (concluded contracts, for the public card; sanctions)
Out: lonja.accounts: OrganisationRegistered, OrganisationStateChanged, MemberJoined
Tables: organisations, suspensions, members, invitations, joinings (used invitations), api_keys, tries (failed logins of
the last minutes), contracts (replica)

``categories`` that a supplier declares · ``places`` that somebody types · ``passwords`` as argon2id · ``login`` and tokens · ``turns``
of tries to log in · ``keys`` API secrets · ``invitations`` of members.
"""
