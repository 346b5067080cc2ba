"""Choose the names of one page."""

from __future__ import annotations

import heapq
import re
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from dataflux_core.emulator._errors import ApiError
from dataflux_core.emulator._names import prefix_end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dataflux_core.emulator._bucket import Columns, Slice

FEW = 16  # names looked at behind a folder, twice as many each time: a large folder is left by a search
SCANNED = 20_000  # names looked at for one page of a glob; the page may then be short, even empty


@dataclass(frozen=True, slots=True)
class Query:
    """What a listing asks for; names lie in [start, end)."""

    limit: int
    prefix: str = ""
    start: str = ""
    end: str | None = None
    delimiter: str = ""
    trailing: bool = False  # list a name that ends with the delimiter as an object too
    glob: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """The names of a page; `resume` is where the next one starts, None after the last."""

    names: list[str]
    prefixes: list[str]
    resume: str | None
    columns: Columns | None = None


def page(
    take: Callable[[str, str | None, int], Slice],
    query: Query,
    take_folders: Callable[[str, str | None, int], Slice] | None = None,
) -> Page:
    """Choose the next page of a bucket; folds what `take_folders` gives, names of folders, in with the objects."""
    start, end = bounds(query)
    if end is not None and start >= end:
        return Page([], [], None)
    if query.limit == 0:
        return Page([], [], start)
    if query.delimiter and (take_folders is not None or query.glob or not _is_leaf(take, query, start, end)):
        entries = _entries(take, query, start, end)
        if take_folders is not None:
            empty = (entry for entry in _entries(take_folders, query, start, end) if entry.folded)
            entries = _merged(entries, empty)
        return _folded(entries, query)
    if query.glob:
        return _matched(take, query, start, end)
    names, columns = take(start, end, query.limit + 1)
    if len(names) <= query.limit:
        return Page(names, [], None, columns)
    resume = names.pop()
    return Page(names, [], resume, columns)


def bounds(query: Query) -> tuple[str, str | None]:
    """Give where the names that a query may list begin, then where they end."""
    end = prefix_end(query.prefix)
    if query.end and (end is None or query.end < end):
        end = query.end
    return max(query.start, query.prefix), end


def _is_leaf(take: Callable[[str, str | None, int], Slice], query: Query, start: str, end: str | None) -> bool:
    """Say whether a page has nothing to fold: most folders hold objects alone, which are written much quicker so."""
    ahead = len(query.prefix)
    return all(
        query.delimiter not in name[ahead:] for size in (1, query.limit + 1) for name in take(start, end, size).names
    )


def _folded(entries: Iterator[Entry], query: Query) -> Page:
    """Fold the names below the first delimiter after the prefix into one entry each."""
    names: list[str] = []
    prefixes: list[str] = []
    matches = glob_pattern(query.glob).fullmatch if query.glob else None
    for entry in entries:
        if matches is not None and not matches(entry.text):
            continue
        if len(names) + len(prefixes) >= query.limit:
            return Page(names, prefixes, entry.text)
        # A folder that is an object too gives both at once, since no token could stand between them: such a page may
        # be one entry longer than asked for.
        if entry.listed:
            names.append(entry.text)
        if entry.folded:
            prefixes.append(entry.text)
    return Page(names, prefixes, None)


class Entry(NamedTuple):
    """One line of a folded listing: an object, a folder, or with `trailing` one that is both."""

    text: str
    listed: bool
    folded: bool


def _entries(
    take: Callable[[str, str | None, int], Slice], query: Query, start: str, end: str | None
) -> Iterator[Entry]:
    """Walk over objects one by one but over each folder in a single step."""
    at: str | None = start
    size = FEW
    while at is not None and (end is None or at < end):
        chunk = take(at, end, size).names
        at = chunk[-1] + "\0" if len(chunk) == size else None
        size = min(2 * size, query.limit + 1)
        position = 0
        while position < len(chunk):
            name = chunk[position]
            cut = name.find(query.delimiter, len(query.prefix))
            if cut < 0:
                yield Entry(name, listed=True, folded=False)
                position += 1
                continue
            folder = name[: cut + len(query.delimiter)]
            yield Entry(folder, listed=query.trailing and name == folder, folded=True)
            after = prefix_end(folder)
            if after is None:
                return
            position = bisect_left(chunk, after, position)
            if position == len(chunk) and at is not None:
                at = after
                size = FEW


def _merged(*sources: Iterator[Entry]) -> Iterator[Entry]:
    """Merge ordered entries; those of the same text become one."""
    for text, same in groupby(heapq.merge(*sources), key=lambda entry: entry.text):
        entries = list(same)
        yield Entry(text, listed=any(e.listed for e in entries), folded=any(e.folded for e in entries))


def _matched(take: Callable[[str, str | None, int], Slice], query: Query, start: str, end: str | None) -> Page:
    pattern = glob_pattern(query.glob)
    names, _ = take(start, end, SCANNED)
    found = [name for name in names if pattern.fullmatch(name)]
    if len(found) > query.limit:
        return Page(found[: query.limit], [], found[query.limit])
    return Page(found, [], names[-1] + "\0" if len(names) == SCANNED else None)


@lru_cache(maxsize=64)
def glob_pattern(glob: str) -> re.Pattern[str]:
    """Translate a matchGlob: `**` crosses slashes, `*` does not, `{a,b}` are alternatives; raises ApiError."""
    try:
        return re.compile(_expression(glob), re.DOTALL)
    except (_BadGlob, re.error) as error:
        raise ApiError(400, f"Invalid match glob {glob!r}: {error}.", "invalidParameter") from error


class _BadGlob(Exception):
    """A glob that means nothing; says why."""


_SET = r"\[[!^]?[^\]]+\]"
_CHOICES = rf"\{{(?:{_SET}|[^}}\[])*\}}"  # what stands in a set closes nothing, nor does it part choices
_PIECE = re.compile(rf"\*\*|{_SET}|{_CHOICES}|.", re.DOTALL)
_PLAIN = {"**": ".*", "*": "[^/]*", "?": "[^/]"}


def _expression(glob: str) -> str:
    parts: list[str] = []
    for piece in _PIECE.findall(glob):
        if piece in _PLAIN:
            parts.append(_PLAIN[piece])
        elif piece[0] == "[" and len(piece) > 1:
            parts.append(_one_of(piece[1:-1]))
        elif piece[0] == "{" and len(piece) > 1:
            parts.append(_any_choice(piece[1:-1]))
        elif piece in {"[", "{"}:
            raise _BadGlob(f"{piece!r} is never closed")
        else:
            parts.append(re.escape(piece))
    return "".join(parts)


def _any_choice(choices: str) -> str:
    choice = [""]
    for piece in re.findall(rf"{_SET}|.", choices, re.DOTALL):
        if piece == "{":
            raise _BadGlob("'{' within '{'")
        if piece == ",":
            choice.append("")
        else:
            choice[-1] += piece
    return f"(?:{'|'.join(map(_expression, choice))})"


def _one_of(members: str) -> str:
    if members in {"!", "^"}:
        raise _BadGlob(f"nothing behind '[{members}'")
    unlike = "^" if members[0] in "!^" else ""
    spans = re.findall(".-.|.", members[len(unlike) :], re.DOTALL)  # a "-" at an end is itself
    return f"[{unlike}{''.join(f'{re.escape(span[0])}-{re.escape(span[-1])}' for span in spans)}]"
