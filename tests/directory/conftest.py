from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dataflux_core.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def gcs() -> Iterator[Emulator]:
    """A service to which each test adds buckets of its own."""
    with Emulator() as running:
        yield running


@pytest.fixture(autouse=True)
def _pointed_at(gcs: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in gcs.environ.items():
        monkeypatch.setenv(variable, value)


def files_of(directory: Path) -> dict[str, bytes]:
    """Return every file below a directory by its path, leftovers included."""
    return {
        str(Path(root, name).relative_to(directory)): Path(root, name).read_bytes()
        for root, _, names in os.walk(directory)
        for name in names
    }
