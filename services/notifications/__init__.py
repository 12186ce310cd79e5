"""Notifications by e-mail (SMTP): a digest of recommended opportunities for each member and period, an immediate letter
about each duty of the member's organisation, and unsubscribing.

Topics in: ``lonja.accounts`` (members, organisations), ``lonja.recommender`` (what is recommended to each supplier),
``lonja.contracts`` (which side has to sign or to answer). Out: ``lonja.notifications``. Tables: letters (claimed →
sending → sent, or refused, failed, dropped), lately (how many recent letters of a kind a reader got), mailed (the
opportunities that each member got), members with their preferences (when, which topics, a stopped address); replicas
organisations, recommendations, contracts.

**Each letter once, as far as possible.** A letter is claimed with its whole content in one transaction: at most one
digest per member and period, and one letter per member and duty. Waiting letters of one kind to the same reader are
combined into one list, which is a letter of its own and whose content is fixed when a sender first takes it. A letter
is made only from what was claimed, so that every attempt has the same bytes and the same Message-ID; duties that were
done meanwhile are left out of a combined letter. :mod:`services.notifications.store.queue` describes the order. After a crash
before the server accepted a letter, it is sent by the next attempt. A crash between the server's acceptance and our
commit looks the same: the letter is sent again, identical, and mail programs that know its Message-ID show it once.
SMTP offers no more.

``duties`` the duties of which letters remind · ``letters`` their text · ``writing`` their bytes · ``post`` sends them ·
``links`` to unsubscribe.
"""
