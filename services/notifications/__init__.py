"""Notifications: one digest of recommended opportunities a member and period, a letter at once about what waits for one's organisation
with a deadline, through real SMTP, and how to be rid of them.

Topics in: ``lonja.accounts`` (members, organisations), ``lonja.recommender`` (what is recommended to each supplier),
``lonja.contracts`` (whose turn it is to sign or to answer). Out: ``lonja.notifications``.
Tables: letters (claimed → sending → sent, or refused, failed, dropped), lately (how many letters of a kind a reader had), mailed (each
opportunity once ever a member), members with their preferences (when, which topics, a stopped address); replicas organisations,
recommendations, contracts.

**Once, and how far.** A letter is claimed with all that is in it in one transaction: at most one digest a member and period, one
letter a member and duty. What waits for the same reader, all of one kind, goes within one list, a letter by itself that is fixed when a
sender first takes it. A letter is made from what was claimed alone, so that every attempt has the same bytes and the same Message-ID;
in a list, what was done meanwhile is left out. Which goes first: :mod:`services.notifications.store.queue`.
A crash before the server took it leaves it to the next attempt. A crash between the server's acceptance and our commit cannot be
told from that: the letter goes out again, identical, and receivers that know its Message-ID show it once. SMTP offers no more.

``duties`` which letters are owed · ``letters`` their text · ``writing`` their bytes · ``post`` sends them · ``links`` to unsubscribe.
"""
