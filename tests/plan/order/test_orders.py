"""The order of an epoch: each sample once, at a position that arithmetic tells."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dataflux_core._plan.order.blocks import BlockPermutations
from dataflux_core._plan.order.deal import Deal
from dataflux_core._plan.order.orders import NodeAffine, Order, OrderOptions, order_of
from dataflux_core._plan.order.permutation import MAX_COUNT, key_of
from dataflux_core.errors import InvalidArgument

Ids = NDArray[np.int64]
DEALS = st.builds(
    Deal,
    world=st.sampled_from([1, 2, 4, 6, 8]),
    workers=st.just(1),
    chunk=st.integers(1, 7),
    tail=st.sampled_from(["pad", "drop", "uneven"]),
)


@st.composite
def options(draw: st.DrawFn) -> OrderOptions:
    deal = draw(DEALS)
    divisors = [ranks for ranks in range(1, deal.world + 1) if deal.world % ranks == 0]
    return OrderOptions(
        count=draw(st.integers(0, 700)),
        seed=draw(st.integers()),
        shuffle=draw(st.booleans()),
        block_samples=draw(st.integers(0, 40)),
        ranks_per_node=draw(st.sampled_from([0, *divisors])),
        deal=deal,
    )


def whole(order: Order) -> Ids:
    return order.sample_ids(np.arange(order.count))


def dealt_to_nodes(options: OrderOptions, ids: Ids) -> list[set[int]]:
    """Give what each node's ranks are dealt, without the repeats that fill the last round."""
    deal, nodes = options.deal, options.deal.world // options.ranks_per_node
    shares: list[set[int]] = [set() for _ in range(nodes)]
    for rank in range(deal.world):
        rows = np.arange(deal.rank_rows(options.count, rank))
        indexes = deal.indexes(options.count, rank, 0, rows)
        shares[rank // options.ranks_per_node].update(ids[indexes[indexes < options.count]].tolist())
    return shares


@settings(max_examples=300, deadline=None)
@given(options(), st.integers(0, 10))
@example(OrderOptions(5, deal=Deal(world=4, chunk=3, tail="drop"), ranks_per_node=2), 0)
@example(OrderOptions(3, block_samples=10), 0)
def test_every_sample_comes_once(options: OrderOptions, epoch: int) -> None:
    assert np.array_equal(np.sort(whole(order_of(options, epoch))), np.arange(options.count))


@settings(max_examples=100, deadline=None)
@given(options(), st.integers(0, 10))
def test_a_position_does_not_depend_on_what_is_asked_with_it(options: OrderOptions, epoch: int) -> None:
    ids = whole(order_of(options, epoch))
    asked = np.random.default_rng(options.count).permutation(options.count)[:50]
    assert np.array_equal(order_of(options, epoch).sample_ids(asked), ids[asked])


@given(st.integers(0, MAX_COUNT), st.integers(), st.integers(0))
def test_unshuffled_samples_keep_their_order(count: int, seed: int, epoch: int) -> None:
    order = order_of(OrderOptions(count, seed, shuffle=False, block_samples=10), epoch)
    positions = np.arange(max(0, count - 10), count)
    assert np.array_equal(order.sample_ids(positions), positions)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(OrderOptions(1000), id="shuffled"),
        pytest.param(OrderOptions(1000, block_samples=16), id="in blocks"),
        pytest.param(OrderOptions(1000, ranks_per_node=2, deal=Deal(world=8)), id="by nodes"),
    ],
)
def test_each_epoch_and_each_seed_has_an_order_of_its_own(options: OrderOptions) -> None:
    other_seed = OrderOptions(options.count, 1, True, options.block_samples, options.ranks_per_node, options.deal)
    orders = [whole(order_of(options, 0)), whole(order_of(options, 1)), whole(order_of(other_seed, 0))]
    for one in range(3):
        for other in range(one):
            assert (orders[one] == orders[other]).mean() < 0.02
    assert np.array_equal(orders[0], whole(order_of(options, 0)))


@pytest.mark.parametrize("deal", [Deal(world=2), Deal(world=16, workers=8, chunk=32, tail="drop")])
def test_without_nodes_the_order_does_not_depend_on_who_shares_it(deal: Deal) -> None:
    for block_samples in 0, 10:
        alone = whole(order_of(OrderOptions(1000, 3, block_samples=block_samples), 5))
        assert np.array_equal(whole(order_of(OrderOptions(1000, 3, block_samples=block_samples, deal=deal), 5)), alone)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 2000), st.integers(1, 60), st.integers(0, 20))
@example(60, 60, 0)
@example(61, 60, 0)
@example(59, 60, 0)
def test_a_block_comes_in_one_piece(count: int, block_samples: int, epoch: int) -> None:
    blocks = whole(order_of(OrderOptions(count, block_samples=block_samples), epoch)) // block_samples
    pieces = 1 + np.count_nonzero(np.diff(blocks))
    assert pieces == -(-count // block_samples)


def test_the_short_block_comes_anywhere_among_the_others() -> None:
    places = [
        int(whole(order_of(OrderOptions(95, block_samples=10), epoch)).tolist().index(94)) for epoch in range(600)
    ]
    seen = np.bincount(np.array(places) // 10, minlength=10)
    assert seen.min() > 30
    assert seen.max() < 95


def test_each_block_is_permuted_in_a_way_of_its_own() -> None:
    count, block_samples = 6000, 6
    ids = whole(order_of(OrderOptions(count, block_samples=block_samples), 0)).reshape(-1, block_samples)
    _, seen = np.unique(ids % block_samples, axis=0, return_counts=True)
    assert len(seen) > 720 * (1 - math.exp(-1000 / 720)) - 60  # of 720 ways; luck finds 540 of them
    assert seen.max() < 9


@pytest.mark.parametrize("ranks_per_node", [0, 2])
@pytest.mark.parametrize("block_samples", [0, 1, 64, 1000, 99_999, 10**6])
def test_a_long_request_has_every_sample_once(block_samples: int, ranks_per_node: int) -> None:
    options = OrderOptions(100_003, 1, True, block_samples, ranks_per_node, Deal(world=8, chunk=32))
    assert np.array_equal(np.sort(whole(order_of(options, 0))), np.arange(100_003))


def test_a_billion_samples_in_blocks_are_told_apart_at_both_ends() -> None:
    order = order_of(OrderOptions(10**9 + 7, block_samples=1000), 3)
    positions = np.concatenate([np.arange(5000), np.arange(order.count - 5000, order.count)])
    ids = order.sample_ids(positions)
    assert len(np.unique(ids)) == len(ids)
    assert len(np.unique(ids // 1000)) in range(10, 13)


@settings(max_examples=200, deadline=None)
@given(options().filter(lambda options: options.ranks_per_node > 0 and options.shuffle))
@example(OrderOptions(29, deal=Deal(world=4, chunk=3, tail="uneven"), ranks_per_node=2))
@example(OrderOptions(5, deal=Deal(world=8, tail="drop"), ranks_per_node=2))
def test_a_node_is_dealt_the_same_share_in_every_epoch(options: OrderOptions) -> None:
    orders = [order_of(options, epoch) for epoch in range(3)]
    shares = [dealt_to_nodes(options, whole(order)) for order in orders]
    if options.deal.tail != "drop":
        assert shares[0] == shares[1] == shares[2]
        return
    # What is dealt to nobody is of the last node's share: other samples of it in each epoch.
    assert shares[0][:-1] == shares[1][:-1] == shares[2][:-1]
    left = options.count % (options.deal.world * options.deal.chunk) % options.deal.world
    assert len(shares[0][-1] | shares[1][-1]) <= len(shares[0][-1]) + left


def test_a_node_sees_its_share_in_an_order_of_its_own_each_epoch() -> None:
    options = OrderOptions(4000, ranks_per_node=4, deal=Deal(world=8, chunk=5))
    first, second = (whole(order_of(options, epoch)) for epoch in (0, 1))
    assert set(first[:20]) != set(second[:20])
    assert (first == second).mean() < 0.01
    halves = dealt_to_nodes(options, first)
    assert all(abs(np.mean(list(half)) - 2000) < 150 for half in halves)  # a share is of samples from everywhere


def test_one_node_is_all_nodes() -> None:
    alone = order_of(OrderOptions(100), 0)
    assert np.array_equal(whole(order_of(OrderOptions(100, ranks_per_node=8, deal=Deal(world=8)), 0)), whole(alone))


# Never to change: a state saved by one version, on one machine, is gone on from by others.
@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (OrderOptions(10**9), [190666793, 650348844, 201606697, 863037153, 781795421, 578771277, 749567922, 619172153]),
        (
            OrderOptions(10**9 + 7, seed=-5, block_samples=300),
            [323456861, 323456778, 323456807, 323456777, 323456927, 323456820, 323456917, 323456920],
        ),
        (OrderOptions(1003, ranks_per_node=2, deal=Deal(world=8, chunk=4)), [978, 767, 668, 792, 959, 408, 805, 630]),
        (
            OrderOptions(1003, seed=2**70, block_samples=7, ranks_per_node=1, deal=Deal(world=2, tail="drop")),
            [324, 87, 674, 645, 673, 546, 677, 547],
        ),
    ],
)
def test_an_order_stays_what_it_is(options: OrderOptions, ids: list[int]) -> None:
    assert order_of(options, 3).sample_ids(np.arange(500, 508)).tolist() == ids


@pytest.mark.parametrize("position", [-1, 100])
@pytest.mark.parametrize(
    "options",
    [
        pytest.param(OrderOptions(100), id="shuffled"),
        pytest.param(OrderOptions(100, shuffle=False), id="unshuffled"),
        pytest.param(OrderOptions(100, block_samples=7), id="in blocks"),
        pytest.param(OrderOptions(100, ranks_per_node=1, deal=Deal(world=2)), id="by nodes"),
    ],
)
def test_a_position_out_of_range_is_refused(options: OrderOptions, position: int) -> None:
    with pytest.raises(IndexError, match=f"{position} of 100"):
        order_of(options, 0).sample_ids(np.array([position]))


@pytest.mark.parametrize(
    ("named", "wrong"),
    [
        pytest.param("count", {"count": -1}, id="fewer samples than none"),
        pytest.param("block_samples", {"count": 1, "block_samples": -1}, id="a block of less than nothing"),
        pytest.param("ranks_per_node", {"count": 1, "ranks_per_node": 3}, id="a node of more ranks than there are"),
        pytest.param(
            "ranks_per_node", {"count": 1, "ranks_per_node": 3, "deal": Deal(world=8)}, id="nodes of unlike size"
        ),
    ],
)
def test_options_that_mean_nothing_are_refused(named: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match=f"{named}="):
        OrderOptions(**wrong)


def test_blocks_of_nothing_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="block_samples=0"):
        BlockPermutations(10, 0)
    with pytest.raises(InvalidArgument, match="ranks_per_node=0"):
        NodeAffine(OrderOptions(10), 0)


def test_a_key_for_each_position_gives_what_each_key_gives() -> None:
    blocks = BlockPermutations(47, 10)
    keys = np.array([key_of(0, number, "test") for number in range(47)])
    together = blocks.at(np.arange(47), keys)
    assert together.tolist() == [blocks.at(np.array([n]), k)[0] for n, k in enumerate(keys)]


@settings(max_examples=30, deadline=None)
@given(options())
def test_an_order_crosses_processes(options: OrderOptions) -> None:
    order = order_of(options, 1)
    assert np.array_equal(whole(pickle.loads(pickle.dumps(order))), whole(order))
