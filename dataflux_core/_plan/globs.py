"""Decide which names a user's globs choose."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PIECE = re.compile(
    r"(?P<any>\*{2,})|(?P<some>\*)|(?P<one>\?)|\[(?P<set>[!^]?[^\]]+)\]|\{(?P<choices>[^}]*)\}", re.DOTALL
)
_OPEN = re.compile(r"[\[{]")
_SPECIAL_IN_SET = re.compile(r"[\\\[&~|]")  # what Python gives, or may come to give, a meaning there


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
    try:
        return re.compile("|".join(f"(?:{_expression(argument, glob)})" for glob in globs), re.DOTALL)
    except re.error as error:
        raise InvalidArgument(argument, repr(list(globs)), f"globs that can be read ({error})") from error


def _expression(argument: str, glob: str) -> str:
    """Translate a glob to a regular expression."""
    parts: list[str] = []
    done = 0
    for found in _PIECE.finditer(glob):
        parts += [_literal(argument, glob, glob[done : found.start()]), _translated(argument, found)]
        done = found.end()
    parts.append(_literal(argument, glob, glob[done:]))
    return "".join(parts)


def _literal(argument: str, glob: str, text: str) -> str:
    opened = _OPEN.search(text)
    if opened is not None:
        raise InvalidArgument(argument, repr(glob), f"every {opened.group()!r} to be closed")
    return re.escape(text)


def _translated(argument: str, found: re.Match[str]) -> str:
    kind = found.lastgroup
    if kind == "set":
        return "[" + _SPECIAL_IN_SET.sub(r"\\\g<0>", found["set"]).replace("!", "^", 1) + "]"
    if kind == "choices":
        return "(?:" + "|".join(_expression(argument, choice) for choice in found["choices"].split(",")) + ")"
    return {"any": ".*", "some": "[^/]*"}.get(kind or "", "[^/]")
