"""Objects of any number of sources in one read: each position once, with the right bytes or the right error."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflux_core import errors
from dataflux_core._plan.remote import RemoteObjects
from dataflux_core._run.fetching.fetcher import Fetcher
from dataflux_core._run.fetching.options import FetchOptions
from dataflux_core._run.reading.reader import Stopped
from dataflux_core.emulator import Emulator, Latency, Memory
from tests.download.buckets import client_of
from tests.fetching.fetchers import QUICK, crc32c_of, fetched, fetcher, one
from tests.fetching.hostile import Ask, Hostile, gives, never_answers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = [f"n/{number}" for number in range(6)]
SOURCES = ["gs://first", "gs://second", "web", "other web", "file", "gs://third"]


def content_of(source: str, name: str) -> bytes:
    return f"{source} {name}".encode() * (1 + NAMES.index(name) * 40)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Fetcher, dict[str, str]]]:
    folder = tmp_path_factory.mktemp("files")
    (folder / "n").mkdir()
    for name in NAMES:
        (folder / name).write_bytes(content_of("file", name))
    buckets = {
        source.removeprefix("gs://"): Memory({name: content_of(source, name) for name in NAMES}) for source in SOURCES
    }
    other = {f"/{name}": gives(content_of("other web", name)) for name in NAMES}
    with Emulator(buckets=buckets) as gcs, Hostile(other) as server, fetcher(client_of(gcs)) as reader:
        at = {source: source for source in SOURCES}
        at |= {"web": f"{gcs.endpoint}/web", "other web": server.url, "file": str(folder)}
        yield reader, at


wanted = st.lists(
    st.tuples(st.sampled_from(SOURCES), st.sampled_from([*NAMES, "gone"]), st.sampled_from(["none", "size", "all"])),
    max_size=40,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=wanted)
def test_each_position_comes_once_with_its_bytes_or_its_error(
    wanted: list[tuple[str, str, str]], places: tuple[Fetcher, dict[str, str]]
) -> None:
    reader, at = places
    contents = [None if name == "gone" else content_of(source, name) for source, name, _ in wanted]
    known = [how for _, _, how in wanted]
    objects = RemoteObjects(
        [f"{at[source]}/{name}" for source, name, _ in wanted],
        [
            -1 if how == "none" or content is None else len(content)
            for how, content in zip(known, contents, strict=True)
        ],
        [crc32c_of(content) if how == "all" and content else "" for how, content in zip(known, contents, strict=True)],
    )
    for part, content in zip(fetched(reader, objects), contents, strict=True):
        if content is None:
            assert isinstance(part, (errors.ObjectNotFound, errors.ServiceRefused, errors.FileNotRead))
            assert "gone" in str(part)
        else:
            assert part == content


def test_nothing_wanted_gives_nothing() -> None:
    with fetcher() as reader:
        assert list(reader.read(RemoteObjects([]))) == []


WRONG = {
    "an unknown scheme": "ftp://host/x",
    "a relative path": "data/x",
    "nothing": "",
    "no bucket": "gs:///x",
    "no object": "gs://bucket/",
    "a port that is none": "http://host:99999/x",
    "no host": "http:///x",
    "a line break": "http://host/x\r\nHost: other",
    "half a character": "gs://bucket/\ud800",
    "a file elsewhere": "file://elsewhere/x",
    "a null byte": "/etc/\0passwd",
    "brackets": "http://[::1/x",
    "a key with dots": "s3://bucket/../x",
    "a key with slashes": "s3://bucket//x",
}


@pytest.mark.parametrize("url", WRONG.values(), ids=WRONG)
def test_what_cannot_be_asked_for_is_an_error_in_its_place(url: str) -> None:
    with fetcher() as reader:
        error = one(reader, url)
    assert isinstance(error, errors.InvalidArgument)
    assert "expected" in str(error)


def test_a_password_in_a_url_is_refused_without_repeating_it() -> None:
    with fetcher() as reader:
        error = one(reader, "https://user:secret@host/x?token=hidden")
    assert str(error).startswith("url=https://host/x?…: expected http:// or https://, a host, no user name")


def test_a_checksum_that_is_none_is_an_error_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    with fetcher() as reader:
        error = one(reader, f"{tmp_path}/x", crc32c="d41d8cd98f00b204")
    assert isinstance(error, errors.InvalidArgument)


@pytest.mark.parametrize(
    "options", [{"max_requests": 0}, {"max_held_bytes": 10}, {"max_reads": 0}, {"stall_timeout_s": 0}], ids=str
)
def test_limits_that_cannot_be_kept_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(errors.InvalidArgument, match="a whole number of at least"):
        FetchOptions(**options)  # type: ignore[arg-type]


def test_closing_the_generator_ends_what_is_under_way() -> None:
    behaviours = {"/silent": never_answers, "/x": gives(b"x")}
    with Hostile(behaviours) as server, fetcher() as reader:
        arriving = reader.read(RemoteObjects([f"{server.url}/x", f"{server.url}/silent", "/dev/null"]))
        next(arriving)
        arriving.close()
        assert list(reader.read(RemoteObjects([f"{server.url}/x"]))) == [(0, b"x")]


@pytest.mark.parametrize("more", [[], ["/nowhere"]], ids=["one source", "two sources"])
def test_closing_the_fetcher_ends_the_reads_of_other_threads(more: list[str]) -> None:
    asked = threading.Event()
    outcomes: list[BaseException] = []

    def silent(ask: Ask) -> None:
        asked.set()
        never_answers(ask)

    with Hostile({"/silent": silent}) as server:
        reader = Fetcher(FetchOptions(rule=QUICK))

        def read() -> None:
            try:
                list(reader.read(RemoteObjects([f"{server.url}/silent", *more])))
            except Stopped as error:
                outcomes.append(error)

        thread = threading.Thread(target=read)
        thread.start()
        assert asked.wait(60)
        reader.close()
        thread.join(60)
    assert len(outcomes) == 1
    with pytest.raises(RuntimeError, match="closed"):
        list(reader.read(RemoteObjects(["/x"])))


def test_a_source_is_read_no_further_ahead_than_may_be_held(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"{number}").write_bytes(bytes(100_000))
    asked: list[int] = []

    def counted(ask: Ask) -> None:
        asked.append(1)
        ask.reply(200, bytes(100_000))

    with Hostile({f"/{number}": counted for number in range(40)}) as server:
        urls = [f"{place}/{number}" for number in range(40) for place in (tmp_path, server.url)]
        taken = 0
        with fetcher(max_held_bytes=2**20, max_reads=1, max_requests=2) as reader:
            for position, _ in reader.read(RemoteObjects(urls, [100_000] * 80)):
                taken += position % 2
                assert len(asked) - taken <= 10  # half a megabyte of each source, and two on their way
    assert taken == 40


def test_latency_of_many_buckets_is_waited_for_at_once() -> None:
    buckets = {f"bucket-{number}": Memory({"o": b"x"}) for number in range(8)}
    with Emulator(buckets=buckets, latency=Latency(read_s=2.0)) as gcs, fetcher(client_of(gcs)) as reader:
        fetched(reader, RemoteObjects([f"gs://bucket-{number}/o" for number in range(8)], [1] * 8))
        assert gcs.requests().peak >= 6
