"""A Ctrl-C comes through at whatever moment it arrives, with nothing in its place."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pycurl
import pytest

from dataflux_core import download
from dataflux_core._run.exchange import Exchange
from dataflux_core._run.transport import Endpoint, Transport
from dataflux_core.emulator import Emulator, Memory
from tests.download.buckets import client_of

if TYPE_CHECKING:
    from collections.abc import Iterator

MOMENTS_S = [0.0015 * step for step in range(1, 31)]  # of this process's CPU time


def test_a_request_that_was_not_yet_added_does_not_mask_what_interrupted_it() -> None:
    transport = Transport(Endpoint("http://127.0.0.1:1"))
    curl = transport._new_handle()
    transport._running[curl] = Exchange(curl, "small")
    transport.close()


def test_a_callback_that_failed_was_interrupted() -> None:
    transport = Transport(Endpoint("http://127.0.0.1:1"))
    assert isinstance(transport._cause(pycurl.error(3, "out of memory")), RuntimeError)
    assert isinstance(transport._cause(pycurl.error(11, "aborted by callback")), KeyboardInterrupt)
    assert isinstance(transport._cause(pycurl.error(11, "aborted by callback")), RuntimeError)


@pytest.fixture
def interrupts() -> Iterator[None]:
    """Raise KeyboardInterrupt when the process's timer of CPU time ends."""
    before = signal.signal(signal.SIGVTALRM, signal.default_int_handler)
    yield
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, before)


@pytest.mark.usefixtures("interrupts")
@pytest.mark.parametrize(("cap", "objects"), [(0, 1000), (100_000, 6000)], ids=["direct", "composed"])
# One that comes while Python runs a finalizer is lost, by Python's own doing.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_download_that_is_interrupted_anywhere_raises_that_alone(cap: int, objects: int) -> None:
    contents = {f"{number:04d}": b"x" * (number % 100) for number in range(objects)}
    with Emulator(buckets={"b": Memory(contents)}) as gcs:
        found = [interrupted_after(moment_s, client_of(gcs), contents, cap) for moment_s in MOMENTS_S]
    assert None in found
    assert all(got in (None, list(contents.values())) for got in found)


def interrupted_after(moment_s: float, client: Any, contents: dict[str, bytes], cap: int) -> list[bytes] | None:
    """Return what was downloaded, None where that was interrupted."""
    pairs = [(name, len(content)) for name, content in contents.items()]
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, moment_s)
        got = download.dataflux_download(
            "p", "b", pairs, client, download.DataFluxDownloadOptimizationParams(cap), strategy="compose"
        )
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except KeyboardInterrupt:
        return None
    return got
