"""Say what a playlist holds."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from dataflux_core._cli.cache import LocalCommand
from dataflux_core._cli.command import CommonOptions, TextType
from dataflux_core._cli.playlist_streams import chosen_streams
from dataflux_core._cli.text import counted, human_bytes, shown
from dataflux_core._wire.urls import origin_of, web_url
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Unpack

    from dataflux_core.flare import Stream


class Options(CommonOptions):
    """The options of the command."""

    source: str
    as_json: bool


@click.command(cls=LocalCommand)
@click.argument("source", metavar="FILE|URL", type=TextType())
@click.option("--json", "as_json", is_flag=True, help="A JSON object for each stream.")
def info(**options: Unpack[Options]) -> None:
    """Say what a playlist holds: streams, chunks, records, bytes, hosts; nothing but the playlist is read.

    \b
    dataflux playlist info playlist.yaml
    dataflux playlist info --json https://data.example.org/set/playlist.yaml
    """  # noqa: D301 - click wants the character itself: it keeps the lines below as they are
    streams = chosen_streams(options["source"])
    for stream in streams:
        if options["as_json"]:
            click.echo(json.dumps(_facts(stream)))
        else:
            _print(stream)
    if not options["as_json"]:
        click.echo(_total(streams))


def _print(stream: Stream) -> None:
    said = stream.conventions
    parts = [counted(len(stream), "chunk"), _counted_or_not(said.records, "record"), _bytes(said.sizes)]
    click.echo(shown(f"{stream.name}: {', '.join(part for part in parts if part)}"))
    for name, value in _described(stream).items():
        click.echo(shown(f"  {name}: {value}"))


def _described(stream: Stream) -> dict[str, str]:
    said = stream.conventions
    sums = [name for name in ("sha256", "crc32c") if getattr(said, name) is not None]
    kind = " ".join(filter(None, [said.encoding, said.compression, said.dtype]))
    shape = "" if said.shape is None else f"shape {list(said.shape)}"
    lines = {
        "description": said.description,
        "license": said.license,
        "encoding": ", ".join(filter(None, [kind, shape])),
        "key": said.key,
        "checksums": ", ".join(sums) or "none",
        "hosts": ", ".join(f"{host} ({count:,})" for host, count in _hosts(stream).items()),
        "mirrors": ", ".join(said.mirrors),
    }
    return {name: value for name, value in lines.items() if value}


def _facts(stream: Stream) -> dict[str, object]:
    said = stream.conventions
    return {
        "stream": stream.name,
        "chunks": len(stream),
        "records": None if said.records is None else sum(said.records),
        "bytes": None if said.sizes is None else sum(said.sizes),
        "encoding": said.encoding,
        "compression": said.compression,
        "dtype": said.dtype or None,
        "shape": None if said.shape is None else list(said.shape),
        "key": said.key or None,
        "description": said.description or None,
        "license": said.license or None,
        "sha256": said.sha256 is not None,
        "crc32c": said.crc32c is not None,
        "hosts": dict(_hosts(stream)),
        "mirrors": list(said.mirrors),
    }


def _hosts(stream: Stream) -> Counter[str]:
    hosts: Counter[str] = Counter()
    for url in stream.content:
        with suppress(InvalidArgument):
            hosts[origin_of(web_url(url))] += 1
    return hosts


def _total(streams: Sequence[Stream]) -> str:
    chunks = sum(map(len, streams))
    sizes = [stream.conventions.sizes for stream in streams]
    total = sum(sum(each) for each in sizes if each is not None)
    known = human_bytes(total) if all(each is not None for each in sizes) else f"{human_bytes(total)} or more"
    hosts = {host for stream in streams for host in _hosts(stream)}
    mirrors = {mirror for stream in streams for mirror in stream.conventions.mirrors}
    copies = f" and {counted(len(mirrors), 'mirror')}" if mirrors else ""
    places = f"{counted(len(hosts), 'host')}{copies}"
    return f"{counted(len(streams), 'stream')}, {counted(chunks, 'chunk')}, {known}, {places}"


def _counted_or_not(counts: Sequence[int] | None, noun: str) -> str:
    return "" if counts is None else counted(sum(counts), noun)


def _bytes(sizes: Sequence[int] | None) -> str:
    if not sizes:
        return "sizes not known" if sizes is None else ""
    least, most = human_bytes(min(sizes)), human_bytes(max(sizes))
    if len(sizes) == 1:
        return most
    return f"{human_bytes(sum(sizes))} (chunks of {least if least == most else f'{least} to {most}'})"
