"""Place cuts between object names, on alphabets learned from the names seen."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

DIGITS = "0123456789"
LOWER = "abcdefghijklmnopqrstuvwxyz"
UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_VARYING_PLACES = 8  # behind where two names differ: 10^8 numbers between them even where all are digits
_DOUBLINGS = 12  # a script's characters mostly lie within 4096 of each other
_LEARNED_PLACES = 24  # behind the offset at which the names of a page begin to differ
_STEPS = 16  # between two characters seen of a script
_LAST_ASCII = 0x7F
_LAST_CODE = 0x10FFFD


def common_prefix(first: str, last: str) -> str:
    """Return what two names begin with; of sorted names, the first and last share what all of them share."""
    for offset, (character, other) in enumerate(zip(first, last, strict=False)):
        if character != other:
            return first[:offset]
    return min(first, last, key=len)


def _safe_from(code: int) -> str:
    """Return the first character from `code` on that may stand in a cut, the last of all where there is none."""
    while code < _LAST_CODE and not _is_safe(code):
        code += 1
    return chr(min(code, _LAST_CODE))


def _is_safe(code: int) -> bool:
    if code < 0x20 or 0x7F <= code < 0xA0:  # noqa: PLR2004 - C0 and C1 controls, DEL
        return False
    if 0xD800 <= code <= 0xDFFF or 0xFDD0 <= code <= 0xFDEF:  # noqa: PLR2004 - surrogates, noncharacters
        return False
    return code & 0xFFFE != 0xFFFE  # noqa: PLR2004 - the last two of each plane are noncharacters


@dataclass(frozen=True, slots=True)
class Frame:
    """The names between two bounds as whole numbers: `bottom` stands for the lower bound, `top` for the upper.

    A name's characters behind what the bounds share are digits, each the character's rank in the alphabet of its
    place; rank 0 is the end of the name. Names outside the alphabets take no room, so the numbers are dense where
    names are.
    """

    shared: str
    alphabets: tuple[str, ...]
    bottom: int
    top: int

    @property
    def unknown(self) -> int:
        """Return the number from which on names begin with the last character of the alphabet or a higher one."""
        scale = math.prod(len(alphabet) + 1 for alphabet in self.alphabets)
        return scale // (len(self.alphabets[0]) + 1) * len(self.alphabets[0])

    def number(self, name: str) -> int:
        """Return the number of `name`, which must begin with what the bounds share."""
        return _number(name[len(self.shared) :], self.alphabets)

    def name(self, number: int, *, slack: int) -> str:
        """Return the shortest text whose number is at most `slack` below `number`: short cuts meet boundaries."""
        scale = math.prod(len(alphabet) + 1 for alphabet in self.alphabets)
        text = ""
        rest = number
        for alphabet in self.alphabets:
            scale //= len(alphabet) + 1
            rank, rest = divmod(rest, scale)
            if rank == 0:
                break
            text += alphabet[min(rank, len(alphabet)) - 1]
            if rest <= slack:
                break
        return self.shared + text


class KeySpace:
    """The characters that names hold at each offset: what makes the middle between two names computable.

    A few names betray a whole alphabet: where one digit was seen, all ten may come. Offsets behind the one at which
    the names of a page begin to differ have run through their characters; there, what was seen is all there is.
    """

    def __init__(self) -> None:
        self._seen: dict[int, set[str]] = {}
        self._complete: set[int] = set()
        self._alphabets: dict[int, str] = {}

    def learn(self, names: Sequence[str]) -> None:
        """Take in the characters of some names of one page, given in order."""
        offset = len(common_prefix(names[0], names[-1]))
        places = range(offset, offset + _LEARNED_PLACES)
        for place, character in enumerate(names[0][:offset]):
            self._seen.setdefault(place, set()).add(character)
        for name in names:
            for place, character in zip(places, name[offset:], strict=False):
                self._seen.setdefault(place, set()).add(character)
        self._complete.update(place for place in places[1:] if place in self._seen)
        self._alphabets.clear()

    def frame(self, low: str, high: str | None, *, fine: str) -> Frame:
        """Lay numbers over the names from `low` to `high`, fine enough to tell `low` from `fine`.

        `high` of None means the last name there can be.
        """
        shared = common_prefix(low, high) if high is not None else ""
        alphabets = self._alphabets_between(len(shared), len(common_prefix(low, fine)))
        scale = math.prod(len(alphabet) + 1 for alphabet in alphabets)
        top = scale if high is None else _number(high[len(shared) :], alphabets)
        return Frame(shared, alphabets, _number(low[len(shared) :], alphabets), top)

    def _alphabets_between(self, offset: int, fine_offset: int) -> tuple[str, ...]:
        """Return the alphabets from `offset` on, as many as tell names apart behind `fine_offset`."""
        alphabets: list[str] = []
        varying = 0
        last = max(self._seen, default=0)
        while varying < _VARYING_PLACES and offset <= last:
            alphabet = self._alphabet(offset)
            varying += len(alphabet) > 1 and offset >= fine_offset
            alphabets.append(alphabet)
            offset += 1
        return tuple(alphabets) or (DIGITS,)

    def _alphabet(self, offset: int) -> str:
        known = self._alphabets.get(offset)
        if known is None:
            characters = {character for character in self._seen.get(offset, ()) if _is_safe(ord(character))}
            if offset not in self._complete:
                characters = self._with_kin(characters)
            known = self._alphabets[offset] = "".join(sorted(characters)) or DIGITS
        return known

    def _with_kin(self, seen: set[str]) -> set[str]:
        """Add to the characters seen at an offset those that are likely to come with them.

        They are the alphabet of a complete offset that has them all; their class in ASCII; one place above all of
        them for whatever else there is. Other scripts have no classes known here: there, some places between those
        seen, others at doubling distances above.
        """
        alike = [self._seen[place] for place in self._complete if self._seen[place] >= seen]
        characters = seen | max(alike, key=len, default=set())
        if not characters.isdisjoint(DIGITS):
            characters.update(DIGITS)
        for letters in (LOWER, UPPER):
            if len(characters.intersection(letters)) > 1 and not _is_hexadecimal(characters):
                characters.update(letters)
        codes = sorted(map(ord, characters)) or [ord("0")]
        others = [code for code in codes if code > _LAST_ASCII]
        expected = {*codes, codes[-1] + 1}
        expected.update(others[-1] + (1 << power) for power in range(_DOUBLINGS) if others)
        for low, high in pairwise(others):
            expected.update(range(low, high, max(1, (high - low) // _STEPS)))
        return {_safe_from(code) for code in expected}


def _number(text: str, alphabets: Sequence[str]) -> int:
    number = 0
    known = True
    for place, alphabet in enumerate(alphabets):
        number *= len(alphabet) + 1
        if known and place < len(text):
            rank = bisect_left(alphabet, text[place])
            number += rank + 1
            # An unknown character stands where the next known one begins, whatever follows it: order is kept.
            known = rank < len(alphabet) and alphabet[rank] == text[place]
    return number


def _is_hexadecimal(characters: set[str]) -> bool:
    letters = {character for character in characters if character.isascii() and character.isalpha()}
    return not characters.isdisjoint(DIGITS) and letters.issubset("abcdefABCDEF")
