"""`dataflux clean` removes old temporaries, nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from dataflux_core._run.reading.leftovers import old_ones
from dataflux_core._wire.page import page_of
from dataflux_core.emulator import Emulator, Memory
from dataflux_core.fast_list import ListingController
from tests.cli.terminal import dataflux, seen_at_terminal

LEFT = {f"dataflux-composed-objects/{number:032x}": b"12" for number in range(5)}
KEPT = {
    "dataflux-composed-objects": b"a name of its own",
    "dataflux-composed-objects/README.txt": b"no download made this",
    "mine": b"!",
}


@pytest.fixture(autouse=True)
def _left_over(gcs: Emulator) -> None:
    gcs.create_bucket("left", Memory({**LEFT, **KEPT}))


def names() -> set[str]:
    return {name for name, _ in ListingController(1, None, "left", skip_compose=False).run()}


def test_old_ones_are_removed() -> None:
    ran = dataflux("clean", "--older-than", "0s", "--yes", "gs://left")
    assert (ran.returncode, ran.stdout) == (0, "")
    assert "5 old temporary objects, 10 B; 0 younger" in ran.stderr
    assert "removed 5 objects" in ran.stderr
    assert names() == set(KEPT)


def test_young_ones_stay() -> None:
    ran = dataflux("clean", "--yes", "gs://left")
    assert ran.returncode == 0
    assert "0 old temporary objects, 0 B; 5 younger" in ran.stderr
    assert names() == {*LEFT, *KEPT}


def test_a_dry_run_only_names_them() -> None:
    ran = dataflux("clean", "--older-than", "0s", "--dry-run", "gs://left")
    assert ran.stdout.splitlines() == [f"gs://left/{name}" for name in LEFT]
    assert names() == {*LEFT, *KEPT}


def test_without_a_terminal_nobody_can_be_asked() -> None:
    ran = dataflux("clean", "--older-than", "0s", "gs://left")
    assert ran.returncode == 2
    assert "add --yes" in ran.stderr
    assert names() == {*LEFT, *KEPT}


@pytest.mark.parametrize(("answer", "left"), [("y\n", set(KEPT)), ("n\n", {*LEFT, *KEPT}), ("\n", {*LEFT, *KEPT})])
def test_at_a_terminal_it_asks_first(answer: str, left: set[str]) -> None:
    arguments = ["clean", "--older-than", "0s", "gs://left"]
    code, seen = seen_at_terminal(*arguments, streams="stdin stderr", typed=answer)
    assert code == 0
    assert "Remove 5 objects for good? [y/N]" in seen
    assert names() == left


def test_ctrl_c_is_no_answer() -> None:
    code, seen = seen_at_terminal("clean", "--older-than", "0s", "gs://left", streams="stdin stderr", typed="\x04")
    assert code == 1
    assert "nothing was done" in seen
    assert names() == {*LEFT, *KEPT}


def test_only_a_whole_bucket_can_be_cleaned() -> None:
    ran = dataflux("clean", "--yes", "gs://left/mine")
    assert ran.returncode == 2
    assert "expected a whole bucket, gs://left" in ran.stderr


def test_a_bucket_without_temporaries_is_clean() -> None:
    assert dataflux("clean", "gs://empty").returncode == 0


def test_age_is_counted_from_when_an_object_was_written() -> None:
    now = datetime(2026, 1, 2, tzinfo=timezone.utc)
    columns: dict[str, list[int] | list[str]] = {
        "generation": [1, 2, 3],
        "updated": ["2026-01-01T00:00:00.123Z", "2025-12-31T23:59:59Z", "2026-01-02T00:00:00Z"],
    }
    found = old_ones(page_of(list(LEFT)[:3], [1, 10, 100], columns), before=now - timedelta(days=1))
    assert (found.objects, found.bytes, found.younger) == ([(list(LEFT)[1], 2)], 10, 2)
