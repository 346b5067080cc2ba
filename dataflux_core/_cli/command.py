"""Give each command that talks to the service the same options, the same end."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import Any, TypedDict

import click

from dataflux_core._cli.text import shown, silence_stdout
from dataflux_core._cli.wording import worded, wrong_usage
from dataflux_core.errors import DatafluxError, ExtraMissing, InvalidArgument, ServiceRefused

_SAID_BY_COMMANDS = "list.all_left_out"  # in words of the command line
_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


class CommonOptions(TypedDict):
    """The options of every such command."""

    project: str | None
    billing_project: str | None
    quiet: bool


class Failure(click.ClickException):
    """A command could not do all that was asked for."""

    exit_code = 1

    def show(self, file: Any = None) -> None:  # noqa: ANN401 - click's own signature
        del file
        click.echo(f"dataflux: {shown(self.message)}", err=True)


class NotInstalled(Failure):
    """A command needs what is not installed, as is known before it begins."""

    exit_code = 2


class GroupedOption(click.Option):
    """An option that is explained under a heading of its own."""

    def __init__(self, *args: Any, group: str, **kwargs: Any) -> None:  # noqa: ANN401 - click's own signature
        super().__init__(*args, **kwargs)
        self.group = group


class TextType(click.ParamType):  # type: ignore[type-arg] # generic only in later versions of click
    """A text that says something: an empty one, as of a variable that is not set, would be no option at all."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not value:
            self.fail("'': expected a text, or no such option", param, ctx)
        return value


class ServiceCommand(click.Command):
    """A command whose errors are one line on stderr."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - click's own signature
        super().__init__(*args, **kwargs)
        self.params += _common_options()

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        debug: bool = ctx.params.pop("debug")
        _configure_logs(ctx.params.pop("verbose"))
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            silence_stdout()
            ctx.exit(0)
        except (DatafluxError, OSError) as error:
            if debug:
                raise
            if isinstance(error, InvalidArgument):
                raise wrong_usage(error, ctx) from error
            raise failure_of(error) from error

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for parameter in self.get_params(ctx):
            heading = parameter.group if isinstance(parameter, GroupedOption) else "Options"
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                sections.setdefault(heading, []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def failure_of(error: Exception) -> Failure:
    """Give an error the exit code that it ends a command with."""
    message = message_of(error)
    if isinstance(error, ServiceRefused) and "requester pays" in error.message and "no user project" in error.message:
        message += "; --user-project NAME says which project pays"
    return (NotInstalled if isinstance(error, ExtraMissing) else Failure)(message)


def message_of(error: Exception) -> str:
    """Say what went wrong in one line."""
    if isinstance(error, OSError) and not isinstance(error, DatafluxError) and error.strerror:
        return f"{error.filename or 'output'}: {error.strerror}"
    return worded(str(error))


def _common_options() -> list[click.Parameter]:
    return [
        click.Option(
            ["--project"],
            type=TextType(),
            metavar="NAME",
            help="Project of the client; the credentials' own by default.",
        ),
        click.Option(
            ["--billing-project", "--user-project", "billing_project"],
            type=TextType(),
            metavar="NAME",
            help="Project that pays, for a bucket whose users pay.",
        ),
        click.Option(["-q", "--quiet"], is_flag=True, help="No progress bar, no summary."),
        click.Option(["-v", "--verbose"], count=True, help="Log each call to stderr; twice: each request."),
        click.Option(["--debug"], is_flag=True, help="Show the whole traceback of an error."),
    ]


class _ShowableFormatter(logging.Formatter):
    """Log lines hold object names."""

    def format(self, record: logging.LogRecord) -> str:
        return shown(super().format(record))


def _configure_logs(verbosity: int) -> None:
    logger = logging.getLogger("dataflux_core")
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.addFilter(lambda record: not str(record.msg).startswith(_SAID_BY_COMMANDS))
        handler.setFormatter(_ShowableFormatter("%(levelname)s %(message)s"))
        logger.addHandler(handler)
    logger.setLevel(_LEVELS[min(verbosity, len(_LEVELS) - 1)])


def shows_progress(*, quiet: bool) -> bool:
    """Tell whether a bar is welcome: somebody watches a terminal."""
    return not quiet and sys.stderr.isatty()


def say(message: str) -> None:
    """Tell the user, not the reader of the output."""
    with suppress(OSError):  # nobody listens
        click.echo(shown(message), err=True)
