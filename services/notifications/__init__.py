"""Notifications: one digest of recommended opportunities a member and period, through real SMTP, and how to be rid of it.

Topics in: ``lonja.accounts`` (members, organisations), ``lonja.recommender`` (what is recommended to each supplier).
Out: ``lonja.notifications``.
Tables: preferences (when, which topics, a stopped address), digests (claimed → sending → sent, or refused, failed, dropped),
mailed (each opportunity once ever a member); replicas members, organisations, recommendations.

**Once, and how far.** A digest is claimed with its items in one transaction, at most one a member and period. Its letter is made
from what was claimed alone, so that every attempt has the same bytes and the same Message-ID. A crash before the server took it
leaves it to the next attempt. A crash between the server's acceptance and our commit cannot be told from that: the letter goes out
again, identical, and receivers that know its Message-ID show it once. SMTP offers no more than this.
"""
