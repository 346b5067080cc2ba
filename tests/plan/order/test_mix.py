"""A mix of streams: exact amounts, spread as asked, in an order that arithmetic tells."""

from __future__ import annotations

import pickle
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dataflux_core._plan.order.interleave import interleave
from dataflux_core._plan.order.mix import MixOptions, MixOrder, draws_of
from dataflux_core._plan.order.passes import Passes, Stream
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from dataflux_core._plan.order.mix import Mode, Schedule

Ids = NDArray[np.int64]
STREAMS = st.builds(Stream, st.integers(1, 200), st.booleans(), st.sampled_from([0, 0, 1, 7, 50]))
SCHEDULES: st.SearchStrategy[Schedule] = st.sampled_from(["random", "interleaved", "consecutive"])
MODES: st.SearchStrategy[Mode] = st.sampled_from(["proportion", "repeat", "choose"])
DRAWS = st.lists(st.integers(0, 60) | st.integers(0, 3000), min_size=1, max_size=12)


@st.composite
def mixes(draw: st.DrawFn) -> MixOptions:
    streams = tuple(draw(st.lists(STREAMS, min_size=1, max_size=5)))
    mode = draw(MODES)
    amounts_of: dict[Mode, st.SearchStrategy[float]] = {
        "proportion": st.floats(0.01, 10),
        "repeat": st.floats(0, 3) | st.integers(0, 3),
        "choose": st.integers(0, 500),
    }
    batch_samples = draw(st.sampled_from([0, 1, 8, 32]))
    return MixOptions(
        streams,
        tuple(draw(amounts_of[mode]) for _ in streams),
        mode,
        epoch_samples=draw(st.sampled_from([0, 1, 500])) if mode == "proportion" else 0,
        schedule=draw(SCHEDULES),
        batches="one" if batch_samples else "mixed",
        batch_samples=batch_samples,
        seed=draw(st.integers()),
    )


def whole(order: MixOrder) -> Ids:
    return order.sample_ids(np.arange(order.count))


def by_stream(order: MixOrder) -> list[Ids]:
    """Give the ids within each stream, in the order in which they come."""
    ids = whole(order)
    ends = np.cumsum([stream.count for stream in order.options.streams])
    of_stream = np.searchsorted(ends, ids, side="right")
    return [
        ids[of_stream == n] - (end - s.count)
        for n, (s, end) in enumerate(zip(order.options.streams, ends, strict=True))
    ]


@settings(max_examples=300, deadline=None)
@given(mixes(), st.integers(0, 10))
def test_every_stream_comes_exactly_as_often_as_promised(options: MixOptions, epoch: int) -> None:
    order = MixOrder(options, epoch)
    assert order.draws == draws_of(options)
    for stream, drawn, ids in zip(options.streams, order.draws, by_stream(order), strict=True):
        times = np.bincount(ids, minlength=stream.count)
        assert times.sum() == drawn
        assert set(times) <= {drawn // stream.count, -(-drawn // stream.count)}


@settings(max_examples=200, deadline=None)
@given(mixes(), st.integers(0, 10))
def test_a_position_does_not_depend_on_what_is_asked_with_it(options: MixOptions, epoch: int) -> None:
    ids = whole(MixOrder(options, epoch))
    asked = np.random.default_rng(len(ids)).permutation(len(ids))[:60]
    assert np.array_equal(MixOrder(options, epoch).sample_ids(asked), ids[asked])


@settings(max_examples=200, deadline=None)
@given(mixes(), st.integers(0, 10))
def test_an_unshuffled_stream_goes_on_in_its_own_order(options: MixOptions, epoch: int) -> None:
    order = MixOrder(options, epoch)
    for stream, drawn, ids in zip(options.streams, order.draws, by_stream(order), strict=True):
        if not stream.shuffle:
            assert np.array_equal(ids, (epoch * drawn + np.arange(drawn)) % stream.count)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 60), st.integers(1, 150), st.booleans(), st.integers(0, 20), st.integers(1, 12))
def test_over_many_epochs_every_sample_is_drawn_equally_often(
    count: int, drawn: int, shuffle: bool, block_samples: int, epochs: int
) -> None:
    stream = Stream(count, shuffle, block_samples)
    ids = [Passes(stream, drawn, epoch, 5, "x").sample_ids(np.arange(drawn)) for epoch in range(epochs)]
    times = np.bincount(np.concatenate(ids), minlength=count)
    assert times.max() - times.min() <= 1


def test_an_epoch_chooses_others_than_the_last_while_there_are_any() -> None:
    options = MixOptions((Stream(100), Stream(50)), (25, 20), "choose")
    epochs = [by_stream(MixOrder(options, epoch)) for epoch in range(4)]
    assert sorted(np.concatenate([ids[0] for ids in epochs])) == list(range(100))
    assert len(np.unique(np.concatenate([ids[1] for ids in epochs[:2]]))) == 40


def test_each_pass_over_a_stream_has_an_order_of_its_own() -> None:
    ids = Passes(Stream(1000), 3500, 2, 0, "x").sample_ids(np.arange(3500))
    passes = ids[:3000].reshape(3, 1000)
    assert (np.sort(passes) == np.arange(1000)).all()
    assert all((passes[one] == passes[other]).mean() < 0.01 for one, other in [(0, 1), (1, 2), (0, 2)])
    next_epoch = Passes(Stream(1000), 3500, 3, 0, "x").sample_ids(np.arange(3500))
    assert (ids == next_epoch).mean() < 0.01


def test_two_streams_alike_are_drawn_in_unlike_orders() -> None:
    first, second = by_stream(MixOrder(MixOptions((Stream(1000), Stream(1000)), (1, 1), "repeat"), 0))
    assert (first == second).mean() < 0.01


@pytest.mark.parametrize(
    ("options", "draws"),
    [
        pytest.param(
            MixOptions((Stream(100), Stream(50)), (1, 1)),
            (50, 50),
            id="by proportion until the first stream runs out",
        ),
        pytest.param(
            MixOptions((Stream(100), Stream(50)), (0.9, 0.1)),
            (100, 11),
            id="by proportion, of what is left over the largest remainder gets one",
        ),
        pytest.param(
            MixOptions((Stream(100), Stream(50)), (3, 1), epoch_samples=1000),
            (750, 250),
            id="by proportion, for as long as asked, which takes several passes",
        ),
        pytest.param(
            MixOptions((Stream(10), Stream(10), Stream(10)), (0.1, 0.2, 0.7), epoch_samples=10),
            (1, 2, 7),
            id="a tenth is a tenth, not the nearest binary number",
        ),
        pytest.param(
            MixOptions((Stream(10), Stream(10), Stream(10)), (1, 1, 1), epoch_samples=10),
            (4, 3, 3),
            id="of equal remainders the first stream's goes first",
        ),
        pytest.param(
            MixOptions((Stream(10), Stream(0)), (1, 0)), (10, 0), id="a stream without a share may be without samples"
        ),
        pytest.param(
            MixOptions((Stream(10), Stream(7)), (Fraction(1, 3), 2.5), "repeat"),
            (3, 18),
            id="repeated a third of a time, two and a half times",
        ),
        pytest.param(MixOptions((Stream(10), Stream(0)), (2, 2), "repeat"), (20, 0), id="nothing repeated is nothing"),
        pytest.param(MixOptions((Stream(10), Stream(7)), (3, 9), "choose"), (3, 9), id="more chosen than there are"),
        pytest.param(
            MixOptions((Stream(100), Stream(100)), (100, 5), "choose", batches="one", batch_samples=32),
            (96, 32),
            id="whole batches, as many as fit, at least one",
        ),
        pytest.param(MixOptions((Stream(10),), (0,), "choose"), (0,), id="nothing chosen is an epoch of nothing"),
        pytest.param(MixOptions((), ()), (), id="no streams are an epoch of nothing"),
    ],
)
def test_how_much_an_epoch_draws(options: MixOptions, draws: tuple[int, ...]) -> None:
    order = MixOrder(options, 4)
    assert order.draws == draws
    assert order.count == sum(draws) == len(whole(order))


def test_a_mix_by_proportion_repeats_nothing_by_default() -> None:
    options = MixOptions((Stream(97), Stream(31), Stream(260)), (0.35, 0.07, 0.58))
    draws = draws_of(options)
    assert all(drawn <= stream.count for drawn, stream in zip(draws, options.streams, strict=True))
    assert any(drawn == stream.count for drawn, stream in zip(draws, options.streams, strict=True))


def away_from_share(streams: Ids, draws: list[int]) -> float:
    """Tell how many draws any stream is ahead or behind of its share at most, after any number of positions."""
    seen = np.arange(1, len(streams) + 1)
    return max(
        (float(np.abs(np.cumsum(streams == n) - seen * drawn / len(streams)).max()) for n, drawn in enumerate(draws)),
        default=0.0,
    )


@settings(max_examples=300, deadline=None)
@given(DRAWS)
@example([1])
@example([0, 5, 0])
@example([1000, 1, 1, 1000, 999])
def test_interleaved_streams_stay_by_their_shares(draws: list[int]) -> None:
    spread = interleave(draws)
    streams, numbers = spread.locate(np.arange(sum(draws)))
    for stream, drawn in enumerate(draws):
        assert np.array_equal(numbers[streams == stream], np.arange(drawn))
    if sum(draws):
        assert away_from_share(streams, draws) <= spread.drift + 1e-9


@given(st.lists(st.integers(1, 10**9), min_size=2, max_size=4))
@example([1, 10**9, 10**9, 10**9])
def test_up_to_four_streams_stay_within_one_of_their_shares(draws: list[int]) -> None:
    assert interleave(draws).drift <= 1


SIZES = st.integers(1, 10**6) | st.integers(0, 40).map(lambda power: 2**power)


@given(st.lists(SIZES, min_size=5, max_size=40))
@example([3**power for power in range(30)])
def test_more_streams_stay_within_two_of_their_shares(draws: list[int]) -> None:
    assert interleave(draws).drift < 2


def test_many_streams_of_one_size_stay_within_one_of_their_shares() -> None:
    for count in range(2, 33):
        assert interleave([1000] * count).drift <= 1, count


def test_a_mix_as_long_as_any_is_known_at_its_end() -> None:
    draws = [2**60 + 1, 2**61 + 3, 12345]
    spread, end = interleave(draws), sum(draws)
    streams, numbers = spread.locate(np.arange(end - 300_000, end))
    for stream in (0, 1):
        assert np.array_equal(np.diff(numbers[streams == stream]), np.ones((streams == stream).sum() - 1))
        assert numbers[streams == stream][-1] == draws[stream] - 1


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 2000), min_size=2, max_size=6), st.booleans(), st.integers(0, 5))
def test_a_random_schedule_has_all_shares_in_every_stretch(draws: list[int], shuffle: bool, epoch: int) -> None:
    options = MixOptions(tuple(Stream(drawn, shuffle) for drawn in draws), tuple(draws), "choose")
    streams, _ = MixOrder(options, epoch).locate(np.arange(sum(draws)))
    ends = np.arange(128, sum(draws) + 1, 128)
    for stream, drawn in enumerate(draws):
        seen = np.cumsum(streams == stream)[ends - 1]
        assert np.all(np.abs(seen - ends * drawn / sum(draws)) < 2)


def test_a_random_schedule_follows_no_pattern_within_a_stretch() -> None:
    options = MixOptions((Stream(128_000), Stream(128_000)), (1, 1))
    streams, _ = MixOrder(options, 0).locate(np.arange(256_000))
    assert (
        abs(np.corrcoef(streams[:-1], streams[1:])[0, 1] + 1 / 127) < 0.01
    )  # a stretch of equal halves leans by 1/127
    by_place = streams.reshape(-1, 128).mean(axis=0)
    assert abs(by_place - 0.5).max() < 0.05
    other, _ = MixOrder(options, 1).locate(np.arange(256_000))
    assert abs(np.corrcoef(streams, other)[0, 1]) < 0.01


def test_consecutive_streams_follow_each_other() -> None:
    options = MixOptions(
        (Stream(5, False), Stream(3, False), Stream(4, False)), (5, 0, 4), "choose", schedule="consecutive"
    )
    assert whole(MixOrder(options, 0)).tolist() == [0, 1, 2, 3, 4, 8, 9, 10, 11]


@settings(max_examples=200, deadline=None)
@given(mixes().filter(lambda options: options.batches == "one"), st.integers(0, 5))
def test_a_batch_is_of_one_stream(options: MixOptions, epoch: int) -> None:
    order = MixOrder(options, epoch)
    streams, _ = order.locate(np.arange(order.count))
    batches = streams.reshape(-1, options.batch_samples)
    assert (batches == batches[:, :1]).all()


# Never to change: a state saved by one version, on one machine, is gone on from by others.
@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (
            MixOptions((Stream(1000), Stream(10**6)), (0.3, 0.7)),
            [325, 620123, 841, 101270, 763, 300550, 984, 226698, 824707, 897],
        ),
        (
            MixOptions(
                (Stream(1000, block_samples=10), Stream(37), Stream(400, shuffle=False)),
                (1.5, 3, 0.5),
                "repeat",
                schedule="interleaved",
                seed=-1,
            ),
            [719, 1248, 714, 717, 715, 712, 713, 1003, 718, 318],
        ),
        (
            MixOptions(
                (Stream(1000, shuffle=False), Stream(370)), (160, 480), "choose", batches="one", batch_samples=4
            ),
            [1128, 1022, 1355, 1161, 1104, 1210, 1084, 1033, 1202, 1318],
        ),
    ],
)
def test_a_mix_stays_what_it_is(options: MixOptions, ids: list[int]) -> None:
    assert MixOrder(options, 3).sample_ids(np.arange(100, 110)).tolist() == ids


STREAM = Stream(10)


@pytest.mark.parametrize(
    ("named", "wrong"),
    [
        pytest.param("proportion=", {"amounts": (1, 2)}, id="more amounts than streams"),
        pytest.param("proportion[0]=", {"amounts": (-1,)}, id="less than nothing"),
        pytest.param("proportion[0]=", {"amounts": (float("nan"),)}, id="not a number"),
        pytest.param("proportion[0]=", {"amounts": (float("inf"),)}, id="without end"),
        pytest.param("choose[0]=", {"amounts": (1.5,), "mode": "choose"}, id="half a sample"),
        pytest.param("proportion[0]=", {"streams": (Stream(0),), "amounts": (1,)}, id="a share of an empty stream"),
        pytest.param("mode=", {"amounts": (1,), "mode": "all"}, id="an unknown mode"),
        pytest.param("schedule=", {"amounts": (1,), "schedule": "shuffled"}, id="an unknown schedule"),
        pytest.param("batches=", {"amounts": (1,), "batches": "two"}, id="an unknown kind of batches"),
        pytest.param("batch_samples=", {"amounts": (1,), "batches": "one"}, id="batches of one stream, of no length"),
        pytest.param("batch_samples=", {"amounts": (1,), "batch_samples": 8}, id="a length that nothing heeds"),
        pytest.param("epoch_samples=", {"amounts": (1,), "epoch_samples": -1}, id="an epoch of less than nothing"),
        pytest.param("epoch_samples=", {"amounts": (1,), "mode": "repeat", "epoch_samples": 5}, id="two lengths"),
    ],
)
def test_options_that_mean_nothing_are_refused(named: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument) as refused:
        MixOptions(**{"streams": (STREAM,), **wrong})
    assert str(refused.value).startswith(named)


def test_an_epoch_beyond_all_numbers_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="samples in an epoch at most"):
        MixOrder(MixOptions((STREAM,), (2**63,), "choose"), 0)


@pytest.mark.parametrize("wrong", [{"count": -1}, {"count": 1, "block_samples": -1}])
def test_a_stream_of_less_than_nothing_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InvalidArgument, match="=-1"):
        Stream(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("position", [-1, 10])
def test_a_position_out_of_range_is_refused(position: int) -> None:
    with pytest.raises(IndexError, match=f"{position} of 10"):
        MixOrder(MixOptions((STREAM,), (1,)), 0).sample_ids(np.array([position]))


def test_a_mix_crosses_processes() -> None:
    order = MixOrder(MixOptions((Stream(100), Stream(30, shuffle=False)), (1, 1)), 2)
    assert np.array_equal(whole(pickle.loads(pickle.dumps(order))), whole(order))
