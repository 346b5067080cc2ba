"""Write a playlist to a file, sure that it is a valid one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflux_core._data.aside import listing_file
from dataflux_core._wire.flare.chunk_urls import is_base
from dataflux_core._wire.flare.reading import problems_of
from dataflux_core._wire.flare.writing import written
from dataflux_core._wire.urls import shown_url
from dataflux_core.errors import InvalidArgument, PlaylistInvalid

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from dataflux_core._wire.flare.streams import StreamSpec


def write_playlist(streams: Sequence[StreamSpec], path: Path) -> None:
    """Write streams to a file, whole or not at all; raises PlaylistInvalid, FileNotWritten.

    A command whose output may be stdout writes what `text_of` gives to that instead.
    """
    text = text_of(streams)
    with listing_file(path, "the playlist") as aside:
        aside.write_text(text, encoding="utf-8", newline="\n")


def text_of(streams: Collection[StreamSpec], name: str = "the new playlist") -> str:
    """Return the YAML of streams; raises PlaylistInvalid, whose message begins with `name`."""
    problems = problems_of(streams)
    if any(problem.severity == "error" for problem in problems):
        raise PlaylistInvalid(name, problems)
    return written(streams)


def checked_base(argument: str, url: str) -> str:
    """Return a URL that paths can be put behind; raises InvalidArgument for another."""
    if not is_base(url):
        expected = "an http:// or https:// URL that ends in '/', without a query, a user name or a password"
        raise InvalidArgument(argument, shown_url(url), expected)
    return url
