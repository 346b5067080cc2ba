"""Remember where in a text each of its values stands."""

from __future__ import annotations

import re
from array import array
from typing import TYPE_CHECKING, TypeAlias

from dataflux_core._plan.text import shortened, shown

if TYPE_CHECKING:
    from yaml.events import Event

Step: TypeAlias = "str | int"
ValuePath: TypeAlias = tuple[Step, ...]

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_SHOWN = 60  # characters of a name
_LINE_SHIFT = 32  # a place is one number, line and column from 0: an array of a million takes 8 MB


class Marks:
    """Where the parts of one list or mapping stand; `places` for a list, `keys` and `values` for a mapping."""

    __slots__ = ("children", "keys", "places", "start", "values")

    def __init__(self, start: int) -> None:
        self.start = start
        self.places: array[int] = array("Q")
        self.keys: dict[str, int] = {}
        self.values: dict[str, int] = {}
        self.children: dict[Step, Marks] = {}

    def find(self, path: ValuePath) -> int:
        """Return the place of what `path` names, or of the nearest name above where that is not there."""
        marks, place = self, self.start
        for remaining, step in zip(range(len(path) - 1, -1, -1), path, strict=True):
            if isinstance(step, int):
                if step >= len(marks.places):
                    return place
                place = marks.places[step]
            elif step not in marks.keys:
                return place
            else:
                # What a mapping lacks it lacks behind its name; a list that begins lines below has a name too.
                name, value = marks.keys[step], marks.values[step]
                is_below = step in marks.children and name >> _LINE_SHIFT != value >> _LINE_SHIFT
                place = name if remaining or is_below else value
            child = marks.children.get(step)
            if child is None:
                return place
            marks = child
        return place


def place_of(event: Event) -> int:
    """Return where an event begins."""
    mark = event.start_mark
    return 0 if mark is None else mark.line << _LINE_SHIFT | mark.column


def place_at(line: int, column: int) -> int:
    """Return a place, line and column counted from 0."""
    return line << _LINE_SHIFT | column


def line_and_column(place: int) -> tuple[int, int]:
    """Return what an editor shows for a place: both counted from 1."""
    return (place >> _LINE_SHIFT) + 1, (place & (1 << _LINE_SHIFT) - 1) + 1


def path_text(path: ValuePath) -> str:
    """Write a path as a person does: images.content[3], "two words".headers."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            name = step if _NAME.fullmatch(step) else quoted(step)
            text += f".{shortened(name, _SHOWN)}" if text else shortened(name, _SHOWN)
    return text


def quoted(text: str) -> str:
    """Return a text of a playlist for a message: short, with nothing in it that would act on a terminal."""
    visible = text.encode("utf-8", "backslashreplace").decode().replace("\n", "\\n")
    return f'"{shortened(shown(visible), _SHOWN)}"'
