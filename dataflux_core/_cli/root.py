"""Find the command that was asked for; turn its end into an exit code."""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import click

from dataflux_core._cli.text import silence_stdout

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType

# Named here with their one line of help, so that `dataflux --help` imports none of them.
COMMANDS = {
    "ls": ("dataflux_core._cli.ls:ls", "List objects."),
    "du": ("dataflux_core._cli.du:du", "Add up how many bytes objects take."),
    "diff": ("dataflux_core._cli.diff:diff", "Show what changed since a listing."),
    "download": ("dataflux_core._cli.download:download", "Download objects to files."),
    "doctor": ("dataflux_core._cli.doctor:doctor", "Say what reading a bucket would take, composed or not."),
    "index": ("dataflux_core._cli.index:index", "Write down which samples there are."),
    "bench": ("dataflux_core._cli.bench:bench", "Measure how fast samples come, say what limits that."),
    "unpack": ("dataflux_core._cli.unpack:unpack", "Download the samples of an index to files."),
    "playlist": ("dataflux_core._cli.playlist:playlist", "Look at playlists of datasets on web servers."),
    "clean": ("dataflux_core._cli.clean:clean", "Remove temporaries that interrupted downloads left."),
    "cache": ("dataflux_core._cli.cache:cache", "Show, verify or clear the cache of a dataset."),
    "emulator": ("dataflux_core.emulator._command:emulator", "Run a Google Cloud Storage server of your own."),
}


class Commands(click.Group):
    """A group whose commands are imported when they are used."""

    table: ClassVar[Mapping[str, tuple[str, str]]] = COMMANDS

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in self.table:
            return None
        module, _, attribute = self.table[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.table.items()])


@click.command(cls=Commands, context_settings={"max_content_width": 100})
@click.version_option(package_name="dataflux_core", prog_name="dataflux")
def dataflux() -> None:
    """List and download buckets of Google Cloud Storage, at the speed of many requests at once.

    \b
    dataflux ls gs://my-bucket/images/
    dataflux download gs://my-bucket/images/ ./images
    dataflux COMMAND --help

    Credentials are those of `gcloud auth application-default login` or GOOGLE_APPLICATION_CREDENTIALS;
    STORAGE_EMULATOR_HOST points all of it at another server.

    \b
    Exit codes:
      0    all was done
      1    the service, the data or the disk did not allow it; one line on stderr says why
      2    wrong usage, or an extra that is not installed
      130  interrupted by Ctrl-C
      143  ended by SIGTERM
    """  # noqa: D301 - click wants the character itself: it keeps the lines below as they are


class _Ending:
    """Ends a command by whichever signal as Ctrl-C does: no half file, no temporary stays behind.

    It remembers which signal that was. What a handler raises may land in a callback of libcurl, which loses it, and
    the transport then raises KeyboardInterrupt: so that is what is raised for every signal.
    """

    def __init__(self) -> None:
        self.number = signal.SIGINT

    def __call__(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.number = signal.Signals(number)
        raise KeyboardInterrupt


def run(arguments: Sequence[str]) -> int:
    """Run one command; return its exit code."""
    ending = _Ending()
    with suppress(ValueError):  # not the main thread: signals are somebody else's
        signal.signal(signal.SIGTERM, ending)
    code = 0
    try:
        code = _outcome(arguments, ending)
        sys.stdout.flush()
    except BrokenPipeError:
        silence_stdout()
        return 0
    except OSError as error:  # /dev/full, a disk that is, a stdout that was closed
        if not code:  # or else it was said
            _say(f"output: {error.strerror or error}")
        silence_stdout()  # what is left would be tried again when the process ends, which makes the exit code 120
        return code or 1
    return code


def _outcome(arguments: Sequence[str], ending: _Ending) -> int:
    try:
        code: Any = dataflux.main(list(arguments), prog_name="dataflux", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort as error:
        if not isinstance(error.__cause__ or error.__context__, KeyboardInterrupt):
            _say("nothing was answered, so nothing was done")
            return 1
        _say("interrupted" if ending.number == signal.SIGINT else f"ended by {ending.number.name}")
        return 128 + ending.number
    return code if isinstance(code, int) else 0


def _say(message: str) -> None:
    with suppress(OSError):  # nobody listens
        sys.stderr.write(f"dataflux: {message}\n")
