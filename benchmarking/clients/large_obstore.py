"""Download large objects with obstore on uvloop: to memory, each dropped at once, or to files."""

from __future__ import annotations

import tempfile

import uvloop

from benchmarking.clients._large import Edges, Span, edges_of, joined, spans_of, tell_edges, write_part
from benchmarking.clients._many import read_many
from benchmarking.clients._obstore import store_of
from benchmarking.clients._timing import read_task, time_call


def main() -> None:
    """Time a read of every object, or of every part of it."""
    task = read_task()
    store = store_of(task)
    spans = spans_of(task)

    async def fetch(span: Span) -> memoryview:
        if span.is_whole:
            answer = await store.get_async(span.name)
            return memoryview(await answer.bytes_async())
        return memoryview(await store.get_range_async(span.name, start=span.start, end=span.stop))

    async def read_all(folder: str) -> list[Edges]:
        async def read(span: Span) -> Edges:
            content = await fetch(span)
            if task["variant"] == "files":
                write_part(folder, span, content)
            return edges_of(content)

        return await read_many(read, spans, at_once=task["parallelism"])

    with tempfile.TemporaryDirectory() as folder:
        timed = time_call(lambda: uvloop.run(read_all(folder)))
        tell_edges(timed, joined(spans, timed.value))


if __name__ == "__main__":
    main()
