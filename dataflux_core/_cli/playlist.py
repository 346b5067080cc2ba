"""Find the command that was asked for among those on playlists."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import click

from dataflux_core._cli.root import Commands

if TYPE_CHECKING:
    from collections.abc import Mapping

# Named here with their one line of help, as in root.py.
COMMANDS = {
    "validate": ("dataflux_core._cli.playlist_validate:validate", "Say what is wrong with a playlist."),
    "create": ("dataflux_core._cli.playlist_create:create", "Write a playlist of files that are on the web already."),
    "pack": ("dataflux_core._cli.playlist_pack:pack", "Pack a folder of samples into chunks with a playlist."),
    "info": ("dataflux_core._cli.playlist_info:info", "Say what a playlist holds, where it lies."),
    "cat": ("dataflux_core._cli.playlist_cat:cat", "Write chunks or records of a stream to stdout."),
    "verify": (
        "dataflux_core._cli.playlist_verify:verify",
        "Fetch every chunk from every host, check all that is known.",
    ),
    "serve": ("dataflux_core._cli.playlist_serve:serve", "Serve a directory, to try a playlist."),
}


class PlaylistCommands(Commands):
    """The commands on playlists, each imported when it is used."""

    table: ClassVar[Mapping[str, tuple[str, str]]] = COMMANDS


@click.group(cls=PlaylistCommands)
def playlist() -> None:
    """Write, check, read Flare playlists: YAML that names the chunks of datasets on web servers.

    \b
    dataflux playlist create gs://my-bucket/train/ -o playlist.yaml
    dataflux playlist pack ./samples ./packed --base-url https://data.example.org/set/
    dataflux playlist validate playlist.yaml
    dataflux playlist verify https://data.example.org/set/playlist.yaml
    """  # noqa: D301 - click wants the character itself: it keeps the lines below as they are
