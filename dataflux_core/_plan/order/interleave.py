"""Spread draws from several streams evenly, so that the one at each position is known without those before it."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

_CANDIDATES = 12  # nodes with most room to spare, of which the two to be joined are sought
_HALF, _LOW_HALF, _ROUND_UP = np.uint64(32), np.uint64(2**32 - 1), np.uint64(2**31)


@dataclass(frozen=True, slots=True, eq=False)
class Interleaving:
    """A tree whose leaves are the streams; each node hands on its draws to two others in the ratio of their sizes.

    Of a node's first c draws, c times its left child's share go left, rounded to the nearest. So a child is at most
    half a draw from its part of what its parent has. A parent's own distance from its share is handed on in
    proportion, which the tree is built to keep small: `drift` tells the most that a stream can be ahead or behind.
    """

    draws: tuple[int, ...]  # of each stream
    drift: float  # draws
    _shares: NDArray[np.uint64] = field(repr=False)  # of a node's draws those that go left, in 2^-64; 0 at a leaf
    # (nodes, 2): the streams come first, then the inner nodes, the root last.
    _children: NDArray[np.int64] = field(repr=False)

    def locate(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Tell whose draw each position is, the how manieth of its stream: (n,) -> (n,) streams, (n,) numbers."""
        nodes = np.full(len(positions), len(self._children) - 1)
        numbers = positions.astype(np.uint64)
        places = np.flatnonzero(nodes >= len(self.draws))
        while places.size:
            at, before = nodes[places], numbers[places]
            left, goes_left = _split(before, self._shares[at])
            numbers[places] = np.where(goes_left, left, before - left)
            reached = self._children[at, np.where(goes_left, 0, 1)]
            nodes[places] = reached
            places = places[reached >= len(self.draws)]
        return nodes, numbers.view(np.int64)


@dataclass(frozen=True, slots=True)
class _Node:
    number: int
    draws: int
    room: float  # the most that this node may be ahead or behind of its share, per draw, less half a draw
    parts: tuple[_Node, ...] = ()


def interleave(draws: Sequence[int]) -> Interleaving:
    """Plan to spread so many draws of each stream; streams without any are never come to.

    Up to four streams stay within one draw of their shares, any number within two: a node of a Huffman tree hands on
    at most half of its drift to those two levels below. The other tree is the better one unless there are many sizes
    that differ by orders of magnitude.
    """
    trees = [_grow(draws, pair) for pair in (_roomiest, _smallest)]
    inner = min(trees, key=_drift_of)
    root = max((number for number, drawn in enumerate(draws) if drawn), default=0)
    children = np.zeros((len(draws) + len(inner) if inner else root + 1, 2), np.int64)
    shares = np.zeros(len(children), np.uint64)
    for node in inner:
        left, right = node.parts
        children[node.number] = left.number, right.number
        shares[node.number] = (left.draws << 64) // node.draws
    return Interleaving(tuple(draws), _drift_of(inner), shares, children)


def _grow(draws: Sequence[int], pair: Callable[[list[_Node]], tuple[_Node, _Node]]) -> list[_Node]:
    """Join two nodes after another until one is left; return the joined ones, the root last."""
    nodes = [_Node(number, count, 1 / count) for number, count in enumerate(draws) if count]
    inner: list[_Node] = []
    while len(nodes) > 1:
        left, right = pair(nodes)
        inner.append(_Node(len(draws) + len(inner), left.draws + right.draws, _room(left, right), (left, right)))
        nodes = [node for node in nodes if node is not left and node is not right]
        nodes.append(inner[-1])
    return inner


def _roomiest(nodes: list[_Node]) -> tuple[_Node, _Node]:
    """Choose the two that leave their parent the most room."""
    candidates = sorted(nodes, key=lambda node: -node.room)[:_CANDIDATES]
    return max(combinations(candidates, 2), key=lambda pair: _room(*pair))


def _smallest(nodes: list[_Node]) -> tuple[_Node, _Node]:
    """Choose the two with the fewest draws, as Huffman does."""
    left, right = sorted(nodes, key=lambda node: node.draws)[:2]
    return left, right


def _room(left: _Node, right: _Node) -> float:
    return min(left.room, right.room) - 1 / (left.draws + right.draws)


def _drift_of(inner: list[_Node]) -> float:
    """Follow the distance from a node's share from the root, which has none, down to the leaves."""
    drifts = {inner[-1].number: 0.0} if inner else {}
    for node in reversed(inner):
        own = drifts[node.number]
        drifts.update((part.number, 0.5 + own * part.draws / node.draws) for part in node.parts)
    return max(drifts.values(), default=0.0)


def _split(counts: NDArray[np.uint64], shares: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Multiply counts by shares, rounded to the nearest; tell whether one draw more would go left.

    The product has 128 bits, numpy's numbers have 64: it is put together from halves.
    """
    low, high = counts & _LOW_HALF, counts >> _HALF
    share_low, share_high = shares & _LOW_HALF, shares >> _HALF
    lowest = low * share_low
    middle = high * share_low + (lowest >> _HALF)
    carried = low * share_high + (middle & _LOW_HALF) + _ROUND_UP
    left = high * share_high + (middle >> _HALF) + (carried >> _HALF)
    fraction = (carried << _HALF) | (lowest & _LOW_HALF)
    return left, fraction + shares < fraction  # the sum has wrapped: it is more than one
