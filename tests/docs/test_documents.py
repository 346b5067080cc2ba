"""Every example in the README and the docs runs; every link leads somewhere."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dataflux_core.emulator import Emulator, Memory, Synthetic
from tests.processes import STRICT_PYTHON

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("**/*.md"))]
# The README's own commands make the environment that these tests run in; the rest is run here.
RUN_BY_CI = {"make", "git", "pip", "python"}
# What is typed in and killed on the way has tests of its own: test_tutorial_of_training.py, …_of_sharing.py.
TYPED_IN = {ROOT / "docs/tutorial/train-from-a-bucket.md", ROOT / "docs/tutorial/share-and-train.md"}
PIPED: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}


def page_id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(path: Path, language: str) -> list[str]:
    if path in TYPED_IN:
        return []
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def gcs() -> Iterator[Emulator]:
    """The bucket `demo` that the pages speak of, with a left-over temporary to clean."""
    left_over = Memory({f"dataflux-composed-objects/{'0' * 32}": b"x"})
    with Emulator(buckets={"demo": Synthetic("imagenet", 1000), "left-over": left_over}) as running:
        yield running


@pytest.fixture
def surroundings(gcs: Emulator, tmp_path: Path) -> dict[str, Any]:
    """Give the directory and environment that a reader of the pages has."""
    (tmp_path / "photos").mkdir()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {"cwd": tmp_path, "env": {**os.environ, **gcs.environ, "PATH": path, "PYTHONPATH": str(ROOT)}}


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=page_id)
def test_python_examples_run(page: Path, surroundings: dict[str, Any]) -> None:
    script = [*STRICT_PYTHON, "-c", "\n".join(blocks(page, "python"))]
    ran = subprocess.run(script, check=False, timeout=100, **PIPED, **surroundings)
    assert ran.returncode == 0, ran.stdout


@pytest.mark.timeout(400)  # a page of many commands, each a process of its own
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "console")], ids=page_id)
def test_console_examples_run(page: Path, surroundings: dict[str, Any]) -> None:
    for block in blocks(page, "console"):
        for line in re.findall(r"^\$ (.*)$", block, flags=re.MULTILINE):
            if line.split()[0] in RUN_BY_CI:
                continue
            status, said = serve_and_stop(line, surroundings) if serves(line) else run(line, surroundings)
            assert status == 0, f"{line}\n{said}"


def serves(line: str) -> bool:
    return line.startswith(("dataflux emulator", "dataflux playlist serve")) and "--help" not in line


def run(line: str, surroundings: dict[str, Any]) -> tuple[int, str]:
    shell = ["bash", "-ec", line]
    ran = subprocess.run(shell, stdin=subprocess.DEVNULL, check=False, timeout=100, **PIPED, **surroundings)
    return ran.returncode, ran.stdout


def serve_and_stop(line: str, surroundings: dict[str, Any]) -> tuple[int, str]:
    """Start a server as a reader would; end it by Ctrl-C once it says where it is."""
    free_port = ["--port", "0"]  # its usual one may be another test's, or of another run of the tests
    with subprocess.Popen([*shlex.split(line), *free_port], **PIPED, **surroundings) as server:
        assert server.stdout is not None
        said = ""
        try:
            for printed in server.stdout:
                said += printed
                if printed.startswith("export STORAGE_EMULATOR_HOST") or "playlist.yaml" in printed:
                    server.send_signal(signal.SIGINT)
            return server.wait(), said
        finally:
            server.kill()  # or else a test that took too long would wait for it for ever


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_no_block_is_left_out_of_the_tests(page: Path) -> None:
    languages = set(re.findall(r"^```(\w*)$", page.read_text(), flags=re.MULTILINE)) - {""}
    assert languages <= {"python", "console", "text", "json"}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page_id(page)} links to {target}"


def test_every_row_of_differences_names_a_test_that_exists() -> None:
    page = (ROOT / "docs/explanation/differences-from-upstream.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ") and "---" not in line][1:]
    assert len(rows) > 10
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
        assert named, f"no test in the row {row!r}"
        for path, test in named:
            assert re.search(rf"^def {test}\(", (ROOT / path).read_text(), flags=re.MULTILINE), f"{path}::{test}"
