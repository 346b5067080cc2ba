"""Say of a listing that is kept in a file what a person wants to know of it."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dataflux_core._cli.command import say
from dataflux_core._cli.service import resumable
from dataflux_core._cli.text import counted
from dataflux_core.errors import ResumeFileUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflux_core._cli.service import Query
    from dataflux_core._run.clients import Client

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
}


@contextmanager
def resuming(client: Client, query: Query, path: str) -> Iterator[Query]:
    """Give the query with the checkpoint in `path`; say what an earlier run has kept in it, what this one leaves."""
    kept = None
    try:
        with resumable(client, query, path) as resumable_query:
            kept = resumable_query.checkpoint
            if kept is not None and kept.covered and not query.quiet:
                say(f"{path}: going on after {counted(len(kept.covered), 'page')}, kept {kept.written}")
            yield resumable_query
    except ResumeFileUnusable as error:
        raise ResumeFileUnusable(error.path, as_typed(error.problem), error.advice) from error
    except BrokenPipeError:  # a reader that has seen enough will hardly come back
        raise
    except BaseException:
        if kept is not None and kept.kept_pages and not query.quiet and Path(path).exists():
            pages = counted(kept.kept_pages, "page")
            say(f"{path}: {pages} {'is' if kept.kept_pages == 1 else 'are'} kept; the same command goes on after that")
        raise


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
