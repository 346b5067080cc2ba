"""Read arrays as numpy saves them, without pickle."""

from __future__ import annotations

import io
import math
import zipfile
from typing import TYPE_CHECKING

import numpy as np

from dataflux_core._plan.text import human_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ARCHIVE = b"PK"
_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_arrays(content: bytes, max_bytes: int) -> NDArray[np.generic] | dict[str, NDArray[np.generic]]:
    """Return one array, or those of an archive by name; arrays can be written to."""
    if not content.startswith(_ARCHIVE):
        return _array_of(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        unfolded_bytes = sum(member.file_size for member in archive.infolist())
        if unfolded_bytes > max_bytes:
            raise ValueError(f"the archive unfolds to {human_bytes(unfolded_bytes)}; max_bytes={max_bytes}")
        return {name.removesuffix(".npy"): _array_of(archive.read(name)) for name in archive.namelist()}


def _array_of(content: bytes) -> NDArray[np.generic]:
    """Check what the header claims against what is there, before memory is taken for it."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version not in _READERS:
        raise ValueError(f"version {version} of the format: only 1.0 and 2.0 can be read")
    shape, fortran_order, dtype = _READERS[version](stream)
    if dtype.hasobject:
        raise ValueError(f"dtype {dtype} holds Python objects, which only pickle could read")
    needed_bytes, there = math.prod(shape) * dtype.itemsize, len(content) - stream.tell()
    if needed_bytes > there or min(shape, default=0) < 0:
        raise ValueError(f"shape {shape} of {dtype} takes {needed_bytes} bytes, {there} are there")
    flat = np.ndarray(math.prod(shape), dtype, content, stream.tell())
    return flat.reshape(shape, order="F" if fortran_order else "C").copy(order="K")
