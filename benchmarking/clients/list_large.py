"""List a large bucket with dataflux_core: into columns, or as it arrives into a Parquet file."""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from google.cloud import storage

from dataflux_core.fast_list import Listing, ListingController

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

LOOK_S = 0.1  # between two looks at the memory in use


def main() -> None:
    """List once, then answer with what that took."""
    task = json.load(sys.stdin)
    controller = ListingController(task["parallelism"], "benchmark", task["bucket"])
    controller.client = storage.Client("benchmark")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "listing.parquet"
        began_s = time.perf_counter()
        with Memory() as memory:
            listing = controller.listing() if task["variant"] == "columns" else None
            if listing is None:
                controller.to_parquet(path)
        seconds = time.perf_counter() - began_s
        own, helpers = (resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        file_bytes = path.stat().st_size if path.exists() else 0
        listed = Listing.from_parquet(path) if listing is None else listing
    answer = {
        "seconds": round(seconds, 3),
        "cpu_s": {
            "caller": round(own.ru_utime + own.ru_stime, 3),  # with the imports
            "helpers": round(helpers.ru_utime + helpers.ru_stime, 3),
        },
        "peak_mb": memory.answer(),
        "processes": controller.stats.processes,
        "calls": controller.stats.calls,
        "file_bytes": file_bytes,
        "count": len(listed),
        "bytes": listed.total_bytes,
        "digest": digest_of(listed),
    }
    print(json.dumps(answer))


@dataclass(eq=False)
class Memory:
    """How much memory this process held with its helpers, looked at ten times a second."""

    most: dict[int, int] = field(default_factory=dict)  # by process, in KiB, as the system remembers it
    together: int = 0  # the most that all held in one look

    def __enter__(self) -> Self:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def answer(self) -> dict[str, int]:
        """Return the peaks in megabytes: of the caller, of its largest helper, of all at once."""
        caller, *helpers = self.most.values()
        together = max(self.together, caller)
        return {
            name: round(peak_kib * 1024 / 1e6)
            for name, peak_kib in (("caller", caller), ("helper", max(helpers, default=0)), ("together", together))
        }

    def _watch(self) -> None:
        self._look()
        while not self._ended.wait(LOOK_S):
            self._look()
        self._look()

    def _look(self) -> None:
        together = 0
        for process in ("self", *children()):
            try:
                lines = Path(f"/proc/{process}/status").read_text().splitlines()
            except OSError:
                continue  # it has ended since
            values = dict(line.split(":\t", 1) for line in lines if line.startswith("Vm"))
            if values:
                together += int(values["VmRSS"].split()[0])
                self.most[0 if process == "self" else int(process)] = int(values["VmHWM"].split()[0])
        self.together = max(self.together, together)


def children() -> list[str]:
    """Name the processes that this one started."""
    return " ".join(path.read_text() for path in Path("/proc/self/task").glob("*/children")).split()


def digest_of(listing: Listing) -> str:
    """Hash the names, in order, joined by newlines."""
    digest = hashlib.sha256()
    for place, page in enumerate(listing.pages):
        digest.update(b"\n" * (place > 0))
        digest.update(page.names)
    return digest.hexdigest()


if __name__ == "__main__":
    main()
