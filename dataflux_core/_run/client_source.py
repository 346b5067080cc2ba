"""Take a client from whoever may give one."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.cloud import storage

# A client, a fake of one, what gives one, or None: made from the environment.
ClientSource: TypeAlias = "storage.Client | Callable[[], storage.Client] | None"


def given_client(source: ClientSource) -> storage.Client | None:
    """Return the client that is given, or made by what is; None where the environment is to say."""
    # A client may be a mock, which can be called as well.
    return source() if callable(source) and not hasattr(source, "bucket") else source


def sendable_client(source: ClientSource) -> ClientSource:
    """Return what another process can make a client of; raises InvalidArgument for a client."""
    if source is None or callable(source):
        return source
    expected = "a function that makes one, or None: a client cannot be sent to another process"
    raise InvalidArgument("storage_client", repr(source), expected)
