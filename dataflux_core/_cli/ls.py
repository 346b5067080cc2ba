"""List objects."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any

import click

from dataflux_core._cli.arguments import OutputType, Place, PlaceType, TraceType, check_distinct
from dataflux_core._cli.command import ServiceCommand, say, shows_progress
from dataflux_core._cli.selection import FieldsType, SelectionOptions, selecting_generations, selection_of
from dataflux_core._plan.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from typing_extensions import Unpack

    from dataflux_core._cli.output import Format, Row
    from dataflux_core._cli.service import Query
    from dataflux_core._wire.page import Page

_LONG_FIELDS = ("generation", "crc32c", "updated", "storage_class", "content_type", "content_encoding")
_LONG_TEXT_FIELDS = ("updated",)


class Options(SelectionOptions):
    """The options of the command."""

    place: Place
    recursive: bool
    long: bool
    human: bool
    everything: bool
    format_: Format
    output: str
    unsorted: bool
    resume: str | None
    parallelism: int
    trace: str | None
    stats: bool
    fields: tuple[str, ...]
    versions: bool
    soft_deleted: bool
    hierarchical: bool
    flat: bool


@click.command(cls=ServiceCommand)
@click.argument("place", metavar="gs://BUCKET[/PREFIX]", type=PlaceType())
@click.option("-r", "--recursive", is_flag=True, help="Everything below the prefix, many requests at once.")
@click.option("-l", "--long", is_flag=True, help="Sizes and dates too; more in json, csv, parquet.")
@click.option("-h", "--human", is_flag=True, help="With -l: sizes in KiB, MiB, GiB.")
@click.option("-a", "--all", "everything", is_flag=True, help="Also temporaries of downloads, names that end in '/'.")
@click.option(
    "--format", "format_", type=click.Choice(["text", "json", "csv", "parquet"]), default="text", show_default=True
)
@click.option("-o", "--output", type=OutputType(or_stdout=True), default="-", metavar="FILE", help="Write to a file.")
@click.option("--unsorted", is_flag=True, help="With -r: as pages arrive, in bounded memory.")
@click.option("--resume", type=OutputType(), metavar="FILE", help="With -r: go on where FILE ends.")
@click.option("-j", "--parallelism", type=click.IntRange(1, 1024), default=64, show_default=True)
@click.option("--trace", type=TraceType(), metavar="FILE", help="With -r: a .json or .png of its calls.")
@click.option("--stats", is_flag=True, help="With -r: say on stderr where the time went.")
@click.option("--fields", type=FieldsType(), default=(), metavar="A,B,…", help="More columns of json, csv, parquet.")
@click.option("--hierarchical", is_flag=True, help="With -r: folder by folder; found out where it is not said.")
@click.option("--flat", is_flag=True, help="With -r: not folder by folder.")
@selecting_generations
def ls(**options: Unpack[Options]) -> None:
    """List objects of every storage class in the order of their names.

    Without -r one level is listed, as of a directory: what has another "/" behind the prefix is summed up as
    PREFIX…/. The prefix is the beginning of names, not a pattern.

    \b
    dataflux ls gs://my-bucket/images/
    dataflux ls -lh gs://my-bucket/images/
    dataflux ls -r --format json gs://my-bucket | jq .size
    dataflux ls -r -l --format parquet -o objects.parquet gs://my-bucket
    dataflux ls -r --match-glob '**.jpg' --min-size 1MiB --updated-from 7d gs://my-bucket/images/

    json is one object per line, csv has a header; both hold names exactly. On a terminal, control characters in
    names are shown as escapes. A file is written whole or not at all. With --unsorted memory does not grow with the
    bucket.

    With --resume the pages are kept in a file until all is written: run the same command again after an interruption.

    With --versions or --soft-deleted a name comes once per generation, written NAME#GENERATION in text.
    """  # noqa: D301 - click wants the character itself: it keeps the lines below as they are
    selection = selection_of(options, versions=options["versions"], soft_deleted=options["soft_deleted"])
    _check(options, selection)
    if options["format_"] == "parquet":
        import dataflux_core._data.tables  # noqa: F401, PLC0415 - that an extra is missing is known before an hour is spent

    _list(options, selection)


def _list(options: Options, selection: Selection) -> None:
    from dataflux_core._cli.service import Query, open_client  # noqa: PLC0415 - slow imports

    fields = _fields(options, selection)
    query = Query(
        options["place"],
        fields,
        options["everything"],
        options["parallelism"],
        selection=selection,
        quiet=options["quiet"],
        hierarchical=options["hierarchical"] if options["hierarchical"] or options["flat"] else None,
    )
    client = open_client(options)
    if not options["recursive"]:
        _write(_level_rows(client, query), fields, options)
        return
    with ExitStack() as at_end:
        query = at_end.enter_context(_watched(query, options))
        if options["resume"]:
            from dataflux_core._cli.resuming import resuming  # noqa: PLC0415 - slow import

            query = at_end.enter_context(resuming(client, query, options["resume"]))
        _list_everything(at_end.enter_context(_pages(client, query, options)), fields, options)


def _check(options: Options, selection: Selection) -> None:
    """Refuse options that mean nothing together."""
    if options["format_"] == "parquet" and (options["output"] == "-" or not options["recursive"]):
        raise click.UsageError("--format parquet needs -o FILE, as well as -r")
    if not options["recursive"]:
        _check_level(options, selection)
    if options["fields"] and options["format_"] == "text":
        raise click.UsageError("--fields needs --format json, csv or parquet: text has no columns for them")
    if options["human"] and not (options["long"] and options["format_"] == "text"):
        raise click.UsageError("-h needs -l, as text: nothing else shows sizes for a person")
    if options["hierarchical"] and options["flat"]:
        raise click.UsageError("--hierarchical and --flat say the opposite of each other: give one of them")
    if options["hierarchical"] and not selection.allows_folders:
        raise click.UsageError("--hierarchical goes with no --match-glob, --versions or --soft-deleted")
    check_distinct({"--output": options["output"], "--resume": options["resume"], "--trace": options["trace"]})


def _check_level(options: Options, selection: Selection) -> None:
    """Refuse what means nothing for one level."""
    if options["resume"]:
        raise click.UsageError("--resume needs -r: one level is not worth a file")
    if options["unsorted"]:
        raise click.UsageError("--unsorted needs -r: one level is always in order")
    if selection != Selection():
        raise click.UsageError("what chooses among objects needs -r: one level shows directories whatever they hold")
    if options["trace"] or options["stats"]:
        raise click.UsageError("--trace and --stats need -r: they are about many requests at once")
    if options["hierarchical"] or options["flat"]:
        raise click.UsageError("--hierarchical and --flat need -r: one level is one folder")


def _fields(options: Options, selection: Selection) -> tuple[str, ...]:
    long_fields = _LONG_TEXT_FIELDS if options["format_"] == "text" else _LONG_FIELDS
    generation = ("generation",) if selection.names_repeat else ()
    return tuple(dict.fromkeys([*(long_fields if options["long"] else ()), *options["fields"], *generation]))


def _list_everything(pages: Iterable[Page], fields: Sequence[str], options: Options) -> None:
    if options["format_"] == "parquet":
        from dataflux_core._data.parquet import write_parquet  # noqa: PLC0415 - pyarrow is an extra

        write_parquet(pages, fields, options["output"])
    else:
        from dataflux_core._cli.output import rows_of  # noqa: PLC0415 - slow import

        _write(rows_of(pages, fields), fields, options)


@contextmanager
def _watched(query: Query, options: Options) -> Iterator[Query]:
    """Give the query with who is to look on; tell the statistics in the end, whatever it is."""
    from dataflux_core._cli.service import watched  # noqa: PLC0415 - slow import

    with ExitStack() as at_end:
        if options["stats"]:
            at_end.callback(lambda: say(query.stats.explain()))
        yield at_end.enter_context(watched(query, options["trace"])) if options["trace"] else query


@contextmanager
def _pages(client: Any, query: Query, options: Options) -> Iterator[Iterable[Page]]:  # noqa: ANN401 - google ships no types
    from dataflux_core._cli.service import found_pages, listing  # noqa: PLC0415 - slow import

    shows_bar = shows_progress(quiet=options["quiet"])
    if options["unsorted"]:
        with closing(found_pages(client, query, shows_bar=shows_bar)) as pages:
            yield pages
    else:
        yield listing(client, query, shows_bar=shows_bar).pages


def _write(rows: Iterator[Row], fields: Sequence[str], options: Options) -> None:
    from dataflux_core._cli.output import Rows, opened  # noqa: PLC0415 - slow import

    with opened(options["output"]) as (out, is_terminal):
        writer = Rows(out, fields, is_terminal=is_terminal)
        if options["format_"] == "json":
            writer.write_json(rows)
        elif options["format_"] == "csv":
            writer.write_csv(rows)
        else:
            url = f"gs://{options['place'].bucket}/"
            if "generation" in fields:  # the last of text's fields
                rows = ((f"{row[0]}#{row[-1]}", *row[1:]) for row in rows)
            writer.write_text(rows, url=url, long=options["long"], human=options["human"])


def _level_rows(client: Any, query: Query) -> Iterator[Row]:  # noqa: ANN401 - google ships no types
    """Give objects with prefixes, merged in the order of names as they come; raises NothingFound."""
    from dataflux_core._cli.output import rows_of  # noqa: PLC0415 - slow imports
    from dataflux_core._cli.service import NothingFound, levels  # noqa: PLC0415

    is_empty, left_out = True, 0
    for level in levels(client, query):
        prefixes: list[Row] = [(prefix, None) for prefix in level.prefixes if query.shows(prefix)]
        rows = sorted([*prefixes, *rows_of([level.page], query.fields)], key=lambda row: str(row[0]))
        is_empty = is_empty and not rows
        left_out += level.left_out
        yield from rows
    if is_empty and query.place.prefix:
        raise NothingFound(str(query.place), left_out)
