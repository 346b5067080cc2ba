"""Run clients of one server in turn, each in a fresh process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dataflux_core.emulator import Emulator

ROOT = Path(__file__).resolve().parent.parent
UPSTREAM_PYTHON = ROOT / ".venv-upstream" / "bin" / "python"
BUCKET = "benchmark"
# google-cloud-storage would look for the cloud it runs in, then ask for the bucket, both in the background.
QUIET = {"NO_GCE_CHECK": "true", "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA": "true"}
# With -I, neither the working directory nor PYTHONPATH puts our dataflux_core in the place of upstream's.
RUN = "import runpy, sys; sys.path.append(sys.argv[1]); runpy.run_module(sys.argv[2], run_name='__main__')"


@dataclass(frozen=True, slots=True)
class Client:
    """A way to do the work: a module with what it is told."""

    label: str
    peer: str  # whose client it is: ours, google, obstore, aiohttp, curl, upstream
    module: str  # in benchmarking.clients
    variant: str = ""
    parallelism: int = 1
    bucket: str = BUCKET
    part_bytes: int = 0  # a larger object is read in ranges of so many; 0: in one piece


@dataclass(frozen=True, slots=True)
class Result:
    """What a client brought."""

    count: int
    bytes: int
    digest: str  # "" where the client shows no bytes, only how many they were

    def is_as(self, expected: Result) -> bool:
        """Compare what can be compared."""
        return (self.count, self.bytes, self.digest or expected.digest) == (
            expected.count,
            expected.bytes,
            expected.digest,
        )


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took, seen from both ends; where it failed, why."""

    seconds: float = 0.0
    cpu_s: float = 0.0  # of the client with its children
    server_cpu_s: float = 0.0
    calls: Mapping[str, int] | None = None  # as the server counts them
    exact: bool = False
    error: str = ""


class ClientFailed(Exception):
    """A client ended without an answer."""

    def __init__(self, label: str, reason: str) -> None:
        super().__init__(label, reason)
        self.label, self.reason = label, reason

    def __str__(self) -> str:
        return f"{self.label}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Contest:
    """The same work for several clients."""

    clients: Sequence[Client]
    expected: Result
    objects: Sequence[tuple[str, int]] = ()  # (name, size in bytes) to download
    repetitions: int = 3
    timeout_s: float = 900.0
    authority: str = ""  # the certificate that clients are to trust; "": the server speaks plain HTTP

    def run(self, gcs: Emulator) -> dict[str, list[Run]]:
        """Let the clients take turns, so that a noisy minute strikes them all."""
        runs: dict[str, list[Run]] = {client.label: [] for client in self.clients}
        turns = [client for _ in range(self.repetitions) for client in self.clients]
        # The server makes tables of what it is asked for first; that is nobody's time.
        self._turn(gcs, self.clients[0])
        with tqdm(turns, unit=" runs", disable=None) as bar:
            for client in bar:
                bar.set_description(client.label)
                if not any(run.error for run in runs[client.label]):
                    runs[client.label].append(self._turn(gcs, client))
        return runs

    def _turn(self, gcs: Emulator, client: Client) -> Run:
        gcs.reset_requests()
        try:
            answer = run_client(client, gcs.endpoint, self.objects, timeout_s=self.timeout_s, authority=self.authority)
        except ClientFailed as failure:
            return Run(error=str(failure))
        requests = gcs.requests()
        exact = Result(answer["count"], answer["bytes"], answer["digest"]).is_as(self.expected)
        return Run(answer["seconds"], answer["cpu_s"], requests.cpu_s, requests.counts, exact)


def run_client(
    client: Client,
    endpoint: str,
    objects: Sequence[tuple[str, int]] = (),
    *,
    timeout_s: float,
    authority: str = "",
) -> dict[str, Any]:
    """Run a client once in a fresh process; return its answer. Raises ClientFailed."""
    task = {**asdict(client), "endpoint": endpoint, "objects": objects, "authority": authority}
    interpreter = str(UPSTREAM_PYTHON) if client.peer == "upstream" else sys.executable
    if not Path(interpreter).exists():
        raise ClientFailed(client.label, "there is no environment for it; run `make .venv-upstream/.installed`")
    environment = {**os.environ, "STORAGE_EMULATOR_HOST": endpoint, **QUIET, **trusting(authority)}
    command = [interpreter, "-I", "-c", RUN, str(ROOT), f"benchmarking.clients.{client.module}"]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(task),
            capture_output=True,
            text=True,
            env=environment,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ClientFailed(client.label, f"no answer within {timeout_s:.0f} s") from error
    if done.returncode or not done.stdout:
        raise ClientFailed(client.label, f"status {done.returncode}: {done.stderr[-1000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def trusting(authority: str) -> dict[str, str]:
    """Tell requests, then everything that asks OpenSSL or rustls, whom to trust."""
    return {"REQUESTS_CA_BUNDLE": authority, "SSL_CERT_FILE": authority} if authority else {}
