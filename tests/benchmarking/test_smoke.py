from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarking import _measure

ROOT = Path(__file__).resolve().parents[2]
# Upstream has an environment of its own, which `make bench` makes; here it is left out.
PEERS = "ours,google,obstore,aiohttp"
# Each starts some twenty interpreters; in CI one of each kind has to do.
SLOW = pytest.mark.matrix


def answer_of(benchmark: str, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarking.{benchmark}", "--smoke", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    answer: dict[str, Any] = json.loads(line)
    return answer


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["list_bucket"], id="listing"),
        pytest.param(["download_objects"], id="downloading small objects"),
        pytest.param(["download_objects", "--tls", "--google-processes", "0"], id="them over TLS", marks=SLOW),
    ],
)
def test_a_benchmark_answers_on_one_line_where_every_client_was_exact(command: list[str]) -> None:
    answer = answer_of(*command, "--peers", PEERS)
    assert answer["clients"]
    for label, took in answer["clients"].items():
        assert took["exact"], f"{label}: {took}"
        assert took["median_s"] > 0
        assert took["cpu_us_per_object"] > 0
        assert sum(took["calls"].values()) > 0


def test_folders_are_listed_exactly_in_each_way() -> None:
    answer = answer_of("list_folders")
    assert {label: took["exact"] for label, took in answer["clients"].items()} == {
        "ours, found out": True,
        "ours, by folder": True,
        "ours, flat": True,
    }
    assert answer["clients"]["ours, by folder"]["calls"]["list"] > answer["clients"]["ours, flat"]["calls"]["list"]


def test_a_large_listing_tells_what_every_process_took_in_each_form() -> None:
    answer = answer_of("list_eighteen_million")
    assert set(answer["forms"]) == {"columns", "parquet"}
    for took in answer["forms"].values():
        assert took["exact"]
        assert took["calls"] >= answer["objects"] / 5000
        assert took["cpu_s"]["caller"] > 0
        assert took["peak_mb"]["together"] >= took["peak_mb"]["caller"] > 0


def test_the_profile_of_a_listing_times_its_stages_then_the_whole() -> None:
    answer = answer_of("listing_profile")
    assert {"receive", "decode", "check order", "keep", "pack", "plan", "merge", "tuples"} <= set(answer["stages"])
    assert set(answer["runs"]) == {"columns", "tuples"}
    assert all(run["cpu_ns_per_object"] > 0 for run in answer["runs"].values())


def test_the_profile_of_reading_tells_of_each_case_what_an_object_costs() -> None:
    answer = answer_of("reading_profile", "--only", "512", "10000")
    assert {label.partition(" in flight")[0] for label in answer["cases"]} == {
        "direct, http, 512",
        "direct, https, 512",
        "composed, http, 512",
        "composed, https, 512",
    }
    for took in answer["cases"].values():
        assert 0 < took["least_us"] <= took["median_us"]
        assert took["server_us"] > 0


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="to memory"),
        pytest.param(["--to", "files"], id="to files", marks=SLOW),
        pytest.param(["--part-bytes", "60000", "--tls"], id="in ranges over TLS", marks=SLOW),
    ],
)
def test_large_objects_come_exactly_beside_one_curl(arguments: list[str]) -> None:
    answer = answer_of("download_large", "--curl-parallel", "4", *arguments)
    for label, took in answer["clients"].items():
        if not (label.startswith("curl") and shutil.which("curl") is None):
            assert took["exact"], f"{label}: {took}"
            assert answer["mb_per_s"][label] > 0
            assert took["cpu_s"] > 0


def test_a_machine_without_curl_is_told_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    client = _measure.Client("curl", "curl", "large_curl", "memory", 4)
    with pytest.raises(_measure.ClientFailed, match=r"apt-get install curl"):
        _measure.run_client(client, "http://127.0.0.1:1", timeout_s=10)


def test_writing_to_disk_is_told_apart_from_reading() -> None:
    answer = answer_of("download_to_disk")
    assert set(answer["cases"]) == {"small, direct", "small, composed", "of 4 MB"}
    assert all(took["read_and_write_us"] > 0 and took["objects"] == 50 for took in answer["cases"].values())


def test_a_benchmark_names_its_command_and_its_host() -> None:
    answer = answer_of("list_bucket", "--peers", "ours")
    assert answer["command"] == "python -m benchmarking.list_bucket --smoke --peers ours"
    assert {"cores", "python", "commit"} <= set(answer["host"])


def test_a_peer_without_environment_is_an_error_that_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_measure, "UPSTREAM_PYTHON", tmp_path / "python")
    client = _measure.Client("upstream", "upstream", "list_upstream")
    with pytest.raises(_measure.ClientFailed, match=r"make .venv-upstream"):
        _measure.run_client(client, "http://127.0.0.1:1", timeout_s=1)
