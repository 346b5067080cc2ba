"""Serve the files of a directory, to try a playlist."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict
from urllib.parse import quote

import click

from dataflux_core._cli.cache import LocalCommand
from dataflux_core._cli.command import TextType, say
from dataflux_core._cli.playlist_options import importing
from dataflux_core._cli.text import shown

if TYPE_CHECKING:
    from typing_extensions import Unpack

_LAST_PORT = 65_535


class Options(TypedDict):
    """The options of the command."""

    directory: Path
    host: str
    port: int
    quiet: bool


@click.command(cls=LocalCommand)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--host", type=TextType(), default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, _LAST_PORT),
    default=8080,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
def serve(**options: Unpack[Options]) -> None:
    """Serve the files below DIR over HTTP until Ctrl-C, to try a playlist on this machine.

    Ranges, HEAD, entity tags and conditions are as a reader expects them; nothing can be written. Hidden files and
    links are not served, nor is anything outside DIR. For the public, copy DIR to any web server or bucket.

    \b
    dataflux playlist pack ./samples ./packed --base-url http://127.0.0.1:8080/
    dataflux playlist serve ./packed
    dataflux playlist verify http://127.0.0.1:8080/playlist.yaml
    """  # noqa: D301 - click wants the character itself: it keeps the lines below as they are
    with importing("serving files", "emulator"):
        from dataflux_core.emulator._command import is_loopback  # noqa: PLC0415 - slow imports, of an extra
        from dataflux_core.emulator._file_server import serve_files  # noqa: PLC0415
        from dataflux_core.emulator._files import playlists_in  # noqa: PLC0415

    directory, host = options["directory"], options["host"]

    def ready(url: str) -> None:
        if not is_loopback(host):
            say(f"Anyone who reaches {host} can read the files below {directory}.")
        click.echo(f"{shown(str(directory))} at {url}")
        for name in playlists_in(directory):
            click.echo(f"{url}{quote(name)}")

    try:
        serve_files(directory, host, options["port"], ready)
    except OSError as error:
        if error.filename:  # the directory's
            raise
        number = error.errno or 0  # below 0: of a name that leads nowhere, which has words of its own
        reason = os.strerror(number) if number > 0 else error.strerror or str(error)
        if number == errno.EADDRINUSE:
            reason += "; --port 0 takes a free one"
        raise OSError(number, reason, f"{host}:{options['port']}") from error
    if not options["quiet"]:
        say("stopped")
