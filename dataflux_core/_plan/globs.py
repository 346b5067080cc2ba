"""Decide which names a user's globs choose."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_TOKEN = re.compile(
    r"(?P<any>\*{2,})|(?P<some>\*)|(?P<one>\?)|\[(?P<unlike>[!^]?)(?P<set>[^\]]+)\]|(?P<sign>[\[{},])|(?P<text>[^*?\[{},]+)",
    re.DOTALL,
)
_SPAN = re.compile(r"(?P<first>.)-(?P<last>.)|(?P<one>.)", re.DOTALL)  # a "-" at an end is itself


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which of some names are wanted."""

    positions: Sequence[int]
    unmatched: tuple[str, ...]  # globs to include that no name matches


def choose(names: Iterable[str], *, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Chosen:
    """Choose the names that match any glob of `include`, or all where there is none, but no glob of `exclude`.

    A glob means what `Selection.match_glob` does, which the service itself matches; raises InvalidArgument.
    """
    wanted, unwanted = _any_of("include", include), _any_of("exclude", exclude)
    unmatched = {glob: _any_of("include", [glob]) for glob in include}
    positions: list[int] = []
    for position, name in enumerate(names):
        if unmatched:
            for glob in [glob for glob, pattern in unmatched.items() if pattern.fullmatch(name)]:
                del unmatched[glob]
        if (not include or wanted.fullmatch(name)) and not (exclude and unwanted.fullmatch(name)):
            positions.append(position)
    return Chosen(positions, tuple(unmatched))


def check_globs(argument: str, globs: object) -> None:
    """Refuse what is no sequence of globs; raises InvalidArgument."""
    if isinstance(globs, str) or not isinstance(globs, (list, tuple)) or not all(isinstance(g, str) for g in globs):
        raise InvalidArgument(argument, repr(globs), "a list of globs, such as ['**.jpg']")
    _any_of(argument, globs)


def _any_of(argument: str, globs: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{_expression(argument, glob)})" for glob in globs), re.DOTALL)


def _expression(argument: str, glob: str) -> str:
    """Translate a glob to a regular expression."""
    parts: list[str] = []
    is_choosing = False
    for found in _TOKEN.finditer(glob):
        sign = found["sign"]
        if sign == "{":
            if is_choosing:
                raise InvalidArgument(argument, repr(glob), "no '{' between a '{' and its '}'")
            is_choosing = True
            parts.append("(?:")
        elif sign == "}" and is_choosing:
            is_choosing = False
            parts.append(")")
        elif sign == "," and is_choosing:
            parts.append("|")
        else:
            parts.append(_translated(argument, glob, found))
    if is_choosing:
        raise InvalidArgument(argument, repr(glob), "every '{' to be closed")
    return "".join(parts)


def _translated(argument: str, glob: str, found: re.Match[str]) -> str:
    if found["set"]:
        return _set(argument, glob, found["unlike"], found["set"])
    if found["sign"] == "[":
        raise InvalidArgument(argument, repr(glob), "every '[' to be closed")
    simple = {"any": ".*", "some": "[^/]*", "one": "[^/]"}
    return simple.get(found.lastgroup or "") or re.escape(found.group())


def _set(argument: str, glob: str, unlike: str, members: str) -> str:
    """Translate what stands between brackets; Python's own meanings of other characters are none of a glob's."""
    if not unlike and members in {"!", "^"}:
        raise InvalidArgument(argument, repr(glob), f"a character behind '[{members}'")
    spans: list[str] = []
    for found in _SPAN.finditer(members):
        first, last = found["first"] or found["one"], found["last"] or found["one"]
        if first > last:
            raise InvalidArgument(argument, repr(glob), f"spans that go up, unlike {found.group()!r}")
        spans.append(f"{re.escape(first)}-{re.escape(last)}")
    return f"[{'^' if unlike else ''}{''.join(spans)}]"
