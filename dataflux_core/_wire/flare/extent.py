"""Tell whether a playlist that came from no text would be read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflux_core._plan.text import human_bytes
from dataflux_core._wire.flare.building import MAX_CONTAINERS, MAX_VALUES
from dataflux_core._wire.flare.writing import written_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dataflux_core._wire.flare.problems import Problems
    from dataflux_core._wire.flare.streams import StreamSpec

_CUT = "cut it into several playlists"
_MOST_ESCAPED = 6  # bytes that a character takes: \u2028
_MOST_AROUND = 40  # bytes of a line beside its value: indents, quotes


def check_extent(streams: Sequence[StreamSpec], max_bytes: int, problems: Problems) -> None:
    """Note what has more parts than a reader builds, or a text that is longer than it reads."""
    counts = _Counts()
    for stream in streams:
        counts.add({stream.name: {"headers": dict(stream.headers), "content": stream.content}}.items())
    if counts.containers + 1 > MAX_CONTAINERS:
        problems.error((), f"more than {MAX_CONTAINERS:,} lists, mappings and names", _CUT)
    elif counts.values > MAX_VALUES:
        problems.error((), f"more than {MAX_VALUES:,} values", _CUT)
    elif counts.most_bytes > max_bytes and not problems.errors:
        size = written_bytes(streams)
        if size > max_bytes:
            problems.error((), f"it has {size:,} bytes, at most {human_bytes(max_bytes)} are read", _CUT)


class _Counts:
    """What a reader of the text would count."""

    def __init__(self) -> None:
        self.containers = 0
        self.values = 0
        self.most_bytes = 0

    def add(self, entries: Iterable[tuple[object, object]]) -> None:
        """Count the names of a mapping, with all that is below them."""
        for name, value in entries:
            self.containers += 1
            self._add(name)
            self._add(value)

    def _add(self, value: object) -> None:
        self.most_bytes += _MOST_AROUND
        if isinstance(value, str):
            self.most_bytes += _MOST_ESCAPED * len(value)
        elif isinstance(value, dict):
            self.containers += 1
            self.add(value.items())
        elif isinstance(value, (list, tuple)):
            self.containers += 1
            self.values += len(value)
            for item in value:
                self._add(item)
