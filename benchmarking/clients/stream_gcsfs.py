"""Read files with gcsfs in a map-style dataset of torch: one after the other, or a batch at once."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import gcsfs.core
from google.auth.credentials import AnonymousCredentials

from benchmarking.clients._loader import loader_of
from benchmarking.clients._stream import read_names, read_task, tell_epoch, transform_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarking.clients._stream import StreamTask


class Files:
    """Files of a bucket; each worker process makes a file system of its own, as fsspec's threads do not survive."""

    def __init__(self, task: StreamTask, names: Sequence[str]) -> None:
        self._task, self._names = task, names
        self._transform = transform_of(task)

    @cached_property
    def _files(self) -> Any:  # noqa: ANN401 - gcsfs has no types
        # The class behind gcsfs.GCSFileSystem, which asks a gRPC service first whether a bucket has folders.
        return gcsfs.core.GCSFileSystem(
            endpoint_url=self._task["endpoint"], token=AnonymousCredentials(), skip_instance_cache=True
        )

    def _path(self, at: int) -> str:
        return f"{self._task['bucket']}/{self._names[at]}"

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, at: int) -> Any:  # noqa: ANN401 - bytes or a picture
        return self._transform(self._files.cat_file(self._path(at)))


class FilesAtOnce(Files):
    """The same, a batch at once."""

    def __getitems__(self, places: Sequence[int]) -> list[Any]:
        paths = [self._path(at) for at in places]
        contents = self._files.cat(paths)
        return [self._transform(contents[path]) for path in paths]


def main() -> None:
    """Time an epoch."""
    task = read_task()
    names = [name for name, _ in read_names(task)]
    kind = FilesAtOnce if task["variant"] == "batch" else Files
    tell_epoch(task, lambda: loader_of(task, kind(task, names), shuffle=True), ("torch", "gcsfs", "fsspec"))


if __name__ == "__main__":
    main()
