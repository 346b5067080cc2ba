"""Take names of columns as people write them: several behind one option, separated by commas, the option again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dataflux_core._cli.command import ServiceCommand

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOADED = "--columns-to-load"
_SPELLINGS = frozenset({_LOADED, "--columns_to_load"})


class ColumnsCommand(ServiceCommand):
    """A command with --columns-to-load, behind which several names may stand."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        places = sum(isinstance(parameter, click.Argument) for parameter in self.params)
        flags = {
            name
            for parameter in self.params
            if isinstance(parameter, click.Option) and (parameter.is_flag or parameter.count)
            for name in (*parameter.opts, *parameter.secondary_opts)
        }
        return super().parse_args(ctx, spread(args, places, {*flags, "--help"}))


def spread(arguments: Sequence[str], places: int, flags: set[str]) -> list[str]:
    """Put the option before each name that stands behind it, but for those that are the command's `places`.

    Where too few places are given elsewhere, the last texts behind the option are they. `flags`: options without a
    value, short ones may stand together.
    """
    runs, others = _runs(arguments, flags)
    last = max((number for number, (_, names) in enumerate(runs) if names), default=0)
    spread_out: list[str] = []
    for number, (kept, names) in enumerate(runs):
        taken = max(0, min(places - others, len(names) - 1)) if number == last else 0
        columns = names[: len(names) - taken]
        spread_out += [*kept, *(text for name in columns for text in (_LOADED, name)), *names[len(columns) :]]
    return spread_out


def _runs(arguments: Sequence[str], flags: set[str]) -> tuple[list[tuple[list[str], list[str]]], int]:
    """Cut arguments into (what is kept, names behind the option); tell how many places are among what is kept."""
    runs: list[tuple[list[str], list[str]]] = [([], [])]
    others = 0
    left = list(arguments)
    while left:
        text = left.pop(0)
        if text == "--":
            return [*runs, (["--", *left], [])], others + len(left)
        if text in _SPELLINGS and left and not left[0].startswith("-"):
            while left and not left[0].startswith("-"):
                runs[-1][1].append(left.pop(0))
            continue
        if runs[-1][1]:
            runs.append(([], []))
        runs[-1][0].append(text)
        if not text.startswith("-") or text == "-":
            others += 1
        elif left and not _is_whole(text, flags):
            runs[-1][0].append(left.pop(0))
    return runs, others


def _is_whole(text: str, flags: set[str]) -> bool:
    """Tell whether the option's value, if it has one, is in the same argument."""
    if text.startswith("--"):
        return "=" in text or text in flags
    known = [f"-{letter}" in flags for letter in text[1:]]  # -qv; behind one that takes a value stands the value: -j8
    return False not in known or known.index(False) < len(known) - 1


def loading(command: Any) -> Any:  # noqa: ANN401 - click's decorators are typed by each function
    """Give a command the option."""
    return click.option(
        _LOADED,
        "--columns_to_load",
        "columns_to_load",
        multiple=True,
        callback=_names,
        metavar="C [C2 …]",
        help="Columns of URLs; those whose names or sizes say so by default.",
    )(command)


def _names(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...] | None:
    names = tuple(name.strip() for text in given for name in text.split(","))
    if "" in names:
        raise click.BadParameter("'': expected the name of a column", ctx, param)
    if len(set(names)) < len(names):
        raise click.BadParameter("a column is named twice", ctx, param)
    return names or None
