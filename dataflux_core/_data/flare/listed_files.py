"""Hold the files that a playlist is to name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import google_crc32c
import pyarrow as pa

from dataflux_core._data.flare.gathering import SampleFile
from dataflux_core._data.flare.sample_reading import opened
from dataflux_core._data.index.directory_files import files_below
from dataflux_core._data.index.grouping import wanted
from dataflux_core._plan.columns import UNKNOWN_SIZE
from dataflux_core._wire.objects import crc32c_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from dataflux_core._data.listing import Listing

_COPY_BYTES = 1024**2
_UNPACKED = "gzip"  # by the service, for those who do not ask for it: https://cloud.google.com/storage/docs/transcoding
_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ListedFiles:
    """Files as columns, in the order of their names."""

    names: Sequence[str]  # "/" between their parts
    sizes: Sequence[int]  # bytes as they are sent; UNKNOWN_SIZE: not known
    crc32cs: Sequence[str]  # base64 of the big-endian checksum; "": not known
    unpacked: frozenset[str] = _NONE  # names of those that are stored as gzip and sent as what is in it

    @classmethod
    def of_listing(cls, listing: Listing, root: str = "") -> ListedFiles:
        """Take the objects of a listing; hidden ones, temporaries below `root` ("" or up to a "/") are left out."""
        known = listing.column("crc32c") if "crc32c" in listing.fields else [""] * len(listing)
        encodings = listing.column("content_encoding") if "content_encoding" in listing.fields else [""] * len(listing)
        unpacked = frozenset(
            name for name, encoding in zip(listing.names, encodings, strict=True) if encoding == _UNPACKED
        )
        # Sizes and checksums of listings are those of the stored bytes.
        rows = (
            (name, UNKNOWN_SIZE, "") if name in unpacked else (name, size, str(crc32c))
            for name, size, crc32c in zip(listing.names, listing.sizes, known, strict=True)
        )
        return cls._of(rows, root, unpacked)

    @classmethod
    def below(cls, directory: Path, without: Path | None = None) -> ListedFiles:
        """Find the files of a folder, one left out; raises IndexUnusable where it cannot be read."""
        table = files_below(str(directory))
        rows = zip(table.column("name").to_pylist(), table.column("size").to_pylist(), strict=True)
        left_out = "" if without is None else _name_below(without, directory)
        return cls._of((name, size, "") for name, size in sorted(rows) if name != left_out)

    @classmethod
    def _of(cls, rows: Iterator[tuple[str, int, str]], root: str = "", unpacked: frozenset[str] = _NONE) -> ListedFiles:
        found = list(rows)
        below = pa.chunked_array([[name.removeprefix(root) for name, _, _ in found]], pa.large_string())
        picked = [row for row, is_data in zip(found, wanted(below).to_pylist(), strict=True) if is_data and row[0]]
        names, sizes, crc32cs = ([row[column] for row in picked] for column in range(3))
        return cls(names, sizes, crc32cs, unpacked)  # type: ignore[arg-type] # a column each

    @property
    def total_bytes(self) -> int:
        return sum(self.sizes)

    def summed(self, directory: Path, observe: Callable[[int, int], None] | None = None) -> ListedFiles:
        """Read all of them below a folder for their checksums; raises FileNotRead, ObjectChanged."""
        done, total = 0, self.total_bytes
        crc32cs = []
        for name, size in zip(self.names, self.sizes, strict=True):
            crc32c = 0
            with opened(SampleFile("", str(directory / name), size)) as content:
                while chunk := content.read(_COPY_BYTES):
                    crc32c = google_crc32c.extend(crc32c, chunk)
            crc32cs.append(crc32c_text(crc32c))
            done += size
            if observe is not None:
                observe(done, total)
        return ListedFiles(self.names, self.sizes, crc32cs, self.unpacked)


def _name_below(path: Path, directory: Path) -> str:
    """Return what a file is called within a directory; "" where it lies elsewhere."""
    there, root = path.resolve(), directory.resolve()
    return there.relative_to(root).as_posix() if there.is_relative_to(root) else ""
