"""Temporaries are gone in the end, whatever ends the download."""

from __future__ import annotations

import os
import signal
import sys
import time
import uuid
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from dataflux_core import download, errors
from dataflux_core._run.reading import temporaries
from dataflux_core.emulator import Emulator, Fault, Latency
from tests.certificates import certificate
from tests.download.buckets import DRIVERS, Stocked, eager, stock
from tests.download.guardians import MARK, command_line, guardians, settled_guardians
from tests.processes import line_of, start_script, wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

Stock: TypeAlias = "Callable[[list[int]], Stocked]"
START_S = 60.0  # for a program to import what it needs, on a busy machine, and to get so far

DOWNLOAD = """
import os, signal, sys, threading
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from dataflux_core import download
handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
client = storage.Client("p", AnonymousCredentials(), client_options={"api_endpoint": os.environ["ENDPOINT"]})
objects = [(f"data/{number:05d}", 100) for number in range(2000)]
calls = {
    "eager": lambda: download.dataflux_download("p", sys.argv[2], objects, client, strategy="compose"),
    "lazy": lambda: list(download.dataflux_download_lazy("p", sys.argv[2], objects, client, strategy="compose")),
    "parallel": lambda: download.dataflux_download_parallel(
        "p", sys.argv[2], objects, client, None, 4, strategy="compose"
    ),
}
if sys.argv[1] == "parallel":
    from dataflux_core._run.reading import reader_processes
    reader_processes._MIN_REQUESTS = 1
    reader_processes.spare_cores = lambda: 1
print("ready", flush=True)
try:
    calls[sys.argv[1]]()
    print("done", flush=True)
finally:
    assert handlers == {number: signal.getsignal(number) for number in handlers}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Emulator]:
    """A service of our own: answers that nobody waits for any more stay in flight for a minute."""
    with Emulator() as gcs:
        yield gcs


def started(bucket: Stocked, driver: str) -> subprocess.Popen[str]:
    """Start a download in a program of its own; return it while composites are being made or read."""
    program = start_script(DOWNLOAD, {"ENDPOINT": bucket.gcs.endpoint, MARK: bucket.name}, driver, bucket.name)
    assert line_of(program) == "ready\n"
    return program


def slow(bucket: Stocked, **latency: float) -> None:
    bucket.gcs.configure(latency=Latency(**latency))


@pytest.mark.parametrize("driver", ["eager", "lazy", "parallel"])
@pytest.mark.parametrize("waiting_for", ["composes", "reads"])
def test_ctrl_c_ends_a_download_within_two_seconds_and_leaves_nothing(
    driver: str, waiting_for: str, stocked: Stock
) -> None:
    bucket = stocked([100] * 2000)
    slow(bucket, **({"compose_s": 0.5} if waiting_for == "composes" else {"read_s": 60.0}))
    began_s = time.monotonic()
    with started(bucket, driver) as program:
        own_s = max(1.0, time.monotonic() - began_s)  # the interpreter's own end takes no longer than its start
        assert wait_until(lambda: bucket.gcs.requests()["compose" if waiting_for == "composes" else "read"] >= 30)
        began_s = time.monotonic()
        os.killpg(program.pid, signal.SIGINT)
        out, err = program.communicate()
    assert time.monotonic() - began_s < 2 + own_s
    assert "done" not in out
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert "ResourceWarning" not in err
    slow(bucket)
    assert wait_until(lambda: bucket.temporaries() == [])


@pytest.mark.parametrize("driver", ["eager", "lazy", "parallel"])
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL], ids=lambda sent: sent.name)
@pytest.mark.parametrize("waiting_for", ["composes", "reads"])
def test_a_process_that_is_killed_leaves_nothing(
    driver: str, sent: signal.Signals, waiting_for: str, stocked: Stock
) -> None:
    bucket = stocked([100] * 2000)
    slow(bucket, **({"compose_s": 1.0} if waiting_for == "composes" else {"read_s": 60.0}))
    with started(bucket, driver) as program:
        assert wait_until(lambda: bucket.gcs.requests()["compose" if waiting_for == "composes" else "read"] >= 30)
        program.send_signal(sent)
        program.communicate()
    assert program.returncode == -sent
    slow(bucket)
    composes = bucket.gcs.requests()["compose"]
    assert wait_until(lambda: bucket.gcs.requests()["delete"] >= composes)
    assert wait_until(lambda: bucket.temporaries() == [])


def test_a_download_that_ends_well_leaves_no_process_behind(stocked: Stock) -> None:
    bucket = stocked([100] * 2000)
    with started(bucket, "eager") as program:
        out, err = program.communicate()
    assert (out, err, program.returncode) == ("done\n", "", 0)
    assert wait_until(lambda: guardians(bucket.name) == [])


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.__name__)
def test_an_error_leaves_nothing_though_composes_are_in_flight(driver: Any, stocked: Stock) -> None:
    bucket = stocked([100] * 2000)
    slow(bucket, compose_s=0.3)
    bucket.gcs.configure(faults=[Fault("read", "503", times=1)])
    bucket.put("data/00700", b"x")
    with pytest.raises(errors.ObjectChanged, match="data/00700"):
        driver(bucket.client(), bucket.name, bucket.pairs)
    assert wait_until(lambda: bucket.temporaries() == [])


GUARDED = """
import os, sys
from google.cloud import storage
from google.oauth2.credentials import Credentials
from dataflux_core import download
token = Credentials(os.environ["TOKEN"])
client = storage.Client("p", token, client_options={"api_endpoint": os.environ["ENDPOINT"]})
objects = [(f"data/{number:05d}", 100) for number in range(200)]
download.dataflux_download("p", sys.argv[1], objects, client, strategy="compose")
"""


def test_a_guardian_speaks_tls_with_the_hosts_token_and_authority_and_shows_neither(tmp_path: Path) -> None:
    certfile, keyfile = certificate(tmp_path)
    token = uuid.uuid4().hex
    with Emulator(certfile=certfile, keyfile=keyfile) as gcs:
        bucket = stock(gcs, "b", [100] * 200)
        gcs.configure(latency=Latency(read_s=60.0), token=token)
        environ = {"ENDPOINT": gcs.endpoint, "REQUESTS_CA_BUNDLE": str(certfile), "TOKEN": token, MARK: token}
        with start_script(GUARDED, environ, bucket.name) as program:
            assert wait_until(lambda: gcs.requests()["read"] >= 7, START_S)
            assert wait_until(lambda: len(settled_guardians(token)) == 1)
            guarding = [command_line(pid) for pid in settled_guardians(token)]
            program.kill()
            program.communicate()
        assert len(guarding) == 1
        assert token not in guarding[0]
        assert wait_until(lambda: gcs.requests()["delete"] == 7)
        assert wait_until(lambda: guardians(token) == [])
        assert gcs.requests().errors == {}


def test_an_exception_of_the_consumer_leaves_nothing(stocked: Stock) -> None:
    bucket = stocked([100] * 2000)
    slow(bucket, compose_s=0.1)

    def consume() -> None:
        for _ in download.dataflux_download_lazy("p", bucket.name, bucket.pairs, bucket.client(), strategy="compose"):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        consume()
    slow(bucket)
    assert wait_until(lambda: bucket.temporaries() == [])


LEFT_OPEN = """
import atexit, os, signal, sys
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from dataflux_core import download
from dataflux_core._run.reading import reader
reader._FIRST_REQUESTS = 32  # the rest is composed while the interpreter ends
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
atexit.register(signal.sigwait, [signal.SIGUSR1])
client = storage.Client("p", AnonymousCredentials(), client_options={"api_endpoint": os.environ["ENDPOINT"]})
objects = [(f"data/{number:05d}", 100) for number in range(2000)]
arriving = download.dataflux_download_lazy("p", sys.argv[1], objects, client, strategy="compose")
next(arriving)
"""


def test_an_interpreter_that_ends_with_an_open_iterator_leaves_nothing(stocked: Stock) -> None:
    bucket = stocked([100] * 2000)
    bucket.gcs.reset_requests()
    slow(bucket, compose_s=1.8)  # longer than the end of a call waits for composes
    with start_script(LEFT_OPEN, {"ENDPOINT": bucket.gcs.endpoint}, bucket.name) as program:
        assert wait_until(lambda: bucket.gcs.requests()["compose"] == 63, START_S)
        program.send_signal(signal.SIGUSR1)
        _, err = program.communicate()
    assert (err, program.returncode) == ("", 0)
    assert wait_until(lambda: bucket.temporaries() == [])


def test_a_guardian_that_dies_is_replaced_by_one_that_knows_of_everything(stocked: Stock) -> None:
    bucket = stocked([100] * 2000)
    bucket.gcs.reset_requests()
    slow(bucket, compose_s=5.0, read_s=60.0)  # the guardian is found, then lost, before anything more is told
    with started(bucket, "eager") as program:
        assert wait_until(lambda: bucket.gcs.requests()["compose"] == 63)
        assert wait_until(lambda: len(settled_guardians(bucket.name)) == 1)
        (lost,) = settled_guardians(bucket.name)
        os.kill(lost, signal.SIGKILL)
        assert wait_until(lambda: bucket.gcs.requests()["read"] == 63)
        assert wait_until(lambda: len(settled_guardians(bucket.name)) == 1)
        (present,) = settled_guardians(bucket.name)
        program.kill()
        program.communicate()
    assert present != lost
    assert wait_until(lambda: bucket.temporaries() == [])


def test_without_an_interpreter_for_a_guardian_a_warning_is_logged(
    stocked: Stock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(temporaries, "_present", None)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    bucket = stocked([100] * 200)
    with caplog.at_level("WARNING"):
        assert eager(bucket.client(), bucket.name, bucket.pairs, strategy="compose") == bucket.expected
    assert [record.getMessage().split()[0] for record in caplog.records] == ["temporaries.unguarded"]


def test_what_is_left_where_there_is_no_guardian_is_told(
    stocked: Stock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(temporaries, "_present", None)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    bucket = stocked([100] * 64)
    bucket.gcs.configure(faults=[Fault("delete", "503")])
    with caplog.at_level("WARNING"):
        assert eager(bucket.client(), bucket.name, bucket.pairs, strategy="compose") == bucket.expected
    assert f"count=2 reason=no guardian is there; remove them by `dataflux clean gs://{bucket.name}`" in caplog.text
    assert len(bucket.temporaries()) == 2
