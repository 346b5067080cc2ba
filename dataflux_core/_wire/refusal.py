"""Turn an unsuccessful answer into the error that a caller sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflux_core._wire.message import error_message
from dataflux_core.errors import (
    AccessDenied,
    BucketNotFound,
    ConnectionBroken,
    CredentialsMissing,
    DatafluxError,
    EndpointUnreachable,
    ObjectNotFound,
    ServiceRefused,
)

if TYPE_CHECKING:
    from dataflux_core._wire.listing import Scope
    from dataflux_core._wire.message import Answer


def bucket_error(answer: Answer, *, bucket: str, endpoint: str) -> DatafluxError:
    """Name what a failed request about `bucket` as a whole means."""
    if answer.status == 404:  # noqa: PLR2004 - HTTP's own numbers
        return BucketNotFound(bucket)
    return _general_error(answer, f"gs://{bucket}", endpoint)


def listing_error(answer: Answer, scope: Scope, *, endpoint: str) -> DatafluxError:
    """Name what a failed page request means; a glob is the likeliest part of one that the service cannot read."""
    glob = scope.selection.match_glob
    if answer.status == 400 and glob:  # noqa: PLR2004 - HTTP's own numbers
        message = f"{error_message(answer)}; correct the glob, or list without it"
        return ServiceRefused(f"gs://{scope.bucket} with match_glob={glob!r}", answer.status, message)
    return bucket_error(answer, bucket=scope.bucket, endpoint=endpoint)


def object_error(answer: Answer, *, bucket: str, name: str, endpoint: str) -> DatafluxError:
    """Name what a failed request about one object means."""
    if answer.status == 404:  # noqa: PLR2004 - HTTP's own numbers
        if "bucket does not exist" in error_message(answer).lower():
            return BucketNotFound(bucket)
        return ObjectNotFound(bucket, name)
    return _general_error(answer, f"gs://{bucket}/{name}", endpoint)


def is_of_one_object(error: DatafluxError) -> bool:
    """Tell whether the next object may still be read; not so where there is no bucket, no way to it, no valid token."""
    if isinstance(error, ServiceRefused) and error.status == 401:  # noqa: PLR2004 - HTTP's own numbers
        return False
    return not isinstance(error, (BucketNotFound, EndpointUnreachable, CredentialsMissing))


def _general_error(answer: Answer, subject: str, endpoint: str) -> DatafluxError:
    if answer.refused:
        return EndpointUnreachable(endpoint, answer.failure)
    if answer.failure:
        return ConnectionBroken(subject, answer.failure)
    if answer.status in (401, 403):
        return AccessDenied(subject, answer.status, error_message(answer))
    return ServiceRefused(subject, answer.status, error_message(answer))
