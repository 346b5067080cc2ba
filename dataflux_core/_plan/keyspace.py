"""Place cuts between object names, on alphabets learned from the names seen."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

DIGITS = "0123456789"
HEX = "0123456789abcdef"
LOWER = "abcdefghijklmnopqrstuvwxyz"
UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PLACES = 12  # characters that take part in one interpolation: 10^12 positions even where all are digits
_LAST_CHARACTER = "\U0010fffd"


def common_prefix(first: str, last: str) -> str:
    """Return what two names begin with; of sorted names, the first and last share what all of them share."""
    for offset, (character, other) in enumerate(zip(first, last, strict=False)):
        if character != other:
            return first[:offset]
    return min(first, last, key=len)


def successor_of_prefix(prefix: str) -> str | None:
    """Return the smallest safe string above every name that starts with `prefix`; None where there is none.

    Safe strings hold no control characters, surrogates or noncharacters: they travel in a query.
    """
    while prefix:
        following = _safe_after(ord(prefix[-1]))
        if following is not None:
            return prefix[:-1] + following
        prefix = prefix[:-1]
    return None


def _safe_after(code: int) -> str | None:
    code += 1
    while code <= ord(_LAST_CHARACTER) and not _is_safe(code):
        code = 0xE000 if 0xD800 <= code <= 0xDFFF else code + 1  # noqa: PLR2004 - the surrogates
    return chr(code) if code <= ord(_LAST_CHARACTER) else None


def _is_safe(code: int) -> bool:
    if code < 0x20 or 0x7F <= code < 0xA0:  # noqa: PLR2004 - C0 and C1 controls, DEL
        return False
    if 0xD800 <= code <= 0xDFFF or 0xFDD0 <= code <= 0xFDEF:  # noqa: PLR2004 - surrogates, noncharacters
        return False
    return code & 0xFFFE != 0xFFFE  # noqa: PLR2004 - the last two of each plane are noncharacters


class KeySpace:
    """The characters that names hold at each offset: what makes the middle of two names computable.

    A name between two bounds is read as a number whose digits are its characters' ranks in the alphabet of their
    offset. A few names betray a whole alphabet: where one digit was seen, all ten may come.
    """

    def __init__(self) -> None:
        self._seen: dict[int, set[str]] = {}
        self._alphabets: dict[int, str] = {}

    def learn(self, names: Sequence[str]) -> None:
        """Take in the characters of some names of one page, where they begin to differ."""
        offset = len(common_prefix(min(names), max(names)))
        for name in names:
            for place, character in enumerate(name[offset : offset + _PLACES], offset):
                self._seen.setdefault(place, set()).add(character)
        self._alphabets.clear()

    def alphabet(self, offset: int) -> str:
        """Return the characters to be expected at `offset`, in order; never empty."""
        known = self._alphabets.get(offset)
        if known is None:
            known = self._alphabets[offset] = _extended(self._seen.get(offset, set())) or DIGITS + LOWER
        return known

    def fraction(self, low: str, name: str, high: str | None) -> float:
        """Return how far `name` stands from `low` (0) to `high` (1)."""
        offset = len(common_prefix(low, high)) if high is not None else 0
        bottom = self._number(low, offset)
        top = self._number(high, offset) if high is not None else self._scale(offset)
        if top <= bottom:
            return 0.0
        return min(1.0, max(0.0, (self._number(name, offset) - bottom) / (top - bottom)))

    def cuts(self, low: str, high: str | None, count: int) -> list[str]:
        """Return up to `count` strings strictly between the bounds, evenly spread over the numbers between them."""
        offset = len(common_prefix(low, high)) if high is not None else 0
        bottom = self._number(low, offset)
        top = self._number(high, offset) if high is not None else self._scale(offset)
        shared = low[:offset]
        found: list[str] = []
        for piece in range(1, count + 1):
            place = bottom + (top - bottom) * piece // (count + 1)
            cut = shared + self._shortest(place, max(bottom, place - (top - bottom) // (4 * (count + 1))), offset)
            if cut > (found[-1] if found else low) and (high is None or cut < high):
                found.append(cut)
        return found

    def _number(self, text: str, offset: int) -> int:
        number = 0
        known = True
        for place in range(offset, offset + _PLACES):
            alphabet = self.alphabet(place)
            number *= len(alphabet) + 1
            if known and place < len(text):
                rank = bisect_left(alphabet, text[place])
                number += rank + 1
                # An unknown character stands where the next known one begins, whatever follows it: order is kept.
                known = rank < len(alphabet) and alphabet[rank] == text[place]
        return number

    def _scale(self, offset: int) -> int:
        scale = 1
        for place in range(offset, offset + _PLACES):
            scale *= len(self.alphabet(place)) + 1
        return scale

    def _shortest(self, number: int, least: int, offset: int) -> str:
        """Return the text of `number`, cut off as soon as it stands for at least `least`: short cuts are readable."""
        scale = self._scale(offset)
        text = ""
        reached = 0
        for place in range(offset, offset + _PLACES):
            alphabet = self.alphabet(place)
            scale //= len(alphabet) + 1
            rank, number = divmod(number, scale)
            if rank == 0:
                break
            text += alphabet[rank - 1]
            reached += rank * scale
            if reached >= least:
                break
        return text


def _extended(seen: set[str]) -> str:
    """Add to the characters seen those that belong with them; drop what must not stand in a cut."""
    characters = {character for character in seen if _is_safe(ord(character))}
    digits = not characters.isdisjoint(DIGITS)
    if digits:
        characters.update(DIGITS)
    for letters in (LOWER, UPPER):
        found = characters.intersection(letters)
        if digits and found and found <= set("abcdefABCDEF"):
            characters.update(letters[:6])
        elif len(found) > 1:
            characters.update(letters)
    return "".join(sorted(characters))
