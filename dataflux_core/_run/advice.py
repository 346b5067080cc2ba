"""Tell whoever reads through a dataset of its own terms only: URLs, the advice that datasets can follow."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from dataflux_core.errors import ChecksumMismatch, ConnectionBroken, EndpointUnreachable, NotDecompressed, ObjectChanged

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")
_UNREACHED = "check the network, the proxy variables and STORAGE_EMULATOR_HOST"
_BROKEN = "try again later"


def for_datasets(part: T, source: str = "") -> T:
    """Return what has come; an error about it with the object's URL, without the retry_config of downloads.

    A call for downloads names its bucket itself; a dataset may read of several, `source` being one: gs://bucket.
    """
    error: object = part
    if isinstance(error, ConnectionBroken):
        error = ConnectionBroken(error.subject, error.reason, _BROKEN)
    elif isinstance(error, EndpointUnreachable):
        error = EndpointUnreachable(error.endpoint, error.reason, _UNREACHED)
    elif isinstance(error, ObjectChanged | ChecksumMismatch | NotDecompressed) and source:
        name, *others = error.args
        error = type(error)(f"{source}/{name}", *others)
    return error  # type: ignore[return-value] # of the same type as before


@contextmanager
def advising_datasets() -> Iterator[None]:
    """Raise errors with such advice."""
    try:
        yield
    except (ConnectionBroken, EndpointUnreachable) as error:
        raise for_datasets(error) from error.__cause__
