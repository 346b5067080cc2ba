"""Download ten thousand small objects, beside a pool of threads with google-cloud-storage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarking._measure import Client, run_client
from benchmarking._story import Difference, Row, Stopwatch, Took, calls_of, say, watching
from dataflux_core.download import dataflux_download
from dataflux_core.fast_list import ListingController

if TYPE_CHECKING:
    from dataflux_core.emulator import Emulator, Synthetic

BUCKET = "small"
THREADS = 64
TIMEOUT_S = 600.0


def show(gcs: Emulator, synthetic: Synthetic) -> list[Row]:
    """Do it; raises Difference."""
    count = len(synthetic)
    say(f"3. gs://{BUCKET}: {count:,} objects of {synthetic.object_bytes:,} bytes")
    objects = ListingController(64, "demo", BUCKET).listing()
    watch = Stopwatch(gcs)
    contents = dataflux_download("demo", BUCKET, objects)
    ours = watch.stop()
    for (name, _), content in zip(objects, contents, strict=True):
        if content != synthetic.content(name):
            raise Difference(f"the {len(content):,} bytes of {name} differ from those that the bucket holds")
    say(f"   dataflux_core: {ours.seconds:.2f} s, {ours.calls:,} calls; every byte is right")
    google = read_with_google(gcs, list(objects))
    say(f"   google-cloud-storage on {THREADS} threads: {google.seconds:.2f} s, {google.calls:,} calls\n")
    return [Row(f"download {count:,} small objects", ours, google)]


def read_with_google(gcs: Emulator, objects: list[tuple[str, int]]) -> Took:
    """Download in a fresh process."""
    gcs.reset_requests()
    client = Client("google-cloud-storage", "google", "download_google", "", THREADS, BUCKET)
    with watching(gcs, "download_as_bytes", len(objects), lambda requests: requests["read"]):
        answer = run_client(client, gcs.endpoint, objects, timeout_s=TIMEOUT_S)
    if answer["bytes"] != sum(size for _, size in objects):
        raise Difference(f"google-cloud-storage downloaded {answer['bytes']:,} bytes")
    return Took(answer["seconds"], answer["cpu_s"], calls_of(gcs.requests()))
