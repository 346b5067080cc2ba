"""Collect what is wrong with a playlist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflux_core._plan.text import counted
from dataflux_core._wire.flare.marks import line_and_column, path_text
from dataflux_core.errors import PlaylistProblem

if TYPE_CHECKING:
    from typing import Literal

    from dataflux_core._wire.flare.marks import Marks, ValuePath

MOST_OF_A_KIND = 100  # a million wrong URLs are one mistake


class Stop(Exception):
    """Nothing behind this place can be read; what could be told has been told."""


class Problems:
    """What was found so far; the first hundred of each severity are kept, the rest counted."""

    def __init__(self) -> None:
        self._kept: list[PlaylistProblem] = []
        self._counts = {"error": 0, "warning": 0}
        self.marks: Marks | None = None  # None: the values came from no text

    @property
    def errors(self) -> int:
        """How many errors there are."""
        return self._counts["error"]

    def error(self, path: ValuePath, message: str, advice: str, place: int | None = None) -> None:
        """Note that a MUST is broken."""
        self._add("error", path, message, advice, place)

    def warn(self, path: ValuePath, message: str, advice: str, place: int | None = None) -> None:
        """Note that a SHOULD is not met."""
        self._add("warning", path, message, advice, place)

    def more(self, severity: Literal["error", "warning"]) -> bool:
        """Count one that would not be shown, for which no message need be made; False where it would be shown."""
        is_hidden = self._counts[severity] >= MOST_OF_A_KIND
        self._counts[severity] += is_hidden
        return is_hidden

    def all(self) -> tuple[PlaylistProblem, ...]:
        """Return the problems in the order of the text, then how many more there are."""
        found = sorted(self._kept, key=lambda problem: (problem.line, problem.column))
        for severity in ("error", "warning"):
            more = self._counts[severity] - MOST_OF_A_KIND
            if more > 0:
                last = [problem for problem in found if problem.severity == severity][-1]
                message = f"{counted(more, f'more {severity}')} not shown"
                found.append(PlaylistProblem(last.severity, last.line, last.column, "", message, "mend these first"))
        return tuple(found)

    def _add(
        self, severity: Literal["error", "warning"], path: ValuePath, message: str, advice: str, place: int | None
    ) -> None:
        self._counts[severity] += 1
        if self._counts[severity] > MOST_OF_A_KIND:
            return
        if place is None and self.marks is not None:
            place = self.marks.find(path)
        line, column = (0, 0) if place is None else line_and_column(place)
        self._kept.append(PlaylistProblem(severity, line, column, path_text(path), message, advice))
