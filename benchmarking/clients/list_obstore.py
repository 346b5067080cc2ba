"""List a bucket with obstore, which asks for pages of 1000 one after the other."""

from __future__ import annotations

from benchmarking.clients._obstore import store_of
from benchmarking.clients._timing import read_task, tell_names, time_call

CHUNK_OBJECTS = 5000


def main() -> None:
    """Time its listing."""
    task = read_task()
    store = store_of(task)

    def call() -> list[tuple[str, int]]:
        return [(found["path"], found["size"]) for chunk in store.list(chunk_size=CHUNK_OBJECTS) for found in chunk]

    timed = time_call(call)
    tell_names(timed, timed.value)


if __name__ == "__main__":
    main()
