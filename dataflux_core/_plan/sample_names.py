"""Tell by a file's name which sample it belongs to."""

from __future__ import annotations

import re

ID = "id"  # what a sample is called by; no file of one has that extension
NO_EXTENSION = "file"  # the column of files without one
# What stands behind the last dot; a longer text is none, nor one with other characters.
EXTENSION = r"[A-Za-z0-9_]{1,16}"
_EXTENSION = re.compile(EXTENSION)


def split_name(name: str) -> tuple[str, str]:
    """Return what names the sample, then the extension in small letters, "file" where there is none.

    Files of a directory, of a bucket, in a tar archive are taken together by it: what is packed comes back under the
    same names.
    """
    sample, dot, extension = name.rpartition(".")
    if dot and sample and is_extension(extension) and extension.lower() != ID:
        return sample, extension.lower()
    return name, NO_EXTENSION


def is_extension(text: str) -> bool:
    """Tell whether a text behind a dot says what kind of file it is."""
    return _EXTENSION.fullmatch(text) is not None
