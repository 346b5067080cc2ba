"""Small objects of a bucket travel as the maker of a dataset says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dataflux_core.emulator import Emulator, Fault, Latency, Memory
from dataflux_core.errors import InvalidArgument
from dataflux_core.streaming import MixedDataset, StreamingDataset

if TYPE_CHECKING:
    from dataflux_core._plan.strategy import Strategy
    from dataflux_core.emulator._config import Kind

CONTENTS = {f"{number:03}.txt": str(number).encode() for number in range(600)}
ROWS = [{"url": f"gs://b/{name}", "size": len(content)} for name, content in CONTENTS.items()]


@pytest.mark.parametrize(
    ("strategy", "composes"),
    [
        pytest.param("direct", False, id="nothing is written"),
        pytest.param("compose", True, id="composites are made"),
        pytest.param("auto", True, id="composites are made of what comes later sooner so"),
    ],
)
def test_each_object_comes_once_whatever_the_way(strategy: Strategy, composes: bool) -> None:
    latency = Latency(read_s=0.02, compose_s=0.05) if strategy == "auto" else Latency()
    with Emulator(buckets={"b": Memory(CONTENTS)}, latency=latency) as gcs, pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", gcs.endpoint)
        dataset = StreamingDataset(ROWS, data_type="bytes", num_downloading_workers=8, strategy=strategy)
        assert [sample["url"] for sample in dataset] == list(CONTENTS.values())
        assert (gcs.requests()["compose"] > 0) is composes


@pytest.mark.parametrize("most", [1, 2, 8])
def test_no_more_requests_are_under_way_than_are_allowed(most: int) -> None:
    served = Emulator(buckets={"b": Memory(CONTENTS)}, latency=Latency(read_s=0.005))
    with served as gcs, pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", gcs.endpoint)
        dataset = StreamingDataset(ROWS[:200], data_type="bytes", num_downloading_workers=most, strategy="direct")
        assert len(list(dataset)) == 200
        assert gcs.requests().peak <= most


@pytest.mark.parametrize("kind", ["429", "503", "408"])
def test_composes_that_are_refused_hold_nothing_up(kind: Kind) -> None:
    refused = [Fault("compose", kind, retry_after_s=3600)]  # whoever waited for that would not see the end of the test
    served = Emulator(buckets={"b": Memory(CONTENTS)}, latency=Latency(read_s=0.02, compose_s=0.05), faults=refused)
    with served as gcs, pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", gcs.endpoint)
        dataset = StreamingDataset(ROWS, data_type="bytes", num_downloading_workers=8)
        assert [sample["url"] for sample in dataset] == list(CONTENTS.values())
        assert gcs.requests()["compose"] > 0


def test_a_way_that_there_is_not_is_refused() -> None:
    wrong: Any = "quick"
    with pytest.raises(InvalidArgument, match="one of 'auto', 'compose', 'direct'"):
        StreamingDataset(ROWS, strategy=wrong)


def test_datasets_of_a_mix_read_in_one_way() -> None:
    ways: tuple[Strategy, Strategy] = ("auto", "direct")
    with pytest.raises(InvalidArgument, match="strategy"):
        MixedDataset([StreamingDataset(ROWS, strategy=way) for way in ways])
