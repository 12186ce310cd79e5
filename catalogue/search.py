"""Full-text search over SKU cards (Tantivy): stems, typos, facets, filters, paging.

An index is a copy that can be rebuilt from the cards at any time; a search returns SKU ids, and the caller loads the
rows. One process writes at a time (Tantivy holds a lock from the first ``put`` on); any number of processes may read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import msgspec
import tantivy
from tantivy import Filter, Occur, Order, Query, TextAnalyzerBuilder, Tokenizer

from catalogue.categories import normalise, prefixes
from catalogue.skus import Sku, words_of

_LAYOUT = "1"
"""Increased when fields change: the index then starts empty in a new folder and must be rebuilt."""

_STEMMED = {"en": "english", "es": "spanish", "fr": "french", "pt": "portuguese", "ro": "romanian", "ru": "russian"}
_FACETS = ("category", "region", "eco_label", "supplier_size", "attribute")
_FACET_SIZE = 100
_WRITER_BYTES = 64_000_000
_MOST_WORDS = 12
_LONGEST_WORD = 40
_MOST_HITS = 100
_DEEPEST_HIT = 10_000


class IndexedCard(msgspec.Struct, frozen=True, kw_only=True):
    """What is indexed: the published SKU and what its offers add. ``min_price`` is the lowest offer price in minor units of
    the market's currency, None without offers; ``regions`` are those its offers serve."""

    sku: Sku
    regions: tuple[str, ...] = ()
    min_price: int | None = None
    eco_labels: tuple[str, ...] = ()
    supplier_sizes: tuple[str, ...] = ()


class SkuSearch(msgspec.Struct, frozen=True, kw_only=True):
    """A search. An empty ``text`` lists all cards; ``category`` is any CPV prefix; a ``region`` is also served through its country;
    prices are in minor units, both limits inclusive; a price limit excludes SKUs without offers."""

    text: str = ""
    category: str | None = None
    region: str | None = None
    eco_label: str | None = None
    supplier_size: str | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    price_from: int | None = None
    price_to: int | None = None
    sort: Literal["relevance", "price"] = "relevance"
    offset: int = 0
    limit: int = 20
    facets: bool = True


class FoundSkus(msgspec.Struct, frozen=True):
    """SKU ids of one page, how many match in all, and per facet value → count (``attribute`` values read "name=value";
    ``category`` counts every prefix)."""

    sku_ids: tuple[str, ...]
    total: int
    facets: dict[str, dict[str, int]]


class Index:
    """One search index; ``put`` and ``delete`` show after ``commit``."""

    def __init__(self, index: tantivy.Index) -> None:
        self._index = index
        self._schema = index.schema
        self._stemmers = {language: _stemmer(name) for language, name in _STEMMED.items()}
        for language, analyzer in self._stemmers.items():
            index.register_tokenizer(f"stem_{language}", analyzer)
        self._writer: tantivy.IndexWriter | None = None

    @classmethod
    def open(cls, path: Path) -> Index:
        """Open the index in this folder, or create an empty one."""
        folder = path / f"layout-{_LAYOUT}"
        folder.mkdir(parents=True, exist_ok=True)
        return cls(tantivy.Index(_schema(), str(folder)))

    @classmethod
    def in_memory(cls) -> Index:
        return cls(tantivy.Index(_schema()))

    def __len__(self) -> int:
        return self._index.searcher().num_docs

    def put(self, card: IndexedCard) -> None:
        """Add the card, or replace the one of the same SKU. Raise ValueError for one that cannot be indexed; then nothing changes."""
        document = tantivy.Document.from_dict(_fields(card), self._schema)
        writer = self._writing()
        writer.delete_documents_by_term("sku_id", card.sku.sku_id)
        writer.add_document(document)

    def delete(self, sku_id: str) -> None:
        self._writing().delete_documents_by_term("sku_id", sku_id)

    def commit(self) -> None:
        """Make everything put and deleted so far durable and visible."""
        self._writing().commit()
        self._index.reload()

    def rebuild(self, cards: Iterable[IndexedCard]) -> None:
        """Replace the whole content in one commit; readers see the old one until it is done."""
        writer = self._writing()
        writer.delete_all_documents()
        for card in cards:
            writer.add_document(tantivy.Document.from_dict(_fields(card), self._schema))
        self.commit()

    def search(self, wanted: SkuSearch) -> FoundSkus:
        """Return the wanted page. Every word must match (exactly, by stem, as the beginning of the last word, or with a
        typo); if no card matches all words, cards that match any word are found. The text is read as words, never as
        query syntax, so no text is an error."""
        searcher = self._index.searcher()
        filters = self._filters(wanted)
        words = [self._word(word, last) for word, last in _words(wanted.text)]
        query = self._all(words, filters)
        page = self._page(searcher, query, wanted)
        if page.count == 0 and len(words) > 1:
            query = self._all([Query.boolean_query([(Occur.Should, word) for word in words])], filters)
            page = self._page(searcher, query, wanted)
        ids = tuple(str(searcher.doc(address)["sku_id"][0]) for _, address in page.hits)
        return FoundSkus(ids, page.count, _counts(searcher, query) if wanted.facets else {})

    def _writing(self) -> tantivy.IndexWriter:
        if self._writer is None:
            self._writer = self._index.writer(_WRITER_BYTES, 1)
        return self._writer

    @staticmethod
    def _page(searcher: tantivy.Searcher, query: Query, wanted: SkuSearch) -> Any:
        by_price = wanted.sort == "price"
        return searcher.search(
            query,
            limit=max(1, min(wanted.limit, _MOST_HITS)),
            offset=max(0, min(wanted.offset, _DEEPEST_HIT)),
            order_by_field="price" if by_price else None,
            order=Order.Asc if by_price else Order.Desc,
        )

    @staticmethod
    def _all(words: list[Query], filters: list[Query]) -> Query:
        scored = [(Occur.Must, word) for word in words] or [(Occur.Must, Query.all_query())]
        return Query.boolean_query(scored + [(Occur.Must, Query.const_score_query(query, 0.0)) for query in filters])

    def _filters(self, wanted: SkuSearch) -> list[Query]:
        exact = [("eco_label", wanted.eco_label), ("supplier_size", wanted.supplier_size)]
        exact += [("category", normalise(wanted.category) if wanted.category else None)]
        exact += [("attribute", _pair(name, value)) for name, value in wanted.attributes]
        filters = [self._term(field, _clean(value)) for field, value in exact if value]
        if wanted.region:
            region = _clean(wanted.region)
            filters.append(Query.term_set_query(self._schema, "region", [region, region.split("-")[0]]))
        if wanted.price_from is not None or wanted.price_to is not None:
            bounds = (wanted.price_from, wanted.price_to)
            filters.append(Query.range_query(self._schema, "price", tantivy.FieldType.Integer, *bounds))
        return filters

    def _word(self, word: str, last: bool) -> Query:
        """The query for one word: its stem in a name, the word anywhere, its beginning, or a typo. The best match
        counts."""
        ways = [
            Query.boost_query(self._term(f"name_{language}", stem), 3.0)
            for language, stemmer in self._stemmers.items()
            for stem in stemmer.analyze(word)
        ]
        parts = words_of(word)
        if len(parts) == 1:
            plain = parts[0]
            ways.append(Query.boost_query(self._term("words", plain), 2.0))
            typos = 0 if len(plain) < 4 or plain[0].isdigit() else 1 if len(plain) < 8 else 2
            if typos:
                ways.append(Query.boost_query(Query.fuzzy_term_query(self._schema, "words", plain, typos), 0.2))
            if last and len(plain) > 1:
                beginning = Query.fuzzy_term_query(self._schema, "words", plain, 0, prefix=True)
                ways.append(Query.boost_query(beginning, 0.5))
        elif parts:
            ways.append(Query.boolean_query([(Occur.Must, self._term("words", part)) for part in parts]))
        return Query.disjunction_max_query(ways, 0.1)

    def _term(self, field: str, value: str) -> Query:
        return Query.term_query(self._schema, field, value)


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("sku_id", stored=True, tokenizer_name="raw", index_option="basic")
    for language in _STEMMED:
        builder.add_text_field(f"name_{language}", tokenizer_name=f"stem_{language}", index_option="freq")
    builder.add_text_field("words", tokenizer_name="whitespace", index_option="freq")
    for facet in _FACETS:
        builder.add_text_field(facet, tokenizer_name="raw", index_option="basic", fast=True)
    builder.add_integer_field("price", indexed=True, fast=True)
    return builder.build()


def _stemmer(language: str) -> tantivy.TextAnalyzer:
    folded = (
        TextAnalyzerBuilder(Tokenizer.simple()).filter(Filter.remove_long(_LONGEST_WORD)).filter(Filter.lowercase())
    )
    return folded.filter(Filter.stemmer(language)).filter(Filter.ascii_fold()).build()


def _fields(card: IndexedCard) -> dict[str, Any]:
    sku = card.sku
    language = sku.language if sku.language in _STEMMED else "en"
    values = " ".join(f"{attribute.value} {attribute.unit}" for attribute in sku.attributes)
    fields: dict[str, Any] = {
        "sku_id": sku.sku_id,
        f"name_{language}": _clean(sku.name),
        "words": " ".join(words_of(_clean(f"{sku.name} {values} {sku.gtin}"))),
        "category": list(prefixes(sku.category)),
        "attribute": sorted({_clean(_pair(attribute.name, attribute.value)) for attribute in sku.attributes}),
        "region": sorted(set(card.regions)),
        "eco_label": sorted({_clean(label) for label in card.eco_labels}),
        "supplier_size": sorted(set(card.supplier_sizes)),
    }
    if card.min_price is not None:
        fields["price"] = card.min_price
    return fields


def _pair(name: str, value: str) -> str:
    return f"{name}={value}"


def _clean(text: str) -> str:
    """Return the text without lone surrogates, which a form can send and UTF-8 cannot carry."""
    return text.encode("utf-8", "ignore").decode("utf-8")


def _words(text: str) -> list[tuple[str, bool]]:
    """Up to a dozen words, each with whether it is the last one (still being typed)."""
    words = [word[:_LONGEST_WORD].lower() for word in re.findall(r"\w+(?:[.,]\d+)?", _clean(text))][:_MOST_WORDS]
    words = [word for word in words if words_of(word)]
    return [(word, place == len(words) - 1) for place, word in enumerate(words)]


def _counts(searcher: tantivy.Searcher, query: Query) -> dict[str, dict[str, int]]:
    asked = {facet: {"terms": {"field": facet, "size": _FACET_SIZE}} for facet in _FACETS}
    answer = searcher.aggregate(query, asked)
    return {
        facet: {str(bucket["key"]): int(bucket["doc_count"]) for bucket in answer[facet]["buckets"]}
        for facet in _FACETS
    }
