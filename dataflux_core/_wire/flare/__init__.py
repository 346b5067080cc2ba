"""Flare's playlists: a text to values, values to a text."""

from __future__ import annotations

from dataflux_core.errors import ExtraMissing

try:
    import yaml  # noqa: F401 - said once, for all modules of the room
except ImportError as error:
    raise ExtraMissing("playlists", "flare") from error
