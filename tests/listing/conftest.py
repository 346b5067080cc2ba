from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dataflux_core._run import processes
from dataflux_core.emulator import Emulator, Memory, Synthetic
from dataflux_core.fast_list import ListingController
from tests.listing.namespaces import OBJECTS, ODD_NAMES, SHAPES, client_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.listing.namespaces import Make


@pytest.fixture(scope="session")
def shared_gcs() -> Iterator[Emulator]:
    """A service that tests only read from, with one bucket per shape."""
    buckets: dict[str, Memory | Synthetic] = {shape: Synthetic(shape, OBJECTS) for shape in SHAPES}
    buckets["odd"] = Memory({name: b"x" * length for length, name in enumerate(ODD_NAMES)})
    buckets["empty"] = Memory()
    with Emulator(buckets=buckets) as gcs:
        yield gcs


@pytest.fixture
def controller() -> Make:
    def make(gcs: Emulator, bucket: str, parallelism: int = 16, **options: Any) -> ListingController:
        made = ListingController(parallelism, "p", bucket, **options)
        made.client = client_of(gcs)
        return made

    return make


@pytest.fixture
def one_helper(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a listing have one process beside this one, however many cores there are."""
    monkeypatch.setattr(processes, "_cores", lambda: 2)
