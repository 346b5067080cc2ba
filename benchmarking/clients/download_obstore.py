"""Download objects one by one with obstore, many at once on one event loop."""

from __future__ import annotations

import asyncio

from benchmarking.clients._obstore import store_of
from benchmarking.clients._timing import read_task, tell_contents, time_call


def main() -> None:
    """Time `get_async` of every object."""
    task = read_task()
    store = store_of(task)

    async def read_all() -> list[bytes]:
        free = asyncio.Semaphore(task["parallelism"])

        async def read(name: str) -> bytes:
            async with free:
                answer = await store.get_async(name)
                return bytes(await answer.bytes_async())

        return await asyncio.gather(*(read(name) for name, _ in task["objects"]))

    timed = time_call(lambda: asyncio.run(read_all()))
    tell_contents(timed, timed.value)


if __name__ == "__main__":
    main()
