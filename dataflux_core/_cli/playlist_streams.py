"""Open a playlist for a command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dataflux_core._cli.playlist_options import patient
from dataflux_core._cli.text import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflux_core.flare import Stream

_SHOWN = 8


def named(source: str) -> str | Path:
    """Return what a command was given as a place: a name with a line break is no text of a playlist."""
    return source if "://" in source else Path(source)


def chosen_streams(source: str, names: Sequence[str] = (), patience_s: float | None = None) -> list[Stream]:
    """Load a playlist; return its streams, or those of these names; raises UsageError where there is none."""
    from dataflux_core.flare import Playlist  # noqa: PLC0415 - slow imports, of an extra

    playlist = Playlist.load(named(source))
    for name in names:
        if name not in playlist:
            there = ", ".join(map(shown, list(playlist)[:_SHOWN])) or "none"
            more = f" and {len(playlist) - _SHOWN:,} more" if len(playlist) > _SHOWN else ""
            raise click.UsageError(f"there is no stream '{shown(name)}'; there are {there}{more}")
    reading = None if patience_s is None else patient(patience_s)
    return [playlist.stream(name, reading) for name in dict.fromkeys(names or playlist)]
