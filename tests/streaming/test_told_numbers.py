"""The numbers that the documents tell are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dataflux_core._data.epoch import making
from dataflux_core._data.epoch.options import IterationOptions, known_ranks
from dataflux_core._data.index import checks
from dataflux_core.streaming import StreamingDataset

DOCS = Path(__file__).parents[2] / "docs"
MIB = 1024**2


def told(page: str) -> str:
    text = StreamingDataset.__doc__ or "" if page == "docstring" else (DOCS / page).read_text()
    return " ".join(text.split())


@pytest.mark.parametrize("page", ["docstring", "reference/streaming.md", "how-to/find-slow-input.md"])
def test_how_far_is_read_ahead(page: str) -> None:
    alone, many = IterationOptions().bounds(1), IterationOptions().bounds(512)
    text = told(page)
    for number in (
        f"{alone.max_requests}",
        f"{many.max_requests} at least",
        f"{alone.max_bytes // MIB} MiB",
        f"{many.max_bytes // MIB} MiB",
    ):
        assert number in text
    assert alone.max_samples == 16 * alone.max_requests
    assert "16 \N{MULTIPLICATION SIGN} " in text or "sixteen times" in text
    assert re.search(r"\b256\b", text) is None


@pytest.mark.parametrize("page", ["docstring", "reference/streaming.md"])
def test_how_many_ids_are_compared(page: str) -> None:
    assert (making._MOST_UNASKED, checks._MAX_ROWS) == (1_000_000, 50_000_000)
    assert "50 million" in told(page)
    assert "a million" in told(page)


def test_ranks_that_are_given_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert known_ranks(IterationOptions(rank=3, world=4)) == (3, 4)
    assert known_ranks(IterationOptions()) == (1, 2)
    assert "as given, both of them; by default as torch.distributed says, else `RANK`" in told("reference/streaming.md")
    assert "those of `rank=` and `world=`, else of torch.distributed" in told("how-to/resume-training.md")
