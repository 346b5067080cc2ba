"""Write down which samples there are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dataflux_core._cli.arguments import OutputType, check_distinct
from dataflux_core._cli.command import CommonOptions, ServiceCommand, TextType, say, shows_progress
from dataflux_core._cli.text import counted, shown
from dataflux_core._wire.urls import shown_url

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from dataflux_core._data.index.sample_index import SampleIndex

_BUCKET_ALONE = re.compile(r"(?:gs|s3)://[^/]+\Z")
_FILE = re.compile(r"\.(?:csv|tsv|json|jsonl|ndjson)(?:\.(?:gz|bz2|zst|lz4))?\Z|\.(?:parquet|pq|txt)\Z|[*?\[{]")
_SHOWN = 6  # columns that the summary names


class Options(CommonOptions):
    """The options of the command."""

    source: str
    output: str
    root: str | None
    columns: tuple[str, ...] | None
    max_samples: int | None


class ColumnsType(click.ParamType):  # type: ignore[type-arg] # generic only in later versions of click
    """Names of columns with commas between."""

    name = "columns"

    def convert(
        self, value: str | tuple[str, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        columns = tuple(name.strip() for name in value.split(",")) if isinstance(value, str) else value
        if not all(columns) or len(set(columns)) < len(columns):
            self.fail(f"{value!r}: expected different names with commas between, such as id,jpg,txt", param, ctx)
        return columns


class RootType(click.ParamType):  # type: ignore[type-arg] # generic only in later versions of click
    """Where the names of a listing lie."""

    name = "url"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.match(r"(?:gs|s3|https?)://[^/]", value) and not value.startswith("/"):
            self.fail(f"'{_named(value)}': expected a URL such as gs://my-bucket, or an absolute path", param, ctx)
        return value


@click.command(cls=ServiceCommand)
@click.argument("source", metavar="SRC", type=TextType())
@click.option("-o", "--output", type=OutputType(), required=True, metavar="FILE.parquet", help="The index to write.")
@click.option("--root", type=RootType(), metavar="URL", help="SRC is a listing of this bucket, as of `dataflux ls -r`.")
@click.option("--columns", type=ColumnsType(), metavar="A,B,…", help="These columns alone, in this order.")
@click.option("--max-samples", type=click.IntRange(1), metavar="N", help="The first N samples alone.")
def index(**options: Unpack[Options]) -> None:
    """Write an index of samples: of a bucket, a folder, a listing, or an index in another format.

    Files that differ in nothing but their extensions are one sample. Its columns: id (the path without the extension);
    for each extension, such as jpg, the URL; jpg.size, and from a bucket jpg.crc32c, jpg.generation, so that what is
    read later is checked. A sample that lacks a file has nothing there.

    \b
    dataflux index gs://my-bucket/train/ -o train.parquet
    dataflux index ./images -o images.parquet
    dataflux index objects.parquet --root gs://my-bucket -o train.parquet
    dataflux index 'parts/*.csv' -o all.parquet

    SRC may lie on gs://, s3:// or https://; a directory there ends in "/". Hidden files and temporaries are left out.
    The file is written whole or not at all.
    """  # noqa: D301 - click wants the character itself: it keeps the lines below as they are
    from dataflux_core._data.index.index_file import write_index  # noqa: PLC0415 - slow imports, of an extra

    source = options["source"]
    if "://" not in source:
        check_distinct({"SRC": source, "--output": options["output"]})
    found = _listed(options, options["root"]) if options["root"] else _opened(source, options)
    wrote = write_index(found, options["output"])
    if not options["quiet"]:
        lacking = f", {counted(wrote.incomplete, 'sample')} incomplete" if wrote.incomplete else ""
        say(f"{counted(wrote.samples, 'sample')}, {_columns(found)}{lacking}")


def _opened(source: str, options: Options) -> SampleIndex:
    from dataflux_core._data.index.opening import open_index  # noqa: PLC0415 - slow imports, of an extra
    from dataflux_core._data.index.sample_index import IndexOptions  # noqa: PLC0415

    wanted = IndexOptions(options["columns"], max_samples=options["max_samples"], lists_anew=True)
    is_directory = bool(_BUCKET_ALONE.match(source)) or ("://" in source and not _FILE.search(source.lower()))
    if is_directory and source.startswith(("gs://", "s3://")) and not source.endswith("/"):
        source += "/"
    found = open_index(source, wanted, lambda: _client(options), shows_bar=shows_progress(quiet=options["quiet"]))
    if found.columns[:2] == ("name", "size"):
        raise click.UsageError(f"{_named(source)} is a listing: say of which bucket with --root gs://NAME")
    return found


def _listed(options: Options, root: str) -> SampleIndex:
    from dataflux_core._data.index.opening import open_index  # noqa: PLC0415 - slow imports, of an extra
    from dataflux_core._data.index.sample_index import IndexOptions  # noqa: PLC0415
    from dataflux_core._data.listing_file import read_listing  # noqa: PLC0415

    path = Path(options["source"])
    if not path.is_file():
        raise click.UsageError(f"--root goes with a listing in a file, which {_named(options['source'])} is not")
    wanted = IndexOptions(options["columns"], max_samples=options["max_samples"], root=root)
    return open_index(read_listing(path), wanted)


def _named(source: str) -> str:
    """Return a source as errors name it: of a URL nothing secret."""
    return shown_url(source) if "://" in source else shown(source)


def _client(options: Options) -> Any:  # noqa: ANN401 - google ships no types
    from dataflux_core._cli.service import open_client  # noqa: PLC0415 - slow import

    return open_client(options).client


def _columns(found: SampleIndex) -> str:
    some = ", ".join(map(shown, found.columns[:_SHOWN]))
    return f"{counted(len(found.columns), 'column')} ({some}{', …' if len(found.columns) > _SHOWN else ''})"
