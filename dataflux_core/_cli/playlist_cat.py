"""Write chunks or records of a stream to stdout."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import click

from dataflux_core._cli.arguments import OutputType, check_distinct
from dataflux_core._cli.cache import LocalCommand
from dataflux_core._cli.command import CommonOptions, TextType, shows_progress
from dataflux_core._cli.output import opened
from dataflux_core._cli.playlist_bar import progress_bar
from dataflux_core._cli.playlist_options import SpanType, patience
from dataflux_core._cli.playlist_streams import chosen_streams
from dataflux_core._cli.text import counted

if TYPE_CHECKING:
    from typing import BinaryIO

    from typing_extensions import Unpack

    from dataflux_core.flare import Stream


class Options(CommonOptions):
    """The options of the command."""

    source: str
    stream: str
    chunks: slice | None
    bytes: slice | None
    records: slice | None
    patience_s: float
    output: str


@click.command(cls=LocalCommand)
@click.argument("source", metavar="FILE|URL", type=TextType())
@click.argument("stream", metavar="STREAM", type=TextType())
@click.option("--chunks", type=SpanType(), metavar="SPAN", help="These chunks alone, counted from 0: 3, 2:5, 10:")
@click.option("--bytes", type=SpanType(), metavar="SPAN", help="These bytes of the one chunk that --chunks names.")
@click.option("--records", type=SpanType(), metavar="SPAN", help="Decoded records instead, a JSON value a line: 0:100")
@patience
@click.option("-o", "--output", type=OutputType(or_stdout=True), default="-", metavar="FILE", help="stdout by default.")
def cat(**options: Unpack[Options]) -> None:
    """Write the chunks of a stream one after the other, or parts of them, or records.

    Sizes and checksums of whole chunks are compared before anything of them is written. Of records, bytes are written
    as text where they are UTF-8, else as {"base64": …}.

    \b
    dataflux playlist cat playlist.yaml images --chunks 0 > 0.jpg
    dataflux playlist cat playlist.yaml samples --chunks 3 --bytes 0:512
    dataflux playlist cat https://data.example.org/set/playlist.yaml texts --records 0:10
    """  # noqa: D301 - click wants the character itself: it keeps the lines below as they are
    chunks, span, records = options["chunks"], options["bytes"], options["records"]
    if records is not None and (chunks is not None or span is not None):
        raise click.UsageError("--records goes without --chunks and --bytes: records are counted over all chunks")
    if "://" not in options["source"]:
        check_distinct({"FILE": options["source"], "--output": options["output"]})
    (stream,) = chosen_streams(options["source"], [options["stream"]], options["patience_s"])
    if records is not None:
        _check_records(stream, records)
    chosen = stream if chunks is None else _chosen(stream, chunks)
    if span is not None and len(chosen) != 1:
        raise click.UsageError(f"--bytes is of one chunk, here are {len(chosen):,}: choose one with --chunks N")
    with opened(options["output"]) as (out, is_terminal):
        if is_terminal and records is None:
            raise click.UsageError("chunks are no text for a terminal: give -o FILE, or | another program")
        if records is not None:
            _write_records(stream, records, out, is_terminal=is_terminal)
        elif span is not None:
            out.write(chosen.read(0, span.start, span.stop))  # in one answer: never of two hosts, nor of two versions
        else:
            _write_chunks(chosen, out, shows_bar=shows_progress(quiet=options["quiet"]))


def _chosen(stream: Stream, span: slice) -> Stream:
    chosen = stream[span]
    if span.start >= len(stream) or (span.stop is not None and span.stop > len(stream)):
        raise click.UsageError(f"--chunks: the stream has {counted(len(stream), 'chunk')}, counted from 0")
    return chosen


def _check_records(stream: Stream, span: slice) -> None:
    total = stream.record_count()
    if total is None and (span.start or span.stop is not None):
        unknown = "the playlist does not say how many records each chunk has (header records)"
        raise click.UsageError(f"--records: {unknown}; 0: writes all of them")
    if total is not None and span.start and span.start >= total:
        raise click.UsageError(f"--records: the stream has {counted(total, 'record')}, counted from 0")


def _write_chunks(stream: Stream, out: BinaryIO, *, shows_bar: bool) -> None:
    sizes, done = stream.conventions.sizes, 0
    with progress_bar("reading", "bytes", wanted=shows_bar) as observe:
        for chunk in stream:
            out.write(chunk)
            done += len(chunk)
            if observe is not None:
                observe(done, 0 if sizes is None else sum(sizes))


def _write_records(stream: Stream, span: slice, out: BinaryIO, *, is_terminal: bool) -> None:
    # A terminal gets every character escaped that could act on it.
    for record in stream.records(span.start, span.stop):
        text = json.dumps(record, ensure_ascii=is_terminal, default=_plain)
        out.write(text.encode("utf-8", "backslashreplace") + b"\n")


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a decoder makes
    """Return what JSON has for a value; the shape of an array stays in its nesting."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        content = bytes(value)
        try:
            return content.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(content).decode()}
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)
