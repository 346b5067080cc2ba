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
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_arrays(content: bytes, max_bytes: int) -> NDArray[np.generic] | dict[str, NDArray[np.generic]]:
    """Return one array, or those of an archive by name; arrays can be written to."""
    if not content.startswith(_ARCHIVE):
        return array_of(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        unfolded_bytes = sum(member.file_size for member in members)
        if unfolded_bytes > max_bytes:
            raise ValueError(f"the archive unfolds to {human_bytes(unfolded_bytes)}; max_bytes={max_bytes}")
        return {member.filename.removesuffix(".npy"): array_of(_content(archive, member)) for member in members}


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Unfold a member as far as its size says: asked for all, or for bzip2, zipfile takes whatever there is."""
    if member.compress_type not in _COMPRESSIONS:
        raise ValueError(f"{member.filename[:200]!r} is neither stored nor deflated, as numpy does it")
    with archive.open(member) as file:
        content = file.read(member.file_size)
    if len(content) != member.file_size:
        raise ValueError(f"{member.filename[:200]!r} has {len(content)} bytes of {member.file_size}")
    return content


def array_of(content: bytes) -> NDArray[np.generic]:
    """Return the array of a .npy file, which can be written to; raises ValueError, or what numpy does.

    What the header claims is checked against what is there before memory is taken for it.
    """
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version not in _READERS:
        raise ValueError(f"version {version} of the format: only 1.0 and 2.0 can be read")
    shape, fortran_order, dtype = _READERS[version](stream)
    if dtype.hasobject:
        raise ValueError(f"dtype {dtype} holds Python objects, which only pickle could read")
    if not dtype.itemsize and 0 not in shape:
        raise ValueError(f"shape {shape} of {dtype} counts items that have no bytes")
    needed_bytes, there = math.prod(shape) * dtype.itemsize, len(content) - stream.tell()
    if needed_bytes > there or min(shape, default=0) < 0:
        raise ValueError(f"shape {shape} of {dtype} takes {needed_bytes} bytes, {there} are there")
    flat = np.ndarray(math.prod(shape), dtype, content, stream.tell())
    return flat.reshape(shape, order="F" if fortran_order else "C").copy(order="K")
