"""Download large objects with aiohttp on uvloop: to memory, each dropped at once, or to files."""

from __future__ import annotations

import tempfile

import uvloop

from benchmarking.clients._aiohttp import session_of, url_of
from benchmarking.clients._large import Edges, Span, edges_of, joined, spans_of, tell_edges, write_part
from benchmarking.clients._many import read_many
from benchmarking.clients._timing import read_task, time_call


def main() -> None:
    """Time a GET of every object, or of every part of it."""
    task = read_task()
    spans = spans_of(task)

    async def read_all(folder: str) -> list[Edges]:
        async with session_of(task) as session:

            async def read(span: Span) -> Edges:
                headers = {} if span.is_whole else {"Range": span.range_header}
                async with session.get(url_of(task, span.name), headers=headers) as answer:
                    answer.raise_for_status()
                    content = await answer.read()
                if task["variant"] == "files":
                    write_part(folder, span, content)
                return edges_of(content)

            return await read_many(read, spans, at_once=task["parallelism"])

    with tempfile.TemporaryDirectory() as folder:
        timed = time_call(lambda: uvloop.run(read_all(folder)))
        tell_edges(timed, joined(spans, timed.value))


if __name__ == "__main__":
    main()
