"""Reading and writing OCDS, and the tables of others: pure, and usable in a notebook.

Reading is tolerant: ``documents`` (a file → JSON, ``streaming`` where it is large), ``packages`` (→ releases), ``merging`` (those of one
ocid → one), ``releases`` (→ ``process``, by ``node``, ``organisations``, ``lines`` and ``vocabulary``), ``fitting`` (to what our events
hold), ``mapping`` (→ the events that native processes bring), ``candidates`` (what is to be kept and told of a record); ``sheet``
(a CSV file → its rows), ``tables`` and ``rows`` read CSV files by the mappings in ``mappings/``; ``tolerance`` counts what was not
understood.

Writing: ``happened`` chooses who makes the release of an event: ``outgoing`` (``outgoing_quotes``) out of ``parts``, or ``implementation``
where a contract is carried out; ``history`` is what was published before. ``publication`` packs releases and records.
"""
