"""Sums of large chunks: compared beside what comes in, wrong ones read elsewhere, nothing of a thread left behind."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from dataflux_core._run.flare import sums
from dataflux_core._run.flare.errands import ChunkAsk
from dataflux_core._run.flare.reader import ChunkReader
from dataflux_core.errors import ChunkUnavailable, ChunkWrong
from tests.flare.read_streams import IMPATIENT, QUICK, contents_of, put, spec_of, stream_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflux_core._wire.web import Failure
    from tests.fetching.hostile import Hostile

CONTENTS = contents_of(6, 400_000)


def other(content: bytes) -> bytes:
    """Return as many bytes, one of them another."""
    return content[:-1] + bytes([content[-1] ^ 1])


def test_large_chunks_are_compared_beside_the_thread_that_receives(
    server: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared_in: set[str] = set()
    compare = sums.damage_of

    def noted(*arguments: Any) -> Failure | None:
        compared_in.add(threading.current_thread().name)
        return compare(*arguments)

    monkeypatch.setattr(sums, "damage_of", noted)
    assert list(stream_of(put(server, CONTENTS), CONTENTS)) == CONTENTS
    assert compared_in == {"dataflux-flare-sums"}


@pytest.mark.parametrize("kept", ["crc32c", "sha256"])
def test_a_large_chunk_that_is_wrong_on_one_mirror_is_read_from_another(server: Hostile, kept: str) -> None:
    put(server, CONTENTS, "good")
    urls = put(server, [other(content) for content in CONTENTS], "bad")
    said: dict[str, Any] = {kept: spec_of(urls, CONTENTS).headers[kept], "mirrors": [f"{server.url}/good/"]}
    assert list(stream_of(urls, **said)) == CONTENTS


def test_a_large_chunk_that_is_wrong_everywhere_is_an_error_that_names_both_sums(server: Hostile) -> None:
    urls = put(server, [other(content) for content in CONTENTS])
    with pytest.raises(ChunkUnavailable) as caught:
        stream_of(urls, CONTENTS, IMPATIENT)[2]
    (error,) = caught.value.errors
    assert isinstance(error, ChunkWrong)
    assert "crc32c" in str(error)


def test_what_fails_while_chunks_are_compared_is_raised_where_they_are_waited_for(
    server: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> Failure | None:
        raise MemoryError

    stream = stream_of(put(server, CONTENTS), CONTENTS)
    with monkeypatch.context() as patched:
        patched.setattr(sums, "damage_of", fails)
        with pytest.raises(MemoryError):
            stream[0]
    assert stream[0] == CONTENTS[0]  # the next read has another thread


def test_a_stopped_reader_leaves_no_thread_and_its_reads_end(server: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    compare: Callable[..., Failure | None] = sums.damage_of

    def held(*arguments: Any) -> Failure | None:
        begun.set()
        go_on.wait(60)
        return compare(*arguments)

    monkeypatch.setattr(sums, "damage_of", held)
    others = set(threading.enumerate())
    reader = ChunkReader(QUICK)
    spec = spec_of(put(server, CONTENTS), CONTENTS)
    crc32cs = spec.conventions.crc32c
    assert crc32cs is not None
    future = reader.submit(ChunkAsk((spec.content[0],), len(CONTENTS[0]), crc32c=crc32cs[0]))
    assert begun.wait(60)
    reader.stop()
    assert future.exception(20) is not None
    go_on.set()
    for thread in set(threading.enumerate()) - others:
        if thread.name.startswith("dataflux-flare"):
            thread.join(60)
            assert not thread.is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_while_chunks_are_compared_compares_on_its_own(server: Hostile) -> None:
    stream = stream_of(put(server, CONTENTS), CONTENTS)
    chunks = iter(stream)
    assert next(chunks) == CONTENTS[0]
    child = os.fork()
    if not child:
        try:
            os._exit(0 if list(chunks) == CONTENTS[1:] else 1)
        finally:
            os._exit(2)
    assert list(chunks) == CONTENTS[1:]
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
