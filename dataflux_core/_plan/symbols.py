"""Learn what object names are made of."""

from __future__ import annotations

import sys
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise, zip_longest
from typing import TYPE_CHECKING

from dataflux_core._plan.characters import DIGITS, alphabet_of, are_safe, common_prefix, next_safe, with_kin

if TYPE_CHECKING:
    from collections.abc import Sequence

SEPARATOR = "/"
WEIGHT = 16  # of a symbol, beside 1 for the end of the name
_LONE_WEIGHT = 2  # of what may lie above a single one: what has been the same in all names will mostly stay so
_MAX_WORDS = 2048  # more different components at one depth are no vocabulary
_MAX_PLACES = 1 << 14  # enough to know the words of a depth
_FAMILIAR = 1.5  # as many places as words there: the words repeat
_MOST = 0.8  # of the words in one parent: those of another depth are expected there too
_LEARNED_PLACES = 48  # of a component, behind where those of a page begin to differ
_NEVER = 1 << 30
DOUBLINGS = 16  # from one character, through its script, to all that are in common use


@dataclass(frozen=True, slots=True)
class Symbols:
    """What may follow some beginning of a name, in order: characters, or whole components with their separators."""

    symbols: Sequence[str]
    above: int  # weight of what may come above the last one

    @property
    def are_words(self) -> bool:
        return not isinstance(self.symbols, str)

    @property
    def weight(self) -> int:
        """Return the weight of all there is, the end of the name included."""
        return 1 + WEIGHT * len(self.symbols) + self.above

    def find(self, text: str, position: int) -> tuple[int, str]:
        """Return how many symbols lie at or below what stands at `position`, with the one that stands there or ""."""
        if not self.are_words:
            character = text[position]
            rank = bisect_right(self.symbols, character)
            return rank, character if rank and self.symbols[rank - 1] == character else ""
        rest = text[position:]
        rank = bisect_right(self.symbols, rest)
        if not rank:
            return 0, ""
        word = self.symbols[rank - 1]
        stands = rest == word or (word.endswith(SEPARATOR) and rest.startswith(word))
        return rank, word if stands else ""

    def beyond(self, doublings: int) -> str:
        """Return a character above all symbols; each doubling leads twice as far."""
        code = ord(self.symbols[-1][0]) + (1 << doublings)
        return next_safe(chr(min(code, sys.maxunicode) - 1))

    def doublings(self, text: str, position: int) -> int:
        """Return how many doublings lead from the symbols to what stands at `position`, which is above them all."""
        far = ord(text[position]) - ord(self.symbols[-1][0])
        return min(max(0, far.bit_length() - 1), DOUBLINGS - 1)


@dataclass(slots=True)
class _Words:
    """The components seen at one depth; a *vocabulary* where they repeat under other parents."""

    seen: set[str] = field(default_factory=set)
    under: dict[str, set[str]] = field(default_factory=dict)  # by parent
    places: int = 0  # different pairs of parent and word
    too_many: bool = False
    _in_order: list[str] = field(default_factory=list)

    def learn(self, parent: str, word: str) -> None:
        if self.too_many or self.places >= _MAX_PLACES:
            return
        known = self.under.setdefault(parent, set())
        if word in known or not are_safe(word):
            return
        known.add(word)
        self.places += 1
        if word not in self.seen:
            self.seen.add(word)
            self._in_order.clear()
        if len(self.seen) > _MAX_WORDS and not self.is_vocabulary:
            self.too_many = True
            self.seen.clear()
            self.under.clear()

    @property
    def is_vocabulary(self) -> bool:
        return not self.too_many and self.places >= _FAMILIAR * len(self.seen) > 0

    def has_most_of(self, words: set[str]) -> bool:
        return len(self.seen & words) > _MOST * len(words)

    @property
    def in_order(self) -> list[str]:
        if not self._in_order:
            self._in_order = sorted(self.seen)
        return self._in_order


@dataclass(slots=True)
class _Place:
    """The characters seen at one offset of the components at one depth."""

    seen: set[str] = field(default_factory=set)
    behind: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # by the character before
    words_behind: Counter[str] = field(default_factory=Counter)

    def learn(self, before: Sequence[str], characters: Sequence[str]) -> None:
        for previous, character in zip(before, characters, strict=False):
            if character:
                self.behind[previous].add(character)
        self.words_behind.update(before)
        self.seen.update(characters)
        self.seen.discard("")

    def learn_one(self, previous: str, character: str) -> None:
        """Learn the character that all words have here."""
        self.behind[previous].add(character)
        self.words_behind[previous] += 1
        self.seen.add(character)

    def after(self, previous: str) -> set[str]:
        """Return the characters seen behind `previous`, or all seen here where that makes no difference.

        It does where far fewer came behind `previous` than would have by chance.
        """
        found = self.behind.get(previous)
        if found is None:
            return self.seen
        size = len(self.seen)
        by_chance = size * (1.0 - (1.0 - 1.0 / size) ** self.words_behind[previous])
        return found if len(found) < by_chance / 2 else self.seen


class NameModel:
    """What is known of a namespace from samples of its names.

    A component is what stands between two "/", with the one behind it; its *depth* is the number of those before.
    Where the components at a depth repeat under several parents, as the months of several years do, they are symbols
    themselves. Elsewhere each character is one, of the alphabet seen at its offset in the component.
    """

    def __init__(self) -> None:
        self._words: dict[int, _Words] = {}
        self._places: dict[int, list[_Place]] = {}
        # By depth, the offset from which on characters have run through all there are. Offsets before it change too
        # slowly for that: where one digit was seen, all ten may come.
        self._complete_from: dict[int, int] = {}
        self._latest = ""  # name whose words were learned
        self._ended: set[int] = set()  # depths at which some parent's last component was seen
        self._vocabularies: dict[tuple[int, str], Symbols | None] = {}
        self._symbols: dict[tuple[int, int, str], Symbols] = {}

    def learn(self, names: Sequence[str], trail: Sequence[str]) -> None:
        """Take in names of one page, in order, with the `trail` of names that its lister saw, these included."""
        self._learn_words(names)
        self._learn_places(names)
        self._learn_completeness(trail)
        self._vocabularies.clear()
        self._symbols.clear()

    def after(self, parent: str, depth: int, within: str) -> Symbols:
        """Return what may follow `within`, the beginning of a component in `parent`."""
        words = self._vocabulary(parent, depth)
        if words is not None:
            if not within:
                return words
            known = words.symbols
            first, last = bisect_left(known, within), bisect_left(known, within + "\U0010ffff")
            endings = [word[len(within) :] for word in known[first:last] if word != within]
            if endings:
                return Symbols(endings, 0)
        return self._characters(depth, len(within), within[-1:])

    def any_after(self, depth: int, offset: int) -> Symbols:
        """Return what may stand at an offset of the components at a depth, whatever lies before, seen or not."""
        places = self._places.get(depth, [])
        seen = places[offset].seen if offset < len(places) else set()
        alphabet = alphabet_of(with_kin(seen)) or DIGITS
        return Symbols(alphabet, _weight_above(alphabet))

    def _learn_words(self, names: Sequence[str]) -> None:
        for name in names:
            # The components before the first difference were learned with the name before.
            start = common_prefix(self._latest, name).rfind(SEPARATOR) + 1
            depth = name.count(SEPARATOR, 0, start)
            self._latest = name
            while start < len(name):
                end = name.find(SEPARATOR, start) + 1 or len(name)
                words = self._words.get(depth)
                if words is None:
                    words = self._words[depth] = _Words()
                if not words.too_many:
                    words.learn(name[:start], name[start:end])
                start, depth = end, depth + 1

    def _learn_places(self, names: Sequence[str]) -> None:
        shared = common_prefix(names[0], names[-1])
        inside = shared.rfind(SEPARATOR) + 1
        for depth, component in enumerate(shared[:inside].split(SEPARATOR)[:-1]):
            self._learn_shared(self._places.setdefault(depth, []), component + SEPARATOR)
        components = [name[inside:].split(SEPARATOR) for name in names]
        for depth in range(max(map(len, components))):
            words = {
                parts[depth] + SEPARATOR if depth + 1 < len(parts) else parts[depth]
                for parts in components
                if depth < len(parts)
            }
            places = self._places.setdefault(shared.count(SEPARATOR) + depth, [])
            alike = common_prefix(min(words), max(words))
            self._learn_shared(places, alike)
            self._learn_columns(places, list(words), len(alike), len(alike) + _LEARNED_PLACES)

    def _learn_shared(self, places: list[_Place], text: str) -> None:
        """Learn what components begin with, where they are all of one depth."""
        while len(places) < len(text):
            places.append(_Place())
        for place, previous, character in zip(places, ("", *text), text, strict=False):
            place.learn_one(previous, character)

    def _learn_columns(self, places: list[_Place], words: list[str], start: int, stop: int) -> None:
        before: Sequence[str] = [word[start - 1 : start] if start else "" for word in words]
        columns = zip_longest(*[word[start:stop] for word in words], fillvalue="")
        for offset, characters in enumerate(columns, start):
            while offset >= len(places):
                places.append(_Place())
            places[offset].learn(before, characters)
            before = characters

    def _learn_completeness(self, trail: Sequence[str]) -> None:
        """Find where characters have run through: behind two changes, something between them was seen whole."""
        changes = [_first_change(*pair) for pair in pairwise(trail)]
        if not changes:
            return
        depths = [name.count(SEPARATOR) for name in trail]
        for depth in range(min(changes)[0], max(depths) + 1):
            at_depth: list[tuple[int, int]] = []
            since: tuple[int, int] | None = None
            known = depths[0] >= depth
            for deepest, change in zip(depths[1:], changes, strict=True):
                since = change if since is None else min(since, change)
                if depth <= deepest:
                    if known:
                        at_depth.append(since)
                    known, since = True, None
            if at_depth and min(at_depth)[0] < depth:
                self._ended.add(depth)
            if len(at_depth) > 1 and (second := sorted(at_depth)[1])[0] <= depth:
                offset = 0 if second[0] < depth else second[1] + 1
                self._complete_from[depth] = min(self._complete_from.get(depth, _NEVER), offset)

    def _vocabulary(self, parent: str, depth: int) -> Symbols | None:
        """Return the words expected in `parent`: those of its depth, or of another one that has all seen in it."""
        key = (depth, parent)
        if key not in self._vocabularies:
            own = self._words.get(depth)
            here = own.under.get(parent, set()) if own is not None else set()
            found = own if own is not None and own.is_vocabulary else None
            if found is None or depth not in self._ended:
                found = self._alike(here) or found
            above = WEIGHT if found is own and depth not in self._ended else 0
            words = [] if found is None else found.in_order if found is own else sorted(found.seen | here)
            self._vocabularies[key] = Symbols(words, above) if words else None
        return self._vocabularies[key]

    def _alike(self, seen: set[str]) -> _Words | None:
        """Return the largest vocabulary that has most of the words seen in a parent, and is known to the end."""
        alike = [
            words
            for depth, words in self._words.items()
            if seen and depth in self._ended and words.is_vocabulary and words.has_most_of(seen)
        ]
        return max(alike, key=lambda words: len(words.seen), default=None)

    def _characters(self, depth: int, offset: int, previous: str) -> Symbols:
        key = (depth, offset, previous)
        known = self._symbols.get(key)
        if known is None:
            places = self._places.get(depth, [])
            characters = places[offset].after(previous) if offset < len(places) else set()
            complete_from = self._complete_from.get(depth, _NEVER)
            if offset < complete_from:
                # As behind it, where characters have run through: hexadecimal digits, for instance.
                alike = (place.seen for place in places[complete_from:] if place.seen >= characters)
                characters = with_kin(characters | next(alike, set()))
            alphabet = alphabet_of(characters) or DIGITS
            above = 0 if offset >= complete_from else _weight_above(alphabet)
            known = self._symbols[key] = Symbols(alphabet, above)
        return known


class Doubting:
    """A model of names that trusts nothing but the characters seen: where names go on that should have ended."""

    def __init__(self, model: NameModel) -> None:
        self._model = model

    def after(self, parent: str, depth: int, within: str) -> Symbols:  # noqa: ARG002 - as a NameModel's
        return self._model.any_after(depth, len(within))


def _weight_above(alphabet: str) -> int:
    """Return the weight of what may lie above characters that need not be all.

    Digits with letters have been filled up to their classes. Of other scripts as much may be to come as has been seen.
    """
    if len(alphabet) == 1:
        return _LONE_WEIGHT
    return WEIGHT if alphabet.isascii() else WEIGHT * len(alphabet)


def _first_change(name: str, other: str) -> tuple[int, int]:
    """Return the depth with the offset at which two names begin to differ."""
    shared = common_prefix(name + SEPARATOR, other + SEPARATOR)
    return shared.count(SEPARATOR), len(shared) - shared.rfind(SEPARATOR) - 1
