"""Take a real directory tree through a bucket, compare every byte with the disk."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from benchmarking._story import Difference, Row, Stopwatch, is_terminal, say
from dataflux_core.download import DownloadStats, dataflux_download_lazy
from dataflux_core.fast_list import ListingController

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflux_core.emulator import Emulator
    from dataflux_core.fast_list import Listing

BUCKET = "tree"
TREE = Path(sysconfig.get_paths()["purelib"])  # thousands of small files on every machine that runs this


def show(gcs: Emulator, tree: Path) -> list[Row]:
    """Do it; raises Difference."""
    say(f"1. {tree}, every file of it served as an object of gs://{BUCKET}")
    watch = Stopwatch(gcs)
    controller = ListingController(64, "demo", BUCKET, progress=is_terminal())
    listing = controller.listing(fields=("generation",))
    listed = watch.stop()
    demand_all_listed(tree, listing)
    say(f"   listed {len(listing):,} objects, {listing.total_bytes / 1e6:,.0f} MB, in {listed.seconds:.2f} s")

    watch, stats = Stopwatch(gcs), DownloadStats()
    contents = dataflux_download_lazy("demo", BUCKET, listing, stats=stats)
    # A gigabyte need not fit into memory: each object is compared while the next are on their way.
    compare(tree, listing, contents)
    downloaded = watch.stop()
    say(
        f"   downloaded them through {stats.groups_composed:,} temporary composites, compared "
        f"{stats.received_bytes:,} bytes with the disk: no difference, {downloaded.seconds:.2f} s"
    )
    left = ListingController(1, "demo", BUCKET, skip_compose=False, prefix="dataflux-composed-objects/").run()
    if left:
        raise Difference(f"{len(left)} temporary objects were left behind, the first is {left[0][0]}")
    say("   no temporary object is left behind\n")
    return [
        Row(f"list a directory of {len(listing):,} files", listed),
        Row(f"download it, {listing.total_bytes / 1e6:,.0f} MB, compare bytes", downloaded),
    ]


def demand_all_listed(tree: Path, listing: Listing) -> None:
    """Compare the names with a walk of the disk; raises Difference."""
    names = set(listing.names)
    if len(names) != len(listing):
        raise Difference(f"{len(listing) - len(names)} names of {tree} were listed twice")
    for path in files_below(tree):
        if path.relative_to(tree).as_posix() not in names:
            raise Difference(f"{path} was not listed")


def files_below(tree: Path) -> Iterator[Path]:
    """Walk the files; links are left to the server, which serves those that stay inside the tree."""
    for folder, _, files in os.walk(tree):
        for file in files:
            path = Path(folder, file)
            if not path.is_symlink():
                yield path


def compare(tree: Path, listing: Listing, contents: Iterator[bytes]) -> None:
    """Compare all bytes with the files; raises Difference."""
    pairs = zip(listing, contents, strict=True)
    with tqdm(pairs, "   gs://tree", len(listing), unit=" files", leave=False, disable=not is_terminal()) as bar:
        for (name, _), content in bar:
            if (tree / name).read_bytes() != content:
                raise Difference(f"the {len(content):,} bytes of {name} differ from those of {tree / name}")
