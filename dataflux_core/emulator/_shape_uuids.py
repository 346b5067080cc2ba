"""Spread random identifiers evenly over their key space."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPACE_BITS = 60  # the digits before the version digit of a UUID, then three behind it
MASK = (1 << 64) - 1
GOLDEN, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
GUESS_DIGITS = 15
FEW = 16  # names for which calling numpy takes longer than computing each
WIDTH = 37  # 36 characters, then a line feed to split at


def mix(value: int) -> int:
    """Scramble 64 bits. Source: splitmix64, https://prng.di.unimi.it/splitmix64.c."""
    value = (value + GOLDEN) & MASK
    value = (value ^ value >> 30) * FIRST & MASK
    value = (value ^ value >> 27) * SECOND & MASK
    return value ^ value >> 31


def mix_all(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble many values as `mix` does: (N,) in, (N,) out."""
    values = values + np.uint64(GOLDEN)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(FIRST)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(SECOND)
    return values ^ (values >> np.uint64(31))


class Uuids:
    """Identifiers in order, computed from their positions.

    Position i lies at random within the i-th of `count` equal parts of the key space, so no list is kept: 20 million
    drawn freely would take 160 MB to remember. A page looks the same either way.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._step = (1 << SPACE_BITS) // max(count, 1)

    def names(self, start: int, stop: int) -> list[str]:
        stop = min(stop, self.count)
        if start >= stop:
            return []
        if stop - start <= FEW:
            return [self._name(position) for position in range(start, stop)]
        positions = np.arange(start, stop, dtype=np.uint64)
        scrambled = mix_all(positions)
        values = positions * np.uint64(self._step) + scrambled % np.uint64(self._step)
        rest = mix_all(scrambled) >> np.uint64(4)
        rest = (rest & np.uint64((1 << 58) - 1)) | np.uint64(1 << 59)
        text = np.empty((stop - start, WIDTH), dtype=np.uint8)
        text[:, [8, 13, 18, 23]] = ord("-")
        text[:, 14] = ord("4")
        text[:, 36] = ord("\n")
        high, low = _hex(values), _hex(rest)
        text[:, 0:8], text[:, 9:13], text[:, 15:18] = high[:, 1:9], high[:, 9:13], high[:, 13:16]
        text[:, 19:23], text[:, 24:36] = low[:, 1:5], low[:, 4:16]
        return text.tobytes().decode("ascii").split("\n")[:-1]

    def rank(self, name: str) -> int:
        position = self._find(name)
        return bisect_left(range(self.count), name, key=self._name) if position is None else position

    def holds(self, name: str) -> bool:
        return self._find(name) is not None

    def _find(self, name: str) -> int | None:
        """Read the position off a name, which lies in that part of the key space or is none of ours."""
        digits = name.replace("-", "")
        try:
            guess = int(digits[:12] + digits[13:16], 16) // self._step if len(digits) > GUESS_DIGITS else -1
        except ValueError:
            return None
        for position in (guess, guess + 1):
            if 0 <= position < self.count and self._name(position) == name:
                return position
        return None

    def _name(self, position: int) -> str:
        scrambled = mix(position)
        high = f"{position * self._step + scrambled % self._step:015x}"
        low = f"{mix(scrambled) >> 4 & (1 << 58) - 1 | 1 << 59:015x}"
        return f"{high[:8]}-{high[8:12]}-4{high[12:]}-{low[:4]}-{low[3:]}"


def _hex(values: NDArray[np.uint64]) -> NDArray[np.uint8]:
    digits = values.astype(">u8").tobytes().hex().encode("ascii")
    return np.frombuffer(digits, dtype=np.uint8).reshape(len(values), 16)
