"""Tell which characters may stand in a name that is made up."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

DIGITS = "0123456789"
_LETTERS = ("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_LAST_CODE = 0x10FFFD
_BLOCK = 256  # characters farther apart need have nothing to do with each other
_STEPS = 16  # from one to the next


def is_safe(character: str) -> bool:
    """Tell whether a character may be sent in a name that no object need have."""
    code = ord(character)
    if code < 0x20 or 0x7F <= code < 0xA0:  # noqa: PLR2004 - C0 and C1 controls, DEL
        return False
    if 0xD800 <= code <= 0xDFFF or 0xFDD0 <= code <= 0xFDEF:  # noqa: PLR2004 - surrogates, noncharacters
        return False
    return code & 0xFFFE != 0xFFFE  # noqa: PLR2004 - the last two of each plane are noncharacters


def are_safe(text: str) -> bool:
    """Tell whether all characters of a text may be sent so: those that can be printed may, which is quick to see."""
    return text.isprintable() or all(map(is_safe, text))


def alphabet_of(characters: Iterable[str]) -> str:
    """Put characters in order, without those that are not safe."""
    alphabet = "".join(sorted(characters))
    return alphabet if alphabet.isprintable() else "".join(filter(is_safe, alphabet))


def next_safe(character: str) -> str:
    """Return the first safe character above `character`, the last of all where there is none."""
    code = ord(character) + 1
    while code < _LAST_CODE and not is_safe(chr(code)):
        code += 1
    return chr(min(code, _LAST_CODE))


def with_kin(seen: Iterable[str]) -> set[str]:
    """Add the characters that are likely to come where these were seen: all digits with one, all letters with two.

    Other scripts have no classes known here: some of the characters that lie between those seen.
    """
    characters = set(seen)
    if not characters.isdisjoint(DIGITS):
        characters.update(DIGITS)
    for letters in _LETTERS:
        if len(characters.intersection(letters)) > 1 and not _is_hexadecimal(characters):
            characters.update(letters)
    others = sorted(ord(character) for character in characters if not character.isascii())
    for low, high in pairwise(others):
        if 1 < high - low <= _BLOCK:
            characters.update(map(chr, range(low, high, max(1, (high - low) // _STEPS))))
    return characters


def common_prefix(first: str, last: str) -> str:
    """Return what two names begin with; of sorted names, the first and last share what all of them share."""
    low, high = 0, min(len(first), len(last))
    while low < high:  # by halves: names may share a thousand characters
        middle = (low + high + 1) // 2
        if first[low:middle] == last[low:middle]:
            low = middle
        else:
            high = middle - 1
    return first[:low]


def _is_hexadecimal(characters: set[str]) -> bool:
    letters = {character for character in characters if character.isascii() and character.isalpha()}
    return not characters.isdisjoint(DIGITS) and letters.issubset("abcdefABCDEF")
