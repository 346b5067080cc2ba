"""Write a trace of a listing to a file."""

from __future__ import annotations

import logging
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dataflux_core._data.aside import listing_file
from dataflux_core._data.trace_json import write_json
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dataflux_core._data.trace_record import TraceRecord

log = logging.getLogger(__name__)


def check_trace(path: Path, *others: str | Path) -> Callable[[TraceRecord, Path], None]:
    """Return what writes the trace that `path` asks for by its ending; raises InvalidArgument, ExtraMissing.

    To be called before an hour is spent on a listing. `others` are files of that listing which it must not replace.
    """
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise InvalidArgument("trace", repr(str(path)), "a file in a directory that is there and can be written to")
    if path.resolve() in {Path(other).resolve() for other in others}:
        raise InvalidArgument(
            "trace", repr(str(path)), "another file than the listing's own, whose place it would take"
        )
    if path.suffix == ".json":
        return write_json
    if path.suffix == ".png":
        from dataflux_core._data.trace_picture import write_picture  # noqa: PLC0415 - matplotlib is an extra

        return write_picture
    raise InvalidArgument("trace", repr(str(path)), "a file that ends in .json (for Perfetto) or .png (a picture)")


@contextmanager
def traced(path: Path, record: TraceRecord) -> Iterator[None]:
    """Write the record's trace when this context is left, however; raises as `check_trace`, FileNotWritten.

    A listing that failed is what one wants to see a trace of; its own error is then the one that is raised.
    """
    write = check_trace(path)
    record.began_s = time.perf_counter()
    try:
        yield
    except BaseException as error:
        record.outcome = "its caller" if isinstance(error, GeneratorExit) else type(error).__name__
        try:
            _write(write, record, path)
        except Exception as second:  # noqa: BLE001 - the first one tells more
            log.warning("trace.not_written path=%s reason=%s", path, second)
        raise
    _write(write, record, path)


def _write(write: Callable[[TraceRecord, Path], None], record: TraceRecord, path: Path) -> None:
    with listing_file(path, what="the trace") as aside:
        write(record, aside)
    log.info("trace.written path=%s pages=%d", path, len(record.pages))
