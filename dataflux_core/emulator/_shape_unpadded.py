"""Order numbers without padding, as a listing does: 1, 10, 100, 1000, 1001."""

from __future__ import annotations

import re
from bisect import bisect_left

NAME = re.compile("object-(0|[1-9][0-9]*)")
PREFIX = "object-"


class Unpadded:
    """The numbers 0 to count - 1 in the order of their digits."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._longest = len(str(max(count - 1, 0)))

    def names(self, start: int, stop: int) -> list[str]:
        stop = min(stop, self.count)
        if start >= stop:
            return []
        number = self._number_at(start)
        numbers = [number]
        for _ in range(stop - start - 1):
            number = self._next(number)
            numbers.append(number)
        return [PREFIX + text for text in map(str, numbers)]

    def rank(self, name: str) -> int:
        known = NAME.fullmatch(name)
        if known and (number := int(known[1])) < self.count:
            return self._position(number)
        if not name.startswith(PREFIX):
            return 0 if name < PREFIX else self.count
        return bisect_left(range(self.count), name, key=lambda position: f"{PREFIX}{self._number_at(position)}")

    def holds(self, name: str) -> bool:
        known = NAME.fullmatch(name)
        return known is not None and int(known[1]) < self.count

    def _position(self, number: int) -> int:
        """Count the numbers whose digits come first: zero, then those of each length."""
        if number == 0:
            return 0
        digits = len(str(number))
        before = 1
        for length in range(1, self._longest + 1):
            first = 10 ** (length - 1)
            if length < digits:
                before += number // 10 ** (digits - length) - first + 1
            else:
                before += min(number * 10 ** (length - digits), self.count) - first
        return before

    def _next(self, number: int) -> int:
        if number and number * 10 < self.count:
            return number * 10
        while number % 10 == 9 or number + 1 >= self.count:  # noqa: PLR2004 - the last digit
            number //= 10
        return number + 1

    def _below(self, number: int) -> int:
        """Count the numbers that begin with the digits of this one, itself included."""
        if number == 0:
            return 1
        total, low, high = 0, number, number + 1
        while low < self.count:
            total += min(high, self.count) - low
            low, high = low * 10, high * 10
        return total

    def _number_at(self, position: int) -> int:
        number = 0
        while True:
            size = self._below(number)
            if position < size:
                if position == 0:
                    return number
                position -= 1
                number *= 10
            else:
                position -= size
                number += 1
