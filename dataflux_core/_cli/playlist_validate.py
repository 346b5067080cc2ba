"""Say what is wrong with a playlist."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from dataflux_core._cli.cache import LocalCommand
from dataflux_core._cli.command import CommonOptions, Failure, TextType, say
from dataflux_core._cli.playlist_streams import named
from dataflux_core._cli.text import counted, shown
from dataflux_core._wire.urls import shown_url
from dataflux_core.errors import PlaylistInvalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Unpack

    from dataflux_core.errors import PlaylistProblem


class Options(CommonOptions):
    """The options of the command."""

    source: str
    as_json: bool
    strict: bool


@click.command(cls=LocalCommand)
@click.argument("source", metavar="FILE|URL", type=TextType())
@click.option("--json", "as_json", is_flag=True, help="A JSON object per line.")
@click.option("--strict", is_flag=True, help="End with exit code 1 where there are warnings.")
def validate(**options: Unpack[Options]) -> None:
    """Say what is wrong with a playlist: as an error where a reader may refuse it, or else as a warning.

    \b
    dataflux playlist validate playlist.yaml
    playlist.yaml:4:7: error: images.content[0]: a file: URL; chunks lie on web servers: give …

    The exit code is 1 where there is an error.
    """  # noqa: D301 - click wants the character itself: it keeps the lines below as they are
    from dataflux_core.flare import Playlist  # noqa: PLC0415 - an extra

    source = options["source"]
    said = ""
    try:
        found = Playlist.load(named(source))
        problems = found.validate()
        chunks = sum(len(stream.content) for stream in found.values())
        said = f"{counted(len(found), 'stream')}, {counted(chunks, 'chunk')}"
    except PlaylistInvalid as error:
        problems = list(error.problems)
    for problem in problems:
        click.echo(_json(source, problem) if options["as_json"] else shown(f"{shown_url(source)}:{problem}"))
    if not said or (problems and options["strict"]):
        raise Failure(f"{shown_url(source)}: {said or 'no valid playlist'}: {_summary(problems)}")
    if not options["quiet"]:
        say(f"{said}, {_summary(problems)}" if problems else said)


def _json(source: str, problem: PlaylistProblem) -> str:
    names = ("severity", "line", "column", "path", "message", "advice")
    return json.dumps({"source": shown_url(source), **{name: getattr(problem, name) for name in names}})


def _summary(problems: Sequence[PlaylistProblem]) -> str:
    errors = sum(problem.severity == "error" for problem in problems)
    kinds = {"error": errors, "warning": len(problems) - errors}
    return ", ".join(counted(count, kind) for kind, count in kinds.items() if count)
