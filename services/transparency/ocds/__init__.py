"""Reading and writing OCDS, and reading CSV tables of other markets: pure, and usable in a notebook.

Reading is tolerant: ``documents`` (a file → JSON, ``streaming`` where it is large), ``packages`` (→ releases),
``merging`` (the releases of one ocid → one), ``releases`` (→ ``process``, by ``node``, ``organisations``, ``lines`` and
``vocabulary``), ``fitting`` (cuts texts to the limits of our events), ``mapping`` (→ the events that processes of this
market have), ``candidates`` (what is to be stored and published for a record); ``sheet`` (a CSV file → its rows),
``tables`` and ``rows`` read CSV files by the mappings in ``mappings/``; ``tolerance`` counts what was not understood.

Writing: ``happened`` chooses the module that makes the release of an event: ``outgoing`` (``outgoing_quotes``) from
``parts``, or ``implementation`` for the carrying out of a contract; ``history`` is what was published before.
``publication`` packs releases and records.
"""
