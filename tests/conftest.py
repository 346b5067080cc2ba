from __future__ import annotations

import gc
import os
import signal
from multiprocessing import forkserver
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflux_core.emulator import Emulator

# The same examples in each run, so that what is red is red anywhere; HYPOTHESIS_PROFILE=others looks further. None has
# a deadline: how long an example takes depends on who else is on the machine.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("others", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# No test may ask the network who it is, nor count a client's background request for bucket metadata.
os.environ["NO_GCE_CHECK"] = "true"
os.environ["DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA"] = "true"

# A shell that runs the tests in the background has them ignore Ctrl-C, as would each program that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Let no garbage collection look through the tests themselves, which stay: each would take a second."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _nothing_learned() -> None:
    """Let no test know what another has learned of a bucket or of an endpoint's tempo."""
    from dataflux_core._run.reading import permit  # noqa: PLC0415 - most tests need none of it

    permit._known.clear()
    permit._tempos.clear()


@pytest.fixture
def environment() -> Iterator[None]:
    """Put os.environ back as it was."""
    before = dict(os.environ)
    stop_forkserver()
    yield
    os.environ.clear()
    os.environ.update(before)
    stop_forkserver()


def stop_forkserver() -> None:
    """Let the next process that is made by a forkserver have today's environment: that server keeps its own."""
    forkserver._forkserver._stop()  # type: ignore[attr-defined] # there is no public way


def point_at(gcs: Emulator) -> None:
    """Make google-cloud-storage, hence ours, talk to an emulator."""
    os.environ.update(gcs.environ)
