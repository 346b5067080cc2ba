"""Decode arrays as numpy saves them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflux_core._data.samples.limits import MAX_DECODED_BYTES, at_least
from dataflux_core.errors import ExtraMissing

if TYPE_CHECKING:
    from types import ModuleType

    from dataflux_core._data.samples.encoded import Encoded


@dataclass(frozen=True, slots=True)
class Npy:
    """Give the array of a .npy file, or a dict of arrays of a .npz file; nothing is ever unpickled.

    An archive that unfolds to more than `max_bytes` is an error.
    """

    max_bytes: int = MAX_DECODED_BYTES

    def __post_init__(self) -> None:
        at_least("max_bytes", self.max_bytes, 1)
        _reader()

    def __call__(self, encoded: Encoded) -> Any:  # noqa: ANN401 - the file says which of two
        return _reader().read_arrays(encoded.content, self.max_bytes)


def _reader() -> ModuleType:
    try:
        from dataflux_core._data.samples import arrays  # noqa: PLC0415 - numpy is an extra
    except ImportError as error:
        raise ExtraMissing("arrays", "streaming") from error
    return arrays
