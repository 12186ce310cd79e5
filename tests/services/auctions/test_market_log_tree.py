"""The market's tree made from stored subtrees equals that of pymerkle byte by byte, and needs few hashes."""

from hypothesis import given, settings
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from services.auctions.domain import chain, merkle


def kept(texts: list[str], at_once: int) -> dict[merkle.Place, bytes]:
    """Return the subtrees of all whole blocks, made ``at_once`` blocks at a time."""
    known: dict[merkle.Place, bytes] = {}
    blocks = 0
    while blocks < len(texts) // merkle.BLOCK:
        some = min(at_once, len(texts) // merkle.BLOCK - blocks)
        part = texts[blocks * merkle.BLOCK : (blocks + some) * merkle.BLOCK]
        known |= merkle.grown(blocks, part, {place: known[place] for place in merkle.peaks_of_blocks(blocks)})
        blocks += some
    return known


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.integers(1, 20), st.integers(1, 6 * merkle.BLOCK + 3)), st.integers(1, 3), st.data())
def test_roots_and_paths_are_those_of_pymerkle(size: int, at_once: int, data: st.DataObject) -> None:
    texts = [f"leaf {number}" for number in range(size)]
    tree = InmemoryTree(algorithm="sha256")
    for text in texts:
        tree.append_entry(text.encode())
    subtrees = kept(texts, at_once)
    signed = data.draw(st.integers(1, size))
    leaf = data.draw(st.integers(0, signed - 1))
    needed = merkle.needed(signed, leaf)
    known = {place: subtrees[place] for place in needed if place[0] >= merkle.LEVEL}
    blocks = {number >> (merkle.LEVEL - level) for level, number in needed - known.keys()}
    assert len(blocks) <= 2 and len(known) <= 2 * size.bit_length()
    for block in blocks:
        known |= merkle.subtrees(block, texts[block * merkle.BLOCK : min(signed, (block + 1) * merkle.BLOCK)])
    root, path = merkle.root(signed, known), merkle.path(signed, leaf, known)
    assert root == tree.get_root(signed)
    proof = tree.prove_inclusion(leaf + 1, signed)
    steps = zip(proof.rule, proof.path[1:], strict=False)
    assert path == [("left" if bit else "right", other.hex()) for bit, other in steps]
    assert chain.root_of_path(texts[leaf].encode(), path) == root
