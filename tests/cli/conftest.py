from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dataflux_core.emulator import Emulator, Latency, Memory, Synthetic

if TYPE_CHECKING:
    from collections.abc import Iterator

OBJECTS = {
    "a.txt": b"1",
    "d/b": b"22",
    "d/e/c": b"333",
    "dataflux-composed-objects/1": b"temporary",
    "dir/": b"",
    "é/✓": b"4444",
}
CONTROL = "control\x1b[2J\u202e\x9b"


@pytest.fixture(scope="session")
def shared_gcs() -> Iterator[Emulator]:
    buckets: dict[str, Memory | Synthetic] = {
        "mixed": Memory(OBJECTS),
        "odd": Memory({CONTROL: b"12345"}),
        "many": Synthetic("imagenet", 20_000, 100),
        "some": Synthetic("imagenet", 300, 100),
        "empty": Memory(),
        "denied": Memory({"a": b"1"}, permissions=frozenset()),
    }
    with Emulator(buckets=buckets) as running:
        yield running


@pytest.fixture(autouse=True)
def gcs(shared_gcs: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """The service, without faults or waits, that the command talks to."""
    for variable, value in shared_gcs.environ.items():
        monkeypatch.setenv(variable, value)
    yield shared_gcs
    shared_gcs.configure(latency=Latency(), faults=(), token=None)


def asked(gcs: Emulator) -> set[str]:
    """Tell what a command has asked for; guardians of interrupted ones may still delete."""
    return set(gcs.requests().counts) - {"delete", "batch"}
