"""Write a playlist of files that are on the web already."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dataflux_core._cli.arguments import AgeType, OutputType, Place, PlaceType, check_distinct
from dataflux_core._cli.command import ServiceCommand, TextType, say, shows_progress
from dataflux_core._cli.index import ColumnsType
from dataflux_core._cli.output import opened
from dataflux_core._cli.playlist_bar import bytes_bar
from dataflux_core._cli.playlist_options import BaseUrlType, describing, importing
from dataflux_core._cli.selection import SelectionOptions, selecting_objects, selection_of
from dataflux_core._cli.text import counted, human_bytes, shown
from dataflux_core._plan.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from typing_extensions import Unpack

    from dataflux_core._data.flare.creating import Said
    from dataflux_core._data.flare.listed_files import ListedFiles
    from dataflux_core._wire.flare.streams import StreamSpec

_INDICES = (".parquet", ".pq", ".csv", ".tsv", ".json", ".jsonl", ".ndjson")
_PUBLIC = "https://storage.googleapis.com"


class Options(SelectionOptions):
    """The options of the command."""

    source: str
    output: str
    base_url: str | None
    root: Place | None
    signed_for: timedelta | None
    stream: str | None
    columns: tuple[str, ...] | None
    checksums: bool
    mirrors: tuple[str, ...]
    description: str | None
    license: str | None


@click.command(cls=ServiceCommand)
@click.argument("source", metavar="SRC", type=TextType())
@click.option("-o", "--output", type=OutputType(or_stdout=True), default="-", metavar="FILE", help="stdout by default.")
@click.option(
    "--base-url", type=BaseUrlType(), metavar="URL", help="What stands before the names: of a folder, below it."
)
@click.option(
    "--root", type=PlaceType(whole_bucket=True), metavar="gs://BUCKET", help="SRC is a listing of this bucket."
)
@click.option("--signed-for", type=AgeType(), metavar="AGE", help="Sign the URLs of a bucket: 12h, at most 7d.")
@click.option("--stream", type=TextType(), metavar="NAME", help="One stream of all files; one an extension by default.")
@click.option("--columns", type=ColumnsType(), metavar="A,B,…", help="Of an index: a stream of each of these.")
@click.option("--checksums", is_flag=True, help="Of a folder: read the files for their crc32c.")
@describing
@selecting_objects
def create(**options: Unpack[Options]) -> None:
    """Write a playlist of files that are on the web, or will be: of a bucket, a folder, a listing, an index.

    Each file becomes a chunk; files of one extension are one stream. Sizes and checksums come from the listing, so that
    nothing is fetched for them.

    \b
    dataflux playlist create gs://my-bucket/train/ -o playlist.yaml
    dataflux playlist create gs://my-bucket/train/ --signed-for 7d -o playlist.yaml
    dataflux playlist create ./public --base-url https://data.example.org/set/ --checksums -o playlist.yaml
    dataflux playlist create objects.parquet --root gs://my-bucket -o playlist.yaml
    dataflux playlist create index.parquet --columns image_url,caption_url -o playlist.yaml

    Objects of a bucket are named by their public URLs; --base-url names a server before it instead, such as a CDN,
    behind which the whole name follows. Signing takes the key of a service account, and no request: whoever has the
    playlist may read for that long. Hidden files and temporaries are left out.
    """  # noqa: D301 - click wants the character itself: it keeps the lines below as they are
    from dataflux_core._data.flare.playlist_file import text_of  # noqa: PLC0415 - slow imports, of an extra

    _check(options)
    with importing("playlists of what lies somewhere", "streaming"):
        streams = _streams(options)
    text = text_of(streams)
    with opened(options["output"]) as (out, _):
        out.write(text.encode())
    if not options["quiet"]:
        say(_summary(streams, options))


def _check(options: Options) -> None:
    source, root = options["source"], options["root"]
    if "://" not in source:
        check_distinct({"SRC": source, "--output": options["output"]})
    if root and not Path(source).is_file():
        raise click.UsageError(f"--root goes with a listing in a file, which {shown(source)} is not")
    if options["signed_for"] and options["base_url"]:
        raise click.UsageError("--signed-for and --base-url: a signature holds for the bucket's own URLs alone")
    if options["signed_for"] and options["mirrors"]:
        raise click.UsageError("--signed-for and --mirror: a signature holds for one server alone")
    if not _is_bucket(source) and selection_of(options) != Selection():
        raise click.UsageError("options that choose among objects go with a bucket alone, gs://BUCKET")
    if options["stream"] and options["columns"]:
        raise click.UsageError("--stream and --columns: the streams of an index are its columns")


def _streams(options: Options) -> Sequence[StreamSpec]:
    source = options["source"]
    if _is_bucket(source):
        return _of_bucket(PlaceType().convert(source, None, None), options)
    if options["root"]:
        from dataflux_core._data.flare.listed_files import ListedFiles  # noqa: PLC0415 - slow imports, of an extra
        from dataflux_core._data.listing_file import read_listing  # noqa: PLC0415

        return _of_files(ListedFiles.of_listing(read_listing(Path(source))), options["root"].bucket, options)
    if Path(source).is_dir():
        return _of_folder(Path(source), options)
    return _of_index(options)


def _is_bucket(source: str) -> bool:
    return source.startswith("gs://") and not source.lower().endswith(_INDICES)


def _of_bucket(place: Place, options: Options) -> Sequence[StreamSpec]:
    from dataflux_core._cli.service import NothingFound, Query, listing, open_client  # noqa: PLC0415 - slow imports
    from dataflux_core._data.flare.listed_files import ListedFiles  # noqa: PLC0415

    query = Query(place, ("crc32c",), selection=selection_of(options), quiet=options["quiet"])
    found = listing(open_client(options), query, shows_bar=shows_progress(quiet=options["quiet"]))
    files = ListedFiles.of_listing(found)
    if not len(files.names):
        raise NothingFound(str(place))
    return _of_files(files, place.bucket, options)


def _of_files(files: ListedFiles, bucket: str, options: Options) -> Sequence[StreamSpec]:
    """Name the objects of a bucket."""
    from dataflux_core._data.flare.creating import joined, streams_of_files  # noqa: PLC0415 - slow imports, of an extra

    base = options["base_url"] or f"{_endpoint()}/{bucket}/"
    if options["signed_for"]:
        return streams_of_files(files, _signer(bucket, options), _said(base, options), options["stream"] or "")
    return streams_of_files(files, lambda name: joined(base, name), _said(base, options), options["stream"] or "")


def _of_folder(directory: Path, options: Options) -> Sequence[StreamSpec]:
    from dataflux_core._data.flare.creating import joined, streams_of_files  # noqa: PLC0415 - slow imports, of an extra
    from dataflux_core._data.flare.listed_files import ListedFiles  # noqa: PLC0415
    from dataflux_core.errors import IndexUnusable  # noqa: PLC0415

    base = options["base_url"]
    if not base:
        raise click.UsageError("a folder is not on the web: say where it will be with --base-url https://host/path/")
    files = ListedFiles.below(directory)
    if not len(files.names):
        raise IndexUnusable(str(directory), "no file is there", "correct the path; hidden files do not count")
    if options["checksums"]:
        with bytes_bar("reading", wanted=shows_progress(quiet=options["quiet"])) as observe:
            files = files.summed(directory, observe)
    return streams_of_files(files, lambda name: joined(base, name), _said(base, options), options["stream"] or "")


def _of_index(options: Options) -> Sequence[StreamSpec]:
    from dataflux_core._cli.lazy_client import client_source  # noqa: PLC0415 - slow imports, of an extra
    from dataflux_core._data.flare.creating import joined  # noqa: PLC0415
    from dataflux_core._data.flare.indexed import streams_of_index  # noqa: PLC0415
    from dataflux_core._data.index.opening import open_index  # noqa: PLC0415

    index = open_index(options["source"], client=client_source(options))
    if index.columns[:2] == ("name", "size"):
        raise click.UsageError(f"{shown(options['source'])} is a listing: say of which bucket with --root gs://NAME")
    signers: dict[str, Callable[[str], str]] = {}

    def url_of(url: str) -> str:
        bucket, _, name = url.removeprefix("gs://").partition("/")
        if not options["signed_for"]:
            return joined(f"{_endpoint()}/{bucket}/", name)
        if bucket not in signers:
            signers[bucket] = _signer(bucket, options)
        return signers[bucket](name)

    said = _said(options["base_url"] or "", options)
    return streams_of_index(index, url_of, said, options["columns"], options["source"])


def _signer(bucket: str, options: Options) -> Callable[[str], str]:
    from dataflux_core._cli.service import open_client  # noqa: PLC0415 - slow import
    from dataflux_core._run.signed_urls import signer  # noqa: PLC0415

    lifetime = options["signed_for"]
    if lifetime is None:
        raise TypeError("asked for where nothing is to be signed")
    return signer(open_client(options).client, bucket, lifetime)


def _endpoint() -> str:
    """Return the service's own address, as its client would find it; no credentials are needed to name a public URL."""
    return os.environ.get("STORAGE_EMULATOR_HOST", _PUBLIC).rstrip("/") or _PUBLIC


def _said(base_url: str, options: Options) -> Said:
    from dataflux_core._data.flare.creating import Said  # noqa: PLC0415 - slow imports, of an extra

    return Said(base_url, options["mirrors"], options["description"] or "", options["license"] or "")


def _summary(streams: Sequence[StreamSpec], options: Options) -> str:
    chunks = sum(len(stream.content) for stream in streams)
    sizes = [stream.conventions.sizes for stream in streams]
    total = sum(sum(each) for each in sizes if each is not None)
    size = f", {human_bytes(total)}" if all(each is not None for each in sizes) else ""
    until = "; the URLs are signed: whoever has the playlist may read" if options["signed_for"] else ""
    return f"{counted(len(streams), 'stream')}, {counted(chunks, 'chunk')}{size}{until}"
