"""An answer with a damaged byte, or one that is not the service's own, is told by one kind of error."""

from __future__ import annotations

from contextlib import suppress

import msgspec
import pytest

from dataflux_core._wire.message import Answer
from dataflux_core._wire.objects import read_stored

TOLD = b'{"generation":"1795288152356015","size":"20000","crc32c":"58gjOg=="}'


@pytest.mark.parametrize("at", range(len(TOLD)))
def test_metadata_with_a_damaged_byte_is_whole_or_refused(at: int) -> None:
    damaged = bytearray(TOLD)
    damaged[at] ^= 0xFF
    with suppress(msgspec.DecodeError):
        # Defaults for what is missing would unpin a read (generation 0), or say that the object changed (size 0).
        stored = read_stored(Answer(200, (), bytes(damaged)))
        assert (stored.generation, stored.size) == (1795288152356015, 20000)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b"null"])
def test_an_answer_of_a_proxys_own_is_refused(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        read_stored(Answer(200, (), body))
