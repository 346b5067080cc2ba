"""Lend transports, so that connections outlive a call but are few, and never cross a process or a thread."""

from __future__ import annotations

import os
import resource
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dataflux_core._run.transport import MAX_CONNECTIONS, Endpoint, Transport

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_IDLE = 8  # per process: threads that download at the same time seldom number more

_DESCRIPTOR_SHARE = 4  # of the open files allowed, one part for readers' connections: the host has files of its own
_LEAST_REQUESTS = 8  # for one more reader, however many there are: it must get on

# Reentrant: a generator that holds a grant may be collected, thus closed, anywhere.
_lock = threading.RLock()
_granted = 0  # requests that the live readers of this process may have in flight
_idle: list[Transport] = []
# A forked child inherits its parent's idle transports. Closing them would talk on the parent's connections
# (TLS says goodbye), so they are kept, untouched, for as long as the child lives.
_inherited: list[Transport] = []


@contextmanager
def grant(wanted: int) -> Iterator[int]:
    """Allow one reader up to `wanted` requests in flight: what the other readers of this process leave."""
    global _granted  # noqa: PLW0603 - the one count of this process
    process_id = os.getpid()
    with _lock:
        granted = max(1, min(wanted, max(_LEAST_REQUESTS, _share() - _granted)))
        _granted += granted
    try:
        yield granted
    finally:
        if os.getpid() == process_id:  # a forked child counts from zero
            with _lock:
                _granted -= granted


def _share() -> int:
    """Return how many connections the readers of this process may have together."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if allowed < 0 else allowed // _DESCRIPTOR_SHARE


@contextmanager
def lease(endpoint: Endpoint, *, max_connections: int = MAX_CONNECTIONS) -> Iterator[Transport]:
    """Lend a transport of this process to the caller alone; after an error its connections are dropped."""
    transport = _take(endpoint, max_connections) or Transport(endpoint)
    transport.keep_connections(max_connections)
    try:
        yield transport
    except BaseException:
        _drop(transport)
        raise
    if transport.in_flight:
        transport.close()  # abandoned answers must not meet the next caller
        return
    _keep(transport)


def _keep(transport: Transport) -> None:
    """Keep `transport` for the next caller, at the expense of those that have been idle for longest."""
    surplus = []
    transport.rest()
    with _lock:
        _idle.append(transport)
        most = min(MAX_CONNECTIONS, _share())  # of all that are idle
        while len(_idle) > _MAX_IDLE or (len(_idle) > 1 and sum(idle.most_in_flight for idle in _idle) > most):
            surplus.append(_idle.pop(0))
    for idle in surplus:
        _drop(idle)


def _drop(transport: Transport) -> None:
    if transport.process_id == os.getpid():
        transport.close()
    else:
        _inherited.append(transport)  # a forked child lets go of its copy of a generator that borrowed it


def _take(endpoint: Endpoint, max_connections: int) -> Transport | None:
    with _lock:
        for transport in [idle for idle in _idle if idle.process_id != os.getpid()]:
            _idle.remove(transport)
            _inherited.append(transport)
        for transport in reversed(_idle):
            if transport.endpoint == endpoint and transport.most_in_flight <= max_connections:
                _idle.remove(transport)
                return transport
    return None


def _start_over() -> None:
    # A fork may happen while another thread holds the lock; that thread's reader is not the child's.
    global _lock, _granted  # noqa: PLW0603 - the one lock of this module, what it guards
    _lock = threading.RLock()
    _granted = 0


os.register_at_fork(after_in_child=_start_over)
