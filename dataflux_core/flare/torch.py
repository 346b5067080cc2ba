"""Train with PyTorch on the records of a Flare playlist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflux_core.errors import ExtraMissing, InvalidArgument
from dataflux_core.flare import Playlist
from dataflux_core.streaming import StreamingDataset

try:
    import torch  # noqa: F401 - for the DataLoader that this is for
except ImportError as error:
    raise ExtraMissing("dataflux_core.flare.torch", "torch") from error

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from typing_extensions import Unpack

    from dataflux_core.streaming import StreamingKeywords

__all__ = ["FlareDataset"]


class FlareDataset(StreamingDataset):
    """The records of a playlist for a torch DataLoader: a StreamingDataset of streams by their names.

    `playlist` is a Playlist, or what `Playlist.load` takes, whatever it is called. Without names all streams are
    loaded, which then have to belong together. The keywords are those of StreamingDataset but for columns_to_load.
    """

    def __init__(
        self,
        playlist: str | os.PathLike[str] | Playlist,
        *streams: str,
        dst: str | Path | None = None,
        **keywords: Unpack[StreamingKeywords],
    ) -> None:
        if "columns_to_load" in keywords:
            expected = "the names of the streams behind the playlist: FlareDataset(playlist, 'inputs', 'labels')"
            raise InvalidArgument("columns_to_load", repr(keywords["columns_to_load"]), expected)
        client = keywords.get("storage_client")
        source = playlist if isinstance(playlist, Playlist) else Playlist.load(playlist, storage_client=client)
        keywords["columns_to_load"] = streams or None
        super().__init__(source, dst, **keywords)
