"""A permutation by a key: one to one, the same for ever, as good as luck."""

from __future__ import annotations

import math
import pickle
from bisect import bisect_left

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dataflux_core._plan.order.permutation import MAX_COUNT, Permutation, Permutations, key_of, keys_of
from dataflux_core.errors import InvalidArgument

KEYS = st.integers(0, 2**64 - 1)
KEYS_TRIED = 200_000
SIGMAS = 4.5  # luck goes further once in 150,000 tries, and these keys are always the same


def whole(count: int, key: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return Permutation(count, key).at(np.arange(count))


def key(number: int) -> int:
    return int(key_of(7, number, "test"))


def keys(number: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return keys_of(key_of(7, 0, "test"), np.arange(number))


def excess(counts: np.ndarray[tuple[int], np.dtype[np.int64]], cells: int) -> float:
    """Tell by how many sigmas chi-square is above what luck gives, all cells being equally likely."""
    expected = counts.sum() / cells
    chi_square = ((counts - expected) ** 2).sum() / expected + (cells - len(counts)) * expected
    return float((chi_square - (cells - 1)) / math.sqrt(2 * (cells - 1)))


def test_every_count_up_to_3000_is_permuted_one_to_one() -> None:
    for count in range(1, 3001):
        assert np.array_equal(np.sort(whole(count, key(count))), np.arange(count)), count


@pytest.mark.parametrize("count", [10**5 + 3, 2**17, 10**6])
def test_a_large_count_is_permuted_one_to_one(count: int) -> None:
    assert np.array_equal(np.sort(whole(count, key(count))), np.arange(count))


@settings(max_examples=200, deadline=None)
@given(st.integers(1, MAX_COUNT), KEYS, st.lists(st.floats(0, 1, exclude_max=True), max_size=20))
@example(MAX_COUNT, 0, [0.0, 0.5])
@example(MAX_COUNT - 1, 2**64 - 1, [0.0, 0.999])
def test_the_inverse_leads_back(count: int, a_key: int, shares: list[float]) -> None:
    places = np.array([min(int(share * count), count - 1) for share in shares] + [0, count - 1], np.int64)
    permutation = Permutation(count, a_key)
    ids = permutation.at(places)
    assert ids.min() >= 0
    assert ids.max() < count
    assert np.array_equal(permutation.position_of(ids), places)
    assert np.array_equal(permutation.at(permutation.position_of(places)), places)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 10**5), KEYS, st.lists(st.integers(0, 10**6), max_size=50))
def test_a_place_does_not_depend_on_the_places_asked_with_it(count: int, a_key: int, places: list[int]) -> None:
    asked = np.array([place % count for place in places], np.int64)
    permutation = Permutation(count, a_key)
    one_by_one = [int(permutation.at(np.array([place]))[0]) for place in asked]
    assert permutation.at(asked).tolist() == one_by_one


def test_a_long_request_is_answered_as_its_parts_are() -> None:
    count = 10**9 + 7
    places = np.arange(50_000) * 19_993
    permutation = Permutation(count, key(1))
    parts = np.concatenate([permutation.at(part) for part in np.array_split(places, 13)])
    assert np.array_equal(permutation.at(places), parts)


def test_a_key_for_each_place_gives_what_each_key_gives() -> None:
    for count in (1, 5, 64, 65, 1000, 10**12):
        places = np.arange(300) % count
        by_place = keys(300)
        together = Permutations(count).at(places, by_place)
        alone = [Permutation(count, int(k)).at(places[n : n + 1])[0] for n, k in enumerate(by_place)]
        assert together.tolist() == alone
        assert np.array_equal(Permutations(count).position_of(together, by_place), places)


# Never to change: a state saved by one version, on one machine, is gone on from by others.
@pytest.mark.parametrize(
    ("count", "a_key", "ids"),
    [
        (1, 0, [0]),
        (2, 1, [1, 0]),
        (3, 12_345, [0, 2, 1]),
        (5, 18_446_744_073_709_551_615, [0, 2, 3, 1, 4]),
        (64, 42, [26, 57, 5, 60, 53, 10]),
        (65, 42, [34, 23, 18, 50, 7, 47]),
        (1_000, 81_985_529_216_486_895, [316, 338, 897, 248, 869, 825]),
        (1_000_003, 1, [507593, 515627, 98311, 673011, 995486, 445525]),
        (1_000_000_000, 9_223_372_036_854_775_808, [807145599, 57161258, 677517517, 602529017, 959542835, 718200691]),
        (
            9_007_199_254_740_993,
            99,
            [5719903795904923, 8088260270285640, 122228185161951, 3147971801471425, 4642496030327489, 4624328531503963],
        ),
        (
            4_611_686_018_427_387_904,
            18_446_744_073_709_551_615,
            [
                2086979466820902052,
                1968820419875414414,
                4072047698037824249,
                1438538588484299472,
                3450202932841696301,
                525105351167137736,
            ],
        ),
    ],
)
def test_the_permutation_stays_what_it_is(count: int, a_key: int, ids: list[int]) -> None:
    assert Permutation(count, a_key).at(np.arange(min(count, 6))).tolist() == ids


@pytest.mark.parametrize(
    ("seed", "epoch", "salt", "expected"),
    [
        (0, 0, "samples", 536_499_555_209_227_569),
        (0, 1, "samples", 17_294_282_368_395_426_588),
        (1, 0, "samples", 12_303_329_944_273_952_748),
        (-1, 0, "samples", 755_330_441_030_960_782),
        (2**200, 1_000_000, "stream 3", 10_192_146_682_293_651_270),
        (0, 0, "", 320_853_469_904_450_471),
    ],
)
def test_the_key_stays_what_it_is(seed: int, epoch: int, salt: str, expected: int) -> None:
    assert int(key_of(seed, epoch, salt)) == expected


@given(
    st.lists(st.tuples(st.integers(), st.integers(0), st.sampled_from(["a", "b"])), min_size=2, max_size=2, unique=True)
)
def test_seeds_epochs_and_salts_all_tell_keys_apart(named: list[tuple[int, int, str]]) -> None:
    assert key_of(*named[0]) != key_of(*named[1])


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6])
def test_every_permutation_of_a_few_is_equally_likely(count: int) -> None:
    together = np.zeros(KEYS_TRIED, np.int64)
    for place in range(count):
        together = together * count + Permutations(count).at(np.full(KEYS_TRIED, place), keys(KEYS_TRIED))
    _, seen = np.unique(together, return_counts=True)
    assert abs(excess(seen, math.factorial(count))) < SIGMAS


@pytest.mark.parametrize("count", [7, 13, 40, 65, 100, 101])
def test_where_two_places_go_together_does_not_depend_on_where_they_are(count: int) -> None:
    # Places that share a row or a column of the grid are the ones that too few rounds leave together.
    side = Permutations(count)._columns
    for first, second in (0, 1), (0, side), (0, side + 1), (count - 2, count - 1):
        ids = [
            Permutations(count).at(np.full(KEYS_TRIED, place % count), keys(KEYS_TRIED)) for place in (first, second)
        ]
        seen = np.bincount(ids[0] * count + ids[1], minlength=count**2)
        assert seen[:: count + 1].sum() == 0
        assert abs(excess(seen[seen > 0], count * (count - 1))) < SIGMAS


@pytest.mark.parametrize("count", [10_007, 100_000])
def test_any_stretch_of_positions_brings_ids_from_everywhere(count: int) -> None:
    ids = whole(count, key(1))
    for stretch in np.array_split(ids, 10):
        assert abs(excess(np.bincount(stretch * 20 // count, minlength=20), 20)) < SIGMAS


@pytest.mark.parametrize("lag", [1, 2, 3, 7, 64, 100, 316, 317, 1000])
def test_ids_at_a_distance_are_not_correlated(lag: int) -> None:
    count = 100_000
    ids = whole(count, key(2)).astype(float)
    assert abs(np.corrcoef(ids[:-lag], ids[lag:])[0, 1]) < SIGMAS / math.sqrt(count)


def test_as_many_samples_stay_where_they_are_as_luck_leaves_there() -> None:
    for count in (10, 50, 200, 1000):
        every = np.arange(count)
        fixed = [int((whole(count, int(a_key)) == every).sum()) for a_key in keys(1500)]
        seen = np.bincount(np.minimum(fixed, 4), minlength=5)
        poisson = np.array([math.exp(-1) / math.factorial(number) for number in range(4)])
        expected = len(fixed) * np.append(poisson, 1 - poisson.sum())
        assert ((seen - expected) ** 2 / expected).sum() < 23.5, count  # once in 10,000 times at 4 degrees of freedom


def test_runs_upwards_are_as_many_and_as_long_as_luck_makes_them() -> None:
    count = 100_000
    for number in range(10):
        ids = whole(count, key(number))
        rises = np.diff(ids) > 0
        assert abs(int(rises.sum()) - (count - 1) / 2) < SIGMAS * math.sqrt((count + 1) / 12)
        falls = np.flatnonzero(~rises)
        assert 6 <= np.diff(falls).max() <= 12  # the longest run of 100,000 is of 8 or 9


def test_the_longest_rising_selection_is_about_twice_the_square_root() -> None:
    count = 100_000
    tops: list[int] = []  # patience sorting
    for sample in whole(count, key(3)).tolist():
        place = bisect_left(tops, sample)
        tops[place : place + 1] = [sample]
    assert 0.95 < len(tops) / (2 * math.sqrt(count)) < 1.02


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param((0, 0), (0, 1), id="an epoch and the next"),
        pytest.param((0, 1), (1, 0), id="an epoch and a seed that are swapped"),
        pytest.param((0, 0), (1, 0), id="a seed and the next"),
        pytest.param((-1, 0), (1, 0), id="a seed and its negative"),
        pytest.param((5, 0), (5 + 2**64, 0), id="seeds that agree in 64 bits"),
    ],
)
def test_two_epochs_have_nothing_to_do_with_each_other(one: tuple[int, int], other: tuple[int, int]) -> None:
    count = 100_000
    ids, others = (whole(count, int(key_of(seed, epoch, "samples"))) for seed, epoch in (one, other))
    assert (ids == others).sum() < 10
    assert abs(np.corrcoef(ids, others)[0, 1]) < SIGMAS / math.sqrt(count)
    # Nor does one follow from the other: steps between samples that were neighbours are as any others.
    again = np.empty(count, np.int64)
    again[ids] = others
    assert abs(np.corrcoef(again[:-1], again[1:])[0, 1]) < SIGMAS / math.sqrt(count)
    cells = (ids * 20 // count) * 20 + others * 20 // count
    assert abs(excess(np.bincount(cells, minlength=400), 400)) < SIGMAS


@pytest.mark.parametrize("bit", range(64))
def test_each_bit_of_the_key_moves_everything(bit: int) -> None:
    count = 2**16
    ids, others = whole(count, key(4)), whole(count, key(4) ^ (1 << bit))
    assert (ids == others).sum() < 12
    for place in range(16):  # each bit of the place found changes half the time
        changed = int(((ids ^ others) >> place & 1).sum())
        assert abs(changed - count / 2) < SIGMAS * math.sqrt(count) / 2


@pytest.mark.parametrize("count", [0, -1, MAX_COUNT + 1])
def test_a_count_that_cannot_be_permuted_is_refused(count: int) -> None:
    with pytest.raises(InvalidArgument, match="count="):
        Permutation(count, 0)


@pytest.mark.parametrize("a_key", [-1, 2**64])
def test_a_key_of_more_bits_is_refused(a_key: int) -> None:
    with pytest.raises(InvalidArgument, match="key_of"):
        Permutation(10, a_key)


@pytest.mark.parametrize("place", [-1, 10, 2**62])
def test_a_place_out_of_range_is_refused(place: int) -> None:
    with pytest.raises(IndexError, match=f"{place} of 10"):
        Permutation(10, 0).at(np.array([3, place]))
    with pytest.raises(IndexError, match=f"{place} of 10"):
        Permutation(10, 0).position_of(np.array([place, 3]))


def test_what_is_asked_is_left_as_it_was() -> None:
    places = np.arange(100)
    Permutation(100, key(5)).at(places)
    assert np.array_equal(places, np.arange(100))


def test_nothing_asked_is_nothing_found() -> None:
    assert len(Permutation(10, 0).at(np.array([], np.int64))) == 0


def test_a_permutation_crosses_processes() -> None:
    permutation = Permutation(1000, key(6))
    copy = pickle.loads(pickle.dumps(permutation))
    assert copy == permutation
    assert np.array_equal(copy.at(np.arange(1000)), permutation.at(np.arange(1000)))
