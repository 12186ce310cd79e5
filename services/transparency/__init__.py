"""OCDS in and out: reads what other markets published, and publishes what happened in this one.

Reading is pure and tolerant, in this order:
  documents   a file → documents, one line or one JSON value at a time
  packages    a document → releases: packages, records, versioned releases and wrappers unpacked
  merging     the releases of one ocid → one
  releases    a merged release → :class:`~services.transparency.process.Process`
  mapping     a Process → the same events that native processes bring
``tolerance`` holds the ledger of what was not understood, ``tables`` reads CSV files by the mappings in ``mappings/``.
"""
