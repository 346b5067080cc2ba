"""`dataflux bench stream` says how fast samples come, and what limits that."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

from dataflux_core.emulator import Emulator, Latency, Memory
from tests.cli.conftest import asked
from tests.cli.terminal import dataflux, dataflux_process

pytest.importorskip("pyarrow")
PIL_Image = pytest.importorskip("PIL.Image")
np = pytest.importorskip("numpy")

if TYPE_CHECKING:
    from pathlib import Path

QUICK = ["--seconds", "1"]


@pytest.fixture
def pictures(tmp_path: Path) -> str:
    """JPEGs that take some hundredths of a second each to decode."""
    luck = np.random.default_rng(5)
    large = PIL_Image.fromarray(luck.integers(0, 255, (60, 80, 3), np.uint8)).resize((1600, 1200))
    for number in range(12):
        large.save(tmp_path / f"{number}.jpg", quality=90)
    return str(tmp_path)


@pytest.fixture
def far(gcs: Emulator) -> Emulator:
    """A bucket of small objects that takes its time."""
    gcs.create_bucket("far", Memory({f"d/{number}.bin": bytes(1000) for number in range(400)}))
    gcs.configure(latency=Latency(read_s=0.06))
    return gcs


def measured(*arguments: str) -> dict[str, Any]:
    ran = dataflux("bench", "stream", *arguments, *QUICK, "--json")
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def test_a_bucket_far_away_is_limited_by_the_network(far: Emulator) -> None:
    few = ["--batch-size", "8", "--num-downloading-workers"]
    found = measured("gs://far/d/", *few, "4")
    assert (found["limit"], found["columns"], found["samples"]) == ("network", ["bin"], 400)
    assert found["fetched"]["waiting_share"] > 0.7
    assert found["sample_bytes"] == 1000
    assert found["advice"][0] == "more requests at once: --num-downloading-workers 8"
    assert 0 < found["fetched"]["samples_per_s"] < 4 / 0.06 * 1.2  # so many at once, each as long as it takes
    assert found["fetched"]["first_batch_s"] >= 0.06
    assert "read" in asked(far)


def test_large_pictures_are_limited_by_decoders(pictures: str) -> None:
    found = measured(pictures, "--batch-size", "2")
    assert found["limit"] == "decode"
    assert found["decoded"]["decoding_share"] > found["decoded"]["waiting_share"]
    assert found["fetched"]["decoding_share"] < 0.1 < found["decoded"]["decoding_share"]


def test_whoever_asks_for_a_size_is_not_advised_to(pictures: str) -> None:
    whole = measured(pictures, "--batch-size", "2")
    small = measured(pictures, "--batch-size", "2", "--size", "224x224", "--no-shuffle")
    assert any("--size" in advice for advice in whole["advice"])
    assert not any("--size" in advice for advice in small["advice"])


def test_a_person_reads_a_line_for_each_way_and_what_to_do(pictures: str) -> None:
    ran = dataflux("bench", "stream", pictures, *QUICK, "--columns-to-load", "jpg", "--batch-size", "2")
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert re.fullmatch(r"12 samples of jpg, [\d.]+ KiB each; opened in [\d.]+ s", lines[0])
    assert re.fullmatch(r"index alone +[\d,]+ samples/s", lines[1])
    way = r" +[\d,]+ samples/s +[\d.]+ [KMG]iB/s  first batch [\d.]+ s  [\d.]+ of \d+ cores?"
    assert re.fullmatch("and bytes" + way, lines[2])
    assert re.fullmatch("and decoded" + way, lines[3])
    assert lines[4].startswith("limited by decode: ")
    assert all(line.startswith("  ") for line in lines[5:])
    assert len(lines) > 5


def test_bytes_alone_are_measured_once(far: Emulator) -> None:
    del far
    found = measured("gs://far/d/", "--data-type", "bytes", "--batch-size", "32")
    assert found["decoded"] is None
    assert found["fetched"]["samples"] >= 32
    ran = dataflux("bench", "stream", "gs://far/d/", *QUICK, "--data_type", "bin=bytes", "--batch_size", "32")
    assert "and decoded" in ran.stdout


def test_a_playlist_is_measured_by_what_is_read_for_its_records(far: Emulator, tmp_path: Path) -> None:
    from dataflux_core.flare import Playlist, StreamSpec  # noqa: PLC0415 - an extra

    urls = [f"{far.endpoint}/download/storage/v1/b/far/o/d%2F{number}.bin?alt=media" for number in range(400)]
    spec = StreamSpec.of("x", urls, {"dtype": "int8", "shape": [50], "sizes": [1000] * 400})
    (tmp_path / "p.yaml").write_text(Playlist([spec]).dump())
    found = measured(str(tmp_path / "p.yaml"), "--batch-size", "32")
    assert (found["samples"], found["columns"]) == (8000, ["x"])
    assert found["sample_bytes"] > 0


def test_samples_that_are_none_are_left_out_and_counted_once(tmp_path: Path) -> None:
    for number in range(12):  # so small that all of them come many times in a second, on any machine
        PIL_Image.new("RGB", (8, 8)).save(tmp_path / f"{number}.jpg")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    ran = dataflux("bench", "stream", str(tmp_path), *QUICK, "--size", "32x32", "--batch-size", "4", "--json")
    assert ran.returncode == 0
    found = json.loads(ran.stdout)["decoded"]
    assert (found["bad_samples"], found["passes"] > 1) == (1, True)
    assert "left out 1 bad sample of 13; -v says why" in ran.stderr
    assert ran.stderr.count("sample.bad") == 1
    assert f"read {found['passes']} times over" in ran.stderr


@pytest.mark.parametrize(
    ("row", "kind", "said"),
    [
        pytest.param({"url": "text.jpg"}, "image", "not decoded by Image", id="nothing can be decoded"),
        pytest.param({"url": "gone.jpg"}, "image", "cannot be read", id="nothing can be read"),
        pytest.param({"url": "gone.jpg"}, "bytes", "cannot be read", id="nothing can be read, nor is it decoded"),
    ],
)
def test_a_source_of_which_nothing_comes_is_a_failure(
    row: dict[str, str], kind: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "i.json").write_text(json.dumps([row, row]))
    ran = dataflux("bench", "stream", str(tmp_path / "i.json"), *QUICK, "--data-type", kind)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "not one of its 2 samples can be had, the first because" in ran.stderr
    assert said in ran.stderr


@pytest.mark.timeout(100)
def test_loader_workers_are_measured_where_torch_is_there(pictures: str) -> None:
    pytest.importorskip("torch")
    call = ["bench", "stream", pictures, "--workers", "1", "--batch-size", "2", "--size", "64x64", "--json", *QUICK]
    ran = dataflux_process(*call)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["workers"] == 1
    assert found["decoded"]["samples"] >= 2


def test_workers_without_torch_name_the_extra(pictures: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.data", None)
    ran = dataflux("bench", "stream", pictures, *QUICK, "--workers", "1")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "pip install 'dataflux_core[torch]'" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param(["gone.csv"], 1, "there is no such file", id="no such source"),
        pytest.param(["{pictures}", "--size", "224"], 2, "expected height and width in pixels", id="half a size"),
        pytest.param(
            ["{pictures}", "--size", "0x10"], 2, "expected height and width in pixels", id="a size of nothing"
        ),
        pytest.param(["{pictures}", "--data-type", "film"], 2, "expected one of image, video", id="an unknown kind"),
        pytest.param(["{pictures}", "--data-type", "nix=text"], 2, "nix", id="the kind of a column that there is not"),
        pytest.param(
            ["{pictures}", "--data-type", "text", "--data-type", "jpg=image"],
            2,
            "one kind for all",
            id="kinds of all, one",
        ),
        pytest.param(
            ["{pictures}", "--data-type", "text", "--size", "8x8"], 2, "nothing is resized", id="the size of a text"
        ),
        pytest.param(["{pictures}", "--columns-to-load", "png"], 1, "there is no column 'png'", id="no such column"),
        pytest.param(["{pictures}", "--seconds", "0"], 2, "seconds", id="no time"),
        pytest.param([], 2, "Missing argument 'SRC'", id="no source"),
    ],
)
def test_what_cannot_be_meant_is_an_error_of_one_line(
    pictures: str, arguments: list[str], code: int, said: str
) -> None:
    ran = dataflux("bench", "stream", *(text.replace("{pictures}", pictures) for text in arguments))
    assert (ran.returncode, ran.stdout) == (code, "")
    assert said in ran.stderr


def test_help_names_what_can_be_measured() -> None:
    assert "stream" in dataflux("bench", "--help").stdout
