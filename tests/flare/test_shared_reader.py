"""One reader for many streams: who shares it, who may enter it at any moment."""

from __future__ import annotations

import gc
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from dataflux_core._run.flare.errands import ChunkAsk
from dataflux_core._run.flare.reader import ChunkReader, reader_of
from dataflux_core.flare import Playlist, StreamOptions
from tests.fetching.hostile import Hostile, gives
from tests.flare.read_streams import QUICK, contents_of, put, spec_of, stream_of
from tests.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fetching.hostile import Ask

CONTENTS = contents_of(6)
LARGE = bytes(range(256)) * 2048


@pytest.mark.parametrize(
    ("more", "is_shared"),
    [
        ({"max_ahead_bytes": 1}, True),
        ({"max_chunk_bytes": 1}, True),
        ({"max_decoded_bytes": 1}, True),
        ({"max_requests": 3}, False),
        ({"hedge": True}, False),
        ({"patience_s": 7.5}, False),
        ({"connect_timeout_s": 77}, False),
        ({"stall_timeout_s": 77}, False),
    ],
)
def test_streams_share_a_reader_unless_their_requests_differ(more: dict[str, Any], is_shared: bool) -> None:
    options = StreamOptions(patience_s=9.5)
    assert (reader_of(options) is reader_of(replace(options, **more))) is is_shared


def test_streams_side_by_side_are_read_by_the_reader_of_each(server: Hostile) -> None:
    """A zip gives each stream its part of the memory: what is known of hosts stays one."""
    urls = put(server, CONTENTS)
    options = StreamOptions(max_requests=59)
    playlist = Playlist([spec_of(urls, CONTENTS, name) for name in "ab"])
    rows = list(playlist.zip("a", "b", options=options))
    assert len(rows) == len(CONTENTS)
    assert playlist.stream("a", options).stats.requests == 2 * len(CONTENTS)


class _Collected:
    """Goes on collecting when it is entered, as any allocation there may."""

    def __init__(self, lock: Any) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        self._lock.__enter__()
        gc.collect()

    def __exit__(self, *raised: object) -> None:
        gc.collect()
        self._lock.__exit__(*raised)


def test_an_iteration_that_the_collector_closes_within_the_reader_is_cancelled(server: Hostile) -> None:
    """The reader's lock is held: closing must neither wait for it nor be lost."""

    def behave(ask: Ask) -> None:
        ask.over.wait(60)

    server.behaviours |= {f"/d/{number}": behave for number in range(6)}
    server.behaviours["/d/0"] = server.behaviours["/e/0"] = gives(CONTENTS[0])
    options = replace(QUICK, max_requests=58)
    stream = stream_of([f"{server.url}/d/{number}" for number in range(6)], options=options)
    other = stream_of([f"{server.url}/e/0"], options=options)
    reader = reader_of(options)
    kept: list[Iterator[bytes]] = [iter(stream)]
    assert next(kept[0]) == CONTENTS[0]

    class Cycle:
        def __init__(self) -> None:
            self.chunks, self.itself = kept.pop(), self

    gc.disable()
    try:
        Cycle()
        reader._lock = _Collected(reader._lock)  # type: ignore[assignment]
        answers: list[bytes] = []
        reads = threading.Thread(target=lambda: answers.append(other[0]), daemon=True)
        reads.start()
        reads.join(60)
    finally:
        gc.enable()
    assert answers == [CONTENTS[0]]
    assert wait_until(lambda: reader.stats.in_flight == 0)


def test_whatever_holds_the_lock_may_be_entered_by_the_same_thread() -> None:
    reader = ChunkReader(QUICK)
    with reader._lock:
        reader.cancel([])
        assert reader._lock.acquire(timeout=0)
        reader._lock.release()


def without_a_thread(name: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the first start of a thread of that name fail as where there are too many; return those that failed."""
    start, failed = threading.Thread.start, list[str]()

    def starts(self: threading.Thread) -> None:
        if self.name == name and not failed:
            failed.append(name)
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", starts)
    return failed


def test_a_read_for_which_no_thread_can_be_had_fails_alone(server: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    server.behaviours["/d/0"] = gives(CONTENTS[0])
    failed = without_a_thread("dataflux-flare", monkeypatch)
    reader = ChunkReader(QUICK)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        reader.submit(ChunkAsk((f"{server.url}/d/0",))).result(60)
    assert failed
    assert reader.submit(ChunkAsk((f"{server.url}/d/0",))).result(60).content == CONTENTS[0]
    reader.stop()


def test_sums_are_compared_even_where_no_thread_can_be_had_for_that(
    server: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = without_a_thread("dataflux-flare-sums", monkeypatch)
    stream = stream_of(put(server, [LARGE]), [LARGE], replace(QUICK, max_requests=61))
    assert [stream[0] for _ in range(2)] == [LARGE] * 2
    assert failed


def test_a_thread_that_was_interrupted_while_it_started_does_nothing(
    server: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, started = threading.Thread.start, list[threading.Thread]()

    def starts(self: threading.Thread) -> None:
        start(self)
        if self.name == "dataflux-flare" and not started:
            started.append(self)
            raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", starts)
    server.behaviours["/d/0"] = gives(CONTENTS[0])
    reader = ChunkReader(QUICK)
    with pytest.raises(KeyboardInterrupt):
        reader.submit(ChunkAsk((f"{server.url}/d/0",)))
    started[0].join(60)
    assert not started[0].is_alive()
    assert reader.submit(ChunkAsk((f"{server.url}/d/0",))).result(60).content == CONTENTS[0]
    reader.stop()
