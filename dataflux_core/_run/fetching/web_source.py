"""Read URLs of web servers, or objects on S3, for a fetcher."""

from __future__ import annotations

from contextlib import closing
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

from dataflux_core._run.fetching.doubts import WEB
from dataflux_core._run.fetching.s3_signing import S3Signing
from dataflux_core._run.fetching.sorting import crc32c_of, size_of
from dataflux_core._run.fetching.web_reading import WebReading
from dataflux_core._wire.web import Content, Wanted
from dataflux_core.errors import AccessDenied, S3CredentialsMissing, ServiceRefused

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from dataflux_core._plan.remote import RemoteObjects
    from dataflux_core._run.fetching.doubts import Doubts
    from dataflux_core._run.fetching.sorting import Sorted
    from dataflux_core._run.fetching.stop_signal import StopSignal
    from dataflux_core._run.fetching.tally import Tally
    from dataflux_core._run.fetching.web_reading import WebTools
    from dataflux_core._run.reading.direct import Part
    from dataflux_core.errors import DatafluxError

Incoming: TypeAlias = "Iterator[tuple[int, Wanted | DatafluxError]]"

_SIGNED = 128  # at once: what waits long to be sent is signed too early
_NOT_FOUND = 404
_NO_BUCKET = "NoSuchBucket"
# Codes by which S3 refuses credentials, whatever they are used for.
# Source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_BAD_CREDENTIALS = frozenset(
    {"ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "RequestTimeTooSkewed", "SignatureDoesNotMatch"}
)


class WebSource:
    """Web servers as one process reads them."""

    def __init__(self, tools: WebTools, tally: Tally) -> None:
        self._tools = tools
        self._tally = tally
        self._signing = S3Signing()

    def read(
        self, objects: RemoteObjects, found: Sorted, doubts: Doubts, signal: StopSignal
    ) -> Generator[tuple[int, Part], None, None]:
        """Yield every position of `found.web` with its bytes or its error, as they arrive."""
        reading = WebReading(self._tools, signal)
        try:
            with closing(reading.run(self._incoming(objects, found))) as arriving:
                for position, outcome in arriving:
                    bucket = found.places[position].bucket
                    part = outcome.content if isinstance(outcome, Content) else _named(outcome, bucket)
                    yield from _sifted(doubts, bucket, position, part)
        finally:
            self._tally.add(reading.stats)

    def read_range(self, wanted: Wanted, signal: StopSignal) -> Content:
        """Return the part that is wanted; raises the error about it."""
        reading = WebReading(self._tools, signal)
        try:
            with closing(reading.run([(0, wanted)])) as arriving:
                for _, outcome in arriving:
                    if not isinstance(outcome, Content):
                        raise outcome
                    return outcome
        finally:
            self._tally.add(reading.stats)
        raise RuntimeError(f"{wanted.subject}: neither bytes nor an error came")

    def _incoming(self, objects: RemoteObjects, found: Sorted) -> Incoming:
        """Say what is wanted of each URL; those of S3 are signed shortly before they are sent."""
        for bucket, grouped in groupby(found.web, lambda position: found.places[position].bucket):
            positions = list(grouped)
            for start in range(0, len(positions), _SIGNED):
                some = positions[start : start + _SIGNED]
                names = [found.places[position].name for position in some]
                urls = self._signing.urls(bucket, names) if bucket else names
                for position, url in zip(some, urls, strict=True):
                    yield position, self._wanted(objects, position, url)

    def _wanted(self, objects: RemoteObjects, position: int, url: str) -> Wanted:
        return Wanted(
            objects.urls[position],
            url,
            size_of(objects, position),
            crc32c_of(objects, position),
            max_bytes=self._tools.options.max_object_bytes,
        )


def _sifted(doubts: Doubts, bucket: str, position: int, part: Part) -> Iterator[tuple[int, Part]]:
    """Let pass what is of one object; one web server that refuses says nothing of others."""
    if not bucket and isinstance(part, AccessDenied):
        return iter(((position, part),))
    return iter(doubts.sift(f"s3://{bucket}" if bucket else WEB, position, part))


def _named(error: DatafluxError, bucket: str) -> DatafluxError:
    """Raise what S3 refuses to all objects; give back what is of one."""
    if not bucket or not isinstance(error, ServiceRefused):
        return error
    if error.message in _BAD_CREDENTIALS:
        raise S3CredentialsMissing(f"{error.subject}: {error.message}")
    if error.status == _NOT_FOUND and error.message == _NO_BUCKET:
        advice = "the bucket does not exist; check its name and AWS_ENDPOINT_URL"
        raise ServiceRefused(f"s3://{bucket}", _NOT_FOUND, advice)
    return error
