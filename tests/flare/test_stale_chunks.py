"""A chunk of an interrupted pack is kept only where its bytes are those that the journal names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dataflux_core._data.flare import packing
from dataflux_core._data.flare.packing import PackOptions, pack
from dataflux_core.flare import Playlist

OPTIONS = PackOptions("https://data.example.org/set/", chunk_bytes=10)


def test_a_chunk_that_never_took_its_place_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, directory = tmp_path / "source", tmp_path / "packed"
    source.mkdir()
    (source / "a.txt").write_bytes(b"one")
    real = os.replace

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:  # the chunk is there, the playlist is not
        patch.setattr(packing, "write_playlist", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pack(source, directory, OPTIONS)
    (source / "a.txt").write_bytes(b"two")
    with monkeypatch.context() as patch:  # the journal has its line, the chunk is the one before
        patch.setattr(os, "replace", interrupted)
        patch.setattr(Path, "replace", interrupted)
        patch.setattr(os, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pack(source, directory, OPTIONS)
    assert os.replace is real
    done = pack(source, directory, OPTIONS)
    assert done.reused == 0
    assert b"two" in (directory / "samples-00000.tar").read_bytes()
    assert len(Playlist.load(directory / "playlist.yaml")) == 1
