"""Make samples of files."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflux_core._plan.sample_names import EXTENSION, ID, NO_EXTENSION
from dataflux_core._wire.listing import COMPOSED_PREFIX
from dataflux_core.errors import IndexUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

OWN_INDEX = "index.parquet"  # of a directory: it says which samples there are, and is none
_MAX_EXTENSIONS = 256
_EXTENSION = rf"\A{EXTENSION}\z"
_HIDDEN = ("starts_with", "."), ("match_substring", "/.")
_TEMPORARY = ("starts_with", COMPOSED_PREFIX), ("ends_with", "~"), ("ends_with", ".tmp")
_DIRECTORY = ("ends_with", "/")
_ADVICE = "give an index file that names the columns"


def samples_of(files: pa.Table, root: str, source: str) -> pa.Table:
    """Group files by what stands before their extensions: id, then for each extension where it lies, what is known.

    `files`: name (below `root`, UTF-8), size (bytes), perhaps crc32c, generation. Samples come in the order of names.
    Hidden files, temporaries, directories, the directory's own index are left out. Raises IndexUnusable.
    """
    files = _in_order(files.filter(wanted(files.column("name"))))
    if not files.num_rows:
        raise IndexUnusable(source, "no file is there", "correct the path; hidden files and temporaries do not count")
    split = _split(files.column("name").chunk(0))
    if len(split.extensions) > _MAX_EXTENSIONS:
        some = ", ".join(split.extensions[:3])
        problem = f"it has {len(split.extensions):,} extensions, such as {some}, each of which would be a column"
        raise IndexUnusable(source, problem, _ADVICE)
    ids = split.ids.dictionary_encode()
    columns = {ID: _short(pa.chunked_array([ids.dictionary]))}
    for number, extension in enumerate(split.extensions):
        rows = np.flatnonzero(split.numbers == number)
        places, lost = _places(ids.indices.to_numpy(), rows, len(ids.dictionary))
        if lost:
            first, second = (files.column("name")[row].as_py() for row in lost)
            problem = f"{first!r} and {second!r} would both be the {extension!r} of one sample"
            raise IndexUnusable(source, problem, _ADVICE)
        columns.update(_columns(extension, files.take(places), root))
    return pa.table(columns)


def _places(samples: NDArray[np.int32], rows: NDArray[np.int64], count: int) -> tuple[pa.Array, tuple[int, int] | None]:
    """Return for each of `count` samples which of the rows it has, null where none; perhaps two that one would have."""
    places = np.full(count, -1, np.int64)
    places[samples[rows]] = rows
    lost = rows[places[samples[rows]] != rows]
    twice = (int(lost[0]), int(places[samples[lost[0]]])) if len(lost) else None
    return pa.array(places, mask=places < 0), twice


def wanted(names: pa.ChunkedArray) -> pa.ChunkedArray:
    """Tell of names below a root which are data: not hidden, temporary, a directory's, its own index."""
    unwanted = [getattr(pc, test)(names, text) for test, text in (*_HIDDEN, *_TEMPORARY, _DIRECTORY)]
    return pc.invert(reduce(pc.or_, unwanted, pc.equal(names, OWN_INDEX)))


def _in_order(files: pa.Table) -> pa.Table:
    # One large chunk: a string's 32 bits count the bytes of a few million names.
    names = files.column("name").cast(pa.large_string()).combine_chunks()
    files = files.set_column(files.column_names.index("name"), "name", names).combine_chunks()
    is_sorted = pc.all(pc.less_equal(names.slice(0, max(0, len(names) - 1)), names.slice(1))).as_py()
    return files if is_sorted is not False else files.take(pc.sort_indices(names))


class _Split(NamedTuple):
    """Names in two parts."""

    ids: pa.Array
    extensions: list[str]  # the different ones, in small letters, in their order
    numbers: NDArray[np.int64]  # of each name, which of these it has


def _split(names: pa.Array) -> _Split:
    """Split millions of names as `split_name` does one."""
    parts = pc.split_pattern(names, ".", max_splits=1, reverse=True)
    ends = parts.offsets.to_numpy()
    lasts = parts.values.take(pa.array(ends[1:] - 1)).dictionary_encode()
    distinct, numbers = lasts.dictionary, lasts.indices.to_numpy()
    may_be_one = pc.match_substring_regex(distinct, _EXTENSION).to_numpy(zero_copy_only=False)
    small = [text if is_one else "" for text, is_one in zip(_small(distinct), may_be_one, strict=True)]
    is_one = np.array([bool(text) and text != ID for text in small], bool)[numbers] & (np.diff(ends) > 1)
    ids = pc.if_else(pa.array(is_one), parts.values.take(pa.array(ends[:-1])), names)
    codes = {text: code for code, text in enumerate(sorted({*small, NO_EXTENSION}))}
    of_names = np.where(is_one, np.array([codes[text] for text in small])[numbers], codes[NO_EXTENSION])
    used, of_used = np.unique(of_names, return_inverse=True)
    texts = list(codes)
    return _Split(ids, [texts[code] for code in used], of_used)


def _small(texts: pa.Array) -> list[str]:
    small: list[str] = pc.ascii_lower(texts).to_pylist()
    return small


def _columns(extension: str, files: pa.Table, root: str) -> Iterator[tuple[str, pa.ChunkedArray]]:
    before, between = (pa.scalar(text, pa.large_string()) for text in (root, ""))
    urls = pc.binary_join_element_wise(before, files.column("name"), between)
    yield extension, _short(urls)
    for column in ("size", "crc32c", "generation"):
        if column in files.column_names:
            yield f"{extension}.{column}", files.column(column)


def _short(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Cut texts into chunks that 32 bits can count."""
    rows = 2**20
    parts = [part.cast(pa.string()) for start in range(0, len(texts), rows) for part in texts.slice(start, rows).chunks]
    return pa.chunked_array(parts, pa.string())
