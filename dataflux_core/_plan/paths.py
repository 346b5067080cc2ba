"""Decide where below a directory each object goes."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

from dataflux_core._plan.own_files import is_own
from dataflux_core.errors import UnsafeName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

UnsafeNames = Literal["refuse", "encode", "skip"]

MAX_COMPONENT_BYTES = 255  # NAME_MAX of the file systems of Linux; macOS counts more generously
MAX_PATH_BYTES = 4095  # PATH_MAX of Linux, less its final NUL
_MAX_CHARACTER_BYTES = 4
_APART = "%/"  # no component of an encoded name is "%", nor ends in one, unless it is cut

_Cure = Literal["encode", "skip"]
_NEXT_STEPS: dict[_Cure, str] = {
    "encode": "nothing is written, choose to encode or to skip unsafe names",
    "skip": "nothing is written, choose to skip unsafe names",
}

_STEP = re.compile(r"(?:^|/)(\.{0,2})(?:/|\Z)")  # a component that is empty, "." or ".."
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ESCAPED = re.compile(r"[\x00-\x1f\x7f-\x9f]|%(?=[0-9A-Fa-f]{2}|/|\Z)")  # a "%" only where it would mean something
_DOTS = re.compile(r"(?:(?<=/)|^)\.{1,2}(?=/|\Z)")
_EMPTY = re.compile(r"^/+|(?<=/)/+|/+\Z")
_UNIT = re.compile(r"%[0-9A-F]{2}|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PathPlan:
    """The path of each object, in the order of the names; None for those that `skipped` names.

    Paths are relative, with "/" between components. No two are the same, none is a directory above another.
    """

    paths: Sequence[str | None]
    skipped: Sequence[UnsafeName] = ()


def plan_paths(
    names: Sequence[str],
    *,
    unsafe: UnsafeNames = "refuse",
    max_path_bytes: int = MAX_PATH_BYTES,
    folds_case: bool = False,
) -> PathPlan:
    """Give each name a path of its own, the name itself where that is safe; raises UnsafeName.

    With "encode" every path is one from which `name_of_path` finds the name again. With "skip" a name that needs
    more than itself is left out. `folds_case`: the file system takes "A" for "a".
    """
    skipped: list[UnsafeName] = []

    def refused(name: str, reason: str, cure: _Cure) -> None:
        if unsafe != "skip":
            raise UnsafeName(name, f"{reason}; {_NEXT_STEPS[cure]}")
        skipped.append(UnsafeName(name, reason))

    paths = [_path_alone(name, unsafe, refused) for name in names]
    key = _folded if folds_case else str
    directories = {key(directory) for directory in directories_of(path for path in paths if path is not None)}
    taken = _Taken({}, directories, key, unsafe, refused)
    for position, path in enumerate(paths):
        if path is None:
            continue
        paths[position] = found = _path_among(names[position], path, taken)
        if found is not None and len(found.encode()) > max_path_bytes:
            paths[position] = None
            reason = f"its path would be longer than {max_path_bytes} bytes below that directory"
            refused(names[position], reason, "skip")
    return PathPlan(paths, tuple(skipped))


def name_of_path(path: str) -> str:
    """Return the name that was encoded as `path`."""
    return unquote(path.replace(_APART, ""))


def flaw_of(name: str) -> str:
    """Say why a name by itself is no path, "" where it is one."""
    step = _STEP.search(name)
    if step is not None:
        return f"a part of it is {step.group(1)!r}, which names no file"
    if _CONTROL.search(name) is not None:
        return "it holds a control character"
    if len(name) * _MAX_CHARACTER_BYTES > MAX_COMPONENT_BYTES:
        longest = max(map(len, name.encode().split(b"/")))
        if longest > MAX_COMPONENT_BYTES:
            return f"a part of {longest} bytes is longer than the {MAX_COMPONENT_BYTES} that a file system holds"
    if is_own(name.rpartition("/")[2]):
        return "it is one of the names that a download gives its own files, to be removed in the end"
    return ""


def encoded(name: str) -> str:
    """Return a safe path for any name, the name itself where that is safe and holds nothing like an escape.

    Percent-encoded are control characters, the dots of "." or "..", a "/" beside another or at an end, a "%" that
    would read as an escape, the dot of a name that a download gives its own files. A component that is too long goes
    on, behind a "%", in a directory.
    """
    path = _ESCAPED.sub(lambda found: "".join(f"%{byte:02X}" for byte in found.group().encode()), name)
    path = _DOTS.sub(lambda found: "%2E" * len(found.group()), path)
    path = _EMPTY.sub(lambda found: "%2F" * len(found.group()), path)
    if len(path) * _MAX_CHARACTER_BYTES > MAX_COMPONENT_BYTES:
        path = "/".join(map(_cut, path.split("/")))
    directory, slash, last = path.rpartition("/")
    return f"{directory}{slash}%2E{last[1:]}" if is_own(last) else path


def directories_of(paths: Iterable[str]) -> set[str]:
    """Return every directory above any of `paths`."""
    found: set[str] = set()
    for path in paths:
        directory = path.rpartition("/")[0]
        while directory and directory not in found:
            found.add(directory)
            directory = directory.rpartition("/")[0]
    return found


@dataclass(frozen=True, slots=True)
class _Taken:
    """What a path must keep clear of."""

    names: dict[str, str]  # by the key of the path that each has
    directories: set[str]  # keys
    key: Callable[[str], str]
    unsafe: UnsafeNames
    refused: Callable[[str, str, _Cure], None]


def _path_alone(name: str, unsafe: UnsafeNames, refused: Callable[[str, str, _Cure], None]) -> str | None:
    if unsafe == "encode" and name:
        return encoded(name)
    flaw = flaw_of(name)
    if flaw:
        refused(name, flaw, "encode" if name else "skip")
        return None
    return name


def _path_among(name: str, path: str, taken: _Taken) -> str | None:
    """Return `path`, or where another has that, one beside it in directories called "%"."""
    while True:
        key = taken.key(path)
        other = taken.names.get(key)
        if other is None and key not in taken.directories:
            taken.names[key] = name
            return path
        if other == name:
            taken.refused(name, "it is there twice", "skip")
            return None
        if taken.unsafe != "encode":
            reason = f"{other!r} has the same path" if other else "it is a directory of other objects too"
            taken.refused(name, reason, "encode")
            return None
        directory, slash, last = path.rpartition("/")
        path = directory + slash + _APART + last


def _cut(component: str) -> str:
    """Cut a long component into pieces that fit, each but the last with a "%" at its end; no escape is cut."""
    if len(component.encode()) <= MAX_COMPONENT_BYTES:
        return component
    pieces: list[str] = []
    piece: list[str] = []
    piece_bytes = 0
    for unit in _UNIT.findall(component):
        unit_bytes = len(unit.encode())
        if piece_bytes + unit_bytes >= MAX_COMPONENT_BYTES:
            pieces.append("".join(piece))
            piece, piece_bytes = [], 0
        piece.append(unit)
        piece_bytes += unit_bytes
    pieces.append(_DOTS.sub(lambda found: "%2E" * len(found.group()), "".join(piece)))
    return _APART.join(pieces)


def _folded(path: str) -> str:
    # APFS and HFS+ take composed and decomposed characters for the same too.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
