"""Download objects to files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dataflux_core._cli.arguments import DirectoryType, Place, PlaceType
from dataflux_core._cli.command import ServiceCommand, say, shows_progress
from dataflux_core._cli.selection import SelectionOptions, selecting_objects, selection_of
from dataflux_core._cli.text import counted, human_bytes, shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from typing_extensions import Unpack

    from dataflux_core._cli.service import Query
    from dataflux_core._data.directory import DirectoryDownload
    from dataflux_core._data.directory_plan import DirectoryPlan
    from dataflux_core._plan.paths import UnsafeNames
    from dataflux_core.errors import UnsafeName

_SHOWN_SKIPPED = 20


class Options(SelectionOptions):
    """The options of the command."""

    place: Place
    directory: Path
    max_composite_bytes: int
    no_compose: bool
    parallelism: int | None
    unsafe_names: UnsafeNames
    everything: bool
    dry_run: bool


@click.command(cls=ServiceCommand)
@click.argument("place", metavar="gs://BUCKET[/PREFIX]", type=PlaceType())
@click.argument("directory", metavar="DIR", type=DirectoryType())
@click.option(
    "--max-composite-bytes",
    type=click.IntRange(0),
    default=100_000_000,
    show_default=True,
    metavar="BYTES",
    help="Small objects travel together, in temporary objects of up to this size.",
)
@click.option("--no-compose", is_flag=True, help="Write nothing to the bucket: read every object by itself.")
@click.option(
    "-j",
    "--parallelism",
    type=click.IntRange(1, 4096),
    help="Requests at once; up to 512 by default, fewer where few files may be open.",
)
@click.option(
    "--unsafe-names",
    type=click.Choice(["refuse", "encode", "skip"]),
    default="refuse",
    show_default=True,
    help="What to do with names that are no path of their own.",
)
@click.option("-a", "--all", "everything", is_flag=True, help="Also temporaries of downloads, names that end in '/'.")
@click.option("--dry-run", is_flag=True, help="Print the files that would be written; write nothing.")
@selecting_objects
def download(**options: Unpack[Options]) -> None:
    """Download every object whose name begins with PREFIX to a file below DIR.

    Files are named after the objects, without PREFIX up to its last "/". A file that is there already, with the
    listed size and checksum, is not fetched again: after an interruption run the command again. However the
    command ends, no file is half there. The bytes are the stored ones: what is stored compressed arrives compressed.

    \b
    dataflux download gs://my-bucket/images/ ./images
    dataflux download --dry-run gs://my-bucket/images/ ./images
    dataflux download --match-glob '**.jpg' --updated-from 7d gs://my-bucket/images/ ./images
    dataflux download --unsafe-names encode gs://my-bucket ./all

    Names such as ../x, /x, a//b, or both a and a/b, are no paths of their own. 'refuse' stops before anything is
    written, 'encode' percent-encodes what is unsafe in them, 'skip' leaves them out with a message.
    """  # noqa: D301 - click wants the character itself: it keeps the lines below as they are
    from dataflux_core._cli.service import listing, open_client  # noqa: PLC0415 - slow imports
    from dataflux_core._data.directory import (  # noqa: PLC0415
        DirectoryOptions,
        directory_plan,
        download_to_directory,
    )

    place, shows_bar = options["place"], shows_progress(quiet=options["quiet"])
    query, client = _query(options), open_client(options)
    found = listing(client, query, shows_bar=shows_bar)
    how = DirectoryOptions(
        unsafe_names=options["unsafe_names"],
        strip_prefix=place.directory,
        max_composite_bytes=0 if options["no_compose"] else options["max_composite_bytes"],
        max_requests=options["parallelism"],
        progress=shows_bar,
    )
    if options["dry_run"]:
        _print_plan(directory_plan(found, options["directory"], how), quiet=options["quiet"])
        return
    _report(
        download_to_directory(place.bucket, found, options["directory"], storage_client=client.client, options=how),
        options,
    )


def _query(options: Options) -> Query:
    from dataflux_core._cli.service import LISTING_PARALLELISM, Query  # noqa: PLC0415 - slow import

    parallelism = min(options["parallelism"] or LISTING_PARALLELISM, LISTING_PARALLELISM)
    fields = ("generation", "crc32c")
    selection = selection_of(options)
    return Query(
        options["place"], fields, options["everything"], parallelism, selection=selection, quiet=options["quiet"]
    )


def _report(done: DirectoryDownload, options: Options) -> None:
    _report_skipped(done.skipped)
    if not options["quiet"]:
        rate = human_bytes(done.written_bytes / done.elapsed_s) if done.elapsed_s else ""
        say(
            f"wrote {counted(done.written, 'file')}, {human_bytes(done.written_bytes)}, in {done.elapsed_s:.1f} s "
            f"({rate}/s); {counted(done.present, 'file')} there already; {len(done.skipped)} skipped"
        )


def _print_plan(plan: DirectoryPlan, *, quiet: bool) -> None:
    for position in plan.missing:
        click.echo(shown(str(plan.directory / (plan.paths[position] or ""))))
    _report_skipped(plan.skipped)
    if not quiet:
        say(
            f"would write {counted(len(plan.missing), 'file')}, {human_bytes(plan.missing_bytes)}; "
            f"{counted(plan.present, 'file')} there already; {len(plan.skipped)} skipped"
        )


def _report_skipped(skipped: Sequence[UnsafeName]) -> None:
    """Name what was left out, even to those who want quiet: nobody should take the files for all there is."""
    for error in skipped[:_SHOWN_SKIPPED]:
        say(f"skipped {error}")
    if len(skipped) > _SHOWN_SKIPPED:
        say(f"skipped {counted(len(skipped) - _SHOWN_SKIPPED, 'more object')}")
