"""Start a server in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypedDict
from urllib.parse import urlencode

from dataflux_core.emulator._config import (
    Contents,
    Fault,
    Latency,
    Memory,
    ServerPlan,
    Settings,
    contents_to_json,
    plan_to_json,
    settings_to_json,
)
from dataflux_core.emulator._counters import Requests
from dataflux_core.emulator._errors import EmulatorError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from http.client import HTTPConnection
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from dataflux_core.emulator._fields import Json

# Every page of a listing takes, then frees half a megabyte several times. By default the C library gives that back to
# the system each time, so that each page pays for 300 page faults: 1.3 ms of CPU instead of 0.5.
KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(128 << 20), "MALLOC_MMAP_THRESHOLD_": str(32 << 20)}
# Imports come from where the caller's do; "" would be the working directory, where a file may have any module's name.
START = f"""
import sys
sys.path[:] = filter(None, sys.path)
from runpy import run_module
run_module("{__package__}", run_name="__main__", alter_sys=True)
"""
NEEDED = ("httptools", "uvloop", "numpy")
LAST_PORT = 65_535
STOP_S = 10.0
FIRST_ERROR = 400


class Changes(TypedDict, total=False):
    """The settings that may change while the server runs."""

    latency: Latency
    faults: Sequence[Fault]
    max_in_flight: int | None
    token: str | None
    seed: int


@dataclass(kw_only=True, eq=False)
class Emulator:
    """A server with the given buckets, from `start` (or `with`) to `stop`.

    `max_page` caps a page of a listing, `max_in_flight` gives more requests than that at once a 429, `token` demands
    that bearer token, `certfile` with `keyfile` make it speak TLS. Port 0 takes a free one. It may be started again
    after it was stopped, then with fresh buckets.
    """

    buckets: Mapping[str, Contents] = field(default_factory=dict)
    latency: Latency = field(default_factory=Latency)
    faults: Sequence[Fault] = ()
    max_page: int = 5000
    max_in_flight: int | None = None
    token: str | None = None
    seed: int = 0
    host: str = "127.0.0.1"
    port: int = 0
    certfile: str | os.PathLike[str] | None = None
    keyfile: str | os.PathLike[str] | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)
    _bound: int = field(default=0, init=False, repr=False)
    _settings: Settings = field(default_factory=Settings, init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.port <= LAST_PORT:  # the system would take the lower 16 bits for it
            raise ValueError(f"port must lie between 0 and {LAST_PORT}, it is {self.port}")

    def start(self) -> Self:
        """Start the server; it listens when this returns."""
        if self._process is not None:
            raise EmulatorError("the emulator is running already")
        missing = [name for name in NEEDED if find_spec(name) is None]
        if missing:
            raise EmulatorError(f"the emulator needs {', '.join(missing)}: pip install 'dataflux_core[emulator]'")
        self._settings = Settings(self.latency, tuple(self.faults), self.max_in_flight, self.token, self.seed)
        # A session of its own: Ctrl-C in the terminal reaches the caller, who ends the server when he is done with it.
        self._process = subprocess.Popen(  # noqa: S603 - our own module, by the interpreter that runs us
            [sys.executable, "-c", START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, **KEEP_MEMORY, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        try:
            self._bound = self._introduce(self._process)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the server; requests in flight are dropped."""
        process, self._process = self._process, None
        if process is None:
            return
        with process:
            if process.stdin is not None:
                # A broken pipe means that it has ended on its own, which is what we want.
                with suppress(BrokenPipeError):
                    process.stdin.close()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()

    def wait(self) -> None:
        """Wait until the server ends, which it does only when something has gone wrong."""
        status = self._running().wait()
        raise EmulatorError(f"the server has ended with status {status}")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process of the server."""
        return self._running().pid

    @property
    def endpoint(self) -> str:
        """The URL of the server, without a slash at its end."""
        self._running()
        scheme = "http" if self.certfile is None else "https"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self._bound}"

    @property
    def environ(self) -> dict[str, str]:
        """The environment in which google-cloud-storage, dataflux_core, others use this server."""
        return {"STORAGE_EMULATOR_HOST": self.endpoint, "NO_GCE_CHECK": "true"}

    def put(self, bucket: str, name: str, content: bytes, resource: Mapping[str, Json] | None = None) -> int:
        """Write an object, past latency, faults, counters; give its generation.

        `resource` sets what an upload may set, such as `{"storageClass": "NEARLINE", "contentEncoding": "gzip"}`.
        """
        query = {"bucket": bucket, "name": name, "resource": json.dumps(dict(resource or {}))}
        answer = json.loads(self._call("PUT", "object?" + urlencode(query), content))
        return int(answer["generation"])

    def create_bucket(self, name: str, contents: Contents | None = None) -> None:
        """Add a bucket, empty unless told otherwise; one of the same name is replaced."""
        body = json.dumps(contents_to_json(Memory() if contents is None else contents))
        self._call("PUT", "bucket?" + urlencode({"bucket": name}), body.encode())

    def configure(self, **changes: Unpack[Changes]) -> None:
        """Change `latency`, `faults`, `max_in_flight`, `token` or `seed`; what is not named stays.

        Faults start anew, their `times` included.
        """
        known = self._settings
        self._settings = Settings(
            latency=changes.get("latency", known.latency),
            faults=tuple(changes.get("faults", known.faults)),
            max_in_flight=changes.get("max_in_flight", known.max_in_flight),
            token=changes.get("token", known.token),
            seed=changes.get("seed", known.seed),
        )
        self._call("PUT", "settings", json.dumps(settings_to_json(self._settings)).encode())

    def requests(self) -> Requests:
        """Tell what the server was asked for since the start or the last reset."""
        return Requests(**json.loads(self._call("GET", "requests")))

    def reset_requests(self) -> None:
        """Count from zero."""
        self._call("DELETE", "requests")

    def _introduce(self, process: subprocess.Popen[bytes]) -> int:
        """Hand the plan over; give the port that the server has taken."""
        if process.stdin is None or process.stdout is None:
            raise EmulatorError("the emulator has no pipes")
        plan = ServerPlan(
            buckets=self.buckets,
            settings=self._settings,
            host=self.host,
            port=self.port,
            max_page=self.max_page,
            certfile=None if self.certfile is None else os.fspath(self.certfile),
            keyfile=None if self.keyfile is None else os.fspath(self.keyfile),
            parent=os.getpid(),
        )
        process.stdin.write(plan_to_json(plan).encode() + b"\n")
        process.stdin.flush()
        line = process.stdout.readline()
        answer = json.loads(line) if line else {"error": "its process ended; see its message above"}
        if "error" in answer:
            raise EmulatorError(f"the emulator did not start on {self.host}:{self.port}: {answer['error']}")
        return int(answer["port"])

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise EmulatorError("the emulator is not running; use it in a with statement or call start()")
        return self._process

    def _connect(self) -> HTTPConnection:
        # Imported here because it brings ssl, which takes longer to import than all the rest.
        from http.client import HTTPConnection, HTTPSConnection  # noqa: PLC0415

        if self.certfile is None:
            return HTTPConnection(self.host, self._bound)
        import ssl  # noqa: PLC0415 - as above

        # It is our own server on this machine; the certificate is there for the clients under test.
        context = ssl._create_unverified_context()  # noqa: S323, SLF001
        return HTTPSConnection(self.host, self._bound, context=context)

    def _call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        self._running()
        connection = self._connect()
        try:
            connection.request(method, "/_emulator/" + path, body)
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status >= FIRST_ERROR:
            raise EmulatorError(json.loads(answer)["error"]["message"])
        return answer
