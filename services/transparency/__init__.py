"""OCDS in and out: reads what other markets published, and publishes what happened in this one.

Reading is pure and tolerant: ``documents`` (a file → JSON, ``streaming`` where it is large), ``packages`` (→ releases), ``merging``
(those of one ocid → one), ``releases`` (→ ``process``, by ``node``, ``organisations``, ``lines`` and ``vocabulary``), ``fitting`` (to
what our events hold), ``mapping`` (→ the events that native processes bring), ``candidates`` (what is to be kept and told of a record);
``tables`` and ``rows`` read CSV files by the mappings in ``mappings/``. ``reading`` does it all for OCDS, a long file in several processes.
``intake`` imports what was read, ``telling`` tells the market of it in the packs of ``packing``, ``tolerance`` counts what was not
understood, and ``refusals`` writes each of it to a file.
Writing: ``outgoing`` (``outgoing_quotes``) makes a release of an event out of ``parts``, ``implementation`` of one in a contract that
is carried out, ``publication`` packs releases and records.

In:  lonja.accounts (particulars of parties), lonja.auctions, lonja.contracts
Out: lonja.transparency (ReleasePublished), lonja.imports
Tables: originals, sources, imported_organisations, told (imports); parties, disclosed_bids, sessions (replicas); releases (the feed)
"""
