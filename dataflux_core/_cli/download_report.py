"""Say what a download did."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from dataflux_core._cli.command import Failure, message_of, say
from dataflux_core._cli.text import counted, human_bytes, shown
from dataflux_core._data.directory_room import shortage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dataflux_core._cli.download import Options
    from dataflux_core._data.directory import DirectoryDownload, Observer
    from dataflux_core._data.directory_fetch import DirectoryProgress
    from dataflux_core._data.directory_plan import DirectoryPlan
    from dataflux_core.errors import DatafluxError, UnsafeName

_SHOWN = 20


@contextmanager
def told_if_interrupted(*, quiet: bool) -> Iterator[Observer]:
    """Give an observer of a download; where an interruption ends it, say how far it has come."""
    last: DirectoryProgress | None = None

    def observe(progress: DirectoryProgress) -> None:
        nonlocal last
        last = progress

    try:
        yield observe
    except KeyboardInterrupt:
        if last is not None and not quiet:  # more may have been written than was told of
            files = f"at least {last.files:,} of {counted(last.total_files, 'file')}" if last.files else "what is there"
            say(f"{files} {'are' if last.files > 1 else 'is'} whole; the same command goes on after that")
        raise


def report(done: DirectoryDownload, options: Options) -> None:
    _report_skipped(done.skipped)
    _report_failed(done.failed)
    _report_unmatched(done.unmatched, options)
    _report_kept(done.stats.temporaries_kept, options)
    if not options["quiet"]:
        _report_done(done)
    _check_included(done.unmatched, done.left_out, options)
    if done.failed:
        raise Failure(
            f"{counted(len(done.failed), 'object')} could not be downloaded; the same command tries them again"
        )


def _report_done(done: DirectoryDownload) -> None:
    retimed = f", {done.retimed:,} given the time of their objects" if done.retimed else ""
    say(
        f"wrote {counted(done.written, 'file')}, {human_bytes(done.written_bytes)}, in {done.elapsed_s:.1f} s"
        f"{_rates(done)}; {counted(done.present, 'file')} there already{retimed}; "
        f"{_not_written(len(done.skipped), done.left_out)}"
    )


def _rates(done: DirectoryDownload) -> str:
    if not done.elapsed_s:
        return ""
    return f" ({human_bytes(done.written_bytes / done.elapsed_s)}/s, {done.written / done.elapsed_s:,.0f} files/s)"


def print_plan(plan: DirectoryPlan, options: Options) -> None:
    for position in plan.missing:
        click.echo(shown(str(plan.directory / (plan.paths[position] or ""))))
    _report_skipped(plan.skipped)
    _report_unmatched(plan.unmatched, options)
    if not options["quiet"]:
        say(
            f"would write {counted(len(plan.missing), 'file')}, {human_bytes(plan.missing_bytes)}; "
            f"{counted(plan.present, 'file')} there already; {_not_written(len(plan.skipped), plan.left_out)}"
        )
    if lacking := shortage(plan):
        say(f"there is no room for them: {lacking.told}")
    _check_included(plan.unmatched, plan.left_out, options)


def _not_written(skipped: int, left_out: int) -> str:
    return f"{skipped} skipped" + (f"; {left_out:,} left out" if left_out else "")


def _report_unmatched(globs: Sequence[str], options: Options) -> None:
    """Name patterns that chose nothing: perhaps they were meant otherwise."""
    below = options["place"].directory
    for glob in globs if not options["quiet"] else ():
        better = f", perhaps {'**' + glob.lstrip('*')!r}" if "/" not in glob and not glob.startswith("**") else ""
        against = f"names without {below!r}" if below else "whole names"
        say(f"--include {glob!r} matches nothing: it is matched against {against}, '*' stops at '/'{better}")


def _check_included(unmatched: Sequence[str], left_out: int, options: Options) -> None:
    """Fail where there were objects but all that was to be included was none: a script would go on with nothing."""
    if left_out and options["include"] and set(unmatched) == set(options["include"]):
        raise Failure(
            f"{options['place']}: nothing was chosen: of {counted(left_out, 'object')} no --include matches any"
        )


def _report_kept(temporaries: int, options: Options) -> None:
    """Say what stays behind, even to those who want quiet: it is billed, and nobody else will remove it."""
    if temporaries:
        say(
            f"{counted(temporaries, 'temporary object')} could not be deleted yet; a day from now "
            f"`dataflux clean gs://{options['place'].bucket}` removes what is left of them"
        )


def _report_failed(errors: Sequence[DatafluxError]) -> None:
    for error in errors[:_SHOWN]:
        say(f"failed {message_of(error)}")
    if len(errors) > _SHOWN:
        say(f"failed {counted(len(errors) - _SHOWN, 'more object')}")


def _report_skipped(skipped: Sequence[UnsafeName]) -> None:
    """Name what was left out, even to those who want quiet: nobody should take the files for all there is."""
    for error in skipped[:_SHOWN]:
        say(f"skipped {error}")
    if len(skipped) > _SHOWN:
        say(f"skipped {counted(len(skipped) - _SHOWN, 'more object')}")
