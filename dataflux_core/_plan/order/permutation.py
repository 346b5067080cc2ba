"""Permute a range of any length by a key, each place on its own, in constant memory."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Keys = NDArray[np.uint64] | np.uint64  # one for each place, or one for all

MAX_COUNT = 2**62  # sides of the grid stay within 32 bits, so that their products stay within 64
# With six rounds where two neighbours go together still depends on where they stood, with eight nothing was seen any
# more (2·10^6 keys, 65 to 257 places). A small grid draws few numbers a round: of seven elements every permutation is
# as likely as any other from about 20 rounds on (chi-square over 400,000 keys).
_ROUNDS = 10
_ROUNDS_OF_SMALL = 32
_SMALL = 64
_CHUNK = 8192  # places at once: what a round works on stays in the processor's cache
_WORD = 2**64 - 1
# The increment and the finaliser of SplitMix64: https://doi.org/10.1145/2714064.2660195, constants of its section 5
# as improved by D. Stafford ("mix13").
_STEP = 0x9E3779B97F4A7C15
_MULTIPLIERS = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)
_HALF, _LOW_HALF = np.uint64(32), np.uint64(2**32 - 1)


def key_of(seed: int, epoch: int, salt: str) -> np.uint64:
    """Derive the key of what `salt` names in an epoch; any integers do."""
    digest = hashlib.sha256(f"{salt}/{int(seed)}/{int(epoch)}".encode()).digest()
    return np.uint64(int.from_bytes(digest[:8], "little"))


def keys_of(key: Keys, numbers: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Derive a key for each number: (n,) numbers, the key or (n,) keys -> (n,) keys."""
    words = numbers.astype(np.uint64)
    words *= np.uint64(_STEP)
    words += key
    _mix(words, np.empty_like(words))
    return words


@dataclass(frozen=True, slots=True)
class Permutations:
    """Every permutation of [0, count) that a key names.

    The range is laid out as a grid just large enough. A round moves each row of it along by a number drawn for the
    row, the next one each column: a Feistel network that adds in place of exclusive-or. What comes out beyond the
    range goes in again until it lies within ("cycle walking"). One side is even, or else no odd permutation could
    come.
    """

    count: int
    _columns: int = field(init=False, repr=False)
    _rows: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MAX_COUNT:
            raise InvalidArgument("count", str(self.count), f"1 to {MAX_COUNT}")
        least = 2 * math.ceil(math.isqrt(self.count) / 2)
        # Of 64 nearly square grids the one with the fewest places beyond the range, which would have to walk.
        widths = range(max(2, least), min(2 * least, least + 126) + 1, 2)
        columns = min(widths, key=lambda width: -self.count % width)
        object.__setattr__(self, "_columns", columns)
        object.__setattr__(self, "_rows", -(-self.count // columns))

    def at(self, positions: NDArray[np.int64], keys: Keys) -> NDArray[np.int64]:
        """Give what stands at each position: (n,) in, (n,) out. Raises IndexError where one is out of range."""
        return self._walk(positions, keys, back=False)

    def position_of(self, ids: NDArray[np.int64], keys: Keys) -> NDArray[np.int64]:
        """Give the position at which each stands: the inverse of `at`."""
        return self._walk(ids, keys, back=True)

    def _walk(self, places: NDArray[np.int64], keys: Keys, *, back: bool) -> NDArray[np.int64]:
        check_range(places, self.count)
        found = np.empty(len(places), np.uint64)
        for begin in range(0, len(places), _CHUNK):
            part = slice(begin, begin + _CHUNK)
            of_part = keys[part] if isinstance(keys, np.ndarray) else keys
            values = places[part].astype(np.uint64)
            self._cross(values, of_part, back=back)
            while (beyond := np.flatnonzero(values >= self.count)).size:
                again = values[beyond]
                self._cross(again, of_part[beyond] if isinstance(of_part, np.ndarray) else of_part, back=back)
                values[beyond] = again
            found[part] = values
        return found.view(np.int64)

    def _cross(self, values: NDArray[np.uint64], keys: Keys, *, back: bool) -> None:
        """Take all rounds once, in place."""
        width = np.uint64(self._columns)
        rows = values // width
        columns = values
        columns -= rows * width
        sides = (rows, columns), (columns, rows)
        lengths = np.uint64(self._rows), width
        drawn, room = np.empty_like(values), np.empty_like(values)
        rounds = _ROUNDS_OF_SMALL if self.count <= _SMALL else _ROUNDS
        for number in reversed(range(rounds)) if back else range(rounds):
            (moved, by), length = sides[number % 2], lengths[number % 2]
            np.add(by, _round_key(keys, number), out=drawn)
            _mix(drawn, room)
            _scale(drawn, length, room)
            if back:
                np.subtract(length, drawn, out=drawn)
            moved += drawn
            np.subtract(moved, length, out=room)
            np.minimum(moved, room, out=moved)  # what was less has become huge
        rows *= width
        values += rows


@dataclass(frozen=True, slots=True)
class Permutation:
    """One permutation of [0, count): a function of the count and the key, on every platform and for ever."""

    count: int
    key: int
    _all: Permutations = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.key <= _WORD:
            raise InvalidArgument("key", str(self.key), "an integer of 64 bits, as key_of gives")
        object.__setattr__(self, "_all", Permutations(self.count))

    def at(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give what stands at each position: (n,) in, (n,) out. Raises IndexError where one is out of range."""
        return self._all.at(positions, np.uint64(self.key))

    def position_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the position at which each stands: the inverse of `at`."""
        return self._all.position_of(ids, np.uint64(self.key))


def check_range(places: NDArray[np.int64], count: int) -> None:
    """Raise IndexError where a place lies outside [0, count)."""
    if not len(places):
        return
    least, most = int(places.min()), int(places.max())
    if least < 0 or most >= count:
        wrong = least if least < 0 else most
        raise IndexError(f"{wrong} of {count}: expected 0 to {count - 1}; positions count from the epoch's beginning")


def _round_key(keys: Keys, number: int) -> Keys:
    """Set the draws of rounds far apart: the steps of two rounds differ by more than a side is long."""
    step = number * _STEP & _WORD
    if isinstance(keys, np.ndarray):
        return keys + np.uint64(step)
    return np.uint64((int(keys) + step) & _WORD)  # numpy warns where single numbers wrap


def _mix(words: NDArray[np.uint64], room: NDArray[np.uint64]) -> None:
    """Let every bit depend on every other, in place."""
    np.right_shift(words, _SHIFTS[0], out=room)
    words ^= room
    words *= _MULTIPLIERS[0]
    np.right_shift(words, _SHIFTS[1], out=room)
    words ^= room
    words *= _MULTIPLIERS[1]
    np.right_shift(words, _SHIFTS[2], out=room)
    words ^= room


def _scale(words: NDArray[np.uint64], length: np.uint64, room: NDArray[np.uint64]) -> None:
    """Bring words of 64 bits evenly into [0, length), in place: the upper word of their product with it."""
    np.bitwise_and(words, _LOW_HALF, out=room)
    room *= length
    room >>= _HALF
    words >>= _HALF
    words *= length
    words += room
    words >>= _HALF
