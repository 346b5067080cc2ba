"""What is packed comes back exactly from nginx, however that is set up to compress."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmarking._nginx import Nginx
from dataflux_core._data.flare.packing import PackOptions, pack
from dataflux_core.flare import Playlist
from tests.cli.terminal import dataflux
from tests.flare.serving import write_files

if TYPE_CHECKING:
    from pathlib import Path

    from dataflux_core.flare import Stream

TEXTS = {f"{number:02d}.txt": f"text {number}\n".encode() * 200 for number in range(40)}
WAYS: list[tuple[Any, Any]] = [
    ("tar", None),
    ("tar", "gzip"),
    ("tar", "zstd"),
    ("jsonl", "gzip"),
    ("jsonl", None),
    ("parquet", None),
    ("npy", None),
]
SETTINGS = [
    pytest.param("", id="as it is installed"),
    pytest.param("gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any;", id="compressing what it sends"),
    pytest.param("gzip_static on; gzip on; gzip_types *;", id="with compressed files beside the others"),
    pytest.param("types { application/gzip gz; text/plain tar jsonl yaml; }", id="with types of its own"),
    pytest.param("etag off;", id="without entity tags"),
    pytest.param("max_ranges 0;", id="without ranges"),
    pytest.param(r"location ~ \.gz$ { add_header Content-Encoding gzip; }", id="calling .gz an encoding"),
]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for each way to pack; no playlist knows yet where it will be served."""
    root = tmp_path_factory.mktemp("packed")
    write_files(root / "texts", TEXTS)
    write_files(root / "arrays", {})
    for number in range(40):
        np.save(root / f"arrays/{number:02d}.npy", np.full(100, number, "f4"))
    return root


def pack_all(root: Path, www: Path, url: str) -> None:
    for format_, compression in WAYS:
        source = root / ("arrays" if format_ == "npy" else "texts")
        name = f"{format_}-{compression}"
        pack(source, www / name, PackOptions(f"{url}/{name}/", format_, 20_000, compression))
    for path in list(www.rglob("*-0*")):  # what gzip_static looks for: of these and of other bytes
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))


def values(stream: Stream, format_: str) -> list[Any]:
    if format_ == "npy":
        return [int(array[0]) for array in stream.records()]
    found = [record["txt"] for record in stream.records()]
    return [text if isinstance(text, bytes) else text.encode() for text in found]


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_byte_comes_back(packed: Path, tmp_path: Path, setting: str) -> None:
    www = tmp_path / "www"
    www.mkdir()
    with Nginx(www, tmp_path / "nginx", setting) as nginx:
        pack_all(packed, www, nginx.url)
        for format_, compression in WAYS:
            url = f"{nginx.url}/{format_}-{compression}/playlist.yaml"
            stream = Playlist.load(url)["samples"]
            files = [www / chunk.removeprefix(f"{nginx.url}/") for chunk in stream.content]
            assert len(files) > 1
            contents = [path.read_bytes() for path in files]
            assert list(stream) == contents
            assert values(stream, format_) == (list(range(40)) if format_ == "npy" else list(TEXTS.values()))
            parts = [(chunk, at, at + 50) for chunk in range(len(files)) for at in (0, 7, 100)]
            assert list(stream.read_many(parts)) == [contents[chunk][start:stop] for chunk, start, stop in parts]
            ran = dataflux("playlist", "verify", url)
            assert ran.returncode == 0, ran.stdout
