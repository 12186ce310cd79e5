"""Makes any number of rows of prices from a real file: with the same frequency of items, and other prices, quantities
and days."""

import csv
import random
from decimal import Decimal
from pathlib import Path


def write_many_prices(source: Path, rows: int, to: Path) -> None:
    """Write rows like those of one year of the Brazilian price register. The result is always the same."""
    chance = random.Random(7)
    with source.open(newline="", encoding="utf-8") as read, to.open("w", newline="", encoding="utf-8") as written:
        there = csv.DictReader(read)
        known = list(there)
        out = csv.DictWriter(written, there.fieldnames or ())
        out.writeheader()
        for row in chance.choices(known, k=rows):
            out.writerow(row | _another(row, chance))


def _another(row: dict[str, str], chance: random.Random) -> dict[str, str]:
    price = (Decimal(row["preco_unitario"]) * chance.randint(70, 140) / 100).quantize(Decimal("0.0001"))
    quantity = chance.randint(1, 90_000)
    day = f"2025/{chance.randint(1, 12):02}/{chance.randint(1, 28):02} 00:00:00.000"
    return {
        "preco_unitario": str(price),
        "qtd_itens_comprados": str(quantity),
        "preco_total": str((price * quantity).quantize(Decimal("0.01"))),
        "compra": day,
        "insercao": day,
    }
