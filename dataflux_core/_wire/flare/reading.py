"""Read a playlist's text."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dataflux_core._wire.flare.building import build
from dataflux_core._wire.flare.extent import check_extent
from dataflux_core._wire.flare.marks import quoted
from dataflux_core._wire.flare.problems import Problems, Stop
from dataflux_core._wire.flare.raw_bytes import check_bytes
from dataflux_core._wire.flare.streams import streams_of
from dataflux_core._wire.flare.values import check_headers, check_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dataflux_core._wire.flare.building import Value
    from dataflux_core._wire.flare.streams import StreamSpec
    from dataflux_core.errors import PlaylistProblem

DEFAULT_MAX_BYTES = 256 * 1024**2  # a million and a half chunks with sizes, records, checksums


class Found(NamedTuple):
    """What a text holds; where one of the problems is an error, not all of its streams."""

    streams: list[StreamSpec]
    problems: tuple[PlaylistProblem, ...]

    @property
    def is_valid(self) -> bool:
        """Whether no MUST is broken."""
        return all(problem.severity != "error" for problem in self.problems)


def read_playlist(content: bytes, *, max_bytes: int = DEFAULT_MAX_BYTES) -> Found:
    """Read the bytes of a playlist, all that is wrong with them included."""
    problems = Problems()
    try:
        value, problems.marks = build(check_bytes(content, max_bytes, problems), problems)
        return Found(streams_of(value, problems), problems.all())
    except Stop:
        return Found([], problems.all())


def problems_of(streams: Iterable[StreamSpec]) -> tuple[PlaylistProblem, ...]:
    """Return what would be wrong with a playlist of these streams; there are no lines yet."""
    problems = Problems()
    value: dict[str, Value] = {}
    listed = list(streams)
    for stream in listed:
        if stream.name in value:
            problems.error(
                (stream.name,), f"a second stream of the name {quoted(stream.name)}", "rename one of the two"
            )
        check_text(stream.name, (), problems)
        check_headers(stream.headers, (stream.name, "headers"), problems)
        value[stream.name] = {"headers": dict(stream.headers), "content": list(stream.content)}
    streams_of(value, problems)
    if not problems.errors:  # a value that no playlist can hold may be of any depth
        check_extent(listed, DEFAULT_MAX_BYTES, problems)
    return problems.all()
