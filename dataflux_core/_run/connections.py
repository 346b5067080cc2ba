"""Lend transports, so that connections outlive a call but never cross a process or a thread."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dataflux_core._run.transport import Endpoint, Transport

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_IDLE = 8  # per process: threads that download at the same time seldom number more

_lock = threading.Lock()
_idle: list[Transport] = []
# A forked child inherits its parent's idle transports. Closing them would talk on the parent's connections
# (TLS says goodbye), so they are kept, untouched, for as long as the child lives.
_inherited: list[Transport] = []


@contextmanager
def lease(endpoint: Endpoint) -> Iterator[Transport]:
    """Lend a transport of this process to the caller alone; after an error its connections are dropped."""
    transport = _take(endpoint) or Transport(endpoint)
    try:
        yield transport
    except BaseException:
        _drop(transport)
        raise
    if transport.in_flight:
        transport.close()  # abandoned answers must not meet the next caller
        return
    with _lock:
        _idle.append(transport)
        surplus = _idle.pop(0) if len(_idle) > _MAX_IDLE else None
    if surplus is not None:
        surplus.close()


def _drop(transport: Transport) -> None:
    if transport.process_id == os.getpid():
        transport.close()
    else:
        _inherited.append(transport)  # a forked child lets go of its copy of a generator that borrowed it


def _take(endpoint: Endpoint) -> Transport | None:
    with _lock:
        for transport in [idle for idle in _idle if idle.process_id != os.getpid()]:
            _idle.remove(transport)
            _inherited.append(transport)
        for transport in reversed(_idle):
            if transport.endpoint == endpoint:
                _idle.remove(transport)
                return transport
    return None


def _renew_lock() -> None:
    # A fork may happen while another thread holds the lock.
    global _lock  # noqa: PLW0603 - the one lock of this module
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)
