"""Add up how many bytes objects take."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import click

from dataflux_core._cli.arguments import Place, PlaceType
from dataflux_core._cli.command import ServiceCommand, shows_progress
from dataflux_core._cli.selection import SelectionOptions, selecting_generations, selection_of
from dataflux_core._cli.text import human_bytes, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Unpack

    from dataflux_core._wire.page import Page


class Options(SelectionOptions):
    """The options of the command."""

    place: Place
    human: bool
    depth: int
    everything: bool
    parallelism: int
    versions: bool
    soft_deleted: bool


@click.command(cls=ServiceCommand)
@click.argument("place", metavar="gs://BUCKET[/PREFIX]", type=PlaceType())
@click.option("-h", "--human", is_flag=True, help="Sizes in KiB, MiB, GiB.")
@click.option("-d", "--depth", type=click.IntRange(0), default=0, help="A line for each directory down to this depth.")
@click.option("-a", "--all", "everything", is_flag=True, help="Also temporaries of downloads, names that end in '/'.")
@click.option("-j", "--parallelism", type=click.IntRange(1, 1024), default=64, show_default=True)
@selecting_generations
def du(**options: Unpack[Options]) -> None:
    """Add up how many bytes objects take, of every storage class.

    Each line has bytes, objects, URL, between tabs; the last line is the sum.

    \b
    dataflux du -h gs://my-bucket
    dataflux du -d 1 gs://my-bucket/images/
    dataflux du --updated-before 365d --min-size 1GiB gs://my-bucket
    """  # noqa: D301 - click wants the character itself: it keeps the lines below as they are
    from dataflux_core._cli.service import Query, found_pages, open_client  # noqa: PLC0415 - slow imports

    place = options["place"]
    selection = selection_of(options, versions=options["versions"], soft_deleted=options["soft_deleted"])
    query = Query(place, (), options["everything"], options["parallelism"], selection=selection, quiet=options["quiet"])
    found = found_pages(open_client(options), query, shows_bar=shows_progress(quiet=options["quiet"]))
    sums = added_up(found, skip=len(place.directory), depth=options["depth"])
    total_bytes, total_objects = sums.pop("", (0, 0))
    for directory, (size, objects) in sorted(sums.items()):
        _print(size, objects, f"gs://{place.bucket}/{place.directory}{directory}", human=options["human"])
    _print(total_bytes, total_objects, str(place), human=options["human"])


def added_up(pages: Iterable[Page], *, skip: int, depth: int) -> dict[str, tuple[int, int]]:
    """Return (bytes, objects) of each directory, "" for all together, in names whose first `skip` letters are cut."""
    sizes: dict[str, int] = defaultdict(int)
    counts: dict[str, int] = defaultdict(int)
    for page in pages:
        listed = page.size_list()
        sizes[""] += sum(listed)
        counts[""] += page.count
        if not depth:
            continue
        for name, size in zip(page.name_list(), listed, strict=True):
            parts = name[skip:].split("/")[:-1]
            for level in range(1, min(depth, len(parts)) + 1):
                directory = "/".join(parts[:level]) + "/"
                sizes[directory] += size
                counts[directory] += 1
    return {directory: (size, counts[directory]) for directory, size in sizes.items()}


def _print(size: int, objects: int, url: str, *, human: bool) -> None:
    click.echo(f"{human_bytes(size) if human else size}\t{objects}\t{shown(url)}")
