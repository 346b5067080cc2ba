"""List a million made-up names, beside google-cloud-storage's sequential listing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarking._measure import Client, run_client
from benchmarking._picture import draw
from benchmarking._story import Difference, Row, Stopwatch, Took, calls_of, is_terminal, say, watching
from dataflux_core.fast_list import ListingController, PageEvent

if TYPE_CHECKING:
    from pathlib import Path

    from dataflux_core.emulator import Emulator, Synthetic

BUCKET = "million"
TIMEOUT_S = 600.0


def show(gcs: Emulator, synthetic: Synthetic, picture: Path) -> list[Row]:
    """Do it, draw who listed what when; raises Difference."""
    count = len(synthetic)
    say(f"2. gs://{BUCKET}: {count:,} made-up names, such as {synthetic.name_at(count // 2)}")
    events: list[PageEvent] = []
    watch = Stopwatch(gcs)
    controller = ListingController(64, "demo", BUCKET, progress=is_terminal())
    controller.observer = events.append
    listed = controller.run()
    ours = watch.stop()
    stats = controller.stats
    say(
        f"   dataflux_core: {ours.seconds:.2f} s, {ours.calls} calls, processes: {stats.processes}, ranges taken over "
        f"by idle listers: {stats.splits - stats.empty_halves}"
    )
    if [name for name, _ in listed] != synthetic.names():
        raise Difference(f"the names listed of gs://{BUCKET} are not those that it holds")
    say("   every name is there, once, in order")
    draw(events, synthetic.rank, picture)
    say(f"   {picture} shows who listed which part of the namespace when")
    say("   now google-cloud-storage, its pages as large as ours, only the fields it needs: a minute or so ...")
    google = list_with_google(gcs, count)
    say(f"   google-cloud-storage: {google.seconds:.2f} s, {google.calls} calls\n")
    return [Row(f"list {count:,} names", ours, google)]


def list_with_google(gcs: Emulator, count: int) -> Took:
    """List in a fresh process."""
    gcs.reset_requests()
    client = Client("google-cloud-storage", "google", "list_google", "narrow", bucket=BUCKET)
    with watching(gcs, "list_blobs", count, lambda requests: requests.objects_listed):
        answer = run_client(client, gcs.endpoint, timeout_s=TIMEOUT_S)
    if answer["count"] != count:
        raise Difference(f"google-cloud-storage listed {answer['count']:,} of {count:,} names")
    return Took(answer["seconds"], answer["cpu_s"], calls_of(gcs.requests()))
