"""Find local index files by a wildcard."""

from __future__ import annotations

import os
import re
from glob import glob
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHOICE = re.compile(r"\{([^{}]*)\}")


def matching_files(wildcard: str) -> list[str]:
    """Return the files that match, in name order: "*" stops at "/", "**" does not, {a,b} stands for either."""
    found = {path for pattern in _written_out(wildcard) for path in glob(pattern, recursive=True)}  # noqa: PTH207
    return sorted(path for path in found if os.path.isfile(path))  # noqa: PTH113 - texts


def _written_out(pattern: str) -> Iterator[str]:
    """Yield a pattern for each choice: glob knows none."""
    found = _CHOICE.search(pattern)
    if found is None:
        yield pattern
        return
    for choice in found[1].split(","):
        yield from _written_out(pattern[: found.start()] + choice + pattern[found.end() :])
