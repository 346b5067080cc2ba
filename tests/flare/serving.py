"""Run `dataflux playlist serve` as a user does."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.processes import line_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_COMMAND = [sys.executable, "-m", "dataflux_core.cli", "playlist", "serve", "--port", "0"]
_TIMEOUT_S = 30


@contextmanager
def served(directory: Path) -> Iterator[str]:
    """Serve a directory from another process; give its URL."""
    with subprocess.Popen([*_COMMAND, str(directory)], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield line_of(process).rpartition(" at ")[2].strip()
        finally:
            process.terminate()
            process.wait(_TIMEOUT_S)


def write_files(directory: Path, files: dict[str, bytes]) -> Path:
    """Write files below a directory, which is made."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return directory
