"""To whom letters are handed over."""

import pytest

from services.notifications.post import AddressRefused, reads_as_itself, send


@pytest.mark.parametrize("address", ["ana@x.example", "o'neil+tag@x.example", "ана@почта.рф"])
def test_an_address_is_read_as_it_stands(address: str) -> None:
    assert reads_as_itself(address)


@pytest.mark.parametrize(
    "address",
    ["(x)ana@x.example", "ana:x@x.example", "ana@x(y).example", ".:@é.:\\", "(b!@).*)\\b.[]a", "(é):(@.!)\\\\.:]"],
)
async def test_nothing_goes_to_an_address_that_mail_programs_read_as_another(address: str) -> None:
    assert not reads_as_itself(address)
    with pytest.raises(AddressRefused):
        await send("smtp://127.0.0.1:9", "lonja@localhost", address, b"")
