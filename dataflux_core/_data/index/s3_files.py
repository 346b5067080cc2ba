"""Find index files or directories in a bucket on S3; bring files here."""

from __future__ import annotations

import os
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dataflux_core._data.index.scratch import written
from dataflux_core._plan.globs import choose
from dataflux_core.errors import AccessDenied, ConnectionBroken, DatafluxError, ExtraMissing, ServiceRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_TIMEOUT = timedelta(seconds=30)
_FOR_RETRIES = timedelta(seconds=120)
_OK, _NOT_FOUND, _DENIED = 200, 404, 403


class S3Files:
    """Files of one bucket; the usual variables, AWS_…, give endpoint, region, credentials."""

    def __init__(self, bucket: str) -> None:
        try:
            import obstore  # noqa: PLC0415 - an extra
            from obstore.store import S3Store  # noqa: PLC0415
        except ImportError as error:
            raise ExtraMissing(f"s3://{bucket}", "s3") from error
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")
        self._bucket = bucket
        self._obstore: Any = obstore
        with _blaming(f"s3://{bucket}"):
            self._store: Any = S3Store(
                bucket,
                config={"endpoint": endpoint} if endpoint else None,
                client_options={
                    "timeout": _TIMEOUT,
                    "connect_timeout": _TIMEOUT,
                    "allow_http": endpoint.startswith("http://"),
                },
                retry_config={"max_retries": 5, "retry_timeout": _FOR_RETRIES},
            )

    def files_below(self, directory: str) -> pa.Table:
        """Return name (below the directory), size of every object; raises ServiceRefused."""
        schema = pa.schema([("name", pa.string()), ("size", pa.int64())])
        batches = []
        for page in self._pages(directory):
            inside = [entry for entry in page if entry["path"].startswith(directory)]
            names = pa.array([entry["path"][len(directory) :] for entry in inside], pa.string())
            sizes = pa.array([entry["size"] for entry in inside], pa.int64())
            batches.append(pa.record_batch([names, sizes], schema=schema))
        return pa.Table.from_batches(batches, schema)

    def matches(self, wildcard: str, fixed: str) -> list[str]:
        """Return the keys that match, in their order."""
        keys = sorted(entry["path"] for page in self._pages(fixed) for entry in page)
        return [keys[position] for position in choose(keys, include=[wildcard]).positions]

    def fetch(self, key: str, path: Path) -> None:
        """Write an object to a file, checked by its size; raises ServiceRefused."""
        url = f"s3://{self._bucket}/{key}"
        with _blaming(url):
            answer = self._obstore.get(self._store, key)
        with written(path) as aside, aside.open("wb") as file:
            received = sum(file.write(memoryview(chunk)) for chunk in _blamed(answer, url))
            if received != answer.meta["size"]:
                raise ServiceRefused(url, _OK, f"{received} of {answer.meta['size']} bytes came; try again")

    def _pages(self, prefix: str) -> Iterator[Any]:
        with _blaming(f"s3://{self._bucket}/{prefix}"):
            yield from self._obstore.list(self._store, prefix=prefix or None, chunk_size=1000)


@contextmanager
def _blaming(url: str) -> Iterator[None]:
    """Turn obstore's errors into ours."""
    try:
        yield
    except FileNotFoundError as error:
        if error.errno:
            raise
        raise ServiceRefused(url, _NOT_FOUND, "no such object; correct its key") from error
    except Exception as error:
        if not type(error).__module__.startswith("obstore"):
            raise
        raise _error_of(url, error) from error


def _blamed(answer: Iterable[Any], url: str) -> Iterator[Any]:
    with _blaming(url):
        yield from answer


def _error_of(url: str, error: Exception) -> DatafluxError:
    text = str(error)
    if "/latest/api/token" in text or "/latest/meta-data" in text:  # where machines of AWS ask for credentials
        reason = "no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        return AccessDenied(url, _DENIED, reason)
    if "NoSuchBucket" in text or " 404 " in text:
        return ServiceRefused(url, _NOT_FOUND, "the bucket does not exist; check its name and AWS_ENDPOINT_URL")
    first = text.partition("\n")[0][:300]
    if " 403 " in text or " 401 " in text:
        return AccessDenied(url, _DENIED, f"the credentials in AWS_… were refused ({first})")
    return ConnectionBroken(url, f"{first}; check AWS_ENDPOINT_URL and the network")
