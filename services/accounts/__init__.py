"""Organisations, their members, and who is who: registration, login, API tokens, the public card of an organisation.

It alone knows passwords (argon2id) and signs tokens; every other service checks tokens by the public key. A session token holds 12
hours. A program keeps an API secret, which is stored as a hash and can be revoked, and exchanges it at ``POST /api/token``
for a token of one hour: so a revocation is in force within the hour although nobody asks accounts when a token is checked.

In:  lonja.accounts (organisations that imports bring), lonja.contracts (concluded contracts, for the public card; sanctions)
Out: lonja.accounts: OrganisationRegistered, OrganisationStateChanged, MemberJoined
Tables: organisations, suspensions, members, invitations, joinings (used invitations), api_keys, tries (failed logins of
the last minutes), contracts (replica)

``categories`` that a supplier declares · ``places`` that somebody types · ``passwords`` as argon2id · ``login`` and tokens · ``turns``
of tries to log in · ``keys`` API secrets · ``invitations`` of members.
"""
