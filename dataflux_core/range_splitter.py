"""Split a range of names evenly over an alphabet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["RangeSplitter", "new_rangesplitter"]


class RangeSplitter:
    """Cuts between names that are read as numbers whose digits are an alphabet's characters.

    Characters of the ranges it is asked to split join the alphabet for good.
    """

    def __init__(self, alphabet: str) -> None:
        if not alphabet:
            raise InvalidArgument("alphabet", repr(alphabet), "at least one character")
        self.sorted_alphabet: Sequence[str] = sorted(set(alphabet))

    def split_range(self, start_range: str, end_range: str, num_splits: int) -> Sequence[str]:
        """Return up to `num_splits` ascending strings strictly between the bounds; an empty end is no bound.

        [] where nothing lies between, as from "p" to "p0". Raises InvalidArgument where `num_splits` is below 1.
        """
        if num_splits < 1:
            raise InvalidArgument("num_splits", repr(num_splits), "a whole number of at least 1")
        if end_range and start_range >= end_range:
            return []
        self.sorted_alphabet = sorted({*self.sorted_alphabet, *start_range, *end_range})
        if len(self.sorted_alphabet) == 1 or self._equal_when_padded(start_range, end_range):
            return []
        length = max(1, len(start_range), len(end_range))
        while self._number(end_range, length, top=True) - self._number(start_range, length) <= num_splits:
            length += 1
        low, high = self._number(start_range, length), self._number(end_range, length, top=True)
        places = (low + (high - low) * split // (num_splits + 1) for split in range(1, num_splits + 1))
        return [self._text(place, length) for place in places]

    def _equal_when_padded(self, start: str, end: str) -> bool:
        lowest = self.sorted_alphabet[0]
        return bool(end) and start.rstrip(lowest) == end.rstrip(lowest)

    def _number(self, text: str, length: int, *, top: bool = False) -> int:
        padding = self.sorted_alphabet[-1 if top and not text else 0]
        ranks = {character: rank for rank, character in enumerate(self.sorted_alphabet)}
        number = 0
        for character in text.ljust(length, padding):
            number = number * len(ranks) + ranks[character]
        return number

    def _text(self, number: int, length: int) -> str:
        characters: list[str] = []
        for _ in range(length):
            number, rank = divmod(number, len(self.sorted_alphabet))
            characters.append(self.sorted_alphabet[rank])
        return "".join(reversed(characters))


def new_rangesplitter(alphabet: str) -> RangeSplitter:
    """Make a splitter for names over `alphabet`; raises InvalidArgument where that is empty."""
    return RangeSplitter(alphabet)
