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
}


class PlaylistCommands(Commands):
    """The commands on playlists, each imported when it is used."""

    table: ClassVar[Mapping[str, tuple[str, str]]] = COMMANDS


@click.group(cls=PlaylistCommands)
def playlist() -> None:
    """Look at Flare playlists: YAML that names the chunks of datasets on web servers.

    \b
    dataflux playlist validate playlist.yaml
    dataflux playlist validate https://data.example.org/playlist.yaml
    """  # noqa: D301 - click wants the character itself: it keeps the lines below as they are
