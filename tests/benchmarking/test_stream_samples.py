from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from benchmarking._measure import ClientFailed
from benchmarking._stream_run import Command, Watched, members, run_command
from benchmarking.stream_samples import Prepared, Runs, checked, ours_by
from tests.processes import is_alive, line_of

ROOT = Path(__file__).resolve().parents[2]
# The others have an environment of their own, which `make .venv-streaming/.installed` makes.
PEERS = "ours,blob,gcsfs"


def digest(sample: bytes) -> bytes:
    return sha256(sample).digest()


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--kind", "bytes", "--peers", "ours"], id="bytes as they are"),
        pytest.param(["--kind", "bytes"], id="beside others", marks=pytest.mark.matrix),
        pytest.param(["--kind", "jpeg", "--peers", "obstore"], id="pictures decoded"),
        pytest.param(["--batches", "1", "--peers", "obstore"], id="to the first batch"),
    ],
)
def test_every_client_brings_the_expected_samples(arguments: list[str]) -> None:
    command = ["benchmarking.stream_samples", "--smoke", "--python", sys.executable, "--peers", PEERS]
    done = subprocess.run(
        [sys.executable, "-m", *command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    answer: dict[str, Any] = json.loads(line)
    assert answer["clients"]
    for label, took in answer["clients"].items():
        assert took.get("exact"), f"{label}: {took}"
        assert took.get("exactly_once", answer["batches"] == 1), f"{label}: {took}"
        assert took["median_per_s"] > 0
        assert took["cpu_us_per_sample"] > 0
        assert took["calls"]["read"] > 0


def prepared_of(samples: list[bytes]) -> Prepared:
    return Prepared(Path(), sum(map(len, samples)), 0, Counter(map(digest, samples)))


@pytest.mark.parametrize(
    ("came", "told"),
    [
        pytest.param([b"b", b"a"], {"exact": True, "exactly_once": True, "repeated": 0, "missing": 0}, id="any order"),
        pytest.param(
            [b"a", b"a", b"b"], {"exact": True, "exactly_once": False, "repeated": 1, "missing": 0}, id="one twice"
        ),
        pytest.param([b"a"], {"exact": True, "exactly_once": False, "repeated": 0, "missing": 1}, id="one left out"),
        pytest.param(
            [b"a", b"c"], {"exact": False, "exactly_once": False, "repeated": 0, "missing": 1}, id="one of other bytes"
        ),
    ],
)
def test_samples_are_compared_by_their_hashes(came: list[bytes], told: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "digests"
    path.write_bytes(b"".join(map(digest, came)))
    answer = {"is_whole": True, "samples": len(came), "versions": {}, "digest": ""}
    found = checked(answer, path, prepared_of([b"a", b"b"]))
    assert {name: found[name] for name in told} == told


def test_ours_is_compared_where_the_workers_are_as_many() -> None:
    def runs(per_s: float) -> Runs:
        return Runs([{"samples": per_s, "seconds": 1.0}])

    told = ours_by(
        {
            "ours, 2 workers": runs(600),
            "ours, by itself": runs(900),
            "blob, 2 workers": runs(200),
            "blob, 4 workers": runs(300),
            "gcsfs, 2 workers": Runs(error="no answer"),
        }
    )
    assert told == {
        "ours, 2 workers": {"blob, 2 workers": 3.0},
        "ours, by itself": {"blob, 2 workers": 4.5, "blob, 4 workers": 3.0},
    }


def test_what_a_client_started_ends_with_it() -> None:
    script = (
        "import subprocess, sys; subprocess.Popen(['tail', '-f', '/dev/null']); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        with Watched(process):
            line_of(process)
            assert len(members(process.pid)) == 2
        assert not any(map(is_alive, members(process.pid)))  # a zombie may be there until somebody reaps it
        assert process.returncode == -9


def test_a_client_that_does_not_answer_is_ended() -> None:
    with pytest.raises(ClientFailed, match="no answer within 0 s"):
        run_command(Command(Path(sys.executable), "stream_prepare", 0.01), {}, "")


def test_a_client_that_fails_tells_why() -> None:
    with pytest.raises(ClientFailed, match="no_such_client"):
        run_command(Command(Path(sys.executable), "no_such_client", 60), {}, "")


def test_an_interpreter_that_is_not_there_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarking.stream_samples", "--python", str(tmp_path / "python")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "make .venv-streaming/.installed" in done.stderr
