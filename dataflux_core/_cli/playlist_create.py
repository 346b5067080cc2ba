"""Write a playlist of files that are on the web already."""

from __future__ import annotations

import glob
import os
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dataflux_core._cli.arguments import AgeType, OutputType, Place, PlaceType, check_distinct
from dataflux_core._cli.command import ServiceCommand, TextType, say, shows_progress
from dataflux_core._cli.index import ColumnsType
from dataflux_core._cli.output import opened
from dataflux_core._cli.playlist_bar import progress_bar
from dataflux_core._cli.playlist_options import BaseUrlType, describing, importing
from dataflux_core._cli.selection import SelectionOptions, selecting_objects, selection_of
from dataflux_core._cli.text import counted, human_bytes, shown
from dataflux_core._plan.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from typing_extensions import Unpack

    from dataflux_core._data.flare.creating import Said
    from dataflux_core._data.flare.listed_files import ListedFiles
    from dataflux_core._data.index.sample_index import SampleIndex
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
    "--base-url",
    type=BaseUrlType(),
    metavar="URL",
    help="What stands before the names of objects, or of files below the folder.",
)
@click.option(
    "--root", type=PlaceType(whole_bucket=True), metavar="gs://BUCKET", help="SRC is a listing of this bucket."
)
@click.option("--signed-for", type=AgeType(), metavar="AGE", help="Sign the URLs of objects: 12h, at most 7d.")
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
    behind which the whole name follows. Signing takes the key of a service account, and no request; credentials of a
    service account without its key ask Google for each signature, which then lasts for 12 hours at most. Whoever has
    the playlist may read for that long. Hidden files and temporaries are left out.
    """  # noqa: D301 - click wants the character itself: it keeps the lines below as they are
    from dataflux_core._data.flare.playlist_file import text_of  # noqa: PLC0415 - slow imports, of an extra

    _check(options)
    with importing("playlists of what lies somewhere", "streaming"):
        text_of([_example(options)])  # what cannot be said is known before anything is listed or read
        streams = _streams(options)
    text = text_of(streams)
    with opened(options["output"]) as (out, _):
        out.write(text.encode())
    if not options["quiet"]:
        say(_summary(streams, options))


def _example(options: Options) -> StreamSpec:
    from dataflux_core._wire.flare.conventions import Conventions  # noqa: PLC0415 - of an extra
    from dataflux_core._wire.flare.streams import StreamSpec  # noqa: PLC0415

    said = Conventions(description=options["description"] or "", license=options["license"] or "")
    return StreamSpec.of(options["stream"] or "s", [_PUBLIC], said.headers())


def _check(options: Options) -> None:
    source = options["source"]
    if "://" not in source:
        check_distinct({"SRC": source, "--output": options["output"]})
    if options["root"] and not Path(source).is_file():
        raise click.UsageError(f"--root goes with a listing in a file, which {shown(source)} is not")
    if options["signed_for"] and options["base_url"]:
        raise click.UsageError("--signed-for and --base-url: a signature holds for the bucket's own URLs alone")
    if options["signed_for"] and options["mirrors"]:
        raise click.UsageError("--signed-for and --mirror: a signature holds for one server alone")
    _check_fitting(options, is_folder="://" not in source and Path(source).is_dir())


def _check_fitting(options: Options, *, is_folder: bool) -> None:
    """Refuse options that mean nothing for what SRC is, rather than pass over them."""
    is_bucket = _is_bucket(options["source"])
    if not is_bucket and selection_of(options) != Selection():
        raise click.UsageError("options that choose among objects go with a bucket alone, gs://BUCKET")
    if options["columns"] and (is_bucket or is_folder or options["root"]):
        raise click.UsageError("--columns goes with an index alone: a stream of each")
    if options["columns"] and options["stream"]:
        raise click.UsageError("--stream and --columns: the streams of an index are its columns")
    if options["checksums"] and not is_folder:
        raise click.UsageError("--checksums goes with a folder alone: nothing else is read for them")
    if options["signed_for"] and is_folder:
        raise click.UsageError("--signed-for goes with objects of a bucket, which a folder has none of")


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

    query = Query(place, ("crc32c", "content_encoding"), selection=selection_of(options), quiet=options["quiet"])
    found = listing(open_client(options), query, shows_bar=shows_progress(quiet=options["quiet"]))
    files = ListedFiles.of_listing(found, place.directory)
    if not len(files.names):
        raise NothingFound(str(place))
    return _of_files(files, place.bucket, options)


def _of_files(files: ListedFiles, bucket: str, options: Options) -> Sequence[StreamSpec]:
    """Name the objects of a bucket."""
    from dataflux_core._data.flare.creating import joined, streams_of_files  # noqa: PLC0415 - slow imports, of an extra

    base = options["base_url"] or f"{_endpoint()}/{bucket}/"
    urls = {name: joined(base, name) for name in files.names}
    if options["signed_for"]:
        urls = _signed(bucket, list(files.names), options)
    return streams_of_files(files, urls.__getitem__, _said(base, options), options["stream"] or "")


def _of_folder(directory: Path, options: Options) -> Sequence[StreamSpec]:
    from dataflux_core._data.flare.creating import joined, streams_of_files  # noqa: PLC0415 - slow imports, of an extra
    from dataflux_core._data.flare.listed_files import ListedFiles  # noqa: PLC0415
    from dataflux_core.errors import IndexUnusable  # noqa: PLC0415

    base = options["base_url"]
    if not base:
        raise click.UsageError("a folder is not on the web: say where it will be with --base-url https://host/path/")
    files = ListedFiles.below(directory, None if options["output"] == "-" else Path(options["output"]))
    if not len(files.names):
        raise IndexUnusable(str(directory), "no file is there", "correct the path; hidden files do not count")
    if options["checksums"]:
        with progress_bar("reading", "bytes", wanted=shows_progress(quiet=options["quiet"])) as observe:
            files = files.summed(directory, observe)
    return streams_of_files(files, lambda name: joined(base, name), _said(base, options), options["stream"] or "")


def _of_index(options: Options) -> Sequence[StreamSpec]:
    from dataflux_core._data.flare.creating import joined  # noqa: PLC0415 - slow imports, of an extra
    from dataflux_core._data.flare.indexed import streams_of_index  # noqa: PLC0415

    index, source, base = _opened_index(options), options["source"], options["base_url"] or ""
    said, columns = _said(base, options), options["columns"]
    named: dict[str, dict[str, str]] = defaultdict(dict)  # the names of objects by bucket and URL
    bases: dict[str, str] = {}

    def public(url: str) -> str:
        bucket, _, name = url.removeprefix("gs://").partition("/")
        if bucket not in named:
            bases[bucket] = base or f"{_endpoint()}/{bucket}/"
        named[bucket][url] = name
        return joined(bases[bucket], name)

    streams = streams_of_index(index, public, said, columns, source)
    if base and len(named) > 1:
        some = ", ".join(f"gs://{shown(bucket)}" for bucket in list(named)[:2])
        raise click.UsageError(f"--base-url stands for one bucket, the index has objects of {some}: leave it out")
    if not options["signed_for"]:
        return streams
    if not named:
        raise click.UsageError("--signed-for goes with objects of a bucket, which the index has none of")
    signed: dict[str, str] = {}
    for bucket, names in named.items():
        urls = _signed(bucket, list(names.values()), options)
        signed |= {url: urls[name] for url, name in names.items()}
    return streams_of_index(index, signed.__getitem__, said, columns, source)


def _opened_index(options: Options) -> SampleIndex:
    from dataflux_core._cli.lazy_client import client_source  # noqa: PLC0415 - slow imports, of an extra
    from dataflux_core._data.index.opening import open_index  # noqa: PLC0415

    source = options["source"]
    if "://" not in source and not Path(source).exists() and not glob.has_magic(source):
        raise click.UsageError(f"SRC '{shown(source)}': there is no such file or folder; correct the path")
    index = open_index(source, client=client_source(options))
    if index.columns[:2] == ("name", "size"):
        raise click.UsageError(f"{shown(source)} is a listing: say of which bucket with --root gs://NAME")
    if options["stream"]:
        raise click.UsageError("--stream goes with files: the streams of an index are its columns")
    return index


def _signed(bucket: str, names: Sequence[str], options: Options) -> dict[str, str]:
    """Sign the URLs of these objects."""
    from dataflux_core._cli.service import open_client  # noqa: PLC0415 - slow import
    from dataflux_core._run.signed_urls import signer  # noqa: PLC0415

    lifetime = options["signed_for"]
    if lifetime is None:
        raise TypeError("asked for where nothing is to be signed")
    sign = signer(open_client(options).client, bucket, lifetime)
    with progress_bar("signing", "chunks", len(names), wanted=shows_progress(quiet=options["quiet"])) as observe:
        return dict(zip(names, sign.many(names, observe), strict=True))


def _endpoint() -> str:
    """Return the service's own address, as its client would find it; no credentials are needed to name a public URL."""
    from dataflux_core._wire.flare.chunk_urls import is_base  # noqa: PLC0415 - of an extra

    found = os.environ.get("STORAGE_EMULATOR_HOST", _PUBLIC).rstrip("/") or _PUBLIC
    if not is_base(f"{found}/"):
        raise click.UsageError(f"STORAGE_EMULATOR_HOST={shown(found)}: expected http://HOST:PORT, or no such variable")
    return found


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
