"""Say of a listing that is kept in a file what a person wants to know of it."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dataflux_core._cli.command import say
from dataflux_core._cli.service import resumable
from dataflux_core._cli.text import counted
from dataflux_core._cli.wording import as_typed
from dataflux_core.errors import ResumeFileUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflux_core._cli.service import Query
    from dataflux_core._run.clients import Client


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
