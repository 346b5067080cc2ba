"""Read or write Flare playlists: YAML that names the chunks of datasets on web servers."""

from __future__ import annotations

from dataflux_core._data.flare.playlist import Playlist
from dataflux_core._data.flare.stream import Stream
from dataflux_core._run.flare.options import StreamOptions, StreamStats
from dataflux_core._wire.flare.conventions import Compression, Conventions, Encoding
from dataflux_core._wire.flare.streams import StreamSpec
from dataflux_core.errors import PlaylistProblem

__all__ = [
    "Compression",
    "Conventions",
    "Encoding",
    "Playlist",
    "PlaylistProblem",
    "Stream",
    "StreamOptions",
    "StreamSpec",
    "StreamStats",
]
