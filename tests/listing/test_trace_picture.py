"""A trace can be a picture, of three pages as of thousands."""

from __future__ import annotations

import struct
import sys
from typing import TYPE_CHECKING

import pytest

from dataflux_core import errors
from dataflux_core._data.trace_picture import write_picture
from dataflux_core._data.trace_record import TraceRecord
from dataflux_core._run.listing.observer import DeathEvent, FailedEvent, PageEvent

if TYPE_CHECKING:
    from pathlib import Path

    from dataflux_core.emulator import Emulator
    from tests.listing.namespaces import Make

PNG = b"\x89PNG\r\n\x1a\n"


def record(lanes: int, pages: int, url: str = "gs://b/") -> TraceRecord:
    """Make up a listing in which each range after the first is cut from the one before."""
    made = TraceRecord(url, lanes, 0.0)
    for lane in range(lanes):
        for place in range(pages):
            asked_s = place + lane / lanes
            victim_id = lane - 1 if lane and not place else None
            count = 0 if place % 7 == 5 else 5000 - 900 * (place % 5)
            made.tell(PageEvent(lane, lane % 2, asked_s, asked_s + 0.9, count, "a", "b", 1, victim_id=victim_id))
    return made


def size_of(path: Path) -> tuple[int, int]:
    head = path.read_bytes()[:24]
    assert head.startswith(PNG)
    width, height = struct.unpack(">II", head[16:24])
    return width, height


@pytest.mark.parametrize(
    ("lanes", "pages", "height"),
    [
        pytest.param(1, 0, range(400, 700), id="nothing"),
        pytest.param(1, 3, range(400, 700), id="three pages"),
        pytest.param(64, 50, range(1200, 1500), id="sixty-four listers"),
        pytest.param(600, 2, range(1200, 1500), id="more listers than fit, one below the other"),
    ],
)
def test_a_picture_is_as_high_as_it_needs_to_be(tmp_path: Path, lanes: int, pages: int, height: range) -> None:
    write_picture(record(lanes, pages), tmp_path / "t.png")
    wide, high = size_of(tmp_path / "t.png")
    assert wide == 1560
    assert high in height


def test_failures_are_drawn_like_the_deaths_of_processes(tmp_path: Path) -> None:
    made = record(4, 4)
    made.tell(FailedEvent(1, 1, 0.5, 1.0, "process died", 1, ""))
    made.tell(DeathEvent(1, 1.0, 1))
    made.outcome = "KeyboardInterrupt"
    write_picture(made, tmp_path / "t.png")
    size_of(tmp_path / "t.png")


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("gs://b/$x_$", id="what looks like a formula"),
        pytest.param("gs://b/\x1b[2J\u202e漢字😀", id="what no font has"),
        pytest.param("gs://b/" + "x" * 1024, id="as long as a name can be"),
    ],
)
def test_any_prefix_can_be_written_above_a_picture(tmp_path: Path, url: str) -> None:
    write_picture(record(2, 2, url), tmp_path / "t.png")
    size_of(tmp_path / "t.png")


def test_a_listing_draws_itself(shared_gcs: Emulator, controller: Make, tmp_path: Path) -> None:
    assert len(controller(shared_gcs, "mixed", trace=tmp_path / "t.png").run()) > 0
    size_of(tmp_path / "t.png")
    assert [path.name for path in tmp_path.iterdir()] == ["t.png"]


def test_a_picture_needs_an_extra_that_is_named_before_anything_is_asked(
    shared_gcs: Emulator, controller: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "dataflux_core._data.trace_picture")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(errors.ExtraMissing, match=r"dataflux_core\[trace\]"):
        controller(shared_gcs, "mixed", trace=tmp_path / "t.png")
