"""Write what every client of stream_samples reads: files, their index, the same as MDS shards, what must come of it."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarking.clients._stream import decode, digest_of, head_of
from dataflux_core.emulator import Synthetic

if TYPE_CHECKING:
    from collections.abc import Iterator

DISTINCT_PICTURES = 256  # others are these with another comment inside: other bytes, the same picture
SMALLEST, LARGEST = (256, 256), (500, 375)
QUALITY = 85


class PrepareTask(TypedDict):
    """What this reads from its standard input."""

    folder: str
    bucket: str
    kind: str  # bytes, jpeg
    count: int
    object_bytes: int
    shape: str
    with_shards: bool
    is_decoding: bool


def main() -> None:
    """Write everything into the folder of the task."""
    task: PrepareTask = json.load(sys.stdin)
    folder = Path(task["folder"])
    expected = Expected()
    lines: list[str] = []
    shards = shards_of(folder / "shards") if task["with_shards"] else None
    for name, content in files_of(task, folder / "files"):
        lines.append(f"{len(content)} {name}")
        expected.add(decode(content) if task["is_decoding"] else content)
        if shards is not None:
            shards.write({"content": content})
    if shards is not None:
        shards.finish()
    (folder / "names").write_text("\n".join(lines))
    (folder / "digests").write_bytes(b"".join(expected.digests))
    write_index(folder / "index", task["bucket"], lines)
    print(json.dumps({"bytes": expected.bytes, "heads": expected.heads}))


class Expected:
    """What clients must bring."""

    def __init__(self) -> None:
        self.bytes = self.heads = 0
        self.digests: list[bytes] = []

    def add(self, sample: Any) -> None:  # noqa: ANN401 - bytes or a picture
        """Count one sample."""
        self.bytes += sample.nbytes if hasattr(sample, "nbytes") else len(sample)
        self.heads += crc32(head_of(sample))
        self.digests.append(digest_of(sample))


def files_of(task: PrepareTask, folder: Path) -> Iterator[tuple[str, bytes]]:
    """Give every file; pictures are written too, while other bytes are what the emulator makes up anyway."""
    if task["kind"] == "bytes":
        synthetic = Synthetic(task["shape"], task["count"], task["object_bytes"])  # type: ignore[arg-type] # as JSON
        for name in synthetic.names():
            yield name, synthetic.content(name)
        return
    folder.mkdir()
    pictures = [picture(number) for number in range(min(task["count"], DISTINCT_PICTURES))]
    for number in range(task["count"]):
        name, content = f"{number:08}.jpg", commented(pictures[number % len(pictures)], number)
        (folder / name).write_bytes(content)
        yield name, content


def picture(number: int) -> bytes:
    """Draw something that compresses as a photograph does: large soft shapes under a little noise."""
    from PIL import Image  # noqa: PLC0415 - not where only bytes are asked for

    chance = np.random.default_rng(number)
    share = chance.random()
    width, height = (round(low + share * (high - low)) for low, high in zip(SMALLEST, LARGEST, strict=True))
    soft = Image.fromarray(chance.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((width, height))
    noise = chance.normal(0, 12, (height, width, 1))
    pixels = np.clip(np.asarray(soft) + noise, 0, 255).astype(np.uint8)
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "JPEG", quality=QUALITY)
    return written.getvalue()


def commented(content: bytes, number: int) -> bytes:
    """Put a comment behind the first marker of a JPEG, so that no two files have the same bytes."""
    comment = hashlib.sha256(number.to_bytes(8, "big")).hexdigest().encode()
    return content[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + content[2:]


def shards_of(folder: Path) -> Any:  # noqa: ANN401 - an MDSWriter, which has no types here
    """Open a writer of shards as mosaicml/streaming makes them by default: of 64 MiB, uncompressed."""
    from benchmarking.clients._mosaic import prepare_import  # noqa: PLC0415 - only where it is installed

    prepare_import()
    from streaming.base.format import MDSWriter  # type: ignore[import-not-found]  # noqa: PLC0415

    return MDSWriter(out=str(folder), columns={"content": "bytes"})


def write_index(folder: Path, bucket: str, lines: list[str]) -> None:
    """Write the URL with the size of every file."""
    sizes, names = zip(*(line.split(" ", 1) for line in lines), strict=True)
    folder.mkdir()
    columns = {
        "data_id": pa.array(range(len(names))),
        "data_url": pa.array([f"gs://{bucket}/{name}" for name in names]),
        "data_url.size": pa.array([int(size) for size in sizes]),
    }
    pq.write_table(pa.table(columns), folder / "index.parquet")


if __name__ == "__main__":
    main()
