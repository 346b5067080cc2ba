"""Download objects one by one with obstore on uvloop, many at once."""

from __future__ import annotations

import uvloop

from benchmarking.clients._many import read_many
from benchmarking.clients._obstore import store_of
from benchmarking.clients._timing import read_task, tell_contents, time_call


def main() -> None:
    """Time `get_async` of every object; on Python's own event loop it takes half as much CPU again."""
    task = read_task()
    store = store_of(task)

    async def read(name: str) -> bytes:
        answer = await store.get_async(name)
        return bytes(await answer.bytes_async())

    async def read_all() -> list[bytes]:
        return await read_many(read, [name for name, _ in task["objects"]], at_once=task["parallelism"])

    timed = time_call(lambda: uvloop.run(read_all()))
    tell_contents(timed, timed.value)


if __name__ == "__main__":
    main()
