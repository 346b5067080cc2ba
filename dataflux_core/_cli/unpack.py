"""Download the samples of an index to files."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from dataflux_core._cli.arguments import DirectoryType
from dataflux_core._cli.command import CommonOptions, Failure, TextType, say, shows_progress
from dataflux_core._cli.lazy_client import client_source
from dataflux_core._cli.sample_columns import ColumnsCommand, loading
from dataflux_core._cli.text import counted, human_bytes
from dataflux_core._plan.text import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typing_extensions import Unpack

    from dataflux_core._data.epoch.unpacking import Unpacked
    from dataflux_core.errors import BadSample

_SHOWN = 20
_ID_WIDTH = 80


class Options(CommonOptions):
    """The options of the command."""

    src: str
    directory: Path
    columns_to_load: tuple[str, ...] | None
    index_col_name: str | None
    num_downloading_workers: int
    max_samples: int | None
    keep_going: bool


@click.command(cls=ColumnsCommand)
@click.argument("src", metavar="SRC", type=TextType())
@click.argument("directory", metavar="DST", type=DirectoryType())
@loading
@click.option(
    "--index-col-name",
    "--index_col_name",
    "index_col_name",
    type=TextType(),
    metavar="ID",
    help="Column of the ids that files are named after; id by default, or else the number of the row.",
)
@click.option(
    "--num-downloading-workers",
    "--num_downloading_workers",
    "num_downloading_workers",
    type=click.IntRange(1, 4096),
    default=256,
    show_default=True,
    metavar="N",
    help="Requests at once.",
)
@click.option("--max-samples", "--max_samples", "max_samples", type=click.IntRange(1), help="The first ones alone.")
@click.option(
    "--keep-going", is_flag=True, help="Go on after a row that cannot be had; name it, exit with 1 in the end."
)
def unpack(**options: Unpack[Options]) -> None:
    """Download all samples of an index to files below DST, bytes as they are stored.

    SRC is whatever a streaming dataset takes: an index of CSV, JSON or Parquet, a wildcard of them, a directory; local
    or of gs://, s3://, https://. A sample's file is ID.EXTENSION; with several columns ID.COLUMN.EXTENSION. In the end
    DST/index.parquet holds ids, files and all other columns, for a dataset to open. A file that is there whole is not
    fetched again: after an interruption run the command again.

    \b
    dataflux unpack s3://my-bucket/index.parquet ./samples --columns_to_load data_url --index_col_name data_id
    dataflux unpack index.csv ./samples --columns-to-load image caption
    dataflux unpack gs://my-bucket/train/ ./samples

    All names are looked at before the first file is written: an id that leads outside DST, or to another's file, is an
    error that names its row.
    """  # noqa: D301 - click wants the character itself: it keeps the lines below as they are
    from dataflux_core._data.epoch.unpacking import Unpacked, UnpackOptions, unpack  # noqa: PLC0415 - slow import

    how = UnpackOptions(
        options["columns_to_load"],
        options["index_col_name"],
        options["max_samples"],
        options["num_downloading_workers"],
        options["keep_going"],
        shows_progress(quiet=options["quiet"]),
    )
    done = Unpacked()
    with _told_if_interrupted(done, quiet=options["quiet"]), _worded():
        unpack(options["src"], options["directory"], how, client=client_source(options), done=done)
    _report(done, options)


@contextmanager
def _told_if_interrupted(done: Unpacked, *, quiet: bool) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        files = done.written + done.present
        if files and not quiet:
            verb = "is" if files == 1 else "are"
            say(f"{files:,} of {counted(done.objects, 'file')} {verb} whole; the same command goes on after that")
        raise


@contextmanager
def _worded() -> Iterator[None]:
    """Say what to do about a bad row here."""
    from dataflux_core.errors import BadSample  # noqa: PLC0415 - slow import

    try:
        yield
    except BadSample as error:
        raise Failure(f"{_told(error)}; mend it, or add --keep-going to leave it out") from error


def _told(bad: BadSample) -> str:
    return f"row {bad.row} (id {shortened(repr(bad.sample_id), _ID_WIDTH)}), column {bad.column!r}: {bad.reason}"


def _report(done: Unpacked, options: Options) -> None:
    for bad in done.bad[:_SHOWN]:
        say(f"failed {_told(bad)}")
    if done.bad_rows and len(done.bad) > _SHOWN:
        say(f"failed {len(done.bad) - _SHOWN:,}{' or more' if done.bad_rows > len(done.bad) else ''} others")
    if not options["quiet"]:
        rate = f" ({human_bytes(done.written_bytes / done.elapsed_s)}/s)" if done.elapsed_s else ""
        written = f"{counted(done.written, 'file')}, {human_bytes(done.written_bytes)}, in {done.elapsed_s:.1f} s{rate}"
        say(
            f"wrote {written}; "
            f"{counted(done.present, 'file')} there already; {counted(done.samples - done.bad_rows, 'sample')} in all"
        )
    if done.bad_rows:
        rows = counted(done.bad_rows, "row")
        raise Failure(f"{rows} could not be had; the same command tries them again")
