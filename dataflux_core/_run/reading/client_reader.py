"""Read objects through the public methods of a client that is not a plain one."""

from __future__ import annotations

import logging
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

import google_crc32c
import msgspec

from dataflux_core._plan.columns import UNKNOWN_SIZE
from dataflux_core._plan.groups import group_for_compose
from dataflux_core._plan.obstacles import COMPOSE_PERMISSIONS
from dataflux_core._plan.split import split
from dataflux_core._run.crew import Crew
from dataflux_core._run.reading.direct import GroupBytes, Part, blamed, changed_checksum
from dataflux_core._wire.encoding import GZIP, unpacked
from dataflux_core._wire.listing import COMPOSED_PREFIX
from dataflux_core._wire.message import Answer
from dataflux_core._wire.refusal import object_error
from dataflux_core.errors import DatafluxError, ObjectChanged, ObjectNotFound, ServiceRefused

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from dataflux_core._plan.columns import ObjectColumns
    from dataflux_core._plan.groups import Group
    from dataflux_core._run.reading.options import ReadOptions
    from dataflux_core._run.reading.stats import DownloadStats

log = logging.getLogger(__name__)


class ClientReader:
    """Groups read as the engine reads them, but one request at a time in each thread.

    A fake, or a client with a transport of its own, may have no more than `bucket`, `blob`, `compose`,
    `download_as_bytes`, `delete`, `test_iam_permissions`, each with a name, sources or a retry. What the engine does
    beyond that is missing here: nothing is read ahead of a lazy download's user; no guardian removes the temporaries
    of a process that is killed; only blobs of a storage.Bucket are pinned to their generations, or compared with the
    service's checksum, by themselves; errors that are none of google.api_core's come as the client raises them.
    """

    def __init__(
        self,
        client: Any,  # noqa: ANN401 - anything
        bucket: str,
        retry: Any,  # noqa: ANN401 - google.api_core ships no types
        options: ReadOptions,
        stats: DownloadStats,
    ) -> None:
        from google.cloud import storage  # noqa: PLC0415 - slow import

        self._bucket_name = bucket
        self._bucket = client.bucket(bucket)
        self._is_real = isinstance(self._bucket, storage.Bucket)  # a fake need not know of every option
        self._retry = retry
        self._options = options
        self._stats = stats

    def read(self, objects: ObjectColumns, *, threads: int = 1) -> Generator[GroupBytes, None, None]:
        """Yield every group, in listing order with one thread, else as they are finished.

        One request at a time is soonest done with few requests: what may be composed is.
        """
        options = self._options
        # A composite does not tell which of its objects are stored compressed.
        is_direct = options.strategy == "direct" or (options.decompress and objects.encodings is None)
        groups = list(group_for_compose(objects.sizes, max_bytes=0 if is_direct else options.max_composite_bytes))
        if any(group.sources > 1 for group in groups) and not self._may_compose():
            groups = list(group_for_compose(objects.sizes, max_bytes=0))
        if threads == 1 or len(groups) == 1:
            for group in groups:
                yield self._read(objects, group)
        else:
            yield from self._read_on_threads(objects, groups, threads)

    def _read_on_threads(
        self, objects: ObjectColumns, groups: list[Group], threads: int
    ) -> Generator[GroupBytes, None, None]:
        # On an error those that run go to their end, each with its temporary; the others are not begun.
        with Crew[GroupBytes](min(threads, len(groups)), "dataflux-read") as crew:
            for group in groups:
                crew.submit(partial(self._read, objects, group))
            while crew.running:
                yield crew.take()

    def _may_compose(self) -> bool:
        ask = getattr(self._bucket, "test_iam_permissions", None)
        if ask is None:
            return True  # a fake without a notion of permissions
        self._stats.asked("permissions")
        try:
            granted = set(ask(list(COMPOSE_PERMISSIONS)))
        except _google_error() as error:
            granted = set()
            log.debug("read.permissions_unknown bucket=%s reason=%s", self._bucket_name, error)
        missing = [permission for permission in COMPOSE_PERMISSIONS if permission not in granted]
        if missing:
            log.warning(
                "read.composes_not bucket=%s reason=lacking %s; objects are read one by one",
                self._bucket_name,
                ", ".join(missing),
            )
        return not missing

    def _read(self, objects: ObjectColumns, group: Group) -> GroupBytes:
        if group.sources > 1:
            parts = self._read_composed(objects, group)
            if parts is not None:
                return GroupBytes(group, parts)
        return GroupBytes(group, [self._read_part(objects, at) for at in range(group.start, group.stop)])

    def _read_part(self, objects: ObjectColumns, position: int) -> Part:
        try:
            return self._read_object(objects, position)
        except DatafluxError as error:
            return blamed(error, self._options.on_error)

    def _read_composed(self, objects: ObjectColumns, group: Group) -> list[Part] | None:
        """Return the parts; None where an object must be to blame, which reading each alone finds."""
        name = f"{COMPOSED_PREFIX}{uuid.uuid4().hex}"
        composite = self._bucket.blob(name)
        sources = [self._blob(objects, at) for at in range(group.start, group.stop)]
        self._stats.asked("compose")
        try:
            composite.compose(sources, retry=self._retry)
            content = self._download(composite)
        except _google_error() as error:
            log.debug("read.compose_failed bucket=%s reason=%s", self._bucket_name, error)
            return None
        finally:
            self._delete(composite, name)
        if len(content) != group.size:
            return None
        self._stats.groups_composed += 1
        parts = split(content, objects.sizes[group.start : group.stop])
        return [
            self._unpacked(objects, position, part, None)
            if _changed(objects, position, part) is None
            else self._read_part(objects, position)
            for position, part in enumerate(parts, group.start)
        ]

    def _read_object(self, objects: ObjectColumns, position: int) -> Part:
        name, listed = objects.names[position], objects.sizes[position]
        blob = self._blob(objects, position)
        try:
            content = self._download(blob)
        except _google_error() as error:
            raise self._named_error(error, objects, position) from error
        if listed not in (len(content), UNKNOWN_SIZE):
            raise ObjectChanged(name, listed, len(content))
        changed = _changed(objects, position, content)
        if changed is not None:
            raise changed
        self._stats.objects_direct += 1
        return self._unpacked(objects, position, content, blob)

    def _unpacked(self, objects: ObjectColumns, position: int, content: bytes, blob: Any) -> Part:  # noqa: ANN401
        """Decompress what is listed, or what its blob says, to be stored compressed, if that is wanted."""
        if not self._options.decompress:
            return content
        listed = None if objects.encodings is None else objects.encodings[position]
        if (getattr(blob, "content_encoding", None) if listed is None else listed) != GZIP:
            return content
        try:
            return unpacked(objects.names[position], content)
        except DatafluxError as error:
            return blamed(error, self._options.on_error)

    def _named_error(self, error: Exception, objects: ObjectColumns, position: int) -> DatafluxError:
        """Say what a failed read means; where a pinned generation is gone, ask first what took its place."""
        name, size, generation = objects.names[position], objects.sizes[position], objects.generation(position)
        named = client_error(error, self._bucket_name, name)
        if not (isinstance(named, ObjectNotFound) and generation and self._is_real):
            return named
        self._stats.asked("stat")
        try:
            found = self._bucket.get_blob(name, retry=self._retry)
        except _google_error() as another:
            return client_error(another, self._bucket_name, name)
        if found is None:
            return named
        if found.size != size:
            return ObjectChanged(name, size, found.size)
        return ObjectChanged(name, generation, found.generation, "generation")

    def _blob(self, objects: ObjectColumns, position: int) -> Any:  # noqa: ANN401 - the client's own kind of blob
        name, generation = objects.names[position], objects.generation(position)
        if generation and self._is_real:
            return self._bucket.blob(name, generation=generation)
        return self._bucket.blob(name)

    def _download(self, blob: Any) -> bytes:  # noqa: ANN401 - anything with download_as_bytes
        from google.cloud import storage  # noqa: PLC0415 - slow import

        self._stats.asked("read")
        # A real blob, also a wrapped bucket's, would decompress what is stored compressed.
        raw = {"raw_download": True} if isinstance(blob, storage.Blob) else {}
        content: bytes = blob.download_as_bytes(retry=self._retry, **raw)
        self._stats.received_bytes += len(content)
        return content

    def _delete(self, composite: Any, name: str) -> None:  # noqa: ANN401 - anything with delete
        from google.api_core import exceptions  # noqa: PLC0415 - slow import

        self._stats.asked("delete")
        try:
            composite.delete(retry=self._retry)
        except exceptions.NotFound:
            pass  # it was not made
        except Exception as error:  # noqa: BLE001 - whatever the client raises, the bytes that were read are right
            self._stats.temporaries_kept += 1
            log.warning("temporaries.kept bucket=%s name=%s reason=%r", self._bucket_name, name, error)


def _changed(objects: ObjectColumns, position: int, content: bytes) -> ObjectChanged | None:
    return changed_checksum(objects, position, google_crc32c.value(content)) if objects.checksums is not None else None


def compose_through_client(
    bucket: Any,  # noqa: ANN401 - the client's own kind
    bucket_name: str,
    destination: str,
    names: Sequence[str],
    retry: Any,  # noqa: ANN401 - google.api_core ships no types
) -> Any:  # noqa: ANN401 - the client's own kind of blob
    """Join objects under a name, return its blob; raises a DatafluxError that names the source that is missing."""
    joined = bucket.blob(destination)
    try:
        joined.compose([bucket.blob(name) for name in names], retry=retry)
    except _google_error() as error:
        named = client_error(error, bucket_name, destination)
        if isinstance(named, ObjectNotFound):  # it cannot be the destination, which need not exist
            named = _missing_source(error, bucket, bucket_name, named.name, names)
        raise named from error
    return joined


def _missing_source(
    error: Exception,
    bucket: Any,  # noqa: ANN401 - as above
    bucket_name: str,
    destination: str,
    names: Sequence[str],
) -> DatafluxError:
    """Ask which source is not there: the message of a refused compose is for people, so nothing is read out of it."""
    try:
        for name in names:
            blob = bucket.blob(name)
            if hasattr(blob, "exists") and not blob.exists():
                return ObjectNotFound(bucket_name, name)
    except _google_error() as another:  # who may compose need not be allowed to look
        log.debug("compose.source_unknown bucket=%s reason=%s", bucket_name, another)
    return ServiceRefused(f"gs://{bucket_name}/{destination}", 404, str(error))


def client_error(error: Exception, bucket: str, name: str) -> DatafluxError:
    """Name what a google.api_core error about one object means."""
    from google.api_core.exceptions import GoogleAPICallError, RetryError  # noqa: PLC0415 - slow import

    cause = error.cause if isinstance(error, RetryError) else error
    if isinstance(cause, GoogleAPICallError) and cause.code:
        # In the service's own form, so that one place says what a status means.
        body = msgspec.json.encode({"error": {"message": str(cause.message)}})
        answer = Answer(int(cause.code), (), body)
    else:
        answer = Answer(0, (), b"", str(cause) or repr(cause))
    return object_error(answer, bucket=bucket, name=name, endpoint="")


def _google_error() -> type[Exception]:
    from google.api_core.exceptions import GoogleAPIError  # noqa: PLC0415 - slow import

    return GoogleAPIError
