"""Show what changed since a listing."""

from __future__ import annotations

from heapq import merge
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dataflux_core._cli.arguments import ListedType, OutputType, Place, check_distinct
from dataflux_core._cli.command import ServiceCommand, say, shows_progress
from dataflux_core._cli.selection import SelectionOptions, selecting_comparable, selection_of
from dataflux_core._cli.text import counted, shown
from dataflux_core._cli.wording import as_typed
from dataflux_core._plan.selection import Selection
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

    from typing_extensions import Unpack

    from dataflux_core._cli.output import Row
    from dataflux_core._cli.service import Query
    from dataflux_core._data.changes import ListingChanges
    from dataflux_core._data.listing import Listing

_OTHER_FORMATS = frozenset({".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".txt"})
_MARKS = {"added": "+", "changed": "~", "removed": "-"}


class Options(SelectionOptions):
    """The options of the command."""

    previous: Path
    now: Place | Path
    everything: bool
    format_: Literal["text", "json", "csv"]
    output: str
    save: str | None
    parallelism: int


@click.command(cls=ServiceCommand)
@click.argument("previous", metavar="PREVIOUS.parquet", type=ListedType(files_only=True))
@click.argument("now", metavar="gs://BUCKET[/PREFIX]", type=ListedType())
@click.option("-a", "--all", "everything", is_flag=True, help="As of ls: give it if PREVIOUS was listed with it.")
@click.option("--format", "format_", type=click.Choice(["text", "json", "csv"]), default="text", show_default=True)
@click.option("-o", "--output", type=OutputType(or_stdout=True), default="-", metavar="FILE", help="Write to a file.")
@click.option("--save", type=OutputType(), metavar="FILE", help="Write the new listing as Parquet.")
@click.option("-j", "--parallelism", type=click.IntRange(1, 1024), default=64, show_default=True)
@selecting_comparable
def diff(**options: Unpack[Options]) -> None:
    """Show which objects were added, changed or removed since a listing was written.

    PREVIOUS is a Parquet file of `dataflux ls -r`; the same columns are listed again. An object changed if its size
    did, or its generation; without generations etag, crc32c or updated tells, the first that PREVIOUS has. In place of
    the bucket there may be a newer file.

    \b
    dataflux ls -r -l --format parquet -o objects.parquet gs://my-bucket
    dataflux diff objects.parquet gs://my-bucket
    dataflux diff --save objects.parquet objects.parquet gs://my-bucket

    Where PREFIX or an option chooses among objects, the same choice is made among those of PREVIOUS. As that is then
    only a part of it, --save takes another file.

    text marks a line with + (added), ~ (changed) or - (removed); json and csv say it in the column change.
    """  # noqa: D301 - click wants the character itself: it keeps the lines below as they are
    selection = selection_of(options)
    _check(options, selection)
    from dataflux_core._data.listing import Listing  # noqa: PLC0415 - slow imports
    from dataflux_core._data.parquet import write_parquet  # noqa: PLC0415

    changes = _changes(Listing.from_parquet(options["previous"]), options, selection)
    _write(changes, options)
    if options["save"]:
        write_parquet(changes.listing.pages, changes.listing.fields, options["save"])
    if not options["quiet"]:
        counts = f"{len(changes.added):,} added, {len(changes.changed):,} changed, {len(changes.removed):,} removed"
        say(f"{counts}, compared by {' and '.join(changes.compared)}; {counted(len(changes.listing), 'object')} now")


def _check(options: Options, selection: Selection) -> None:
    """Refuse options that mean nothing together."""
    if not isinstance(options["now"], Place) and (options["everything"] or selection != Selection()):
        raise click.UsageError("what chooses among objects needs a bucket: a file is compared as it is")
    check_distinct({"--output": options["output"], "--save": options["save"]})
    check_distinct({"PREVIOUS": str(options["previous"]), "--output": options["output"]})
    if not isinstance(options["now"], Place):
        check_distinct({"the newer file": str(options["now"]), "--output": options["output"]})
    if options["save"] and Path(options["save"]).suffix.lower() in _OTHER_FORMATS:
        raise click.UsageError(f"--save writes Parquet, which {shown(options['save'])} does not sound like")


def _changes(previous: Listing, options: Options, selection: Selection) -> ListingChanges:
    from dataflux_core._cli.service import Query, listing_again, open_client  # noqa: PLC0415 - slow imports
    from dataflux_core._data.changes import ListingChanges, check_names, compared  # noqa: PLC0415
    from dataflux_core._data.listing import Listing  # noqa: PLC0415

    now = options["now"]
    if not isinstance(now, Place):
        return ListingChanges.between(previous, Listing.from_parquet(now))
    query = Query(now, previous.fields, options["everything"], options["parallelism"], selection=selection)
    previous = _comparable(previous, query, options)
    check_names(previous, "previous")
    client = open_client(options)
    found = listing_again(client, query, previous, shows_bar=shows_progress(quiet=options["quiet"]))
    return compared(previous, found)


def _comparable(previous: Listing, query: Query, options: Options) -> Listing:
    """Return the objects of PREVIOUS that the query would have found; raises UsageError."""
    from dataflux_core._data.narrowed import narrowed  # noqa: PLC0415 - slow import

    try:
        part = narrowed(previous, query.scope)
    except InvalidArgument as error:
        advice = "where PREVIOUS was listed with it, list again with it to a file, then compare the two files"
        raise click.UsageError(f"{as_typed(str(error))}; {advice}") from error
    replaces = options["save"] is not None and Path(options["save"]).resolve() == options["previous"].resolve()
    if replaces and len(part) < len(previous):
        raise click.UsageError(
            f"--save would replace PREVIOUS by a part of it: of its {counted(len(previous), 'object')} this chooses "
            f"{len(part):,}; give --save another file, or compare all that PREVIOUS holds"
        )
    return part


def _write(changes: ListingChanges, options: Options) -> None:
    from dataflux_core._cli.output import Rows, opened  # noqa: PLC0415 - slow import

    fields = [field for field in changes.listing.fields if field in changes.removed.fields]
    parts = [_rows(change, getattr(changes, change), fields) for change in _MARKS]
    rows = merge(*parts, key=lambda row: str(row[1]))
    with opened(options["output"]) as (out, is_terminal):
        writer = Rows(out, fields, is_terminal=is_terminal, leading=("change",))
        if options["format_"] == "json":
            writer.write_json(rows)
        elif options["format_"] == "csv":
            writer.write_csv(rows)
        else:
            url = f"gs://{options['now'].bucket}/" if isinstance(options["now"], Place) else ""
            writer.write_marked(((_MARKS[str(change)], *row) for change, *row in rows), url=url)


def _rows(change: str, part: Listing, fields: list[str]) -> Iterator[Row]:
    from dataflux_core._cli.output import rows_of  # noqa: PLC0415 - slow import

    return ((change, *row) for row in rows_of(part.pages, fields))
