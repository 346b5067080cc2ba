"""Read files with litdata's StreamingRawDataset, in the order of a shuffle or of the index.

Its `gs://` cannot be told an endpoint, its `s3://` can, so it reads the same bucket through the XML interface. Its
index is known before the clock starts, as after a first run. Only in the order of the index does it look ahead. Its
concurrency is what it finds best for the sizes; uvloop, which it prefers, is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litdata.raw.dataset import StreamingRawDataset  # type: ignore[import-not-found]
from litdata.raw.indexer import BaseIndexer, FileMetadata  # type: ignore[import-not-found]
from litdata.streaming import downloader  # type: ignore[import-not-found]

from benchmarking.clients._loader import loader_of
from benchmarking.clients._stream import read_names, read_task, tell_epoch, transform_of

if TYPE_CHECKING:
    from collections.abc import Iterable


class Known(BaseIndexer):  # type: ignore[misc] # litdata is not installed where types are checked
    """Give the files that were found before."""

    def __init__(self, files: list[FileMetadata]) -> None:
        self._files = files

    def discover_files(self, input_dir: str, storage_options: dict[str, Any] | None) -> list[FileMetadata]:
        del input_dir, storage_options
        return self._files

    def build_or_load_index(self, *_arguments: Any, **_options: Any) -> list[FileMetadata]:  # noqa: ANN401 - as the base
        return self._files


def main() -> None:
    """Time an epoch."""
    task = read_task()
    # Its store would refuse a server without TLS, and has no option that says otherwise.
    downloader._OBSTORE_CLIENT_OPTIONS["allow_http"] = True  # noqa: SLF001
    root = f"s3://{task['bucket']}"
    files = [FileMetadata(path=f"{root}/{name}", size=size) for name, size in read_names(task)]

    def batches() -> Iterable[Any]:
        dataset = StreamingRawDataset(
            f"{root}/",
            cache_dir=task["folder"],
            indexer=Known(files),
            storage_options={"endpoint_url": task["endpoint"]},
            transform=transform_of(task) if task["is_decoding"] else None,
        )
        return loader_of(task, dataset, shuffle=task["variant"] == "shuffled")

    tell_epoch(task, batches, ("torch", "litdata", "obstore"))


if __name__ == "__main__":
    main()
