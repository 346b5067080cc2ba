"""Download objects to files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from dataflux_core._cli.arguments import DirectoryType, ListedType, Place, PlaceType
from dataflux_core._cli.command import GroupedOption, ServiceCommand, TextType, shows_progress
from dataflux_core._cli.selection import SelectionOptions, SizeType, selecting_objects, selection_of
from dataflux_core._cli.text import shown
from dataflux_core._cli.wording import as_typed
from dataflux_core._plan.globs import check_globs
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Unpack

    from dataflux_core._cli.service import Query
    from dataflux_core._data.directory import DirectoryOptions, FileTimes, FreeSpace
    from dataflux_core._data.listing import Listing
    from dataflux_core._plan.paths import UnsafeNames
    from dataflux_core._plan.strategy import Optimize, Strategy
    from dataflux_core._run.clients import Client

MIN_MEMORY_BYTES = 1024**2  # as of DirectoryOptions: known before an hour is spent on a listing
_GROUP = "Which objects"


class GlobType(TextType):
    """A glob that can be read: known before an hour is spent on a listing."""

    name = "glob"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        glob = super().convert(value, param, ctx)
        try:
            check_globs("glob", [glob])
        except InvalidArgument as error:
            self.fail(f"{glob!r}: expected {error.expected}", param, ctx)
        return glob


def _only_one(ctx: click.Context, param: click.Parameter, value: tuple[Path, ...]) -> Path | None:
    """Take one file: of two the last would be read, the others left out without a word."""
    if len(value) > 1:
        raise click.BadParameter(f"expected one file, not {len(value)}", ctx, param)
    return value[0] if value else None


class Options(SelectionOptions):
    """The options of the command."""

    place: Place
    directory: Path
    max_composite_bytes: int
    strategy: Strategy
    optimize: Optimize | None
    max_memory: int | None
    parallelism: int | None
    unsafe_names: UnsafeNames
    everything: bool
    keep_going: bool
    dry_run: bool
    listed_in: Path | None
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    file_times: FileTimes
    free_space: FreeSpace


@click.command(cls=ServiceCommand)
@click.argument("place", metavar="gs://BUCKET[/PREFIX]", type=PlaceType())
@click.argument("directory", metavar="DIR", type=DirectoryType())
@click.option(
    "--max-composite-bytes",
    type=click.IntRange(0),
    default=100_000_000,
    show_default=True,
    metavar="BYTES",
    help="Small objects travel together in temporary objects of up to this size, 0 for never.",
)
@click.option(
    "--strategy",
    type=click.Choice(["auto", "compose", "direct"]),
    default="auto",
    show_default=True,
    help="Small objects travel as composites where that pays, always, or never: direct writes nothing to the bucket.",
)
@click.option(
    "--optimize",
    type=click.Choice(["time", "cost"]),
    help="What is saved where the strategy is auto: time unless it is said.",
)
@click.option(
    "--max-memory",
    type=SizeType(MIN_MEMORY_BYTES),
    metavar="SIZE",
    help="For what is read but not written: 500MB, 2GiB; 1 MiB at least.",
)
@click.option(
    "-j",
    "--parallelism",
    type=click.IntRange(1, 4096),
    help="Requests at once; up to 2048 by default, fewer where few files may be open.",
)
@click.option(
    "--unsafe-names",
    type=click.Choice(["refuse", "encode", "skip"]),
    default="refuse",
    show_default=True,
    help="What to do with names that are no path of their own.",
)
@click.option("-a", "--all", "everything", is_flag=True, help="Also temporaries of downloads, names that end in '/'.")
@click.option(
    "--keep-going", is_flag=True, help="Go on after an error about a single object; name it, exit with 1 in the end."
)
@click.option("--dry-run", is_flag=True, help="Print the files that would be written; write nothing.")
@click.option(
    "--from",
    "listed_in",
    type=ListedType(files_only=True),
    multiple=True,
    callback=_only_one,
    metavar="FILE",
    help="Do not list: FILE is what ls -r wrote as Parquet, CSV or JSON.",
)
@click.option(
    "--file-times",
    type=click.Choice(["updated", "now"]),
    default="updated",
    show_default=True,
    help="Files are as old as their objects' latest change, or as they are written.",
)
@click.option(
    "--free-space",
    type=click.Choice(["check", "ignore"]),
    default="check",
    show_default=True,
    help="Whether what has no room on the disk is refused before the first byte.",
)
@click.option(
    "--include",
    multiple=True,
    type=GlobType(),
    metavar="GLOB",
    help="Only names that match, as below DIR; any of several will do.",
    cls=GroupedOption,
    group=_GROUP,
)
@click.option(
    "--exclude",
    multiple=True,
    type=GlobType(),
    metavar="GLOB",
    help="No names that match, though --include does.",
    cls=GroupedOption,
    group=_GROUP,
)
@selecting_objects
def download(**options: Unpack[Options]) -> None:
    """Download every object whose name begins with PREFIX to a file below DIR.

    Files are named after the objects, without PREFIX up to its last "/". A file that is there already, with the
    listed size and checksum, is not fetched again: after an interruption run the command again. However the
    command ends, no file is half there. The bytes are the stored ones: what is stored compressed arrives compressed.

    \b
    dataflux download gs://my-bucket/images/ ./images
    dataflux download --dry-run gs://my-bucket/images/ ./images
    dataflux download --include '**.jpg' --exclude 'old/**' gs://my-bucket/images/ ./images
    dataflux download --from listing.parquet --updated-from 7d gs://my-bucket/images/ ./images
    dataflux download --unsafe-names encode gs://my-bucket ./all

    --include and --exclude read the same patterns as --match-glob, but match names as files have them, without PREFIX
    up to its last "/", and can be given again. What is wanted meets all other options, an --include if there is any,
    and no --exclude.

    Names such as ../x, /x, a//b, or both a and a/b, are no paths of their own. 'refuse' stops before anything is
    written, 'encode' percent-encodes what is unsafe in them, 'skip' leaves them out with a message.
    """  # noqa: D301 - click wants the character itself: it keeps the lines below as they are
    _check(options)
    from dataflux_core._cli.download_report import print_plan, report, told_if_interrupted  # noqa: PLC0415 - slow imports
    from dataflux_core._cli.service import open_client  # noqa: PLC0415
    from dataflux_core._data.directory import directory_plan, download_to_directory  # noqa: PLC0415

    how, client = _directory_options(options), open_client(options)
    found = _found(client, options)
    if options["dry_run"]:
        print_plan(directory_plan(found, options["directory"], how), options)
        return
    bucket, directory = options["place"].bucket, options["directory"]
    with told_if_interrupted(quiet=options["quiet"]) as observer:
        how = replace(how, observer=observer)
        done = download_to_directory(bucket, found, directory, storage_client=client.client, options=how)
    report(done, options)


def _check(options: Options) -> None:
    """Refuse options that mean nothing together."""
    if options["optimize"] is not None and options["strategy"] != "auto":
        raise click.UsageError(
            f"--optimize says what --strategy auto saves: with --strategy {options['strategy']} nothing is chosen"
        )


def _directory_options(options: Options) -> DirectoryOptions:
    from dataflux_core._data.directory import DirectoryOptions  # noqa: PLC0415 - slow import

    return DirectoryOptions(
        unsafe_names=options["unsafe_names"],
        strip_prefix=options["place"].directory,
        max_composite_bytes=options["max_composite_bytes"],
        max_requests=options["parallelism"],
        progress=shows_progress(quiet=options["quiet"]),
        include=options["include"],
        exclude=options["exclude"],
        file_times=options["file_times"],
        free_space=options["free_space"],
        strategy=options["strategy"],
        optimize=options["optimize"] or "time",
        max_memory=options["max_memory"],
        on_error="return" if options["keep_going"] else "raise",
    )


def _found(client: Client, options: Options) -> Listing:
    """Return what is to be downloaded, from the service or a file; raises UsageError, NothingFound."""
    from dataflux_core._cli.service import NothingFound, listing  # noqa: PLC0415 - slow imports
    from dataflux_core._data.listing_file import read_listing  # noqa: PLC0415
    from dataflux_core._data.narrowed import narrowed  # noqa: PLC0415

    query = _query(options)
    if options["listed_in"] is None:
        return listing(client, query, shows_bar=shows_progress(quiet=options["quiet"]))
    if options["match_glob"]:
        raise click.UsageError("--match-glob is the service's to match, which --from does not ask: use --include")
    listed = read_listing(options["listed_in"])
    try:
        found = narrowed(listed, query.scope)
    except InvalidArgument as error:
        raise click.UsageError(f"{as_typed(str(error))}: {shown(str(options['listed_in']))} has none") from error
    if not found and query.must_find:
        raise NothingFound(f"{options['place']}, as of {options['listed_in']}")
    return found


def _query(options: Options) -> Query:
    from dataflux_core._cli.service import LISTING_PARALLELISM, Query  # noqa: PLC0415 - slow import

    parallelism = min(options["parallelism"] or LISTING_PARALLELISM, LISTING_PARALLELISM)
    fields = ("generation", "crc32c", "updated")
    selection = selection_of(options)
    return Query(
        options["place"], fields, options["everything"], parallelism, selection=selection, quiet=options["quiet"]
    )
