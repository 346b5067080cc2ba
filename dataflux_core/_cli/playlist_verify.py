"""Fetch every chunk of a playlist from every host, check all that is known of it."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import click

from dataflux_core._cli.cache import LocalCommand
from dataflux_core._cli.command import CommonOptions, Failure, TextType, say, shows_progress
from dataflux_core._cli.playlist_bar import progress_bar
from dataflux_core._cli.playlist_options import patience, patient
from dataflux_core._cli.playlist_streams import chosen_streams
from dataflux_core._cli.text import counted, human_bytes, shown
from dataflux_core._wire.urls import shown_url
from dataflux_core.errors import EndpointUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Unpack

    from dataflux_core._data.flare.checking import Checked, Flaw

_MOST_REQUESTS = 1024


class Options(CommonOptions):
    """The options of the command."""

    source: str
    streams: tuple[str, ...]
    patience_s: float
    parallelism: int
    as_json: bool


@click.command(cls=LocalCommand)
@click.argument("source", metavar="FILE|URL", type=TextType())
@click.option("--stream", "streams", multiple=True, type=TextType(), metavar="NAME", help="This one alone; repeatable.")
@click.option(
    "-j", "--parallelism", type=click.IntRange(1, _MOST_REQUESTS), default=16, help="Requests at once; 16 by default."
)
@patience
@click.option("--json", "as_json", is_flag=True, help="A JSON object for each flaw.")
def verify(**options: Unpack[Options]) -> None:
    """Fetch every chunk of a playlist from every host that should have it; compare sizes, checksums, records.

    Every copy is looked at, whatever was found before; each flaw is a line with the chunk and the URL, so that one sees
    which mirror is wrong; a host that nobody reaches is one line. Copies that no checksum describes are compared with
    each other. Records of an encoding that this version does not know are not counted; all else of their chunks is
    compared.

    \b
    dataflux playlist verify playlist.yaml
    dataflux playlist verify https://data.example.org/set/playlist.yaml --stream images

    The exit code is 1 where something is wrong.
    """  # noqa: D301 - click wants the character itself: it keeps the lines below as they are
    from dataflux_core._data.flare.checking import Checked, check, copies_of  # noqa: PLC0415 - slow imports

    streams = [stream.spec for stream in chosen_streams(options["source"], options["streams"])]
    reading = patient(options["patience_s"], max_requests=options["parallelism"])
    done = Checked()
    total = sum(1 for _ in copies_of(streams))
    with progress_bar("verifying", "chunks", total, wanted=shows_progress(quiet=options["quiet"])) as observe:
        _tell(check(streams, reading, done, observe), as_json=options["as_json"])
    if not options["quiet"]:
        _report(done)
    if done.flaws:
        raise Failure(f"{shown_url(options['source'])}: {counted(done.flaws, 'flaw')}")


def _tell(flaws: Iterable[Flaw], *, as_json: bool) -> None:
    """Print each flaw; of a host that nobody reaches all chunks as one, at the end."""
    unreached: Counter[str] = Counter()
    reasons: dict[str, str] = {}
    try:
        for flaw in flaws:
            if as_json:
                click.echo(_json(flaw))
            elif isinstance(flaw.error, EndpointUnreachable):
                unreached[flaw.copy.host] += 1
                reasons.setdefault(flaw.copy.host, flaw.error.reason)  # they differ in how many milliseconds it took
            else:
                click.echo(_line(flaw))
    finally:  # after Ctrl-C too
        for host, chunks in unreached.items():
            click.echo(
                shown(f"{host}: cannot connect ({reasons[host]}): {counted(chunks, 'chunk')} of it not to be had")
            )


def _line(flaw: Flaw) -> str:
    url = shown_url(flaw.copy.url)
    return shown(f"{flaw.copy.path} {url}: {str(flaw.error).removeprefix(f'{url}: ')}")


def _json(flaw: Flaw) -> str:
    copy = flaw.copy
    said = {"stream": copy.stream.name, "chunk": copy.chunk, "url": shown_url(copy.url), "host": copy.host}
    return json.dumps({**said, "error": type(flaw.error).__name__, "message": str(flaw.error)})


def _report(done: Checked) -> None:
    for host, tally in done.hosts.items():
        wrong = f"{tally.flaws:,} wrong" if tally.flaws else "all right"
        say(f"{host}: {counted(tally.copies, 'chunk')}, {human_bytes(tally.bytes)}, {wrong}")
    for stream, reason in done.uncounted.items():
        say(f"stream {stream!r}: records not checked: {reason}")
    if done.unchecked:
        say(f"the playlist has neither size nor checksum of {counted(done.unchecked, 'chunk')}: any bytes would do")
