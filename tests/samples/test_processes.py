"""Samples are made alike in threads and in processes, however these were started."""

from __future__ import annotations

import gc
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dataflux_core._data.samples.encoded import Encoded, RawSample
from dataflux_core._data.samples.maker import SampleMaker
from dataflux_core._data.samples.pipeline import pipeline_of
from dataflux_core._data.samples.policy import BadSamplePolicy
from dataflux_core._data.samples.recipe import Recipe
from dataflux_core.decoders import Audio, Image, Video
from tests.samples.media import film, np, picture, smooth, wav


def brightness(sample: dict[str, Any]) -> dict[str, Any]:
    return {"means": [float(np.mean(sample[column])) for column in ("image", "video")], "rate": sample["audio"].rate}


RECIPE = Recipe(
    {"image": Image(size=(20, 30)), "video": Video(every=10), "audio": Audio(rate=4000)},
    pipeline_of(brightness),
    BadSamplePolicy(on_bad_sample="skip"),
)


def made(recipe: Recipe, raw: RawSample) -> list[dict[str, Any]]:
    return [sample for _ in range(5) for sample in SampleMaker(recipe).outputs(raw)]


@pytest.fixture(scope="module")
def raw() -> RawSample:
    contents = {
        "image": picture(smooth(40, 60), "JPEG"),
        "video": film(),
        "audio": wav(np.zeros((1, 8000), np.int16), 8000),
    }
    return RawSample(0, "a", {name: Encoded(content, "gs://b/a") for name, content in contents.items()}, {})


def test_threads_do_not_disturb_each_other(raw: RawSample) -> None:
    expected = made(RECIPE, raw)
    assert len(expected) == 5
    with ThreadPoolExecutor(8) as pool:
        for samples in pool.map(made, [RECIPE] * 16, [raw] * 16):
            assert samples == expected


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_processes_make_the_same_after_their_parent_did(raw: RawSample, method: str) -> None:
    expected = made(RECIPE, raw)
    with ProcessPoolExecutor(2, multiprocessing.get_context(method)) as pool:
        for samples in pool.map(made, [RECIPE] * 4, [raw] * 4):
            assert samples == expected


def test_nothing_is_left_open(raw: RawSample, tmp_path: Path) -> None:
    made(RECIPE, raw)
    broken = raw._replace(columns={name: Encoded(read.content[:-9], "") for name, read in raw.columns.items()})  # type: ignore[union-attr]
    before = open_files()
    for _ in range(20):
        made(RECIPE, raw)
        assert made(RECIPE, broken) == []
    assert open_files() <= before  # what an earlier test has left may have been closed
    assert list(tmp_path.iterdir()) == []


def open_files() -> int:
    gc.collect()  # what earlier tests have left may be waiting for it
    return len(list(Path("/dev/fd").iterdir()))
