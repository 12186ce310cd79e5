"""Catalogue: the SKU cards of the market, the suppliers' offers on them, and the search over both.

A SKU is proposed, moderated within five working days and published; a published one changes only by a new version. An offer is
immutable: an edit archives it and publishes a copy; it expires by itself and is archived when its supplier is suspended.

Topics out: ``lonja.catalogue``. In: ``lonja.accounts`` (who may offer), ``lonja.observatory`` (reference prices beside
the offers). Tables: ``skus`` (one row a version), ``offers``, ``basket_lines`` (what a buyer's member collects); copies
``organisations``, ``reference_prices``; ``endings`` (SKUs and suppliers whose offers are being archived); ``changes``
(changes for the search index of each web process).

``finder`` the search of a web process · ``pricing`` the best offers · ``baskets`` the content of a basket.
"""
