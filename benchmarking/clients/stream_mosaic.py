"""Read MDS shards with mosaicml/streaming, in the order of its own shuffle, from the S3 that the emulator speaks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarking.clients._loader import loader_of
from benchmarking.clients._mosaic import prepare_import
from benchmarking.clients._stream import read_task, tell_epoch, transform_of

prepare_import()

from streaming.base.dataset import StreamingDataset  # type: ignore[import-not-found]  # noqa: E402 - only importable now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Contents(StreamingDataset):  # type: ignore[misc] # it is not installed where types are checked
    """The files that were put into shards."""

    def __init__(self, transform: Callable[[bytes], Any], **options: Any) -> None:  # noqa: ANN401 - as the base
        super().__init__(**options)
        self._transform = transform

    def __getitem__(self, at: int) -> Any:  # noqa: ANN401 - bytes or a picture
        return self._transform(super().__getitem__(at)["content"])


def main() -> None:
    """Time an epoch; all but what its documents ask for stays as it is by default."""
    task = read_task()

    def batches() -> Iterable[Any]:
        dataset = Contents(
            transform_of(task),
            remote=f"s3://{task['shards']}",
            local=str(Path(task["folder"]) / "shards"),
            shuffle=True,
            batch_size=task["batch_size"],
        )
        # Reading the index has opened a connection, which all forked workers would go on to share: without TLS, which
        # would notice, one takes the shards that another asked for.
        for stream in dataset.streams:
            stream._downloader.clean_up()  # noqa: SLF001
        return loader_of(task, dataset)

    tell_epoch(task, batches, ("torch", "mosaicml-streaming", "boto3"))


if __name__ == "__main__":
    main()
