"""Say in words of the command line what the library says in words of Python."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from dataflux_core._cli.text import shown

if TYPE_CHECKING:
    from dataflux_core.errors import InvalidArgument

_PHRASES = {
    "; where it answers from time to time, give a retry_config with a longer timeout": "",
    "try again, or give a retry_config with a longer timeout": "run the command again",
    "choose to encode or to skip unsafe names": "choose --unsafe-names encode or skip",
    "choose to skip unsafe names": "choose --unsafe-names skip",
    "choose to ignore the free space": "choose --free-space ignore",
    "choose fewer requests at once": "choose fewer requests at once (-j)",
    "call again": "run the command again",
    "correct api_endpoint or STORAGE_EMULATOR_HOST": "correct STORAGE_EMULATOR_HOST",
}
_LEFT_OUT = {"True": "no -a", "False": "-a"}
_TEXT = r"""('[^']*'|"[^"]*")"""
_OPTIONS = {
    "match_glob": "--match-glob",
    "start_offset": "--start-offset",
    "end_offset": "--end-offset",
    "min_bytes": "--min-size",
    "max_bytes": "--max-size",
    "updated_from": "--updated-from",
    "updated_before": "--updated-before",
    "max_memory": "--max-memory",
    "api_endpoint": "STORAGE_EMULATOR_HOST",
}


def worded(message: str) -> str:
    """Name options instead of what a caller in Python gives."""
    for phrase, words in _PHRASES.items():
        message = message.replace(phrase, words)
    return message


def wrong_usage(error: InvalidArgument, context: click.Context) -> click.UsageError:
    """Blame the option or the argument whose value cannot mean anything."""
    expected = worded(error.expected.removesuffix(", or None"))
    parameter = _parameter(error, context)
    if parameter is None:
        return click.UsageError(shown(as_typed(f"{error.argument}={error.value}: expected {expected}")), context)
    return click.BadParameter(shown(f"{error.value}: expected {expected}"), context, parameter)


def _parameter(error: InvalidArgument, context: click.Context) -> click.Parameter | None:
    """Return that of the argument's name; of a path, which has several names, that of its value."""
    for parameter in context.command.params:
        given = context.params.get(parameter.name or "")
        if parameter.name == error.argument or (error.argument == "path" and str(given) == error.value):
            return parameter
    return None


def as_typed(problem: str) -> str:
    """Name options instead of what they became."""
    # Both are what -a decides, unless the prefix is that of temporaries.
    problem = re.sub(r"skip_composed=(\w+), skip_directories=\1\b", lambda found: _LEFT_OUT[found[1]], problem)
    problem = re.sub(r"skip_(?:composed|directories)=(\w+)", lambda found: _LEFT_OUT[found[1]], problem)
    problem = re.sub(r"fields=\[([^]]*)\]", _columns, problem)
    for flag in ("versions", "soft_deleted"):
        option = "--" + flag.replace("_", "-")
        problem = problem.replace(f"{flag}=True", option).replace(f"{flag}=False", f"no {option}")
    for argument, option in _OPTIONS.items():
        problem = problem.replace(f"{argument}=None", f"no {option}").replace(f"{argument}=", f"{option} ")
    return re.sub(rf"(bucket|prefix|endpoint)={_TEXT}", r"the \1 \2", problem)


def _columns(found: re.Match[str]) -> str:
    return (
        f"the columns {found[1].replace(chr(39), '')} (of -l, --fields)" if found[1] else "no columns of -l or --fields"
    )
