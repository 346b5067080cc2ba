"""Show, verify, clear the cache of a dataset."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import click

from dataflux_core._cli.command import Failure, ServiceCommand, say
from dataflux_core._cli.text import counted, human_bytes, shown

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from dataflux_core._data.cache.audit import Audit, Use, Verdict

_OF_SERVICES = {"project", "billing_project"}
_SHOWN_NAMES = 20


class LocalCommand(ServiceCommand):
    """A command that asks no service, so that nobody's project matters."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - click's own signature
        super().__init__(*args, **kwargs)
        self.params = [parameter for parameter in self.params if parameter.name not in _OF_SERVICES]


class ShowOptions(TypedDict):
    """The options that each of the commands has."""

    directory: Path
    quiet: bool


class VerifyOptions(ShowOptions):
    """The options of `verify`."""

    repair: bool


class ClearOptions(ShowOptions):
    """The options of `clear`."""

    yes: bool
    force: bool


_DIRECTORY = click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))


@click.group()
def cache() -> None:
    """Look after the cache below DIR, the `dst` of a streaming dataset.

    \b
    dataflux cache show /data/cache
    dataflux cache verify --repair /data/cache
    dataflux cache clear /data/cache
    """  # noqa: D301 - click wants the character itself: it keeps the lines below as they are


@cache.command(cls=LocalCommand)
@_DIRECTORY
def show(**options: Unpack[ShowOptions]) -> None:
    """Say what a cache holds, who uses it."""
    from dataflux_core._data.cache.audit import audited  # noqa: PLC0415 - slow imports

    with audited(options["directory"]) as audit:
        survey = audit.survey()
    limit = "no limit" if survey.limit_bytes is None else f"limit {human_bytes(survey.limit_bytes)}"
    click.echo(f"{counted(survey.objects, 'object')}, {human_bytes(survey.bytes)}, {limit}")
    if survey.counted_bytes != survey.bytes:
        click.echo(f"{human_bytes(survey.counted_bytes - survey.bytes)} reserved for objects that are being fetched")
    for use in survey.uses:
        if use.alive or use.claims or use.pinned or use.reserved:  # workers that have ended well hold nothing
            click.echo(_line_of(use))


@cache.command(cls=LocalCommand)
@_DIRECTORY
@click.option("--repair", is_flag=True, help="Remove what is damaged or unknown; datasets fetch it again.")
def verify(**options: Unpack[VerifyOptions]) -> None:
    """Compare every file with its checksum.

    The exit code is 1 where something is wrong, whether it was repaired or not.
    """
    from dataflux_core._data.cache.audit import audited  # noqa: PLC0415 - slow imports

    with audited(options["directory"]) as audit:
        verdict = audit.verify(repair=options["repair"])
    _print_flaws(verdict)
    if not options["quiet"]:
        say(f"{counted(verdict.checked, 'object')}, {human_bytes(verdict.bytes)} checked")
    if verdict.flaws:
        done = "removed, to be fetched again" if options["repair"] else "--repair removes them"
        raise Failure(f"{options['directory']}: {counted(verdict.flaws, 'flaw')}: {done}")


@cache.command(cls=LocalCommand)
@_DIRECTORY
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Even while processes use it: what they lose they fetch again.")
def clear(**options: Unpack[ClearOptions]) -> None:
    """Remove the objects of a cache.

    Nothing else goes: no file that the cache has not written, nor its ledger.
    """
    from dataflux_core._data.cache.audit import audited  # noqa: PLC0415 - slow imports

    with audited(options["directory"]) as audit:
        _check_unused(audit, options)
        survey = audit.survey()
        if not _agreed(f"{counted(survey.objects, 'object')}, {human_bytes(survey.bytes)}", yes=options["yes"]):
            return
        _check_unused(audit, options)  # the question may have stood for hours
        removed = audit.clear()
    if not options["quiet"]:
        say(f"removed {counted(removed, 'object')}")


def _line_of(use: Use) -> str:
    state = "" if use.alive else " (ended; the next process to use the cache removes what it left)"
    held = f"{counted(use.pinned, 'object')} pinned by {counted(use.claims, 'claim')}"
    return f"process {use.pid}{state}: {held}, {use.reserved} being fetched ({human_bytes(use.reserved_bytes)})"


def _print_flaws(verdict: Verdict) -> None:
    kinds = {
        "damaged": verdict.damaged,
        "missing": verdict.missing,
        "unknown": verdict.unknown,
        "unfinished": verdict.stuck,
    }
    for what, names in kinds.items():
        for name in names[:_SHOWN_NAMES]:
            click.echo(shown(f"{what} {name}"))
        if len(names) > _SHOWN_NAMES:
            click.echo(f"{what} … {len(names) - _SHOWN_NAMES} more")
    if verdict.miscounted_bytes:
        click.echo(f"miscounted {verdict.miscounted_bytes} bytes")


def _check_unused(audit: Audit, options: ClearOptions) -> None:
    living = audit.living()
    if living and not options["force"]:
        numbers = ", ".join(str(use.pid) for use in living)
        raise Failure(f"{options['directory']}: in use by {numbers}; end them first, or add --force")


def _agreed(what: str, *, yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise click.UsageError("nothing was removed: there is nobody to ask, add --yes")
    return click.confirm(f"Remove {what}?", err=True)
