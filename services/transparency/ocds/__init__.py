"""Reading and writing OCDS, and the tables of others: pure, and usable in a notebook.

Reading is tolerant: ``documents`` (a file → JSON, ``streaming`` where it is large), ``packages`` (→ releases), ``merging`` (those of one
ocid → one), ``releases`` (→ ``process``, by ``node``, ``organisations``, ``lines`` and ``vocabulary``), ``fitting`` (to what our events
hold), ``mapping`` (→ the events that native processes bring), ``candidates`` (what is to be kept and told of a record); ``tables`` and
``rows`` read CSV files by the mappings in ``mappings/``; ``tolerance`` counts what was not understood.

Writing: ``outgoing`` (``outgoing_quotes``) makes a release of an event out of ``parts``, ``implementation`` of one in a contract that is
carried out, ``publication`` packs releases and records.
"""
