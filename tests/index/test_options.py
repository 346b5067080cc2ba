"""What is read of a source: some columns, the rows that a filter lets through, the first of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
import pytest

from tests.index.sources import WAYS, Row, all_rows, opened

if TYPE_CHECKING:
    from pathlib import Path

ROWS: list[Row] = [{"id": f"i{number}", "url": f"{number}.jpg", "width": number % 5} for number in range(20)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("options", "rows"),
    [
        pytest.param({"columns": ("width", "id")}, [{"width": r["width"], "id": r["id"]} for r in ROWS], id="columns"),
        pytest.param({"max_samples": 3}, ROWS[:3], id="the first"),
        pytest.param({"max_samples": 99}, ROWS, id="more than there are"),
        pytest.param({"filter": pc.field("width") > 3}, [r for r in ROWS if r["width"] > 3], id="a filter"),
        pytest.param(
            {"filter": pc.field("width") > 3, "columns": ("id",), "max_samples": 2},
            [{"id": "i4"}, {"id": "i9"}],
            id="the first of those that pass, without the column that was asked",
        ),
        pytest.param({"filter": (pc.field("width") == 1) & pc.field("id").isin(["i1", "i2"])}, ROWS[1:2], id="an and"),
    ],
)
def test_only_what_is_asked_for_is_there(way: str, options: dict[str, Any], rows: list[Row], tmp_path: Path) -> None:
    index = opened(WAYS[way](ROWS, tmp_path), **options)
    assert all_rows(index) == rows
    assert index.columns == tuple(rows[0])
    assert len(index) == len(rows)


@pytest.mark.parametrize("way", ["CSV", "Parquet", "a list of dicts"])
def test_other_options_have_another_fingerprint(way: str, tmp_path: Path) -> None:
    source = WAYS[way](ROWS, tmp_path)
    choices: list[dict[str, Any]] = [{}, {"columns": ("id",)}, {"max_samples": 3}, {"filter": pc.field("width") > 3}]
    assert len({opened(source, **options).fingerprint for options in choices}) == len(choices)
    assert (
        opened(source, filter=pc.field("width") > 3).fingerprint
        == opened(source, filter=pc.field("width") == 4).fingerprint
    )
