"""What reading into a directory took is counted, whatever way it went; the user's own prices decide the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest

from dataflux_core._data import directory_fetch
from dataflux_core._run.reading import ranged
from dataflux_core.costs import Prices
from dataflux_core.download import DirectoryOptions, download_to_directory
from dataflux_core.emulator import Emulator, Fault, Memory
from dataflux_core.errors import InvalidArgument
from tests.directory.conftest import files_of

if TYPE_CHECKING:
    from pathlib import Path

DEAR = Prices(class_a_usd_per_million=50.0, class_b_usd_per_million=0.4, storage_usd_per_gib_month=0.02)
LARGE = {"one": b"1" * 50, "two": b"2" * 20}
SIZES = [(name, len(content)) for name, content in LARGE.items()]


@pytest.fixture
def large(gcs: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """Take 20 bytes for a large object, read in ranges of 7: eight of one, three of the other."""
    monkeypatch.setattr(directory_fetch, "LARGE_BYTES", 10)
    monkeypatch.setattr(ranged, "PIECE_BYTES", 7)
    gcs.configure(faults=())
    gcs.create_bucket("b", Memory(LARGE))
    gcs.reset_requests()
    return gcs


def test_large_objects_count_each_range_and_each_question_for_a_generation(large: Emulator, tmp_path: Path) -> None:
    stats = download_to_directory("b", SIZES, tmp_path).stats
    assert files_of(tmp_path) == LARGE
    assert stats.requests == {"stat": 2, "read": 11}
    assert large.requests().counts == {"get": 2, "read": 11}
    assert (stats.retries, stats.received_bytes, stats.objects_direct) == (0, 70, 2)


@pytest.mark.parametrize("operation", ["read", "get"])
def test_what_was_tried_again_for_a_large_object_is_a_retry(
    large: Emulator, tmp_path: Path, operation: Literal["read", "get"]
) -> None:
    large.configure(faults=[Fault(operation, "503", times=2)])
    stats = download_to_directory("b", SIZES, tmp_path).stats
    assert stats.requests == {"stat": 2, "read": 11}
    assert (stats.retries, stats.received_bytes) == (2, 70)


def test_prices_of_the_users_own_decide(gcs: Emulator, tmp_path: Path) -> None:
    gcs.create_bucket("b", Memory({str(number): b"x" * 100 for number in range(64)}))
    pairs = [(str(number), 100) for number in range(64)]
    listed = download_to_directory("b", pairs, tmp_path / "listed", options=DirectoryOptions(optimize="cost"))
    dear = DirectoryOptions(optimize="cost", prices=DEAR)
    own = download_to_directory("b", pairs, tmp_path / "own", options=dear)
    assert (listed.stats.groups_composed, own.stats.groups_composed) == (2, 0)


def test_prices_of_another_kind_are_refused(tmp_path: Path) -> None:
    options = DirectoryOptions(prices={"class_a": 1})  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="prices=.*expected a costs.Prices, or None"):
        download_to_directory("b", [], tmp_path, options=options)
