"""Find what a path or a URL stands for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dataflux_core._data.index import web_files
from dataflux_core._data.index.bucket_files import BucketFiles
from dataflux_core._data.index.directory_files import files_below
from dataflux_core._data.index.local_files import matching_files
from dataflux_core._data.index.opened_files import not_opened
from dataflux_core._data.index.places import Place, place_of
from dataflux_core._data.index.s3_files import S3Files
from dataflux_core.errors import IndexUnusable

if TYPE_CHECKING:
    import pyarrow as pa

    from dataflux_core._data.index.scratch import Scratch
    from dataflux_core._run.client_source import ClientSource

_MAX_PATHS_BYTES = 64 * 1024**2


class Sources:
    """Files of this machine, of buckets, of web servers, looked for with one client, brought to one scratch."""

    def __init__(self, scratch: Scratch, client: ClientSource = None, *, shows_bar: bool = False) -> None:
        self._scratch = scratch
        self._client = client
        self._shows_bar = shows_bar
        self._fetched = 0

    def files_below(self, place: Place) -> tuple[pa.Table, str]:
        """Return the files of a directory, their names below it, with what stands before these names."""
        if place.scheme == "file":
            root = place.path.rstrip("/") or "/"
            if not os.path.isdir(root):  # noqa: PTH112 - a Path raises for what is too long
                raise IndexUnusable(root, "there is no such directory", "correct the path")
            return files_below(root), root.rstrip("/") + "/"
        path = place.path and place.path.rstrip("/") + "/"
        return self._bucket(place).files_below(path), str(Place(place.scheme, place.bucket, path))

    def index_files(self, place: Place) -> list[Place]:
        """Return the index files that a wildcard or a list of paths stands for; one file is itself."""
        if place.is_wildcard:
            return self._matches(place)
        if place.is_paths:
            return self._listed(place)
        return [place]

    def local(self, place: Place) -> Path:
        """Return the path of a file, or of a copy of it; raises IndexUnusable or another DatafluxError."""
        if place.scheme == "file":
            path = Path(place.path)
            if not os.path.isfile(path):  # noqa: PTH113 - a Path raises for what is too long
                is_there = os.path.exists(path)  # noqa: PTH110
                problem = "it is no file" if is_there else "there is no such file"
                raise IndexUnusable(
                    str(path), problem, "correct the path; a relative one begins where the program runs"
                )
            return path
        self._fetched += 1
        path = self._scratch.path / f"fetched-{self._fetched}"
        if place.is_web:
            web_files.fetch(str(place), path)
        else:
            self._bucket(place).fetch(place.path, path)
        return path

    def _bucket(self, place: Place) -> BucketFiles | S3Files:
        if place.scheme == "s3":
            return S3Files(place.bucket)
        if place.scheme == "gs":
            return BucketFiles(place.bucket, self._client, shows_bar=self._shows_bar)
        raise IndexUnusable(place.shown, "a web server lists no files", "give the URL of an index file")

    def _matches(self, place: Place) -> list[Place]:
        if place.scheme == "file":
            paths = matching_files(place.path)
        else:
            paths = self._bucket(place).matches(place.path, place.fixed)
        if not paths:
            raise IndexUnusable(str(place), "no file matches", "correct the wildcard: '*' stops at '/', '**' does not")
        return [Place(place.scheme, place.bucket, path) for path in paths]

    def _listed(self, place: Place) -> list[Place]:
        path = self.local(place)
        try:
            size = path.stat().st_size
            if size > _MAX_PATHS_BYTES:
                problem = f"it has {size:,} bytes, which is no list of paths"
                raise IndexUnusable(place.shown, problem, "write the path of one index file a line")
            lines = path.read_text("utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise IndexUnusable(place.shown, "it is not UTF-8", "write one path a line, in UTF-8") from error
        except OSError as error:
            raise not_opened(place.shown, error) from error
        named = [place_of(line.strip(), place.parent) for line in lines if line.strip()]
        if not named:
            raise IndexUnusable(place.shown, "there is no path in it", "write the path of one index file a line")
        for number, each in enumerate(named, 1):
            if each.is_paths or each.is_directory:
                problem = f"path {number} is {each.shown}, which is no index file"
                raise IndexUnusable(place.shown, problem, "name CSV, JSON or Parquet files")
            if each.scheme == "file" and place.scheme != "file":
                problem = f"path {number} is {each.shown}, a file of this machine, not one of the list's"
                raise IndexUnusable(place.shown, problem, "name files beside the list, or by their URLs")
        return [found for each in named for found in (self._matches(each) if each.is_wildcard else [each])]
