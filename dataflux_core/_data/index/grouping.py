"""Make samples of files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflux_core._wire.listing import COMPOSED_PREFIX
from dataflux_core.errors import IndexUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

ID = "id"
NO_EXTENSION = "file"  # the column of files without one
_MAX_EXTENSIONS = 256
# What stands behind the last dot; behind a dot within a longer text it is none, nor is ".id", which names the samples.
_PARTS = r"(?s)\A(?P<id>.*?)(?:\.(?P<extension>[A-Za-z0-9_]{1,16}))?\z"
_LEFT_OUT = rf"(?s)(?:\A|/)\.|/\z|~\z|\.tmp\z|\A{COMPOSED_PREFIX}"
_ADVICE = "give an index file that names the columns"


def samples_of(files: pa.Table, root: str, source: str) -> pa.Table:
    """Group files by what stands before their extensions: id, then for each extension where it lies, what is known.

    `files`: name (below `root`, UTF-8), size (bytes), perhaps crc32c, generation. Samples come in the order of names.
    Hidden files, temporaries, directories are left out. Raises IndexUnusable.
    """
    files = _in_order(files.filter(pc.invert(pc.match_substring_regex(files.column("name"), _LEFT_OUT))))
    if not files.num_rows:
        raise IndexUnusable(source, "no file is there", "correct the path; hidden files and temporaries do not count")
    ids, extensions = _split(files.column("name"))
    numbers = ids.dictionary_encode()
    sample = numbers.indices.to_numpy()
    columns = {ID: numbers.dictionary.cast(pa.string())}
    for extension in _distinct(extensions, source):
        rows = np.flatnonzero(pc.equal(extensions, extension).to_numpy(zero_copy_only=False))
        places = _places(sample, rows, len(numbers.dictionary), files, extension, source)
        columns.update(_columns(extension, files.take(places), root))
    return pa.table(columns)


def _in_order(files: pa.Table) -> pa.Table:
    # One large chunk: a string's 32 bits count the bytes of a few million names.
    names = files.column("name").cast(pa.large_string()).combine_chunks()
    names = names if isinstance(names, pa.Array) else pa.concat_arrays(names.chunks)
    files = files.set_column(files.column_names.index("name"), "name", names).combine_chunks()
    is_sorted = pc.all(pc.less_equal(names.slice(0, max(0, len(names) - 1)), names.slice(1))).as_py()
    return files if is_sorted is not False else files.take(pc.sort_indices(names))


def _split(names: pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
    """Return the ids with the extensions, in small letters, of some names."""
    whole = names.combine_chunks()
    whole = whole if isinstance(whole, pa.Array) else whole.chunk(0)
    parts = pc.extract_regex(whole, _PARTS)
    ids, extensions = parts.field("id"), pc.ascii_lower(parts.field("extension"))
    is_none = pc.or_(pc.equal(extensions, ""), pc.equal(extensions, ID))
    return pc.if_else(is_none, whole, ids), pc.if_else(is_none, NO_EXTENSION, extensions)


def _distinct(extensions: pa.Array, source: str) -> list[str]:
    distinct = sorted(pc.unique(extensions).to_pylist())
    if len(distinct) > _MAX_EXTENSIONS:
        some = ", ".join(distinct[:3])
        problem = f"its files have {len(distinct):,} extensions, such as {some}, each of which would be a column"
        raise IndexUnusable(source, problem, _ADVICE)
    return distinct


def _places(  # noqa: PLR0913, PLR0917 - of what, for an error
    sample: NDArray[np.int32], rows: NDArray[np.int64], samples: int, files: pa.Table, extension: str, source: str
) -> pa.Array:
    """Return for each sample the row of its file with this extension, null where it has none."""
    places = np.full(samples, -1, np.int64)
    places[sample[rows]] = rows
    lost = rows[places[sample[rows]] != rows]
    if len(lost):
        first, second = (files.column("name")[int(row)].as_py() for row in (lost[0], places[sample[lost[0]]]))
        problem = f"{first!r} and {second!r} would both be the {extension!r} of one sample"
        raise IndexUnusable(source, problem, _ADVICE)
    return pa.array(places, mask=places < 0)


def _columns(extension: str, files: pa.Table, root: str) -> Iterator[tuple[str, pa.ChunkedArray]]:
    urls = pc.binary_join_element_wise(pa.scalar(root, pa.large_string()), files.column("name"), "")
    yield extension, _short(urls)
    for column in ("size", "crc32c", "generation"):
        if column in files.column_names:
            yield f"{extension}.{column}", files.column(column)


def _short(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Cut texts into chunks that 32 bits can count."""
    rows = 2**20
    parts = [part.cast(pa.string()) for start in range(0, len(texts), rows) for part in texts.slice(start, rows).chunks]
    return pa.chunked_array(parts, pa.string())
