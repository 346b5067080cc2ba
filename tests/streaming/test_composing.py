"""Composites of a stream: what it reads is what was listed, nothing stays in the bucket, memory keeps within bounds."""

from __future__ import annotations

import logging
import signal
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from dataflux_core.emulator import Emulator, Latency, Memory
from dataflux_core.errors import DatafluxError, ObjectChanged
from dataflux_core.streaming import StreamingDataset
from tests.conftest import point_at
from tests.download.buckets import Stocked
from tests.download.guardians import MARK
from tests.processes import start_script, wait_until
from tests.streaming.loaders import loaded
from tests.streaming.streams import MANY_WORKERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from subprocess import Popen

pytestmark = [MANY_WORKERS, pytest.mark.usefixtures("environment")]

COUNT = 2000
START_S = 90.0  # for a program to import torch, on a busy machine, and to read once
CONTENTS = {f"{number:04}": f"{number:04}".encode() * 5 for number in range(COUNT)}
REPLACED = f"{COUNT - 100:04}"
LATENCY = Latency(read_s=0.02, compose_s=0.1, delete_s=0.02, get_s=0.01)
READING = frozenset({"storage.objects.get", "storage.objects.list"})
KEPT = {"retentionPolicy": {"retentionPeriod": "1000", "effectiveTime": "2020-01-01T00:00:00Z"}}


@pytest.fixture
def gcs() -> Iterator[Emulator]:
    with Emulator(latency=LATENCY) as running:
        point_at(running)
        yield running


def stocked(gcs: Emulator, **behaviour: Any) -> Stocked:
    gcs.create_bucket("b", Memory(CONTENTS, **behaviour))
    return Stocked(gcs, "b", CONTENTS)


def streamed(listed: dict[str, list[int]] | None = None, **keywords: Any) -> StreamingDataset:
    """Make a dataset of the bucket; `listed` are more columns of its index."""
    more = listed or {}
    rows = [
        {"url": f"gs://b/{name}", "size": 20, **{column: values[at] for column, values in more.items()}}
        for at, name in enumerate(CONTENTS)
    ]
    return StreamingDataset(rows, columns_to_load=["url"], data_type="bytes", **{"strategy": "compose", **keywords})


def contents(samples: Any) -> list[bytes]:
    return [sample["url"] for sample in samples]


# Reads the bucket until it is killed.
PROGRAM = """
import sys
from dataflux_core.streaming import StreamingDataset
rows = [{"url": f"gs://b/{number:04}", "size": 20} for number in range(2000)]
dataset = StreamingDataset(rows, columns_to_load=["url"], data_type="bytes", strategy="compose")
loader, workers = dataset, int(sys.argv[1])
if workers:
    from torch.utils.data import DataLoader
    loader = DataLoader(dataset, 4, num_workers=workers)
while True:
    for sample in loader:
        pass
"""


@pytest.fixture
def program(request: pytest.FixtureRequest, gcs: Emulator) -> Iterator[Popen[str]]:
    stocked(gcs)
    with start_script(PROGRAM, {**gcs.environ, MARK: request.node.name}, str(request.param)) as started:
        yield started
        started.kill()


@pytest.mark.parametrize("program", [0, 2], indirect=True, ids=lambda workers: f"{workers} workers")
def test_a_program_that_is_killed_while_composites_are_made_leaves_none(program: Popen[str], gcs: Emulator) -> None:
    assert wait_until(lambda: gcs.requests()["compose"] >= 70 or program.poll() is not None, START_S)
    program.kill()
    _, said = program.communicate()
    assert program.returncode == -signal.SIGKILL, said
    gcs.configure(latency=Latency())
    assert wait_until(lambda: Stocked(gcs, "b").temporaries() == [])


def breaking(samples: Any) -> None:
    for number, _ in enumerate(samples):
        if number == 300:
            break


def breaking_at_once(samples: Any) -> None:
    next(iter(samples))


def raising(samples: Any) -> None:
    with suppress(KeyboardInterrupt):
        for _ in samples:
            raise KeyboardInterrupt


def breaking_a_loader(samples: Any) -> None:
    next(iter(loaded(samples, 4, num_workers=2)))


def own_threads() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if each.name.startswith("dataflux")}


@pytest.mark.parametrize("way", [breaking, breaking_at_once, raising, breaking_a_loader])
def test_a_loop_that_is_left_leaves_no_composite_no_thread(way: Callable[[Any], None], gcs: Emulator) -> None:
    bucket, before = stocked(gcs), own_threads()
    way(streamed())
    assert gcs.requests()["compose"] > 0
    gcs.configure(latency=Latency())
    assert wait_until(lambda: bucket.temporaries() == [])
    assert wait_until(lambda: not own_threads() - before)


def generations(bucket: Stocked) -> list[int]:
    return [int(blob.generation) for blob in bucket.client().list_blobs("b")]


@pytest.mark.parametrize("content", [b"other" * 4, b"longer than the one before"], ids=["as long", "longer"])
def test_an_object_replaced_midway_is_an_error_that_names_it(content: bytes, gcs: Emulator) -> None:
    bucket = stocked(gcs)
    iterator = iter(streamed({"generation": generations(bucket)}, prefetch_samples=256))
    seen = contents([next(iterator)])
    bucket.put(REPLACED, content)
    with pytest.raises(DatafluxError, match=f"{REPLACED}.*changed") as raised:
        seen.extend(contents(iterator))
    assert isinstance(raised.value.__cause__, ObjectChanged) or isinstance(raised.value, ObjectChanged)
    assert seen == bucket.expected[: COUNT - 100][: len(seen)]
    assert gcs.requests()["compose"] > 0
    assert wait_until(lambda: bucket.temporaries() == [])


def test_where_versions_are_kept_the_one_that_was_listed_comes(gcs: Emulator) -> None:
    bucket = stocked(gcs, resource={"versioning": {"enabled": True}})
    iterator = iter(streamed({"generation": generations(bucket)}, prefetch_samples=256))
    seen = contents([next(iterator)])
    bucket.put(REPLACED, b"other" * 4)
    assert seen + contents(iterator) == bucket.expected
    assert wait_until(lambda: bucket.temporaries() == [])


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        pytest.param({"permissions": READING}, "lacking storage.objects.create", id="none may be made"),
        pytest.param(
            {"permissions": READING | {"storage.objects.create"}}, "lacking storage.objects.delete", id="none may go"
        ),
        pytest.param({"resource": KEPT}, "retention policy", id="each would be kept"),
    ],
)
def test_a_bucket_that_refuses_composites_is_read_one_by_one_which_is_said_once(
    behaviour: dict[str, Any], reason: str, gcs: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    bucket = stocked(gcs, **behaviour)
    with caplog.at_level(logging.WARNING, "dataflux_core"):
        assert contents(streamed()) == bucket.expected
    assert gcs.requests()["compose"] == 0
    assert [reason in record.getMessage() for record in caplog.records] == [True]


# Reads objects of 100 kB through composites, says how much memory that took beyond what was there before.
GREEDY = """
import sys
from pathlib import Path
from dataflux_core.streaming import StreamingDataset
import google.cloud.storage
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024
rows = [{"url": f"gs://large/{number:04}", "size": 100_000} for number in range(800)]
def read(rows):
    return StreamingDataset(rows, columns_to_load=["url"], data_type="bytes", strategy="compose", prefetch_bytes="16MB")
list(zip(range(8), read(rows[:8])))
before = peak()
count = sum(len(sample["url"]) == 100_000 for sample in read(rows))
print(count, peak() - before)
"""


def test_what_is_read_ahead_keeps_within_its_bytes(gcs: Emulator) -> None:
    content = bytes(100_000)
    gcs.create_bucket("large", Memory({f"{number:04}": content for number in range(800)}))
    with start_script(GREEDY, gcs.environ) as program:
        out, said = program.communicate()
    assert program.returncode == 0, said
    count, grown_bytes = map(int, out.split())
    assert count == 800
    assert gcs.requests()["compose"] >= 20
    assert grown_bytes < 40_000_000  # of 80 MB; beside what is held, buffers of what arrives
