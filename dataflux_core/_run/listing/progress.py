"""Show a listing's progress on a terminal."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflux_core._run.listing.observer import Observer, PageEvent


@contextmanager
def progress_bar(bucket: str, observer: Observer | None, *, shown: bool) -> Iterator[Observer | None]:
    """Give an observer that draws a bar of objects, objects/s, ranges in flight, besides telling `observer`."""
    if not shown:
        yield observer
        return
    from tqdm import tqdm  # noqa: PLC0415 - only where a bar is wanted

    with tqdm(desc=f"gs://{bucket}", unit=" objects", unit_scale=True) as bar:

        def observe(event: PageEvent) -> None:
            bar.update(event.count)
            bar.set_postfix(in_flight=event.in_flight, refresh=False)
            if observer is not None:
                observer(event)

        yield observe
