"""Lay numbers over object names, so that the middle between two of them is computable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from dataflux_core._plan.characters import common_prefix
from dataflux_core._plan.symbols import DOUBLINGS, SEPARATOR, WEIGHT

if TYPE_CHECKING:
    from dataflux_core._plan.symbols import Symbols

WIDTH = 1 << 512  # numbers between two bounds: more than the places looked at can tell apart
_FINE_PLACES = 10  # behind where the names of a page begin to differ


class Model(Protocol):
    """What is known of a namespace."""

    def after(self, parent: str, depth: int, within: str) -> Symbols:
        """Return what may follow `within`, the beginning of a component in `parent`."""


class _Walk:
    """Goes through a name symbol by symbol, knowing what may come next."""

    __slots__ = ("_depth", "_model", "_parent", "_within", "symbols")

    def __init__(self, model: Model, prefix: str) -> None:
        self._model = model
        start = prefix.rfind(SEPARATOR) + 1
        self._parent, self._within = prefix[:start], prefix[start:]
        self._depth = prefix.count(SEPARATOR)
        self.symbols: Symbols = model.after(self._parent, self._depth, self._within)

    def take(self, symbol: str) -> None:
        self._within += symbol
        if symbol[-1] == SEPARATOR:
            self._parent += self._within
            self._within = ""
            self._depth += 1
        self.symbols = self._model.after(self._parent, self._depth, self._within)


@dataclass(frozen=True, slots=True)
class Frame:
    """The names between two bounds as whole numbers: `bottom` stands for the lower bound, `top` for the upper.

    Of the room that a beginning of names has, each symbol that may follow it gets an equal share, so numbers are dense
    where names are. Between two symbols there is no room: whatever lies there has the number at which the next begins.
    """

    model: Model
    shared: str  # all names between the bounds begin with it
    fine: int  # so many characters of a name are looked at
    bottom: int
    top: int

    @classmethod
    def between(cls, model: Model, low: str, high: str | None, *, fine: str) -> Frame:
        """Lay numbers over the names from `low` to `high`, fine enough to tell `low` from `fine`.

        `high` of None means the last name there can be.
        """
        shared = common_prefix(low, high) if high is not None else ""
        whole = cls(model, shared, len(common_prefix(low, fine)) + _FINE_PLACES, 0, WIDTH)
        top = WIDTH if high is None else whole.number(high)
        return cls(model, shared, whole.fine, whole.number(low), top)

    @property
    def last_known(self) -> int:
        """Return the number from which on names begin with what was never seen; of other scripts all may come."""
        symbols = _Walk(self.model, self.shared).symbols
        if not symbols.symbols[-1].isascii():
            return WIDTH
        known = len(symbols.symbols) if symbols.above else len(symbols.symbols) - 1
        return WIDTH // symbols.weight * (1 + WEIGHT * known)

    def number(self, name: str) -> int:
        """Return the number of `name`, which must begin with what the bounds share."""
        walk = _Walk(self.model, self.shared)
        position, stop = len(self.shared), min(len(name), self.fine)
        number, width = 0, WIDTH
        while position < stop and width > 1:
            width //= walk.symbols.weight
            rank, symbol = walk.symbols.find(name, position)
            if not symbol:
                number += (1 + WEIGHT * rank) * width
                if rank < len(walk.symbols.symbols) or not walk.symbols.above:
                    return number
                return number + walk.symbols.above * width * walk.symbols.doublings(name, position) // DOUBLINGS
            number += (1 + WEIGHT * (rank - 1)) * width
            width *= WEIGHT
            position += len(symbol)
            walk.take(symbol)
        return number

    def name(self, number: int, *, slack: int) -> str:
        """Return the shortest text whose number is at most `slack` below `number`: short cuts meet boundaries."""
        walk = _Walk(self.model, self.shared)
        text = self.shared
        rest, width = number, WIDTH
        while len(text) < self.fine and width > 1:
            symbols = walk.symbols
            width //= symbols.weight
            rest -= width
            if rest < 0:
                break
            known = width * WEIGHT * len(symbols.symbols)
            if rest >= known:
                doublings = (rest - known) * DOUBLINGS // (width * max(1, symbols.above))
                return text + symbols.beyond(min(doublings, DOUBLINGS - 1))
            rank, rest = divmod(rest, width * WEIGHT)
            symbol = symbols.symbols[rank]
            text += symbol
            if rest <= slack or (symbols.are_words and symbol[-1] != SEPARATOR):
                break
            width *= WEIGHT
            walk.take(symbol)
        return text
