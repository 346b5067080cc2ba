"""Name the files that samples become."""

from __future__ import annotations

import unicodedata

from dataflux_core._plan.paths import flaw_of
from dataflux_core._plan.sample_names import is_extension

INDEX = "index.parquet"
JOURNAL = ".dataflux-unpacked"


def file_of(sample_id: str, column: str, extension: str, *, has_several: bool) -> str:
    """Return the path of one column's file below the directory: id.ext, id.column.ext where samples have several.

    A column that is called as its files end, as those of a directory are, is not said twice. What is no plain extension
    is none.
    """
    parts = [sample_id]
    if has_several and column != extension:
        parts.append(column)
    if is_extension(extension):
        parts.append(extension)
    return ".".join(parts)


def flaw_of_file(sample_id: str, path: str, *, max_path_bytes: int) -> str:
    """Say why a sample cannot have that path, "" where it can."""
    flaw = flaw_of(sample_id) or flaw_of(path)
    if flaw:
        return flaw
    if len(path.encode()) > max_path_bytes:
        return f"its path would be longer than {max_path_bytes} bytes below that directory"
    if path.casefold() in {INDEX, JOURNAL}:
        return f"{path!r} is the name of a file that tells what was unpacked"
    return ""


def folded(path: str) -> str:
    """Return what is the same for paths that a file system may take for one: by case, by how letters are composed."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
