"""Read files with obstore, a batch at once, in a map-style dataset of torch: the best that is written by hand."""

from __future__ import annotations

import asyncio
import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

from obstore.store import GCSStore

from benchmarking.clients._loader import loader_of
from benchmarking.clients._stream import read_names, read_task, tell_epoch, transform_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarking.clients._stream import StreamTask


class Objects:
    """Objects of a bucket; each worker process makes a store of its own, as its threads do not survive a fork."""

    def __init__(self, task: StreamTask, names: Sequence[str]) -> None:
        self._task, self._names = task, names
        self._transform = transform_of(task)

    @cached_property
    def _store(self) -> GCSStore:
        # It has no other way to be told an endpoint.
        key = {"gcs_base_url": self._task["endpoint"], "disable_oauth": True}
        unused = dict.fromkeys(("client_email", "private_key", "private_key_id"), "")
        return GCSStore(
            self._task["bucket"], service_account_key=json.dumps(key | unused), client_options={"allow_http": True}
        )

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.new_event_loop()

    def __len__(self) -> int:
        return len(self._names)

    def __getitems__(self, places: Sequence[int]) -> list[Any]:
        return self._loop.run_until_complete(self._read(places))

    async def _read(self, places: Sequence[int]) -> list[Any]:
        async def read(at: int) -> Any:  # noqa: ANN401 - bytes or a picture
            answer = await self._store.get_async(self._names[at])
            return self._transform(bytes(await answer.bytes_async()))

        return await asyncio.gather(*(read(at) for at in places))


def main() -> None:
    """Time an epoch."""
    task = read_task()
    names = [name for name, _ in read_names(task)]
    tell_epoch(task, lambda: loader_of(task, Objects(task, names), shuffle=True), ("torch", "obstore"))


if __name__ == "__main__":
    main()
