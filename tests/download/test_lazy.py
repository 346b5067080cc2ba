"""A lazy download is a generator from the start, with arguments that have been checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dataflux_core import download, errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.download.buckets import Stocked


@pytest.mark.parametrize("sizes", [pytest.param([], id="of nothing"), pytest.param([10, 10], id="of two objects")])
def test_it_can_be_closed(sizes: list[int], stocked: Callable[[list[int]], Stocked]) -> None:
    bucket = stocked(sizes)
    contents = download.dataflux_download_lazy("p", bucket.name, bucket.pairs, bucket.client())
    contents.close()
    assert list(contents) == []


def test_of_nothing_it_yields_nothing() -> None:
    assert list(download.dataflux_download_lazy("p", "b", [])) == []


@pytest.mark.parametrize(
    ("argument", "wrong"),
    [
        pytest.param("bucket_name", {"bucket_name": "gs://b"}, id="the bucket"),
        pytest.param("objects", {"objects": [("a", -1)]}, id="the objects"),
        pytest.param("retry_config", {"retry_config": 3}, id="the retry"),
        pytest.param(
            "max_composite_object_size",
            {"dataflux_download_optimization_params": download.DataFluxDownloadOptimizationParams(-1)},
            id="the cap",
        ),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_is_asked_for(
    argument: str, wrong: dict[str, Any], stocked: Callable[[list[int]], Stocked]
) -> None:
    bucket = stocked([1])
    right = {"bucket_name": bucket.name, "objects": bucket.pairs, "storage_client": bucket.client()}
    with pytest.raises(errors.InvalidArgument, match=argument):
        download.dataflux_download_lazy(project_name="p", **{**right, **wrong})
    assert bucket.gcs.requests()["read"] == 0
