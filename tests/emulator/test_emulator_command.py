from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest
from click.testing import CliRunner

from dataflux_core.emulator import Directory, Emulator, EmulatorError, Fault, Latency, Memory, Synthetic
from dataflux_core.emulator import _command as command
from tests.processes import line_of

if TYPE_CHECKING:
    from pathlib import Path


def made(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Emulator:
    """Run the command with an emulator that does not start; give it."""
    kept: list[Emulator] = []

    def keep(self: Emulator) -> Emulator:
        kept.append(self)
        raise EmulatorError("not today")

    monkeypatch.setattr(Emulator, "start", keep)
    result = CliRunner().invoke(command.emulator, arguments)
    assert "not today" in result.output, result.output
    return kept[0]


def test_options_become_an_emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gcs = made(
        monkeypatch,
        *("--bucket", "b", "--from-dir", str(tmp_path), "--from-dir", f"named={tmp_path}"),
        *("--synthetic", "s=imagenet:1_000", "--object-bytes", "7", "--latency", "gcs", "--latency", "jitter=0.5"),
        *("--fault", "read:503:0.25", "--fault", "list:reset", "--max-page", "10", "--max-in-flight", "3"),
        *("--token", "t", "--seed", "4", "--port", "0"),
    )
    assert gcs.buckets == {
        "b": Memory(),
        tmp_path.name: Directory(tmp_path),
        "named": Directory(tmp_path),
        "s": Synthetic("imagenet", 1000, object_bytes=7),
    }
    gcs_latency = Latency.gcs()
    assert (gcs.latency.list_s, gcs.latency.compose_s, gcs.latency.jitter) == (0.06, gcs_latency.compose_s, 0.5)
    assert list(gcs.faults) == [Fault("read", "503", 0.25), Fault("list", "reset")]
    assert (gcs.max_page, gcs.max_in_flight, gcs.token, gcs.seed, gcs.port) == (10, 3, "t", 4, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "name a bucket", id="no bucket"),
        pytest.param(["--from-dir", "/no/such/place"], "is no directory", id="no directory"),
        pytest.param(["--synthetic", "b=round:5"], "unknown shape 'round'", id="no shape"),
        pytest.param(
            ["--synthetic", "b=hive:many"], "not BUCKET=SHAPE:COUNT, such as demo=imagenet:1000000", id="text"
        ),
        pytest.param(["--synthetic", "b=hive"], "not BUCKET=SHAPE:COUNT, such as demo=imagenet:1000000", id="no count"),
        pytest.param(["--synthetic", "b=hive:1e6"], "not BUCKET=SHAPE:COUNT, such as", id="a count that is no integer"),
        pytest.param(["--synthetic", "b=unicode:30_000_000"], "has room for 20971520 names", id="too many"),
        pytest.param(["--synthetic", "=hive:3"], "'' is no name of a bucket", id="no name"),
        pytest.param(["--bucket", "Bad Name"], "'Bad Name' is no name of a bucket", id="capitals and a space"),
        pytest.param(["--from-dir", "Bad Name=/"], "'Bad Name' is no name of a bucket", id="a bad name for files"),
        pytest.param(["--bucket", "b", "--bucket", "b"], "two buckets named 'b'", id="a bucket twice"),
        pytest.param(["--bucket", "b", "--synthetic", "b=hive:3"], "two buckets named 'b'", id="a bucket of two kinds"),
        pytest.param(["--bucket", "b", "--port", "80000"], "0<=x<=65535", id="a port beyond the last"),
        pytest.param(["--bucket", "b", "--max-page", "0"], "x>=1", id="pages of nothing"),
        pytest.param(["--bucket", "b", "--object-bytes", "-1"], "x>=0", id="a size below nothing"),
        pytest.param(["--bucket", "b", "--latency", "slow"], "is none of none, gcs, list_s=SECONDS", id="no preset"),
        pytest.param(["--bucket", "b", "--latency", "read_s=x"], "is none of", id="no number"),
        pytest.param(["--bucket", "b", "--latency", "wait_s=1"], "is none of", id="no such latency"),
        pytest.param(["--bucket", "b", "--fault", "read:burn"], "unknown kind of fault 'burn'", id="no fault"),
        pytest.param(["--bucket", "b", "--fault", "read:503:2"], "between 0 and 1", id="no probability"),
    ],
)
def test_wrong_options_say_what_is_right(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(command.emulator, arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())


@pytest.mark.parametrize(
    ("host", "warns"),
    [("127.0.0.1", False), ("localhost", False), ("::1", False), ("0.0.0.0", True), ("box", True)],  # noqa: S104
)
def test_only_another_address_than_loopback_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, host: str, warns: bool
) -> None:
    def refuse(_: Emulator) -> Emulator:
        raise EmulatorError("not today")

    monkeypatch.setattr(Emulator, "start", refuse)
    result = CliRunner().invoke(command.emulator, ["--bucket", "b", "--host", host])
    assert ("can read and change" in result.output) is warns


def test_help_names_every_shape() -> None:
    text = " ".join(CliRunner().invoke(command.emulator, ["--help"]).output.split())
    assert "imagenet, hive, skewed, deep, unicode, mixed" in text


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(ending: signal.Signals) -> None:
    arguments = [sys.executable, "-m", "dataflux_core.emulator._command", "--bucket", "b", "--port", "0"]
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    ) as run:
        first, second = line_of(run), line_of(run)
        endpoint = first.split()[-1]
        assert second == f"export STORAGE_EMULATOR_HOST={endpoint} NO_GCE_CHECK=true\n"
        with urlopen(f"{endpoint}/storage/v1/b/b/o") as page:  # noqa: S310 - our own server
            assert page.status == 200
        run.send_signal(ending)
        assert run.wait(60) == 0
