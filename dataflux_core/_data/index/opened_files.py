"""Open an index file; say what is wrong with one."""

from __future__ import annotations

import os
from codecs import getincrementaldecoder
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa

from dataflux_core._data.index.rows import first_line
from dataflux_core.errors import IndexUnusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

COMPRESSED = (".gz", ".bz2", ".zst", ".lz4")
_WITHOUT_ERROR_NUMBER = (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowKeyError, OSError, UnicodeDecodeError)


@contextmanager
def opened(path: Path, source: str) -> Iterator[pa.NativeFile]:
    """Give the bytes of a file, decompressed where its name says that they are compressed; raises IndexUnusable."""
    try:
        # By the source's name: the copy of a remote file has another.
        ending = os.path.splitext(source.partition("?")[0] if "://" in source else source)[1].lower()  # noqa: PTH122
        codec = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}.get(ending)
        file = pa.input_stream(str(path), compression=codec)
    except (OSError, ValueError) as error:
        raise not_opened(source, error) from error
    with file:
        yield file


def not_opened(source: str, error: Exception) -> IndexUnusable:
    """Return the error for a file that is not there or may not be read."""
    number = getattr(error, "errno", None)
    reason = os.strerror(number) if number else first_line(error)
    return IndexUnusable(source, f"it cannot be opened ({reason})", "correct the path or its permissions")


@contextmanager
def unreadable(
    source: str, path: Path, advice: str, worded: Callable[[str], str] = lambda message: message
) -> Iterator[None]:
    """Turn Arrow's errors about a file into one that names the file with the line; raises IndexUnusable."""
    try:
        yield
    except IndexUnusable:
        raise
    except _WITHOUT_ERROR_NUMBER as error:
        if "UTF8" in str(error) or isinstance(error, UnicodeDecodeError):
            line = _line_of_other_encoding(path, source)
            where = f"line {line} is" if line else "it is"
            raise IndexUnusable(source, f"{where} not UTF-8", "write the file anew in UTF-8") from error
        if "Empty CSV file" in str(error):
            raise IndexUnusable(source, "it is empty", "give an index with at least one sample") from error
        raise IndexUnusable(source, f"it is damaged ({worded(first_line(error))})", advice) from error


def _line_of_other_encoding(path: Path, source: str) -> int:
    """Return the number of the first line that is not UTF-8, 0 where all are."""
    decoder, line = getincrementaldecoder("utf-8")(), 1
    with opened(path, source) as file:
        try:
            while block := file.read(1024**2):
                decoder.decode(block)
                line += block.count(b"\n")
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            return line + error.object.count(b"\n", 0, error.start)
    return 0
