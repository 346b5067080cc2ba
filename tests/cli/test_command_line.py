"""What holds for every command: help, exit codes, errors of one line."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._cli.arguments import AgeType, Place, PlaceType
from dataflux_core._cli.root import COMMANDS
from dataflux_core._cli.root import dataflux as command
from dataflux_core._cli.text import human_bytes, shown
from dataflux_core.emulator import Emulator, Fault
from tests.cli.conftest import asked
from tests.cli.terminal import COMMAND, dataflux, dataflux_process, seen_at_terminal

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_examples(name: str) -> None:
    result = CliRunner().invoke(command, [name, "--help"])
    assert result.exit_code == 0
    assert f"dataflux {name} " in result.output.partition("Options:")[0].partition("\n")[2]
    assert name in CliRunner().invoke(command, ["--help"]).output


def test_help_tells_the_exit_codes_and_the_version_is_known() -> None:
    assert "130  interrupted by Ctrl-C" in CliRunner().invoke(command, ["--help"]).output
    assert CliRunner().invoke(command, ["--version"]).output.startswith("dataflux, version ")


def test_help_and_usage_errors_import_no_slow_package() -> None:
    code = (
        "import sys\nfrom dataflux_core._cli.root import run\n"
        "assert run(['--help']) == 0 and run(['ls', 's3://x']) == 2\n"
        "slow = {'google', 'pycurl', 'numpy', 'pyarrow', 'requests', 'tqdm'} & set(sys.modules)\n"
        "assert not slow, slow"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_without_click_it_names_the_extra() -> None:
    code = "import sys; sys.modules['click'] = None; from dataflux_core.cli import main; main()"
    ran = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "dataflux: the command needs an extra: pip install 'dataflux_core[cli]'\n"


def test_the_package_is_the_command() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "dataflux_core", "ls", "gs://mixed/d/"], check=False, capture_output=True, text=True
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "gs://mixed/d/b\ngs://mixed/d/e/\n", "")


def without_stream(redirection: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command with a stream closed, as only a shell does."""
    shell = ["bash", "-c", f'"$@" {redirection}', "bash", *COMMAND, *arguments]
    return subprocess.run(shell, check=False, capture_output=True, text=True)


@pytest.mark.parametrize("arguments", [["--version"], ["ls", "gs://mixed"], ["ls", "-r", "gs://many"]], ids=" ".join)
def test_a_closed_stdout_is_an_error_of_one_line(arguments: list[str]) -> None:
    ran = without_stream(">&-", *arguments)
    assert (ran.returncode, ran.stderr) == (1, "dataflux: output: Bad file descriptor\n")


def test_a_closed_stream_that_nothing_is_written_to_is_no_error(tmp_path: Path) -> None:
    ran = without_stream(">&-", "ls", "-r", "-o", str(tmp_path / "out"), "gs://mixed/d/")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert (tmp_path / "out").read_text() == "gs://mixed/d/b\ngs://mixed/d/e/c\n"
    assert without_stream("2>&-", "ls", "-r", "gs://mixed/d/").stdout == (tmp_path / "out").read_text()
    assert without_stream("2>&-", "ls", "-r", "gs://nowhere").returncode == 1


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        pytest.param("gs:/x", "no URL", id="one slash"),
        pytest.param("bucket", "no URL", id="a bare bucket"),
        pytest.param("", "no URL", id="nothing"),
        pytest.param("s3://x", "s3:// is another service", id="another service"),
        pytest.param("gs://", "the bucket is missing", id="no bucket"),
        pytest.param("gs:///x", "the bucket is missing", id="no bucket but a prefix"),
        pytest.param("gs://a b/x", "'a b' is no name of a bucket", id="a space in the bucket"),
        pytest.param("gs://*/x", "'*' is no name of a bucket", id="a pattern for a bucket"),
        pytest.param("gs://b/\udcff", "it is not UTF-8", id="bytes that are no UTF-8"),
    ],
)
def test_a_url_that_is_none_is_wrong_usage(url: str, reason: str) -> None:
    result = CliRunner().invoke(command, ["ls", url])
    assert result.exit_code == 2
    assert reason in result.output
    assert "such as gs://my-bucket/images/" in result.output


@given(st.text(st.characters(codec="utf-8")))
def test_a_prefix_is_taken_as_it_is(prefix: str) -> None:
    assert PlaceType().convert(f"gs://my-bucket/{prefix}", None, None) == Place("my-bucket", prefix)


@pytest.mark.parametrize(
    ("text", "age"),
    [("90s", timedelta(seconds=90)), ("30m", timedelta(minutes=30)), ("24h", timedelta(days=1)), ("2w", timedelta(14))],
)
def test_ages(text: str, age: timedelta) -> None:
    assert AgeType().convert(text, None, None) == age


@pytest.mark.parametrize("text", ["24", "h", "-1h", "1.5h", "1y", "", "9" * 30 + "w"])
def test_an_age_needs_a_number_with_a_unit(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"such as|longer ago"):
        AgeType().convert(text, None, None)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (3 << 30, "3.0 GiB"), (1 << 70, "1024.0 EiB")]
)
def test_sizes_for_a_person(size: int, text: str) -> None:
    assert human_bytes(size) == text


@given(st.text())
def test_nothing_shown_acts_on_a_terminal(text: str) -> None:
    assert not any(
        (ord(character) < 32 and character != "\n") or 126 < ord(character) < 160 for character in shown(text)
    )


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(["ls", "-r", "--resume", ""], id="resume"),
        pytest.param(["ls", "-r", "--trace", ""], id="trace"),
        pytest.param(["ls", "-o", ""], id="output"),
        pytest.param(["ls", "-r", "--match-glob", ""], id="match-glob"),
        pytest.param(["ls", "-r", "--start-offset", ""], id="start-offset"),
        pytest.param(["ls", "-r", "--end-offset", ""], id="end-offset"),
        pytest.param(["ls", "--project", ""], id="project"),
        pytest.param(["ls", "--user-project", ""], id="user-project"),
        pytest.param(["diff", "--save", "", __file__], id="save"),
        pytest.param(["download", "gs://mixed", ""], id="DIR"),
    ],
)
def test_an_empty_value_is_never_the_same_as_none(gcs: Emulator, line: list[str]) -> None:
    gcs.reset_requests()
    ran = dataflux(*line, *([] if "gs://mixed" in line else ["gs://mixed"]))
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "'': expected a " in ran.stderr
    assert asked(gcs) == set()


COMMAND_LINES = [
    pytest.param(["ls"], id="ls"),
    pytest.param(["ls", "-r"], id="ls -r"),
    pytest.param(["du"], id="du"),
    pytest.param(["clean", "--yes"], id="clean"),
]


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_a_missing_bucket_is_named(line: list[str]) -> None:
    ran = dataflux(*line, "gs://nowhere")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == "dataflux: gs://nowhere: HTTP 404: the bucket does not exist; check its name and the project\n"


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_no_permission_is_named(line: list[str]) -> None:
    ran = dataflux(*line, "gs://denied")
    assert ran.returncode == 1
    assert ran.stderr.startswith("dataflux: gs://denied: HTTP 403: ")
    assert ran.stderr.endswith("ask for the permission, or use other credentials\n")


def test_download_has_the_same_errors(tmp_path: Path) -> None:
    ran = dataflux_process("download", "gs://nowhere", str(tmp_path / "new"))
    assert ran.returncode == 1
    assert "the bucket does not exist" in ran.stderr
    assert not (tmp_path / "new").exists()


def test_an_endpoint_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    for line in (["ls"], ["ls", "-r"]):
        ran = dataflux(*line, "gs://mixed")
        assert ran.returncode == 1
        assert ran.stderr.startswith("dataflux: http://127.0.0.1:9: cannot connect")


def test_no_credentials_is_an_error_with_the_next_step(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("STORAGE_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    ran = dataflux("ls", "gs://mixed")
    assert ran.returncode == 1
    assert "no usable Google credentials" in ran.stderr
    assert "gcloud auth application-default login" in ran.stderr


def test_credentials_that_are_refused_are_named(gcs: Emulator) -> None:
    gcs.configure(token="another")  # noqa: S106 - of an emulator
    ran = dataflux("ls", "gs://mixed")
    assert ran.returncode == 1
    assert "HTTP 401" in ran.stderr


def test_passing_trouble_is_retried(gcs: Emulator) -> None:
    gcs.configure(faults=[Fault("list", "503", times=2)])
    assert dataflux("ls", "gs://mixed/d/").stdout == "gs://mixed/d/b\ngs://mixed/d/e/\n"


def test_debug_shows_where_an_error_comes_from() -> None:
    ran = dataflux_process("ls", "--debug", "gs://nowhere")
    assert ran.returncode == 1
    assert "Traceback" in ran.stderr
    assert "BucketNotFound" in ran.stderr


def test_verbose_logs_to_stderr() -> None:
    ran = dataflux_process("du", "-vv", "gs://mixed")
    assert ran.stdout == "10\t4\tgs://mixed/\n"
    assert "list.page" in ran.stderr
    assert "list.done" in ran.stderr


def test_a_terminal_sees_a_bar_while_a_listing_runs() -> None:
    code, seen = seen_at_terminal("du", "gs://many", streams="stderr")
    assert code == 0
    assert "gs://many: " in seen
    assert "objects" in seen
    assert seen_at_terminal("du", "-q", "gs://many", streams="stderr") == (0, "")


def test_a_terminal_that_does_not_tell_its_size_sees_the_bar_of_a_listing_too() -> None:
    code, seen = seen_at_terminal("du", "gs://many", streams="stderr", size=(0, 0))
    assert code == 0
    assert "gs://many: 20,000 objects" in seen


def test_the_payer_is_named_in_every_request(gcs: Emulator) -> None:
    del gcs
    from dataflux_core._cli.service import open_client  # noqa: PLC0415 - as the commands import it

    client = open_client({"project": "p", "billing_project": "payer", "quiet": True})
    assert client.access is not None
    assert "x-goog-user-project: payer" in client.access.endpoint.headers
