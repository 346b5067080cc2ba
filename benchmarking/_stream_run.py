"""Run one client in a session of its own, within a limit of time, with an eye on its memory."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarking._measure import QUIET, ROOT, RUN, ClientFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from typing_extensions import Self

LOOK_S = 0.2  # between two looks at the memory
ENDED_S = 10.0  # for what was killed to be gone
SHARED = Path("/dev/shm")  # noqa: S108 - where the system keeps shared memory
MOSAIC_SHARED = re.compile(r"\d{6}_[a-z_]+")  # as mosaicml/streaming names what it shares
S3_KEYS = {"AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass(frozen=True, slots=True)
class Command:
    """A module of benchmarking.clients with the interpreter that runs it."""

    python: Path
    module: str
    limit_s: float


def run_command(command: Command, task: Mapping[str, Any], endpoint: str) -> dict[str, Any]:
    """Run a client once; return its answer with `peak_mb`, all its processes together. Raises ClientFailed.

    Nothing that it started outlives the call, nor does any memory that it shared.
    """
    line = [str(command.python), "-I", "-c", RUN, str(ROOT), f"benchmarking.clients.{command.module}"]
    with tempfile.TemporaryFile("w+") as written, tempfile.TemporaryFile("w+") as errors, scratch() as folder:
        process = subprocess.Popen(
            line,
            stdin=subprocess.PIPE,
            stdout=written,
            stderr=errors,
            text=True,
            env={**os.environ, **environment_of(endpoint, folder)},
            start_new_session=True,
        )
        with Watched(process) as watched:
            hand_over(process, json.dumps(task))
            try:
                status = process.wait(command.limit_s)
            except subprocess.TimeoutExpired as error:
                raise ClientFailed(command.module, f"no answer within {command.limit_s:.0f} s") from error
        written.seek(0)
        errors.seek(0)
        lines = written.read().splitlines()
        if status or not lines:
            raise ClientFailed(command.module, f"status {status}: {errors.read()[-1500:]}")
    answer: dict[str, Any] = json.loads(lines[-1])
    return {**answer, "peak_mb": round(watched.peak_bytes / 1e6)}


def hand_over(process: subprocess.Popen[str], task: str) -> None:
    """Write a task to a client, which may have failed by now: its status will say so."""
    if process.stdin is None:
        raise ClientFailed(str(process.args), "it has no standard input")
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(task)
        process.stdin.close()


def environment_of(endpoint: str, folder: str) -> dict[str, str]:
    """Point every client at the emulator, their temporary files into a folder of this run."""
    s3 = {"S3_ENDPOINT_URL": endpoint, "AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true", **S3_KEYS}
    return {"STORAGE_EMULATOR_HOST": endpoint, "TMPDIR": folder, **QUIET, **s3}


@contextlib.contextmanager
def scratch() -> Iterator[str]:
    """Give a folder for the temporary files of one run, then remove what mosaicml/streaming shared meanwhile."""
    before = shared()
    try:
        # What was killed may have left files that are being removed still.
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            yield folder
    finally:
        for name in shared() - before:
            with contextlib.suppress(OSError):
                (SHARED / name).unlink()


def shared() -> set[str]:
    """Name what is shared in the way of mosaicml/streaming."""
    return {path.name for path in SHARED.glob("*") if MOSAIC_SHARED.fullmatch(path.name)}


class Watched:
    """A client's session: how much memory its processes hold; its end."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.peak_bytes = 0

    def __enter__(self) -> Self:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join()
        end(members(self._process.pid))
        self._process.wait(ENDED_S)

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_S):
            held = sum(resident_bytes(pid) for pid in members(self._process.pid))
            self.peak_bytes = max(self.peak_bytes, held)


def members(session: int) -> list[int]:
    """Find the processes of a session; none where the system does not tell."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # The name, in parentheses, may hold anything; the session is the fourth field after it.
            if int((path / "stat").read_text().rpartition(")")[2].split()[3]) == session:
                found.append(int(path.name))
    return found


def end(pids: Iterable[int]) -> None:
    """Kill processes, then wait until they are gone, whoever is to reap them."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            process = os.pidfd_open(pid)
            try:
                signal.pidfd_send_signal(process, signal.SIGKILL)
                select.select([process], [], [], ENDED_S)
            finally:
                os.close(process)


def resident_bytes(pid: int) -> int:
    """Tell what a process holds in memory; pages that several share count for each."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
