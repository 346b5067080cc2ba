"""Download objects one by one with aiohttp on uvloop, many at once."""

from __future__ import annotations

import uvloop

from benchmarking.clients._aiohttp import session_of, url_of
from benchmarking.clients._many import read_many
from benchmarking.clients._timing import read_task, tell_contents, time_call


def main() -> None:
    """Time a GET of every object."""
    task = read_task()

    async def read_all() -> list[bytes]:
        async with session_of(task) as session:

            async def read(name: str) -> bytes:
                async with session.get(url_of(task, name)) as answer:
                    answer.raise_for_status()
                    return await answer.read()

            return await read_many(read, [name for name, _ in task["objects"]], at_once=task["parallelism"])

    timed = time_call(lambda: uvloop.run(read_all()))
    tell_contents(timed, timed.value)


if __name__ == "__main__":
    main()
