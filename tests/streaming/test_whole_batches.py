"""batches="one": each batch is of one dataset, over all ranks, workers, bad samples, also at the end of an epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dataflux_core.errors import BadSample, InvalidArgument
from dataflux_core.streaming import MixedDataset, StreamingDataset
from tests.streaming.loaders import loaded
from tests.streaming.streams import MANY_WORKERS, filed, numbered

if TYPE_CHECKING:
    from pathlib import Path


def stream(name: str, count: int, **keywords: Any) -> StreamingDataset:
    rows = [{"stream": name, "n": number} for number in range(count)]
    return StreamingDataset(rows, columns_to_load=[], **{"shuffle": True, **keywords})


def mixed(rank: int, world: int, **keywords: Any) -> MixedDataset:
    options: dict[str, Any] = {"batches": "one", "batch_size": 4, "rank": rank, "world": world, **keywords}
    return MixedDataset([stream("a", 40), stream("b", 20), stream("c", 8)], **options)  # 17 batches


@MANY_WORKERS
@pytest.mark.parametrize("tail", ["pad", "drop", "uneven"])
@pytest.mark.parametrize(("world", "workers"), [(1, 0), (2, 0), (3, 2), (4, 0), (5, 0), (20, 0)])
def test_every_batch_is_of_one_dataset_to_the_last(world: int, workers: int, tail: Any) -> None:
    ranks = [mixed(rank, world, tail=tail) for rank in range(world)]
    given = [list(loaded(dataset, 4, num_workers=workers)) for dataset in ranks]
    every = [batch for own in given for batch in own]
    assert all(len(set(batch["stream"])) == 1 and len(batch["stream"]) == 4 for batch in every)
    assert list(map(len, ranks)) == [4 * len(own) for own in given]
    steps = set(map(len, given))
    expected = {"pad": {-(-17 // world)}, "drop": {17 // world}, "uneven": {17 // world, -(-17 // world)}}[tail]
    assert steps <= expected
    samples = [(name, n) for batch in every for name, n in zip(batch["stream"], batch["n"].tolist(), strict=True)]
    if tail != "drop":
        assert len(set(samples)) == 68
    if tail != "pad":
        assert len(set(samples)) == len(samples)


@pytest.mark.parametrize("world", [1, 2, 3, 4])
def test_gone_on_with_by_other_ranks_batches_stay_whole(world: int) -> None:
    ranks = [mixed(rank, 3) for rank in range(3)]
    seen = []
    for dataset in ranks:
        batches = dataset.batches(4)
        seen += [next(batches), next(batches)]
    state = ranks[0].state_dict()
    again = [mixed(rank, world, tail="uneven") for rank in range(world)]
    for dataset in again:
        dataset.load_state_dict(state)
        seen += dataset.batches(4)
    assert all(len(set(batch["stream"])) == 1 for batch in seen)
    samples = [(name, n) for batch in seen for name, n in zip(batch["stream"], batch["n"].tolist(), strict=True)]
    assert len(samples) == len(set(samples)) == 68


def doubling(sample: dict[str, Any]) -> Any:
    yield sample
    yield sample


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"on_bad_sample": "skip"}, r"on_bad_sample of datasets\[1\]='skip'.*'raise' or 'fill' beside batches='one'"),
        ({"on_bad_sample": lambda *_: None}, r"on_bad_sample of datasets\[1\]"),
        ({"transforms": doubling}, r"transforms of datasets\[1\]=a generator"),
    ],
    ids=["bad samples are left out", "a function may leave them out", "rows give several samples"],
)
def test_what_moves_batches_on_is_refused(keywords: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        MixedDataset([stream("a", 8), stream("b", 8, **keywords)], batches="one", batch_size=4)


def test_a_transform_that_drops_a_sample_after_all_is_an_error() -> None:
    datasets = [stream("a", 8), stream("b", 8, transforms=lambda sample: sample if sample["n"] else None)]
    with pytest.raises(BadSample, match="it gave NoneType: expected one dict for each"):
        list(MixedDataset(datasets, batches="one", batch_size=4))


def test_a_bad_sample_is_filled_in_its_place(tmp_path: Path) -> None:
    datasets = [
        filed(tmp_path / name, 8, bad, on_bad_sample="fill", fill_value={"url": [-1]}, transforms=named)
        for name, bad, named in (("a", [1], named_a), ("b", [2, 3], named_b))
    ]
    batches = list(MixedDataset(datasets, batches="one", batch_size=4).batches(4))
    assert [len(set(batch["stream"])) for batch in batches] == [1] * 4


def named_a(sample: dict[str, Any]) -> dict[str, Any]:
    return {**sample, "stream": "a"}


def named_b(sample: dict[str, Any]) -> dict[str, Any]:
    return {**sample, "stream": "b"}


def test_ordinary_batches_are_shared_out_as_before() -> None:
    assert [len(numbered(10, batch_size=4, rank=rank, world=2)) for rank in range(2)] == [5, 5]
