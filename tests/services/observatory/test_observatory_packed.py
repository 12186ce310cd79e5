"""Bodies of judged observations, packed and unpacked."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.observatory.domain import body
from services.observatory.store.packed import packed, unpacked
from tests.services.observatory.test_observatory_reference import seen

KEPT = bytes.fromhex("78f9a89bd685231897967a1616d8e212165ac18e3e4ea1218ebefe3e4ab500ca1b17f3")


@given(st.text())
def test_every_text_is_the_same_after_packing(text: str) -> None:
    assert unpacked(packed(text)) == text


def test_a_body_takes_half_the_room_at_most() -> None:
    plain = body(seen("10")).decode()
    assert 2 * len(packed(plain)) < len(plain)


def test_a_damaged_body_is_refused() -> None:
    whole = packed(body(seen("10")).decode())
    with pytest.raises(zlib.error):
        unpacked(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(zlib.error):
        unpacked(whole[:-9])


def test_what_was_packed_once_is_read_for_ever() -> None:
    """The dictionary for packing must never change: this body was packed when it was first used."""
    assert unpacked(KEPT) == '{"kind":"contract","unit_price":"9.88","currency":"BRL","title":"SALBUTAMOL"}'
