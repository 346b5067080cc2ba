"""Advise whoever reads through a dataset only what datasets have."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from dataflux_core.errors import ConnectionBroken, EndpointUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")
_UNREACHED = "check the network, the proxy variables and STORAGE_EMULATOR_HOST"
_BROKEN = "try again later"


def for_datasets(part: T) -> T:
    """Return what has come, an error about it without the retry_config that calls for downloads have."""
    error: object = part
    if isinstance(error, ConnectionBroken):
        error = ConnectionBroken(error.subject, error.reason, _BROKEN)
    elif isinstance(error, EndpointUnreachable):
        error = EndpointUnreachable(error.endpoint, error.reason, _UNREACHED)
    return error  # type: ignore[return-value] # of the same type as before


@contextmanager
def advising_datasets() -> Iterator[None]:
    """Raise errors with such advice."""
    try:
        yield
    except (ConnectionBroken, EndpointUnreachable) as error:
        raise for_datasets(error) from error.__cause__
